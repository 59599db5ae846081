"""Real processes: an agency, a gateway of two workers, its delivery process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import agency
import nodes
import pytest


@pytest.fixture
def so_tu_phap() -> Iterator[agency.Agency]:
    """The one-stop system that is pushed to."""
    with agency.agency() as made:
        yield made


@pytest.fixture
def node(tmp_path: Path, so_tu_phap: agency.Agency) -> Iterator[nodes.Node]:
    """A prepared node; nothing runs yet. Leases are short, so that a killed deliverer is missed soon."""
    profiles = {"so-tu-phap": "retry = { longest_s = 1 }\n"}
    with nodes.node(
        tmp_path / "node", agency=so_tu_phap.url, profiles=profiles, settings={"work": {"lease_s": 15}}
    ) as made:
        yield made
