"""The SOAP door: the same trays, readers and refusals as REST, in envelopes of SOAP 1.1 and 1.2 (schemas/wsdl).

A ThongDiep travels as base64Binary or as an MTOM part: bytes, digest and receipt are those of REST, and its signature
stays clear of the SOAP namespaces. A file (GuiTep) goes from its MTOM part to the disk as it comes. Faults carry the same
problems in both languages. Every fault is HTTP 500, whatever it is about: clients of either version of SOAP take nothing
else for a fault (docs/decisions/0111).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import urllib.parse
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from lxml import etree

from gateway.core.allowances import HEAD_BYTES
from gateway.core.limits import DocumentLimits
from gateway.core.model import Acknowledgement, BodyForm, Caller, Channel, Envelope, Fate, MaHoSo
from gateway.core.parties import Party
from gateway.core.problems import Problem, Side, Stopped
from gateway.core.soap_faults import SoapFaultStatus
from gateway.core.stored_files import is_digest
from gateway.documents import parse_bytes
from gateway.services.intake import new_message_id
from gateway.store.filefolder import BLOCK
from gateway.web import answers, files, mime, rest, wsse
from gateway.web import problems as rendering
from gateway.web.answer_types import AnswerType, LoiXuLyStructure, NoiDungThongDiepStructure
from gateway.web.answers import NAMESPACE
from gateway.web.auth import ProvenParty, challenge
from gateway.web.exchange import Body, Exchange
from gateway.web.problems import text
from gateway.web.refusals import Refusal, refuse
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience
from schemas.names import XSD_FOLDER
from signing import wss

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
_NEXT = ("http://schemas.xmlsoap.org/soap/actor/next", f"{SOAP12}/role/next", f"{SOAP12}/role/ultimateReceiver", "")
_WSA = ("http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing")
_ANONYMOUS = {f"{_WSA[0]}/anonymous", f"{_WSA[1]}/role/anonymous", f"{_WSA[0]}/none"}
_XSI = b"http://www.w3.org/2001/XMLSchema-instance"
_XOP = b"http://www.w3.org/2004/08/xop/include"
_TAME_XSI, _TAME_XOP = b"urn:lienthong:xsi", b"urn:lienthong:xop"
_SIGNED = b"http://www.w3.org/2000/09/xmldsig#"
_INCLUDE = f"{{{_TAME_XOP.decode()}}}Include"
_NIL = f"{{{_TAME_XSI.decode()}}}nil"
_DESCRIBED = ("wsdl", "wsdl=", "singlewsdl")  # how clients ask for the WSDL
_MOST_ENTRIES = 64  # in a SOAP header
_HEAD_BYTES = 64 * 1024  # by then a caller without HTTP credentials must have shown a UsernameToken
_CONTENT = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}
_TYPES = ("text/xml", "application/soap+xml", "multipart/related")
# Where a party wants HTTP's own status: what concerns HTTP or the reading of the envelope keeps it, all else is 500.
_HTTP_STATUS = frozenset({401, 403, 408, 413, 415, 417, 429, 431, 503})
_UNREADABLE = frozenset(
    {"SYS-105", "SYS-106", "SYS-108", "SYS-109", "SYS-111", "SYS-130", "SYS-131", "SYS-137", "SYS-138"}
)


@dataclass(slots=True)
class SoapCall:
    """One SOAP request, taken apart."""

    exchange: Exchange
    version: str  # namespace of its envelope
    operation: str
    arguments: etree._Element
    parts: Mapping[str, bytes]
    package: mime.PackageStream | None = None  # what is still on its way: the envelope has come, its part has not
    relates_to: str | None = None
    used: set[str] = field(default_factory=set)

    def values(self, *names: str) -> dict[str, etree._Element]:
        """The parameters by name, each at most once, in any order. Raises Refusal (SYS-136)."""
        found: dict[str, etree._Element] = {}
        for element in self.arguments:
            name = _local(element)
            if name not in names or _namespace(element) not in (NAMESPACE, ""):
                raise self.wrong(name, "không có trong thao tác này", "is unknown here")
            if name in found:
                raise self.wrong(name, "xuất hiện hai lần", "is there twice")
            if element.get(_NIL) not in ("true", "1"):
                found[name] = element
        return found

    def text(self, found: Mapping[str, etree._Element], name: str) -> str:
        """A parameter that must be there, as text. Raises Refusal (SYS-136)."""
        element = found.get(name)
        value = _text(element) if element is not None else ""
        if not value:
            raise self.wrong(name, "bị thiếu", "is missing")
        return value

    def number(self, found: Mapping[str, etree._Element], name: str, default: int, least: int, most: int) -> int:
        """A whole number, or the default where it is left out. Raises Refusal (SYS-136)."""
        element = found.get(name)
        value = _text(element) if element is not None else ""
        if not value:
            return default
        if not re.fullmatch(r"\+?[0-9]{1,16}", value) or not least <= int(value) <= most:
            raise self.wrong(name, f"phải trong khoảng {least}…{most}", f"must lie in {least}…{most}")
        return int(value)

    def octets(self, found: Mapping[str, etree._Element], name: str) -> bytes:
        """A base64Binary that must be there: inline, or the MTOM part it includes. Raises Refusal."""
        element = found.get(name)
        if element is None:
            raise self.wrong(name, "bị thiếu", "is missing")
        if len(element):
            return self._included(element, name)
        try:
            return base64.b64decode("".join((element.text or "").split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.wrong(name, "không phải base64", "is not base64") from error

    def wrong(self, parameter: str, vi: str, en: str) -> Refusal:
        """The refusal of one parameter."""
        facts = {"parameter": parameter[:60], "operation": self.operation, "reason_vi": vi, "reason_en": en}
        return Refusal(Problem("SYS-136", facts))

    def check_parts(self) -> None:
        """Every part of a package must have been used. Raises Refusal (SYS-138)."""
        if left := set(self.parts) - self.used:
            raise refuse("SYS-138", reason=f"{len(left)} × Content-ID")

    def blocks(self, found: Mapping[str, etree._Element], name: str) -> tuple[AsyncGenerator[bytes, None], int]:
        """A base64Binary in blocks, as its part comes where it is still on its way; and how long it is at least."""
        element = found.get(name)
        if self.package is None or element is None or not len(element):
            content = self.octets(found, name)
            self.check_parts()
            return self._inline(content), len(content)
        announced = (self.exchange.request.content_length or 0) - self.package.came - mime.MOST_HEADER
        return self.package.part(self._cid(element, name), BLOCK), max(announced, 0)

    async def _inline(self, content: bytes) -> AsyncGenerator[bytes, None]:
        """What stands in the envelope itself: the smallest files of toolkits that send others as parts."""
        yield content
        if self.package is not None:
            await self.package.end()

    def _included(self, element: etree._Element, name: str) -> bytes:
        cid = self._cid(element, name)
        if cid not in self.parts:
            raise refuse("SYS-138", reason="href")
        if cid in self.used:
            raise refuse("SYS-138", reason="cid × 2")
        self.used.add(cid)
        return self.parts[cid]

    def _cid(self, element: etree._Element, name: str) -> str:
        """The Content-ID of the part that an xop:Include stands for. Raises Refusal."""
        include = element[0]
        if include.tag != _INCLUDE or len(element) > 1 or (element.text or "").strip() or (include.tail or "").strip():
            raise self.wrong(name, "phải là base64 hoặc một xop:Include", "must be base64 or one xop:Include")
        href = include.get("href", "")
        if not href.startswith("cid:"):
            raise refuse("SYS-138", reason="href")
        return urllib.parse.unquote(href[4:])


Operation = Callable[[SoapCall], Awaitable[AnswerType]]


# -- a request --------------------------------------------------------------------------------------------------------


async def post_soap(exchange: Exchange) -> WholeAnswer:
    """Answers one SOAP request; whatever goes wrong becomes a fault."""
    kind, given = mime.parameters(exchange.request.headers.get("Content-Type", ""))
    exchange.soap = _spoken(exchange)
    nobody = _by_http(exchange)
    if exchange.query_string.lower() not in _DESCRIBED:  # many set the address of the WSDL as that of the service
        exchange.query()
    try:
        exchange.check_content(_TYPES)
    except Refusal as refusal:
        raise nobody or refusal from refusal  # a stranger is told no more than that
    if kind == "multipart/related" and _named(exchange, _action_of(given)) in _actions("GuiTep"):
        return await _streamed(exchange, nobody)
    data, head_user = await _arrived(exchange, nobody)
    who = exchange.who
    body = data.data
    parts: Mapping[str, bytes] = {}
    action = given.get("action", "")
    packed = kind == "multipart/related"
    if data.cut:
        return await _unreadable(exchange, data)
    if packed:
        package = mime.unpack(body, exchange.request.headers["Content-Type"])
        body, parts, kind = package.root, package.parts, package.root_type
        action = package.action or action
    try:
        root = _read_once(exchange, body, packed=packed)
    except Stopped:
        return await _unreadable(exchange, _body(body, data.most))
    call = _opened(exchange, root, kind, parts)
    try:
        _headers_of(call, root, who, head_user)
    except Stopped as stop:
        return fault(exchange, stop.problems, status=401 if who.caller.by == "x509" else None)
    if who.caller.by == "x509" and not exchange.proven:
        raise refuse("AUT-101", headers=challenge())
    _check_action(call, action)
    answer = await _OPERATIONS[call.operation](call)
    call.check_parts()
    return _answered(call, answer)


async def _streamed(exchange: Exchange, nobody: Refusal | None) -> WholeAnswer:
    """A file in a package: its envelope is read and judged first, then its part goes to the disk as it comes."""
    chunks = exchange.blocks(BLOCK // 2)
    try:
        package = mime.PackageStream(chunks, exchange.request.headers["Content-Type"])
        envelope = await package.envelope(_HEAD_BYTES)
        user = None if nobody is None else _caller_in(envelope.root, True, exchange)
        if isinstance(user, Party) or _SIGNED in envelope.root:  # it would have to cover a part that is still to come
            exchange.identity = None if isinstance(user, Party) else exchange.identity
            raise refuse("SYS-139", reason="Signature + xop:Include")
        try:
            root = _read_once(exchange, envelope.root, packed=True)
        except Stopped as stop:
            return _closing(fault(exchange, stop.problems, readable=False))
        call = _opened(exchange, root, envelope.root_type, {})
        call.package = package
        _headers_of(call, root, exchange.who, user)
        _check_action(call, envelope.action)
        return _answered(call, await _OPERATIONS[call.operation](call))
    finally:
        await chunks.aclose()


def _closing(response: WholeAnswer) -> WholeAnswer:
    response.force_close()
    return response


def _action_of(given: Mapping[str, str]) -> str:
    """The action that a package's Content-Type names: SOAP 1.2 has it there, some within start-info."""
    return given.get("action", "") or mime.parameters(given.get("start-info", ""))[1].get("action", "")


