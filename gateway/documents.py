"""Floor 2: the paper. How bytes become a Document, and the three grades of trust a document may have.

The only place where an XML parser is made (tests/architecture greps for others). Three readers look at the bytes, each
for what it is good at:

* the *gate* looks at them as bytes: size, encoding, declaration, what stands before the root. A DOCTYPE ends here,
  before any parser has seen it (one of fifty bytes can end a process);
* the *walk* streams over them with expat, counts, and says with line, column and XPath what is wrong, all of it at
  once. It accepts nothing: it runs over whatever the gate could not clear by counting, and over whatever was refused;
* lxml makes the one tree that everybody reads, and has the last word on what is well-formed.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
import threading
import unicodedata
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import field, fields
from itertools import islice
from typing import Any, NamedTuple, NewType
from xml.parsers import expat

from lxml import etree

from gateway.core.limits import DEFAULT_LIMITS, LONGEST_TEXT, DocumentLimits
from gateway.core.model import Basis, Envelope, Signer
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.values import made_often

# --- three grades of paper --------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """Which schema and reader a document asks for: the key of the register."""

    loai: str  # HS05
    goc: str  # CapNhatTienDo
    phien_ban: str  # 1.0


@made_often(frozen=True, slots=True, kw_only=True)
class Document:
    """Well-formed, within all limits, without DOCTYPE, comments, processing instructions. Believed in nothing yet."""

    envelope: Envelope
    body: bytes  # the bytes the tree was made from: the envelope's, or those composed from a typed submission
    root: etree._Element
    limits: DocumentLimits  # that it has kept to; whoever parses it again does so by these
    composed: bool = False  # built by us from a typed submission
    digest: str = ""  # SHA-256 of body, when composed; the envelope's own otherwise
    problems: tuple[Problem, ...] = ()  # notes


@made_often(frozen=True, slots=True, kw_only=True)
class Checked:
    """A Document that fits the schema of its kind."""

    document: Document
    kind: Kind
    problems: tuple[Problem, ...] = ()  # notes


@made_often(frozen=True, slots=True, kw_only=True)
class Attested:
    """What may be believed: the tree verification returned, never the one that arrived. Only verify() makes one."""

    envelope: Envelope
    body: bytes
    root: etree._Element  # parsed anew from the verified canonical bytes (or from body, when basis is the channel)
    kind: Kind
    basis: Basis
    signer: Signer | None = None
    doubts: tuple[Problem, ...] = ()  # undetermined, or notes
    verdict: Mapping[str, Any] = field(default_factory=dict)  # JSON-able facts: the checklist of Annex II
    signed_bytes: bytes | None = None
    evidence: tuple[str, ...] = ()  # SHA-256 of the stored CRL/OCSP answers it rests on
    same: bool = False  # the root is the tree whose schema was asked, or its canonical form read again: it need not be asked anew


@made_often(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an unverified envelope says of itself. For the operator's list; never a ground for a decision."""

    ma_thong_diep: str | None = None
    loai: str | None = None
    ma_ho_so: str | None = None
    noi_gui: str | None = None


#: A document of ours as it is signed: :data:`DECLARATION`, then its exclusive canonical form. Who makes one answers for that.
Canonical = NewType("Canonical", bytes)
DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"


def canonical_document(root: etree._Element) -> Canonical:
    """A tree of ours in the form in which it is signed."""
    return Canonical(DECLARATION + etree.tostring(root, method="c14n", exclusive=True, with_comments=False))


MOST_ATTRIBUTES = 40_000  # of the whole document, declarations of namespaces counted: each costs the tree 200 bytes

LONGEST_NAMESPACE = 512  # bytes; exclusive canonicalisation writes it again at each of thousands of elements
MOST_GROWTH = 6  # times: a canonical form writes "&quot;" for '"', and no honest one grows more
#: For looking into a document that has kept to its limits already.
_UNCOUNTED = DocumentLimits(**{f.name: sys.maxsize for f in fields(DocumentLimits)})

MOST_PROBLEMS = 25  # reported of one document; the twenty-sixth comment teaches nobody anything

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"
XMLNS = "http://www.w3.org/2000/xmlns/"
FORBIDDEN = {  # namespaces that would bring in content from elsewhere
    "http://www.w3.org/2001/XInclude": "XML-143",
    "http://www.w3.org/2003/XInclude": "XML-143",
    "http://www.w3.org/2004/08/xop/include": "XML-144",
}


# --- from bytes to tree -----------------------------------------------------------------------------------------------


def parse(envelope: Envelope, limits: DocumentLimits = DEFAULT_LIMITS) -> Document:
    """The document in an envelope. Raises Stopped with every XML-xxx problem that can be found at once."""
    if envelope.cut:
        raise Stopped(cut_short(envelope, limits))
    root = parse_bytes(envelope.body, limits)
    return Document(
        envelope=envelope, body=envelope.body, root=root, limits=limits, problems=_not_composed(envelope.body)
    )


