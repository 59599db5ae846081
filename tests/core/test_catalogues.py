"""Catalogues as an operator imports them."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.core.catalogues import (
    REQUIRED,
    Muc,
    catalogue_difference,
    changed_fields,
    entries,
    format_of,
    from_csv,
    same_agencies,
    unread_terms,
)
from gateway.core.model import PartyId
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Stopped

GOOD = "\ufeffMa,Ten,HieuLucTu,HieuLucDen,MaThayThe,BiDanh\nH19.901,Sở Thử nghiệm,2025-07-01,,,000.99.01.H19; 000.99.03.H19\n"


def problems(text: str, danh_muc: str = "CoQuan") -> list[tuple[str, int | None]]:
    with pytest.raises(Stopped) as stop:
        from_csv(danh_muc, text)
    return [(p.code, p.at.line if p.at else None) for p in stop.value.problems]


def test_an_agency_keeps_its_other_identifiers_and_its_validity() -> None:
    (muc,) = from_csv("CoQuan", GOOD)
    assert muc.aliases == ("000.99.01.H19", "000.99.03.H19")
    assert muc.valid_on(date(2026, 1, 1))
    assert not muc.valid_on(date(2025, 6, 30))


def test_every_fault_of_a_table_is_told_with_its_line() -> None:
    text = "Ma,Ten,HieuLucTu,HieuLucDen,MaThayThe\nA,Một,2026-13-01,,\nA,Hai,,,\n B C,Ba,,,\nD,,,,\nE,Năm,2026-02-01,2026-01-01,Z\nF,x\n"
    assert sorted(problems(text)) == [
        ("CAT-004", 7),
        ("CAT-005", 4),
        ("CAT-006", 3),
        ("CAT-007", 5),
        ("CAT-008", 2),
        ("CAT-009", 6),
        ("CAT-010", 6),
    ]


def test_a_service_must_say_the_items_of_article_4() -> None:
    codes = problems("Ma,Ten\n1.001193,Đăng ký khai sinh\n", "DichVu")
    assert {code for code, _ in codes} == {"CAT-007"}
    assert len(codes) == 15  # MaTTHC and fourteen items; fees and registration only "if any"


@pytest.mark.parametrize(
    ("header", "code"), [("Ma", "CAT-001"), ("Ma,Ten,ten cột", "CAT-002"), ("Ma,Ten,Ten", "CAT-003")]
)
def test_a_wrong_header_is_told_before_the_rows(header: str, code: str) -> None:
    assert (code, 1) in problems(header + "\n")


def test_what_a_version_changes_is_known_before_it_is_applied() -> None:
    before = from_csv("CoQuan", GOOD + "X,Cũ,,,,\n")
    after = from_csv("CoQuan", GOOD.replace("Sở Thử nghiệm", "Sở Thử nghiệm mới") + "Y,Mới,,,,\n")
    found = catalogue_difference(before, after)
    assert [m.ma for m in found.added] == ["Y"]
    assert [m.ma for m in found.removed] == ["X"]
    assert [changed_fields(*pair) for pair in found.changed] == [("Ten",)]
    assert not catalogue_difference(before, before)


def agency(ma: str, *aliases: str, until: str | None = None, since: str | None = None, then: str | None = None) -> Muc:
    return Muc(
        ma=ma,
        ten=ma,
        hieu_luc_tu=date.fromisoformat(since) if since else None,
        hieu_luc_den=date.fromisoformat(until) if until else None,
        ma_thay_the=then,
        fields={"BiDanh": "; ".join(aliases)},
    )


def test_identifiers_of_one_agency_meet_while_they_are_in_force() -> None:
    entries = [
        agency("H19.1", "000.01.H19", "H19-1"),
        agency("H19.2", "000.02.H19", until="2025-12-31"),
        agency("H19.3"),
    ]
    assert same_agencies(entries, date(2026, 1, 1)) == (("H19.1", "000.01.H19", "H19-1"),)
    assert ("H19.2", "000.02.H19") in same_agencies(entries, date(2025, 12, 31))


def test_an_agency_that_ended_stands_with_the_last_of_its_successors_and_circles_lead_nowhere() -> None:
    entries = [
        agency("A", "a", until="2024-12-31", then="B"),
        agency("B", until="2025-06-30", then="C"),
        agency("C"),
        agency("X", until="2024-12-31", then="Y"),
        agency("Y", until="2024-12-31", then="X"),
    ]
    assert same_agencies(entries, date(2026, 1, 1)) == (("A", "a", "B", "C"),)
    assert same_agencies(entries, date(2025, 1, 1)) == (("A", "a", "B"),)


def test_an_alias_never_takes_an_identifier_from_the_party_that_bears_it() -> None:
    one, two = (Party(id=PartyId(n), name=n, role=Role.ONE_STOP, identifiers=(n.upper(),)) for n in ("one", "two"))
    known = Parties([one, two], same=[("ONE", "old"), ("ONE", "TWO", "unclear"), ("TWO", "old-2"), ("ONE", "old-2")])
    assert [getattr(known.by_identifier(name), "id", None) for name in ("Old", "two", "unclear", "old-2", "x")] == [
        "one", "two", None, None, None,
    ]  # fmt: skip
    assert known.aliases(PartyId("one")) == ("OLD",)


def test_an_entry_is_in_force_from_its_first_day_to_its_last() -> None:
    one = agency("A", since="2026-01-05", until="2026-01-07")
    assert [day for day in range(3, 10) if one.valid_on(date(2026, 1, day))] == [5, 6, 7]


def test_any_one_kind_of_difference_is_one() -> None:
    a, b = agency("A"), agency("B")
    pairs = (((a,), (a, b)), ((a, b), (a,)), ((a,), (agency("A", "x"),)), ((a,), (a,)))
    assert [bool(catalogue_difference(*pair)) for pair in pairs] == [True, True, True, False]


def test_a_circle_of_successors_ends() -> None:
    ring = [agency(name, until="2024-12-31", then=after) for name, after in (("A", "B"), ("B", "C"), ("C", "B"))]
    assert same_agencies([*ring, agency("D", "d")], date(2026, 1, 1)) == (("D", "d"),)


def test_a_wrong_header_stops_before_the_rows_are_judged() -> None:
    assert problems("Ten,Ten\nx\n") == [("CAT-003", 1), ("CAT-001", 1)]


def test_empty_lines_and_spaces_around_cells_are_nothing() -> None:
    (one,) = from_csv("CoQuan", "Ma , Ten\n\n , \n A , Một \n")
    assert (one.ma, one.ten) == ("A", "Một")
    assert problems("Ma,Ten\n\nA B,x\n") == [("CAT-005", 3)]


def test_a_value_is_shown_in_part() -> None:
    with pytest.raises(Stopped) as stop:
        from_csv("CoQuan", f"Ma,Ten,HieuLucTu\n{'!' * 80},x,\nA,x,{'2' * 80}\n")
    assert [(p.code, len(p.facts["value"])) for p in stop.value.problems] == [("CAT-005", 50), ("CAT-008", 20)]


def test_an_entry_may_be_in_force_for_one_day() -> None:
    (one,) = from_csv("CoQuan", "Ma,Ten,HieuLucTu,HieuLucDen\nA,x,2026-01-05,2026-01-05\n")
    assert one.valid_on(date(2026, 1, 5))


def test_a_procedure_must_name_its_field() -> None:
    assert problems("Ma,Ten\nA,x\n", "ThuTuc") == [("CAT-007", 2)]
    assert [one.ma for one in from_csv("CoQuan", "Ma,Ten\nA,x\n")] == ["A"]


def claimed(first: tuple[str, str], second: tuple[str, str], danh_muc: str = "CoQuan") -> list[dict[str, object]]:
    """What is said of two agencies with one alias, each in force from one day to another."""
    rows = [
        (line, {"Ma": ma, "Ten": ma, "HieuLucTu": since, "HieuLucDen": until, "BiDanh": "cu"})
        for line, (ma, (since, until)) in enumerate((("A", first), ("B", second)), start=2)
    ]
    try:
        entries(danh_muc, rows)
    except Stopped as stop:
        assert [(p.code, p.at.line if p.at else 0) for p in stop.problems] == [("CAT-013", 3)]
        return [dict(p.facts) for p in stop.problems]
    return []


BOTH = [{"ma": "B", "alias": "CU", "other": "A"}]


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (("", ""), ("", ""), BOTH),
        (("", "2025-12-31"), ("2026-01-01", ""), []),
        (("", "2026-01-01"), ("2026-01-01", ""), BOTH),
        (("2026-01-01", ""), ("", "2025-12-31"), []),
        (("2026-01-01", ""), ("", "2026-01-01"), BOTH),
        (("2026-01-01", ""), ("", ""), BOTH),
        (("", ""), ("2026-01-01", ""), BOTH),
        (("", "2025-12-31"), ("", ""), BOTH),
        (("", ""), ("", "2025-12-31"), BOTH),
    ],
)
def test_two_agencies_may_bear_one_alias_only_one_after_the_other(first, second, found) -> None:
    assert claimed(first, second) == found
    assert claimed(first, second, "LinhVuc") == []


def test_a_third_agency_meets_each_of_the_first_two() -> None:
    lives = (("A", "", "2024-12-31"), ("B", "2025-01-01", "2025-12-31"), ("C", "2025-06-01", ""))
    rows = [
        (line, {"Ma": ma, "Ten": ma, "HieuLucTu": since, "HieuLucDen": until, "BiDanh": "cu"})
        for line, (ma, since, until) in enumerate(lives)
    ]
    with pytest.raises(Stopped) as stop:
        entries("CoQuan", rows)
    assert [(p.code, p.facts["ma"], p.facts["other"]) for p in stop.value.problems] == [("CAT-013", "C", "B")]


FORMAT_2 = "# DinhDang: 2\nMa,Ten,BiDanh,MauMaHoSo\n"


@pytest.mark.parametrize(
    ("danh_muc", "text", "code", "line", "near"),
    [
        ("CoQuan", "# DinhDang: 2\nMa,Ten,BiDan\n", "CAT-017", 2, "BiDanh"),
        ("CoQuan", FORMAT_2 + "H19.901,Sở,,00000-00\n", "CAT-015", 3, "00000/0000/00000"),
        ("ThuTuc", "Ma,Ten,MaLinhVuc,ThoiHanTinh\n1,A,B,10 ngay-lam-viêc\n", "CAT-015", 2, "10 ngay-lam-viec"),
        ("ThuTuc", "Ma,Ten,MaLinhVuc,HeThongChuTri\n1,A,B,bo-y-te\n", "CAT-015", 2, "–"),
    ],
)
def test_a_wrong_value_or_column_is_told_with_its_line_and_the_nearest_name(danh_muc, text, code, line, near) -> None:
    with pytest.raises(Stopped) as stop:
        from_csv(danh_muc, text)
    (problem,) = stop.value.problems
    assert (problem.code, problem.at.line, problem.facts["nearest"]) == (code, line, near)


def test_format_2_knows_the_levels_and_format_1_leaves_them_to_the_operator() -> None:
    with pytest.raises(Stopped) as stop:
        from_csv("DichVu", "# DinhDang: 2\nMa,Ten,MucDo\nA,Một,toan trinh\n")
    (wrong,) = [problem for problem in stop.value.problems if problem.code == "CAT-015"]
    assert (wrong.facts["name"], wrong.facts["nearest"]) == ("MucDo", "TOAN_TRINH")
    assert "CAT-015" not in {code for code, _ in problems("Ma,Ten,MucDo\nA,Một,toan trinh\n", "DichVu")}


def test_a_format_of_the_future_is_refused_and_a_spreadsheets_commas_are_not() -> None:
    assert problems("# DinhDang: 3\nMa,Ten\n") == [("CAT-016", 1)]
    assert problems("# DinhDang: 0\nMa,Ten\n") == [("CAT-016", 1)]
    (one,) = from_csv("CoQuan", "\ufeff# DinhDang: 2,,,\nMa,Ten,BiDanh,MauMaHoSo\nH19.901,Sở,,\n")
    assert one.ma == "H19.901"


def test_services_whose_time_limit_no_rule_can_read_are_listed() -> None:
    said = ({"ThoiHanTinh": "10 ngay"}, {"ThoiHanGiaiQuyet": "5 ngày"}, {"ThoiHanGiaiQuyet": "Trong ngày"}, {})
    made = [Muc(ma=str(number), ten="x", fields=fields) for number, fields in enumerate(said)]
    assert [one.ma for one in unread_terms("DichVu", made)] == ["2", "3"]
    assert unread_terms("ThuTuc", made) == ()


def test_a_wrong_value_is_told_in_part_with_what_was_meant_by_its_number() -> None:
    def wrong(term: str) -> dict[str, object]:
        with pytest.raises(Stopped) as stop:
            from_csv("ThuTuc", f"Ma,Ten,MaLinhVuc,ThoiHanTinh\n1,A,B,{term}\n")
        (problem,) = stop.value.problems
        return dict(problem.facts)

    assert wrong("x" * 61)["value"] == "x" * 60
    units = ("ngay-lam-viec", "ngay", "gio-lam-viec", "gio")
    assert wrong("7 tuần")["known"] == [f"7 {unit}" for unit in units]
    assert wrong("một tuần")["known"] == [f"10 {unit}" for unit in units]


def test_only_our_own_columns_have_our_own_values_and_rows_without_a_format_are_of_the_first() -> None:
    said = {"Ma": "1", "Ten": "A", "ThoiHanTinh": "mau", "MauMaHoSo": "?"}
    (one,) = entries("LinhVuc", [(None, said)])
    assert one.fields["ThoiHanTinh"] == "mau"
    needed = dict.fromkeys(REQUIRED["DichVu"], "x")
    (one,) = entries("DichVu", [(None, {"Ma": "1", "Ten": "A", **needed, "MucDo": "toan trinh"})])
    assert (one.fields["MucDo"], format_of("1")) == ("toan trinh", 1)


def test_an_old_file_keeps_its_own_columns_and_a_cell_may_begin_with_a_hash() -> None:
    (one,) = from_csv("CoQuan", "Ma,Ten,GhiChuRieng\nH19.901,# 1,x\n")
    assert (one.ten, one.fields) == ("# 1", {"GhiChuRieng": "x"})
