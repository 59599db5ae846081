"""The time of a process: the machine's clock as long as it agrees with the log and with the seconds that really passed."""

import ctypes
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.core.clocks import ClockStart, NodeClock, counted_time, kept_by_time_service

pytestmark = pytest.mark.hostile

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Machine:
    """A machine whose clock somebody may set."""

    def __init__(self, now=NOON):
        self.now, self.counted, self.kept = now.timestamp(), 1000.0, False

    def passes(self, seconds):
        self.now += seconds
        self.counted += seconds

    def set(self, by):
        self.now += by.total_seconds()

    def said(self):
        """By both clocks, as a line of the log keeps it."""
        return ClockStart.of(ClockStart(self.now, self.counted).facts())

    def clock(self, newest=None, start=None):
        return NodeClock(newest, start, wall=lambda: self.now, counted=lambda: self.counted, kept=lambda: self.kept)


@pytest.mark.parametrize("jump", [DAY, -DAY, timedelta(minutes=2), timedelta(days=-400)])
def test_a_jump_is_not_believed_and_time_goes_on_by_our_own_count(jump):
    machine = Machine()
    clock = machine.clock()
    assert (clock(), clock.doubt()) == (NOON, None)
    machine.set(jump)
    machine.passes(30)
    assert clock() == NOON + timedelta(seconds=30)
    assert clock.doubt().code == "SYS-078"
    machine.set(-jump)
    assert (clock(), clock.doubt()) == (NOON + timedelta(seconds=30), None)


def test_what_a_time_server_does_all_the_time_is_followed():
    machine = Machine()
    clock = machine.clock()
    for _ in range(10):
        machine.set(timedelta(seconds=-20))
        machine.passes(60)
        assert clock().timestamp() == machine.now
        assert clock.doubt() is None


def test_a_clock_behind_the_log_is_not_believed_from_the_start_and_time_goes_on_from_the_log():
    """Retries that are due a moment after the newest line do not sleep until the clock has caught up."""
    machine = Machine(NOON - DAY)
    clock = machine.clock(newest=NOON)
    assert clock() == NOON
    assert clock.doubt().facts["off"] == "-86400 s"
    machine.passes(30)
    assert clock() == NOON + timedelta(seconds=30)
    machine.set(DAY * 7)  # set right at last: the machine had been off for six days
    assert (clock.doubt(), clock().timestamp()) == (None, machine.now)
    machine.set(DAY)  # and is believed from then on as any other is
    assert clock.doubt().code == "SYS-078"


@pytest.mark.parametrize(("short_s", "believed"), [(60, True), (61, False)])
def test_a_minute_is_how_far_clocks_may_be_apart(short_s, believed):
    short = timedelta(seconds=short_s)
    for sign in (1, -1):
        machine = Machine()
        clock = machine.clock()
        machine.set(sign * short)
        assert (clock.doubt() is None) is believed
        assert clock() == (NOON + sign * short if believed else NOON)
    assert (Machine(NOON - short).clock(newest=NOON).doubt() is None) is believed
    machine = Machine(NOON - DAY)
    clock = machine.clock(newest=NOON)
    machine.set(DAY - short)  # the log's time has gone on meanwhile, so that the machine need not reach that
    machine.counted += 600
    assert (clock.doubt() is None) is believed


def test_a_quiet_log_is_no_reason_to_doubt():
    machine = Machine()
    assert machine.clock(newest=NOON - 30 * DAY).doubt() is None
    assert machine.clock(newest=NOON + timedelta(seconds=40)).doubt() is None


def test_a_process_that_begins_after_a_jump_goes_by_what_its_node_believed_when_it_began():
    machine = Machine()
    start = ClockStart(machine.now, machine.counted)
    machine.passes(100)
    machine.set(DAY)
    later = machine.clock(newest=NOON, start=start)
    assert later() == NOON + timedelta(seconds=100)
    assert later.doubt().facts["off"] == "+86400 s"
    assert machine.clock(newest=NOON).doubt() is None  # a node that is started anew believes it


def test_a_process_that_begins_after_several_steps_goes_by_what_the_others_believe_by_then():
    machine = Machine()
    clock, first = machine.clock(), ClockStart(machine.now, machine.counted)
    for _ in range(2):
        machine.set(timedelta(seconds=40))
        machine.passes(600)
        assert clock.doubt() is None
    later = machine.clock(start=clock.believed())
    assert (later.doubt(), later().timestamp()) == (None, machine.now)
    assert machine.clock(start=first).doubt().facts["off"] == "+80 s"  # what the node believed at its beginning
    machine.set(DAY)
    assert clock.believed() is None


