"""Why a document does not fit its schema, as problems that a clerk can act on: what was found, what was expected,
where, how to fix it.

xmlschema names every fault with its element; what is wrong with the order of an element's children is worked out here,
since neither judge says more than "not expected". Where a fix can be told it goes with the problem as machine-usable
facts.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import islice
from typing import Any

import xmlschema
from lxml import etree
from xmlschema.validators import exceptions as judged
from xmlschema.validators import facets

from gateway.core.problems import Location, Problem
from gateway.documents import xpath_of
from schemas import names
from schemas.names import local, namespace, pb

# Bytes of document that xmlschema is asked about, contents of attachments not counted: at 20 MB it took 2.6 s and 900 MiB
# .
LARGEST = 2**20
WIDEST = 300  # children of one element that are looked at to explain
MOST = 500  # problems told of one document; one more says that there are others

# Elements whose values are codes, numbers and moments of the administration and may be quoted. Everything else may be
# personal.
QUOTABLE = frozenset(
    {
        "BamNoiDung",
        "BamSHA256",
        "Cot",
        "DangGoc",
        "Diem",
        "DinhDang",
        "DonViChuyen",
        "DonViNhan",
        "Dong",
        "DuocLayTuKhoDMQG",
        "DuocSoHoa",
        "DuocTaiSuDung",
        "DuocThanhToanTrucTuyen",
        "Gia",
        "GiayToId",
        "HanNop",
        "HanXuLy",
        "HieuLucDen",
        "HieuLucTu",
        "HinhThuc",
        "HinhThucThu",
        "HoSoBoSungId",
        "HoSoCoThanhPhanSoHoa",
        "Id",
        "IsDeleted",
        "KenhThanhToan",
        "KenhThucHien",
        "KetQua",
        "KyDen",
        "KyTu",
        "LoaiBan",
        "LoaiDinhDanh",
        "LoaiDoiTuong",
        "LoaiGiayTo",
        "LoaiKetQua",
        "LoaiLech",
        "LoaiPhiLePhi",
        "LoaiTep",
        "LoaiThongDiep",
        "LyDoTrong",
        "Ma",
        "MaCSDL",
        "MaChiTiet",
        "MaCoQuanQD",
        "MaDinhDanh",
        "MaDinhKem",
        "MaGiayToKetQua",
        "MaHoSo",
        "MaHoSoGoc",
        "MaHuyen",
        "MaKetQuaThayThe",
        "MaLinhVuc",
        "MaPhiLePhi",
        "MaTTHC",
        "MaThanhPhanHoSo",
        "MaThayThe",
        "MaThongDiep",
        "MaThongDiepGoc",
        "MaTinh",
        "MaTuongQuan",
        "MaXa",
        "MucDo",
        "Ngay",
        "NgayBanHanh",
        "NgayBatDau",
        "NgayBoSung",
        "NgayDung",
        "NgayHenTra",
        "NgayHenTraMoi",
        "NgayHenTraTruoc",
        "NgayKetThucTheoQuyDinh",
        "NgayKetThucXuLy",
        "NgayNop",
        "NgayNopHoSo",
        "NgayQD",
        "NgayTiepNhan",
        "NgayTiepNhanBoSung",
        "NgayTiepTuc",
        "NgayTra",
        "NgayTuChoi",
        "NgayYeuCau",
        "NgonNgu",
        "NoiNopHoSo",
        "NoiXuLy",
        "PhienBan",
        "QuyetDinh",
        "SoByte",
        "SoLuong",
        "SoTien",
        "SoTiepNhan",
        "TaiKhoanDuocXacThucVoiVNeID",
        "TenDanhMuc",
        "TepDinhKemId",
        "ThoiDiem",
        "ThoiDiemTao",
        "ThoiDiemXuLy",
        "ThoiGianThanhToan",
        "ThoiHan",
        "ThoiHanBoSung",
        "ThuTu",
        "TongTien",
        "TrangThai",
        "TrangThaiBoSung",
        "TrangThaiGoc",
        "TrangThaiHoSo",
        "TrangThaiThanhToan",
        "UyQuyen",
    }
)

# What a value of a type looks like, for the sentence.
EXAMPLES: Mapping[str, str] = {
    "MaDinhDanhType": "H19.901",
    "MaHoSoType": "H19.901-260115-0001",
    "MaTTHCType": "1.001193",
    "MaThongDiepType": "0b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90",
    "MaTuongQuanType": "H19.901-260115-0001",
    "MaDinhKemType": "tep-1",
    "MaType": "KQ-01",
    "LoaiThongDiepType": "HS05",
    "PhienBanType": "1.0",
    "ThoiDiemType": "2026-01-15T08:30:00+07:00",
    "NgayType": "2026-01-15",
    "BamSHA256Type": "64 × [0-9a-f]",
    "DuongDanType": "https://tep.example.vn/ket-qua.pdf",
    "DuongDanTepType": "https://tep.example.vn/ket-qua.pdf",
    "LoaiTepType": "application/pdf",
    "TenTepType": "don.pdf",
    "EmailType": "ten@example.com",
    "DienThoaiType": "0251 000 0001",
    "SoDinhDanhType": "PPP9YYNNNNNN",
    "NgonNguType": "vi",
    "SoTienType": "150000",
    "date": "2026-01-15",
    "dateTime": "2026-01-15T08:30:00+07:00",
    "boolean": "true, false",
    "decimal": "150000",
    "int": "1",
    "long": "1",
    "integer": "1",
}


def explain(
    body: bytes,
    root: etree._Element,
    judge: xmlschema.XMLSchema10,
    log: etree._ListErrorLog | None,
    skip: Collection[str] = (),
) -> list[Problem]:
    """Every problem that the judge finds, at most MOST. ``log`` is libxml2's, which stands where xmlschema finds
    nothing.

    ``skip`` names elements (Clark names) below which nothing is said.
    """
    problems: list[Problem] = []
    if log is None or len(body) <= LARGEST + _attached(root):
        with _narrowed(root, skip) as cut:
            problems = list(islice(_distinct(_problems(root, judge, skip)), MOST + 1))
            problems = [
                p for p in _without_surplus(problems) if not (p.code in _LACKING and p.at and p.at.xpath in cut)
            ]
        if len(problems) > MOST or (problems and cut):
            more = Problem("XSD-099", {"shown": min(len(problems), MOST)}, Location(xpath=xpath_of(root)))
            problems[MOST:] = [more]
    if not problems and log is not None:
        problems = list(_distinct(_own_words(root, log)))
    return problems


def _attached(root: etree._Element) -> int:
    """How much of the document is contents of attachments, which cost xmlschema nothing."""
    return sum(len(content.text or "") for content in root.iterfind(_CONTENTS))


_CONTENTS = f"{pb('DanhSachDinhKem')}/{pb('DinhKem')}/{pb('NoiDung')}"
_LACKING = frozenset({"XSD-010", "XSD-018"})


@contextmanager
def _narrowed(root: etree._Element, skip: Collection[str]) -> Iterator[set[str]]:
    """The tree with at most WIDEST children anywhere, for as long as the judge looks at it; yields the XPaths of what was cut.

    xmlschema needs time quadratic in the children that one element has wrong: 27 s for 18,000 (measured). What stands first
    keeps its place and its path; what such an element seems to lack may have been cut, and is not told. What is inside the
    children of a skipped element is not looked at: xmlschema would ask each element for all namespaces in scope.
    """
    tails = [(child, child[:]) for element in (root.iter(*skip) if skip else ()) for child in element if len(child)]
    for element, _ in tails:
        del element[:]
    wide = [element for element in root.iter() if len(element) > WIDEST]
    cut = {xpath_of(element) for element in wide}
    tails += [(element, element[WIDEST:]) for element in wide]
    try:
        for element in wide:
            del element[WIDEST:]
        yield cut
    finally:
        for element, tail in tails:
            element.extend(tail)


def _without_surplus(problems: list[Problem]) -> list[Problem]:
    """What is wrong inside an element that must go altogether is of no interest."""
    surplus = {
        p.at.xpath for p in problems if p.code in ("XSD-017", "XSD-018") and p.at is not None and "fix" in p.facts
    }
    if not surplus:
        return problems
    return [p for p in problems if p.at is None or p.code in ("XSD-017", "XSD-018") or not _inside(p.at.xpath, surplus)]


def _inside(xpath: str | None, surplus: Collection[str | None]) -> bool:
    return xpath is not None and any(xpath == s or xpath.startswith(f"{s}/") for s in surplus)


def _distinct(problems: Iterable[Problem]) -> Iterator[Problem]:
    seen = set()
    for problem in problems:
        # Several facets may refuse one value; the first says enough.
        what = "value" if problem.code in _VALUES else problem.code
        key = (what, problem.at, str(problem.facts.get("element")), str(problem.facts.get("attribute")))
        if key not in seen:
            seen.add(key)
            yield problem


_VALUES = frozenset(f"XSD-{number:03}" for number in range(20, 29))


def _problems(root: etree._Element, judge: xmlschema.XMLSchema10, skip: Collection[str]) -> Iterator[Problem]:
    court = _Court(judge, root)
    children_told: set[etree._Element] = (
        set()
    )  # holds them: lxml keeps one proxy for an element only while somebody does
    for error in judge.iter_errors(root):  # type: ignore[arg-type]  # it takes lxml's elements too
        element = error.elem if error.elem is not None else root
        if not etree.iselement(element) or _below(element, skip):
            continue
        if isinstance(error, judged.XMLSchemaChildrenValidationError):
            if element not in children_told:
                children_told.add(element)
                yield from _children(element, error, court)
        else:
            yield _one(element, error, court)
    yield from _stray_text(court, skip)


def _below(element: etree._Element, skip: Collection[str]) -> bool:
    return bool(skip) and (element.tag in skip or any(above.tag in skip for above in element.iterancestors()))


# --- children: missing, unexpected, misplaced, too many ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Court:
    judge: xmlschema.XMLSchema10
    top: etree._Element  # the element that was judged: a message, or a declaration inside one


@dataclass(frozen=True, slots=True)
class _Particle:
    names: tuple[str, ...]  # Clark names; several for a choice; empty for a wildcard
    spaces: tuple[str, ...]  # namespaces of a wildcard
    least: int
    most: int | None
    types: tuple[Any, ...] = ()  # of the names

    def takes(self, tag: object) -> bool:
        return tag in self.names if self.names else namespace(tag) in self.spaces

    @property
    def shown(self) -> str:
        return " | ".join(local(name) for name in self.names) if self.names else "…"


def _flat(group: Any) -> list[_Particle] | None:
    """The content model as a plain sequence, or None where it is more than that."""
    if group.model != "sequence" or (group.min_occurs, group.max_occurs) != (1, 1):
        return None
    particles = []
    for item in group:
        particle = _particle_of(item)
        if particle is None:
            return None
        particles.append(particle)
    return particles


def _particle_of(item: Any) -> _Particle | None:
    """An element, a wildcard, or a choice of single elements; None for anything richer."""
    if isinstance(item, xmlschema.XsdElement):
        return _Particle((item.name or "",), (), item.min_occurs, item.max_occurs, (item.type,))
    if isinstance(item, xmlschema.validators.XsdAnyElement):
        spaces = tuple(item.namespace) if isinstance(item.namespace, (list, tuple, set)) else (str(item.namespace),)
        return _Particle((), spaces, item.min_occurs, item.max_occurs)
    return _choice(item) if item.model == "choice" else None


def _choice(group: Any) -> _Particle | None:
    if not all(isinstance(x, xmlschema.XsdElement) and x.max_occurs == 1 for x in group):
        return None
    least = 0 if any(x.min_occurs == 0 for x in group) else group.min_occurs
    return _Particle(tuple(x.name or "" for x in group), (), least, group.max_occurs, tuple(x.type for x in group))


def _children(element: etree._Element, error: Any, court: _Court) -> Iterator[Problem]:
    particles = _flat(error.validator) if hasattr(error.validator, "model") else None
    if particles is None:
        yield from _children_of_a_richer_model(element, error)
        return
    found = list(islice(_align(element, particles, court), MOST + 1))
    yield from found or _children_of_a_richer_model(element, error)


class _Order(Enum):
    """How one child stands among the others."""

    RIGHT = auto()
    MISPLACED = auto()
    TOO_MANY = auto()


class _RollCall:
    """The children that their parent knows, met one by one in the order of the document."""

    def __init__(self, particles: Sequence[_Particle], places: Sequence[int]) -> None:
        self._particles = particles
        self._in_order = iter(_longest_run(places))
        self._expected = next(self._in_order, None)
        self.met: Counter[int] = Counter()  # how many of each particle
        self.standing: list[tuple[int, etree._Element]] = []  # children in their right place, in order

    def meet(self, child: etree._Element, place: int) -> _Order:
        """Whether the next child is where it should be."""
        self.met[place] += 1
        most = self._particles[place].most
        in_order = place == self._expected
        if in_order:
            self._expected = next(self._in_order, None)
        if most is not None and self.met[place] > most:
            return _Order.TOO_MANY
        if not in_order:
            return _Order.MISPLACED
        self.standing.append((place, child))
        return _Order.RIGHT

    def lacking(self) -> Iterator[int]:
        """The places of which too few were met."""
        return (place for place, particle in enumerate(self._particles) if self.met[place] < particle.least)


def _align(element: etree._Element, particles: Sequence[_Particle], court: _Court) -> Iterator[Problem]:
    parent = local(element.tag)
    children = list(element.iterchildren("*"))
    places = [_place_of(child, particles) for child in children]
    known = [(child, place) for child, place in zip(children, places, strict=True) if place is not None]
    roll = _RollCall(particles, [place for _, place in known])
    present = {local(child.tag) for child, _ in known}
    meant: set[int] = set()  # particles that a mistaken child stands for
    for child, place in zip(children, places, strict=True):
        if place is None:
            problem, stands_for = _stranger(child, parent, particles, present)
            meant |= stands_for
            yield problem
            continue
        order = roll.meet(child, place)
        if order is _Order.TOO_MANY:
            yield _too_many(child, parent, particles[place])
        elif order is _Order.MISPLACED:
            yield _misplaced(child, place, parent, children, places)
    for place in roll.lacking():
        if place not in meant:
            yield _missing(element, particles[place], place, roll.standing, court)


def _place_of(child: etree._Element, particles: Sequence[_Particle]) -> int | None:
    return next((place for place, particle in enumerate(particles) if particle.takes(child.tag)), None)


def _longest_run(places: Sequence[int]) -> list[int]:
    """A longest non-decreasing subsequence: the children that need not be moved. O(n log n), a list may be hostile."""
    ends: list[int] = []  # the smallest last place of a run of each length
    ends_at: list[int] = []  # where in places that is
    before: list[int | None] = []
    for number, place in enumerate(places):
        length = bisect_right(ends, place)
        before.append(ends_at[length - 1] if length else None)
        ends[length : length + 1] = [place]
        ends_at[length : length + 1] = [number]
    run: list[int] = []
    step = ends_at[-1] if ends_at else None
    while step is not None:
        run.append(places[step])
        step = before[step]
    return run[::-1]


def _stranger(
    child: etree._Element, parent: str, particles: Sequence[_Particle], present: Collection[str]
) -> tuple[Problem, set[int]]:
    """A child that its parent does not know, and the places it was probably meant for."""
    name, at = local(child.tag), Location(xpath=xpath_of(child))
    if namespace(child.tag) == names.DS and name == "Signature":
        return Problem("XSD-019", {"parent": parent}, at), set()
    allowed = {local(n): (i, n) for i, p in enumerate(particles) for n in p.names}
    if name in allowed:
        place, wanted = allowed[name]
        found = namespace(child.tag) or "–"
        fix = {"do": "rename", "xpath": at.xpath, "text": name, "namespace": namespace(wanted)}
        facts = {"element": name, "parent": parent, "found": found[:120], "expected": namespace(wanted), "fix": fix}
        return Problem("XSD-014", facts, at), {place}
    shown = name if re.fullmatch(r"[A-Za-z_][\w.\-]{0,59}", name, re.ASCII) else "…"
    near = _nearest(name, [one for one in allowed if one not in present])
    if near is not None:
        place, wanted = allowed[near]
        fix = {"do": "rename", "xpath": at.xpath, "text": near, "namespace": namespace(wanted)}
        return Problem("XSD-012", {"element": shown, "parent": parent, "meant": near, "fix": fix}, at), {place}
    fix = {"do": "remove", "xpath": at.xpath}
    known = sorted(allowed)
    return Problem("XSD-011", {"element": shown, "parent": parent, "known": known or "–", "fix": fix}, at), set()


def _nearest(name: str, allowed: Collection[str]) -> str | None:
    by_key = {_plain(n): n for n in allowed}
    found = difflib.get_close_matches(_plain(name), list(by_key), n=1, cutoff=0.82)
    return by_key[found[0]] if found else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _too_many(child: etree._Element, parent: str, particle: _Particle) -> Problem:
    at = Location(xpath=xpath_of(child))
    facts = {
        "element": local(child.tag),
        "parent": parent,
        "most": particle.most,
        "fix": {"do": "remove", "xpath": at.xpath},
    }
    if child.tag == f"{{{names.DS}}}Signature":
        return Problem("XSD-019", facts, at)
    if parent == "ThanPhan" and not particle.names:
        return Problem("XSD-018", facts, at)
    return Problem("XSD-017", facts, at)


def _misplaced(
    child: etree._Element,
    place: int,
    parent: str,
    children: Sequence[etree._Element],
    places: Sequence[int | None],
) -> Problem:
    at = Location(xpath=xpath_of(child))
    if child.tag == f"{{{names.DS}}}Signature":
        return Problem("XSD-019", {"parent": parent}, at)
    later = [other for other, p in zip(children, places, strict=True) if p is not None and p > place]
    earlier = [other for other, p in zip(children, places, strict=True) if p is not None and p < place]
    after = local(earlier[-1].tag) if earlier else None
    before = local(later[0].tag) if later else None
    fix = {"do": "move", "xpath": at.xpath, "before": xpath_of(later[0]) if later else None}
    facts = {"element": local(child.tag), "parent": parent, "after": after, "before": before, "fix": fix}
    return Problem("XSD-013", facts, at)


def _missing(
    element: etree._Element,
    particle: _Particle,
    place: int,
    standing: Sequence[tuple[int, etree._Element]],
    court: _Court,
) -> Problem:
    at = Location(xpath=xpath_of(element))
    parent = local(element.tag)
    if parent == "ThanPhan" and not particle.names:
        return Problem("XSD-018", {"element": "…", "parent": parent, "most": 1}, at)
    after = [child for p, child in standing if p < place]
    before = [child for p, child in standing if p > place]
    name = particle.names[0] if particle.names else ""
    fix = {
        "do": "insert",
        "xpath": at.xpath,
        "text": _sample_element(name, element, court),
        "before": xpath_of(before[0]) if before else None,
        "namespace": namespace(name),
    }
    facts = {
        "element": particle.shown,
        "parent": parent,
        "after": local(after[-1].tag) if after else f"<{parent}>",
        "before": local(before[0].tag) if before else f"</{parent}>",
        "fix": fix,
    }
    return Problem("XSD-010", facts, at)


def _sample_element(name: str, parent: etree._Element, court: _Court) -> str:
    """The element to insert, as XML with the prefix that its parent's document uses for the namespace."""
    prefix = next((p for p, uri in parent.nsmap.items() if uri == namespace(name)), None)
    component = _component(parent, court)
    kind = None
    if component is not None and not component.type.is_simple() and hasattr(component.type.content, "iter_elements"):
        for child in component.type.content.iter_elements():
            if getattr(child, "name", None) == name:
                kind = child.type
    return _sample_of(name, kind, prefix)


