"""The register of message types and what each needs: a schema, a reader, and who may say it to whom.

A message type is one file under ``schemas/messages`` and one XSD; :func:`reader` enters it here at import. A
:class:`Catalog` is a frozen view over the register, the operator's declaration schemas and the settings of the rules;
a new view replaces the old one as a whole. Compiled libxml2 schemas live one for each thread, since a schema shares
its error log.
"""

from __future__ import annotations

import copy
import functools
import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from lxml import etree

from gateway.core.model import Content
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.rights import TABLE, Rights
from gateway.core.severity import Severity
from gateway.documents import Kind, first_child, xpath_of
from schemas import names
from schemas.compiling import compile_judge, compile_schema, safe_closure
from schemas.declarations import Declarations, fingerprint
from schemas.digests import digest_of_files
from schemas.fields import Fields
from schemas.names import hs, local, namespace, pb
from schemas.rules import Active, active
from schemas.strictness import RuleSettings

if TYPE_CHECKING:
    import xmlschema

C = TypeVar("C", bound=Content)
Read = Callable[[Fields], Content]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadReader:
    """One entry of the register."""

    kind: Kind
    read: Read
    rights: Rights
    xsd: Path  # the file that declares the payload's root

    @property
    def files(self) -> tuple[Path, Path]:
        """The schema documents this kind is made of, before their imports."""
        return names.ENVELOPE_XSD, self.xsd


_REGISTER: dict[Kind, PayloadReader] = {}


def reader(
    loai: str, goc: str, *phien_ban: str, rights: Rights | None = None, xsd: Path | None = None
) -> Callable[[Callable[[Fields], C]], Callable[[Fields], C]]:
    """Enter a function in the register as the reader of these versions of a payload.

    Who may say it stands in the table of gateway.core.rights; a type that is not there brings its own ``rights``. The
    payload's schema is ``xsd/hoso/<version>/<root>.xsd`` unless ``xsd`` names a folder of the same layout
    elsewhere. Raises ValueError when the kind has a reader already, or nobody may say it.
    """
    known = TABLE.get((loai, goc)) if rights is None else rights
    if known is None:
        raise ValueError(f"nobody may say {loai} {goc}: it is not in the table of rights")

    def enter(function: Callable[[Fields], C]) -> Callable[[Fields], C]:
        for version in phien_ban:
            kind = Kind(loai=loai, goc=goc, phien_ban=version)
            file = (xsd or names.XSD_FOLDER / "hoso") / version / f"{goc}.xsd"
            entry = PayloadReader(
                kind=kind,
                read=function,
                rights=known,
                xsd=file,
            )
            if _REGISTER.get(kind, entry).read.__qualname__ != function.__qualname__:
                raise ValueError(f"{loai} {goc} {version} has two readers")
            _REGISTER[kind] = entry
        return function

    return enter


