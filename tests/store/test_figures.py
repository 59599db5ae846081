"""Counting on record, on every database."""

from __future__ import annotations

import _sqlite3
import ctypes
import random
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert

from gateway.core.deadlines import GIO_VIET_NAM, DeadlineRules, WorkingCalendar
from gateway.core.effects import Files, Moves, Notes, Transfers
from gateway.core.lifecycle import LifeRules, trace
from gateway.core.milestones import MilestoneKind, milestones
from gateway.core.model import Fate
from gateway.core.statistics import By, Period, Tally
from gateway.store import Store, bring_up_to_date, figures, lives, open_engine, tables

AGENCY = "so-tu-phap"
RULES = DeadlineRules()
HOURS = timedelta(hours=1)


def beside(code):
    """Another dossier's code."""
    return f"{code[:-1]}{(int(code[-1]) + 1) % 10}"


def home(day: int, month: int = 1, hour: int = 9) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=GIO_VIET_NAM)


def month(number: int) -> Period:
    return Period(since=home(1, number, 0), until=home(1, number + 1, 0))


def rules_of(_agency):
    return LifeRules()


def filed(desk, code, at, *, state=2, due=None, tthc="1.000001", channel="2"):
    """A dossier that its portal filed, already received."""
    effect = Files(
        trang_thai=state, ma_tthc=tthc, kenh_thuc_hien=channel, ngay_nop=at, ngay_tiep_nhan=at, ngay_hen_tra=due
    )
    desk.clock.now = max(desk.clock.now, at.astimezone(UTC))
    finding = desk.finding("cong-dvc", (AGENCY,), ma_ho_so=code, effects=[effect])
    assert desk.one(finding).fate is Fate.ACCEPTED


def moved(desk, code, at, *effects):
    """Something that its agency says happened then."""
    desk.clock.now = max(desk.clock.now, at.astimezone(UTC))
    finding = desk.finding(AGENCY, ("cong-dvc",), ma_ho_so=code, effects=effects, loai="HS05")
    answer = desk.one(finding)
    assert answer.fate is Fate.ACCEPTED, answer.problems


def counted(store, period, by=(By.AGENCY,), rules=RULES, agency=None):
    bring_up_to_date(store, rules_of)
    with store.read() as view:
        return view.tallies(period, by, rules, agency)


def test_a_month_counts_what_happened_in_it_and_how_things_stood_at_its_end(store, desk):
    codes = [f"H19.901-26011{n}-0001" for n in range(6)]
    for number, code in enumerate(codes):
        filed(desk, code, home(5), due=None if number == 4 else home(20), channel="2" if number < 4 else "1")
    moved(desk, codes[0], home(19), Moves(to=9, at=home(19)))
    moved(desk, codes[1], home(20, hour=8), Moves(to=9, at=home(20, hour=8)))
    moved(desk, codes[2], home(22), Moves(to=9, at=home(22)))
    moved(desk, codes[4], home(22), Moves(to=9, at=home(22)))
    moved(desk, codes[3], home(3, 2), Moves(to=9, at=home(3, 2)))
    moved(desk, codes[0], home(4, 2), Moves(to=10, at=home(4, 2)))
    january = counted(store, month(1))[(AGENCY,)]
    told = {name: n for name, n in january.counts().items() if n}
    assert told == {
        "filed": 6, "online": 4, "received": 6, "finished": 4, "early": 1, "on_time": 1, "late": 1, "undated": 1, "open": 2,
        "overdue": 2, "hand_over_late": 6, "events": 10,
    }  # fmt: skip
    february = counted(store, month(2))[(AGENCY,)]
    told = {name: n for name, n in february.counts().items() if n}
    assert told == {"finished": 1, "late": 1, "delivered": 1, "open": 1, "overdue": 1, "events": 2}
    groups = counted(store, month(1), (By.SERVICE, By.CHANNEL, By.MONTH))
    assert {names: group.filed for names, group in groups.items()} == {
        ("1.000001", "1", "2026-01"): 2,
        ("1.000001", "2", "2026-01"): 4,
    }
    assert counted(store, month(1), agency="ubnd-xa") == {}
    assert january.dossiers_in_state == {2: 4}


def test_news_of_a_past_month_count_when_the_report_is_made_again_and_later_ones_leave_it_alone(store, desk, code):
    filed(desk, code, home(5), due=home(20))
    before = counted(store, month(1))
    moved(desk, code, home(3, 2), Moves(to=9, at=home(3, 2)))
    assert counted(store, month(1))[(AGENCY,)].open == before[(AGENCY,)].open == 1
    assert counted(store, month(2))[(AGENCY,)].finished == 1


