"""What a party exported of its dossiers: a CSV or an XLSX, whose columns a small file maps to our fields.

A file of somebody else's is read as such: bounded in every direction, each bad row told with its line and reason while the
good ones are compared, and nothing in it is believed to be code, formula or markup.
"""

from __future__ import annotations

import codecs
import csv
import io
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.core.date_forms import VIETNAM, WIRE, DateForm, WrongForm, date_form
from gateway.core.os_words import system_reason
from gateway.core.parties import Party
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.reconcile import compared_digits, moment_to
from gateway.core.told import COMPARED
from gateway.core.written import decode_toml, nearest, read_toml, setting

CODE, STATE = "MaHoSo", "TrangThaiHoSo"
FIELDS: Final = (CODE, *COMPARED)
MAP_BYTES = 64 * 1024
LINE_CHARS = 64 * 1024  # of one line of a CSV, of one cell likewise
CODE_CHARS = 100
UNPACKED_BYTES = 512 * 2**20  # of an XLSX; larger exports go as CSV, which is read line by line
PARTS = 2000  # files in an XLSX
_STATES = frozenset(str(state) for state in range(1, 11))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """Which column of an export is which field; a small TOML file."""

    columns: Mapping[str, str] = setting(
        vi="Trường của trục -> tên cột trong tệp: MaHoSo, TrangThaiHoSo, NgayTiepNhan, NgayHenTra, NgayTra, NgayTuChoi, "
        "NgayKetThucXuLy.",
        en="Our field -> the column's name in the file.",
    )
    formats: Mapping[str, str] = setting(
        {}, vi="Dạng ngày giờ của từng trường (mặc định: như hồ sơ bên).", en="Date form of single fields."
    )
    maps: Mapping[str, Mapping[str, str]] = setting(
        {}, vi="Bảng mã: trường -> giá trị của bên đó -> mã của trục.", en="Code tables: field -> theirs -> ours."
    )
    encoding: str | None = setting(None, vi="Bảng mã ký tự của CSV (mặc định UTF-8).", en="The CSV's encoding.")
    delimiter: str | None = setting(
        None, among=(";", ",", "\t", "|"), vi="Dấu ngăn cột của CSV; bỏ trống: tự nhận.", en="The CSV's delimiter."
    )
    header: int = setting(1, at_least=1, at_most=1000, vi="Dòng tiêu đề.", en="The line with the columns' names.")
    sheet: str | None = setting(None, vi="Tên trang của XLSX; bỏ trống: trang đầu.", en="The sheet of an XLSX.")


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One dossier as a party exported it, in our values."""

    line: int
    ma_ho_so: str
    fields: Mapping[str, str | None]


def read_column_map(path: Path) -> ColumnMap:
    """The map in this file. Raises Stopped with every mistake: SYS-011 to SYS-017, SYS-038, REC-003."""
    try:
        with path.open("rb") as file:
            text = file.read(MAP_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "UTF-8"
        raise Stopped(Problem("REC-001", {"file": str(path), "reason": reason})) from error
    written = read_toml(text, str(path))
    made = decode_toml(ColumnMap, written, base=path.parent)
    problems = [
        written.problem(
            "SYS-014", (table, name), value=name, allowed=list(FIELDS), nearest=nearest(name, FIELDS) or "–"
        )
        for table, named in (("columns", made.columns), ("formats", made.formats), ("maps", made.maps))
        for name in named
        if name not in FIELDS
    ]
    if not problems and CODE not in made.columns:
        problems.append(written.problem("SYS-016", ("columns", CODE)))
    for name, form in made.formats.items():
        try:
            date_form(form)
        except WrongForm as wrong:
            facts = {"value": form, "pattern": wrong.meant or "dd/MM/yyyy HH:mm:ss"}
            problems.append(written.problem("SYS-017", ("formats", name), **facts))
    if made.encoding is not None:
        try:
            codecs.lookup(made.encoding)
        except LookupError:
            known = ["utf-8", "utf-16", "windows-1258"]
            problems.append(
                written.problem("SYS-014", ("encoding",), value=made.encoding, allowed=known, nearest="utf-8")
            )
    if problems:
        raise Stopped(*problems)
    return made


class PartyExport:
    """A party's export, opened. Iterating gives its rows, and the problems of those that are none."""

    def __init__(self, path: Path, columns: ColumnMap, party: Party, *, unpacked_bytes: int | None = None) -> None:
        """``unpacked_bytes``: what an XLSX may come to. Raises Stopped (REC-001) where the file cannot be opened."""
        self.path, self.map, self._unpacked_bytes = path, columns, unpacked_bytes or UNPACKED_BYTES
        self.fields = tuple(name for name in COMPARED if name in columns.columns)
        forms = {name: columns.formats.get(name) or party.formats.get(name) or WIRE for name in self.fields}
        self.digits = {name: compared_digits(form) for name, form in forms.items() if name != STATE}
        self._forms = {name: date_form(form) for name, form in forms.items() if name != STATE}
        self._states = {**party.maps.get(STATE, {}), **columns.maps.get(STATE, {})}
        self._read = {name: _reader(self._forms[name], self.digits[name]) for name in self.digits}
        try:
            self.bytes = path.stat().st_size
            with path.open("rb") as file:
                self.is_xlsx = file.read(4) == b"PK\x03\x04"
        except OSError as error:
            raise Stopped(Problem("REC-001", {"file": str(path), "reason": system_reason(error)})) from error

    def __iter__(self) -> Iterator[ExportRow | Problem]:
        """Raises Stopped for a file that is none: REC-002, REC-003, REC-009 to REC-014."""
        rows = _xlsx(self.path, self.map, self._unpacked_bytes) if self.is_xlsx else _csv(self.path, self.map)
        places: dict[str, int] | None = None
        for line, cells in rows:
            if line < self.map.header:
                continue
            if places is None:
                places = _places(self.path, self.map, line, cells)
                width = len(cells)
                continue
            if not any(str(cell).strip() for cell in cells if cell is not None):
                continue
            if not self.is_xlsx and len(cells) != width:
                yield Problem("REC-004", {"found": len(cells), "expected": width}, Location(line=line))
                continue
            yield self._row(line, {name: cells[at] if at < len(cells) else None for name, at in places.items()})
        if places is None:
            raise Stopped(Problem("REC-003", {"file": str(self.path), "line": self.map.header}))

    def _row(self, line: int, cells: Mapping[str, Any]) -> ExportRow | Problem:
        at = Location(line=line)
        code = _plain(cells[CODE])
        if not code or len(code) > CODE_CHARS or not code.isprintable() or " " in code:
            return Problem("REC-005", {"value": code[:CODE_CHARS] or "–"}, at)
        said: dict[str, str | None] = {}
        for name in self.fields:
            cell, text = cells[name], _plain(cells[name])
            if not text:
                said[name] = None
            elif name == STATE:
                said[name] = self._states.get(text, text)
                if said[name] not in _STATES:
                    facts = {"column": self.map.columns[name], "value": text[:CODE_CHARS]}
                    return Problem("REC-006", {**facts, "known": sorted(self._states)[:20]}, at)
            elif isinstance(cell, date):
                said[name] = _of_sheet(cell, self.digits[name])
            else:
                try:
                    said[name] = self._read[name](text)
                except ValueError:
                    facts = {"column": self.map.columns[name], "value": text[:CODE_CHARS]}
                    return Problem("REC-007", {**facts, "form": self._forms[name].text}, at)
        return ExportRow(line, code, said)


