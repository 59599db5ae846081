"""The life of a dossier: the table, and what follows from events in any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import lifecycle
from gateway.core.effects import Effect, Files, Moves, Notes, Owes, Pays, Redates, Returns, Transfers
from gateway.core.lifecycle import LABELS, LifeRules, PaymentState, Reading, follow, move, possible, trace
from gateway.core.model import Address, Basis, Change, Dossier, MaHoSo, MaThongDiep, MessageId, PartyId, ThongDiep
from gateway.core.problems import Stopped

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CODE = MaHoSo("H19.901-260105-0001")
PORTAL, AGENCY = PartyId("cong-dvc"), PartyId("so-tu-phap")
NEW = Dossier(ma_ho_so=CODE, ma_tthc=None, portal=PORTAL, agency=AGENCY)
DUE = START + timedelta(days=10)


@dataclass(frozen=True)
class Told:
    """A payload as the core sees it."""

    effects: tuple[Effect, ...]
    occurred_at: datetime | None
    ma_ho_so: MaHoSo | None = CODE


def letter(*effects: Effect, hours: float, thu_tu: int | None = None, loai: str = "HS05", name: str = "") -> ThongDiep:
    at = START + hours * HOUR
    return ThongDiep(
        ma_thong_diep=MaThongDiep(name or f"{loai}-{hours}-{thu_tu}"),
        loai=loai,
        goc="X",
        phien_ban="1.0",
        noi_gui=Address(ma_dinh_danh="H19.901"),
        noi_nhan=(),
        thoi_diem_tao=at,
        content=Told(effects, at),
        basis=Basis.SIGNATURE,
        thu_tu=thu_tu,
    )


def filed(state: int = 1) -> ThongDiep:
    return letter(Files(trang_thai=state, ma_tthc="1.001193", ngay_nop=START, ngay_hen_tra=DUE), hours=0, loai="HS01")


def live(*letters: ThongDiep, rules: LifeRules = LifeRules(), privileged: bool = False) -> Dossier:
    """The dossier after these letters, the first one being the portal's filing."""
    dossier = NEW
    for number, one in enumerate(letters):
        sender = PORTAL if one.loai in {"HS01", "HS10", "HS12"} else AGENCY
        dossier = follow(
            one, dossier, sender, rules, message=f"m{number}", now=START + number * HOUR, privileged=privileged
        ).dossier
    return dossier


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
        live(*life)
    assert [p.code for p in stop.value.problems] == ["DOS-013"]
    assert live(*life, privileged=True).trang_thai == 9


def test_an_answer_to_a_withdrawal_may_arrive_before_the_withdrawal() -> None:
    answer = letter(Moves(to=None, answers=True), hours=5, thu_tu=2)
    early = live(filed(), letter(Moves(to=2), hours=1, thu_tu=1), answer)
    assert early.trang_thai == 2
    asked = follow(letter(Moves(to=7), hours=3, loai="HS12"), early, PORTAL, LifeRules(), message="m", now=START)
    assert asked.dossier.trang_thai == 2
    assert [s.after for s in asked.trace.steps][-2:] == [7, 2]


def test_money_is_its_own_record_and_status_six_only_its_projection() -> None:
    dossier = live(
        filed(),
        letter(Owes(so_tien=Decimal(50000)), hours=0.5, loai="HS09"),
        letter(Moves(to=2), hours=1),
        letter(Moves(to=4), hours=2),
        letter(Moves(to=6), hours=3),
        letter(Pays(so_tien=Decimal(50000)), hours=4, loai="HS10"),
    )
    read = trace(dossier.changes)
    assert dossier.trang_thai == 6
    assert [(p.state, p.da_tra) for p in read.payments] == [(PaymentState.DA_THANH_TOAN, Decimal(50000))]


def test_closing_as_withdrawn_cancels_open_payments() -> None:
    dossier = live(
        filed(),
        letter(Moves(to=2), hours=1),
        letter(Owes(so_tien=Decimal(1)), hours=2, loai="HS09"),
        letter(Moves(to=9, result_kind="tra-lai"), hours=3),
    )
    read = trace(dossier.changes)
    assert (read.payments[0].state, read.withdrawn) == (PaymentState.HUY, True)


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
            if way.to in lifecycle.REMEMBERS:
                memory.append(state)
            elif state in lifecycle.REMEMBERS:
                memory = memory[:-1] if lifecycle.Guard.REMEMBERED in way.guards else []
            elif way.to in lifecycle.FINISHED_STATES or way.to == 8:
                memory = []
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
    other = replace(one, sender=PORTAL, thu_tu=1)
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
