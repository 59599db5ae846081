"""Money: what is asked for, what is paid, and what becomes of it with the dossier."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import HOUR, START, filed, letter, live

from gateway.core.effects import Moves, Owes, Pays
from gateway.core.lifecycle import PAYMENT_MOVES, Payment, PaymentState, trace
from gateway.core.model import ThongDiep

OPEN, PAID, EARLY, CANCELLED = (
    PaymentState.CHO_THANH_TOAN,
    PaymentState.DA_THANH_TOAN,
    PaymentState.CHUA_DEN_HAN,
    PaymentState.HUY,
)


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


def owes(amount: int, hours: float, ref: str = "") -> ThongDiep:
    return letter(Owes(so_tien=Decimal(amount), ref=ref or None, han_nop=START + 9 * HOUR), hours=hours, loai="HS09")


def pays(amount: int, hours: float, *, paid: bool = True) -> ThongDiep:
    effect = Pays(so_tien=Decimal(amount), da_thanh_toan=paid, ma_tra_cuu=f"tra-{hours}")
    return letter(effect, hours=hours, loai="HS10")


def moves(to: int, hours: float) -> ThongDiep:
    return letter(Moves(to=to, ly_do=True), hours=hours)


def money(*letters: ThongDiep, state: int = 4) -> list[tuple[int, int, PaymentState]]:
    """(asked, paid, state) of each record, in the order in which they were made."""
    return [(int(p.so_tien), int(p.da_tra), p.state) for p in trace(live(filed(state), *letters).changes).payments]


def test_a_request_is_kept_as_it_was_asked() -> None:
    read = trace(live(filed(4), owes(100, 1, "phi-1")).changes)
    assert read.payments == (
        Payment(ref="phi-1", so_tien=Decimal(100), da_tra=Decimal(0), state=OPEN, han_nop=START + 9 * HOUR),
    )


@pytest.mark.parametrize(
    ("letters", "records"),
    [
        ([owes(100, 1), pays(40, 2)], [(100, 40, OPEN)]),
        ([owes(100, 1), pays(40, 2), pays(60, 3)], [(100, 100, PAID)]),
        ([owes(1, 1), pays(1, 2)], [(1, 1, PAID)]),
        ([owes(100, 1), pays(100, 2), pays(100, 3)], [(100, 100, PAID), (100, 100, PAID)]),
        ([owes(100, 1), pays(130, 2)], [(100, 100, PAID), (30, 30, PAID)]),
        ([owes(100, 1), pays(40, 2), pays(80, 3)], [(100, 100, PAID), (20, 20, PAID)]),
        ([owes(100, 1), pays(101, 2)], [(100, 100, PAID), (1, 1, PAID)]),
        ([owes(100, 1), owes(50, 2), pays(120, 3)], [(100, 100, PAID), (50, 20, OPEN)]),
        ([owes(100, 1), owes(50, 2), pays(120, 3), pays(30, 4)], [(100, 100, PAID), (50, 50, PAID)]),
        ([owes(100, 1), owes(50, 2), pays(100, 3)], [(100, 100, PAID), (50, 0, OPEN)]),
        ([owes(100, 1), owes(0, 2), pays(100, 3)], [(100, 100, PAID), (0, 0, OPEN)]),
        ([pays(1, 1)], [(1, 1, PAID)]),
        ([owes(100, 1), pays(100, 2, paid=False)], [(100, 0, OPEN)]),
        ([pays(100, 2, paid=False)], []),
        ([owes(100, 1), moves(8, 2), pays(100, 3)], [(100, 0, CANCELLED), (100, 100, PAID)]),
        ([owes(100, 1), pays(40, 2), moves(8, 3)], [(100, 40, CANCELLED)]),
        ([owes(100, 1), pays(100, 2), moves(8, 3)], [(100, 100, PAID)]),
    ],
    ids=[
        *("a part", "in two parts", "one dong", "paid twice", "too much", "too much in two parts", "one dong too much"),
        *("two requests, the older first", "both in the end", "the second untouched", "nothing asked, nothing settled"),
        *("not asked for", "failed", "failed and not asked for", "after it was cancelled", "cancelled half paid"),
        "paid stays paid",
    ],
)
def test_money_goes_to_the_oldest_open_request_and_what_is_over_is_its_own_record(letters, records) -> None:
    assert money(*letters) == records


def test_money_that_nobody_asked_for_bears_the_number_it_was_paid_under() -> None:
    read = trace(live(filed(4), owes(100, 1, "phi-1"), pays(130, 2)).changes)
    assert [(p.ref, p.han_nop) for p in read.payments] == [("phi-1", START + 9 * HOUR), ("tra-2", None)]


@pytest.mark.parametrize(
    ("letters", "records"),
    [
        ([owes(100, 0.5)], [(100, 0, EARLY)]),
        ([owes(100, 0.5), pays(100, 1)], [(100, 100, PAID)]),
        ([owes(100, 0.5), pays(40, 1)], [(100, 40, EARLY)]),
        ([owes(100, 0.5), pays(40, 1), moves(2, 2)], [(100, 40, OPEN)]),
        ([owes(100, 0.5), pays(100, 1), moves(2, 2)], [(100, 100, PAID)]),
        ([owes(100, 0.5), moves(3, 2)], [(100, 0, CANCELLED)]),
        ([owes(100, 0.5), moves(3, 2), moves(3, 3)], [(100, 0, CANCELLED)]),
        ([owes(100, 0.5), moves(5, 1)], [(100, 0, OPEN)]),
        ([owes(100, 0.5), moves(7, 1)], [(100, 0, OPEN)]),
        ([moves(2, 0.5), owes(100, 1)], [(100, 0, OPEN)]),
        ([moves(5, 0.5), owes(100, 1), letter(Moves(to=1), hours=2)], [(100, 0, OPEN)]),
    ],
)
def test_before_receipt_money_is_not_due_and_may_be_paid_all_the_same(letters, records) -> None:
    assert money(*letters, state=1) == records


def test_a_request_before_any_filing_is_not_due() -> None:
    opened = trace([live(filed(1), owes(100, 1)).changes[1]])
    assert [p.state for p in opened.payments] == [EARLY]


def test_going_back_to_newly_filed_leaves_requests_as_they_are() -> None:
    early = live(filed(1), moves(5, 1), letter(Moves(to=1), hours=2), owes(100, 3))
    assert [p.state for p in trace(early.changes).payments] == [EARLY]


def test_what_is_paid_or_cancelled_moves_no_more() -> None:
    assert {state: sorted(to) for state, to in PAYMENT_MOVES.items()} == {
        EARLY: sorted([OPEN, PAID, CANCELLED]),
        OPEN: sorted([PAID, CANCELLED]),
        PAID: [],
        CANCELLED: [],
    }


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12))
def test_no_money_is_lost_and_none_is_made(told: list[tuple[bool, int]]) -> None:
    letters = [owes(amount, n) if asks else pays(amount, n) for n, (asks, amount) in enumerate(told, start=1)]
    records = money(*letters)
    asked, paid = (sum(amount for asks, amount in told if asks is kind) for kind in (True, False))
    assert sum(record[1] for record in records) == paid
    assert sum(record[0] - record[1] for record in records) >= max(0, asked - paid)
    assert all(got <= wanted and (state is PAID) <= (got == wanted) for wanted, got, state in records)