def cut_short(envelope: Envelope, limits: DocumentLimits) -> Problem:
    """Why only the beginning of what arrived is here."""
    total, kept = envelope.total_bytes, len(envelope.body)
    if total <= limits.body_bytes:  # it was refused once, and not kept whole
        return Problem("SYS-066", {"kept": kept, "total": total})
    counted = hashlib.sha256(envelope.body).hexdigest() != envelope.digest  # else only what was kept was hashed
    return Problem("XML-002", {"so_byte": total if counted else f"{total - 1}+{kept}", "gioi_han": limits.body_bytes})


def parse_bytes(body: bytes, limits: DocumentLimits = DEFAULT_LIMITS) -> etree._Element:
    """The root of any other XML we must read (signed bytes, SOAP, receipts), by the same rules. Raises Stopped."""
    places = _Places(body.removeprefix(_BOM))
    if len(places.body) > limits.body_bytes:
        raise Stopped(_too_large(len(places.body), limits))
    _gate(places)
    if not _cheap(places.body, limits):
        _stop(_why(places, limits))
    reader = _reader(limits, places.body)
    try:
        root = etree.fromstring(places.body, reader.parser)
        suspicious = reader.suspicious(root, places.body)
    except Exception as error:  # whatever libxml2 raises, the document is refused
        raise Stopped(*(_why(places, limits) or [_unexplained(error)])) from error
    if suspicious:
        raise Stopped(*(_why(places, limits) or [Problem("XML-199", {"chi_tiet": "XPath"})]))
    return root


def parse_again(body: bytes, limits: DocumentLimits) -> etree._Element:
    """The root of bytes that passed :func:`parse_bytes` by these limits, or were canonicalised from a tree of its making.

    What was proven of those is not proven anew, and nothing is counted again: a canonical form is longer than what it was made
    of. Raises Stopped where it has grown as no honest one does.
    """
    body = body.removeprefix(_BOM)
    _grown(body, limits)
    try:
        root: etree._Element = etree.fromstring(body, _reader(limits, body).parser)
    except etree.XMLSyntaxError as error:
        raise Stopped(_unexplained(error)) from error
    return root


def parse_canonical(body: bytes, limits: DocumentLimits) -> etree._Element:
    """The root of bytes that a library canonicalised of a document which kept to these limits.

    They are asked all that is no count. Sizes were counted as the sender wrote: canonical forms write "&gt;" for ">". Raises
    Stopped.
    """
    places = _Places(body)
    _grown(body, limits)
    _gate(places)
    reader = _reader(limits, body)
    try:
        root = etree.fromstring(body, reader.parser)
    except etree.XMLSyntaxError as error:
        raise Stopped(_unexplained(error)) from error
    if reader.suspicious(root, body):
        raise Stopped(Problem("XML-199", {"chi_tiet": "XPath"}))
    return root


def _grown(body: bytes, limits: DocumentLimits) -> None:
    if len(body) > MOST_GROWTH * limits.body_bytes:
        raise Stopped(_too_large(len(body), limits))


def _stop(problems: list[Problem]) -> None:
    if problems:
        raise Stopped(*problems[:MOST_PROBLEMS])


def _why(places: _Places, limits: DocumentLimits) -> list[Problem]:
    return _bad_characters(places) or _DocumentWalk(places, limits).problems()


def _too_large(so_byte: int, limits: DocumentLimits) -> Problem:
    return Problem("XML-002", {"so_byte": so_byte, "gioi_han": limits.body_bytes})


def _unexplained(error: Exception) -> Problem:
    if isinstance(error, etree.XMLSyntaxError):
        line, column = error.position
        at = Location(line or None, column or None)
        if error.code == etree.ErrorTypes.WAR_NS_URI:  # libxml2 is stricter about URIs than the walk
            return Problem("XML-124", {"ten": "xmlns"}, at)
        return Problem("XML-199", {"chi_tiet": f"libxml2 {error.code}"}, at)  # its sentences quote the document
    return Problem("XML-199", {"chi_tiet": type(error).__name__})