def _sample_of(name: str, kind: Any | None, prefix: str | None, deep: int = 6) -> str:
    """An element with what its type demands inside."""
    tag = f"{prefix}:{local(name)}" if prefix else local(name)
    if kind is None or _simple(kind) is not None:
        inside = _sample_value(kind) if kind is not None else ""
    else:
        particles = _flat(kind.content) if deep and hasattr(kind.content, "model") else None
        inside = "".join(
            _sample_of(particle.names[0], particle.types[0], prefix, deep - 1)
            for particle in particles or ()
            if particle.least and particle.names and namespace(particle.names[0]) == namespace(name)
        )
    return f"<{tag}>{inside}</{tag}>"


def _sample_value(kind: Any) -> str:
    simple = _simple(kind)
    if simple is None:
        return ""
    if simple.enumeration:
        return str(simple.enumeration[0])
    example = _example(simple)
    return example if example is not None and " " not in example else "…"


def _simple(kind: Any) -> Any | None:
    """The simple type that an element's text is of, or None where it has children."""
    if kind.is_simple():
        return kind
    return kind.content if kind.has_simple_content() else None


def _component(element: etree._Element, court: _Court) -> Any | None:
    """The schema's declaration of an element, found from the root down; None inside wildcards that are skipped."""
    chain = [element]
    while chain[0] is not court.top and (above := chain[0].getparent()) is not None:
        chain.insert(0, above)
    component: Any = court.judge.maps.elements.get(str(chain[0].tag))
    for step in chain[1:]:
        if component is None or component.type.is_simple() or not hasattr(component.type.content, "iter_elements"):
            return None
        found = None
        for child in component.type.content.iter_elements():
            if getattr(child, "name", None) == step.tag:
                found = child
                break
            if isinstance(child, xmlschema.validators.XsdAnyElement) and child.process_contents != "skip":
                found = court.judge.maps.elements.get(str(step.tag))
        component = found
    return component