def _named(exchange: Exchange, action: str) -> str:
    """The action that is named, by a header or by the Content-Type."""
    return exchange.request.headers.get("SOAPAction", "").strip().strip('"') or action


def _check_action(call: SoapCall, action: str) -> None:
    """Raises Refusal (SYS-134) where another operation is named than stands in the envelope."""
    named = _named(call.exchange, action)
    if named and named not in _actions(call.operation):
        raise refuse("SYS-134", found=named[:100], operation=call.operation)


def _read_once(exchange: Exchange, body: bytes, *, packed: bool) -> etree._Element:
    """The envelope. Raises Stopped; Refusal (SYS-005) for bytes at which a process has crashed before."""
    digest = hashlib.sha256(body).hexdigest()
    if exchange.door.crashes.guilty(digest):
        raise refuse("SYS-005", digest=digest)
    signed = _SIGNED in body  # what is signed is read as it stands, by the rules for documents
    with exchange.door.crashes.reading(digest):
        return parse_bytes(body if signed else tame(body, mtom=packed), _limits(exchange))


def _by_http(exchange: Exchange) -> Refusal | None:
    """Identifies the caller by HTTP or TLS; the refusal that stands unless a SOAP header says who calls, or None.

    Raises Refusal for credentials that are wrong, and where nobody could prove himself by a SOAP header.
    """
    door, headers = exchange.door, exchange.request.headers
    parties = door.gate.parties
    peer = door.doorkeeper.address(headers, exchange.peer)
    try:
        exchange.identity = door.doorkeeper.identify(headers, peer, exchange.tls, parties)
    except Refusal as refusal:
        if refusal.problem.code != "AUT-101" or not any(p.credentials.basic or p.certificates for p in parties):
            raise
        return refusal
    return None


