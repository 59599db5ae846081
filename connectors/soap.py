"""For a party that speaks SOAP: our own operation, or one of theirs that a profile maps, by a WSDL kept on this node.

zeep writes the request from the WSDL. The wire is ours (:mod:`connectors.http`), and so is the reading of the answer:
zeep binds an answer of the wrong name, and lets ``xsi:type`` choose its types (threats section 5.12), so the answer is
taken apart here, element by element, and what was not agreed on is no answer.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import asyncio
import base64
import binascii
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from lxml import etree

from connectors import mtom, probing, receipts
from connectors.base import connector
from connectors.http import Http, Reply, ShownRequest
from connectors.outcomes import (
    Answered,
    NotThere,
    Parcel,
    ParcelFile,
    ProbeStep,
    Receipt,
    Refused,
    Uncertain,
    Unreachable,
    file_not_taken,
)
from connectors.table import SECRET, AnswerMeaning, Secret, connector_secret
from gateway.core.model import AttemptOutcome
from gateway.core.parties import Party
from gateway.core.problems import Problem, Stopped
from gateway.core.written import setting

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
WSDL = "http://schemas.xmlsoap.org/wsdl/"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

OURS = {"NoiDung": "body"}

# What a fault code says about a message that was sent, unless the profile says otherwise: the sender's fault will be
# the same tomorrow; a version or header that is not understood concerns the whole party; the receiver's fault may have
# come after it had kept the message.
FAULTS: Mapping[str, AnswerMeaning] = {
    "Client": AnswerMeaning.REFUSED,
    "Sender": AnswerMeaning.REFUSED,
    "Server": AnswerMeaning.UNCERTAIN,
    "Receiver": AnswerMeaning.UNCERTAIN,
    "VersionMismatch": AnswerMeaning.UNREACHABLE,
    "MustUnderstand": AnswerMeaning.UNREACHABLE,
    "DataEncodingUnknown": AnswerMeaning.UNREACHABLE,
}

# Tokens (docs/en/problems.md) that say, where no receipt comes with them, that the party does not let us in: by REST they are
# 401 and 403, by SOAP they come in a fault like any other.
CALLER = frozenset({"CHUA_XAC_THUC", "NOI_GUI_BI_KHOA", "KHONG_CO_QUYEN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Which field of the answer says what became of the message. Codes are compared as written."""

    field: str = setting(
        vi="Đường dẫn tới phần tử mang mã kết quả, tính từ phần tử trả lời: KetQua, hoặc Header/ErrorCode.",
        en="Path to the element with the result code, from the answer's element: KetQua, or Header/ErrorCode.",
    )
    delivered: tuple[str, ...] = setting(vi="Các mã nghĩa là đã nhận.", en="Codes that mean: taken.")
    passing: tuple[str, ...] = setting(
        (), vi="Các mã nghĩa là lỗi tạm thời, chưa nhận.", en="Codes that mean: a passing fault, not taken."
    )
    refused: tuple[str, ...] = setting(
        (),
        vi="Các mã nghĩa là từ chối; bỏ trống: mọi mã khác.",
        en="Codes that mean: refused; empty: every other code.",
    )
    reference: str | None = setting(
        None, vi="Đường dẫn tới số tiếp nhận của bên nhận.", en="Path to the receiver's own number."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """How the party is asked whether it has a message."""

    operation: str = setting(vi="Thao tác tra cứu.", en="The operation.")
    parameters: Mapping[str, str] = setting(
        {"MaThongDiep": "ma_thong_diep"}, vi="Tham số, như parameters.", en="Its parameters, as under parameters."
    )
    field: str = setting(vi="Đường dẫn tới phần tử mang trả lời.", en="Path to the element with the answer.")
    there: tuple[str, ...] = setting(vi="Các mã nghĩa là đã có.", en="Codes that mean: it is there.")
    not_there: tuple[str, ...] = setting((), vi="Các mã nghĩa là không có.", en="Codes that mean: it is not there.")
    not_there_faults: tuple[str, ...] = setting(
        (), vi="Mã lỗi SOAP nghĩa là không có.", en="Faults that mean: it is not there."
    )
    refused: tuple[str, ...] = setting((), vi="Các mã nghĩa là đã từ chối.", en="Codes that mean: it was refused.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapFiles:
    """How the files that a message names are handed over before it: by MTOM, streamed, one in a call."""

    operation: str = setting("GuiTep", vi="Thao tác nhận tệp.", en="The operation that takes a file.")
    content: str = setting(
        "NoiDung",
        vi="Tham số (base64Binary) chứa tệp; tệp đi thành một phần MTOM.",
        en="The parameter (base64Binary) that takes the file, which travels as an MTOM part.",
    )
    parameters: Mapping[str, str] = setting(
        {"BamSHA256": "sha256"},
        vi="Tham số khác = nguồn: sha256, size, type của tệp; ma_thong_diep, loai, ma_ho_so, delivery, message; “=giá-trị”, "
        "file:…, env:….",
        en="Other parameters = source: the file's sha256, size, type; ma_thong_diep, loai, ma_ho_so, delivery, message; "
        "“=text”, file:…, env:….",
    )
    echo: str | None = setting(
        "TraLoi/BamSHA256",
        vi="Đường dẫn tới SHA-256 mà bên nhận trả lại để đối chiếu; rỗng: không đối chiếu.",
        en="Path to the SHA-256 with which they answer, which is compared; empty: it is not.",
    )
    meaning: Meaning | None = setting(None, vi="Mã kết quả và ý nghĩa.", en="Result codes and what they mean.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapSettings:
    """Which service, which operation, and how it is filled in and understood."""

    url: str = setting(pattern=r"https?://\S+", vi="Địa chỉ dịch vụ.", en="The service's address.")
    wsdl: Path | None = setting(
        None,
        vi="Tệp WSDL lưu trên máy này; bỏ trống: WSDL của trục.",
        en="The WSDL, a file on this node; without it the gateway's own.",
    )
    service: str | None = setting(None, vi="Tên service trong WSDL.", en="Service, where the WSDL has several.")
    port: str | None = setting(None, vi="Tên port trong WSDL.", en="Port, where the service has several.")
    operation: str = setting("GuiThongDiep", vi="Thao tác gửi.", en="The operation that takes a message.")
    parameters: Mapping[str, str] = setting(
        OURS,
        vi="Tham số = nguồn: body (byte), text, ma_thong_diep, loai, ma_ho_so, delivery, message, sha256; "
        "“=giá-trị” là giá trị cố định; file:… hoặc env:… là bí mật. Tham số lồng nhau viết bằng dấu chấm.",
        en="Parameter = source: body (bytes), text, ma_thong_diep, loai, ma_ho_so, delivery, message, sha256; “=text” "
        "is fixed; file:… or env:… is a secret. Nested parameters are written with dots.",
    )
    receipt: str | None = setting(
        "TraLoi/BienNhan",
        vi="Đường dẫn tới BienNhan (base64) trong trả lời, nếu có.",
        en="Path to a BienNhan (base64) in the answer, where there is one.",
    )
    meaning: Meaning | None = setting(None, vi="Mã kết quả và ý nghĩa.", en="Result codes and what they mean.")
    faults: Mapping[str, AnswerMeaning] = setting(
        {},
        vi="Ý nghĩa của mã lỗi SOAP, mã con, hoặc tên phần tử trong detail.",
        en="What a fault code, a subcode or the name of an element in its detail means.",
    )
    query: Query | None = setting(
        None,
        vi="Cách tra cứu lại; với WSDL của trục: TrangThaiThongDiep.",
        en="How to ask about an earlier try; with the gateway's own WSDL: TrangThaiThongDiep.",
    )
    files: SoapFiles | None = setting(
        None,
        vi="Có bảng này (rỗng cũng được): trước thông điệp, trục gửi từng tệp mà thông điệp dẫn tới, bằng MTOM; tệp đã được "
        "nhận thì lượt sau không gửi lại. Không có: bên nhận tự tải bằng GET /v1/files/{SHA-256}.",
        en="With this table, an empty one will do, each file that a message names is sent before it, by MTOM; a later try does "
        "not send again what was taken. Without it the party fetches them by GET /v1/files/{SHA-256}.",
    )
    username: str | None = setting(None, vi="Tên trong UsernameToken.", en="User of a WS-Security UsernameToken.")
    password: Secret | None = setting(
        None, pattern=SECRET, vi="Nơi để mật khẩu của UsernameToken.", en="Where the UsernameToken's password lies."
    )

    def __post_init__(self) -> None:
        """Raises Stopped for a source that does not exist, or half a UsernameToken."""
        ask = self.asking
        named = [*self.parameters.items(), *(ask.parameters.items() if ask else ())]
        problems = [
            Problem(
                "DLV-054", {"key": f"parameters.{name}", "why": f"{source} ≠ {', '.join(SOURCES)}, =…, file:…, env:…"}
            )
            for name, source in named
            if source not in SOURCES and not source.startswith(("=", "file:", "env:"))
        ]
        problems += [
            Problem("DLV-054", {"key": f"files.parameters.{name}", "why": f"{source} ≠ {', '.join(_FOR_FILES)}, =…"})
            for name, source in (self.files.parameters.items() if self.files else ())
            if source not in _FOR_FILES and not source.startswith(("=", "file:", "env:"))
        ]
        if (self.username is None) != (self.password is None):
            problems.append(Problem("DLV-054", {"key": "username", "why": "username + password"}))
        if problems:
            raise Stopped(*problems)

    @property
    def asking(self) -> Query | None:
        """How to ask: as the profile says, or as our own service is asked."""
        return self.query or (OUR_QUERY if self.wsdl is None else None)


OUR_QUERY = Query(
    operation="TrangThaiThongDiep",
    field="TraLoi/KetQua",
    there=("accepted", "held"),
    not_there_faults=("KHONG_TIM_THAY",),
    refused=("rejected",),
)

SOURCES: Mapping[str, Callable[[Parcel], Any]] = {
    "body": lambda parcel: parcel.body,
    "text": lambda parcel: parcel.body.decode(),
    "ma_thong_diep": lambda parcel: parcel.ma_thong_diep,
    "loai": lambda parcel: parcel.delivery.loai,
    "ma_ho_so": lambda parcel: parcel.delivery.lane if parcel.delivery.lane != parcel.delivery.message else None,
    "delivery": lambda parcel: parcel.id,
    "message": lambda parcel: parcel.delivery.message,
    "sha256": lambda parcel: parcel.delivery.digest,
    "remarks": lambda parcel: " ".join(parcel.remarks) or None,
}

_FOR_FILES = ("sha256", "size", "type", "ma_thong_diep", "loai", "ma_ho_so", "delivery", "message")
_TAKEN = "files:"  # a try that came no further than this says so in its reference, with the digests that were taken

soap = connector("soap", SoapSettings)


@soap.send
async def send(parcel: Parcel, settings: SoapSettings, http: Http) -> Receipt:
    """Hand over the files that have not been taken yet, then call the operation once."""
    taken = _taken(parcel)
    try:
        for file in parcel.files if settings.files is not None else ():
            if file.digest not in taken:
                await _hand_over(file, settings, parcel, http)
                taken.append(file.digest)
        return await _send_message(parcel, settings, http)
    except Answered as answered:
        answered.reference = answered.reference or (_TAKEN + ",".join(taken) if taken else None)
        raise


async def _send_message(parcel: Parcel, settings: SoapSettings, http: Http) -> Receipt:
    request = await asyncio.to_thread(_write, settings, settings.operation, settings.parameters, parcel)
    reply = await http.post(
        settings.url,
        body=request.body,
        content_type=request.content_type,
        headers=request.headers,
        key=parcel.id,
        judged=False,
    )
    if not _holds_soap(reply):
        http.judge(reply)
        if reply.body.strip():
            raise Uncertain(Problem("DLV-023", {"what": receipts.shown(reply.media_type)}), answer=reply.body)
        if request.answer is not None:
            raise Uncertain(Problem("DLV-023", {"what": "SOAP"}), answer=reply.body)
        return Receipt(pending=http.common.receipt_later_h is not None)  # a one-way operation
    answer = _answer(reply, request, settings, parcel)
    return _settled(answer, parcel, settings, reply, pending=http.common.receipt_later_h is not None)


def _taken(parcel: Parcel) -> list[str]:
    """The digests of files that earlier tries handed over. After a refusal everything begins anew: it may have been for want
    of a file.
    """
    taken: list[str] = []
    for attempt in parcel.attempts:
        if attempt.outcome is AttemptOutcome.REFUSED:
            taken = []
        elif (attempt.reference or "").startswith(_TAKEN):
            taken += str(attempt.reference).removeprefix(_TAKEN).split(",")
    return list(dict.fromkeys(taken))


async def _hand_over(file: ParcelFile, settings: SoapSettings, parcel: Parcel, http: Http) -> None:
    """One file, streamed, by one call. Raises Unreachable or Refused: the message has not left."""
    files = settings.files or SoapFiles()
    try:
        request, package = await asyncio.to_thread(_write_file_call, files, settings, parcel, file)
        reply = await http.post_file(
            settings.url,
            file.path,
            size=file.size,
            content_type=package.content_type,
            headers=request.headers,
            before=package.before,
            after=package.after,
            judged=False,
        )
        if not _holds_soap(reply):
            http.judge(reply)
            raise Uncertain(Problem("DLV-023", {"what": "SOAP"}), answer=reply.body)
        answer = _answer(reply, request, settings)
        if files.meaning is not None:
            _receipt_by(files.meaning, answer, reply, pending=False)
        said = _text(answer, files.echo) if files.echo else file.digest
        if (said or "").lower() != file.digest:
            raise Uncertain(Problem("DLV-023", {"what": f"{files.echo} {receipts.shown(said)}"}), answer=reply.body)
    except Answered as answered:
        raise file_not_taken(answered, file.digest) from answered


def _write_file_call(
    files: SoapFiles, settings: SoapSettings, parcel: Parcel, file: ParcelFile
) -> tuple[_Request, mtom.MtomPackage]:
    """The call that hands over a file, and the package round it. Raises Unreachable where WSDL or profile is at fault."""
    stand_in = mtom.placeholder()
    own = {"sha256": file.digest, "size": file.size, "type": file.media_type}
    others = {name: source for name, source in files.parameters.items() if source not in own}
    given = {name: own[source] for name, source in files.parameters.items() if source in own}
    request = _write(settings, files.operation, others, parcel, given={**given, files.content: stand_in})
    try:
        return request, mtom.packed(request.body, request.content_type, stand_in, file.media_type)
    except ValueError as error:
        raise Unreachable(Problem("DLV-054", {"key": "files.content", "why": str(error)})) from error


@soap.played
def played(request: ShownRequest, settings: SoapSettings) -> Reply | None:
    """A message is one request here: nothing comes after it."""
    del request, settings
    return None


@soap.query
async def query(parcel: Parcel, settings: SoapSettings, http: Http) -> Receipt | NotThere | None:
    """Ask by the operation that the profile names."""
    ask = settings.asking
    if ask is None:
        return None
    request = await asyncio.to_thread(_write, settings, ask.operation, ask.parameters, parcel)
    try:
        reply = await http.post(
            settings.url, body=request.body, content_type=request.content_type, headers=request.headers, judged=False
        )
        if not _holds_soap(reply):
            http.judge(reply)
            raise Uncertain(Problem("DLV-023", {"what": receipts.shown(reply.media_type)}), answer=reply.body)
        found = _element(reply)
        if _is_fault(found) and not set(_words(found)).isdisjoint(ask.not_there_faults):
            return NotThere()
        answer = _answer(reply, request, settings)
    except (Uncertain, Refused) as error:
        raise Unreachable(error.problem, answer=error.answer) from error
    said = _text(answer, ask.field)
    if said in ask.there:
        return Receipt(body=reply.body)
    if said in ask.not_there:
        return NotThere()
    if said in ask.refused:
        raise Refused(Problem("DLV-033", {"code": receipts.shown(said)}), answer=reply.body)
    raise Unreachable(Problem("DLV-041", {"why": receipts.shown(said)}), answer=reply.body)


@soap.probe
async def probe(party: Party, settings: SoapSettings, http: Http) -> AsyncIterator[ProbeStep]:
    """Write every request without sending it; see which operations the far side has; ask about what never was."""
    parcel, wsdl = probing.nothing(party), _wsdl(settings)
    asked = [settings.asking] if settings.asking is not None else []
    calls = [(settings.operation, settings.parameters), *((ask.operation, ask.parameters) for ask in asked)]
    for operation, parameters in calls:
        try:
            await asyncio.to_thread(_write, settings, operation, parameters, parcel)
        except (Unreachable, Refused) as error:
            yield ProbeStep(place=str(wsdl), problems=(error.problem,))
            return
        yield ProbeStep(place=str(wsdl), found=operation)
    needed = [operation for operation, _ in calls]
    if settings.files is not None:
        needed.append(settings.files.operation)
        nothing = ParcelFile(digest="0" * 64, size=0, media_type="application/pdf", path=Path())
        try:
            await asyncio.to_thread(_write_file_call, settings.files, settings, parcel, nothing)
        except (Unreachable, Refused) as error:
            yield ProbeStep(place=str(wsdl), problems=(error.problem,))
            return
        yield ProbeStep(place=str(wsdl), found=settings.files.operation)
    yield await _published(settings, needed, http)
    if asked and (step := await probing.question(asked[0].operation, soap, party, settings, http)) is not None:
        yield step


async def _published(settings: SoapSettings, needed: Sequence[str], http: Http) -> ProbeStep:
    """The service's address, and whether the WSDL that it publishes (not all do) still has our operations."""
    joint = "&" if "?" in settings.url else "?"
    try:
        reply = await http.get(f"{settings.url}{joint}wsdl")
    except Unreachable as error:
        return ProbeStep(place=settings.url, problems=(error.problem,))
    if reply.status != 200 or not reply.is_xml:
        # A SOAP service that is only looked at may well answer with a fault, which comes with status 500.
        problems = () if _holds_soap(reply) else (*probing.wrong(reply),)
        return ProbeStep(place=settings.url, found=f"HTTP {reply.status}", problems=problems)
    try:
        root = reply.root_of(reply.body)
    except Stopped as stop:
        return ProbeStep(place=settings.url, found="HTTP 200", problems=stop.problems)
    found = [str(e.get("name")) for e in root.iter(f"{{{WSDL}}}operation")]
    imported = next(root.iter(f"{{{WSDL}}}import"), None) is not None  # what is elsewhere is not looked into
    missing = [operation for operation in needed if operation not in found and not imported]
    facts = {"found": sorted({receipts.shown(name) for name in found})[:20] or "–"}
    problems = tuple(Problem("DLV-044", {"operation": operation, **facts}) for operation in missing)
    return ProbeStep(place=settings.url, found="WSDL", problems=problems)


# Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    body: bytes
    content_type: str
    headers: Mapping[str, str]
    namespace: str  # of the SOAP envelope
    answer: str | None  # the element that the answer's Body must hold; "*" where the WSDL names none; None: one-way


class _Service:
    """A WSDL, loaded, and one port of it. zeep makes no promise about threads: one call at a time."""

    def __init__(self, settings: SoapSettings) -> None:
        zeep: Any = import_module("zeep")  # most of a second, for those who need it
        wsdl = _wsdl(settings)
        self._lock = threading.Lock()
        self._client = zeep.Client(
            str(wsdl),
            transport=_Files(wsdl.parent),
            settings=zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True),
        )
        self._proxy = self._client.bind(settings.service, settings.port)
        if self._proxy is None:
            raise ValueError("it has no service")

    def write(self, operation: str, values: Mapping[str, Any], token: tuple[str, str] | None) -> _Request:
        """The request. Raises whatever zeep thinks of the values."""
        bindings: Any = import_module("zeep.wsdl.bindings.soap")
        username: Any = import_module("zeep.wsse.username")
        with self._lock:
            binding = self._proxy._binding  # noqa: SLF001 - the only way to the operation's action and answer
            declared = binding.get(operation)
            envelope = self._client.create_message(self._proxy, operation, **values)
            if token is not None:
                envelope, _ = username.UsernameToken(*token).apply(envelope, {})
        action = declared.soapaction or ""
        if isinstance(binding, bindings.Soap12Binding):
            kind = "application/soap+xml; charset=utf-8" + (f'; action="{action}"' if action else "")
            headers, namespace = {}, SOAP12
        else:
            kind, headers, namespace = "text/xml; charset=utf-8", {"SOAPAction": f'"{action}"'}, SOAP11
        return _Request(
            body=etree.tostring(envelope, xml_declaration=True, encoding="utf-8"),
            content_type=kind,
            headers=headers,
            namespace=namespace,
            answer=_expected(declared),
        )


class _Files:
    """What zeep loads from: files in the WSDL's folder, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def load(self, url: str) -> bytes:
        """The file. Raises OSError for everything that is none of ours."""
        parts = urlsplit(url)
        path = Path(unquote(parts.path) if parts.scheme == "file" else url).resolve()
        if parts.scheme not in {"", "file"} or not path.is_relative_to(self._folder):
            raise OSError(f"{url}: only files beside the WSDL are loaded")
        return path.read_bytes()


_services: dict[tuple[object, ...], _Service] = {}
_loading = threading.Lock()


def _write(
    settings: SoapSettings,
    operation: str,
    parameters: Mapping[str, str],
    parcel: Parcel,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> _Request:
    """The request for this parcel. Raises Unreachable where the WSDL, a secret or the profile is at fault."""
    try:
        key = (_wsdl(settings), _wsdl(settings).stat().st_mtime_ns, settings.service, settings.port)
        with _loading:
            if key not in _services:
                _services[key] = _Service(settings)
        service = _services[key]
    except Exception as error:  # zeep has many ways to dislike a WSDL
        why = f"{type(error).__name__}: {error}"[:200]
        raise Unreachable(Problem("DLV-054", {"key": "wsdl", "why": why})) from error
    try:
        values = _nested({name: _value(source, parcel) for name, source in parameters.items()} | dict(given))
        token = (
            (settings.username, connector_secret(settings.password))
            if settings.username and settings.password
            else None
        )
    except Stopped as stop:
        raise Unreachable(stop.problems[0]) from stop
    except UnicodeDecodeError as error:
        raise Refused(Problem("DLV-034", {"field": "text", "why": "UTF-8"})) from error
    try:
        return service.write(operation, values, token)
    except Exception as error:  # an unknown operation or parameter, a missing one, a value that does not fit
        problem = Problem("DLV-054", {"key": operation, "why": f"{type(error).__name__}: {error}"[:200]})
        raise Unreachable(problem) from error


def _wsdl(settings: SoapSettings) -> Path:
    """Where the WSDL lies."""
    if settings.wsdl is not None:
        return settings.wsdl
    return Path(str(resources.files("schemas"))) / "wsdl" / "lienthong.wsdl"


def _value(source: str, parcel: Parcel) -> Any:
    if source in SOURCES:
        return SOURCES[source](parcel)
    return source[1:] if source.startswith("=") else connector_secret(Secret(source))


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``; what has no value is left out."""
    deep: dict[str, Any] = {}
    for name, value in flat.items():
        *outer, last = name.split(".")
        place = deep
        for part in outer:
            place = place.setdefault(part, {})
        if value is not None:
            place[last] = value
    return deep


def _expected(declared: Any) -> str | None:
    """The QName of the element in the answer's Body."""
    if declared.output is None or declared.abstract.output_message is None:
        return None
    body = declared.output.body
    return str(body.qname) if declared.style == "document" and getattr(body, "qname", None) is not None else "*"


# Reading


def _holds_soap(reply: Reply) -> bool:
    """Whether there is an envelope to read: in a 200, or in the 400 and 500 with which faults come."""
    return reply.is_xml and bool(reply.body.strip()) and reply.status in {200, 202, 400, 500}


def _element(reply: Reply) -> etree._Element:
    """The one element in the Body of an answer. Raises Uncertain for an envelope that was not agreed on."""
    if reply.cut:
        raise Uncertain(Problem("DLV-024", {"limit": len(reply.body)}), answer=reply.body)
    root = reply.xml()
    space = etree.QName(root).namespace
    if etree.QName(root).localname != "Envelope" or space not in {SOAP11, SOAP12}:
        raise Uncertain(Problem("DLV-023", {"what": "Envelope"}), answer=reply.body)
    parts = [etree.QName(child).localname for child in root]
    bodies = [child for child in root if etree.QName(child) == etree.QName(space, "Body")]
    if len(bodies) != 1 or parts[-1] != "Body" or len(parts) > 2 or len(bodies[0]) != 1:
        raise Uncertain(Problem("DLV-023", {"what": "Body"}), answer=reply.body)
    return bodies[0][0]


def _is_fault(found: etree._Element) -> bool:
    return etree.QName(found).localname == "Fault" and etree.QName(found).namespace in {SOAP11, SOAP12}


def _answer(reply: Reply, request: _Request, settings: SoapSettings, parcel: Parcel | None = None) -> etree._Element:
    """The one element in the answer's Body. Raises what a fault says, or Uncertain for what was not agreed on."""
    found = _element(reply)
    if _is_fault(found):
        raise _fault(found, reply, settings, parcel)
    if reply.status // 100 != 2:
        raise Uncertain(Problem("DLV-022", {"status": reply.status}), answer=reply.body)
    space = etree.QName(found.getroottree().getroot()).namespace
    if space != request.namespace or request.answer not in {"*", str(etree.QName(found))}:
        name = receipts.shown(etree.QName(found).localname)
        raise Uncertain(Problem("DLV-023", {"what": name}), answer=reply.body)
    if any(element.get(XSI_TYPE) is not None for element in found.iter("*")):
        raise Uncertain(Problem("DLV-023", {"what": "xsi:type"}), answer=reply.body)
    return found


def _words(fault: etree._Element) -> list[str]:
    """Every word by which a fault can be told apart, the most particular first: tokens, detail elements, codes."""
    detail = _detail(fault)
    inside = [etree.QName(child).localname for child in detail] if detail is not None else []
    return [*_tokens(detail), *inside, *_codes(fault)]


def _detail(fault: etree._Element) -> etree._Element | None:
    return next((c for c in fault if etree.QName(c).localname in {"detail", "Detail"}), None)


def _fault(
    fault: etree._Element, reply: Reply, settings: SoapSettings, parcel: Parcel | None
) -> Refused | Unreachable | Uncertain:
    """What a fault says: by the profile, by a receipt in its detail, by its tokens, by its code."""
    words = _words(fault)
    answer = next((settings.faults[word] for word in words if word in settings.faults), None)
    if answer is None:
        if parcel is not None and settings.receipt is not None:
            said = _receipt_in(fault, settings.receipt.rpartition("/")[2], parcel, reply)
            if said is not None:
                return said
        tokens = _tokens(_detail(fault))
        if tokens and CALLER.issuperset(tokens):  # nothing was looked at but who calls
            problem = Problem("DLV-005", {"status": f"{reply.status}, {', '.join(tokens)}"})
            return Unreachable(problem, answer=reply.body, retry_after_s=reply.retry_after_s)
        answer = _customary(words, tokens)
    shown = receipts.shown(next(iter(words), ""))
    match answer:
        case AnswerMeaning.REFUSED:
            return Refused(Problem("DLV-035", {"code": shown}), answer=reply.body)
        case AnswerMeaning.UNREACHABLE:
            problem = Problem("DLV-010", {"code": shown})
            return Unreachable(problem, answer=reply.body, retry_after_s=reply.retry_after_s)
        case _:
            return Uncertain(Problem("DLV-022", {"status": reply.status}), answer=reply.body)


def _customary(words: Sequence[str], tokens: Sequence[str]) -> AnswerMeaning:
    """What a fault means of which neither the profile nor a receipt says anything."""
    if tokens and receipts.RETRY.issuperset(tokens):
        return AnswerMeaning.UNREACHABLE
    return next((FAULTS[word] for word in words if word in FAULTS), AnswerMeaning.UNCERTAIN)


def _receipt_in(
    fault: etree._Element, name: str, parcel: Parcel, reply: Reply
) -> Refused | Unreachable | Uncertain | None:
    """What the BienNhan in a fault's detail says; None where there is none."""
    detail = _detail(fault)
    found = [e for e in detail.iter("*") if etree.QName(e).localname == name] if detail is not None else []
    if len(found) != 1 or not (found[0].text or "").strip():
        return None
    try:
        bien_nhan, inner = _decoded(found[0].text or "", reply)
        receipts.settle(bien_nhan, parcel, inner)
    except (Refused, Unreachable, Uncertain) as outcome:
        return outcome
    # A repeat of the same bytes is no fault: what comes as one is the same id with other content.
    return Refused(Problem("DLV-032"), answer=inner)


def _codes(fault: etree._Element) -> Iterator[str]:
    """The fault's codes without prefixes, the most particular first."""
    found = [
        (element.text or "").strip().rpartition(":")[2]
        for element in fault.iter("*")
        if etree.QName(element).localname in {"faultcode", "Value"} and not _inside_detail(element)
    ]
    # SOAP 1.1 writes subcodes with dots: Client.Authentication
    parts = [".".join(code.split(".")[:n]) for code in reversed(found) for n in range(code.count(".") + 1, 0, -1)]
    return iter(part for part in parts if part)


def _inside_detail(element: etree._Element) -> bool:
    return any(etree.QName(a).localname in {"detail", "Detail"} for a in element.iterancestors("*"))


def _tokens(detail: etree._Element | None) -> tuple[str, ...]:
    """The tokens of problems in a fault's detail, when it is one of ours."""
    if detail is None:
        return ()
    found = (e.text for e in detail.iter("*") if etree.QName(e).localname == "Ma" and e.text)
    return tuple(dict.fromkeys(text.strip() for text in found))[:10]


def _settled(answer: etree._Element, parcel: Parcel, settings: SoapSettings, reply: Reply, *, pending: bool) -> Receipt:
    """What an answer of the agreed form says."""
    encoded = _text(answer, settings.receipt) if settings.receipt else None
    if encoded:
        bien_nhan, inner = _decoded(encoded, reply)
        return receipts.settle(bien_nhan, parcel, inner)
    if settings.meaning is None:
        return Receipt(body=reply.body, pending=pending)
    return _receipt_by(settings.meaning, answer, reply, pending=pending)


def _receipt_by(meaning: Meaning, answer: etree._Element, reply: Reply, *, pending: bool) -> Receipt:
    """What the code of an answer says."""
    said = _text(answer, meaning.field)
    if said is None:
        raise Uncertain(Problem("DLV-023", {"what": receipts.shown(meaning.field)}), answer=reply.body)
    if said in meaning.delivered:
        reference = _text(answer, meaning.reference) if meaning.reference else None
        return Receipt(reference=reference, body=reply.body, pending=pending)
    if said in meaning.passing:
        raise Unreachable(Problem("DLV-010", {"code": receipts.shown(said)}), answer=reply.body)
    if meaning.refused and said not in meaning.refused:
        raise Uncertain(Problem("DLV-023", {"what": f"{meaning.field} {receipts.shown(said)}"}), answer=reply.body)
    raise Refused(Problem("DLV-033", {"code": receipts.shown(said)}), answer=reply.body)


def _decoded(encoded: str, reply: Reply) -> tuple[receipts.BienNhanFields, bytes]:
    """The BienNhan in a base64 text, and its bytes. Raises Uncertain when it is none."""
    try:
        inner = base64.b64decode("".join(encoded.split()), validate=True)
        bien_nhan = receipts.in_xml(reply.root_of(inner))
    except (binascii.Error, ValueError, Stopped) as error:
        raise Uncertain(Problem("DLV-023", {"what": "BienNhan"}), answer=reply.body) from error
    if bien_nhan is None:
        raise Uncertain(Problem("DLV-023", {"what": "BienNhan"}), answer=reply.body)
    return bien_nhan, inner


def _text(answer: etree._Element, path: str) -> str | None:
    """The text at a path of local names below the answer's element; None when there is nothing, or more than one."""
    places = [answer]
    for name in path.split("/"):
        places = [child for place in places for child in place if etree.QName(child).localname == name]
    return (places[0].text or "").strip() or None if len(places) == 1 and not len(places[0]) else None
