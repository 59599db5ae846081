"""Catalogues: services with the 17 items of Decision 33/2015 Art. 4.1.b, procedures, agencies, code lists. With validity."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.core.problems import Location, Problem, Stopped

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
    """The entries of a CSV table with a header row of field names. Raises Stopped with every problem, each with its line."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip() for name in next(reader, [])]
    problems = _header_problems(header)
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
    return entries(danh_muc, rows, problems)


def _header_problems(header: Sequence[str]) -> list[Problem]:
    """Names that are none, names given twice, and those that a catalogue cannot be without."""
    wrong = {
        "CAT-002": [name for name in header if not _NAME.fullmatch(name)],
        "CAT-003": sorted({name for name in header if header.count(name) > 1}),
        "CAT-001": [name for name in ("Ma", "Ten") if name not in header],
    }
    return [Problem(code, {"name": name}, Location(line=1)) for code, names in wrong.items() for name in names]


def entries(
    danh_muc: str, rows: Sequence[tuple[int | None, Mapping[str, str]]], found: Sequence[Problem] = ()
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
