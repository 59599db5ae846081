"""One call of a profile, looked through, and the request that it becomes for one message."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from connectors.call_forms import Grant, HttpTable, PartnerCall, PartnerLogin
from connectors.dialect import Outward
from connectors.http import encode_json
from connectors.outcomes import ParcelFile
from connectors.templates import Foreign, Leaf, NotWritable, RequestTemplate, TemplateExpression, Writes, literal
from gateway import documents
from gateway.core.limits import CEILING
from gateway.core.problems import Stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCall:
    """A call whose templates were looked through."""

    name: str
    call: PartnerCall
    path: RequestTemplate
    query: Mapping[str, RequestTemplate]
    headers: Mapping[str, RequestTemplate]
    body: RequestTemplate | None
    form: Mapping[str, RequestTemplate]
    upload: Mapping[str, TemplateExpression]  # content, name, type
    when: TemplateExpression | None
    each: TemplateExpression | None
    take: Mapping[str, TemplateExpression]
    remember: Mapping[str, TemplateExpression]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """Everything that a profile's templates and expressions became."""

    calls: Mapping[str, MadeCall]
    login: MadeCall | None  # the request for a token, as a call
    agrees: TemplateExpression | None
    believes: Mapping[str, TemplateExpression]
    fetched: RequestTemplate | None
    message: TemplateExpression | None


def writes_of(name: str) -> Writes:
    """What a template of this name writes."""
    return {".json": Writes.JSON, ".xml": Writes.XML}.get(PurePosixPath(name).suffix.lower(), Writes.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerRequest:
    """One request, ready."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes  # where there is a file: what stands before it
    file: ParcelFile | None = None
    after: bytes = b""


_FILE_HERE = b"\x00lienthong: the file\x00"  # no template writes a NUL
_CONTENT_TYPES = {Writes.JSON: "application/json", Writes.XML: "text/xml; charset=utf-8"}


def write_request(
    made: MadeCall, data: Mapping[str, Any], settings: HttpTable, out: Outward, *, file: ParcelFile | None = None
) -> PartnerRequest:
    """The request of a call for this data, and for the file of its row, where that lies on this machine. Raises NotWritable."""
    most = settings.request_bytes
    url = _url(settings, made.path.render(data, out, most=most).strip(), _rendered(made.query, data, out, most))
    headers = {name: text.strip() for name, text in _rendered(made.headers, data, out, most).items()}
    if _bears(made, settings.login) and "authorization" not in {name.lower() for name in headers}:
        headers["Authorization"] = f"Bearer {data['token']}"
    body, kind = _body(made, data, out, most, file)
    body, _, after = body.partition(_FILE_HERE) if file is not None else (body, b"", b"")
    if kind is not None:
        headers["Content-Type"] = kind
    if len(body) > most:
        raise NotWritable("body", f"{most}+")
    return PartnerRequest(method=made.call.method, url=url, headers=headers, body=body, file=file, after=after)


def _rendered(
    templates: Mapping[str, RequestTemplate], data: Mapping[str, Any], out: Outward, most: int
) -> dict[str, str]:
    return {name: one.render(data, out, most=most) for name, one in templates.items()}


def _url(settings: HttpTable, path: str, query: Mapping[str, str]) -> str:
    url = path if path.startswith(("http://", "https://")) else settings.url + path
    told = {name: text for name, text in query.items() if text}
    return url + ("&" if "?" in url else "?") + urlencode(told, quote_via=quote) if told else url


def _body(
    made: MadeCall, data: Mapping[str, Any], out: Outward, most: int, file: ParcelFile | None
) -> tuple[bytes, str | None]:
    """The body and its Content-Type, which is None where there is none: of a template, a form, or a form with a file."""
    call = made.call
    body, kind = b"", None
    if made.body is not None:
        writes = made.body.writes
        body = checked(made.body.render(data, out, most=most), writes, empty=call.empty)
        kind = call.content_type or _CONTENT_TYPES.get(writes, "text/plain; charset=utf-8")
    form = _rendered(made.form, data, out, most)
    if call.upload is not None:
        return _uploaded(form, made, data, out, file)
    if form:
        body = urlencode(form, quote_via=quote).encode("ascii")
        kind = call.content_type or "application/x-www-form-urlencoded"
    return body, kind


def _bears(made: MadeCall, login: PartnerLogin | None) -> bool:
    """Whether a call bears the token of the log-in."""
    return login is not None and login.bearer and login.grant is not Grant.SESSION and made.name != "login"


def checked(text: str, writes: Writes, *, empty: bool) -> bytes:
    """What a template wrote, as bytes that are what they are said to be. Raises NotWritable."""
    if writes is Writes.JSON:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NotWritable("JSON", str(error)) from error
        return encode_json(value if empty else _without(value))
    body = text.strip().encode()
    if writes is Writes.XML:
        try:
            documents.parse_bytes(body, CEILING)
        except Stopped as stop:
            problem = stop.problems[0]
            line = f" ({problem.at.line}:{problem.at.column})" if problem.at is not None else ""
            raise NotWritable("XML", f"{problem.code}{line}") from stop
    return body


def _without(value: Any) -> Any:
    """JSON without members that say nothing."""
    if isinstance(value, dict):
        return {name: _without(inner) for name, inner in value.items() if inner is not None and inner != ""}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def _uploaded(
    form: Mapping[str, str], made: MadeCall, data: Mapping[str, Any], out: Outward, file: ParcelFile | None
) -> tuple[bytes, str]:
    """A file, or a form with one. The boundary is made of the content, so that a retry sends what the first try sent."""
    upload = made.call.upload
    assert upload is not None
    encoded, name, kind = (str(made.upload[part].value(data, out) or "") for part in ("content", "name", "type"))
    # A file on this machine is put where this stands when the request leaves.
    content = _content(encoded, data) if file is None else _FILE_HERE
    shown = re.sub(r"[^A-Za-z0-9!#$&+.^_|~/ ;=-]", "", kind) or "application/octet-stream"
    if not upload.field:
        return content, made.call.content_type or shown
    known = content if file is None else file.digest.encode()
    boundary = "lienthong-" + hashlib.sha256(known + repr(sorted(form.items())).encode()).hexdigest()[:32]
    parts = [
        (f'form-data; name="{_quoted(field)}"', "text/plain; charset=utf-8", text.encode())
        for field, text in form.items()
    ]
    parts.append((f'form-data; name="{_quoted(upload.field)}"; filename="{_quoted(name)}"', shown, content))
    lines = b"".join(
        f"--{boundary}\r\nContent-Disposition: {head}\r\nContent-Type: {media}\r\n\r\n".encode() + body + b"\r\n"
        for head, media, body in parts
    )
    return lines + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _content(encoded: str, data: Mapping[str, Any]) -> bytes:
    """The file that an expression gives in base64. Raises NotWritable."""
    try:
        return b"" if data.get("row") is not None and isinstance(data["row"], Foreign) else base64.b64decode(encoded)
    except (binascii.Error, ValueError) as error:
        if encoded == literal(Leaf.TEXT, full=True):  # a trial
            return b""
        raise NotWritable("upload.content", "base64") from error


def _quoted(text: str) -> str:
    return "".join(c for c in text if c >= " ").replace("%", "%25").replace('"', "%22")
