"""The conformance report: JSON for machines, one HTML page for people, both languages on it."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gateway.cli.play.kit import CASES, Mark, Result, TrialExchange
from gateway.cli.show import HANOI, inert

WORDS = {
    Mark.PASSED: ("Đạt", "Passed"),
    Mark.WARNED: ("Lưu ý", "Warning"),
    Mark.FAILED: ("Không đạt", "Failed"),
    Mark.SKIPPED: ("Không xét", "Skipped"),
}
COLOURS = {Mark.PASSED: "#1a7f37", Mark.WARNED: "#9a6700", Mark.FAILED: "#cf222e", Mark.SKIPPED: "#656d76"}
PULLING = {
    "pulls": ("lấy hộp thư bằng mã truy cập của đơn vị", "asks for the inbox with its own token"),
    "confirms": ("xác nhận tới vị trí cuối", "confirms up to the last position"),
    "skips-nothing": ("không bỏ sót vị trí nào", "steps over no position"),
    "asks-again": ("yêu cầu lại sau HTTP 503 hoặc trả lời bị ngắt", "asks again after a 503 or a broken answer"),
    "originals": ("lấy nguyên văn từng thông điệp", "fetches the original of each message"),
    "stores-first": ("xác nhận sau khi lấy", "fetches before it confirms"),
    "manners": ("không yêu cầu liên tục", "asks at a fair pace"),
}


def demands() -> Mapping[str, tuple[str, str]]:
    """What each case demands, in both languages."""
    return {**{case.name: (case.vi, case.en) for case in CASES}, **PULLING}


CAME = {
    "taken": "đã nhận / taken",
    "refused": "từ chối / refused",
    "unreachable": "chưa nhận / not taken",
    "uncertain": "chưa rõ / outcome unknown",
    "no answer": "không có trả lời / no answer",
    "no answer read": "không đọc trả lời / the answer was not read",
}
FACTS = {
    "system": ("Hệ thống được kiểm", "System under test"),
    "party": ("Bên", "Party"),
    "name": ("Tên đơn vị", "Name"),
    "identifier": ("Mã định danh", "Identifier"),
    "role": ("Vai", "Role"),
    "url": ("Địa chỉ nhận", "Endpoint"),
    "connector": ("Bộ kết nối", "Connector"),
    "way": ("Cách nhận", "Way of receiving"),
    "letters": ("Số thông điệp trong hộp thư", "Messages in the inbox"),
    "by": ("Người thực hiện", "Carried out by"),
    "began": ("Bắt đầu", "Began"),
    "ended": ("Kết thúc", "Ended"),
    "kit": ("Bộ kiểm tra", "The kit"),
    "messages": ("Phiên bản thông điệp", "Message versions"),
    "sender": ("Bên gửi thử nghiệm", "Test sender"),
    "certificate_sha256": ("SHA-256 chứng thư của bên gửi thử nghiệm", "SHA-256 of its certificate"),
    "certificate": ("Tệp chứng thư", "Certificate file"),
}
SHOWN = 400  # characters of an answer on the page; the JSON has more


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """What is handed in."""

    about: Mapping[str, Any]  # who, what, with which versions; see FACTS
    results: Sequence[Result]
    began: datetime
    ended: datetime
    demanded: Sequence[str] = field(default_factory=lambda: [case.name for case in CASES])  # for a whole report

    @property
    def complete(self) -> bool:
        """Whether every case was run: a part of them is no report to hand in."""
        return {result.case for result in self.results} >= {*self.demanded}

    @property
    def passed(self) -> bool:
        """Nothing failed, and something was tried."""
        marks = [result.mark for result in self.results]
        return Mark.FAILED not in marks and Mark.PASSED in marks

    def counts(self) -> dict[Mark, int]:
        """How many cases came to what."""
        return {mark: sum(result.mark is mark for result in self.results) for mark in Mark}

    def facts(self) -> dict[str, Any]:
        """Who, when, with which versions; what is not known is left out."""
        at = {"began": self.began.astimezone(HANOI).isoformat(), "ended": self.ended.astimezone(HANOI).isoformat()}
        all_of = {"kit": f"lienthong conformance {version('lienthong')}", **self.about, **at}
        return {name: all_of[name] for name in FACTS if all_of.get(name) is not None}


def as_rows(report: ConformanceReport) -> dict[str, Any]:
    """The report as plain JSON values."""
    return {
        **report.facts(),
        "passed": report.passed,
        "complete": report.complete,
        "counts": {str(mark): count for mark, count in report.counts().items()},
        "results": [_row(result) for result in report.results],
    }


def _row(result: Result) -> dict[str, Any]:
    vi, en = demands()[result.case]
    exchanges = [{**asdict(one), "at": one.at.astimezone(HANOI).isoformat()} for one in result.exchanges]
    return {**asdict(result), "expected_vi": vi, "expected_en": en, "exchanges": exchanges}


def write(folder: Path, report: ConformanceReport) -> tuple[Path, Path]:
    """Both files; the page names the digest of the other one. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, page = folder / "bao-cao.json", folder / "bao-cao.html"
    text = json.dumps(as_rows(report), ensure_ascii=False, indent=1) + "\n"
    as_json.write_text(text, "utf-8")
    page.write_text(as_html(report, hashlib.sha256(text.encode()).hexdigest()), "utf-8")
    return as_json, page