def test_a_paused_machine_is_believed_once_a_time_service_has_set_its_clock_on():
    """It counts nothing while its hypervisor keeps it still; the time service sets the clock on, and then says that it is right."""
    machine = Machine()
    clock = machine.clock()
    machine.set(timedelta(hours=3))
    for _ in range(3):
        machine.passes(2)
        assert clock.settle(NOON, None) is False
    assert clock.doubt().code == "SYS-078"
    machine.kept = True
    assert clock.settle(NOON, None)
    assert (clock.doubt(), clock().timestamp()) == (None, machine.now)
    assert clock.settle(NOON, None) is False  # there was nothing to settle
    machine.set(DAY)  # by hand: the kernel takes its word back in the same moment
    machine.kept = False
    assert not clock.settle(NOON, None)
    assert clock.doubt().facts["off"] == "+86400 s"


@pytest.mark.parametrize("starts", ["before", "after"])
def test_no_time_service_is_believed_against_the_log(starts):
    machine = Machine(NOON + DAY if starts == "before" else NOON)
    clock = machine.clock(NOON + DAY)
    assert (clock.doubt() is None) is (starts == "before")
    machine.set(-DAY if starts == "before" else timedelta(0))
    machine.kept = True
    assert not clock.settle(NOON + DAY, None)
    assert clock.doubt().facts["off"] == "-86400 s"


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_person_who_confirms_the_clock_is_believed_by_all_processes_of_that_machine_until_it_jumps_again(jump):
    machine = Machine()
    start = ClockStart(machine.now, machine.counted)
    clock = machine.clock(start=start)
    machine.set(jump)
    assert clock.doubt().code == "SYS-078"
    confirmed = machine.said()
    machine.passes(3600)
    newest = NOON + timedelta(hours=1)  # by our own count
    assert clock.settle(newest, confirmed)
    assert clock().timestamp() == machine.now
    later = machine.clock(newest, start)  # a worker that is replaced: its parent knows nothing of it
    assert later.doubt() is not None
    assert later.settle(newest, confirmed)
    machine.set(DAY / 2)
    for one in (clock, later):
        assert not one.settle(newest, confirmed)
        assert one.doubt().code == "SYS-078"


def test_what_was_confirmed_on_another_machine_or_before_the_last_start_counts_for_nothing():
    machine = Machine()
    facts = ClockStart(machine.now, machine.counted).facts()
    assert ClockStart.of(facts) == ClockStart(machine.now, machine.counted)
    assert ClockStart.of(facts | {"machine": "another"}) is None
    assert ClockStart.of({"reason": "of before lines said that"}) is None
    confirmed = machine.said()
    machine.passes(7200)
    machine.counted = 20.0  # started anew, which took a while
    clock = machine.clock()
    assert clock.doubt() is None
    machine.set(DAY)
    assert not clock.settle(NOON, confirmed)


@pytest.mark.parametrize(("short_s", "believed"), [(59, True), (60, True), (61, False)])
def test_a_time_service_may_be_a_minute_before_the_log(short_s, believed):
    machine = Machine()
    clock = machine.clock()
    machine.set(DAY)
    machine.kept = True
    assert clock.settle(NOON + DAY + timedelta(seconds=short_s), None) is believed


@pytest.mark.parametrize(("said", "kept"), [(0, True), (1, True), (4, True), (5, False), (-1, False)])
def test_the_kernel_is_only_asked_and_its_word_for_not_synchronised_is_a_no(said, kept, monkeypatch):
    class Kernel:
        def adjtimex(self, asked):
            assert not any(asked.raw)  # no mode: nothing is set
            return said

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Kernel())
    assert kept_by_time_service() is kept


def test_a_system_that_cannot_be_asked_vouches_for_nothing(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert kept_by_time_service() is False


def test_the_kernel_of_this_machine_says_yes_or_no():
    assert kept_by_time_service() in (True, False)


def test_a_machine_is_named_by_a_digest_or_by_a_dash(monkeypatch):
    def away(_):
        raise FileNotFoundError

    assert re.fullmatch("[0-9a-f]{16}|–", ClockStart(1.0, 2.0).facts()["machine"])
    monkeypatch.setattr(Path, "read_bytes", away)
    assert ClockStart(1.0, 2.0).facts()["machine"] == "–"


def test_the_machines_own_clocks_agree_with_themselves():
    start = ClockStart.now()
    assert round(start.wall - time.time(), -4) == round(start.counted - counted_time(), -4) == 0
    clock = NodeClock(start=start)
    assert clock.doubt() is None
    assert clock().date() - datetime.now(UTC).date() in (timedelta(0), timedelta(-1))
