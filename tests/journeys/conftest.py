"""Real processes: an agency, a gateway of two workers, its delivery process."""

from __future__ import annotations

from collections.abc import Iterator

import agency
import nodes
import pytest


@pytest.fixture(scope="module")
def so_tu_phap() -> Iterator[agency.Agency]:
    """The one-stop system that is pushed to."""
    with agency.agency() as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, so_tu_phap: agency.Agency
) -> Iterator[nodes.Node]:
    """A prepared node on each database; a test says which of its processes it wants running (``node.keep``)."""
    database = "sqlite:///node.sqlite3"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        database = server.url(server.create())
    so_tu_phap.arrivals.clear()
    so_tu_phap.taken.clear()
    profiles = {"so-tu-phap": "retry = { longest_s = 1 }\n"}
    folder = tmp_path_factory.mktemp("journeys") / "node"
    with nodes.node(folder, agency=so_tu_phap.url, database=database, profiles=profiles) as made:
        yield made
