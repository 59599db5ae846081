"""What pages say of figures that were made beforehand: of when they are, what came since, and the button to make them anew."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.console import words
from gateway.console.parts import Act, Lines, Part
from gateway.console.room import DeskCall
from gateway.core.problems import Problem, Stopped
from gateway.services.prepared import Prepared


def kept_parts(call: DeskCall, kept: Prepared | None, path: str, query: Mapping[str, str]) -> list[Part]:
    """Nothing of figures that were counted just now."""
    if kept is None:
        return []
    lines = [*_as_of(call, kept), *_underway(call, kept)]
    parts: list[Part] = [Lines(lines=lines)]
    if call.person is not None and kept.answer is not None and not kept.wanted:
        button = call.text("Tính lại số liệu", "Count again")
        parts.append(Act(to=words.desk_address(path), button=button, hidden=list(query.items())))
    return parts


def _as_of(call: DeskCall, kept: Prepared) -> list[str]:
    if kept.made_at is None:
        return [
            call.text(
                "Kỳ này có nhiều dữ liệu nên số liệu do tiến trình work tính trước, không tính khi mở trang.",
                "There is so much in this period that its figures are made by work beforehand, not while the page is waited for.",
            )
        ]
    at = words.when(kept.made_at)
    news = f"{kept.news:,}".replace(",", ".")
    return [
        call.text(f"Số liệu được tính lúc {at}.", f"The figures are of {at}."),
        *(
            [call.text(f"Từ lúc đó nhật ký có thêm {news} mục, chưa có trong số liệu.",
                       f"Since then the log has {news} more entries, which are not in the figures.")]
            if kept.news
            else []
        ),
    ]  # fmt: skip


def _underway(call: DeskCall, kept: Prepared) -> list[str]:
    if kept.refused:
        return [
            call.text(
                "Đang có nhiều kỳ khác chờ tính; mở lại trang này sau ít phút.",
                "Many other periods wait to be counted; look again in some minutes.",
            )
        ]
    if not kept.wanted:
        return []
    done = f"{kept.done:,}".replace(",", ".")
    so_far = call.text(f" (đã xem {done} hồ sơ)", f" ({done} dossiers so far)") if kept.done else ""
    return [
        call.text(
            f"Số liệu đang được tính{so_far}; trang tự cập nhật khi tính xong.",
            f"The figures are being made{so_far}; the page shows them when they are there.",
        )
    ]


def not_yet(kept: Prepared | None) -> Stopped:
    """What a file answers whose figures are not made yet (SYS-204)."""
    return Stopped(Problem("SYS-204", {"done": kept.done if kept is not None else 0}))
