"""Catalogues: services with the 17 items of Decision 33/2015 Art. 4.1.b, procedures, agencies, code lists. With validity."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.core.code_shapes import is_code_shape
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.service_terms import TermUnit, read_plain_term, read_term
from gateway.core.written import nearest

#: The 17 items of Art. 4.1.b in their order. The list of the Decision ends with "…": more may be added.
DICH_VU_ITEMS = (
    "TenDichVu",
    "LinhVuc",
    "MucDo",
    "TrinhTuThucHien",
    "CachThucThucHien",
    "ThanhPhanHoSo",
    "ThoiHanGiaiQuyet",
    "DoiTuongThucHien",
    "CoQuanThucHien",
    "KetQuaThucHien",
    "PhiLePhi",
    "MauDonToKhai",
    "YeuCauDieuKien",
    "CanCuPhapLy",
    "ThoiDiemSuDung",
    "ThongTinDangKy",
    "HuongDanSuDung",
)
DICH_VU_OPTIONAL = frozenset({"PhiLePhi", "ThongTinDangKy"})  # "nếu có"

#: What a catalogue's entries must say beside Ma and Ten. Catalogues that are not named here are plain code lists.
REQUIRED: Mapping[str, frozenset[str]] = {
    "DichVu": frozenset({"MaTTHC"} | (set(DICH_VU_ITEMS) - {"TenDichVu"} - DICH_VU_OPTIONAL)),
    "ThuTuc": frozenset({"MaLinhVuc"}),
    "CoQuan": frozenset(),
}

#: Of format 2: what is read by the rules about services and dossier codes, beside the items of Art. 4.1.b.
OWN_COLUMNS: Mapping[str, frozenset[str]] = {
    "DichVu": frozenset({"MaTTHC", "MaLinhVuc", *DICH_VU_ITEMS, "ThoiHanTinh", "HeThongChuTri"}),
    "ThuTuc": frozenset({"MaLinhVuc", "TenLinhVuc", "ThoiHanTinh", "HeThongChuTri"}),
    "CoQuan": frozenset({"BiDanh", "MauMaHoSo"}),
}
LEVELS = ("1", "2", "3", "4", "TOAN_TRINH", "MOT_PHAN")  # MucDo
NEWEST_FORMAT = 2  # 1: values and further columns are the operator's own affair

_FORMAT = re.compile(r"#\s*DinhDang\s*:\s*([0-9]{1,9})\s*,*")  # a spreadsheet fills the line with commas
_AGENCY = re.compile(r"[0-9A-Z]{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[A-Y][0-9]{2}|[A-Y][0-9]{2}(\.[0-9A-Z]{1,6}){0,5}")
_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")  # N1: UpperCamelCase, ASCII
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,49}")
_OWN = ("Ma", "Ten", "HieuLucTu", "HieuLucDen", "MaThayThe")
ALIASES = "BiDanh"  # CoQuan: other identifiers of the same agency, separated by spaces or semicolons


@dataclass(frozen=True, slots=True, kw_only=True)
class Muc:
    """One entry of a catalogue."""

    ma: str
    ten: str
    hieu_luc_tu: date | None = None
    hieu_luc_den: date | None = None  # the last day
    ma_thay_the: str | None = None  # what replaces it
    fields: Mapping[str, str] = field(default_factory=dict)  # the items of its kind, and whatever else was given

    def valid_on(self, day: date) -> bool:
        """Whether the entry is in force that day."""
        return (self.hieu_luc_tu is None or self.hieu_luc_tu <= day) and (
            self.hieu_luc_den is None or day <= self.hieu_luc_den
        )

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other identifiers of the same agency."""
        return tuple(self.fields.get(ALIASES, "").replace(";", " ").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueDifference:
    """What a new version would change."""

    added: tuple[Muc, ...]
    changed: tuple[tuple[Muc, Muc], ...]  # before, after
    removed: tuple[Muc, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def catalogue_difference(before: Iterable[Muc], after: Iterable[Muc]) -> CatalogueDifference:
    """What the second set of entries changes in the first."""
    old, new = {m.ma: m for m in before}, {m.ma: m for m in after}
    return CatalogueDifference(
        added=tuple(new[ma] for ma in new if ma not in old),
        changed=tuple((old[ma], new[ma]) for ma in new if ma in old and old[ma] != new[ma]),
        removed=tuple(old[ma] for ma in old if ma not in new),
    )


def same_agencies(muc: Iterable[Muc], day: date) -> tuple[tuple[str, ...], ...]:
    """The sets of identifiers that mean one agency on a day: its code, its aliases, and those of what it has replaced.

    An agency that is no longer in force stands with the one that replaces it (MaThayThe), through however many steps.
    """
    by_code = {one.ma: one for one in muc}
    sets: dict[str, list[str]] = {}
    for one in by_code.values():
        last, seen = one, {one.ma}
        while not last.valid_on(day) and last.ma_thay_the in by_code and last.ma_thay_the not in seen:
            last = by_code[last.ma_thay_the]
            seen.add(last.ma)
        if last.valid_on(day):
            sets.setdefault(last.ma, []).extend((one.ma, *one.aliases))
    return tuple(tuple(dict.fromkeys(names)) for names in sets.values() if len(set(names)) > 1)


def changed_fields(before: Muc, after: Muc) -> tuple[str, ...]:
    """The names of what differs between two versions of one entry."""
    pairs = {**dict.fromkeys(before.fields), **after.fields}
    names = [name for name in pairs if before.fields.get(name) != after.fields.get(name)]
    own = [("Ten", "ten"), ("HieuLucTu", "hieu_luc_tu"), ("HieuLucDen", "hieu_luc_den"), ("MaThayThe", "ma_thay_the")]
    return tuple([n for n, attribute in own if getattr(before, attribute) != getattr(after, attribute)] + names)


def from_csv(danh_muc: str, text: str) -> tuple[Muc, ...]:
    """The entries of a CSV table with a header row of field names. Raises Stopped with every problem, each with its line.

    A first line ``# DinhDang: 2`` names the format; without one it is the first.
    """
    text = text.removeprefix("\ufeff")
    first = text.partition("\n")[0].strip().strip('"')
    named = _FORMAT.fullmatch(first)
    form = format_of(named[1]) if named else 1
    reader = csv.reader(io.StringIO(text))
    if named:
        next(reader)
    at = Location(line=2 if named else 1)
    header = [name.strip() for name in next(reader, [])]
    problems = _header_problems(header, danh_muc, form, at)
    if problems:
        raise Stopped(*problems)
    rows = []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            problems.append(
                Problem("CAT-004", {"found": len(row), "expected": len(header)}, Location(line=reader.line_num))
            )
            continue
        rows.append((reader.line_num, dict(zip(header, (cell.strip() for cell in row), strict=True))))
    return entries(danh_muc, rows, problems, form=form)


def format_of(number: str) -> int:
    """The format of this number. Raises Stopped (CAT-016) for one that this program does not know."""
    if not 1 <= int(number) <= NEWEST_FORMAT:
        raise Stopped(Problem("CAT-016", {"found": number, "newest": NEWEST_FORMAT}, Location(line=1)))
    return int(number)


def _header_problems(header: Sequence[str], danh_muc: str, form: int, at: Location) -> list[Problem]:
    """Names that are none, names given twice, those that a catalogue cannot be without, and in format 2 unknown ones."""
    wrong = {
        "CAT-002": [name for name in header if not _NAME.fullmatch(name)],
        "CAT-003": sorted({name for name in header if header.count(name) > 1}),
        "CAT-001": [name for name in ("Ma", "Ten") if name not in header],
    }
    problems = [Problem(code, {"name": name}, at) for code, names in wrong.items() for name in names]
    if form > 1 and danh_muc in OWN_COLUMNS:
        known = sorted({*_OWN, *OWN_COLUMNS[danh_muc]})
        for name in header:
            if _NAME.fullmatch(name) and name not in known:
                near = _nearest(name, known)
                problems.append(Problem("CAT-017", {"name": name, "nearest": near, "known": known}, at))
    return problems


def _nearest(word: str, known: Collection[str]) -> str:
    """The known word that was probably meant."""
    by_lower = {one.lower(): one for one in known}
    found = nearest(word.lower(), by_lower)
    return by_lower[found] if found else "–"


def entries(
    danh_muc: str,
    rows: Sequence[tuple[int | None, Mapping[str, str]]],
    found: Sequence[Problem] = (),
    *,
    form: int = 1,
) -> tuple[Muc, ...]:
    """Entries of rows of text, each with its line. Raises Stopped with every problem, those already ``found`` included."""
    problems = list(found)
    seen: dict[str, int | None] = {}
    made: list[Muc] = []
    for line, row in rows:
        at = Location(line=line)
        ma = row.get("Ma", "")
        if not _CODE.fullmatch(ma):
            problems.append(Problem("CAT-005", {"value": ma[:50]}, at))
        elif ma in seen:
            problems.append(Problem("CAT-006", {"ma": ma, "first": seen[ma]}, at))
        else:
            seen[ma] = line
            made.append(_muc(danh_muc, ma, row, at, problems))
            problems += _wrong_values(made[-1], danh_muc, form, at)
    if danh_muc == "CoQuan":
        problems += _doubly_named(made, seen)
    problems += [
        Problem("CAT-010", {"ma": muc.ma, "other": muc.ma_thay_the}, Location(line=seen[muc.ma]))
        for muc in made
        if muc.ma_thay_the is not None and muc.ma_thay_the not in seen
    ]
    if problems:
        raise Stopped(*problems)
    return tuple(made)


def _wrong_values(one: Muc, danh_muc: str, form: int, at: Location) -> Iterator[Problem]:
    """Values that the rules about services could not read; MucDo as well where the format says that it is one of ours."""

    def wrong(name: str, value: str, known: Sequence[str]) -> Problem:
        facts = {"ma": one.ma, "name": name, "value": value[:60], "nearest": _nearest(value, known), "known": known}
        return Problem("CAT-015", facts, at)

    if danh_muc not in OWN_COLUMNS:
        return
    said = one.fields
    term, owner = said.get("ThoiHanTinh"), said.get("HeThongChuTri")
    if term is not None and read_plain_term(term) is None:
        number = re.match(r"\s*([0-9]{1,4})\b", term)
        yield wrong("ThoiHanTinh", term, [f"{number[1] if number else 10} {unit.value}" for unit in TermUnit])
    if owner is not None and not _AGENCY.fullmatch(owner):
        yield wrong("HeThongChuTri", owner, ["H19.901", "000.00.00.H19"])
    for shape in said.get("MauMaHoSo", "").split():
        if not is_code_shape(shape):
            yield wrong("MauMaHoSo", shape, ["00000/0000/00000"])
    if form > 1 and "MucDo" in said and said["MucDo"] not in LEVELS:
        yield wrong("MucDo", said["MucDo"], LEVELS)


def unread_terms(danh_muc: str, muc: Iterable[Muc]) -> tuple[Muc, ...]:
    """Services whose time limit no rule can read: nothing is held against it."""
    if danh_muc != "DichVu":
        return ()
    terms = ((one, one.fields.get("ThoiHanTinh") or one.fields.get("ThoiHanGiaiQuyet", "")) for one in muc)
    return tuple(one for one, term in terms if read_term(term) is None)


def _muc(danh_muc: str, ma: str, row: Mapping[str, str], at: Location, problems: list[Problem]) -> Muc:
    """The entry of one row; what it lacks, or says wrongly, is added to the problems."""
    missing = sorted(name for name in {"Ten", *REQUIRED.get(danh_muc, ())} if not row.get(name))
    problems += [Problem("CAT-007", {"ma": ma, "name": name, "danh_muc": danh_muc}, at) for name in missing]
    since, until = _day(row, "HieuLucTu", at, problems), _day(row, "HieuLucDen", at, problems)
    if since and until and until < since:
        problems.append(Problem("CAT-009", {"ma": ma, "since": since.isoformat(), "until": until.isoformat()}, at))
    return Muc(
        ma=ma,
        ten=row.get("Ten", ""),
        hieu_luc_tu=since,
        hieu_luc_den=until,
        ma_thay_the=row.get("MaThayThe") or None,
        fields={name: value for name, value in row.items() if name not in _OWN and value},
    )


def _doubly_named(made: Sequence[Muc], lines: Mapping[str, int | None]) -> list[Problem]:
    """Aliases that two agencies claim while both are in force: whose message it is could not be told."""
    found: list[Problem] = []
    bearers: dict[str, list[Muc]] = {}
    for one in made:
        for name in {one.ma.upper(), *(alias.upper() for alias in one.aliases)}:
            other = next((other for other in bearers.get(name, ()) if _overlap(one, other)), None)
            if other is not None:
                at = Location(line=lines[one.ma])
                found.append(Problem("CAT-013", {"ma": one.ma, "alias": name, "other": other.ma}, at))
            bearers.setdefault(name, []).append(one)
    return found


def _overlap(one: Muc, other: Muc) -> bool:
    first = one.hieu_luc_den is None or other.hieu_luc_tu is None or other.hieu_luc_tu <= one.hieu_luc_den
    return first and (other.hieu_luc_den is None or one.hieu_luc_tu is None or one.hieu_luc_tu <= other.hieu_luc_den)


def _day(row: Mapping[str, str], name: str, at: Location, problems: list[Problem]) -> date | None:
    value = row.get(name, "")
    if not value:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        problems.append(Problem("CAT-008", {"name": name, "value": value[:20]}, at))
        return None