def _children_of_a_richer_model(element: etree._Element, error: Any) -> Iterator[Problem]:
    """For content models with nested groups (declarations): what xmlschema says, in our words."""
    parent = local(element.tag)
    expected = sorted({local(e.name) for e in error.expected or () if getattr(e, "name", None)})
    child = error.invalid_child if etree.iselement(error.invalid_child) else None
    if child is not None:
        facts = {"element": local(child.tag), "parent": parent, "known": expected or "–"}
        yield Problem("XSD-011", facts, Location(xpath=xpath_of(child)))
    else:
        facts = {"element": " | ".join(expected) or "…", "parent": parent, "after": "–", "before": "–"}
        yield Problem("XSD-010", facts, Location(xpath=xpath_of(element)))


# --- one element or attribute -----------------------------------------------------------------------------------------


def _one(element: etree._Element, error: Any, court: _Court) -> Problem:
    reason, validator = str(error.reason or ""), error.validator
    of_attribute = re.match(r"attribute ([\w.:\-{}/]+)=", reason)
    if of_attribute:
        return _attribute_value(element, of_attribute[1])
    if isinstance(validator, xmlschema.validators.XsdAttributeGroup):
        return _attribute(element, reason)
    if isinstance(validator, xmlschema.validators.XsdIdentity):
        return _duplicate(element, court)
    for words, told in _BY_WORDS:
        if all(word in reason for word in words):
            return told(element, court)
    component = _component(element, court)
    if component is None or _simple(component.type) is None:
        facts = {"element": local(element.tag), "parent": _parent(element), "known": "–"}
        return Problem("XSD-011", facts, Location(xpath=xpath_of(element)))
    return _value(element, validator, component)


