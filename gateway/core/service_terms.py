"""How long a service may take (ThoiHanGiaiQuyet), read from words or from a plain form, and when that is over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from gateway.core.deadlines import GIO_VIET_NAM, WorkingCalendar

LONGEST_DAYS = 4000  # a calendar without an open day must not hang


class TermUnit(StrEnum):
    """What a service's time limit is counted in."""

    WORKING_DAYS = "ngay-lam-viec"
    DAYS = "ngay"
    WORKING_HOURS = "gio-lam-viec"
    HOURS = "gio"


@dataclass(frozen=True, slots=True)
class ServiceTerm:
    """How long a service may take (ThoiHanGiaiQuyet)."""

    number: int
    unit: TermUnit

    def __str__(self) -> str:
        return f"{self.number} {self.unit.value}"

    def last_moment(self, since: datetime, calendar: WorkingCalendar) -> datetime:
        """The last moment of the limit that began at ``since``. Days are counted from the next one and end with their last."""
        if self.unit is TermUnit.HOURS:
            return since + timedelta(hours=self.number)
        if self.unit is TermUnit.WORKING_HOURS:
            return calendar.add(since, timedelta(hours=self.number))
        day = since.astimezone(GIO_VIET_NAM).date()
        if self.unit is TermUnit.DAYS:
            day += timedelta(days=self.number)
            left = int(not calendar.works(day))  # one that ends on a day off ends on the next that is worked
        else:
            left = self.number
        for _ in range(LONGEST_DAYS):
            if not left:
                break
            day += timedelta(days=1)
            left -= calendar.works(day)
        return datetime.combine(day, time(23, 59, 59), GIO_VIET_NAM).astimezone(since.tzinfo)


_TERM = re.compile(
    r"(?:(sau|trước|lúc|từ|đến|hồi)\s+)?(?<![\d.,/])(\d{1,4})\s*(?:\([^)]*\)\s*)?(ngày|giờ|tiếng)(\s+làm\s+việc)?(?!\w)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(\d{1,4})\s+(ngay-lam-viec|ngay|gio-lam-viec|gio)")


def read_plain_term(text: str) -> ServiceTerm | None:
    """The limit of the plain form, “10 ngay-lam-viec”; None for anything else."""
    plain = _PLAIN.fullmatch(text.strip())
    return ServiceTerm(int(plain[1]), TermUnit(plain[2])) if plain is not None and int(plain[1]) else None


def read_term(text: str) -> ServiceTerm | None:
    """The limit that a text states, as “10 ngày làm việc” or “10 ngay-lam-viec”; None where it states none, or several."""
    plain = read_plain_term(text)
    if plain is not None:
        return plain
    stated = _TERM.findall(text)
    if any(before and unit.lower() == "giờ" and not working for before, _, unit, working in stated):
        return None  # a time of the day: “nhận sau 15 giờ thì trả ngày làm việc tiếp theo”
    found = {(int(number), unit.lower() in ("giờ", "tiếng"), bool(working)) for _, number, unit, working in stated}
    if len(found) != 1:
        return None
    number, hours, working = found.pop()
    unit = {
        (True, True): TermUnit.WORKING_HOURS,
        (True, False): TermUnit.HOURS,
        (False, True): TermUnit.WORKING_DAYS,
        (False, False): TermUnit.DAYS,
    }[hours, working]
    return ServiceTerm(number, unit) if number else None
