"""The working calendar of a node: the bundled one, one of its own, and what is wrong with one."""

from datetime import date, datetime, time, timedelta

import pytest

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.problems import Stopped
from gateway.services.calendars import calendar_of
from gateway.settings import load
from gateway.wiring import deadline_rules

HOURS = ((time(7, 30), time(11, 30)), (time(13, 30), time(17)))


def made(tmp_path, text):
    file = tmp_path / "lich.toml"
    file.write_text(text, "utf-8")
    return calendar_of(file, HOURS)


def test_the_bundled_calendar_has_the_days_off_of_2025_and_2026():
    calendar = calendar_of(None, HOURS)
    closed = [
        date(2026, 1, 1),
        date(2026, 1, 2),
        date(2026, 2, 17),
        date(2026, 4, 27),
        date(2026, 9, 1),
        date(2031, 9, 2),
    ]
    assert [day for day in closed if calendar.works(day)] == []
    open_ = [date(2026, 1, 10), date(2026, 8, 22), date(2026, 2, 13), date(2026, 2, 23)]
    assert [day for day in open_ if not calendar.works(day)] == []
    assert [year for year in range(2024, 2030) if calendar.covers(year)] == [2025, 2026]


def test_the_day_of_vietnamese_culture_is_free_from_2026_on_and_was_not_before():
    calendar = calendar_of(None, HOURS)
    assert [calendar.works(date(year, 11, 24)) for year in (2023, 2025, 2026, 2027, 2031)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_the_bundled_calendar_says_when_it_was_last_compared():
    from importlib import resources
    from pathlib import Path

    from gateway.core.written import decode_toml, read_toml
    from gateway.services.calendars import BUNDLED, Days

    text = (resources.files("gateway.services") / BUNDLED).read_text("utf-8")
    days = decode_toml(Days, read_toml(text, BUNDLED), base=Path())
    assert days.last_checked is not None
    assert days.last_checked >= max(day for day in days.holidays if day.year <= days.last_checked.year)


def test_no_day_of_the_bundled_calendar_is_free_twice_or_worked_on_a_working_day():
    calendar = calendar_of(None, HOURS)
    assert [day for day in calendar.holidays if day.weekday() > 4 or (day.month, day.day) in calendar.every_year] == []
    assert [day for day in calendar.worked_weekends if day.weekday() < 5] == []


def test_a_calendar_of_ones_own_takes_the_bundled_ones_place(tmp_path):
    calendar = made(tmp_path, 'weekdays = [1, 2, 3, 4, 5, 6]\nholidays = [2026-01-15]\nevery_year = ["09-02"]\n')
    assert (calendar.works(date(2026, 1, 17)), calendar.works(date(2026, 1, 15))) == (True, False)
    assert calendar.works(date(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("weekdays = [1, 8]", "SYS-014", 1),
        ("weekdays = []", "SYS-016", 1),
        ('holidays = ["2026-01-01"]', "SYS-013", 1),
        ("\nholiday = []", "SYS-012", 2),
        ('every_year = ["13-01"]', "SYS-017", 1),
        ('every_year = ["11-24"]\nsince = { 11-23 = 2026 }', "SYS-012", 2),
        ('every_year = ["01-01",\n "02-30"]', "SYS-017", 2),
        ("worked = [2026-01-10]\nholidays = [\n2026-01-10]", "SYS-018", 3),
        ("weekdays = [1", "SYS-011", 1),
    ],
)
def test_what_is_wrong_in_a_calendar_is_told_with_its_line(tmp_path, text, code, line):
    with pytest.raises(Stopped) as stop:
        made(tmp_path, text)
    (problem,) = stop.value.problems
    assert (problem.code, problem.at.line, str(tmp_path) in problem.facts["file"]) == (code, line, True)


def test_a_calendar_that_is_not_there_is_named_with_its_setting(tmp_path):
    with pytest.raises(Stopped) as stop:
        calendar_of(tmp_path / "none.toml", HOURS)
    assert (stop.value.problems[0].code, stop.value.problems[0].facts["key"]) == ("SYS-020", "deadlines.calendar")


def configured(tmp_path, text):
    file = tmp_path / "lienthong.toml"
    file.write_text(text, "utf-8")
    return deadline_rules(load(file, {}).settings)


def test_the_settings_say_how_many_hours_of_which_kind_and_when_offices_open(tmp_path):
    morning = 'hand_over_in = "working"\nhand_over_h = 3\nhours = ["08:00-10:00"]\ncalendar = "lich.toml"\n'
    (tmp_path / "lich.toml").write_text("holidays = [2026-01-16]\n", "utf-8")
    rules = configured(tmp_path, f"[deadlines]\n{morning}")
    start = datetime(2026, 1, 15, 9, 0, tzinfo=GIO_VIET_NAM)  # Thursday; Friday is off
    due = rules.calendar.add(start, timedelta(hours=rules.hand_over_h))
    assert (rules.hand_over_in_working_hours, due) == (True, datetime(2026, 1, 19, 10, 0, tzinfo=GIO_VIET_NAM))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('hours = ["17:00-08:00"]', "SYS-018"),
        ('hours = ["08:00-12:00", "11:00-17:00"]', "SYS-018"),
        ("hours = []", "SYS-016"),
        ('hours = ["8-17"]', "SYS-017"),
        ('hand_over_in = "wall"', "SYS-014"),
        ("hand_over_h = 0", "SYS-015"),
    ],
)
def test_hours_that_cannot_be_are_refused(tmp_path, text, code):
    with pytest.raises(Stopped) as stop:
        configured(tmp_path, f"[deadlines]\n{text}\n")
    assert [problem.code for problem in stop.value.problems] == [code]
