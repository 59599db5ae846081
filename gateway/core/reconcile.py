"""Two records of the same dossiers set against each other: a party's question (HS19), and our own from the desk. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.core.date_forms import VIETNAM
from gateway.core.model import DeliveryId, MaHoSo, PartyId
from gateway.core.parties import Party


class Differs(StrEnum):
    """LoaiLech of HS19."""

    MISSING_THERE = "THIEU_O_BEN_HOI"  # we have it, the asking side does not
    MISSING_HERE = "THIEU_O_BEN_TRA_LOI"
    STATE = "KHAC_TRANG_THAI"


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierLine:
    """What one side has on record of one dossier."""

    ma_ho_so: MaHoSo
    trang_thai: int
    thoi_diem: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierDifference:
    """One dossier on which the two sides do not agree."""

    ma_ho_so: MaHoSo
    kind: Differs
    theirs: DossierLine | None
    ours: DossierLine | None


def compare(
    theirs: Iterable[DossierLine], ours: Iterable[DossierLine], *, known: Mapping[MaHoSo, DossierLine] | None = None
) -> list[DossierDifference]:
    """The differences, by dossier code.

    ``ours`` are the dossiers of the period and agency; ``known`` are further ones of ours that the other side names although they
    lie outside the period, so that a dossier is not called missing because of its date.
    """
    there = {line.ma_ho_so: line for line in theirs}
    here = {line.ma_ho_so: line for line in ours}
    found: list[DossierDifference] = []
    for code in sorted(there.keys() | here.keys()):
        one, other = there.get(code), here.get(code) or (known or {}).get(code)
        if one is None:
            found.append(DossierDifference(ma_ho_so=code, kind=Differs.MISSING_THERE, theirs=None, ours=other))
        elif other is None:
            found.append(DossierDifference(ma_ho_so=code, kind=Differs.MISSING_HERE, theirs=one, ours=None))
        elif one.trang_thai != other.trang_thai:
            found.append(DossierDifference(ma_ho_so=code, kind=Differs.STATE, theirs=one, ours=other))
    return found


# From the desk: our record against what a party believes ---------------------------------------------------------------


class DriftCause(StrEnum):
    """Why a party and our record are not at one on a dossier, as far as can be seen from here."""

    WAITING = "waiting"  # its turn has not come, or the party does not answer
    UNCERTAIN = "uncertain"  # it left, and nobody knows whether it arrived
    HELD = "held"  # the party refused it, or patience is exhausted
    LOCKED = "locked"  # the party is locked in the registry
    PAUSED = "paused"  # the desk paused sending to it
    LET_GO = "let-go"  # it was refused, and a person skipped it
    NOT_ADDRESSED = "not-addressed"  # messages that did not name the party changed the dossier
    MISSING_THERE = "missing-there"  # the party says that it has no such dossier
    CHANGED_THERE = "changed-there"  # the party took what is true, and says something else
    UNREAD = "unread"  # the news lie in its inbox, and it has not read them
    EVENT_WAITING = "event-waiting"  # news of its own wait here for an earlier one (ThuTu)
    REFUSED_HERE = "refused-here"  # a message about it was refused at our door
    HELD_HERE = "held-here"  # a message about it is held here, not judged yet
    NOT_ITS_OWN = "not-its-own"  # on record here, and nobody said that the party has a part in it
    GIVEN_BACK = "given-back"  # its code was given back here
    NEVER_SENT = "never-sent"  # the party has it, and never told us


class DriftTurn(StrEnum):
    """Who moves next."""

    GATEWAY = "gateway"
    OPERATOR = "operator"
    PARTY = "party"


TURNS: Mapping[DriftCause, DriftTurn] = {
    DriftCause.WAITING: DriftTurn.GATEWAY,
    DriftCause.UNCERTAIN: DriftTurn.GATEWAY,
    DriftCause.HELD: DriftTurn.OPERATOR,
    DriftCause.LOCKED: DriftTurn.OPERATOR,
    DriftCause.PAUSED: DriftTurn.OPERATOR,
    DriftCause.LET_GO: DriftTurn.OPERATOR,
    DriftCause.NOT_ADDRESSED: DriftTurn.OPERATOR,
    DriftCause.MISSING_THERE: DriftTurn.PARTY,
    DriftCause.CHANGED_THERE: DriftTurn.PARTY,
    DriftCause.UNREAD: DriftTurn.PARTY,
    DriftCause.EVENT_WAITING: DriftTurn.PARTY,
    DriftCause.REFUSED_HERE: DriftTurn.PARTY,
    DriftCause.HELD_HERE: DriftTurn.GATEWAY,
    DriftCause.NOT_ITS_OWN: DriftTurn.OPERATOR,
    DriftCause.GIVEN_BACK: DriftTurn.OPERATOR,
    DriftCause.NEVER_SENT: DriftTurn.PARTY,
}


def stopped(party: Party) -> DriftCause | None:
    """Why nothing is sent to a party at all, by its file or the desk."""
    if not party.open:
        return DriftCause.LOCKED
    return None if party.called else DriftCause.PAUSED


class DisagreementKind(StrEnum):
    """In what a party's record of a dossier is not ours."""

    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    STATE = "state"  # another state; dates may differ too
    DATES = "dates"  # the same state, another appointment, receipt, finish …


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One dossier on which a party and our record are not at one."""

    party: PartyId
    ma_ho_so: MaHoSo
    kind: DisagreementKind
    cause: DriftCause
    fields: Mapping[str, tuple[str | None, str | None]]  # what differs: theirs, and ours
    line: int | None = None  # of the party's file
    delivery: DeliveryId | str | None = None
    code: str | None = None

    @property
    def turn(self) -> DriftTurn:
        """Who moves next."""
        return TURNS[self.cause]


def disagreement_kind(
    ours: Mapping[str, str | None] | None, theirs: Mapping[str, str | None] | None
) -> DisagreementKind:
    """Which kind two differing lines are of; None: that side has no such dossier."""
    if ours is None:
        return DisagreementKind.MISSING_HERE
    if theirs is None:
        return DisagreementKind.MISSING_THERE
    same = ours.get("TrangThaiHoSo") == theirs.get("TrangThaiHoSo")
    return DisagreementKind.DATES if same else DisagreementKind.STATE


#: Digits of yyyyMMddHHmmss to which a moment is compared, by the finest part that a party's own form writes.
_CUTS = (("ss", 14), ("mm", 12), ("H", 10))


def compared_digits(form: str) -> int:
    """To how many digits of yyyyMMddHHmmss moments in this form can be compared: whoever exports days knows no hours."""
    if form.startswith("unix"):
        return 14
    return next((digits for part, digits in _CUTS if part in form), 8)


def moment_to(digits: int, at: datetime) -> str:
    """A moment at home, as packets write it, to so many digits."""
    return at.astimezone(VIETNAM).strftime("%Y%m%d%H%M%S")[:digits].ljust(14, "0")


@dataclass(slots=True)
class SideTally:
    """How many dossiers one side has, and one digest of all that it says of them, in whatever order they come."""

    count: int = 0
    total: int = 0

    def add(self, ma_ho_so: str, said: str) -> None:
        """One more line."""
        self.count += 1
        line = hashlib.sha256(f"{ma_ho_so}\n{said}".encode()).digest()
        self.total = (self.total + int.from_bytes(line)) % _ROUND  # a sum, so that no order is needed

    @property
    def digest(self) -> str:
        """Equal where both sides say the same of the same dossiers."""
        return f"{self.total:064x}"[:32]


_ROUND = 2**256
