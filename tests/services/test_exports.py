"""What a party exported: every row that can be read is, and every one that cannot is told of with its line and reason."""

from __future__ import annotations

import codecs
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pki
import pytest

from gateway.core.problems import Stopped
from gateway.services import exports
from gateway.services.exports import ExportRow, PartyExport, read_column_map

MAP = """
[columns]
MaHoSo = "Số hồ sơ"
TrangThaiHoSo = "Trạng thái"
NgayHenTra = "Hẹn trả"

[formats]
NgayHenTra = "dd/MM/yyyy"

[maps.TrangThaiHoSo]
"Đang xử lý" = "4"
"Đã trả" = "10"
"""
HEAD = "STT;Số hồ sơ;Trạng thái;Hẹn trả"


def opened(folder: Path, content: bytes | str, columns: str = MAP, name: str = "xuat.csv") -> PartyExport:
    (folder / "cot.toml").write_text(columns, "utf-8")
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return PartyExport(folder / name, read_column_map(folder / "cot.toml"), pki.party("cong-dvc"))


def read(export: PartyExport) -> tuple[list[ExportRow], list[tuple[str, int | None]]]:
    """The rows, and code and line of what is none."""
    found = list(export)
    rows = [one for one in found if isinstance(one, ExportRow)]
    return rows, [(one.code, one.at.line) for one in found if not isinstance(one, ExportRow)]


def refused(act: Any) -> list[str]:
    with pytest.raises(Stopped) as stop:
        act()
    return [problem.code for problem in stop.value.problems]


def test_half_the_rows_are_wrong_and_the_other_half_is_read(tmp_path: Path) -> None:
    lines = [
        HEAD,
        "1;A-1;Đang xử lý;29/01/2026",
        "2;;Đang xử lý;29/01/2026",
        "3;A-3;10;",
        "4;A 4;Đang xử lý;29/01/2026",
        "5;A-5;Đang nghĩ;29/01/2026",
        "6;A-6;Đã trả;2026-01-29",
        "",
        "7;A-7;Đã trả;30/01/2026;thừa",
        '8;"A-8";"Đã trả";"30/01/2026"',
    ]
    rows, bad = read(opened(tmp_path, "\r\n".join(lines)))
    assert [(row.line, row.ma_ho_so, dict(row.fields)) for row in rows] == [
        (2, "A-1", {"TrangThaiHoSo": "4", "NgayHenTra": "20260129000000"}),
        (4, "A-3", {"TrangThaiHoSo": "10", "NgayHenTra": None}),
        (10, "A-8", {"TrangThaiHoSo": "10", "NgayHenTra": "20260130000000"}),
    ]
    assert bad == [("REC-005", 3), ("REC-005", 5), ("REC-006", 6), ("REC-007", 7), ("REC-004", 9)]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + f"{HEAD}\n1;A-1;Đã trả;29/01/2026\n".encode(),
        f"{HEAD}\n1;A-1;Đã trả;29/01/2026\n".encode("utf-16"),
        f"{HEAD}\n1;A-1;Đã trả;29/01/2026\n".replace(";", "\t").encode(),
        f"{HEAD}\n1;A-1;Đã trả;29/01/2026\n".replace(";", ",").encode(),
        f"{HEAD.upper()}\n1;A-1;Đã trả;29/01/2026".encode(),
    ],
    ids=["byte order mark", "utf-16", "tabs", "commas", "upper case"],
)
def test_what_programs_make_of_a_csv_is_read(content: bytes, tmp_path: Path) -> None:
    rows, bad = read(opened(tmp_path, content))
    assert ([row.ma_ho_so for row in rows], bad) == (["A-1"], [])