class Catalog:
    """Every kind of document that is known, with all that is needed to check and read it. A frozen view."""

    def __init__(
        self,
        readers: Iterable[PayloadReader],
        *,
        declarations: Declarations | None = None,
        rules: RuleSettings | None = None,
    ) -> None:
        """Raises ValueError when two entries share a kind, or a schema document is missing or reaches outside the
        bundle.
        """
        self.declarations = declarations if declarations is not None else Declarations()
        self.rules = rules if rules is not None else RuleSettings()
        self._readers: dict[Kind, PayloadReader] = {}
        self._rules: dict[tuple[str, frozenset[tuple[str, Severity]]], tuple[Active, ...]] = {}
        self._versions: dict[str, dict[str, set[str]]] = {}  # HS05 -> root -> versions
        for entry in readers:
            if entry.kind in self._readers:
                raise ValueError(f"{entry.kind} stands twice in the catalogue")
            self._readers[entry.kind] = entry
            roots = self._versions.setdefault(entry.kind.loai, {})
            roots.setdefault(entry.kind.goc, set()).add(entry.kind.phien_ban)
        files = [file for entry in self._readers.values() for file in entry.files]
        homes = {entry.xsd.parent.parent for entry in self._readers.values()}
        safe_closure(files, within=(names.XSD_FOLDER, *homes))
        self.further = digest_of_files(  # the schemas that are not in the package, by what they say
            sorted({file for file in files if not file.is_relative_to(names.XSD_FOLDER)})
        )
        self._here = threading.local()
        self._judges: dict[Path | None, xmlschema.XMLSchema10] = {}
        self._lock = threading.Lock()

    def replace(self, *, declarations: Declarations | None = None, rules: RuleSettings | None = None) -> Catalog:
        """The same register with other declarations or other settings of the rules: how both are changed while
        running.
        """
        made = copy.copy(self)  # read and compiled once for both
        made.declarations = self.declarations if declarations is None else declarations
        made.rules = self.rules if rules is None else rules
        made._rules = {}  # noqa: SLF001 - of its own kind
        return made

    def reloaded(self, folder: Path) -> Catalog | None:
        """The catalogue with the folder's declarations as they are now; None when nothing has changed.

        Raises Stopped with what is wrong with a new file; the present view stays good.
        """
        if fingerprint(folder) == self.declarations.fingerprint:
            return None
        return self.replace(declarations=Declarations.load(folder))

    def kinds(self) -> tuple[Kind, ...]:
        """Every kind, sorted."""
        return tuple(sorted(self._readers, key=lambda k: (k.loai, k.goc, _numbers(k.phien_ban))))

    def versions(self, loai: str, goc: str) -> tuple[str, ...]:
        """The versions of a payload that are served, oldest first."""
        return tuple(sorted(self._versions.get(loai, {}).get(goc, ()), key=_numbers))

    def roots(self, loai: str) -> tuple[str, ...]:
        """The payload roots of a message type, sorted."""
        return tuple(sorted(self._versions.get(loai, {})))

    def reader(self, kind: Kind) -> PayloadReader:
        """The register's entry. Raises KeyError for a kind that is not in it."""
        return self._readers[kind]

    def rules_of(self, loai: str, party: Mapping[str, Severity] = MappingProxyType({})) -> tuple[Active, ...]:
        """The rules beyond the schema that a message type is held to, from a party whose profile says this of them."""
        key = (loai, frozenset(party.items()))
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = active(self.rules, loai, party)
        return found

    def rights(self, kind: Kind) -> Rights:
        """Who may say this kind, and to whom."""
        return self._readers[kind].rights

    def kind_of(self, root: etree._Element) -> Kind:
        """Which kind a document claims to be. Raises Stopped with what keeps it from being any (XSD-001 to XSD-006)."""
        if root.tag == names.THONG_DIEP:
            loai, phien_ban = _text(first_child(root, _LOAI)), _text(first_child(root, _PHIEN_BAN))
            than_phan = first_child(root, names.THAN_PHAN)
            if loai is not None and phien_ban is not None and than_phan is not None and len(than_phan):
                space, _, goc = str(than_phan[0].tag).rpartition("}")
                kind = Kind(loai, goc, phien_ban)
                if space == _HO_SO_SPACE and kind in self._readers:
                    return kind
        raise Stopped(*(self._strange(root) or [Problem("XSD-007", {}, Location(xpath=xpath_of(root)))]))

    def schema(self, kind: Kind) -> etree.XMLSchema:
        """This thread's compiled schema of a kind: libxml2, which decides."""
        schemas: dict[Kind, etree.XMLSchema] | None = getattr(self._here, "schemas", None)
        if schemas is None:
            schemas = self._here.schemas = {}
        found = schemas.get(kind)
        if found is None:
            found = schemas[kind] = compile_schema(self._readers[kind].files)
        return found

    def judge(self, kind: Kind | None) -> xmlschema.XMLSchema10:
        """The explaining schema of a kind, or of the envelope alone: xmlschema, built when something is first refused.

        All payloads of one folder share it: which root may stand in ThanPhan is known from the kind, and one takes a second
        to build where each would take half of one.
        """
        home = None if kind is None else self._readers[kind].xsd.parent
        with self._lock:
            found = self._judges.get(home)
            if found is None:
                payloads = sorted({entry.xsd for entry in self._readers.values() if entry.xsd.parent == home})
                found = self._judges[home] = compile_judge((names.ENVELOPE_XSD, *payloads))
            return found

    def warm(self) -> None:
        """Build what explains refusals, for all threads: the first refused message need not wait for it."""
        for kind in self._readers:
            self.judge(kind)

    def nearest(self, root: etree._Element) -> Kind | None:
        """The kind whose schema explains a document best that is of no kind: by its payload's root, then by its
        type.
        """
        than_phan = root.find(names.THAN_PHAN)
        goc = local(than_phan[0].tag) if than_phan is not None and len(than_phan) else None
        loai = _text(root.find(_LOAI))
        version = _text(root.find(_PHIEN_BAN))
        same_root = [kind for kind in self.kinds() if kind.goc == goc]
        if not same_root:
            return None
        best = [kind for kind in same_root if kind.phien_ban == version] or same_root
        return next((kind for kind in best if kind.loai == loai), best[-1])

    def _strange(self, root: etree._Element) -> list[Problem]:
        """Why a document is of no kind, as far as type, version and payload say; what is simply missing the schema
        tells.
        """
        if root.tag != names.THONG_DIEP:
            return [_wrong_root(root)]
        loai_element, than_phan = root.find(_LOAI), root.find(names.THAN_PHAN)
        payload = than_phan[0] if than_phan is not None and len(than_phan) else None
        found: list[Problem | None] = []
        if loai_element is not None and (loai := _text(loai_element)) not in self._versions:
            facts = {"value": quotable(loai), "known": sorted(self._versions), **self._meant(payload, loai_element)}
            found.append(Problem("XSD-003", facts, Location(xpath=xpath_of(loai_element))))
        if payload is not None:
            found.append(self._strange_payload(payload, loai_element, root.find(_PHIEN_BAN)))
        return [problem for problem in found if problem is not None]

    def _strange_payload(
        self, payload: etree._Element, loai_element: etree._Element | None, version_element: etree._Element | None
    ) -> Problem | None:
        """A payload of another namespace, of another type, or of a version that there is not."""
        loai, version = _text(loai_element), _text(version_element)
        goc, at = local(payload.tag), Location(xpath=xpath_of(payload))
        facts: dict[str, Any]
        if namespace(payload.tag) != names.HO_SO:
            facts = {"element": quotable(goc), "found": quotable(namespace(payload.tag), 120) or "–"}
            return Problem("XSD-006", {**facts, "expected": names.HO_SO}, at)
        if loai not in self._versions:
            return None
        if goc not in self._versions[loai]:
            facts = {"element": quotable(goc), "loai": loai, "known": self.roots(loai)}
            return Problem("XSD-005", {**facts, **self._meant(payload, loai_element)}, at)
        if version_element is not None and version not in self._versions[loai][goc]:
            known = self.versions(loai, goc)
            facts = {"value": quotable(version), "loai": loai, "goc": goc, "known": known}
            if len(known) == 1:
                facts["fix"] = {"do": "replace", "xpath": xpath_of(version_element), "text": known[0]}
            return Problem("XSD-004", facts, Location(xpath=xpath_of(version_element)))
        return None

    def _meant(self, payload: etree._Element | None, loai: etree._Element | None) -> dict[str, Any]:
        """The fix that gives a message the type which alone has its payload."""
        goc = local(payload.tag) if payload is not None and namespace(payload.tag) == names.HO_SO else None
        types = [known for known, roots in self._versions.items() if goc in roots]
        if len(types) != 1 or loai is None:
            return {}
        return {"fix": {"do": "replace", "xpath": xpath_of(loai), "text": types[0]}}


