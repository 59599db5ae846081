"""The technical log never holds up whoever writes it, and says what it had to drop."""

import json
import logging
import os
import re
import sys
import threading

import pytest
from patience import PATIENCE_S, eventually

from gateway.services.lines import LineWriter, NotedLine, Wording


@pytest.fixture
def written():
    """Makes a logger whose lines go to a function; everything is closed at the end."""
    made = []

    def written(write, **more):
        handler = LineWriter(Wording(as_json=False), write, **more)
        log = logging.Logger("lienthong.test")  # noqa: LOG001 - one of its own, which nobody else hears
        log.addHandler(handler)
        made.append(handler)
        return log, handler

    yield written
    for handler in made:
        handler.close()


class Reader:
    """Somebody who reads what is written, or does not."""

    def __init__(self, *, reads=True):
        self.content = b""
        self.reads = threading.Event()
        self.stuck = threading.Event()
        if reads:
            self.reads.set()

    def take(self, content):
        """Some of it."""
        self.stuck.set()
        assert self.reads.wait(PATIENCE_S)
        self.content += content[:1000]
        return len(content[:1000])

    @property
    def events(self):
        """What the lines told of."""
        return [line.partition(" event=")[2].strip('"') for line in self.content.decode().splitlines()]


def test_lines_are_written_in_order_and_all_of_them(written):
    reader = Reader()
    log, handler = written(reader.take)
    for number in range(500):
        log.info("line-%d", number)
    handler.flush()
    assert reader.events == [f"line-{number}" for number in range(500)]
    assert handler.dropped == 0


@pytest.mark.hostile
def test_nobody_waits_for_a_reader_that_reads_nothing_and_what_was_dropped_is_said(written):
    reader = Reader(reads=False)
    log, handler = written(reader.take, most=100)
    log.info("first")
    assert reader.stuck.wait(PATIENCE_S)
    for number in range(1000):
        log.info("line-%d", number)  # a handler that waited would wait for ever here
    assert handler.dropped == 900
    reader.reads.set()
    assert eventually(lambda: any("dropped" in event for event in reader.events))
    assert reader.events[:101] == ["first", *(f"line-{number}" for number in range(100))]
    assert "900 lines of this log were dropped: nobody took them" in reader.events
    log.info("later")
    assert eventually(lambda: "later" in reader.events)


@pytest.mark.hostile
def test_a_pipe_that_is_full_and_one_that_is_closed_cost_nothing_but_lines(written):
    theirs, ours = os.pipe()
    log, handler = written(lambda content: os.write(ours, content), most=50)
    for _ in range(5000):
        log.info("x" * 200)
    assert handler.dropped > 0
    os.close(theirs)  # the writer is told so: EPIPE, as Python ignores SIGPIPE
    before = handler.dropped
    assert eventually(lambda: handler.dropped > before or not handler._waiting)
    log.info("nobody hears this")
    os.close(ours)


def test_what_is_logged_when_a_process_ends_is_written(written):
    reader = Reader()
    log, handler = written(reader.take)
    log.info("last")
    handler.close()
    assert reader.events == ["last"]


def test_what_a_line_names_may_change_after_it_was_logged(written):
    reader = Reader()
    log, handler = written(reader.take)
    names = ["a"]
    log.info("names %s", names)
    names.append("b")
    handler.flush()
    assert reader.events == ["names ['a']"]


def test_a_line_that_cannot_be_worded_is_told_of(written):
    class Odd:
        def __str__(self):
            raise LookupError

    reader = Reader()
    log, handler = written(reader.take)
    log.info("odd", extra={"value": Odd()})
    log.info("next")
    handler.flush()
    assert b"a line of lienthong.test cannot be worded: LookupError" in reader.content
    assert "next" in reader.events


def record(event, exc_info=None, **beside):
    made = logging.makeLogRecord({"name": "lienthong.web", "levelname": "INFO", "msg": event, "created": 1.5, **beside})
    made.exc_info = exc_info
    return made


