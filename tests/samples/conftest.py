"""The gate and the node under which the samples are judged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import nodes
import pytest
import sampling

from gateway import settings, wiring
from gateway.services.intake import Gate


@pytest.fixture(scope="session")
def gate() -> Gate:
    """The gate of samples/lienthong.toml: no database, no key."""
    loaded = settings.load(sampling.SAMPLES / "lienthong.toml", env={})
    return wiring.build(loaded.settings)


@pytest.fixture(scope="session")
def now() -> datetime:
    """The samples are judged today."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nodes.Node]:
    """A real node with the parties of the samples, serving."""
    with nodes.node(tmp_path_factory.mktemp("node")) as made:
        made.serve(workers=1)
        yield made