def test_what_was_open_at_the_end_of_a_month_long_past_is_found_without_reading_what_came_after(store, desk, code):
    filed(desk, code, home(5), due=home(20))
    moved(desk, code, home(3, 5), Moves(to=4, at=home(3, 5)))
    moved(desk, code, home(3, 6), Moves(to=9, at=home(3, 6)))
    assert [counted(store, month(n)).get((AGENCY,), Tally()).open for n in range(1, 8)] == [1, 1, 1, 1, 1, 0, 0]
    middle = Period(since=home(1, 5, 0), until=home(15, 5, 0))
    assert counted(store, middle)[(AGENCY,)].open == 1


def test_counts_are_those_of_every_dossier_read_one_by_one(store, desk):
    """Whatever lives there are: what SQL counts as open and done is what the lives say when they are read in Python."""
    dice = random.Random(7)
    codes = [f"H19.901-260{1 + n % 3}01-{n:04}" for n in range(12)]
    for code in codes:
        at = home(dice.randint(1, 28), dice.randint(1, 3))
        filed(desk, code, at, due=at + timedelta(days=dice.randint(1, 40)) if dice.random() < 0.8 else None)
        for state in dice.choice([(4, 9, 10), (4, 5, 4, 9), (4, 6, 4), (4,), (), (5, 2, 4, 9, 10)]):
            at += timedelta(hours=dice.randint(1, 500))
            moved(desk, code, at, Moves(to=state, at=at))
    with store.read() as view:
        lives = {d.ma_ho_so: milestones(d, trace(d.changes)) for d in view.dossiers()}
    for number in range(1, 8):
        period = month(number)
        found = counted(store, period).get((AGENCY,), Tally())
        rows = [row for life in lives.values() for row in life]
        finished = [r for r in rows if r.kind is MilestoneKind.FINISHED and r.at in period]
        standing = {
            code: row
            for code, life in lives.items()
            for row in life
            if row.kind is MilestoneKind.OPEN
            and row.at < period.until
            and (row.until is None or row.until >= period.until)
        }
        assert found.finished == len(finished)
        assert found.late == sum(row.value == "late" for row in finished)
        assert found.open == len(standing)
        assert found.overdue == sum(row.due is not None and row.due < period.until for row in standing.values())


def test_hand_overs_are_late_by_the_hours_that_the_node_counts(store, desk, code):
    friday = home(9, hour=15)
    filed(desk, code, friday)
    moved(desk, code, home(12, hour=7), Moves(to=4, at=home(12, hour=7)))  # Monday
    working = DeadlineRules(hand_over_in_working_hours=True, calendar=WorkingCalendar())
    assert [counted(store, month(1), rules=rules)[(AGENCY,)].hand_over_late for rules in (RULES, working)] == [1, 0]
    other = beside(code)
    filed(desk, other, friday)
    assert counted(store, month(1), rules=working)[(AGENCY,)].hand_over_late == 1


def test_transfers_supplements_scores_queries_and_refused_messages_are_counted(store, desk, code):
    filed(desk, code, home(5), due=home(20))
    moved(desk, code, home(6), Transfers(don_vi_nhan="H19.902.01", han_xu_ly=home(8)))
    for day in (7, 9):
        moved(desk, code, home(day), Moves(to=5, at=home(day)))
        moved(desk, code, home(day + 1), Moves(to=2, at=home(day + 1)))
    for day, score in ((11, "2"), (12, "4")):
        desk.clock.now = home(day).astimezone(UTC)
        desk.one(desk.finding(ma_ho_so=code, effects=[Notes(what="danh-gia", value=score)], loai="HS21"))
    desk.one(desk.bad())
    group = counted(store, month(1))[(AGENCY,)]
    assert (group.transfers_late, group.supplemented, group.supplemented_twice) == (1, 1, 1)
    assert (group.rated, group.scores, group.events) == (1, {4: 1}, 8)
    with store.read() as view:
        (one,) = view.unaccepted(month(1))
        assert (one.party, one.state, one.code, one.count) == ("cong-dvc", Fate.REJECTED, "DUP-010", 1)
        assert view.unaccepted(month(1), AGENCY) == view.unaccepted(month(2)) == []
        assert view.unknown_there() == {AGENCY: 1}  # what was filed waits to be delivered


def test_open_limits_are_those_of_open_dossiers_that_end_before_a_moment(store, desk, code):
    filed(desk, code, home(5), due=home(20))
    other = beside(code)
    filed(desk, other, home(5), due=home(25))
    moved(desk, other, home(6), Moves(to=9, at=home(6)))
    bring_up_to_date(store, rules_of)
    with store.read() as view:
        limits = view.open_limits(home(20), 6 * HOURS)
        assert {(limit.mark, limit.ma_ho_so, limit.due) for limit in limits} == {
            (MilestoneKind.OPEN, code, home(20)),
            (MilestoneKind.HAND_OVER, code, home(5)),
        }
        assert view.open_limits(home(5, hour=14), 6 * HOURS) == view.open_limits(home(20), 6 * HOURS, "ubnd-xa") == []


