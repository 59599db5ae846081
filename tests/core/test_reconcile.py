"""Two records of the same dossiers set against each other."""

import hashlib
from datetime import UTC, datetime

from gateway.core.model import MaHoSo, PartyId
from gateway.core.reconcile import (
    TURNS,
    Differs,
    Disagreement,
    DisagreementKind,
    DossierDifference,
    DossierLine,
    DriftCause,
    DriftTurn,
    SideTally,
    compare,
    compared_digits,
    disagreement_kind,
    moment_to,
)


def line(code, state=4):
    return DossierLine(ma_ho_so=MaHoSo(code), trang_thai=state)


def test_differences_are_told_by_dossier_code_with_both_sides():
    theirs = [line("D"), line("B", 2), line("A"), line("F", 9), line("G"), line("H")]
    ours = [line("C"), line("A"), line("B", 4)]
    known = {MaHoSo("F"): line("F", 4), MaHoSo("G"): line("G"), MaHoSo("C"): line("C", 1)}
    assert compare(theirs, ours, known=known) == [
        DossierDifference(ma_ho_so="B", kind=Differs.STATE, theirs=line("B", 2), ours=line("B", 4)),
        DossierDifference(ma_ho_so="C", kind=Differs.MISSING_THERE, theirs=None, ours=line("C")),
        DossierDifference(ma_ho_so="D", kind=Differs.MISSING_HERE, theirs=line("D"), ours=None),
        DossierDifference(ma_ho_so="F", kind=Differs.STATE, theirs=line("F", 9), ours=line("F", 4)),
        DossierDifference(ma_ho_so="H", kind=Differs.MISSING_HERE, theirs=line("H"), ours=None),
    ]


def test_records_that_agree_do_not_differ():
    assert compare([line("A")], [line("A")]) == []
    assert compare([], []) == []


def test_whose_turn_it_is_follows_from_the_cause():
    """A party's own fault is its own to mend; nothing that is held, refused or let go waits for the gateway."""
    causes = {turn: {cause.value for cause, whose in TURNS.items() if whose is turn} for turn in DriftTurn}
    assert causes == {
        DriftTurn.GATEWAY: {"waiting", "uncertain", "held-here"},
        DriftTurn.OPERATOR: {"held", "locked", "paused", "let-go", "not-addressed", "not-its-own", "given-back"},
        DriftTurn.PARTY: {"missing-there", "changed-there", "unread", "event-waiting", "refused-here", "never-sent"},
    }
    assert set(TURNS) == set(DriftCause)
    told = {"party": PartyId("a"), "ma_ho_so": MaHoSo("A"), "kind": DisagreementKind.STATE, "fields": {}}
    assert [Disagreement(cause=cause, **told).turn for cause in DriftCause] == [TURNS[cause] for cause in DriftCause]


def test_lines_differ_by_who_has_none_by_state_or_else_by_dates():
    four, five = {"TrangThaiHoSo": "4", "NgayTra": "1"}, {"TrangThaiHoSo": "5"}
    kinds = [
        disagreement_kind(*sides)
        for sides in ((None, four), (four, None), (four, five), (four, {**four, "NgayTra": "2"}))
    ]
    assert kinds == ["missing-here", "missing-there", "state", "dates"]


def test_moments_are_compared_as_finely_as_the_party_writes_them():
    digits = {
        form: compared_digits(form)
        for form in ("yyyyMMddHHmmss", "dd/MM/yyyy HH:mm", "yyyyMMddHH", "dd/MM/yyyy", "unix-ms")
    }
    assert list(digits.values()) == [14, 12, 10, 8, 14]
    at = datetime(2026, 1, 15, 17, 8, 9, tzinfo=UTC)  # after midnight in Hà Nội
    assert [moment_to(to, at) for to in (14, 12, 10, 8)] == [
        "20260116000809", "20260116000800", "20260116000000", "20260116000000"
    ]  # fmt: skip


def tally(*lines):
    made = SideTally()
    for code, said in lines:
        made.add(code, said)
    return made.count, made.digest


def test_two_sides_that_say_the_same_have_the_same_digest_in_any_order():
    assert tally() == (0, "0" * 32)
    assert tally(("A", "4"), ("B", "5")) == tally(("B", "5"), ("A", "4"))
    for codes in (("A", "B"), ("H8", "H8")):  # the second is more than 2^256 together
        numbers = [int.from_bytes(hashlib.sha256(f"{code}\n4".encode()).digest()) for code in codes]
        assert tally(*((code, "4") for code in codes)) == (2, f"{sum(numbers) % 2**256:064x}"[:32])
    assert sum(numbers) > 2**256
    assert len({tally(("A", "4"), ("A", "4")), tally(("A", "4")), tally(("A", "5")), tally(("B", "4"))}) == 4