def _nil_refused(element: etree._Element, court: _Court) -> Problem:
    facts = {"element": local(element.tag), **_not_nil(element, court)}
    return Problem("XSD-030", facts, Location(xpath=xpath_of(element)))


def _nil_with_a_value(element: etree._Element, _court: _Court) -> Problem:
    at = Location(xpath=xpath_of(element))
    fix = [{"do": "remove", "xpath": f"{at.xpath}/@{mark}"} for mark in (_nil(element), names.LY_DO_TRONG)]
    return Problem("XSD-031", {"element": local(element.tag), "fix": fix}, at)


def _children_refused(element: etree._Element, _court: _Court) -> Problem:
    facts = {"element": _first_child(element), "parent": local(element.tag), "known": "–"}
    return Problem("XSD-011", facts, Location(xpath=xpath_of(element)))


def _text_refused(element: etree._Element, _court: _Court) -> Problem:
    return Problem("XSD-015", {"element": local(element.tag)}, Location(xpath=xpath_of(element)))


def _nil(element: etree._Element) -> str:
    """xsi:nil with the prefix that the document uses for it."""
    prefix = next((p for p, uri in element.nsmap.items() if p and uri == names.XSI), "xsi")
    return f"{prefix}:nil"


def _not_nil(element: etree._Element, court: _Court) -> dict[str, Any]:
    """What mends an xsi:nil that may not be: without it where there is a value, without the element where it may lack."""
    if (element.text or "").strip() or element.get(names.NIL, "").strip() in ("false", "0"):
        return {"fix": {"do": "remove", "xpath": f"{xpath_of(element)}/@{_nil(element)}"}}
    return _dispensable(element, _component(element, court))