def test_only_what_changed_is_read_again_and_a_code_given_back_counts_no_more(store, desk, code):
    filed(desk, code, home(5))
    assert bring_up_to_date(store, rules_of) == 1
    assert bring_up_to_date(store, rules_of) == 0
    other = beside(code)
    filed(desk, other, home(5))
    assert bring_up_to_date(store, rules_of, page=1) == 1
    with store.begin() as tx:
        tx.release(code, who="operator:x", reason="y", now=desk.clock.now)
    assert (bring_up_to_date(store, rules_of), counted(store, month(1))[(AGENCY,)].filed) == (1, 1)
    assert bring_up_to_date(store, rules_of, anew=True) == 2


def test_however_many_dossiers_a_page_of_the_log_touches_some_histories_are_held_at_a_time(store, desk, monkeypatch):
    codes = [f"H19.901-260107-{number:04}" for number in range(20)]
    for code in codes:
        filed(desk, code, home(5))
        moved(desk, code, home(6), *(Notes(what="bo-sung-da-nop", ref=str(n)) for n in range(200)))
    assert bring_up_to_date(store, rules_of) == len(codes)
    whole = counted(store, month(1))

    def peak(lives_held):
        monkeypatch.setattr(lives, "LIVES", lives_held)
        tracemalloc.start()
        try:
            assert bring_up_to_date(store, rules_of, anew=True) == len(codes)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # what is loaded the first time is held by each
    assert 2 * peak(2) < peak(len(codes))
    assert counted(store, month(1)) == whole


def test_of_two_who_make_the_same_rows_the_second_leaves_them(store, desk, code):
    filed(desk, code, home(5))
    with store.read() as view:
        head = view.log_head().number
    with store.begin() as tx:
        assert tx.put_milestones({code: []}, after=0, upto=head)
    with store.begin() as tx:
        assert not tx.put_milestones({code: []}, after=0, upto=head)


def test_the_register_of_a_month_has_its_dossiers_in_the_order_of_receipt(store, desk):
    for number, at in enumerate((home(7), home(5), home(3, 2))):
        filed(desk, f"H19.901-260107-000{number}", at, due=home(20))
    moved(desk, "H19.901-260107-0001", home(25), Moves(to=9, at=home(25)))
    bring_up_to_date(store, rules_of)
    with store.read() as view:
        rows = view.register(month(1))
        assert [(row.ma_ho_so[-1], row.ngay_tiep_nhan) for row in rows] == [("1", home(5)), ("0", home(7))]
        assert (rows[0].punctuality, rows[0].ngay_ket_thuc, rows[0].channel, rows[0].delivered_at) == (
            "late",
            home(25),
            "2",
            None,
        )
        assert len(view.register(month(1), limit=1)) == 1
        assert view.register(month(1), "ubnd-xa") == []


def test_a_months_report_reads_no_other_month(sqlite_store, desk_at):
    """Each statement is explained: rows for counting are found by kind and day, or among those that are still open."""
    desk = desk_at(sqlite_store)
    filed(desk, "H19.901-260107-0001", home(5))
    plans = []

    def explain(_connection, cursor, statement, parameters, _context, many):
        if not many and statement.startswith(("SELECT", "WITH")):
            asked = cursor.connection.cursor()
            plans.extend(row[3] for row in asked.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall())

    bring_up_to_date(sqlite_store, rules_of)
    event.listen(sqlite_store.engine, "before_cursor_execute", explain)
    with sqlite_store.read() as view:
        view.tallies(month(1), list(By), RULES)
        view.tallies(month(1), [By.AGENCY], DeadlineRules(hand_over_in_working_hours=True), AGENCY)
        view.register(month(1))
        view.unaccepted(month(1))
        view.open_limits(home(20), HOURS)
        view.with_waiting_events(home(20), 10)
    event.remove(sqlite_store.engine, "before_cursor_execute", explain)
    reads = [plan for plan in plans if plan.startswith(("SCAN", "SEARCH")) and "milestone" in plan]
    by_day = ("ix_milestone_kind_at (kind=? AND at", "ix_milestone_open", "ix_milestone_due (kind=? AND due")
    assert [plan for plan in reads if not any(index in plan for index in by_day)] == []
    large = ("message", "dossier", "change", "log", "delivery")
    assert [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in large] == []


