"""Station 5, first half: what the verified letter says, as a ThongDiep. Reads attested.root and nothing else.

The schema has been asked before; here stands what a schema cannot say: values that exist in the calendar, absence with
a reason, and the rules of :mod:`schemas.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from lxml import etree

from gateway.core.model import Address, MaHoSo, MaThongDiep, ThongDiep
from gateway.core.problems import Location, Problem, ProblemOutcome, Stopped
from gateway.core.severity import Severity
from gateway.core.stored_files import StoredFile
from gateway.documents import Attested, Kind, xpath_of
from schemas import declarations, names
from schemas.attachments import Attachment, attachments
from schemas.catalog import Catalog
from schemas.check import placed
from schemas.fields import Fields, by_name
from schemas.names import local
from schemas.rules import Letter, apply_rules, unseen


def read(attested: Attested, catalog: Catalog) -> ThongDiep:
    """What the letter says. Raises Stopped as :func:`read_letter` does."""
    return read_letter(attested, catalog).thong_diep


def read_letter(
    attested: Attested,
    catalog: Catalog,
    *,
    plain_references: bool = False,
    severity: Mapping[str, Severity] = MappingProxyType({}),
    stored: Mapping[str, StoredFile] = MappingProxyType({}),
) -> Letter:
    """The letter with its attachments decoded.

    ``plain_references``: its sender may name files by http, ``severity``: how strict the rules are with it; both as its profile
    says; ``stored``: the files at the gateway that it may name, by digest.

    Raises Stopped with every rule that it breaks, each with line, column and XPath; notes travel in the ThongDiep's ``notes``.
    """
    root, kind = attested.root, attested.kind
    if not attested.same:
        _ask_again(attested, catalog)
    written = attested.signed_bytes or attested.body
    problems: list[Problem] = []
    nils = b"nil" in written  # looking at the bytes is cheaper than walking the tree
    if nils or b"LyDoTrong" in written:
        problems += _absences(root)
    header = Fields(root, problems, names.PHONG_BI, nils)
    payload = header.child("ThanPhan").element[0]
    named = by_name(payload)
    fields = Fields(payload, problems, names.HO_SO, nils)
    content = catalog.reader(kind).read(fields)
    files = attachments(root, problems, stored)
    thong_diep = _letter(header, kind, content, files, attested)
    letter = Letter(
        thong_diep=thong_diep,
        root=root,
        header=header,
        payload=payload,
        fields=fields,
        named=named,
        attachments=files,
        at=attested.envelope.received_at,
        settings=catalog.rules,
        plain_references=plain_references,
    )
    problems += apply_rules(letter, catalog.rules_of(kind.loai, severity))
    if all(problem.outcome is ProblemOutcome.NOTE for problem in problems):
        problems += unseen(letter)
    if not problems:
        return letter
    problems = placed(attested.body, problems)
    if any(problem.outcome is not ProblemOutcome.NOTE for problem in problems):
        raise Stopped(*problems)
    return replace(letter, thong_diep=replace(thong_diep, notes=tuple(problems)))


def _ask_again(attested: Attested, catalog: Catalog) -> None:
    """Schema and declarations, of the tree that was signed: it may be another than the one that was asked on arrival."""
    root, kind = attested.root, attested.kind
    if catalog.kind_of(root) != kind or not catalog.schema(kind).validate(root):
        raise Stopped(Problem("XSD-092", {"loai": kind.loai, "goc": kind.goc}, Location(xpath=xpath_of(root))))
    told = declarations.declared(attested.body, root, catalog.declarations, attested.envelope.received_at)
    if failed := [problem for problem in told if problem.outcome is not ProblemOutcome.NOTE]:
        raise Stopped(*placed(attested.body, failed))


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