class _TreeReader:
    """A parser, and the question asked of every tree it makes. One for each thread: a parser holds a lock."""

    def __init__(self, limits: DocumentLimits, *, huge: bool) -> None:
        self.parser = etree.XMLParser(
            encoding="UTF-8",  # the gate has proven it; no declaration may say otherwise
            resolve_entities=False,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            no_network=True,
            huge_tree=huge,
            recover=False,
            remove_comments=False,
            remove_pis=False,
            collect_ids=False,
        )
        self._attributes = limits.attributes
        self._deep = etree.XPath(f"boolean({'/*' * (limits.depth + 1)})")
        # Steps without predicates on elements: ten times quicker than the same with them.
        self._marked = etree.XPath(
            f"/descendant::*/@*[{limits.attributes + 1}]"
            " or /descendant::comment() or /descendant::processing-instruction()"
            " or /descendant::*/@xsi:type or /descendant::*/@xml:base or /descendant::*/@xml:id",
            namespaces={"xsi": XSI},
        )

    def suspicious(self, root: etree._Element, body: bytes) -> bool:
        """Whether the tree made of these bytes has what none may have. It is asked only for what the bytes leave possible."""
        return self._deep(root) or (self._may_be_marked(body) and self._marked(root))

    def _may_be_marked(self, body: bytes) -> bool:
        """Whether there are signs without which no comment, instruction or attribute can be written that is refused."""
        declared = body.find(b"?>") if body.startswith(b"<?xml ") else -1
        return (
            b"!" in body
            or body.rfind(b"?") > declared
            or _more(body, b"=", self._attributes)
            or b":type" in body  # these have prefixes, and a name can be escaped nowhere
            or b":base" in body
            or b":id" in body
        )


def _more(body: bytes, sign: bytes, most: int) -> bool:
    """Whether a sign stands there more often than that; counting on would cost three times as much."""
    at = -1
    for _ in range(most + 1):
        at = body.find(sign, at + 1)
        if at < 0:
            return False
    return True


_desk = threading.local()
_READERS = 8  # a thread; a node has three kinds of limits: for documents, for SOAP envelopes, for what is on record


def _reader(limits: DocumentLimits, body: bytes) -> _TreeReader:
    # libxml2's own limits are lifted only where ours allow longer texts, and the walk has kept the document to ours by then.
    huge = limits.text_bytes > LONGEST_TEXT and len(body) > LONGEST_TEXT
    readers: dict[tuple[DocumentLimits, bool], _TreeReader] = _desk.__dict__.setdefault("readers", {})
    reader = readers.get((limits, huge))
    if reader is None:
        if len(readers) >= _READERS:
            readers.clear()
        reader = readers[limits, huge] = _TreeReader(limits, huge=huge)
    return reader


# --- the gate ---------------------------------------------------------------------------------------------------------

_BOM = b"\xef\xbb\xbf"
_FOREIGN = {  # how a document begins that is in none of the encodings we read; the longer ones first
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\x00<": "UTF-32",
    b"<\x00\x00\x00": "UTF-32",
    b"\xfe\xff": "UTF-16",
    b"\xff\xfe": "UTF-16",
    b"\x00<": "UTF-16",
    b"<\x00": "UTF-16",
    b"\x4c\x6f\xa7\x94": "EBCDIC",
}
_FOREIGN_OPENINGS = tuple(_FOREIGN)
_NOT_CHARACTERS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE = re.compile(rb"[ \t\r\n]*")
_DECLARATION = re.compile(
    rb"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:\"([^\"<&]*)\"|'([^'<&]*)')"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:\"([A-Za-z][A-Za-z0-9._:-]*)\"|'([A-Za-z][A-Za-z0-9._:-]*)'))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:\"(?:yes|no)\"|'(?:yes|no)'))?[ \t\r\n]*\?>"
)
_START_TAG = re.compile(rb"<[A-Za-z_:\x80-\xff]")
_DECLARED = re.compile(rb"<\?[Xx][Mm][Ll][ \t\r\n?]")
_FOR_THE_WALK = frozenset({"XML-111", "XML-112"})  # no danger to a parser: the walk finds these, and others with them
_TAG = re.compile(rb"<[^<>\"']*+(?:\"[^\"<]*+\"[^<>\"']*+|'[^'<]*+'[^<>\"']*+)*+>")
_NAMESPACE = re.compile(  # possessive: linear on any bytes
    rb"xmlns(?:(?::[^\s=<>\"'/:]*+)?[ \t\r\n]*+=[ \t\r\n]*+(?:\"([^\"<]*+)\"|'([^'<]*+)'))?"
)
_PLAIN = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9/.:#_~%?=+-]*")
_NOT_PLAIN = frozenset(uri.encode() for uri in (*FORBIDDEN, XML, XMLNS))
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*")  # RFC 3986, as libxml2 wants it


