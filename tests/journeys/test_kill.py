"""kill -9 at every step of a dossier's way: nothing is lost, nothing takes effect twice.

The long form, with random kills under load, is `make kill` (tests/pki/storm.py).
"""

from __future__ import annotations

import base64
import os
import signal
import threading
from http.client import HTTPException
from pathlib import Path

import agency
import letters
import nodes
import pytest
import storm

pytestmark = pytest.mark.journey


def receipt(answer: nodes.Answer) -> bytes:
    return base64.b64decode(answer.json["BienNhan"])


def test_a_dossier_sent_twice_gets_one_receipt_and_one_delivery(node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    node.serve()
    node.work()
    letter = letters.dossier(1)
    first = node.post(letter.body, letter.sender)
    second = node.post(letter.body, letter.sender)
    assert (first.status, second.status) == (201, 200)
    assert receipt(first) == receipt(second)
    so_tu_phap.wait_for(1)
    last = letters.dossier(2)
    node.post(last.body, last.sender)
    so_tu_phap.wait_for(2)  # by now a second delivery of the first would have come
    assert [arrival[0] for arrival in so_tu_phap.arrivals] == [letter.id, last.id]


def test_killed_between_receipt_and_delivery_it_is_delivered_once(node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    door = node.serve()
    letter = letters.dossier(1)
    first = node.post(letter.body, letter.sender)
    assert first.status == 201
    node.kill(door)  # recorded, answered, not yet delivered: no `work` has run
    assert so_tu_phap.arrivals == []
    node.serve()
    node.work()
    so_tu_phap.wait_for(1)
    assert receipt(node.post(letter.body, letter.sender)) == receipt(first)
    assert [arrival[0] for arrival in so_tu_phap.arrivals] == [letter.id]


def test_killed_while_the_agency_has_it_the_same_bytes_come_again(node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    node.serve()
    so_tu_phap.hold = threading.Event()
    work = node.work()
    letter = letters.dossier(1)
    node.post(letter.body, letter.sender)
    assert so_tu_phap.reached.wait(60)
    node.kill(work)  # the agency has it, the gateway does not know
    so_tu_phap.hold.set()
    so_tu_phap.hold = None
    node.work()
    delivered = storm.settled(node, {letter.id})
    assert delivered == {letter.id: "delivered"}
    assert set(so_tu_phap.arrivals) == {so_tu_phap.arrivals[0]}  # same id, same bytes, however often
    assert list(so_tu_phap.taken) == [letter.id]


def test_a_killed_worker_is_replaced_and_its_message_is_sent_again(node: nodes.Node) -> None:
    door = node.serve(workers=2)
    before = storm.children(door.pid)
    assert len(before) >= 2
    known = {}
    for number in range(1, 21):
        letter = letters.dossier(number, "ubnd-xa-thu-nghiem")
        if number == 10:
            os.kill(storm.workers(door.pid)[0], signal.SIGKILL)
        for _ in range(50):
            try:
                answer = node.post(letter.body, letter.sender)
                break
            except (OSError, HTTPException):
                continue
        assert answer.status in (200, 201)
        known[letter.id] = receipt(answer)
    assert door.poll() is None
    entries = node.inbox("ubnd-xa-thu-nghiem")
    assert [entry["ViTri"] for entry in entries] == list(range(1, 21))
    assert [entry["MaThongDiep"] for entry in entries] == list(known)


def test_killed_under_load_every_answer_given_is_on_record_and_nothing_is_there_twice(tmp_path: Path) -> None:
    """The short form of the storm: three kills of each process."""
    report = storm.run(tmp_path, messages=60, kills=3, database="sqlite:///node.sqlite3")
    assert report.wrong == []
    assert report.kills >= 3
