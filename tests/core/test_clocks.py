"""The time of a process: the machine's clock as long as it agrees with the log and with the seconds that really passed."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.clocks import ClockStart, NodeClock, counted_time

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Machine:
    """A machine whose clock somebody may set."""

    def __init__(self, now=NOON):
        self.now, self.counted = now.timestamp(), 1000.0

    def passes(self, seconds):
        self.now += seconds
        self.counted += seconds

    def set(self, by):
        self.now += by.total_seconds()

    def clock(self, newest=None, start=None):
        return NodeClock(newest, start, wall=lambda: self.now, counted=lambda: self.counted)


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


def test_the_machines_own_clocks_agree_with_themselves():
    start = ClockStart.now()
    assert round(start.wall - time.time(), -4) == round(start.counted - counted_time(), -4) == 0
    clock = NodeClock(start=start)
    assert clock.doubt() is None
    assert clock().date() - datetime.now(UTC).date() in (timedelta(0), timedelta(-1))