def _dispensable(element: etree._Element, component: Any) -> dict[str, Any]:
    """The fix that takes an empty element away, where its parent can do without."""
    if component is None or component.min_occurs:
        return {}
    return {"fix": {"do": "remove", "xpath": xpath_of(element)}}


def _parent(element: etree._Element) -> str:
    above = element.getparent()
    return "–" if above is None else local(above.tag)


def _first_child(element: etree._Element) -> str:
    return local(element[0].tag) if len(element) and isinstance(element[0].tag, str) else "…"


def _value(element: etree._Element, validator: Any, component: Any) -> Problem:
    """One value that its type refuses, by the facet that refused it."""
    at, name = Location(xpath=xpath_of(element)), local(element.tag)
    kind: Any = _simple(component.type)  # the caller has seen that it has one
    value = _as_read(element.text or "", kind)
    facts: dict[str, Any] = {"element": name, "value": _quoted(name, value)}
    if isinstance(validator, facets.XsdEnumerationFacets):
        return _not_listed(facts, value, [str(v) for v in validator.enumeration], at)
    if not value:
        return Problem("XSD-024", {**facts, **_dispensable(element, component)}, at)
    for bounds, code, told in _BY_BOUND:
        if isinstance(validator, bounds):
            return Problem(code, {**facts, **told(validator.value, value)}, at)
    if isinstance(validator, (facets.XsdTotalDigitsFacet, facets.XsdFractionDigitsFacet)):
        return Problem("XSD-028", {**facts, "most": validator.value, **_corrected(kind, value, name, at)}, at)
    primitive = _primitive(kind)
    if primitive in ("dateTime", "date", "time"):
        return _moment(facts, value, primitive, at, name)
    facts["expected"] = _example(kind) or "…"
    facts |= _corrected(kind, value, name, at)
    if isinstance(validator, facets.XsdPatternFacets):
        return Problem("XSD-021", facts, at)
    return Problem("XSD-020", {**facts, "type": primitive or "…"}, at)


