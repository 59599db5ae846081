"""The working calendar of a node: which days its offices are open, from a file that the operator keeps.

The bundled file has the days off of Vietnam's government offices for the years whose notice is known.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from importlib import resources
from pathlib import Path

from gateway.core.deadlines import WorkingCalendar
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.core.written import Written, decode_toml, nearest, read_toml, setting

BUNDLED = "lich-viet-nam.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A calendar file (TOML)."""

    weekdays: tuple[int, ...] = setting(
        (1, 2, 3, 4, 5),
        among=(1, 2, 3, 4, 5, 6, 7),
        vi="Các ngày làm việc trong tuần; thứ hai là 1, chủ nhật là 7.",
        en="The days of the week that are worked; Monday is 1, Sunday is 7.",
    )
    every_year: tuple[str, ...] = setting(
        (),
        pattern=r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
        vi="Ngày nghỉ mọi năm, dạng tháng-ngày: 09-02.",
        en="Days off of every year, month-day: 09-02.",
    )
    since: Mapping[str, int] = setting(
        {},
        vi="Năm đầu tiên của ngày nghỉ mới trong every_year: { 11-24 = 2026 }.",
        en="The first year of a newer day of every_year: { 11-24 = 2026 }.",
    )
    last_checked: date | None = setting(
        None, vi="Ngày đối chiếu gần nhất với văn bản.", en="The day when this was last compared with the notices."
    )
    holidays: tuple[date, ...] = setting((), vi="Các ngày nghỉ khác: 2026-02-17.", en="The other days off: 2026-02-17.")
    worked: tuple[date, ...] = setting(
        (),
        vi="Ngày làm bù: vẫn làm việc dù là cuối tuần hay ngày nghỉ.",
        en="Days worked all the same, at a week's end or on a holiday.",
    )


def calendar_of(file: Path | None, hours: tuple[tuple[time, time], ...]) -> WorkingCalendar:
    """The calendar of a file, or the bundled one, with these working hours.

    Raises Stopped: SYS-020 it cannot be read, SYS-011 to SYS-018 what is wrong in it.
    """
    written = read_toml(_text(file), BUNDLED if file is None else str(file))
    days = decode_toml(Days, written, base=Path())
    if problems := [*_mistakes(days, written)]:
        raise Stopped(*problems)
    return WorkingCalendar(
        holidays=frozenset(days.holidays),
        every_year=frozenset(_fixed(day) for day in days.every_year),
        since={_fixed(day): year for day, year in days.since.items()},
        worked_weekends=frozenset(days.worked),
        hours=hours,
        last_checked=days.last_checked,
        weekdays=frozenset(day - 1 for day in days.weekdays),
    )


def _fixed(day: str) -> tuple[int, int]:
    return int(day[:2]), int(day[3:])


def _text(file: Path | None) -> str:
    if file is None:
        return (resources.files(__package__) / BUNDLED).read_text("utf-8-sig")
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error)
        facts = {"path": str(file), "key": "deadlines.calendar", "file": "lienthong.toml", "reason": reason}
        raise Stopped(Problem("SYS-020", facts)) from error


def _mistakes(days: Days, written: Written) -> Iterator[Problem]:
    if not days.weekdays:
        yield written.problem("SYS-016", ("weekdays",))
    for number, day in enumerate(days.every_year):
        if day == "02-30" or day in ("02-31", "04-31", "06-31", "09-31", "11-31"):
            yield written.problem("SYS-017", ("every_year", number), value=day, pattern="MM-DD")
    for day in days.since:
        if day not in days.every_year:
            known = sorted(days.every_year)
            yield written.problem("SYS-012", ("since", day), nearest=nearest(day, known) or "–", known=known)
    for number, free in enumerate(days.holidays):
        if free in days.worked:
            yield written.problem(
                "SYS-018",
                ("holidays", number),
                other="worked",
                rule_vi="một ngày không thể vừa nghỉ vừa làm bù",
                rule_en="a day cannot be both off and worked",
            )
