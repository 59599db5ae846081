"""Station 5, first half: what the verified letter says, as a ThongDiep. Reads attested.root and nothing else.

The schema has been asked before; here stands what a schema cannot say: values that exist in the calendar, absence with
a reason, and the rules of :mod:`schemas.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from lxml import etree

from gateway.core.model import Address, MaHoSo, MaThongDiep, ThongDiep
from gateway.core.problems import Location, Outcome, Problem, Stopped
from gateway.documents import Attested, Kind, xpath_of
from schemas import declarations, names
from schemas.attachments import Attachment, attachments
from schemas.catalog import Catalog
from schemas.check import placed
from schemas.names import hs, local, pb
from schemas.rules import Letter, judge

V = TypeVar("V")

NOWHEN = datetime(1, 1, 1, tzinfo=UTC)  # stands for a moment that could not be read; such a letter is never accepted


def read(attested: Attested, catalog: Catalog) -> ThongDiep:
    """The letter.

    Raises Stopped with every rule that it breaks, each with line, column and XPath; notes travel in its ``notes``.
    """
    root, kind = attested.root, attested.kind
    if catalog.kind_of(root) != kind or not catalog.schema(kind).validate(root):
        raise Stopped(Problem("XSD-092", {"loai": kind.loai, "goc": kind.goc}, Location(xpath=xpath_of(root))))
    told = declarations.declared(attested.body, root, catalog.declarations, attested.envelope.received_at)
    if failed := [problem for problem in told if problem.outcome is not Outcome.NOTE]:
        raise Stopped(*placed(attested.body, failed))
    written = attested.signed_bytes or attested.body
    problems: list[Problem] = []
    if b"nil" in written or b"LyDoTrong" in written:  # looking at the bytes is cheaper than walking the tree
        problems += _absences(root)
    header = Fields(root, problems, names.PHONG_BI)
    than_phan = header.child("ThanPhan").element
    payload = Fields(than_phan[0], problems, names.HO_SO)
    content = catalog.reader(kind).read(payload)
    files = attachments(root, problems)
    thong_diep = _letter(header, kind, content, files, attested)
    letter = Letter(
        thong_diep=thong_diep,
        root=root,
        payload=payload.element,
        attachments=files,
        at=attested.envelope.received_at,
        settings=catalog.rules,
    )
    problems += judge(letter, catalog.rules_of(kind.loai))
    if not problems:
        return thong_diep
    problems = placed(attested.body, problems)
    if any(problem.outcome is not Outcome.NOTE for problem in problems):
        raise Stopped(*problems)
    return replace(thong_diep, notes=tuple(problems))


def _letter(
    header: Fields,
    kind: Kind,
    content: Any,
    files: tuple[Attachment, ...],
    attested: Attested,
) -> ThongDiep:
    ma_ho_so = header.code_or_none("MaHoSo")
    goc = header.code_or_none("MaThongDiepGoc")
    thu_tu = header.whole_or_none("ThuTu")
    return ThongDiep(
        ma_thong_diep=MaThongDiep(header.code("MaThongDiep")),
        loai=kind.loai,
        goc=kind.goc,
        phien_ban=kind.phien_ban,
        noi_gui=_address(header.child("NoiGui")),
        noi_nhan=tuple(_address(row) for row in header.rows("DanhSachNoiNhan", "NoiNhan")),
        thoi_diem_tao=header.instant("ThoiDiemTao"),
        content=content,
        basis=attested.basis,
        ma_thong_diep_goc=MaThongDiep(goc) if goc is not None else None,
        ma_tuong_quan=header.code_or_none("MaTuongQuan"),
        ma_ho_so=MaHoSo(ma_ho_so) if ma_ho_so is not None else content.ma_ho_so,
        thu_tu=thu_tu if thu_tu is not None else getattr(content, "thu_tu", None),
        thoi_han=header.instant_or_none("ThoiHan"),
        dinh_kem=tuple(file.row for file in files),
        signer=attested.signer,
    )


def _address(row: Fields) -> Address:
    return Address(
        ma_dinh_danh=row.code("MaDinhDanh"),
        ten_co_quan=row.text_or_none("TenCoQuan"),
        he_thong=row.text_or_none("HeThong"),
    )


_MARKED = etree.XPath("//*[@xsi:nil or @LyDoTrong]", namespaces={"xsi": names.XSI})


def _absences(root: etree._Element) -> Iterator[Problem]:
    """Absence needs its reason, and a value has none (Circular 13/2017; XSD 1.0 cannot say it)."""
    for element in _MARKED(root):
        nil = element.get(names.NIL, "false").strip() in ("true", "1")
        reason = element.get(names.LY_DO_TRONG)
        at = Location(xpath=xpath_of(element))
        if nil and reason is None:
            fix = {"do": "set", "xpath": at.xpath, "text": f'{names.LY_DO_TRONG}="KHONG_CO"'}
            yield Problem("XSD-032", {"element": local(element.tag), "fix": fix}, at)
        elif reason is not None and not nil:
            fix = {"do": "remove", "xpath": f"{at.xpath}/@{names.LY_DO_TRONG}"}
            yield Problem("XSD-033", {"element": local(element.tag), "value": reason[:40], "fix": fix}, at)


@dataclass(slots=True)
class Fields:
    """One element's children by name, with a type. A getter that fails notes a located problem and gives a stand-in.

    ``…_or_none`` is for what may be missing; a nilled element is None there and a problem elsewhere. Moments are
    aware, in UTC.
    """

    element: etree._Element
    problems: list[Problem]
    space: str
    _at: dict[str, etree._Element] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        start = f"{{{self.space}}}"
        self._at = {}
        for child in self.element:
            tag = str(child.tag)
            if tag.startswith(start):
                self._at.setdefault(tag[len(start) :], child)

    # --- structures

    def child(self, name: str) -> Fields:
        """A structure that must be there."""
        found = self._at.get(name)
        if found is None:
            self._missing(name)
            found = self.element.makeelement(f"{{{self.space}}}{name}")
        return Fields(found, self.problems, self.space)

    def child_or_none(self, name: str) -> Fields | None:
        """A structure that may be missing or nilled."""
        found = self._at.get(name)
        return None if found is None or _nilled(found) else Fields(found, self.problems, self.space)

    def rows(self, container: str, item: str) -> tuple[Fields, ...]:
        """The items of a list ``DanhSachX/X``; empty where there is no list."""
        found = self._at.get(container)
        if found is None:
            return ()
        return tuple(Fields(row, self.problems, self.space) for row in found.iterchildren(f"{{{self.space}}}{item}"))

    def items(self, name: str) -> tuple[Fields, ...]:
        """What repeats without a container."""
        found = self.element.iterchildren(f"{{{self.space}}}{name}")
        return tuple(Fields(row, self.problems, self.space) for row in found)

    # --- values

    def text_or_none(self, name: str) -> str | None:
        """A text as written. All white space is a problem (XSD-034)."""
        found = self._at.get(name)
        if found is None or _nilled(found):
            return None
        value = found.text or ""
        if not value.strip():
            self.problems.append(Problem("XSD-034", {"element": name}, Location(xpath=xpath_of(found))))
        return value

    def code_or_none(self, name: str) -> str | None:
        """A code, white space collapsed as xs:token says."""
        found = self._at.get(name)
        if found is None or _nilled(found):
            return None
        return " ".join((found.text or "").split())

    def text(self, name: str) -> str:
        """A text that must be there."""
        return self._needed(name, self.text_or_none(name), "")

    def code(self, name: str) -> str:
        """A code that must be there."""
        return self._needed(name, self.code_or_none(name), "")

    def ma_ho_so(self, name: str = "MaHoSo") -> MaHoSo:
        """A dossier code."""
        return MaHoSo(self.code(name))

    def whole_or_none(self, name: str) -> int | None:
        """A whole number."""
        value = self.code_or_none(name)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            self._illegible(name)
            return 0

    def whole(self, name: str) -> int:
        """A whole number that must be there."""
        return self._needed(name, self.whole_or_none(name), 0)

    def state(self, name: str) -> int:
        """A dossier state, 1..10."""
        return self.whole(name)

    def money_or_none(self, name: str) -> Decimal | None:
        """An amount in VND."""
        value = self.code_or_none(name)
        if value is None:
            return None
        try:
            return Decimal(value)
        except InvalidOperation:
            self._illegible(name)
            return Decimal(0)

    def money(self, name: str) -> Decimal:
        """An amount that must be there."""
        return self._needed(name, self.money_or_none(name), Decimal(0))

    def instant_or_none(self, name: str) -> datetime | None:
        """A moment, in UTC; finer than a microsecond is cut off."""
        value = self.code_or_none(name)
        if value is None:
            return None
        moment = instant(value)
        if moment is None:
            self._illegible(name)
            return NOWHEN
        return moment

    def instant(self, name: str) -> datetime:
        """A moment that must be there."""
        return self._needed(name, self.instant_or_none(name), NOWHEN)

    def day_or_none(self, name: str) -> date | None:
        """A calendar date."""
        value = self.code_or_none(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self._illegible(name)
            return NOWHEN.date()

    def day(self, name: str) -> date:
        """A calendar date that must be there."""
        return self._needed(name, self.day_or_none(name), NOWHEN.date())

    def _needed(self, name: str, value: V | None, stand_in: V) -> V:
        if value is None:
            if name in self._at:
                self.problems.append(Problem("XSD-030", {"element": name}, Location(xpath=xpath_of(self._at[name]))))
            else:
                self._missing(name)
            return stand_in
        return value

    def _missing(self, name: str) -> None:
        facts = {"element": name, "parent": local(self.element.tag), "after": "–", "before": "–"}
        self.problems.append(Problem("XSD-010", facts, Location(xpath=xpath_of(self.element))))

    def _illegible(self, name: str) -> None:
        self.problems.append(Problem("XSD-029", {"element": name}, Location(xpath=xpath_of(self._at[name]))))


def _nilled(element: etree._Element) -> bool:
    return element.get(names.NIL, "false").strip() in ("true", "1")


def instant(value: str) -> datetime | None:
    """A canonical moment in UTC, or None where it is none that can be held: xs:dateTime knows 24:00 and the year
    999999999.
    """
    if not names.THOI_DIEM.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


__all__ = ["Fields", "hs", "instant", "pb", "read"]