def as_html(report: ConformanceReport, digest: str) -> str:
    """One page that needs nothing else. Everything from outside is escaped."""
    if report.passed:
        verdict, colour = ("ĐẠT", "PASSED"), COLOURS[Mark.PASSED]
    else:
        verdict, colour = ("KHÔNG ĐẠT", "FAILED"), COLOURS[Mark.FAILED]
    sums = " · ".join(
        f'<span style="color:{COLOURS[mark]}">{count} {WORDS[mark][0].lower()} / <i>{WORDS[mark][1].lower()}</i></span>'
        for mark, count in report.counts().items()
        if count
    )
    partial = (
        ""
        if report.complete
        else f"<p><b>Chỉ chạy {len(report.results)} trong {len(report.demanded)} trường hợp: không thay cho báo cáo đầy đủ.</b> "
        f"<i>Only {len(report.results)} of {len(report.demanded)} cases were run: no substitute for the whole report.</i></p>"
    )
    facts = "".join(
        f"<tr><th>{FACTS[name][0]}<br><i>{FACTS[name][1]}</i></th><td>{_text(value)}</td></tr>"
        for name, value in report.facts().items()
    )
    cases = "".join(_case(number, result) for number, result in enumerate(report.results, 1))
    return f"""<!DOCTYPE html>
<html lang="vi"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Liên Thông: báo cáo hợp chuẩn / conformance report</title>
<style>
body {{ font-family: sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; line-height: 1.4 }}
table {{ border-collapse: collapse; width: 100%; margin: 1rem 0 }}
th, td {{ border: 1px solid #d0d7de; padding: .35rem .6rem; text-align: left; vertical-align: top }}
table.facts th {{ width: 16rem; background: #f6f8fa; font-weight: normal }}
tr.sent td {{ font-size: .8rem; background: #f6f8fa }}
tr.sent ol {{ margin: 0; padding-left: 1.5rem }}
tr {{ break-inside: avoid }}
i {{ color: #656d76 }}
code, .sent {{ overflow-wrap: anywhere }}
.signed {{ display: flex; gap: 4rem; margin: 3rem 0; text-align: center }}
.signed div {{ flex: 1; border-top: 1px solid #1f2328; padding-top: .4rem; margin-top: 5rem }}
</style></head><body>
<h1>Báo cáo hợp chuẩn <i>Conformance report</i></h1>
<p style="font-size:1.5rem;color:{colour}"><b>{verdict[0]} / {verdict[1]}</b></p>
<p>{sums}</p>{partial}
<table class="facts">{facts}</table>
<table><thead><tr><th></th><th>Trường hợp<br><i>Case</i></th><th>Kết quả đúng<br><i>Expected</i></th>
<th>Kết quả thực tế<br><i>What happened</i></th><th>Kết luận<br><i>Verdict</i></th></tr></thead>
<tbody>{cases}</tbody></table>
<p>Dữ liệu của báo cáo / <i>data of this report</i>: <code>bao-cao.json</code>, SHA-256 <code>{digest}</code></p>
<div class="signed"><div>Đơn vị kết nối<br><i>The integrator</i></div>
<div>Đơn vị vận hành trục<br><i>The gateway's operator</i></div></div>
</body></html>
"""


def _case(number: int, result: Result) -> str:
    vi, en = demands()[result.case]
    seen = f"<br><code>{_text(result.seen)}</code>" if result.seen else ""
    rows = "".join(f"<li>{_exchange(one)}</li>" for one in result.exchanges)
    sent = (
        '<tr class="sent"><td></td><td colspan="4">Đã gửi và nhận lại / <i>sent, and what came back</i>:'
        f"<ol>{rows}</ol></td></tr>"
        if rows
        else ""
    )
    return (
        f"<tr><td>{number}</td><td><code>{_text(result.case)}</code><br>{result.took_ms} ms</td>"
        f"<td>{_text(vi)}<br><i>{_text(en)}</i></td><td>{_text(result.vi)}<br><i>{_text(result.en)}</i>{seen}</td>"
        f'<td style="color:{COLOURS[result.mark]}"><b>{WORDS[result.mark][0]}</b><br><i>{WORDS[result.mark][1]}</i></td></tr>'
        f"{sent}"
    )


def _exchange(one: TrialExchange) -> str:
    sent = f", {one.sent_bytes} byte, SHA-256 <code>{one.sent_sha256[:16]}…</code>" if one.sent_bytes else ""
    more = "…" if len(one.answer) > SHOWN else ""
    answer = f"<br><code>{_text(one.answer[:SHOWN])}{more}</code>" if one.answer else ""
    clock = one.at.astimezone(HANOI).strftime("%H:%M:%S")
    return (
        f"{clock} <code>{_text(one.what)}</code>{sent} → <b>{_text(CAME.get(one.came, one.came))}</b> {_text(one.seen)}"
        f" ({one.answer_bytes} byte, {one.took_ms} ms){answer}"
    )


def _text(value: object) -> str:
    return html.escape(inert(value))
