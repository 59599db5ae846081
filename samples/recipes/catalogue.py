"""Every sample there is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from recipes.accepted import accepted_types
from recipes.honest import honest
from recipes.journeys import expected_of, journeys, samples_of
from recipes.records import records
from recipes.rejected_life import rejected_life
from recipes.rejected_sig import rejected_sig
from recipes.rejected_xml import rejected_xml
from recipes.rejected_xsd import rejected_xsd
from recipes.sample import Sample

FOLDERS = ("accepted", "rejected", "undetermined", "journeys")


@cache
def samples() -> tuple[Sample, ...]:
    """All, accepted ones first."""
    found = (
        *accepted_types(),
        *rejected_xml(),
        *rejected_sig(),
        *rejected_xsd(),
        *rejected_life(),
        *records(),
        *honest(),
        *(one for journey in journeys() for one in samples_of(journey)),
    )
    names = [sample.name for sample in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two samples are called {sorted(twice)}")
    return found


@cache
def _by_name() -> dict[str, Sample]:
    return {sample.name: sample for sample in samples()}


def path_of(name: str) -> str:
    """Where the sample of this name lies, below samples/."""
    sample = _by_name()[name]
    return f"{sample.folder or sample.outcome}/{name}.xml"


def other_files() -> Iterable[tuple[str, bytes]]:
    """Files that are no samples of their own: what must come of each journey."""
    return [(f"journeys/{journey.name}/journey.toml", expected_of(journey).encode()) for journey in journeys()]