def _as_read(text: str, kind: Any) -> str:
    return text if kind.white_space == "preserve" else " ".join(text.split())


def _primitive(kind: Any) -> str:
    return local(kind.primitive_type.name or "") if kind.primitive_type is not None else ""


# The facets that bound a value: what is told of one, by its bound and the value.
_BY_BOUND: tuple[tuple[tuple[Any, ...], str, Callable[[Any, str], dict[str, Any]]], ...] = (
    ((facets.XsdMaxLengthFacet,), "XSD-023", lambda most, value: {"most": most, "found": len(value)}),
    ((facets.XsdMinLengthFacet, facets.XsdLengthFacet), "XSD-024", lambda _least, _value: {}),
    (
        (facets.XsdMinInclusiveFacet, facets.XsdMinExclusiveFacet),
        "XSD-027",
        lambda least, _value: {"least": str(least), "most": "∞"},
    ),
    (
        (facets.XsdMaxInclusiveFacet, facets.XsdMaxExclusiveFacet),
        "XSD-027",
        lambda most, _value: {"least": "-∞", "most": str(most)},
    ),
)


def _not_listed(facts: Mapping[str, Any], value: str, known: list[str], at: Location) -> Problem:
    """A value that is none of a list."""
    near = value.lstrip("0") if value.lstrip("0") in known else _nearest(value, known)
    fix = {"fix": {"do": "replace", "xpath": at.xpath, "text": near}} if near is not None else {}
    return Problem("XSD-022", {**facts, **fix, "known": known}, at)