def _gate(places: _Places) -> None:
    """Lets pass what a parser may see: UTF-8, XML 1.0, no DOCTYPE. Raises Stopped."""
    body = places.body
    if not body.lstrip(b" \t\r\n"):
        raise Stopped(Problem("XML-001"))
    if body.startswith(_FOREIGN_OPENINGS):
        encoding = next(encoding for opening, encoding in _FOREIGN.items() if body.startswith(opening))
        raise Stopped(Problem("XML-101", {"bang_ma": encoding}, Location(1, 1)))
    if body.startswith(_BOM):
        raise Stopped(Problem("XML-104", {}, Location(1, 1)))
    end, declaration = _declaration(places)
    prolog = _prolog(places, end)
    try:
        body.decode()
        characters = _bad_characters(places) if b"\0" in body else []
    except UnicodeDecodeError as error:
        byte = Problem("XML-103", {"byte": f"0x{body[error.start]:02X}"}, places.at(error.start))
        characters = [] if declaration else [byte]  # another encoding, where one is declared, explains it already
    if characters or declaration or not all(problem.code in _FOR_THE_WALK for problem in prolog):
        _stop([*declaration, *prolog, *characters])


def _declaration(places: _Places) -> tuple[int, list[Problem]]:
    """Where the document goes on behind its XML declaration, and what is wrong with that."""
    body = places.body
    if not _DECLARED.match(body):
        return 0, []
    match = _DECLARATION.match(body)
    if match is None:
        end = body.find(b"?>")
        return end + 2 if end >= 0 else len(body), [Problem("XML-107", {}, places.at(0))]
    version, encoding = match[1] or match[2] or b"", match[3] or match[4] or b"UTF-8"
    problems: list[Problem] = []
    if version != b"1.0":
        at = places.at(max(match.start(1), match.start(2)))
        problems.append(Problem("XML-106", {"phien_ban": version.decode("ascii", "replace")[:20]}, at))
    if encoding.upper() != b"UTF-8":
        at = places.at(max(match.start(3), match.start(4)))
        problems.append(Problem("XML-102", {"bang_ma": encoding.decode("ascii")[:40]}, at))
    return match.end(), problems


def _prolog(places: _Places, at: int) -> list[Problem]:
    """What stands before the root's start tag, where nothing but white space may stand."""
    body, problems = places.body, list[Problem]()
    comments = instructions = 0
    while len(problems) < MOST_PROBLEMS:
        at = _SPACE.match(body, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if _START_TAG.match(body, at):
            break
        if body.startswith(b"<!--", at) and (end := body.find(b"-->", at + 4)) >= 0:
            comments += 1
            problems.append(Problem("XML-111", {}, places.at(at, f"/comment()[{comments}]")))
            at = end + 3
        elif body.startswith(b"<?", at) and (end := body.find(b"?>", at)) >= 0:
            if _DECLARED.match(body, at):
                problems.append(Problem("XML-108", {}, places.at(at)))
            else:
                instructions += 1
                where = places.at(at, f"/processing-instruction()[{instructions}]")
                problems.append(Problem("XML-112", {"ten": _name_at(body, at + 2)}, where))
            at = end + 2
        else:
            code = "XML-115" if at == len(body) else "XML-110" if body.startswith(b"<!DOCTYPE", at) else "XML-113"
            problems.append(Problem(code, {}, places.at(at)))
            break
    return problems


def _bad_characters(places: _Places) -> list[Problem]:
    """Every character that XML does not allow."""
    text = places.body.decode()
    return [
        Problem("XML-105", {"ky_tu": f"U+{ord(match[0]):04X}"}, places.at(len(text[: match.start()].encode())))
        for match in islice(_NOT_CHARACTERS.finditer(text), MOST_PROBLEMS)
    ]


def _cheap(body: bytes, limits: DocumentLimits) -> bool:
    """Whether counting alone shows that lxml may be asked at once: no limit can be exceeded that would cost it dear.

    Depth and attributes are asked of the tree: lxml's own limit of depth is 256, and attributes are cheap until they
    are canonicalised. Names cannot be written with character references, so declarations of namespaces can be counted
    in the bytes; their values can, so a value that is not plain goes to the walk.
    """
    size = len(body)
    if size > limits.text_bytes or size > LONGEST_TEXT or not _plain_namespaces(body, limits.namespaces):
        return False
    if size > MOST_ATTRIBUTES and body.count(b"=") > MOST_ATTRIBUTES:
        return False
    if size > limits.name_bytes and _markup_bytes(body) > limits.name_bytes:
        return False
    if size <= limits.elements * len(b"<a/>"):
        return True
    tags = body.count(b"<")
    return tags <= limits.elements or (b"<!" not in body and tags - body.count(b"</") <= limits.elements)


def _plain_namespaces(body: bytes, most: int) -> bool:
    """Whether there are so many declarations of namespaces at most, and each is as harmless as it looks."""
    at = body.find(b"xmlns")
    while at >= 0:
        match = _NAMESPACE.match(body, at)
        most -= 1
        if most < 0 or match is None or not _plain(match[1] or match[2] or b""):
            return False
        at = body.find(b"xmlns", match.end())
    return True


def _plain(uri: bytes) -> bool:
    return len(uri) <= LONGEST_NAMESPACE and _is_plain(uri)


@functools.lru_cache(maxsize=256)  # all messages name the same few
def _is_plain(uri: bytes) -> bool:
    return _PLAIN.fullmatch(uri) is not None and uri not in _NOT_PLAIN


def _markup_bytes(body: bytes) -> int:
    """How many bytes the different tags have, all together; more than the body where something is no tag."""
    tags = _TAG.findall(body)
    return sum(map(len, set(tags))) if len(tags) == body.count(b"<") else len(body) + 1


_ASCII = bytes(range(0x80))
#: The characters beyond ASCII of Vietnamese as it should be written: NFC leaves each as it is, whatever stands beside it.
_ALWAYS_COMPOSED = re.compile("[\x80-\u02ff\u1ea0-\u1ef9\u2010-\u2027]*")


def _not_composed(body: bytes) -> tuple[Problem, ...]:
    """A remark where text is not in NFC. The bytes may be signed: only their sender can mend them."""
    if _ALWAYS_COMPOSED.fullmatch(body.translate(None, _ASCII).decode()):
        return ()
    text = body.decode("utf-8-sig")
    if unicodedata.is_normalized("NFC", text):
        return ()
    offset = 0
    for line in text.splitlines(keepends=True):
        if not unicodedata.is_normalized("NFC", line):
            composed = unicodedata.normalize("NFC", line)
            same = next((i for i, (a, b) in enumerate(zip(line, composed, strict=False)) if a != b), len(composed))
            offset += len(line[:same].encode())
            break
        offset += len(line.encode())
    walk = _DocumentWalk(_Places(body.removeprefix(_BOM)), _UNCOUNTED, until=offset)
    walk.run()
    return (Problem("XML-150", {}, walk.places.at(offset, walk.path())),)


# --- the walk ---------------------------------------------------------------------------------------------------------

_CHUNK = 64 * 2**10
_LONGEST_TAG = 256 * 2**10  # bytes of one tag, comment or processing instruction
_BARE = re.compile(rb"&[^;<&\s]*\Z|<\Z|&[^;<&\s]*.\Z|<[^/]\Z", re.DOTALL)  # right before, or at, the place of the error
_NAME_AT = re.compile(rb"[</&\s]*([^\s<>/&=;]*)")


class _Errors:
    """expat's numbers, under names that a case can match."""

    NO_ELEMENTS = expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]
    INVALID_TOKEN = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]
    UNCLOSED_TOKEN = expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN]
    TAG_MISMATCH = expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]
    DUPLICATE_ATTRIBUTE = expat.errors.codes[expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE]
    JUNK_AFTER_DOC_ELEMENT = expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
    UNDEFINED_ENTITY = expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
    BAD_CHAR_REF = expat.errors.codes[expat.errors.XML_ERROR_BAD_CHAR_REF]
    MISPLACED_XML_PI = expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI]