def _spoken(exchange: Exchange) -> str:
    """The version of SOAP that the request's head announces."""
    kind, given = mime.parameters(exchange.request.headers.get("Content-Type", ""))
    return SOAP12 if kind == "application/soap+xml" or "soap+xml" in given.get("start-info", "") else SOAP11


async def _arrived(exchange: Exchange, nobody: Refusal | None) -> tuple[Body, wsse.UserName | None]:
    """The body of a caller who is known before it is read: by HTTP, or by the SOAP header at its beginning."""
    door = exchange.door
    limit = _most(door.settings.limits.body_bytes)
    if nobody is None:
        if (exchange.request.content_length or limit) > _HEAD_BYTES:  # no question is as long as that
            door.check_allowance(exchange.who.party, messages=0, size=exchange.request.content_length or 1)
        return await exchange.body(limit), None
    seen: list[wsse.UserName] = []

    def known(start: bytes, at_end: bool) -> bool:
        who = _caller_in(start, at_end, exchange)
        if isinstance(who, wsse.UserName):
            seen.append(who)
        return who is not None

    return await exchange.body(limit, known=known), seen[0] if seen else None


def _caller_in(start: bytes, at_end: bool, exchange: Exchange) -> wsse.UserName | Party | None:
    """Who the header at the beginning of a body says calls; None while too little has come. Raises Refusal when it is nobody."""
    end = re.search(rb"</(?:[A-Za-z_][\w.-]*:)?Header\s*>", start)
    if end is None:
        if at_end or re.search(rb"<(?:[A-Za-z_][\w.-]*:)?Body[\s>/]", start):
            raise refuse("AUT-101", headers=challenge())
        if len(start) > _HEAD_BYTES:
            raise refuse("SYS-142", limit_bytes=_HEAD_BYTES, close=True)
        return None
    door, who = exchange.door, _claimed_at(start, end.end(), exchange)
    if isinstance(who, wsse.UserName):
        peer = door.doorkeeper.address(exchange.request.headers, exchange.peer)
        identity = door.doorkeeper.by_user(who.user, who.password, peer, door.gate.parties, "username-token")
        exchange.identity = door.doorkeeper.admit(identity)
    else:  # anybody can show a certificate: believed, and counted, once the signature is verified
        exchange.identity = ProvenParty(who, Caller(party=who.id, by="x509"))
    return who


