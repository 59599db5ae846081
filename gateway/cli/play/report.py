"""The conformance report: JSON for machines, one HTML page for people, both languages on it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.cli.play.kit import CASES, Mark, Result
from gateway.cli.show import inert, when

WORDS = {
    Mark.PASSED: ("Đạt", "Passed"),
    Mark.WARNED: ("Lưu ý", "Warning"),
    Mark.FAILED: ("Không đạt", "Failed"),
    Mark.SKIPPED: ("Không xét", "Skipped"),
}
COLOURS = {Mark.PASSED: "#1a7f37", Mark.WARNED: "#9a6700", Mark.FAILED: "#cf222e", Mark.SKIPPED: "#656d76"}
PULLING = {
    "pulls": ("lấy hộp thư bằng thẻ của mình", "asks for the inbox with its own token"),
    "confirms": ("xác nhận tới vị trí cuối", "confirms up to the last position"),
    "skips-nothing": ("không bỏ sót vị trí nào", "steps over no position"),
    "asks-again": ("hỏi lại sau 503 hoặc trả lời đứt", "asks again after a 503 or a broken answer"),
    "originals": ("lấy nguyên văn từng thông điệp", "fetches the original of each message"),
    "stores-first": ("lấy rồi mới xác nhận", "fetches before it confirms"),
    "manners": ("không hỏi dồn", "asks at a fair pace"),
}


def demands() -> Mapping[str, tuple[str, str]]:
    """What each case demands, in both languages."""
    return {**{case.name: (case.vi, case.en) for case in CASES}, **PULLING}


def passed(results: Sequence[Result]) -> bool:
    """Nothing failed, and something was tried."""
    marks = [result.mark for result in results]
    return Mark.FAILED not in marks and Mark.PASSED in marks


def as_rows(about: Mapping[str, Any], results: Sequence[Result], at: datetime) -> dict[str, Any]:
    """The report as plain JSON values."""
    return {
        "kit": "lienthong conformance",
        "at": at.isoformat(),
        **about,
        "passed": passed(results),
        "results": [
            {**asdict(result), "demand_vi": demands()[result.case][0], "demand_en": demands()[result.case][1]}
            for result in results
        ],
    }


def write(folder: Path, about: Mapping[str, Any], results: Sequence[Result], at: datetime) -> tuple[Path, Path]:
    """Both files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, page = folder / "bao-cao.json", folder / "bao-cao.html"
    as_json.write_text(json.dumps(as_rows(about, results, at), ensure_ascii=False, indent=1) + "\n", "utf-8")
    page.write_text(as_html(about, results, at), "utf-8")
    return as_json, page


def as_html(about: Mapping[str, Any], results: Sequence[Result], at: datetime) -> str:
    """One page that needs nothing else. Everything from outside is escaped."""

    def text(value: object) -> str:
        return html.escape(inert(value))

    verdict = (
        ("ĐẠT / PASSED", COLOURS[Mark.PASSED]) if passed(results) else ("KHÔNG ĐẠT / FAILED", COLOURS[Mark.FAILED])
    )
    facts = "".join(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in about.items())
    rows = "".join(
        f"<tr><td><code>{text(r.case)}</code></td><td>{text(demands()[r.case][0])}<br><i>{text(demands()[r.case][1])}</i></td>"
        f'<td style="color:{COLOURS[r.mark]}"><b>{WORDS[r.mark][0]}</b><br><i>{WORDS[r.mark][1]}</i></td>'
        f"<td>{text(r.vi)}<br><i>{text(r.en)}</i></td><td>{text(r.seen)}</td><td>{r.took_ms} ms</td></tr>"
        for r in results
    )
    return f"""<!DOCTYPE html>
<html lang="vi"><head><meta charset="utf-8"><title>Liên Thông: báo cáo hợp chuẩn / conformance report</title>
<style>
body {{ font-family: sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328 }}
table {{ border-collapse: collapse; width: 100%; margin: 1rem 0 }}
th, td {{ border: 1px solid #d0d7de; padding: .4rem .6rem; text-align: left; vertical-align: top }}
i {{ color: #656d76 }}
</style></head><body>
<h1>Báo cáo hợp chuẩn <i>Conformance report</i></h1>
<p style="font-size:1.4rem;color:{verdict[1]}"><b>{verdict[0]}</b></p>
<p>{text(when(at))}</p>
<table>{facts}</table>
<table><thead><tr><th>Ca / case</th><th>Đòi hỏi / demand</th><th>Kết quả / result</th>
<th>Vì / because</th><th>Thấy / seen</th><th></th></tr></thead>
<tbody>{rows}</tbody></table>
</body></html>
"""
