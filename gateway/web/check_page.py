"""The page where a developer drops a file and reads what the gateway would say: nothing is recorded, nothing kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from html import escape

from multidict import CIMultiDict, CIMultiDictProxy

from gateway.core.allowances import HEAD_BYTES
from gateway.core.model import Acknowledgement, Fate
from gateway.core.problems import Lang, Problem
from gateway.web import mime, rest
from gateway.web.exchange import Body, Exchange
from gateway.web.problems import http_status_of
from gateway.web.refusals import Refusal, refuse
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_AROUND_BYTES = 16 * 1024  # what a form writes round a file
_HEAD_BYTES = 8 * 1024  # by then the token must have come
_TOKEN = re.compile(rb'name="ma-truy-cap"(?:\r\n[^\r\n]+)*\r\n\r\n[ \t]*([^\r\n]*?)[ \t]*\r\n--')
_FATES = {
    Fate.ACCEPTED: ("Được nhận", "Would be accepted"),
    Fate.REJECTED: ("Bị từ chối", "Would be refused"),
    Fate.HELD: ("Bị tạm giữ: chưa kết luận được", "Would be held: no conclusion yet"),
}


async def get_check(exchange: Exchange) -> WholeAnswer:
    """The form."""
    exchange.query()
    return _page(exchange, 200, "")


async def post_check(exchange: Exchange) -> WholeAnswer:
    """What would become of the file, by the rights and rules of the token's party."""
    exchange.query()
    exchange.check_content(("multipart/form-data",))
    door, limit = exchange.door, exchange.door.settings.limits.body_bytes
    body = await exchange.body(limit + _AROUND_BYTES, known=lambda start, at_end: _known(exchange, start, at_end))
    fields = _fields(body.whole(), exchange.request.headers["Content-Type"])
    door.check_allowance(exchange.who.party, size=0)  # nothing is kept
    data = fields.get("tep", b"")
    data, size = (data[: min(HEAD_BYTES, limit)] if len(data) > limit else data), len(data)
    file = Body(data=data, digest=hashlib.sha256(data).hexdigest(), total_bytes=size, most=limit)
    ack = await rest.looked_at(exchange, rest.unwrap(exchange, file))
    return _page(exchange, 200, _verdict(ack))


def _known(exchange: Exchange, start: bytes, at_end: bool) -> bool:
    """Whether the beginning of the form says who asks; its token stands before the file. Raises Refusal for nobody."""
    door, headers = exchange.door, exchange.request.headers
    found = _TOKEN.search(start[:_HEAD_BYTES])
    if found is None and not at_end and len(start) < _HEAD_BYTES:
        return False
    if found is not None and found.group(1):
        headers = CIMultiDictProxy(
            CIMultiDict({"Authorization": f"Bearer {found.group(1).decode('ascii', 'replace')}"})
        )
    peer = door.doorkeeper.address(exchange.request.headers, exchange.peer)
    exchange.identity = door.doorkeeper.identify(headers, peer, exchange.tls, door.gate.parties)
    return True


def _fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """The fields of a form by name, each with its bytes. Raises Refusal (400) for what is no form."""
    boundary = mime.parameters(content_type)[1].get("boundary", "")
    if not re.fullmatch(r"[0-9A-Za-z'()+_,./:=? -]{1,70}", boundary):
        raise refuse("SYS-137", reason="boundary")
    found: dict[str, bytes] = {}
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise refuse("SYS-137", reason="boundary")
    for piece in pieces[1:-1]:
        head, gap, data = piece.partition(b"\r\n\r\n")
        name = re.search(rb'(?i)content-disposition:[^\r\n]*;\s*name="([^"\r\n]{1,50})"', head)
        if not gap or name is None:
            raise refuse("SYS-137", reason="Content-Disposition")
        found[name.group(1).decode("ascii", "replace")] = data
    return found


def refused_check(exchange: Exchange, refusal: Refusal) -> WholeAnswer:
    """A refusal of the door, on the page."""
    response = _page(exchange, http_status_of([refusal.problem]), _rows([refusal.problem]))
    response.headers.update({k: v for k, v in refusal.headers.items() if k != "WWW-Authenticate"})
    return response


def _verdict(ack: Acknowledgement) -> str:
    vi, en = _FATES[ack.fate]
    repeated = "<p>Nội dung này đã được ghi nhận trước đó. / The same bytes are on record.</p>" if ack.repeated else ""
    return (
        f'<h2 id="ket-luan" class="{escape(str(ack.fate))}">{vi} / {en}</h2>{repeated}'
        f"<p>MaThongDiep: <code>{escape(ack.ma_thong_diep or '–')}</code> · SHA-256: <code>{ack.digest}</code></p>"
        + _rows(ack.problems)
    )


def _rows(problems: Sequence[Problem]) -> str:
    return "".join(_row(problem) for problem in problems)


def _row(problem: Problem) -> str:
    at = problem.at
    place = (
        "" if at is None else f" · {at.line}:{at.column}" + (f" · <code>{escape(at.xpath)}</code>" if at.xpath else "")
    )
    words = "".join(
        f"<p>{escape(problem.message(lang))}<br>→ {escape(problem.remedy(lang))}</p>" for lang in (Lang.VI, Lang.EN)
    )
    return f'<section><h3><a href="/docs#{problem.code}">{problem.code}</a>{place}</h3>{words}</section>'


def _page(exchange: Exchange, status: int, verdict: str) -> WholeAnswer:
    body = (
        '<!doctype html><html lang="vi"><head><meta charset="utf-8"><title>Kiểm tra thông điệp / Check a message</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        "<h1>Kiểm tra thông điệp <small>Check a message</small></h1>"
        "<p>Trục xét tệp như khi gửi, không ghi nhận và không lưu tệp. Mã truy cập cho biết bên gọi "
        "là bên nào; không được lưu.<br>"
        "The file is judged as if it were sent; nothing is recorded or kept. The token says which party you are.</p>"
        '<form method="post" action="/docs/check" enctype="multipart/form-data">'
        '<p><label>Mã truy cập / token<br><input type="password" name="ma-truy-cap" autocomplete="off"></label></p>'
        '<p><label>Tệp XML đã ký / signed XML file<br><input type="file" name="tep" required></label></p>'
        '<p><button type="submit">Kiểm tra / Check</button></p></form>'
        f'{verdict}<p><a href="/docs">/docs</a></p></body></html>'
    )
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return exchange.response(status, body.encode("utf-8", "replace"), "text/html; charset=utf-8", headers)


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "input{font:inherit;max-width:100%}button{font:inherit;padding:.4rem 1rem}code{overflow-wrap:anywhere}"
    "section{border-top:1px solid #ccc}.accepted{color:#176b2c}.rejected{color:#a11}.held{color:#8a5a00}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8bf}.accepted{color:#7d9}"
    ".rejected{color:#f88}.held{color:#fc6}}"
)

ROUTES = (
    Route(method="GET", address="/docs/check", who=RouteAudience.ANYONE, handler=get_check),
    Route(method="POST", address="/docs/check", who=RouteAudience.ANYONE, handler=post_check, fault=refused_check),
)
