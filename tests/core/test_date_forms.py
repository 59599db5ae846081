"""One grammar of date forms for both directions: what a form writes it reads, and what is no form is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.date_forms import KNOWN, WrongForm, date_form

AT = datetime(2026, 1, 5, 1, 2, 3, 456789, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yyyyMMddHHmmss", "20260105080203"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2026-01-05T08:02:03.456"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-01-05T08:02:03.456+07:00"),
        ("yyyy-MM-dd'T'HH:mm:ssXX", "2026-01-05T08:02:03+0700"),
        ("yyyy-MM-dd HH:mm:ss Z", "2026-01-05 08:02:03 +0700"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'", "2026-01-05T01:02:03.456789Z"),
        ("dd/MM/yyyy HH:mm:ss", "05/01/2026 08:02:03"),
        ("d/M/yyyy H:mm", "5/1/2026 8:02"),
        ("'ngày' dd 'tháng' MM 'năm' yyyy", "ngày 05 tháng 01 năm 2026"),
        ("unix", "1767574923"),
        ("unix-ms", "1767574923456"),
    ],
)
def test_a_moment_is_written_in_the_declared_form(form: str, text: str) -> None:
    assert date_form(form).write(AT) == text


@pytest.mark.parametrize(
    ("form", "found", "meant"),
    [
        ("YYYY-MM-dd", "YYYY", "yyyy"),
        ("yyyy-MM-DD", "DD", "dd"),
        ("dd/MM/yyyy hh:mm", "hh", "HH"),
        ("yyyy-MM-ddTHH:mm:ss", "T", "'T'"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "X", "XXX"),
        ("yyyy-MM-dd HH:mm:ss.fff", "fff", "SSS"),
        ("dd/mm/yyyy", "dd/mm/yyyy", "MM"),
        ("dd/MM/yy", "yy", "yyyy"),
        ("yyyy-MM-dd'T", "'T", "'T'"),
        ("dMyyyy", "dM", "dd"),
        ("HH:mm", "HH:mm", "yyyy"),
        ("yyyy-MM-dd mm", "yyyy-MM-dd mm", "HH:mm:ss"),
        ("yyyy-MM-dd dd", "yyyy-MM-dd dd", None),
        ("ngày dd/MM/yyyy", "n", None),
        ("", "", "yyyy"),
    ],
)
def test_what_is_no_form_is_refused_with_what_was_meant(form: str, found: str, meant: str | None) -> None:
    with pytest.raises(WrongForm) as caught:
        date_form(form)
    assert (caught.value.found, caught.value.meant) == (found, meant)


SLIPS = {
    "YYYY": "yyyy", "yy": "yyyy", "YY": "yyyy", "DD": "dd", "D": "d", "hh": "HH", "h": "H", "SS": "ss", "S": "SSS", "fff": "SSS",
    "ffffff": "SSSSSS", "m": "mm", "s": "ss", "zzz": "XXX", "X": "XXX", "K": "XXX", "T": "'T'", "MMM": "MM", "mmm": "SSS", "SSSS": "SSS",
    "w": None,
}  # fmt: skip


@pytest.mark.parametrize(("found", "meant"), SLIPS.items())
def test_what_other_languages_write_is_told_by_the_word_for_it(found: str, meant: str | None) -> None:
    with pytest.raises(WrongForm) as caught:
        date_form(f"yyyy-MM-dd {found}")
    assert (caught.value.found, caught.value.meant) == (found, meant)


def test_the_letters_that_a_form_may_have_are_listed() -> None:
    letters = [
        "yyyy",
        "MM",
        "M",
        "dd",
        "d",
        "HH",
        "H",
        "mm",
        "ss",
        "SSS",
        "SSSSSS",
        "XXX",
        "XX",
        "Z",
        "unix",
        "unix-ms",
    ]
    assert list(KNOWN) == letters


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("yyyyMMddHHmmss", "20260105080203", (1, 2, 3, 0)),
        ("yyyy-MM-dd", "2026-01-05", (-7, 0, 0, 0)),
        ("yyyy-MM-dd HH", "2026-01-05 08", (1, 0, 0, 0)),
        ("yyyy-MM-dd HH:mm", "2026-01-05 08:02", (1, 2, 0, 0)),
        ("d/M/yyyy H:mm", "5/1/2026 8:02", (1, 2, 0, 0)),
        ("yyyyMMddHHmmssSSS", "20260105080203456", (1, 2, 3, 456000)),
        ("yyyyMMddHHmmssSSSSSS", "20260105080203456789", (1, 2, 3, 456789)),
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", "2026-01-05T01:02:03Z", (1, 2, 3, 0)),
        ("yyyy-MM-dd'Z'HH", "2026-01-05Z08", (1, 0, 0, 0)),
        ("yyyy-MM-dd HHXXX", "2026-01-05 01Z", (1, 0, 0, 0)),
        ("yyyy-MM-dd HHXXX", "2026-01-05 11+09:30", (1, 30, 0, 0)),
        ("yyyy-MM-dd HHXX", "2026-01-05 05-0345", (8, 45, 0, 0)),
        ("yyyy-MM-dd HHZ", "2026-01-05 05+1200", (-7, 0, 0, 0)),
        ("yyyy-MM-dd'''' HH", "2026-01-05' 08", (1, 0, 0, 0)),
        ("yyyy.MM.dd HH", "2026.01.05 08", (1, 0, 0, 0)),
        ("unix", "1767574923", (1, 2, 3, 0)),
        ("unix-ms", "1767574923456", (1, 2, 3, 456000)),
        ("unix", "-1", None),
    ],
)
def test_a_moment_is_read_in_the_declared_form(form: str, text: str, moment: tuple[int, int, int, int] | None) -> None:
    hours, minutes, seconds, micro = moment or (0, 0, 0, 0)
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    wanted = midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=micro)
    found = date_form(form).read(text)
    assert found == (wanted if moment else datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yyyy.MM.dd", "2026x01y05"), ("yyyy-MM-dd'Z'", "2026-01-05"), ("yyyy-MM-dd HHXX", "2026-01-05 08+07:00"), ("unix", "1.5"),
        ("unix", "9" * 17), ("yyyy-MM-dd'T'HH", "2026-01-05 08"), ("yyyy-MM-ddXXX", "0001-01-01+12:00"), ("unix", "1" * 18),
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_not_read(form: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".|^$"):
        date_form(form).read(text)


@pytest.mark.parametrize(
    ("form", "meant"),
    [
        ("yyyyMMddH", "HH"), ("yyyyMdd", "MM"), ("yyyy-MM-dd ss", "HH:mm:ss"), ("yyyy-MM-dd HH ss", "HH:mm:ss"),
        ("yyyy-MM-dd SSS", "ss"), ("yyyy-MM-dd SSSSSS", "ss"), ("yyyy-MM", "dd"), ("yyyy-dd", "MM"), ("MM-dd", "yyyy"),
        ("yyyy-MM-dd HHd", None), ("yyyy-MM-dd HH:mm:ss SSS SSSSSS", None),
    ],
)  # fmt: skip
def test_a_form_that_would_be_read_two_ways_or_in_part_is_refused(form: str, meant: str | None) -> None:
    with pytest.raises(WrongForm) as caught:
        date_form(form)
    if meant:
        assert caught.value.meant == meant


@pytest.fixture
def machine_at_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own zone is Vietnam's."""
    monkeypatch.setenv("TZ", "UTC-7")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("form", ["yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:ssXXX"])