def _claimed_at(start: bytes, end: int, exchange: Exchange) -> wsse.UserName | Party:
    """Who the header says calls, while the body is still on its way: a name with password, or whose certificate signs.

    Raises Refusal (401) when it is nobody.
    """
    nobody = refuse("AUT-101", headers=challenge())
    opening = re.search(rb"<((?:[A-Za-z_][\w.-]*:)?Envelope)[\s>]", start[:end])
    if opening is None:
        raise nobody
    try:
        root = parse_bytes(tame(start[opening.start() : end] + b"</" + opening.group(1) + b">"), _limits(exchange))
    except Stopped as stop:
        raise nobody from stop
    security = root.find(f"{{*}}Header/{wsse.SECURITY}")
    user = wsse.user_of(security) if security is not None else None
    if user is None:
        fingerprint = wss.bearer(security) if security is not None else None
        found = exchange.door.gate.parties.by_signing_certificate(fingerprint) if fingerprint else None
        if found is None:
            raise nobody
        return found[0]
    if not exchange.is_private:
        raise refuse("SYS-140")
    return user


def _opened(exchange: Exchange, root: etree._Element, kind: str, parts: Mapping[str, bytes]) -> SoapCall:
    """The call in an envelope. Raises Refusal (SYS-130, 131, 133)."""
    version = _namespace(root)
    if _local(root) != "Envelope" or version not in (SOAP11, SOAP12):
        raise refuse("SYS-130", found=_local(root)[:60])
    exchange.soap = version
    if (kind == "application/soap+xml") != (version == SOAP12):
        raise refuse("SYS-131", reason=f"Content-Type: {kind}")
    body = _body_of(root, version)
    inside = list(body)
    if len(inside) != 1 or (body.text or "").strip() or (inside[0].tail or "").strip():
        raise refuse("SYS-131", reason="Body/*")
    operation = _local(inside[0])
    if _namespace(inside[0]) != NAMESPACE or operation not in _OPERATIONS:
        raise refuse("SYS-133", operation=f"{{{_namespace(inside[0])[:80]}}}{operation[:60]}")
    return SoapCall(exchange=exchange, version=version, operation=operation, arguments=inside[0], parts=parts)


def _body_of(root: etree._Element, version: str) -> etree._Element:
    """The one Body of an envelope. Raises Refusal (SYS-131) for an envelope that is more than a Header and a Body."""
    children = list(root)
    if children and children[0].tag == f"{{{version}}}Header":
        children = children[1:]
    if len(children) != 1 or children[0].tag != f"{{{version}}}Body":
        raise refuse("SYS-131", reason="Header?, Body")
    body = children[0]
    if any(e not in (root, body) and _is_envelope_or_body(e) for e in root.iter(etree.Element)):
        raise refuse("SYS-131", reason="Body × 2")
    if len(root) > 1 and len(root[0]) > _MOST_ENTRIES:
        raise refuse("SYS-131", reason=f"Header/* ≤ {_MOST_ENTRIES}")
    return body


def _is_envelope_or_body(element: etree._Element) -> bool:
    return _namespace(element) in (SOAP11, SOAP12) and _local(element) in ("Envelope", "Body")


def _headers_of(call: SoapCall, root: etree._Element, who: ProvenParty, head_user: wsse.UserName | None) -> None:
    """Looks at every header entry. Raises Refusal: must be understood and is not, foreign addresses, bad credentials."""
    header = root.find(f"{{{call.version}}}Header")
    users: list[wsse.UserName] = []
    for entry in header if header is not None else ():
        if entry.tag == wsse.SECURITY:
            wsse.check_time(entry, call.exchange.door.clock())
            if entry.find(f"{{{wsse.DSIG}}}Signature") is not None:
                _signed_by(call, root, entry)
            if (user := wsse.user_of(entry)) is not None:
                users.append(user)
        elif _namespace(entry) in _WSA:
            _addressed(call, entry)
        elif _must_understand(entry, call.version):
            refusal = refuse("SYS-132", header=_local(entry)[:60])
            raise _NotUnderstood(refusal.problem, entry)
    if head_user is None:
        _named_by(call.exchange, users, who)
    elif users != [head_user]:  # the beginning said one thing and the whole another
        raise refuse("SYS-139", reason="UsernameToken")