def _plain(cell: Any) -> str:
    """A cell as text; a number of a sheet as it was typed."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def _of_sheet(cell: date, digits: int) -> str:
    at = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 - given a zone below
    return moment_to(digits, at.replace(tzinfo=VIETNAM))


def _reader(form: DateForm, digits: int) -> Callable[[str], str]:
    """Reads a moment in this form; the same text is read once: days repeat."""
    return lru_cache(maxsize=20_000)(lambda text: moment_to(digits, form.read(text)))


def _places(path: Path, columns: ColumnMap, line: int, cells: Sequence[Any]) -> dict[str, int]:
    """Where each field stands. Raises Stopped (REC-002, REC-008) for every column that is missing, or is there twice."""
    heads = [_plain(cell) for cell in cells]
    folded = [head.casefold() for head in heads]
    problems: list[Problem] = []
    for column in dict.fromkeys(columns.columns.values()):
        count = folded.count(column.strip().casefold())
        facts: dict[str, Any] = {"file": str(path), "column": column}
        if count == 0:
            known = [head for head in heads if head]
            by_fold = {head.casefold(): head for head in known}
            meant = by_fold.get(nearest(column, list(by_fold)) or "", "–")
            problems.append(Problem("REC-002", {**facts, "nearest": meant, "found": known[:30]}, Location(line=line)))
        elif count > 1:
            problems.append(Problem("REC-013", {**facts, "count": count}, Location(line=line)))
    if problems:
        raise Stopped(*problems)
    return {name: folded.index(column.strip().casefold()) for name, column in columns.columns.items()}


# CSV


def _csv(path: Path, columns: ColumnMap) -> Iterator[tuple[int, Sequence[Any]]]:
    """The lines of a CSV, counted from 1. Raises Stopped: REC-001, REC-010 (not in its encoding), REC-012 (no end to a line)."""
    with path.open("rb") as raw:
        encoding = _encoding(raw.read(4), columns)
        raw.seek(0)
        text = io.TextIOWrapper(raw, encoding=encoding, newline="")
        delimiter = columns.delimiter or _delimiter(text, columns, path, encoding)
        text.seek(0)
        reader = csv.reader(_lines(text, path), delimiter=delimiter)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except (UnicodeDecodeError, csv.Error) as error:
                raise Stopped(_broken(path, encoding, error, line)) from error
            yield line, row


def _broken(path: Path, encoding: str, error: UnicodeDecodeError | csv.Error, line: int) -> Problem:
    """Why a CSV cannot be read on. A decoder reads ahead: where the byte stands is looked for."""
    if isinstance(error, csv.Error):
        return Problem("REC-012", {"file": str(path), "most": LINE_CHARS}, Location(line=line))
    byte, at = error.object[error.start], None
    if encoding.startswith("utf-8"):
        with path.open("rb") as raw:
            at = next(
                (number for number, one in enumerate(raw, 1) if one.decode("utf-8", "ignore").encode() != one), None
            )
    return Problem("REC-010", {"file": str(path), "encoding": encoding, "byte": f"0x{byte:02X}"}, Location(line=at))


def _encoding(start: bytes, columns: ColumnMap) -> str:
    """By its byte order mark, else as declared, else UTF-8."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return columns.encoding or "utf-8"