class _Enough(Exception):
    """There is nothing more to learn from this document."""


class _Places:
    """Lines and columns of byte offsets, quick in ascending order. Columns count characters; CR LF is one break."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._offset, self._line, self._column = 0, 1, 1

    def at(self, offset: int, xpath: str | None = None) -> Location:
        """The place of a byte. Offsets count without a byte order mark."""
        if offset < self._offset:
            self._offset, self._line, self._column = 0, 1, 1
        between = self.body[self._offset : offset].decode("utf-8", "replace")
        breaks = between.replace("\r\n", "\n").replace("\r", "\n")
        if between.endswith("\r") and self.body[offset : offset + 1] == b"\n":
            breaks = breaks[:-1]  # the middle of a CR LF still belongs to the line it ends
        lines = breaks.count("\n")
        self._line += lines
        self._column = len(breaks) - breaks.rfind("\n") if lines else self._column + len(breaks)
        self._offset = offset
        return Location(self._line, self._column, xpath)


class _Frame:
    """An open element."""

    __slots__ = ("counts", "name", "offset", "path", "scope")

    def __init__(self, name: str, path: str, offset: int, scope: _Scope) -> None:
        self.name = name
        self.path = path
        self.offset = offset
        self.scope = scope
        self.counts: dict[str, int] = {}  # children so far, by expanded name


class _Scope:
    """The namespaces in scope, with the names already resolved in it."""

    __slots__ = ("known", "prefixes")

    def __init__(self, prefixes: dict[str, str]) -> None:
        self.prefixes = prefixes
        self.known: dict[str, str | None] = {}

    def expanded(self, name: str) -> str | None:
        """``{namespace}local`` of an element's name, or None where its prefix is not declared."""
        if name not in self.known:
            prefix, colon, local = name.rpartition(":")
            uri = self.prefixes.get(prefix) if colon else self.prefixes.get("", "")
            self.known[name] = None if uri is None else f"{{{uri}}}{local}"
        return self.known[name]


