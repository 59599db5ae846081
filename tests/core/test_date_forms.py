"""One grammar of date forms for both directions: what a form writes it reads, and what is no form is refused."""

from __future__ import annotations

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