@functools.cache
def registered() -> Mapping[Kind, PayloadReader]:
    """The register, with every file of ``schemas/messages`` imported; a view of it, which shows what is entered later."""
    package = importlib.import_module("schemas.messages")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"schemas.messages.{module.name}")
    return MappingProxyType(_REGISTER)


def bundled(declarations: Path | None = None, *, rules: RuleSettings | None = None) -> Catalog:
    """Everything this program knows, with the declaration schemas of a folder.

    Raises Stopped when one of those is no good.
    """
    loaded = Declarations.load(declarations) if declarations is not None else Declarations()
    return _package(frozenset(registered())).replace(declarations=loaded, rules=rules or RuleSettings())


@functools.lru_cache(maxsize=1)
def _package(kinds: frozenset[Kind]) -> Catalog:
    """The catalogue of these kinds: to read all their schema documents takes 45 ms, and they are part of the package."""
    return Catalog(_REGISTER[kind] for kind in kinds)


_HO_SO_SPACE = hs("").removesuffix("}")
_LOAI = pb("LoaiThongDiep")
_PHIEN_BAN = pb("PhienBan")


def quotable(value: str | None, longest: int = 60) -> str:
    """A value as a problem may quote it: names and codes, never longer than a line."""
    text = "" if value is None else value.strip()
    if any(not character.isprintable() for character in text):
        text = "".join(c if c.isprintable() else "·" for c in text)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _wrong_root(root: etree._Element) -> Problem:
    at = Location(xpath=xpath_of(root))
    if local(root.tag) == "ThongDiep":
        found = namespace(root.tag)
        return Problem("XSD-002", {"found": quotable(found, 120) or "–", "expected": names.PHONG_BI}, at)
    return Problem("XSD-001", {"found": quotable(local(root.tag))}, at)


def _text(element: etree._Element | None) -> str | None:
    return None if element is None else (element.text or "").strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if names.PHIEN_BAN.fullmatch(version) else (0,)