def test_the_zone_of_the_machine_changes_no_moment(form: str, machine_at_home: None) -> None:
    assert date_form(form).read("2026-01-05T01:02:03Z") == datetime(2026, 1, 5, 1, 2, 3, tzinfo=UTC)


def test_thousandths_are_cut_and_not_rounded() -> None:
    assert date_form("yyyyMMddHHmmss.SSS").write(AT.replace(microsecond=999_999)).endswith(".999")
    assert date_form("yyyyMMddHHmmss.SSS").write(AT.replace(microsecond=1_000)).endswith(".001")


MOMENTS = st.datetimes(
    min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(timezone(timedelta(hours=7)))
)
FORMS = st.lists(st.sampled_from([*KNOWN, "'T'", "'Z'", "-", "/", " ", ":", "."]), min_size=1, max_size=14).map("".join)


@given(FORMS, MOMENTS)
def test_whatever_a_form_writes_it_reads_and_writes_again(form: str, at: datetime) -> None:
    try:
        made = date_form(form)
    except WrongForm:
        return
    text = made.write(at)
    found = made.read(text)
    assert made.write(found) == text
    assert abs(found - at) < timedelta(days=1)
    assert found <= at


@given(st.text(max_size=30))
def test_any_text_is_a_form_or_refused_and_nothing_else(text: str) -> None:
    try:
        date_form(text).write(AT)
    except WrongForm as error:
        assert error.found in text or error.found == text


@given(st.sampled_from(["yyyyMMddHHmmss", "dd/MM/yyyy", "unix", "yyyy-MM-dd'T'HH:mm:ssXXX"]), st.text(max_size=30))
def test_text_that_is_not_in_the_form_is_refused_and_never_guessed(form: str, text: str) -> None:
    try:
        found = date_form(form).read(text)
    except ValueError:
        return
    assert date_form(form).read(date_form(form).write(found)) == found


@pytest.mark.parametrize(
    "text", ["20260230000000", "2026013124000", "99999999999999", "20260131246000", "٢٠٢٦٠١٠١٠٠٠٠٠٠"]
)
def test_a_day_that_does_not_exist_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        date_form("yyyyMMddHHmmss").read(text)


def test_the_last_hours_of_the_last_year_have_no_day_at_home() -> None:
    with pytest.raises(ValueError, match="out of range"):
        date_form("yyyyMMdd").write(datetime(9999, 12, 31, 23, tzinfo=UTC))