def _named_by(exchange: Exchange, users: Sequence[wsse.UserName], who: ProvenParty) -> None:
    """Raises Refusal unless each name with password is that of the caller who is known already."""
    if users and not exchange.is_private:
        raise refuse("SYS-140")
    for user in users:
        found = exchange.door.doorkeeper.by_user(
            user.user, user.password, exchange.peer, exchange.door.gate.parties, "username-token"
        )
        if found.party.id != who.party.id:
            raise refuse("AUT-104", headers=challenge())


def _signed_by(call: SoapCall, root: etree._Element, security: etree._Element) -> None:
    """Verifies a signature over the Body. Raises Refusal, or Stopped with what the signature is refused for."""
    exchange = call.exchange
    found = wss.verify_body(root, security, exchange.door.gate.trust, exchange.door.gate.parties, exchange.door.clock())
    if exchange.who.party.id != found.party.id:
        raise refuse("AUT-104", headers=challenge())
    if exchange.who.caller.by == "x509":
        exchange.door.doorkeeper.admit(exchange.who)
        exchange.proven = True


def _addressed(call: SoapCall, entry: etree._Element) -> None:
    name, value = _local(entry), _text(entry)
    if name in ("ReplyTo", "FaultTo", "From"):
        address = entry.findtext(f"{{{_namespace(entry)}}}Address", "").strip()
        if name != "From" and address not in _ANONYMOUS:
            raise refuse("SYS-135", header=name)
    elif name == "Action" and value and value not in _actions(call.operation):
        raise refuse("SYS-134", found=value[:100], operation=call.operation)
    elif name == "MessageID" and len(value) <= 200:
        call.relates_to = value


def _must_understand(entry: etree._Element, version: str) -> bool:
    demanded = entry.get(f"{{{version}}}mustUnderstand", "0").strip() in ("1", "true")
    role = entry.get(f"{{{SOAP11}}}actor") if version == SOAP11 else entry.get(f"{{{SOAP12}}}role")
    return demanded and (role or "").strip() in _NEXT


async def _unreadable(exchange: Exchange, data: Body) -> WholeAnswer:
    """An envelope that cannot be read is on record like any message that cannot be read.

    Raises Refusal (401) where its header only shows a certificate: in that party's name nothing is recorded or counted.
    """
    if exchange.who.caller.by == "x509" and not exchange.proven:
        exchange.identity = None
        raise refuse("AUT-101", headers=challenge())
    now = exchange.door.clock()
    most = len(data.data) if data.cut else exchange.door.settings.limits.body_bytes
    exchange.door.check_allowance(exchange.who.party, size=len(data.data))
    envelope = Envelope(
        id=new_message_id(now),
        body=data.data[:most],
        digest=data.digest,
        total_bytes=data.total_bytes,
        caller=exchange.who.caller,
        channel=Channel.SOAP,
        received_at=now,
        content_type=exchange.request.headers.get("Content-Type", "")[:200],
    )
    ack = await rest.laid(exchange, envelope)
    response = fault(exchange, ack.problems, ack=ack, readable=False)
    if data.cut:
        response.force_close()
    return response


# -- operations -------------------------------------------------------------------------------------------------------


class _NotUnderstood(Refusal):
    """A header entry that must be understood and is not: a SOAP 1.2 fault names it."""

    def __init__(self, problem: Problem, entry: etree._Element) -> None:
        super().__init__(problem)
        self.namespace, self.local = _namespace(entry), _local(entry)


class _Rejected(Refusal):
    """A message that was recorded and refused: its fault carries the receipt."""

    def __init__(self, ack: Acknowledgement) -> None:
        super().__init__(ack.problems[0])
        self.ack = ack


def _envelope(
    call: SoapCall, body: bytes, *, form: BodyForm = BodyForm.THONG_DIEP, own_key: str | None = None
) -> Envelope:
    now = call.exchange.door.clock()
    limit = call.exchange.door.settings.limits.body_bytes
    whole = Envelope.of(
        body,
        id=new_message_id(now),
        caller=call.exchange.who.caller,
        channel=Channel.SOAP,
        received_at=now,
        form=form,
        own_key=own_key,
        content_type="application/xml",
    )
    return whole if len(body) <= limit else replace(whole, body=body[: min(limit, HEAD_BYTES)])


async def gui_thong_diep(call: SoapCall) -> AnswerType:
    """Takes a signed message. A refused one is a fault with its problems and receipt."""
    body = call.octets(call.values("NoiDung"), "NoiDung")
    call.check_parts()
    call.exchange.door.check_allowance(call.exchange.who.party, size=len(body))
    ack = await rest.laid(call.exchange, _envelope(call, body))
    if ack.fate is Fate.REJECTED:
        raise _Rejected(ack)
    return answers.acknowledgement(ack)


