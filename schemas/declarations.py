"""Declarations (ToKhai): a schema per procedure, dropped into a folder by the operator and enforced from then on.

``<MaTTHC>.xsd`` serves that procedure (``1.001193.xsd``, ``1.001193-2.xsd``). A file of any other name needs a sidecar
TOML of the same name that says which procedures it serves, and may say more (:class:`DeclarationSidecar`). Files that others
include need neither. The namespace of a declaration is the operator's own, never one of the gateway's.
"""

# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from gateway.core import written
from gateway.core.problems import Location, Problem, ProblemOutcome, Stopped
from gateway.documents import first_child, xpath_of
from schemas import names
from schemas.compiling import SchemaFault, compile_judge, compile_schema, safe_closure
from schemas.digests import digest_of_files
from schemas.names import XS, hs, local, namespace

if TYPE_CHECKING:
    import xmlschema


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationSidecar:
    """What ``<name>.toml`` beside ``<name>.xsd`` may say."""

    procedures: tuple[str, ...] = written.setting(
        (), vi="Các mã thủ tục hành chính mà lược đồ này phục vụ", en="Procedure codes that this schema serves"
    )
    root: str | None = written.setting(
        None,
        vi="Phần tử gốc của tờ khai, khi lược đồ có nhiều",
        en="Root element of the declaration, where there are several",
    )
    version: str | None = written.setting(None, vi="Phiên bản, để hiển thị", en="Version, for display")
    valid_from: datetime | None = written.setting(None, vi="Có hiệu lực từ", en="In force from")
    valid_to: datetime | None = written.setting(None, vi="Hết hiệu lực từ", en="No longer in force from")
    required: bool = written.setting(
        False, vi="Hồ sơ của thủ tục này phải có tờ khai", en="A dossier of this procedure must carry the declaration"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One declaration schema, ready to be enforced."""

    file: Path
    procedures: tuple[str, ...]  # codes as written; a national stem serves all its forms
    root: str  # Clark name
    version: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    required: bool = False
    _here: threading.local = field(default_factory=threading.local, compare=False, repr=False)

    def serves(self, ma_tthc: str) -> bool:
        """Whether it serves this procedure: the same code, or the national stem of it."""
        return any(
            code == ma_tthc or (len(code) == names.STEM and ma_tthc.startswith(code)) for code in self.procedures
        )

    def in_force(self, at: datetime) -> bool:
        """Whether it is in force at a time."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)

    @property
    def schema(self) -> etree.XMLSchema:
        """This thread's compiled schema."""
        found: etree.XMLSchema | None = getattr(self._here, "schema", None)
        if found is None:
            found = self._here.schema = compile_schema([self.file])
        return found

    @property
    def judge(self) -> xmlschema.XMLSchema10:
        """This thread's explaining schema."""
        found: xmlschema.XMLSchema10 | None = getattr(self._here, "judge", None)
        if found is None:
            found = self._here.judge = compile_judge([self.file])
        return found


class Declarations:
    """All declaration schemas in force. A frozen view: to change it, load another and replace the catalogue's."""

    def __init__(self, declarations: Iterable[Declaration] = (), fingerprint: str = "", digest: str = "") -> None:
        self._all = tuple(declarations)
        self.fingerprint = fingerprint  # of the folder it was loaded from
        self.digest = digest  # SHA-256 over what its files say; "" without any

    def __iter__(self) -> Iterator[Declaration]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @classmethod
    def load(cls, folder: Path) -> Declarations:
        """Every declaration in a folder. Raises Stopped with what is wrong with any file of it (XSD-3xx)."""
        before = fingerprint(folder)  # taken first: what changes while reading is read again next time
        found, problems = _read_folder(folder)
        failed = [problem for problem in problems if problem.outcome is not ProblemOutcome.NOTE]
        if failed:
            raise Stopped(*failed)
        return cls(found, before, digest_of_files(_files(folder)))

    def of(self, ma_tthc: str, at: datetime) -> tuple[Declaration, ...]:
        """What serves a procedure at a time: a full code before its stem, so that a province may be stricter than
        the nation.
        """
        serving = [d for d in self._all if d.serves(ma_tthc) and d.in_force(at)]
        exact = [d for d in serving if ma_tthc in d.procedures]
        return tuple(exact or serving)


def fingerprint(folder: Path) -> str:
    """Changes whenever a file of the folder does: whether to load again, for the price of looking at its directory."""
    seen = hashlib.sha256()
    for file in _files(folder):
        state = file.stat()
        seen.update(f"{file.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return seen.hexdigest()


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*")) if file.suffix in (".xsd", ".toml")] if folder.is_dir() else []


def check_declaration(path: Path) -> list[Problem]:
    """What is wrong with a declaration schema, or with any in a folder: what `load` would stop at, and notes beside."""
    if path.is_dir():
        return _read_folder(path)[1]
    return _read_file(path, alone=True)[1]


def _read_folder(folder: Path) -> tuple[list[Declaration], list[Problem]]:
    if not folder.is_dir():
        return [], [Problem("XSD-301", {"file": folder.name})]
    found: list[Declaration] = []
    problems: list[Problem] = []
    included = _included(folder)
    for file in sorted(folder.glob("*.xsd")):
        one, faults = _read_file(file, alone=file.resolve() not in included)
        problems += faults
        if one is not None:
            found.append(one)
    for number, one in enumerate(found):
        for other in found[:number]:
            shared = set(one.procedures) & set(other.procedures)
            if shared and one.root == other.root and _overlap(one, other):
                facts = {
                    "file": one.file.name,
                    "other": other.file.name,
                    "procedure": sorted(shared),
                    "root": local(one.root),
                }
                problems.append(Problem("XSD-306", facts))
    return found, problems


def _overlap(one: Declaration, other: Declaration) -> bool:
    ends_first = one.valid_to is not None and other.valid_from is not None and one.valid_to <= other.valid_from
    starts_last = other.valid_to is not None and one.valid_from is not None and other.valid_to <= one.valid_from
    return not (ends_first or starts_last)


def _included(folder: Path) -> set[Path]:
    """Files that others of the folder reach: parts, not declarations of their own unless they say so."""
    reached: set[Path] = set()
    for file in folder.glob("*.xsd"):
        try:
            reached |= {f for f in safe_closure([file], within=(folder,)) if f != file.resolve()}
        except SchemaFault:
            continue  # told when the file itself is read
    return reached


_NAMED = re.compile(r"(\d\.\d{6}(?:\.[0-9A-Z]+)*)(?:[-_ ].*)?")


def _read_file(file: Path, *, alone: bool) -> tuple[Declaration | None, list[Problem]]:
    """A declaration, or None where the file is a part of others or is no good."""
    problems: list[Problem] = []
    try:
        sidecar = _sidecar(file)
    except Stopped as stop:
        return None, list(stop.problems)
    named = _NAMED.fullmatch(file.stem)
    procedures = sidecar.procedures or ((named[1],) if named else ())
    if not procedures and not alone:
        return None, []
    if not procedures:
        problems.append(Problem("XSD-302", {"file": file.name}))
    problems += [
        Problem("XSD-307", {"file": file.name, "procedure": code[:60]})
        for code in procedures
        if not names.MA_TTHC.fullmatch(code)
    ]
    try:
        closure = safe_closure([file], within=(file.parent,))
        schema = closure[file.resolve()]
        space = schema.get("targetNamespace") or ""
        if not space or space in names.OURS or space in (names.DS, names.XSI, names.XS, names.XML):
            return None, [*problems, Problem("XSD-308", {"file": file.name, "namespace": space or "–"})]
        compile_schema([file])
        judge = compile_judge([file])
    except SchemaFault as fault:
        return None, [*problems, _fault(file, fault)]
    root, faults = _root(file, space, judge, sidecar.root)
    problems += faults
    for part, document in closure.items():
        problems += _lint(part, document)
    if root is None or any(problem.outcome is not ProblemOutcome.NOTE for problem in problems):
        return None, problems
    version = sidecar.version or schema.get("version") or "1.0"
    return (
        Declaration(
            file=file.resolve(),
            procedures=procedures,
            root=root,
            version=version,
            valid_from=sidecar.valid_from,
            valid_to=sidecar.valid_to,
            required=sidecar.required,
        ),
        problems,
    )


def _sidecar(file: Path) -> DeclarationSidecar:
    beside = file.with_suffix(".toml")
    if not beside.exists():
        return DeclarationSidecar()
    try:
        text = beside.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Stopped(Problem("XSD-303", {"file": beside.name, "reason": type(error).__name__})) from error
    return written.decode_toml(DeclarationSidecar, written.read_toml(text, beside.name), base=file.parent)


def _fault(file: Path, fault: SchemaFault) -> Problem:
    facts: dict[str, Any] = {"file": fault.facts.get("file", file.name), "reason": fault.facts.get("reason", "–")}
    if fault.why in ("invalid", "unreadable", "no-schema"):
        return Problem(
            "XSD-304", {**facts, "reason": fault.facts.get("reason") or fault.facts.get("code") or fault.why}
        )
    return Problem("XSD-305", {**facts, "why": fault.why})


def _root(file: Path, space: str, judge: xmlschema.XMLSchema10, wanted: str | None) -> tuple[str | None, list[Problem]]:
    roots = sorted(local(tag) for tag in judge.maps.elements if namespace(tag) == space)
    if wanted is not None and wanted in roots:
        return f"{{{space}}}{wanted}", []
    if wanted is None and len(roots) == 1:
        return f"{{{space}}}{roots[0]}", []
    return None, [Problem("XSD-309", {"file": file.name, "known": roots or "–", "wanted": wanted})]


# A group that repeats without bound and holds something that does so too: (a+)+ takes a backtracking engine for ever.
_NESTED = re.compile(r"\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\})")


def _lint(file: Path, schema: etree._Element) -> list[Problem]:
    problems = [
        Problem("XSD-310", {"file": file.name, "pattern": (pattern.get("value") or "")[:80]})
        for pattern in schema.iter(f"{{{XS}}}pattern")
        if _NESTED.search(pattern.get("value") or "")
    ]
    if any(wildcard.get("processContents") in ("lax", "skip") for wildcard in schema.iter(f"{{{XS}}}any")):
        problems.append(Problem("XSD-311", {"file": file.name}))
    return problems


# --- in a message -----------------------------------------------------------------------------------------------------


def declared(body: bytes, root: etree._Element, declarations: Declarations, at: datetime) -> list[Problem]:
    """What is wrong with the declaration in a dossier (HS01, or the copy in HS14), by the schema of its procedure."""
    than_phan = first_child(root, names.THAN_PHAN)
    if than_phan is None or not len(than_phan):
        return []
    payload = than_phan[0]
    if payload.tag == _NOP_HO_SO:
        ho_so: etree._Element | None = payload
    elif payload.tag == _CHUYEN_HO_SO:
        ho_so = first_child(payload, _HO_SO)
    else:
        return []
    if ho_so is None:
        return []
    to_khai = first_child(ho_so, _TO_KHAI)
    if to_khai is None and not declarations:
        return []
    ma_tthc = (ho_so.findtext(_MA_TTHC) or "").strip()
    if to_khai is None:
        needed = [d for d in declarations.of(ma_tthc, at) if d.required]
        facts = {"procedure": ma_tthc[:60], "known": [local(d.root) for d in needed]}
        return [Problem("XSD-051", facts, Location(xpath=xpath_of(ho_so)))] if needed else []
    return _judge(body, to_khai, ma_tthc, declarations.of(ma_tthc, at))


def _judge(body: bytes, to_khai: etree._Element, ma_tthc: str, serving: Sequence[Declaration]) -> list[Problem]:
    if not len(to_khai):
        return []  # the message's own schema says so
    root = to_khai[0]
    at = Location(xpath=xpath_of(root))
    for element in to_khai.iterdescendants():
        space = namespace(element.tag)
        if space in names.OURS or space == names.DS:
            facts = {"element": local(element.tag), "namespace": space}
            return [Problem("XSD-052", facts, Location(xpath=xpath_of(element)))]
    if not serving:
        return [Problem("XSD-053", {"procedure": ma_tthc[:60], "element": local(root.tag)[:60]}, at)]
    fitting = [d for d in serving if d.root == root.tag]
    if not fitting:
        known = [f"{{{namespace(d.root)}}}{local(d.root)}" for d in serving]
        return [Problem("XSD-050", {"procedure": ma_tthc[:60], "element": local(root.tag)[:60], "known": known}, at)]
    declaration = fitting[-1]
    schema = declaration.schema
    try:
        fits = schema.validate(root)
    except etree.LxmlError as error:
        return [Problem("XSD-090", {"reason": type(error).__name__}, at)]
    if fits:
        return []
    from schemas.explain import explain  # noqa: PLC0415 - xmlschema takes a third of a second to load; only what is refused needs it

    return explain(body, root, declaration.judge, schema.error_log)


_NOP_HO_SO = hs("NopHoSo")
_CHUYEN_HO_SO = hs("ChuyenHoSo")
_HO_SO = hs("HoSo")
_TO_KHAI = hs("ToKhai")
_MA_TTHC = hs("MaTTHC")