def _lines(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    while line := text.readline(LINE_CHARS + 1):
        if len(line) > LINE_CHARS:
            raise csv.Error(str(path))
        yield line


def _delimiter(text: io.TextIOWrapper, columns: ColumnMap, path: Path, encoding: str) -> str:
    """The one that makes the most cells of the line with the names."""
    try:
        head = next((line for number, line in enumerate(_lines(text, path), 1) if number == columns.header), "")
    except (UnicodeDecodeError, csv.Error) as error:
        raise Stopped(_broken(path, encoding, error, 1)) from error
    return max((";", ",", "\t", "|"), key=head.count)


# XLSX


def _xlsx(path: Path, columns: ColumnMap, most: int) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows of a sheet, counted from 1. Raises Stopped: REC-009 (no XLSX), REC-011 (too large unpacked), REC-014."""
    _unpackable(path, most)
    try:
        with path.open("rb") as file:
            yield from enumerate(_rows(file, path, columns), 1)
    except (Stopped, GeneratorExit):
        raise
    except Exception as error:  # whatever a damaged file makes of the library
        raise Stopped(Problem("REC-009", {"file": str(path), "reason": type(error).__name__})) from error


def _rows(file: BinaryIO, path: Path, columns: ColumnMap) -> Iterator[Sequence[Any]]:
    """The cells of the sheet that is meant, row by row. Raises Stopped (REC-014)."""
    from openpyxl import load_workbook  # noqa: PLC0415 - a large library, and most exports are CSV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on styles
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    if columns.sheet is not None and columns.sheet not in book.sheetnames:
        facts = {"file": str(path), "sheet": columns.sheet, "found": book.sheetnames[:20]}
        raise Stopped(Problem("REC-014", facts))
    sheet: Any = book[columns.sheet or book.sheetnames[0]]
    sheet.reset_dimensions()  # what a file says of its size is not believed
    rows: Iterator[Sequence[Any]] = sheet.iter_rows(values_only=True)
    return rows


def _unpackable(path: Path, most: int) -> None:
    """Raises Stopped unless the parts are few, small by their own account (a reader stops there), and declare no entities."""
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
            unpacked = sum(part.file_size for part in parts)
            if len(parts) > PARTS or unpacked > most:
                facts = {"file": str(path), "bytes": unpacked, "most": most, "parts": len(parts)}
                raise Stopped(Problem("REC-011", facts))
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with packed.open(part) as opened:
                        if b"<!DOCTYPE" in opened.read(4096):
                            raise Stopped(Problem("REC-009", {"file": str(path), "reason": "DOCTYPE"}))
    # what zipfile says of a file that is none, is cut short, has a password, or packs in a way that it does not know
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise Stopped(Problem("REC-009", {"file": str(path), "reason": type(error).__name__})) from error