async def gui_tep(call: SoapCall) -> AnswerType:
    """Takes a file beside messages; what is told of it says how a message names it."""
    desk, found = files.desk_of(call.exchange), call.values("NoiDung", "BamSHA256")
    digest = _text(found["BamSHA256"]).lower() if "BamSHA256" in found else None
    if digest is not None and not is_digest(digest):
        raise call.wrong("BamSHA256", "phải là SHA-256, 64 chữ số hệ 16", "must be a SHA-256, 64 hex digits")
    blocks, size = call.blocks(found, "NoiDung")
    return files.file_answer(await files.taken(call.exchange, desk, blocks, size, digest))


async def kiem_tra_thong_diep(call: SoapCall) -> AnswerType:
    """What a message would come to; a refusal is an answer here, not a fault, since nothing was asked to happen."""
    body = call.octets(call.values("NoiDung"), "NoiDung")
    call.check_parts()
    call.exchange.door.check_allowance(call.exchange.who.party, size=0)
    return answers.judgement(await rest.looked_at(call.exchange, _envelope(call, body)))


async def lay_cap_nhat(call: SoapCall) -> AnswerType:
    """A page of the caller's own inbox."""
    found = call.values("Sau", "SoLuong", "Cho")
    limits = call.exchange.door.settings.door
    after = call.number(found, "Sau", 0, 0, 2**53)
    limit = call.number(found, "SoLuong", min(100, limits.page), 1, limits.page)
    wait = call.number(found, "Cho", 0, 0, int(limits.wait_s))
    return await rest.page_for(call.exchange, after, limit, wait)


async def lay_thong_diep(call: SoapCall) -> AnswerType:
    """One message's original bytes."""
    exchange = call.exchange
    name = call.text(call.values("MaThongDiep"), "MaThongDiep")
    digest, data, kind = await exchange.door.read(rest.original_of, exchange.door.gate, exchange.who, name)
    return NoiDungThongDiepStructure(BamNoiDung=digest, KieuNoiDung=kind, NoiDung=data)


async def tra_cuu_ho_so(call: SoapCall) -> AnswerType:
    """The timeline of a dossier."""
    code = call.text(call.values("MaHoSo"), "MaHoSo")
    return await call.exchange.door.read(rest.timeline_for, call.exchange, MaHoSo(code))


async def trang_thai_thong_diep(call: SoapCall) -> AnswerType:
    """What became of a message."""
    exchange = call.exchange
    name = call.text(call.values("MaThongDiep"), "MaThongDiep")
    return await exchange.door.read(rest.fate_of, exchange.door.gate, exchange.who, name)


async def nop_goi(call: SoapCall) -> AnswerType:
    """Typed submissions: a result for each packet, and one wrong packet does not hurt the others."""
    form = BodyForm(call.operation)
    rows: list[tuple[bytes, str | None]] = []
    for element in call.arguments:
        if _local(element) != "Goi" or _namespace(element) not in (NAMESPACE, ""):
            raise call.wrong(_local(element), "không có trong thao tác này", "is unknown here")
        rows.append(soap_packet_of(element, call.operation))
    if not 1 <= len(rows) <= rest.MOST_PACKETS:
        raise call.wrong(
            "Goi", f"phải có từ 1 đến {rest.MOST_PACKETS}", f"must be there 1 to {rest.MOST_PACKETS} times"
        )
    size = sum(len(body) for body, _ in rows)
    call.exchange.door.check_allowance(call.exchange.who.party, messages=len(rows), size=size)
    envelopes = [_envelope(call, body, form=form, own_key=own_key) for body, own_key in rows]
    return await rest.laid_all(call.exchange, envelopes)


def soap_packet_of(element: etree._Element, name: str) -> tuple[bytes, str | None]:
    """The packet inside a ``Goi`` as a document of its own without namespace, and the sender's key beside it."""
    own_key: str | None = None
    parts: list[str] = []
    for child in element:
        if _local(child) == "MaGui":
            own_key = _text(child)[:200] or None
        else:
            _copied(child, parts)
    return f"<{name}>{''.join(parts)}</{name}>".encode(), own_key


def _copied(element: etree._Element, parts: list[str]) -> None:
    if element.get(_NIL) in ("true", "1"):
        return  # how some toolkits write "left out"
    name = _local(element)
    parts.append(f"<{name}>")
    if len(element):
        for child in element:
            _copied(child, parts)
    else:
        parts.append(text(element.text or ""))
    parts.append(f"</{name}>")


_OPERATIONS: Mapping[str, Operation] = {
    "GuiThongDiep": gui_thong_diep,
    "GuiTep": gui_tep,
    "KiemTraThongDiep": kiem_tra_thong_diep,
    "LayCapNhat": lay_cap_nhat,
    "LayThongDiep": lay_thong_diep,
    "TraCuuHoSo": tra_cuu_ho_so,
    "TrangThaiThongDiep": trang_thai_thong_diep,
    BodyForm.CAP_NHAT_TIEN_DO_MC.value: nop_goi,
    BodyForm.DONG_BO_MC.value: nop_goi,
}


