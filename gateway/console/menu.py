"""Every page of the console, and those that the menu names."""

from __future__ import annotations

from typing import Final

from gateway.console import (
    agencies,
    causes,
    comparing,
    condition,
    desk_batches,
    dossiers,
    journal,
    known_wrong,
    messages,
    morning,
    overdue,
    public,
    replay,
    statistics,
)
from gateway.console.acts import act_pages
from gateway.console.render import MenuEntry
from gateway.console.room import BASE, DeskPage

ACTS: Final = [*morning.ACTS, *dossiers.ACTS, *agencies.ACTS, *replay.ACTS, *desk_batches.ACTS, *comparing.ACTS]
PAGES: Final[list[DeskPage]] = [
    *morning.PAGES,
    *dossiers.PAGES,
    *messages.PAGES,
    *agencies.PAGES,
    *causes.PAGES,
    *desk_batches.PAGES,
    *overdue.PAGES,
    *statistics.PAGES,
    *comparing.PAGES,
    *known_wrong.PAGES,
    *journal.PAGES,
    *condition.PAGES,
    *act_pages(ACTS),
]
PUBLIC: Final[list[DeskPage]] = public.PAGES
MENU: Final = [
    MenuEntry(path=BASE, vi="Tổng quan", en="This morning"),
    MenuEntry(path=f"{BASE}/ho-so", vi="Hồ sơ", en="Dossiers"),
    MenuEntry(path=f"{BASE}/thong-diep", vi="Thông điệp", en="Messages"),
    MenuEntry(path=f"{BASE}/co-quan", vi="Cơ quan", en="Parties"),
    MenuEntry(path=f"{BASE}/nguyen-nhan", vi="Nguyên nhân", en="Causes"),
    MenuEntry(path=f"{BASE}/dot", vi="Đợt", en="Batches"),
    MenuEntry(path=f"{BASE}/qua-han", vi="Quá hạn, dự báo", en="Overdue, forecast"),
    MenuEntry(path=f"{BASE}/thong-ke", vi="Thống kê", en="Statistics"),
    MenuEntry(path=f"{BASE}/lech", vi="Đối soát, lệch trạng thái", en="Reconciliation, drift"),
    MenuEntry(path=f"{BASE}/nhat-ky", vi="Nhật ký", en="Journal"),
    MenuEntry(path=f"{BASE}/tinh-trang", vi="Tình trạng", en="Condition"),
]
