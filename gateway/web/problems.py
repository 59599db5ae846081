"""A list of problems as an HTTP answer: RFC 9457 in JSON or XML, always in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from xml.sax.saxutils import escape

from gateway.core.problems import Lang, Problem, ProblemOutcome, Side
from gateway.web.accept import Media
from gateway.web.answer_types import ProblemDocument, ProblemRow, Words, as_values

PROBLEM_TYPES = {Media.XML: "application/problem+xml", Media.JSON: "application/problem+json"}

# The one table from (outcome, side) to HTTP; a catalogue entry with a status of its own goes before it.
_STATUS = {
    (ProblemOutcome.FAILED, Side.SENDER): 422,
    (ProblemOutcome.FAILED, Side.RECEIVER): 422,
    (ProblemOutcome.FAILED, Side.GATEWAY): 503,
    (ProblemOutcome.UNDETERMINED, Side.SENDER): 202,
    (ProblemOutcome.UNDETERMINED, Side.RECEIVER): 202,
    (ProblemOutcome.UNDETERMINED, Side.GATEWAY): 202,
    (ProblemOutcome.NOTE, Side.SENDER): 200,
    (ProblemOutcome.NOTE, Side.RECEIVER): 200,
    (ProblemOutcome.NOTE, Side.GATEWAY): 200,
}

# RFC 9457 section 3.1.3: a title does not change from occurrence to occurrence, so it goes with the status.
_TITLES = {
    200: ("Được chấp nhận, có lưu ý", "Accepted, with remarks"),
    202: ("Tạm giữ: chưa kết luận được", "Held: no conclusion yet"),
    400: ("Yêu cầu không đọc được", "The request cannot be read"),
    401: ("Chưa xác thực", "Not authenticated"),
    403: ("Không được phép", "Not allowed"),
    404: ("Không tìm thấy", "Not found"),
    405: ("Phương thức không dùng được", "Method not usable"),
    408: ("Hết thời gian chờ nội dung", "The body took too long"),
    409: ("Xung đột với nội dung đã ghi nhận", "In conflict with what is on record"),
    410: ("Không còn lưu", "No longer kept"),
    412: ("Phiên bản giao thức không được hỗ trợ", "The version of the protocol is not supported"),
    413: ("Nội dung quá lớn", "The body is too large"),
    415: ("Kiểu nội dung không dùng được", "Media type not usable"),
    416: ("Khoảng byte được hỏi nằm ngoài tệp", "The range lies outside the file"),
    417: ("Không đáp ứng được kỳ vọng", "Expectation cannot be met"),
    422: ("Thông điệp bị từ chối", "The message is refused"),
    423: ("Đang được một yêu cầu khác sử dụng", "In use by another request"),
    429: ("Quá nhiều yêu cầu", "Too many requests"),
    431: ("Tiêu đề HTTP quá lớn", "HTTP headers too large"),
    500: ("Lỗi của trục liên thông", "A fault of the gateway"),
    503: ("Tạm thời không phục vụ được", "Not available for the moment"),
}

_XML_NAMESPACE = "urn:ietf:rfc:7807"  # RFC 9457 appendix B keeps the namespace of RFC 7807


def http_status_of(problems: Collection[Problem]) -> int:
    """The HTTP status that problems lead to: that of the first failed one, else of the first undetermined one."""
    for outcome in (ProblemOutcome.FAILED, ProblemOutcome.UNDETERMINED, ProblemOutcome.NOTE):
        for problem in problems:
            entry = problem.entry
            if entry.outcome is outcome:
                return entry.status or _STATUS[entry.outcome, entry.side]
    return 200


def may_retry(problems: Collection[Problem]) -> bool:
    """Whether the same bytes may succeed later: only when that is so for everything that failed."""
    failed = [p for p in problems if p.outcome is not ProblemOutcome.NOTE]
    return bool(failed) and all(p.entry.retry for p in failed)


def as_rows(problems: Collection[Problem]) -> list[ProblemRow]:
    """Each problem with its words in both languages; the rows of every rendering."""
    return [_row(problem) for problem in problems]


def _row(problem: Problem) -> ProblemRow:
    entry, at = problem.entry, problem.at
    return ProblemRow(
        code=entry.code,
        token=entry.token,
        outcome=str(entry.outcome),
        side=str(entry.side),
        retry=entry.retry,
        message=Words(vi=problem.message(Lang.VI), en=problem.message(Lang.EN)),
        remedy=Words(vi=problem.remedy(Lang.VI), en=problem.remedy(Lang.EN)),
        line=at.line if at else None,
        column=at.column if at else None,
        xpath=at.xpath if at else None,
    )


def document(problems: Collection[Problem], *, status: int, lang: Lang, **members: Any) -> dict[str, Any]:
    """The problem document as members of RFC 9457, its own extension members included. Empty members are left out."""
    vi, en = _TITLES.get(status, _TITLES[500])
    titles, details = Words(vi=vi, en=en), Words(vi=_detail(problems, Lang.VI), en=_detail(problems, Lang.EN))
    first = next(iter(problems), None)
    found = ProblemDocument(
        type=f"urn:lienthong:problem:{first.code}" if first else "about:blank",
        title=getattr(titles, lang),
        status=status,
        detail=getattr(details, lang),
        retry=may_retry(problems),
        titles=titles,
        details=details,
        problems=as_rows(problems),
        **members,
    )
    told: dict[str, Any] = as_values(found)
    return told


def render(members: Mapping[str, Any], media: Media) -> bytes:
    """A problem document as bytes of its media type."""
    if media is Media.JSON:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return _xml(members)


def _detail(problems: Collection[Problem], lang: Lang) -> str:
    """What happened this time: the first problem's sentence, and how many more there are."""
    sentences = [problem.message(lang) for problem in problems]
    if len(sentences) <= 1:
        return "".join(sentences)
    more = {Lang.VI: f" (và {len(sentences) - 1} điểm khác)", Lang.EN: f" (and {len(sentences) - 1} more)"}
    return sentences[0] + more[lang]


def _xml(members: Mapping[str, Any]) -> bytes:
    parts = ["<?xml version='1.0' encoding='UTF-8'?>\n", f'<problem xmlns="{_XML_NAMESPACE}">']
    for name, value in members.items():
        _element(name, value, parts)
    parts.append("</problem>")
    return "".join(parts).encode("utf-8", "replace")


def _element(name: str, value: Any, parts: list[str]) -> None:
    """One member by the rules of RFC 9457 appendix B: objects by their names, arrays as repeated ``i``."""
    if value is None:
        return
    parts.append(f"<{name}>")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _element(key, inner, parts)
    elif isinstance(value, list):
        for inner in value:
            _element("i", inner, parts)
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    else:
        parts.append(text(value))
    parts.append(f"</{name}>")


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> str:
    """A value as XML character data: escaped, and free of what XML 1.0 does not allow."""
    return escape(_NOT_XML.sub("\ufffd", str(value)), {"\r": "&#13;"})