def _actions(operation: str) -> Collection[str]:
    """The spellings of SOAPAction and wsa:Action that toolkits make of namespace, port type and operation."""
    return (
        f"{NAMESPACE}/{operation}",
        f"{NAMESPACE}#{operation}",
        f"{NAMESPACE}{operation}",
        f"{NAMESPACE}/TrucLienThongPortType/{operation}Request",
        f"{NAMESPACE}/TrucLienThongPortType/{operation}",
        operation,
    )


# -- answers and faults -----------------------------------------------------------------------------------------------


def _answered(call: SoapCall, answer: AnswerType) -> WholeAnswer:
    inner = answers.element("TraLoi", answer)
    header = ""
    if call.relates_to is not None:
        header = (
            f'<soap:Header><wsa:Action xmlns:wsa="{_WSA[0]}">{NAMESPACE}/TrucLienThongPortType/{call.operation}Response'
            f'</wsa:Action><wsa:RelatesTo xmlns:wsa="{_WSA[0]}">{text(call.relates_to)}</wsa:RelatesTo></soap:Header>'
        )
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<soap:Envelope xmlns:soap=\"{call.version}\">{header}<soap:Body>"
        f'<{call.operation}Response xmlns="{NAMESPACE}">{inner}</{call.operation}Response></soap:Body></soap:Envelope>'
    )
    return call.exchange.response(200, body.encode("utf-8", "replace"), _CONTENT[call.version])


def fault_of(exchange: Exchange, refusal: Refusal) -> WholeAnswer:
    """A refusal as a fault."""
    ack = refusal.ack if isinstance(refusal, _Rejected) else None
    found = ack.problems if ack else [refusal.problem]
    exchange.soap = exchange.soap or _spoken(exchange)  # the door's own refusals come before the envelope is looked at
    return fault(
        exchange,
        found,
        ack=ack,
        headers=refusal.headers,
        readable=refusal.problem.code not in _UNREADABLE,
        header=_fault_header(exchange, refusal),
    )


def _fault_header(exchange: Exchange, refusal: Refusal) -> str:
    """What SOAP 1.2 asks a fault to say in its header: which versions are spoken, which entry was not understood."""
    if exchange.soap == SOAP12 and isinstance(refusal, _NotUnderstood):
        space = text(refusal.namespace).replace('"', "&quot;")
        named = f'xmlns:x="{space}" qname="x:{refusal.local}"' if space else f'qname="{refusal.local}"'
        return f"<soap:NotUnderstood {named}/>"
    if refusal.problem.code == "SYS-130":
        return (
            f'<u:Upgrade xmlns:u="{SOAP12}"><u:SupportedEnvelope qname="a:Envelope" xmlns:a="{SOAP12}"/>'
            f'<u:SupportedEnvelope qname="b:Envelope" xmlns:b="{SOAP11}"/></u:Upgrade>'
        )
    return ""


def fault(
    exchange: Exchange,
    problems: Sequence[Problem],
    *,
    ack: Acknowledgement | None = None,
    headers: Mapping[str, str] | None = None,
    readable: bool = True,
    status: int | None = None,
    header: str = "",
) -> WholeAnswer:
    """A fault with the problems in both languages, and the receipt of a message that was recorded."""
    first = next((p for p in problems if p.outcome.value == "failed"), problems[0])
    inner = answers.element("LoiXuLy", _fault_detail(exchange, problems, ack), NAMESPACE)
    # With the remedy: of a fault that was thrown, a log or a screen shows this line and nothing else.
    sentence = text(f"{first.code}: {first.message(exchange.lang)} {first.remedy(exchange.lang)}")
    # SOAP 1.1, 4.4.1: of class Client is what must not be sent again unchanged; who comes too often should do just that.
    ours = first.entry.side is not Side.SENDER or first.entry.status == 429
    special = {"SYS-130": "VersionMismatch", "SYS-132": "MustUnderstand"}.get(first.code)
    code = special or _AT_FAULT[exchange.soap][ours]
    if exchange.soap == SOAP12:
        # One Text: SOAP 1.2 allows one for each language, and gSOAP drops the whole fault at the second. The detail has both.
        reason = f'<soap:Text xml:lang="{exchange.lang}">{sentence}</soap:Text>'
        content = (
            f"<soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code><soap:Reason>{reason}</soap:Reason>"
            f"<soap:Detail>{inner}</soap:Detail>"
        )
    else:
        content = (
            f'<faultcode>soap:{code}</faultcode><faultstring xml:lang="{exchange.lang}">{sentence}'
            f"</faultstring><detail>{inner}</detail>"
        )
    head = f"<soap:Header>{header}</soap:Header>" if header else ""
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<soap:Envelope xmlns:soap=\"{exchange.soap}\">{head}<soap:Body>"
        f"<soap:Fault>{content}</soap:Fault></soap:Body></soap:Envelope>"
    )
    exchange.meant = status or rendering.http_status_of(problems)
    theirs = not (readable or (exchange.soap == SOAP12 and (ours or special)))
    told = _status_told(exchange, unreadable=bool(theirs))
    return exchange.response(told, body.encode("utf-8", "replace"), _CONTENT[exchange.soap], headers)