def test_another_encoding_is_told_and_read_once_it_is_declared(tmp_path: Path) -> None:
    content = "Ma;Ten\nA-1;trà\n".encode("windows-1258")
    columns = '[columns]\nMaHoSo = "Ma"\n'
    assert refused(lambda: list(opened(tmp_path, content, columns))) == ["REC-010"]
    rows, _ = read(opened(tmp_path, content, f'encoding = "windows-1258"\n{columns}'))
    assert [row.ma_ho_so for row in rows] == ["A-1"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("Số HS;Trạng thái;Hẹn trả\nA;4;\n", "REC-002"),
        ("Số hồ sơ;Trạng thái;Hẹn trả;Hẹn trả\nA;4;;\n", "REC-013"),
        ("", "REC-003"),
        (f'{HEAD}\n1;A-1;"Đã trả;29/01/2026\n' + "x;\n" * 90_000, "REC-012"),
        (f"{HEAD}\n" + "x" * 200_000, "REC-012"),
        (b"PK\x03\x04 and then nothing that a zip would have", "REC-009"),
    ],
    ids=["no such column", "a column twice", "empty", "a quote that nobody closes", "a line without end", "no XLSX"],
)
def test_a_file_that_cannot_be_compared_ends_in_its_code(content: str | bytes, code: str, tmp_path: Path) -> None:
    assert refused(lambda: list(opened(tmp_path, content))) == [code]


def test_a_file_that_is_not_there_and_a_map_that_is_wrong_are_told(tmp_path: Path) -> None:
    columns = read_column_map(opened(tmp_path, HEAD).path.with_name("cot.toml"))
    assert refused(lambda: PartyExport(tmp_path / "khác", columns, pki.party("cong-dvc"))) == ["REC-001"]
    assert refused(lambda: read_column_map(tmp_path / "khác.toml")) == ["REC-001"]
    wrong = 'delimiter = "~"\n[columns]\nMaHoSo = "A"\n'
    other = 'encoding = "tcvn3"\n[columns]\nMaHoS = "A"\n[formats]\nNgayTra = "dd/MM/yy"\n'
    for text, codes in ((wrong, ["SYS-014"]), (other, ["SYS-014", "SYS-017", "SYS-014"]), ("[columns]", ["SYS-016"])):
        (tmp_path / "sai.toml").write_text(text, "utf-8")
        assert refused(lambda: read_column_map(tmp_path / "sai.toml")) == codes


# XLSX


def workbook(folder: Path, *rows: Any, title: str = "Hồ sơ") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    book.save(folder / "made.xlsx")
    return (folder / "made.xlsx").read_bytes()


def test_a_sheet_is_read_with_its_dates_and_numbers(tmp_path: Path) -> None:
    content = workbook(
        tmp_path,
        ("Báo cáo tháng 1",),
        ("Số hồ sơ", "Trạng thái", "Hẹn trả", "ghi chú"),
        ("A-1", 4, datetime(2026, 1, 29, 17, 30), "=1+1"),
        (2600001, "Đã trả", date(2026, 1, 30)),
        ("A-3", 4.5, None),
        (None, None, None),
        ("A-5", "Đã trả", "hôm qua"),
    )
    rows, bad = read(opened(tmp_path, content, f'header = 2\nsheet = "Hồ sơ"\n{MAP}'))
    assert [(row.ma_ho_so, dict(row.fields)) for row in rows] == [
        ("A-1", {"TrangThaiHoSo": "4", "NgayHenTra": "20260129000000"}),
        ("2600001", {"TrangThaiHoSo": "10", "NgayHenTra": "20260130000000"}),
    ]
    assert bad == [("REC-006", 5), ("REC-007", 7)]
    assert refused(lambda: list(opened(tmp_path, content, f'sheet = "Khác"\n{MAP}'))) == ["REC-014"]


def packed(folder: Path, parts: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(folder / "made.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return (folder / "made.zip").read_bytes()


def test_a_zip_that_is_no_xlsx_or_a_bomb_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "UNPACKED_BYTES", 1_000_000)
    assert refused(lambda: list(opened(tmp_path, packed(tmp_path, {"a": b"0" * 2_000_000})))) == ["REC-011"]
    assert refused(lambda: list(opened(tmp_path, packed(tmp_path, {"readme": b"x"})))) == ["REC-009"]
    entities = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    assert refused(lambda: list(opened(tmp_path, packed(tmp_path, {"xl/workbook.xml": entities})))) == ["REC-009"]
    damaged = workbook(tmp_path, ("Số hồ sơ", "Trạng thái", "Hẹn trả"))[:-400]
    assert refused(lambda: list(opened(tmp_path, damaged))) == ["REC-009"]
