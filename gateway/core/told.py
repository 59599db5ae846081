"""What a party was told of a dossier, what it took, and what it was heard to believe. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.core.lifecycle import LifeRules
from gateway.core.model import Change, Dossier, MaHoSo, PartyId

CONTRADICTS = "DLV-046"  # the party confirmed what it was told, and says something else now

#: What is compared with what a party believes: the fields of the record that a look-up usually gives back.
COMPARED = ("TrangThaiHoSo", "NgayTiepNhan", "NgayHenTra", "NgayTra", "NgayTuChoi", "NgayKetThucXuLy")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLetter:
    """One event of a dossier with the bytes that told of it; None where they were erased."""

    change: Change
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierLetters:
    """A dossier as it stood after one of its events, with the letters: all that a projection is made of."""

    dossier: Dossier
    rules: LifeRules  # as the handling agency's profile declares them
    letters: tuple[EventLetter, ...]

    @property
    def number(self) -> int:
        """The newest event among them; 0 where there is none."""
        return max((letter.change.number for letter in self.letters), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldNews:
    """What one try told a party; None and empty where that did not come to it."""

    change: int = 0  # the newest event that it speaks of
    sent: str | None = None  # digest of the whole dossier that left
    taken: str | None = None  # digest of the whole dossier that the party took
    facts: Mapping[str, Any] = field(default_factory=dict)  # of what left, the fields that are compared
    rows: tuple[str, ...] = ()  # digests of the rows of progress that the party took
    refused: tuple[str, ...] = ()  # digests of what the party refused
    remarked: tuple[str, ...] = ()  # what has no place in the party's packets, remarked on now
    believed: Mapping[str, Any] | None = None  # what the party itself says of the dossier; empty: it has none
    settled: bool = False  # whether the party has all of it now, or there was nothing to tell


_MOMENT = len("yyyyMMddHHmmss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a party was told of a dossier, over all tries."""

    party: PartyId
    ma_ho_so: MaHoSo
    change: int = 0  # the newest event of which it has everything
    sent: str | None = None
    taken: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)  # digest -> the delivery whose it is to say it again
    remarked: tuple[str, ...] = ()
    told_at: datetime | None = None  # when something last left
    taken_at: datetime | None = None  # when the party last took something
    delivery: str | None = None  # by which delivery something last left
    attempt: int | None = None  # and by which of its tries
    believed: Mapping[str, Any] | None = None
    believed_at: datetime | None = None

    @property
    def differs(self) -> bool:
        """Whether the party says something else than what it was told, and was told nothing since."""
        if self.believed is None or self.believed_at is None:
            return False
        if self.taken_at is not None and self.believed_at < self.taken_at:
            return False
        return not self.believed or bool(differing(self.facts, self.believed))

    def after(self, news: ToldNews, now: datetime, delivery: str | None, attempt: int | None) -> Told:
        """With the news of one more try."""
        left = news.sent is not None or bool(news.rows)
        took = news.taken is not None or bool(news.rows)
        return Told(
            party=self.party,
            ma_ho_so=self.ma_ho_so,
            change=max(self.change, news.change) if news.settled else self.change,
            sent=news.sent or self.sent,
            taken=news.taken or self.taken,
            facts=news.facts or self.facts,
            rows=tuple(dict.fromkeys((*self.rows, *news.rows))),
            refused=self._refused(news, delivery),
            remarked=tuple(dict.fromkeys((*self.remarked, *news.remarked))),
            told_at=now if left else self.told_at,
            taken_at=now if took else self.taken_at,
            delivery=delivery if left else self.delivery,
            attempt=attempt if left else self.attempt,
            believed=self.believed if news.believed is None else news.believed,
            believed_at=self.believed_at if news.believed is None else now,
        )

    def again(self, rows: tuple[str, ...]) -> Told:
        """As if only these rows of progress had been taken: a party that says otherwise is told the rest once more."""
        return replace(self, sent=None, taken=None, rows=rows, refused={})

    def owes(self, digest: str, delivery: str) -> bool:
        """Whether this delivery is to say it: it was not taken, and is not one that another delivery was refused with.

        What was refused is said again by a replay of the delivery that said it; whoever skips that delivery lets it go.
        """
        return digest not in self.rows and digest != self.taken and self.refused.get(digest, delivery) == delivery

    def _refused(self, news: ToldNews, delivery: str | None) -> dict[str, str]:
        took = {*news.rows, news.taken}
        left = {digest: by for digest, by in self.refused.items() if digest not in took}
        return left | dict.fromkeys(news.refused, delivery or "")


def packet_digest(fields: Mapping[str, Any]) -> str:
    """What stands for a packet or a row: the same for the same content, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:32]


def compared(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a packet that are compared with what a party believes."""
    return {name: fields[name] for name in COMPARED if fields.get(name)}


def differing(true: Mapping[str, Any], believed: Mapping[str, Any]) -> tuple[str, ...]:
    """The compared fields on which a party says something else, or nothing where it speaks of the field.

    What it does not speak of at all is no difference: few look-ups give everything back.
    """
    return tuple(name for name in COMPARED if name in believed and not agreeing(true.get(name), believed[name] or None))


def agreeing(true: str | None, theirs: str | None) -> bool:
    """Whether a party's value says the same: a moment (yyyyMMddHHmmss) that ends in noughts stands for its day, hour or
    minute, since a party that keeps no more gives it back so.
    """
    if true == theirs:
        return True
    if true is None or theirs is None or len(true) != _MOMENT or not theirs.isdecimal():
        return False
    return any(theirs == true[:digits].ljust(_MOMENT, "0") for digits in (8, 10, 12))