def _status_told(exchange: Exchange, *, unreadable: bool) -> int:
    """The HTTP status of a fault: 500, or for who wants it what HTTP itself would say."""
    chosen = exchange.door.settings.door.soap_faults
    if exchange.identity is not None and exchange.identity.party.soap_faults is not None:
        chosen = exchange.identity.party.soap_faults
    if chosen is SoapFaultStatus.ALWAYS_500:
        return 500
    if exchange.meant in _HTTP_STATUS:
        return exchange.meant
    return 400 if unreadable else 500


_AT_FAULT = {SOAP11: ("Client", "Server"), SOAP12: ("Sender", "Receiver")}  # the caller, or we


def _fault_detail(exchange: Exchange, problems: Sequence[Problem], ack: Acknowledgement | None) -> AnswerType:
    return LoiXuLyStructure(
        MaTraCuu=exchange.correlation_id,
        KetQua=str(ack.fate) if ack else None,
        SoTiepNhan=ack.message if ack else None,
        MaThongDiep=ack.ma_thong_diep if ack else None,
        BamNoiDung=ack.digest if ack else None,
        BienNhan=ack.receipt if ack else None,
        DanhSachLoi=answers.problems(problems) or [],
    )


# -- the envelope's bytes ---------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    rb"(?P<comment><!--(?:[^-]|-(?!-))*+-->)|(?P<cdata><!\[CDATA\[(?:[^\]]|\](?!\]>))*+\]\]>)|(?P<other><[?!][^>]*+>)"
    rb"|(?P<tag><[^<>\"']*+(?:\"[^\"<]*+\"[^<>\"']*+|'[^'<]*+'[^<>\"']*+)*+>)|(?P<text>[^<]++)"
)
_MOST_TOKENS = 100_000


def tame(body: bytes, *, mtom: bool = False) -> bytes:
    """The envelope without what toolkits write into it and no message may hold: comments, types, XOP.

    SOAP allows comments (SoapUI writes them) and ``xsi:type`` (SOAP::Lite writes it); the gate for documents refuses
    both. Comments are left out, and the namespaces are renamed to ones that mean nothing to anybody but this module.
    What does not look like XML is given on unchanged, for the gate to refuse.
    """
    pieces: list[bytes] = []
    position = 0
    for _ in range(_MOST_TOKENS):
        if position >= len(body):
            return b"".join(pieces)
        match = _TOKEN.match(body, position)
        if match is None:
            return body
        position = match.end()
        if match.lastgroup == "comment":
            continue
        piece = match.group()
        if match.lastgroup == "tag":
            if _XSI in piece:
                piece = re.sub(rb"(['\"])" + re.escape(_XSI) + rb"\1", rb"\1" + _TAME_XSI + rb"\1", piece)
            if mtom and _XOP in piece:
                piece = re.sub(rb"(['\"])" + re.escape(_XOP) + rb"\1", rb"\1" + _TAME_XOP + rb"\1", piece)
        pieces.append(piece)
    return body


def _most(body_bytes: int) -> int:
    """The most of a SOAP request: a whole message in base64, and the envelope round it."""
    return body_bytes * 4 // 3 + 64 * 1024


def _body(data: bytes, most: int) -> Body:
    return Body(data=data, digest=hashlib.sha256(data).hexdigest(), total_bytes=len(data), most=most)


def _limits(exchange: Exchange) -> DocumentLimits:
    known = exchange.door.gate.limits
    most = _most(exchange.door.settings.limits.body_bytes)
    return replace(known, body_bytes=most, text_bytes=most)


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _namespace(element: etree._Element) -> str:
    tag = str(element.tag)
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def _text(element: etree._Element) -> str:
    return "" if len(element) else (element.text or "").strip()


# -- the description --------------------------------------------------------------------------------------------------


@cache
def wsdl() -> str:
    """The WSDL as it lies in the package, its address still open."""
    return (XSD_FOLDER.parent / "wsdl" / "lienthong.wsdl").read_text("utf-8")


async def get_wsdl(exchange: Exchange) -> WholeAnswer:
    """The WSDL with the address under which it was asked for, or the public one of the settings."""
    if exchange.query_string.lower() not in _DESCRIBED:
        raise refuse("SYS-114", parameter=exchange.query_string[:40] or "?", expected="wsdl")
    location = f"{exchange.public_url}/soap"
    body = wsdl().replace("http://localhost/soap", text(location).replace('"', "&quot;"))
    return exchange.kept(body.encode(), "text/xml; charset=utf-8", {"Cache-Control": "no-cache"})


ROUTES = (
    Route(method="POST", address="/soap", who=RouteAudience.CALLER, handler=post_soap, fault=fault_of),
    Route(method="GET", address="/soap", who=RouteAudience.ANYONE, handler=get_wsdl),
)