def test_appointments_are_counted_by_agency_and_day_and_a_list_that_is_cut_begins_with_the_next(store, desk):
    """One was missed, one is for today, two for the day after tomorrow, one is finished, one waits for the applicant."""
    codes = [f"H19.901-26011{n}-0001" for n in range(6)]
    for code, due in zip(codes, (19, 20, 22, 22, 22, 22), strict=True):
        filed(desk, code, home(5), due=home(due, hour=17))
    moved(desk, codes[4], home(6), Moves(to=9, at=home(6)))
    moved(desk, codes[5], home(6), Moves(to=5, at=home(6)))
    bring_up_to_date(store, rules_of)
    now, ends = home(20), [home(day, hour=0) for day in (21, 22, 23)]
    with store.read() as view:
        assert view.due_by_day(now, ends) == {AGENCY: (1, 1, 0, 2)}
        assert view.due_by_day(now, ends, "ubnd-xa-thu-nghiem") == {}
        first = view.due_first(now, ends[-1], AGENCY, 2)
    assert [(one.ma_ho_so, one.due) for one in first] == [(codes[1], home(20, hour=17)), (codes[2], home(22, hour=17))]


def test_what_is_counted_in_spans_of_few_rows_is_what_is_counted_at_once(store, desk, monkeypatch):
    """Dossiers that begin in pairs at the very same moment, one that is in a state twice, and messages that are refused."""
    codes = [f"H19.901-2601{n:02}-0001" for n in range(10, 19)]
    for number, code in enumerate(codes):
        filed(desk, code, home(5 + number // 2), due=home(8 + number // 2), channel=str(1 + number % 2))
    for day in (12, 14):
        moved(desk, codes[0], home(day), Moves(to=5, at=home(day)))
        moved(desk, codes[0], home(day + 1), Moves(to=2, at=home(day + 1)))
    for number, code in enumerate(codes[1:7]):
        moved(desk, code, home(16 + number // 3), Moves(to=9, at=home(16 + number // 3)))
        desk.one(desk.bad())
    slow = DeadlineRules(hand_over_in_working_hours=True)

    def everything():
        with store.read() as view:
            counts = [view.tallies(month(1), by, rules) for by in ([By.AGENCY], list(By)) for rules in (RULES, slow)]
            unaccepted = view.unaccepted(month(1))
        for groups in counts:
            for tally in groups.values():  # fractions are added in another order
                tally.seconds_in_state = {state: round(took, 3) for state, took in tally.seconds_in_state.items()}
        return counts, unaccepted

    bring_up_to_date(store, rules_of)
    at_once = everything()
    (january,) = at_once[0][0].values()
    assert january.dossiers_in_state[5] == 1
    assert (january.filed, january.finished, january.hand_over_late > 0, at_once[1][0].count) == (9, 6, True, 6)
    monkeypatch.setattr(figures, "SLICE", 1)
    assert everything() == at_once


def test_counting_a_busier_month_takes_no_more_memory(sqlite_url, request, monkeypatch):
    """Four times as many rows, counted by the same process: SQLite keeps what it sorts in memory."""
    library = ctypes.CDLL(_sqlite3.__file__)  # finds the functions of the library that it is linked with
    try:
        most = library.sqlite3_memory_highwater
    except AttributeError:
        # Python that is linked statically; that spans add up to the same is tried on every interpreter.
        pytest.skip("this interpreter hides SQLite's own functions")
    most.restype, most.argtypes = ctypes.c_int64, [ctypes.c_int]
    monkeypatch.setattr(figures, "SLICE", 2500)  # so that the store of the test is made quickly
    engine = open_engine(sqlite_url, cache_mib=1)  # pages that it keeps are another matter
    request.addfinalizer(engine.dispose)
    store = Store(engine)

    def peak(first, last):
        names = [f"H19.901-260107-{number:06}" for number in range(first, last)]
        dossier = {"agency": AGENCY, "trang_thai": 9, "ma_tthc": "1.000001"}
        mark = {"kind": MilestoneKind.FINISHED.value, "value": "early", "number": 0}
        with engine.begin() as connection:
            connection.execute(insert(tables.dossier), [{"ma_ho_so": name, **dossier} for name in names])
            rows = [{"ma_ho_so": one, "at": home(5) + n * timedelta(seconds=1), **mark} for n, one in enumerate(names)]
            connection.execute(insert(tables.milestone), rows)
        most(1)
        with store.read() as view:
            (found,) = view.tallies(month(1), [By.AGENCY], RULES).values()
        assert found.finished == last
        return most(0)

    few = peak(0, 2 * figures.SLICE)
    assert peak(2 * figures.SLICE, 8 * figures.SLICE) < 1.25 * few