class _DocumentWalk:
    """Streams over a document and writes down what is wrong with it, and where what was asked for stands."""

    def __init__(
        self,
        places: _Places,
        limits: DocumentLimits,
        *,
        until: int | None = None,
        wanted: Collection[str] = frozenset(),
    ) -> None:
        self.places = places
        self.limits = limits
        self.until = until  # an offset at which to stop, to see what is open there
        self.wanted = set(wanted)
        self.found: dict[str, Location] = {}
        self._problems: list[Problem] = []
        self._open: list[_Frame] = []
        self._top: dict[str, int] = {}  # what stands beside the root
        self._names: set[str] = set()
        self._name_bytes = 0
        self._elements = 0
        self._attributes_seen = 0
        self._last = 0  # offset of the last tag
        self._parser = expat.ParserCreate("UTF-8")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CommentHandler = self._comment
        self._parser.ProcessingInstructionHandler = self._instruction

    def problems(self) -> list[Problem]:
        """Everything wrong with the document, in its order."""
        self.run()
        return self._problems

    def run(self) -> None:
        body = self.places.body
        try:
            for fed in range(_CHUNK, len(body) + _CHUNK, _CHUNK):
                self._parser.Parse(body[fed - _CHUNK : fed], False)
                read = max(self._parser.CurrentByteIndex, 0)
                if min(fed, len(body)) - read > _LONGEST_TAG:
                    self._stuck(read)
            self._parser.Parse(b"", True)
        except _Enough:
            pass
        except expat.ExpatError as error:
            with suppress(_Enough):  # it may be the last problem there is room for
                self._add(self._malformed(error))

    def path(self) -> str | None:
        """The XPath of the innermost element that is open."""
        return self._open[-1].path if self._open else None

    # What expat calls

    def _start(self, name: str, attributes: list[str]) -> None:
        at = self._step()
        self._elements += 1
        limits = self.limits
        parent = self._open[-1] if self._open else None
        scope = parent.scope if parent else _Scope({"xml": XML})
        plain: list[tuple[str, str]] = []
        if attributes:
            self._attributes_seen += len(attributes) // 2
            declared: dict[str, str] | None = None
            for key, value in zip(attributes[::2], attributes[1::2], strict=True):
                if key == "xmlns" or key.startswith("xmlns:"):
                    declared = dict(scope.prefixes) if declared is None else declared
                    _declare(declared, key[6:], value)
                else:
                    plain.append((key, value))
            if declared is not None:
                scope = _Scope(declared)
        expanded = scope.expanded(name)
        counts = parent.counts if parent else self._top
        number = counts[expanded or name] = counts.get(expanded or name, 0) + 1
        frame = _Frame(name, f"{parent.path}/{name}[{number}]" if parent else f"/{name}", at, scope)
        self._open.append(frame)
        if self.wanted:
            self._note(frame, plain)

        if self._elements > limits.elements:
            self._last_words(Problem("XML-131", {"gioi_han": limits.elements}, self.places.at(at, frame.path)))
        if self._attributes_seen > MOST_ATTRIBUTES:
            self._last_words(Problem("XML-137", {"gioi_han": MOST_ATTRIBUTES}, self.places.at(at, frame.path)))
        if len(self._open) > limits.depth:
            self._last_words(Problem("XML-130", {"gioi_han": limits.depth}, self.places.at(at, frame.path)))
        if len(scope.prefixes) - 1 > limits.namespaces:
            facts = {"ten": _shown(name), "gioi_han": limits.namespaces}
            self._last_words(Problem("XML-133", facts, self.places.at(at, frame.path)))
        self._name(name, frame)
        if expanded is None and _is_qname(name):
            self._add(Problem("XML-121", {"tien_to": _shown(name.partition(":")[0])}, self.places.at(at, frame.path)))
        elif expanded is not None and (code := FORBIDDEN.get(expanded[1:].partition("}")[0])):
            self._add(Problem(code, {"ten": _shown(name)}, self.places.at(at, frame.path)))
        if scope is not (parent and parent.scope):
            self._declarations(attributes, frame)
        if plain:
            self._attributes(plain, frame)

    def _attributes(self, plain: list[tuple[str, str]], frame: _Frame) -> None:
        if len(plain) > self.limits.attributes:
            facts = {"ten": _shown(frame.name), "gioi_han": self.limits.attributes}
            self._add(Problem("XML-132", facts, self.places.at(frame.offset, frame.path)))
            return
        seen: set[tuple[str, str]] = set()
        for key, _ in plain:
            self._name(key, frame)
            prefix, colon, local = key.partition(":")
            if not colon or not _is_qname(key):
                continue
            uri = frame.scope.prefixes.get(prefix)
            if uri is None:
                code = "XML-121"
            elif (uri, local) in seen:
                code = "XML-120"
            elif (uri, local) == (XSI, "type"):
                code = "XML-140"
            elif uri == XML and local in ("base", "id"):
                code = "XML-141" if local == "base" else "XML-142"
            elif uri in FORBIDDEN:
                code = FORBIDDEN[uri]
            else:
                code = None
            seen.add((uri or prefix, local))
            if code:
                facts = {"tien_to": _shown(prefix)} if code == "XML-121" else {"ten": _shown(key)}
                self._add(Problem(code, facts, self._attribute_place(frame, key)))

    def _declarations(self, attributes: list[str], frame: _Frame) -> None:
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            if key != "xmlns" and not key.startswith("xmlns:"):
                continue
            prefix = key[6:]
            reserved = prefix == "xmlns" or (prefix == "xml") != (value == XML) or value == XMLNS
            if reserved or ":" in prefix or (key != "xmlns" and not value):
                code = "XML-123"
            elif value and not _ABSOLUTE.fullmatch(value):
                code = "XML-124"
            elif len(value) > LONGEST_NAMESPACE:  # it is ASCII
                code = "XML-138"
            else:
                continue
            where = self.places.at(self._offset_of(key, frame.offset), frame.path)
            more = {"gioi_han": LONGEST_NAMESPACE} if code == "XML-138" else {}
            self._add(Problem(code, {"ten": _shown(key), **more}, where))

    def _end(self, _name: str) -> None:
        self._step()
        self._open.pop()

    def _comment(self, _text: str) -> None:
        at = self._step()
        self._add(Problem("XML-111", {}, self.places.at(at, self._beside("comment()"))))

    def _instruction(self, target: str, _data: str) -> None:
        at = self._step()
        path = self._beside("processing-instruction()")
        self._add(Problem("XML-112", {"ten": _shown(target)}, self.places.at(at, path)))

    # What it writes down

    def _step(self) -> int:
        at = self._parser.CurrentByteIndex
        if self.until is not None and at > self.until:
            raise _Enough
        if at - self._last > self.limits.text_bytes:
            place = self.places.at(self._last, self.path())
            self._last_words(Problem("XML-134", {"gioi_han": self.limits.text_bytes}, place))
        self._last = at
        return at

    def _beside(self, step: str) -> str:
        counts = self._open[-1].counts if self._open else self._top
        counts[step] = counts.get(step, 0) + 1
        return f"{self.path() or ''}/{step}[{counts[step]}]"

    def _name(self, name: str, frame: _Frame) -> None:
        if name in self._names:
            return
        self._names.add(name)
        self._name_bytes += len(name.encode())
        if self._name_bytes > self.limits.name_bytes:
            place = self.places.at(frame.offset, frame.path)
            self._last_words(Problem("XML-135", {"gioi_han": self.limits.name_bytes}, place))
        if not _is_qname(name):
            self._add(Problem("XML-122", {"ten": _shown(name)}, self.places.at(frame.offset, frame.path)))

    def _note(self, frame: _Frame, plain: list[tuple[str, str]]) -> None:
        if frame.path in self.wanted:
            self.found[frame.path] = self.places.at(frame.offset, frame.path)
        for key, _ in plain:
            if (path := f"{frame.path}/@{key}") in self.wanted:
                self.found[path] = self._attribute_place(frame, key)
        if len(self.found) == len(self.wanted):
            raise _Enough

    def _attribute_place(self, frame: _Frame, key: str) -> Location:
        return self.places.at(self._offset_of(key, frame.offset), f"{frame.path}/@{key}")

    def _offset_of(self, key: str, tag: int) -> int:
        match = re.compile(rb"[ \t\r\n]" + re.escape(key.encode()) + rb"[ \t\r\n]*=").search(self.places.body, tag)
        return match.start() + 1 if match else tag

    def _add(self, problem: Problem) -> None:
        self._problems.append(problem)
        if len(self._problems) >= MOST_PROBLEMS:
            raise _Enough

    def _last_words(self, problem: Problem) -> None:
        self._problems.append(problem)
        raise _Enough

    def _stuck(self, at: int) -> None:
        self._last_words(Problem("XML-136", {"gioi_han": _LONGEST_TAG}, self.places.at(at, self.path())))

    def _malformed(self, error: expat.ExpatError) -> Problem:
        """What expat's error means to the person who has to mend the document."""
        at, body = max(self._parser.ErrorByteIndex, 0), self.places.body
        comment = body.rfind(b"<!--", 0, at + 4)
        if comment >= self._last and body.find(b"-->", comment, at) < 0:
            return Problem("XML-111", {}, self.places.at(comment, self._beside("comment()")))
        code, facts = "XML-129", {"chi_tiet": expat.ErrorString(error.code)}
        match error.code:
            case _Errors.TAG_MISMATCH:
                at -= len(b"</")
                inner = self._open[-1]
                code, facts = "XML-118", {"dong_the": _name_at(body, at), **self._opened("mo_the", inner)}
            case _Errors.NO_ELEMENTS | _Errors.UNCLOSED_TOKEN if self._open:
                code, facts = "XML-119", self._opened("ten", self._open[-1])
            case _ if not self._open and self._elements and self._last:
                code, facts = "XML-114", {}
            case _Errors.JUNK_AFTER_DOC_ELEMENT:
                code, facts = "XML-114", {}
            case _Errors.UNDEFINED_ENTITY:
                code, facts = "XML-116", {"ten": _name_at(body, at)}
            case _Errors.BAD_CHAR_REF:
                code, facts = "XML-105", {"ky_tu": body[at : body.find(b";", at) + 1].decode()[:20]}
            case _Errors.DUPLICATE_ATTRIBUTE:
                code, facts = "XML-120", {"ten": _name_at(body, at)}
            case _Errors.MISPLACED_XML_PI:
                code, facts = "XML-108", {}
            case _Errors.INVALID_TOKEN if body.startswith(b"<!DOCTYPE", at - 2):
                code, facts, at = "XML-110", {}, at - 2
            case _Errors.INVALID_TOKEN if (bare := _BARE.search(body, max(self._last, at - 80), at + 1)) is not None:
                code, facts, at = "XML-117", {}, bare.start()
        return Problem(code, facts, self.places.at(at, self.path()))

    def _opened(self, fact: str, frame: _Frame) -> dict[str, Any]:
        return {fact: _shown(frame.name), "dong_mo": self.places.at(frame.offset).line}


