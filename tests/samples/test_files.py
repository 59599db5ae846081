"""Every file of samples/ says what must happen to it, and nothing else lies there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import sampling
from patience import PATIENCE_S

from gateway.core.problems import ProblemOutcome, catalogue

KEYS = {"why_vi", "why_en", "sender", "outcome", "alone", "after", "problems"}
PLACES = {"code", "line", "column", "xpath", "on_record"}


def files(folder: str) -> set[str]:
    return {
        str(path.relative_to(sampling.SAMPLES)) for path in (sampling.SAMPLES / folder).rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("folder", sampling.FOLDERS)
def test_every_sample_has_a_side_car_and_every_side_car_a_sample(folder: str) -> None:
    there = files(folder)
    stems = {name.rpartition(".")[0] for name in there}
    assert there == {f"{stem}{suffix}" for stem in stems for suffix in (".xml", ".toml")}
    assert stems


@pytest.mark.parametrize("sample", sampling.samples(), ids=lambda s: s.name)
def test_a_side_car_is_complete_and_speaks_both_languages(sample: sampling.Sample) -> None:
    row = tomllib.loads(sample.path.with_suffix(".toml").read_text("utf-8"))
    assert row.keys() <= KEYS
    assert row["why_vi"] != row["why_en"]
    assert row["outcome"] == sample.name.partition("/")[0]
    assert all(problem.keys() <= PLACES for problem in row.get("problems", ()))
    outcomes = {catalogue()[problem.code].outcome for problem in sample.problems}
    assert (ProblemOutcome.FAILED in outcomes) == (sample.outcome == "rejected")
    assert (ProblemOutcome.UNDETERMINED in outcomes) == (sample.outcome == "undetermined")
    for name in sample.after:
        assert sampling.sample(name).outcome == "accepted"


@pytest.mark.parametrize("sample", sampling.samples("rejected", "undetermined"), ids=lambda s: s.name)
def test_a_sample_is_named_after_its_problem(sample: sampling.Sample) -> None:
    named = re.search(r"[A-Z]{3}-\d{3}", sample.name)
    codes = [problem.code for problem in sample.problems]
    assert codes
    assert named is None or named[0] in codes
    assert named is not None or len(codes) > 1, "a file that is not named after one code shows several"


def test_the_files_are_what_their_recipes_make() -> None:
    done = subprocess.run(
        [sys.executable, str(sampling.SAMPLES / "make.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("journey", sorted((sampling.SAMPLES / "journeys").iterdir()), ids=lambda path: path.name)
def test_a_journey_lists_all_its_files_in_order(journey: Path) -> None:
    told = tomllib.loads((journey / "journey.toml").read_text("utf-8"))
    stems = [name.removesuffix(".xml") for name in told["files"]]
    assert [stem[:2] for stem in stems] == [f"{number:02d}" for number in range(1, len(stems) + 1)]
    there = {path.name for path in journey.iterdir()}
    assert there == {"journey.toml", *(f"{stem}{suffix}" for stem in stems for suffix in (".xml", ".toml"))}
