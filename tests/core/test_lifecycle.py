"""The life of a dossier: the table, and what follows from events in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import AGENCY, CODE, DUE, HOUR, NEW, PORTAL, START, filed, letter, live, then

from gateway.core import lifecycle
from gateway.core.effects import Files, Moves, Notes, Redates, Returns, Transfers
from gateway.core.lifecycle import LABELS, Guard, LifeRules, Reading, Span, Trace, follow, move, possible, trace
from gateway.core.model import Change, Dossier, MaThongDiep, MessageId, ThongDiep
from gateway.core.parties import CodeMeaning, Party, Role
from gateway.core.problems import Stopped


def test_every_state_is_reachable_from_filing_and_only_refusal_has_no_way_out() -> None:
    reached, frontier = {1}, [1]
    while frontier:
        frontier = [s for state in frontier for s in possible(state) if s not in reached and not reached.add(s)]
    assert reached == set(LABELS)
    assert [state for state in LABELS if not possible(state)] == [lifecycle.KHONG_TIEP_NHAN]


def test_an_impossible_move_names_the_possible_ones() -> None:
    with pytest.raises(Stopped) as stop:
        move(2, 10)
    (problem,) = stop.value.problems
    assert problem.code == "DOS-010"
    assert [named[:2].strip() for named in problem.facts["possible"]] == ["4", "5", "7", "8", "9"]


@given(st.integers(1, 10), st.lists(st.integers(1, 10)))
def test_any_sequence_of_moves_stays_in_the_table(state: int, wishes: list[int]) -> None:
    for to in wishes:
        try:
            after = move(state, to)
        except Stopped:
            continue
        assert after in possible(state)
        state = after


def test_a_whole_life_ends_with_the_result_delivered() -> None:
    dossier = live(
        filed(),
        letter(Moves(to=2, ngay_hen_tra=DUE), hours=1, thu_tu=1),
        letter(Moves(to=4), hours=2, thu_tu=2),
        letter(Moves(to=9, at=START + 5 * HOUR), Moves(to=10, at=START + 6 * HOUR), hours=6, thu_tu=3),
    )
    assert dossier.trang_thai == 10
    assert dossier.ngay_tiep_nhan == START + HOUR
    assert dossier.ngay_ket_thuc == START + 5 * HOUR


def test_a_move_that_cannot_be_is_refused_and_not_kept() -> None:
    dossier = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1))
    with pytest.raises(Stopped) as stop:
        follow(letter(Moves(to=10), hours=2, thu_tu=2), dossier, AGENCY, LifeRules(), message="m", now=START)
    assert [p.code for p in stop.value.problems] == ["DOS-010"]


def test_a_move_without_its_condition_says_which_condition() -> None:
    with pytest.raises(Stopped) as stop:
        live(filed(), letter(Moves(to=3, ly_do=False), hours=1, thu_tu=1))
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts["guard"]) == ("DOS-011", ["reason"])


def test_an_early_event_waits_for_the_missing_one_and_then_takes_effect() -> None:
    early = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), letter(Moves(to=10), hours=4, thu_tu=4))
    assert early.trang_thai == 2
    assert trace(early.changes).steps[-1].reading is Reading.WAITING
    then = follow(letter(Moves(to=4), hours=2, thu_tu=2), early, AGENCY, LifeRules(), message="m", now=START).dossier
    done = follow(letter(Moves(to=9), hours=3, thu_tu=3), then, AGENCY, LifeRules(), message="n", now=START).dossier
    assert (then.trang_thai, done.trang_thai) == (4, 10)


def test_late_news_takes_its_place_and_moves_nothing() -> None:
    dossier = live(filed(), letter(Moves(to=2), hours=1), letter(Moves(to=4), hours=5))
    followed = follow(letter(Moves(to=5), hours=3), dossier, AGENCY, LifeRules(), message="m", now=START)
    assert followed.dossier.trang_thai == 4
    assert [p.code for p in followed.notes] == ["DOS-021"]
    assert [s.reading for s in followed.trace.steps if isinstance(s.effect, Moves) and s.effect.to == 5] == [
        Reading.LATE
    ]


def test_a_portal_filing_again_does_not_move_the_state() -> None:
    dossier = live(filed(), letter(Moves(to=2), hours=1))
    again = letter(Files(trang_thai=1, ma_tthc="1.001193"), hours=3, loai="HS01")
    assert follow(again, dossier, PORTAL, LifeRules(), message="m", now=START).dossier.trang_thai == 2


def test_an_agency_synchronising_again_moves_the_state() -> None:
    dossier = live(filed(), letter(Moves(to=2), hours=1))
    again = letter(Files(trang_thai=4, ma_tthc="1.001193"), hours=3, loai="HS01")
    assert follow(again, dossier, AGENCY, LifeRules(), message="m", now=START).dossier.trang_thai == 4


def test_waiting_for_a_supplement_extends_the_appointment() -> None:
    dossier = live(
        filed(),
        letter(Moves(to=2, ngay_hen_tra=DUE), hours=1),
        letter(Moves(to=5), hours=2),
        letter(Moves(to=None), hours=50),
    )
    assert (dossier.trang_thai, dossier.ngay_hen_tra) == (2, DUE + 48 * HOUR)


def test_by_decree_the_whole_limit_is_counted_again() -> None:
    dossier = live(
        filed(),
        letter(Moves(to=2, ngay_hen_tra=DUE), hours=1),
        letter(Moves(to=4), hours=2),
        letter(Moves(to=5), hours=3),
        letter(Moves(to=2), hours=50),
        rules=LifeRules(by_decree=True),
    )
    assert dossier.trang_thai == 2
    assert dossier.ngay_hen_tra == START + 50 * HOUR + (DUE - (START + HOUR))


@pytest.mark.parametrize(("pause", "moved"), [(True, 24 * HOUR), (False, timedelta(0))])
def test_stopping_extends_the_appointment_only_where_the_agency_calls_it_a_pause(pause: bool, moved: timedelta) -> None:
    dossier = live(
        filed(),
        letter(Moves(to=2, ngay_hen_tra=DUE), hours=1),
        letter(Moves(to=4), hours=2),
        letter(Moves(to=8, ly_do=True), hours=3),
        letter(Moves(to=4), hours=27),
        rules=LifeRules(trang_8_la_tam_dung=pause),
    )
    assert dossier.ngay_hen_tra == DUE + moved


def test_an_explicit_appointment_wins_over_the_computed_one() -> None:
    new = DUE + timedelta(days=30)
    dossier = live(
        filed(),
        letter(Moves(to=2, ngay_hen_tra=DUE), hours=1),
        letter(Moves(to=5), hours=2),
        letter(Moves(to=None, ngay_hen_tra=new), Redates(ngay_hen_tra=new), hours=50),
    )
    assert dossier.ngay_hen_tra == new
    assert trace(dossier.changes).hen_tra[0][1] == DUE


def test_the_recall_of_a_delivered_result_needs_the_privilege() -> None:
    life = [
        filed(2),
        letter(Moves(to=9), hours=1),
        letter(Moves(to=10), hours=2),
        letter(Moves(to=9, ly_do=True), hours=3),
    ]
    with pytest.raises(Stopped) as stop:
        then(life[-1], live(*life[:-1]))
    assert [p.code for p in stop.value.problems] == ["DOS-013"]
    assert live(*life, privileged=True).trang_thai == 9


def test_an_answer_to_a_withdrawal_may_arrive_before_the_withdrawal() -> None:
    answer = letter(Moves(to=None, answers=True), hours=5, thu_tu=2)
    early = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), answer)
    assert early.trang_thai == 2
    asked = follow(letter(Moves(to=7), hours=3, loai="HS12"), early, PORTAL, LifeRules(), message="m", now=START)
    assert asked.dossier.trang_thai == 2
    assert [s.after for s in asked.trace.steps][-2:] == [7, 2]


def test_a_transfer_stays_open_until_the_other_agency_answers() -> None:
    sent = letter(Transfers(don_vi_nhan="H19.902.01"), hours=2, loai="HS14")
    dossier = live(filed(2), sent)
    assert trace(dossier.changes).transfers[0].returned_at is None
    done = follow(
        letter(Returns(trang_thai=9), hours=9, loai="HS15"), dossier, AGENCY, LifeRules(), message="m", now=START
    )
    assert done.trace.transfers[0].returned_at == START + 9 * HOUR
    assert done.dossier.trang_thai == 2


def _journeys() -> st.SearchStrategy[list[ThongDiep]]:
    """Legal lives: random walks through the table by an agency that numbers its events, with notes among them."""

    @st.composite
    def walk(draw: st.DrawFn) -> list[ThongDiep]:
        letters, state, memory, hours = [], 1, [], count(1)
        for number in range(1, draw(st.integers(2, 9))):
            ways = [m for m in lifecycle.MOVES[state] if m.guards[0] in {lifecycle.Guard.NONE, lifecycle.Guard.REASON}]
            ways += [
                m
                for m in lifecycle.MOVES[state]
                if lifecycle.Guard.REMEMBERED in m.guards and memory and memory[-1] == m.to
            ]
            if not ways:
                break
            way = draw(st.sampled_from(ways))
            if lifecycle.Guard.REMEMBERED in way.guards:
                memory = memory[:-1]
            else:
                memory = [*memory, state] if way.to in lifecycle.REMEMBERS else []
            state = way.to
            extra = (Notes(what="ghi-chu"),) if draw(st.booleans()) else ()
            letters.append(
                letter(Moves(to=state, ly_do=True), *extra, hours=next(hours), thu_tu=number, name=f"n{number}")
            )
        return letters

    return walk()


@given(st.data())
def test_any_order_of_arrival_of_a_legal_life_ends_in_the_same_state_and_timeline(data: st.DataObject) -> None:
    letters = data.draw(_journeys())
    shuffled = data.draw(st.permutations(letters))

    def seen(dossier: Dossier) -> list[tuple[object, ...]]:
        return [(s.change.ma_thong_diep, s.at, s.before, s.after, s.reading) for s in trace(dossier.changes).steps]

    straight, mixed = live(filed(), *letters), live(filed(), *shuffled)
    assert mixed.trang_thai == straight.trang_thai
    assert seen(mixed) == seen(straight)
    assert all(step[-1] is not Reading.WAITING for step in seen(mixed))


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 30), st.none() | st.integers(1, 6)), max_size=8))
def test_whatever_arrives_the_derived_state_follows_the_table(told: list[tuple[int, int, int | None]]) -> None:
    dossier = live(filed())
    for number, (to, hours, thu_tu) in enumerate(told):
        one = letter(Moves(to=to, ly_do=True), hours=hours, thu_tu=thu_tu, name=f"x{number}")
        try:
            dossier = follow(
                one, dossier, AGENCY, LifeRules(), message=MessageId(f"m{number}"), now=START, privileged=True
            ).dossier
        except Stopped:
            continue
    for step in trace(dossier.changes).steps:
        if step.reading is Reading.APPLIED and step.before is not None:
            assert step.after in possible(step.before)
        elif step.reading is not Reading.APPLIED:
            assert step.after == step.before


def test_a_gap_is_counted_per_sender() -> None:
    one = Change(
        ma_ho_so=CODE,
        number=1,
        message=MessageId("m"),
        ma_thong_diep=MaThongDiep("a"),
        loai="HS05",
        goc="X",
        sender=AGENCY,
        effects=(),
        occurred_at=START,
        thu_tu=3,
        recorded_at=START,
    )
    other = one._replace(sender=PORTAL, thu_tu=1)
    assert lifecycle.gap([other, one], one) == 1


def test_the_six_hours_begin_anew_when_the_desk_has_the_supplement() -> None:
    asked = letter(Moves(to=5, ly_do=True), hours=3, loai="HS06")
    back = letter(Moves(to=None), hours=30, loai="HS08")
    before = live(filed(), letter(Moves(to=2), hours=1, loai="HS03"), asked)
    assert trace(before.changes).complete_since == START + HOUR
    assert (
        trace(live(filed(), letter(Moves(to=2), hours=1, loai="HS03"), asked, back).changes).complete_since
        == START + 30 * HOUR
    )
    handed = (letter(Moves(to=2), hours=1, loai="HS03"), letter(Moves(to=4), hours=2))
    assert (
        trace(live(filed(), *handed, asked, back).changes).complete_since == START + HOUR
    )  # it was handed over before


# The table ------------------------------------------------------------------------------------------------------------

# From the state: to the states, in domain.md's words. r: with a reason; b: only back to where it was before; d: where the
# limit is counted anew by decree; l: when the supplement's limit has passed; t: returned or withdrawn; p: with the privilege.
TABLE = """
1: 2 3r 5 7 9t
2: 4 5 7 8r 9
3:
4: 5 6 7 8r 9 2p
5: 1b 2b 4b 2d 3lr 7 8r 9t
6: 4 7 8r 2p 9t
7: 8 1b 2b 4b 5b 6b 9t
8: 4 2p
9: 10 4p 2p
10: 9p
"""
LETTERS = {
    "r": Guard.REASON,
    "b": Guard.REMEMBERED,
    "d": Guard.DECREE,
    "l": Guard.TOO_LATE,
    "t": Guard.RETURNED,
    "p": Guard.PRIVILEGED,
}


def test_the_table_of_moves_is_that_of_the_domain() -> None:
    rows = dict(line.split(":") for line in TABLE.strip().split("\n"))
    told = {
        int(state): [
            (int(word.rstrip("rbdltp")), tuple(LETTERS[c] for c in word.lstrip("0123456789")) or (Guard.NONE,))
            for word in words.split()
        ]
        for state, words in rows.items()
    }
    assert {state: [(m.to, m.guards) for m in moves] for state, moves in lifecycle.MOVES.items()} == told


def test_states_that_are_open_finished_or_remembering() -> None:
    assert frozenset({1, 2, 4, 5, 6, 7}) == lifecycle.OPEN_STATES
    assert frozenset({9, 10}) == lifecycle.FINISHED_STATES
    assert frozenset({5, 7}) == lifecycle.REMEMBERS
    assert list(LABELS) == list(range(1, 11))


def test_nothing_has_happened_to_a_dossier_without_events() -> None:
    assert trace(()) == Trace()
    assert (Trace().supplements, Trace().returned, Trace().withdrawn) == (0, False, False)


# Who may say how it is read -------------------------------------------------------------------------------------------


def test_rules_are_those_that_the_handling_agency_declares() -> None:
    agency = Party(id=AGENCY, name="a", role=Role.ONE_STOP, identifiers=("H19.901",))
    assert LifeRules.of(None) == LifeRules(trang_8_la_tam_dung=False, by_decree=False)
    assert LifeRules.of(agency) == LifeRules(trang_8_la_tam_dung=False, by_decree=False)
    pause = replace(agency, meaning=CodeMeaning(Trang8LaTamDung=True))
    assert LifeRules.of(pause) == LifeRules(trang_8_la_tam_dung=True, by_decree=False)
    decree = replace(agency, privileges=frozenset({"by-decree"}))
    assert LifeRules.of(decree) == LifeRules(trang_8_la_tam_dung=False, by_decree=True)


def test_a_move_before_any_filing_leads_nowhere_and_says_so() -> None:
    with pytest.raises(Stopped) as stop:
        then(letter(Moves(to=2), hours=1), NEW)
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts) == ("DOS-010", {"from": "–", "to": "2 (Được tiếp nhận)", "possible": ["–"]})


def test_an_impossible_state_of_a_repeated_filing_is_named() -> None:
    dossier = live(filed(), letter(Moves(to=2), hours=1))
    with pytest.raises(Stopped) as stop:
        then(letter(Files(trang_thai=10, ma_tthc="1.001193"), hours=3, loai="HS01"), dossier)
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts["from"], problem.facts["to"]) == (
        "DOS-010",
        "2 (Được tiếp nhận)",
        "10 (Đã trả kết quả)",
    )


def test_a_refused_dossier_goes_nowhere() -> None:
    refused = live(filed(), letter(Moves(to=3, ly_do=True), hours=1, thu_tu=1))
    assert (refused.trang_thai, refused.ngay_tiep_nhan) == (3, None)
    (note,) = then(letter(Moves(to=4), hours=4, thu_tu=4), refused).notes
    assert (note.code, note.facts) == (
        "DOS-020",
        {"to": "4 (Đang xử lý)", "now": "3 (Không được tiếp nhận)", "possible": ["–"], "missing": 2},
    )


# Conditions -----------------------------------------------------------------------------------------------------------


def refused(*letters: ThongDiep, rules: LifeRules = LifeRules()) -> tuple[str, list[str]]:
    """The code and the conditions with which the last of these letters is refused."""
    before = live(*letters[:-1], rules=rules)
    with pytest.raises(Stopped) as stop:
        then(letters[-1], before, rules=rules)
    (problem,) = stop.value.problems
    return problem.code, problem.facts.get("guard", [])


LIMIT = START + 10 * HOUR


@pytest.mark.parametrize(("hours", "han", "fits"), [(10, LIMIT, False), (10.01, LIMIT, True), (99, None, False)])
def test_a_dossier_is_refused_for_want_of_its_supplement_only_after_the_limit(hours, han, fits) -> None:
    life = [filed(), letter(Moves(to=5, han=han), hours=1), letter(Moves(to=3, ly_do=True), hours=hours)]
    if fits:
        assert live(*life).trang_thai == 3
    else:
        assert refused(*life) == ("DOS-011", ["reason", "too-late"])


def test_the_limit_of_a_supplement_stands_while_it_is_waited_for() -> None:
    asked = live(filed(), letter(Moves(to=5, han=LIMIT), hours=1))
    assert trace(asked.changes).han_bo_sung == LIMIT
    assert trace(then(letter(Moves(to=None, han=LIMIT), hours=2), asked).dossier.changes).han_bo_sung is None


def test_only_a_returned_dossier_is_finished_before_it_was_received() -> None:
    assert refused(filed(), letter(Moves(to=9), hours=1)) == ("DOS-011", ["returned"])
    assert live(filed(), letter(Moves(to=9, result_kind="tra-lai"), hours=1)).trang_thai == 9


def test_an_ordinary_end_is_neither_return_nor_withdrawal() -> None:
    plain = trace(
        live(filed(2), letter(Moves(to=9), hours=1), letter(Moves(to=10, result_kind="tra-lai"), hours=2)).changes
    )
    assert (plain.returned, plain.withdrawn) == (False, False)
    stopped = trace(live(filed(2), letter(Moves(to=8, ly_do=True), hours=1)).changes)
    assert stopped.withdrawn is False
    asked = [filed(2), letter(Moves(to=7), hours=1, loai="HS12"), letter(Moves(to=8), hours=2)]
    assert trace(live(*asked).changes).withdrawn is True
    resumed = trace(live(*asked, letter(Moves(to=4), hours=3)).changes)
    assert resumed.withdrawn is True


def test_decree_is_a_condition_of_its_own() -> None:
    life = [filed(2), letter(Moves(to=4), hours=1), letter(Moves(to=5), hours=2), letter(Moves(to=2), hours=3)]
    assert refused(*life) == ("DOS-011", ["decree", "remembered"])
    assert live(*life, rules=LifeRules(by_decree=True)).trang_thai == 2


# Pauses ---------------------------------------------------------------------------------------------------------------


def remembered(*letters: ThongDiep, rules: LifeRules = LifeRules()) -> tuple[int | None, tuple[int, ...]]:
    read = trace(live(*letters, rules=rules).changes, rules)
    return read.trang_thai, read.before_pause


def test_pauses_nest_and_each_ends_where_it_began() -> None:
    life = [filed(2), letter(Moves(to=4), hours=1)]
    seen = []
    for hours, to in enumerate([5, 7, None, 7, None, None, 7, 8], start=2):
        life.append(letter(Moves(to=to), hours=hours, loai="HS12" if to == 7 else "HS05"))
        seen.append(remembered(*life))
    assert seen == [(5, (4,)), (7, (4, 5)), (5, (4,)), (7, (4, 5)), (5, (4,)), (4, ()), (7, (4,)), (8, ())]


def test_a_pause_goes_back_nowhere_but_to_its_beginning() -> None:
    life = [filed(2), letter(Moves(to=4), hours=1), letter(Moves(to=7), hours=2, loai="HS12")]
    assert refused(*life, letter(Moves(to=2), hours=3)) == ("DOS-011", ["remembered"])
    assert live(*life, letter(Moves(to=4), hours=3)).trang_thai == 4


@pytest.mark.parametrize("state", [5, 7])
def test_nothing_is_remembered_of_what_was_before_the_filing(state: int) -> None:
    assert refused(filed(state), letter(Moves(to=None), hours=1))[0] == "DOS-010"


def test_a_pause_forgets_when_it_does_not_end_where_it_began() -> None:
    life = [filed(2), letter(Moves(to=4), hours=1), letter(Moves(to=5), hours=2)]
    decree = LifeRules(by_decree=True)
    assert remembered(*life, letter(Moves(to=2), hours=3), rules=decree) == (2, ())
    assert remembered(*life, letter(Moves(to=8, ly_do=True), hours=3)) == (8, ())
    assert remembered(*life, letter(Moves(to=9, result_kind="tra-lai"), hours=3)) == (9, ())


def test_supplement_requests_are_counted() -> None:
    life = [filed(2), letter(Moves(to=5), hours=1), letter(Moves(to=None), hours=2), letter(Moves(to=5), hours=3)]
    assert [trace(live(*life[:n]).changes).supplements for n in (1, 2, 3, 4)] == [0, 1, 1, 2]


# Dates ----------------------------------------------------------------------------------------------------------------


def test_time_is_divided_among_the_states_without_a_gap() -> None:
    life = [filed(), *(letter(Moves(to=to), hours=hours) for hours, to in ((1, 2), (2, 4), (5, 9), (9, 10)))]
    assert trace(live(*life).changes).spans == (
        Span(trang_thai=1, since=START, until=START + HOUR),
        Span(trang_thai=2, since=START + HOUR, until=START + 2 * HOUR),
        Span(trang_thai=4, since=START + 2 * HOUR, until=START + 5 * HOUR),
        Span(trang_thai=9, since=START + 5 * HOUR, until=START + 9 * HOUR),
        Span(trang_thai=10, since=START + 9 * HOUR),
    )


LATER = DUE + timedelta(days=7)


def test_every_appointment_is_kept_with_when_it_was_made() -> None:
    life = [
        filed(),
        letter(Moves(to=2), hours=1),
        letter(Redates(ngay_hen_tra=LATER), hours=2, loai="HS16"),
        letter(Redates(ngay_hen_tra=LATER), hours=3, loai="HS16"),
        letter(Moves(to=4, ngay_hen_tra=LATER + HOUR), hours=4),
        letter(Moves(to=4, ngay_hen_tra=DUE), hours=5),
    ]
    dossier = live(*life)
    assert dossier.ngay_hen_tra == DUE
    assert trace(dossier.changes).hen_tra == (
        (START, DUE),
        (START + 2 * HOUR, LATER),
        (START + 4 * HOUR, LATER + HOUR),
        (START + 5 * HOUR, DUE),
    )
    assert trace(dossier.changes).steps[-1].reading is Reading.SAME


@pytest.mark.parametrize(("sender", "due"), [(AGENCY, LATER), (PORTAL, DUE)])
def test_only_the_agency_changes_the_appointment_by_filing_again(sender, due) -> None:
    again = letter(Files(trang_thai=1, ma_tthc="1.001193", ngay_hen_tra=LATER), hours=3, loai="HS01")
    followed = then(again, live(filed()), sender)
    assert (followed.dossier.ngay_hen_tra, followed.trace.steps[-1].reading) == (due, Reading.SAME)


def test_an_agency_that_synchronises_a_refusal_need_not_repeat_the_reason() -> None:
    again = letter(Files(trang_thai=3, ma_tthc="1.001193"), hours=3, loai="HS01")
    assert then(again, live(filed())).dossier.trang_thai == 3


def test_a_synchronised_state_brings_its_dates() -> None:
    at = [START + timedelta(days=day) for day in (1, 2, 3)]
    dates = {"ngay_tiep_nhan": at[0], "ngay_hen_tra": LATER, "ngay_ket_thuc": at[1], "ngay_tra": at[2]}
    opened = trace(live(letter(Files(trang_thai=10, ma_tthc="1", goc="X", **dates), hours=0, loai="HS01")).changes)
    assert {name: getattr(opened, name) for name in dates} == dates
    assert (opened.complete_since, opened.trang_thai_goc) == (at[0], "X")
    moved = then(letter(Files(trang_thai=2, ma_tthc="1", **dates), hours=3, loai="HS01"), live(filed())).trace
    assert (moved.ngay_tiep_nhan, moved.complete_since, moved.ngay_hen_tra) == (at[0], at[0], LATER)


def test_receipt_is_dated_once_unless_a_later_one_says_when() -> None:
    life = [filed(), letter(Moves(to=2), hours=1), letter(Moves(to=4), hours=2)]
    back = letter(Moves(to=2, ly_do=True), hours=3)
    assert live(*life, back, privileged=True).ngay_tiep_nhan == START + HOUR
    dated = letter(Moves(to=2, ly_do=True, ngay_tiep_nhan=LATER), hours=3)
    assert live(*life, dated, privileged=True).ngay_tiep_nhan == LATER
    stated = [filed(), letter(Moves(to=2, ngay_tiep_nhan=START + 0.5 * HOUR), hours=1)]
    assert live(*stated).ngay_tiep_nhan == START + 0.5 * HOUR


def test_end_and_hand_over_are_dated_once_unless_stated() -> None:
    life = [filed(2), letter(Moves(to=9), hours=5), letter(Moves(to=10), hours=6)]
    read = trace(live(*life).changes)
    assert (read.ngay_ket_thuc, read.ngay_tra) == (START + 5 * HOUR, START + 6 * HOUR)
    assert trace(live(*life[:2]).changes).ngay_tra is None
    again = [letter(Moves(to=9, ly_do=True), hours=7), letter(Moves(to=10), hours=8)]
    read = trace(live(*life, *again, privileged=True).changes)
    assert (read.ngay_ket_thuc, read.ngay_tra) == (START + 5 * HOUR, START + 6 * HOUR)
    stated = letter(Moves(to=10, ngay_ket_thuc=START + 3 * HOUR, ngay_tra=START + 4 * HOUR), hours=9)
    read = trace(live(*life, stated).changes)
    assert (read.ngay_ket_thuc, read.ngay_tra) == (START + 3 * HOUR, START + 4 * HOUR)


def test_waiting_extends_no_appointment_where_there_is_none() -> None:
    opened = letter(Files(trang_thai=1, ma_tthc="1.001193"), hours=0, loai="HS01")
    life = [opened, letter(Moves(to=5), hours=1), letter(Moves(to=None), hours=9)]
    assert (live(*life).trang_thai, live(*life).ngay_hen_tra) == (1, None)


def test_only_a_supplement_after_receipt_is_counted_anew_by_decree() -> None:
    decree = LifeRules(by_decree=True, trang_8_la_tam_dung=True)
    early = [filed(), letter(Moves(to=5), hours=2), letter(Moves(to=None), hours=12)]
    assert live(*early, rules=decree).ngay_hen_tra == DUE + 10 * HOUR
    received = Files(trang_thai=2, ma_tthc="1", ngay_tiep_nhan=START, ngay_hen_tra=DUE)
    pause = [
        letter(received, hours=0, loai="HS01"),
        letter(Moves(to=8, ly_do=True), hours=2),
        letter(Moves(to=4), hours=12),
    ]
    assert live(*pause, rules=decree).ngay_hen_tra == DUE + 10 * HOUR
    supplement = [
        pause[0],
        letter(Moves(to=4), hours=1),
        letter(Moves(to=5), hours=2),
        letter(Moves(to=None), hours=12),
    ]
    assert live(*supplement, rules=decree).ngay_hen_tra == DUE + 12 * HOUR
    assert live(*supplement, rules=LifeRules()).ngay_hen_tra == DUE + 10 * HOUR
    redated = [*supplement[:2], letter(Redates(ngay_hen_tra=LATER), hours=1.5), *supplement[2:]]
    assert live(*redated, rules=decree).ngay_hen_tra == DUE + 12 * HOUR, "the first limit is what is counted anew"


def test_a_stop_is_no_pause_unless_the_agency_says_so() -> None:
    life = [filed(2), letter(Moves(to=8, ly_do=True), hours=2), letter(Moves(to=4), hours=12)]
    assert live(*life).ngay_hen_tra == DUE


def test_clocks_that_disagree_do_not_shorten_an_appointment() -> None:
    opened = letter(Files(trang_thai=8, ma_tthc="1", ngay_hen_tra=DUE), hours=10, loai="HS01")
    life = [opened, letter(Moves(to=4), hours=5)]
    assert live(*life, rules=LifeRules(trang_8_la_tam_dung=True)).ngay_hen_tra == DUE


# Order ----------------------------------------------------------------------------------------------------------------


def test_events_of_one_instant_are_read_in_the_order_of_their_numbers() -> None:
    at_once = [
        letter(Moves(to=to), hours=2, thu_tu=thu_tu, name=name) for to, thu_tu, name in ((9, 3, "a"), (4, 2, "b"))
    ]
    received = letter(Moves(to=2), hours=1, thu_tu=1)
    for order in (at_once, at_once[::-1]):
        steps = trace(live(filed(), received, *order).changes).steps
        assert [(s.change.ma_thong_diep, s.after, s.reading) for s in steps[2:]] == [
            ("b", 4, Reading.APPLIED),
            ("a", 9, Reading.APPLIED),
        ]


def test_an_event_without_a_number_comes_before_the_numbered_ones_of_its_instant() -> None:
    unnumbered = letter(Moves(to=2), hours=1, name="z")
    numbered = letter(Moves(to=4), hours=1, thu_tu=1, name="a")
    steps = trace(live(filed(), unnumbered, numbered).changes).steps
    assert [(s.change.ma_thong_diep, s.after) for s in steps[1:]] == [("z", 2), ("a", 4)]


def test_an_event_that_waits_is_tried_again_with_every_one_that_is_taken() -> None:
    never = letter(Moves(to=10), hours=4, thu_tu=9, name="never")
    money = letter(Moves(to=6), hours=3, thu_tu=3, name="six")
    work = letter(Moves(to=4), hours=2, thu_tu=2, name="four")
    dossier = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), never, money, work)
    steps = {s.change.ma_thong_diep: (s.after, s.reading) for s in trace(dossier.changes).steps}
    assert steps["four"] == (4, Reading.APPLIED)
    assert steps["six"] == (6, Reading.APPLIED)
    assert steps["never"] == (6, Reading.WAITING)


def test_a_later_note_does_not_make_a_waiting_event_late() -> None:
    early = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), letter(Moves(to=10), hours=4, thu_tu=4))
    noted = then(letter(Notes(what="ghi-chu"), hours=6), early)
    assert noted.notes == ()
    assert [s.reading for s in noted.trace.steps] == [Reading.APPLIED, Reading.APPLIED, Reading.WAITING, Reading.NOTED]


def test_what_waits_is_told_of_itself() -> None:
    early = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), letter(Moves(to=10), hours=9, thu_tu=9))
    (note,) = then(letter(Moves(to=6), hours=4, thu_tu=4), early).notes
    assert (note.code, note.facts["to"][:1], note.facts["now"][:1], note.facts["missing"]) == ("DOS-020", "6", "2", 2)
    assert [named[:1] for named in note.facts["possible"]] == ["4", "5", "7", "8", "9"]
    earlier = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), letter(Moves(to=10), hours=4, thu_tu=4))
    (note,) = then(letter(Moves(to=6), hours=9, thu_tu=9), earlier).notes
    assert (note.code, note.facts["to"][:1]) == ("DOS-020", "6")
    answer = then(letter(Moves(to=None, answers=True), hours=5), early)
    assert [(p.code, p.facts["to"]) for p in answer.notes] == [("DOS-022", "–")]


# What is kept ---------------------------------------------------------------------------------------------------------


def test_a_change_is_kept_as_it_was_told() -> None:
    first = then(filed(), replace(NEW, released=4), PORTAL)
    assert (first.change.number, first.dossier.opened_at, first.dossier.ma_tthc) == (5, START, "1.001193")
    one = replace(letter(Moves(to=2), hours=7, thu_tu=3), thoi_diem_tao=START + 8 * HOUR)
    second = follow(one, first.dossier, AGENCY, LifeRules(), message="m2", now=LATER)
    assert second.change == Change(
        ma_ho_so=CODE,
        number=6,
        message=MessageId("m2"),
        ma_thong_diep=one.ma_thong_diep,
        loai="HS05",
        goc="X",
        sender=AGENCY,
        effects=(Moves(to=2),),
        occurred_at=START + 7 * HOUR,
        thu_tu=3,
        recorded_at=LATER,
    )
    assert (second.dossier.opened_at, second.dossier.ma_tthc) == (START, "1.001193")
    assert second.dossier.changes == (first.change, second.change)
    assert second.notes == ()


def test_an_event_happened_when_its_sender_says_and_a_filing_when_it_was_written() -> None:
    opened = replace(filed(), thoi_diem_tao=START + 2 * HOUR)
    assert then(opened, NEW, PORTAL).change.occurred_at == START + 2 * HOUR
    undated = replace(
        letter(Moves(to=2), hours=3), content=replace(letter(Moves(to=2), hours=3).content, occurred_at=None)
    )
    assert then(undated, live(filed())).change.occurred_at == START + 3 * HOUR


def test_a_service_that_is_known_stays() -> None:
    known = replace(NEW, ma_tthc="1.009999")
    assert then(filed(), known, PORTAL).dossier.ma_tthc == "1.009999"


def test_each_answer_closes_the_oldest_open_transfer() -> None:
    sent = [letter(Transfers(don_vi_nhan=f"H19.90{n}"), hours=n, loai="HS14") for n in (1, 2, 3)]
    answers = [letter(Returns(trang_thai=9), hours=h, loai="HS15") for h in (5, 6, 7, 8)]
    read = trace(live(filed(2), *sent, *answers[:2]).changes)
    assert [(t.don_vi_nhan[-1], t.returned_at, t.trang_thai) for t in read.transfers] == [
        ("1", START + 5 * HOUR, 9),
        ("2", START + 6 * HOUR, 9),
        ("3", None, None),
    ]
    closed = trace(live(filed(2), *sent, *answers).changes)
    assert [t.returned_at for t in closed.transfers] == [START + h * HOUR for h in (5, 6, 7)]
