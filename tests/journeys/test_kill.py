"""kill -9 at the two moments that matter most: nothing is lost, nothing takes effect twice.

At random moments, of everything that runs, on both databases: `make storm-short` in CI, `make storm` (tests/pki/storm.py).
"""

from __future__ import annotations

import threading
from pathlib import Path

import agency
import letters
import nodes
import pytest
from patience import PATIENCE_S, eventually

from gateway.core.model import DeliveryState
from gateway.opening import open_store
from gateway.settings import load

pytestmark = pytest.mark.journey


def test_killed_between_receipt_and_delivery_and_while_the_agency_has_it_it_takes_effect_once(tmp_path: Path) -> None:
    letter = letters.dossier(1)
    profiles = {"so-tu-phap": "retry = { longest_s = 1 }\n"}
    with agency.agency() as there, nodes.node(tmp_path / "node", agency=there.url, profiles=profiles) as node:
        store = open_store(load(node.folder / "lienthong.toml", {}))
        node.keep("serve")
        assert node.post(letter.body, letter.sender).status == 201
        node.kill("serve")  # recorded, answered, not yet delivered: no `work` has run
        assert there.arrivals == []
        there.hold = threading.Event()
        node.keep("work")
        assert there.reached.wait(PATIENCE_S), node.log("work")
        node.kill("work")  # the agency has it, the gateway does not know
        there.hold.set()
        there.hold = None
        node.keep("work")

        def states() -> list[DeliveryState]:
            with store.read() as view:
                return [one.state for one in view.deliveries(limit=10)]

        assert eventually(lambda: states() == [DeliveryState.DELIVERED]), node.log("work")
        store.dispose()
    assert len(there.arrivals) > 1, "what is uncertain is sent again"
    assert len(set(there.arrivals)) == 1, "the same id with the same bytes, however often"
    assert there.taken == {letter.id: letter.body}
    assert there.wrong == []