_GROUPED = re.compile(r"\d{1,3}([., ])\d{3}(\1\d{3})*( ?(đ|₫|đồng|VND|VNĐ))?")  # 1.500.000 đ, as people write it


def _corrected(kind: Any, value: str, name: str, at: Location) -> dict[str, Any]:
    """The fix for a value that only its writing keeps from fitting: case, blanks, the points between thousands."""
    if name not in QUOTABLE:
        return {}
    tries = [value.upper(), value.lower(), value.replace(" ", ""), value.replace(" ", "").upper()]
    if _GROUPED.fullmatch(value):
        tries.insert(0, re.sub(r"\D", "", value))
    found = next((text for text in tries if _fits(kind, text)), None)
    return {} if found is None else {"fix": {"do": "replace", "xpath": at.xpath, "text": found}}


def _fits(kind: Any, value: str) -> bool:
    return bool(kind.is_valid(value))


_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?")
_FORMS = (
    "%Y%m%d%H%M%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%Y-%m-%dT%H:%M",
)
_AT_HOME = "%Y-%m-%dT%H:%M:%S+07:00"  # a moment where a day is asked for
_DAYS = ("%Y%m%d", "%Y/%m/%d", "%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d")  # month first is never guessed


def _moment(facts: dict[str, Any], value: str, primitive: str, at: Location, name: str) -> Problem:
    expected = EXAMPLES["date" if primitive == "date" else "dateTime"]
    facts = {**facts, "expected": expected}
    if primitive == "dateTime" and _ISO.fullmatch(value):
        moment = _parsed(value, ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"))
        if moment is not None:
            if name in QUOTABLE:
                facts["fix"] = {"do": "replace", "xpath": at.xpath, "text": f"{value}+07:00"}
            return Problem("XSD-026", facts, at)
    moment = _parsed(value, _FORMS) if primitive == "dateTime" else _parsed(value, (*_DAYS, "%Y-%m-%d%z", _AT_HOME))
    if moment is not None and name in QUOTABLE:
        text = f"{moment:%Y-%m-%dT%H:%M:%S}+07:00" if primitive == "dateTime" else f"{moment:%Y-%m-%d}"
        facts["fix"] = {"do": "replace", "xpath": at.xpath, "text": text}
    return Problem("XSD-025", facts, at)


def _parsed(value: str, forms: Iterable[str]) -> datetime | None:
    for form in forms:
        try:
            return datetime.strptime(value, form)  # noqa: DTZ007 - only its digits are used
        except ValueError:
            continue
    return None


def _example(kind: Any) -> str | None:
    """What a value of this type looks like: by the nearest named type that is known here, else its pattern."""
    step = kind
    while step is not None:
        known = EXAMPLES.get(local(step.name or ""))
        if known is not None:
            return known
        step = step.base_type
    patterns = getattr(kind, "patterns", None)
    return " | ".join(patterns.regexps)[:120] if patterns is not None and hasattr(patterns, "regexps") else None


def _quoted(name: str, value: str) -> str:
    """The value where it is a code; else how long it is. Personal data never enters a problem."""
    codelike = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:+/\- ]{0,59}", value)
    personal = re.fullmatch(r"[0-9]{9}|[0-9]{12}", value) and name not in ("SoByte", "Gia", "TongTien", "SoTien")
    if name in QUOTABLE and codelike and not personal:
        return value
    return f"[{len(value)}]" if value else "[0]"


