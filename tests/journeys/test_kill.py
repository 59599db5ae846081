"""kill -9 at every step of a dossier's way: nothing is lost, nothing takes effect twice.

The long form, with random kills under load, is `make kill` (tests/pki/storm.py).
"""

from __future__ import annotations

import base64
import itertools
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
from patience import PATIENCE_S

pytestmark = pytest.mark.journey

numbers = itertools.count(1)


def receipt(answer: nodes.Answer) -> bytes:
    return base64.b64decode(answer.json["BienNhan"])


def arrivals_of(so_tu_phap: agency.Agency, *wanted: letters.Letter) -> list[str]:
    ids = {letter.id for letter in wanted}
    return [identity for identity, _ in so_tu_phap.arrivals if identity in ids]


def delivered_once(node: nodes.Node, so_tu_phap: agency.Agency, *wanted: letters.Letter) -> list[str]:
    """The letters as they came. Each is one delivery, and came as often as that was tried: once, but on a busy machine an
    answer may come too late for a try."""
    came = arrivals_of(so_tu_phap, *wanted)
    for letter in wanted:
        (row,) = node.call("GET", f"/v1/messages/{letter.id}", party="cong-dvc").json["DanhSachGiaoNhan"]
        assert came.count(letter.id) == row["SoLanThu"], row
    return [*dict.fromkeys(came)]


def test_a_dossier_sent_twice_gets_one_receipt_and_one_delivery(node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    node.keep("serve", "work", workers=2)
    letter, last = letters.dossier(next(numbers)), letters.dossier(next(numbers))
    first = node.post(letter.body, letter.sender)
    second = node.post(letter.body, letter.sender)
    assert (first.status, second.status) == (201, 200)
    assert receipt(first) == receipt(second)
    assert storm.settled(node, {letter.id}) == {letter.id: "delivered"}
    node.post(last.body, last.sender)
    assert storm.settled(node, {last.id}) == {last.id: "delivered"}  # a second delivery of the first would have come
    assert delivered_once(node, so_tu_phap, letter, last) == [letter.id, last.id]


def test_killed_between_receipt_and_delivery_it_is_delivered_once(node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    node.keep("serve", workers=2)
    letter = letters.dossier(next(numbers))
    first = node.post(letter.body, letter.sender)
    assert first.status == 201
    node.kill("serve")  # recorded, answered, not yet delivered: no `work` runs
    assert arrivals_of(so_tu_phap, letter) == []
    node.keep("serve", "work", workers=2)
    assert storm.settled(node, {letter.id}) == {letter.id: "delivered"}
    assert receipt(node.post(letter.body, letter.sender)) == receipt(first)
    assert delivered_once(node, so_tu_phap, letter) == [letter.id]


def test_killed_while_the_agency_has_it_the_same_bytes_come_again(node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    node.keep("serve", "work", workers=2)
    so_tu_phap.reached.clear()
    so_tu_phap.hold = threading.Event()
    letter = letters.dossier(next(numbers))
    node.post(letter.body, letter.sender)
    assert so_tu_phap.reached.wait(PATIENCE_S)
    node.kill("work")  # the agency has it, the gateway does not know
    so_tu_phap.hold.set()
    so_tu_phap.hold = None
    node.keep("serve", "work", workers=2)
    assert storm.settled(node, {letter.id}) == {letter.id: "delivered"}
    came = {arrival for arrival in so_tu_phap.arrivals if arrival[0] == letter.id}
    assert len(came) == 1, "the same id with the same bytes, however often"
    assert so_tu_phap.taken[letter.id] == letter.body


def test_a_killed_worker_is_replaced_and_its_message_is_sent_again(node: nodes.Node) -> None:
    node.keep("serve", workers=2)
    door = node.running["serve"]
    before = storm.workers(door.pid)
    assert len(before) == 2
    known = {}
    for turn in range(20):
        letter = letters.dossier(next(numbers), "ubnd-xa-thu-nghiem")
        if turn == 10:
            os.kill(before[0], signal.SIGKILL)
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
    assert [entry["ViTri"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry["MaThongDiep"] for entry in entries][-20:] == list(known)


def test_killed_under_load_every_answer_given_is_on_record_and_nothing_is_there_twice(tmp_path: Path) -> None:
    """The short form of the storm: each process is killed."""
    report = storm.run(tmp_path, messages=40, kills=2, database="sqlite:///node.sqlite3")
    assert report.wrong == []
    assert report.kills == 2