def test_a_line_for_people_has_time_level_logger_and_event_first():
    said = {"route": "/v1/messages", "party": None, "ok": True, "name_of": 'Sở "A"', "path": "C:\\a b"}
    assert Wording(as_json=False).format(record("was answered", **said)) == (
        'timestamp=1970-01-01T00:00:01.500000Z level=info logger=lienthong.web event="was answered" route=/v1/messages party= '
        'ok=true name_of="Sở \\"A\\"" path="C:\\\\a b"'
    )


def test_a_line_for_machines_is_json_with_the_trace_in_it():
    try:
        raise LookupError("không có")
    except LookupError:
        line = Wording(as_json=True).format(record("hỏng", sys.exc_info(), number=3, where=os.PathLike))
    told = json.loads(line)
    assert (told["event"], told["level"], told["number"]) == ("hỏng", "info", 3)
    assert "LookupError: không có" in told["exception"]
    assert "\n" not in line


@pytest.mark.parametrize("as_json", [True, False])
def test_no_line_moves_a_terminals_cursor_or_begins_another_line(as_json):
    line = Wording(as_json=as_json).format(record("a\x1b[2Jb\nc\u202ed", who="\x9b"))
    assert line.isprintable() or not set(line) & set("\x1b\n\u202e\x9b")
    assert "\x1b" not in line
    assert "\n" not in line


@pytest.mark.hostile
def test_what_standard_error_cannot_show_is_replaced(written, monkeypatch):
    class Latin:
        encoding = "latin-1"

    monkeypatch.setattr(sys, "stderr", Latin())
    reader = Reader()
    log, handler = written(reader.take)
    log.info("Nguyễn")
    handler.flush()
    assert reader.content.endswith(b"event=Nguy\\u1ec5n\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_noted_without_its_place_says_what_a_line_of_logging_says(as_json):
    class Kept(logging.Handler):
        def emit(self, record):
            lines.append(wording.format(record))

    lines, reader, wording = [], Reader(), Wording(as_json=as_json)
    log = logging.Logger("lienthong.test.door")  # noqa: LOG001 - one of its own, which nobody else hears
    log.parent = logging.Logger("lienthong.test")  # noqa: LOG001 - where logging would look for further handlers
    writer = LineWriter(wording, reader.take)
    for handler in (Kept(), writer):
        log.parent.addHandler(handler)
    said = {"status": 201, "took_ms": 1.5, "party": None, "route": '/v1/messages "a"\n\u202e'}
    log.info("answered", extra=said)
    NotedLine(log, "answered", *said)(*said.values())
    writer.close()
    assert len(lines) == 2
    assert reader.content.decode().splitlines() == lines
    first, second = [re.sub(r"[0-9T:.-]+Z", "now", line) for line in lines]
    assert first == second
    assert "status" in first


def test_lines_noted_and_lines_of_logging_keep_their_order_and_levels(written):
    reader = Reader()
    log, handler = written(reader.take)
    notes = NotedLine(log, "noted", "number")
    for number in range(200):
        notes(number)
        log.warning("line-%d", number)
    quiet = logging.Logger("lienthong.test", logging.WARNING)  # noqa: LOG001
    quiet.addHandler(handler)
    NotedLine(quiet, "noted", "number")(200)
    handler.flush()
    assert reader.events == [e for n in range(200) for e in (f"noted number={n}", f"line-{n}")]
    log.propagate, log.parent = False, logging.Logger("lienthong")  # noqa: LOG001 - whom nobody asks then
    log.parent.addHandler(handler)
    notes(201)
    handler.flush()
    assert reader.events[400:] == ["noted number=201"]


@pytest.mark.hostile
def test_a_noted_line_that_cannot_be_worded_or_taken_is_told_of(written):
    class Odd:
        def __str__(self):
            raise LookupError

    reader = Reader(reads=False)
    log, handler = written(reader.take, most=2)
    notes = NotedLine(log, "odd", "value")
    notes(1)
    assert reader.stuck.wait(PATIENCE_S)
    for value in (Odd(), 2, 3):
        notes(value)
    assert handler.dropped == 1
    reader.reads.set()
    assert eventually(lambda: b"1 lines of this log were dropped" in reader.content)
    assert reader.events[0] == "odd value=1"
    assert b"a line of lienthong.test cannot be worded: LookupError" in reader.content
    assert "odd value=2" in reader.events