def _declare(prefixes: dict[str, str], prefix: str, uri: str) -> None:
    if uri or prefix:  # an empty one is no namespace, but its prefix is no second trouble
        prefixes[prefix] = uri
    else:
        prefixes.pop("", None)


def _is_qname(name: str) -> bool:
    return ":" not in name or (name.count(":") == 1 and name[0] != ":" and name[-1] != ":")


def _shown(name: str) -> str:
    return name if len(name) <= 80 else name[:79] + "…"


def _name_at(body: bytes, at: int) -> str:
    match = _NAME_AT.match(body, at)
    return _shown(match[1].decode("utf-8", "replace")) if match else ""


# --- places and claims ------------------------------------------------------------------------------------------------


def locate(body: bytes, xpaths: Collection[str]) -> dict[str, Location]:
    """Where elements and attributes stand, by the absolute XPaths that xpath_of() writes (``…/@Id`` for attributes).

    For bytes that parse_bytes() has taken; asked only when there is something to report. A path that is not in the
    document is not in the answer.
    """
    walk = _DocumentWalk(_Places(body.removeprefix(_BOM)), _UNCOUNTED, wanted=xpaths)
    if xpaths:
        walk.run()
    return walk.found


def xpath_of(element: etree._Element) -> str:
    """The absolute XPath, prefixes as written, every step below the root numbered: ``/lt:ThongDiep/lt:ThanPhan[1]``."""
    steps: list[str] = []
    step: etree._Element | None = element
    while step is not None:
        local = etree.QName(step).localname
        written = f"{step.prefix}:{local}" if step.prefix else local
        before = sum(1 for _ in step.itersiblings(str(step.tag), preceding=True))
        steps.append(written if step.getparent() is None else f"{written}[{before + 1}]")
        step = step.getparent()
    return "/" + "/".join(reversed(steps))


def first_child(element: etree._Element, tag: str) -> etree._Element | None:
    """The first child of this Clark name, as ``find`` answers it at four times the price: that goes through ElementPath."""
    return next(element.iterchildren(tag), None)


_CLAIM = re.compile(r"[0-9A-Za-z._:-]{1,64}")


def header_claims(root: etree._Element) -> Claims:
    """What an unverified tree claims to be. Whatever is missing, nested oddly or not a code is None; never raises."""
    noi_gui = (ma for noi_gui in root.iterchildren("{*}NoiGui") for ma in noi_gui.iterchildren("{*}MaDinhDanh"))
    return Claims(
        ma_thong_diep=_claim(first_child(root, "{*}MaThongDiep")),
        loai=_claim(first_child(root, "{*}LoaiThongDiep")),
        ma_ho_so=_claim(first_child(root, "{*}MaHoSo")) or _claim(root.find("{*}ThanPhan/*/{*}MaHoSo")),
        noi_gui=_claim(next(noi_gui, None)),
    )


def _claim(element: etree._Element | None) -> str | None:
    text = (element.text or "").strip() if element is not None and len(element) == 0 else ""
    return text if _CLAIM.fullmatch(text) else None