def _attribute(element: etree._Element, reason: str) -> Problem:
    at, name = Location(xpath=xpath_of(element)), local(element.tag)
    missing = re.search(r"missing required attribute '([^']+)'", reason)
    if missing:
        return Problem("XSD-042", {"attribute": local(missing[1]), "element": name}, at)
    found = re.search(r"'([^']+)' attribute not allowed", reason)
    whole = found[1] if found else "…"
    attribute = local(whole).rpartition(":")[2]
    shown = attribute if re.fullmatch(r"[\w.\-]{1,60}", attribute, re.ASCII) else "…"
    if whole == attribute and shown != "…":  # in no namespace: its own place can be named
        at = Location(xpath=f"{at.xpath}/@{attribute}")
        return Problem("XSD-016", {"attribute": shown, "element": name, "fix": {"do": "remove", "xpath": at.xpath}}, at)
    return Problem("XSD-016", {"attribute": shown, "element": name}, at)


def _attribute_value(element: etree._Element, attribute: str) -> Problem:
    name, above = local(attribute), xpath_of(element)
    at = Location(xpath=f"{above}/@{attribute}" if attribute == name else above)
    value = element.get(attribute) or ""
    facts: dict[str, Any] = {"attribute": name, "element": local(element.tag), "value": _quoted(name, value)}
    if name == "Id":
        return Problem("XSD-041", facts, at)
    if name == names.LY_DO_TRONG:
        known = ["KHONG_CO", "KHONG_DUOC_CHIA_SE", "CHUA_XAC_DINH", "KHONG_DAY_DU"]
        return Problem("XSD-022", {**facts, "element": f"@{name}", "known": known}, at)
    return Problem("XSD-043", facts, at)


def _duplicate(element: etree._Element, _court: _Court) -> Problem:
    """A value that must be unique and is not; told at its second place."""
    at = Location(xpath=xpath_of(element))
    value = (element.findtext(names.pb("MaDinhKem")) or "").strip()
    if value:
        return Problem("XSD-040", {"element": "MaDinhKem", "value": value}, at)
    return Problem("XSD-040", {"element": local(element.tag), "value": "–"}, at)


# What xmlschema says of an element, by words that all stand in its sentence; the first row that fits.
_BY_WORDS: tuple[tuple[tuple[str, ...], Callable[[etree._Element, _Court], Problem]], ...] = (
    (("duplicated value",), _duplicate),
    (("not nillable",), _nil_refused),
    (("nil", "not empty"), _nil_with_a_value),
    (("nil", "must be empty"), _nil_with_a_value),
    (("nil", "value"), _nil_with_a_value),
    (("can't have child elements",), _children_refused),
    (("character data",), _text_refused),
)


def _stray_text(court: _Court, skip: Collection[str]) -> Iterator[Problem]:
    """Text between elements that xmlschema 4.3 does not see: beside a lone wildcard, and white space that is none in XML."""
    for element in court.top.iter():
        if _has_text_between(element) and not _below(element, skip):
            component = _component(element, court)
            if component is not None and _simple(component.type) is None and not component.type.mixed:
                yield _text_refused(element, court)


def _has_text_between(element: etree._Element) -> bool:
    """Whether there is text before or after a child; of a leaf, blanks that XML does not know: more is a value."""
    between = [element.text or "", *(child.tail or "" for child in element)]
    texts = [text for text in between if text.strip(_WHITE)]
    return bool(texts) and (len(element) > 0 or not texts[0].strip())


_WHITE = " \t\r\n"


# --- libxml2's own words ----------------------------------------------------------------------------------------------


def _own_words(root: etree._Element, log: etree._ListErrorLog) -> Iterator[Problem]:
    """What libxml2 said, for what xmlschema was not asked about or does not find.

    Values are cut out of its sentences.
    """
    for entry in islice(log, MOST):
        element = _at_path(root, entry.path or "")
        said = re.sub(r"\{[^}]*\}", "", entry.message)
        said = re.sub(r"The value '.*?' (?=is|has|exceeds)", "The value ", said, flags=re.DOTALL)
        said = re.sub(r": '.*?' is not a valid value", ": not a valid value", said, flags=re.DOTALL)
        at = Location(
            line=None if element is not None else entry.line, xpath=xpath_of(element) if element is not None else None
        )
        name = local(element.tag) if element is not None else "…"
        yield Problem("XSD-091", {"element": name, "said": said[:300]}, at)


def _at_path(root: etree._Element, path: str) -> etree._Element | None:
    """The element that libxml2's path names (``/*/*[8]/hs:CapNhatTienDo``); its stars stand for elements without a
    prefix.
    """
    steps = path.strip("/").split("/")
    element = root
    for step in steps[1:]:
        match = re.fullmatch(r"(\*|[^\[\]]+)(?:\[(\d+)\])?", step)
        if match is None:
            return None
        name, number = match[1], int(match[2] or 1)
        children = [c for c in element if isinstance(c.tag, str)]
        if name != "*":
            children = [c for c in children if (f"{c.prefix}:" if c.prefix else "") + local(c.tag) == name]
        if len(children) < number:
            return None
        element = children[number - 1]
    return element
