"""How strict the rules beyond the schemas are: what the settings say of them. Knows no XML, so that a look-up loads none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from gateway.core import written
from gateway.core.severity import Severity, severity_of
from schemas.names import STEM

_NOTHING: Mapping[str, Severity] = MappingProxyType({})
OPEN_FORMATS = (
    "application/pdf",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.graphics",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",  # ISO/IEC 29500
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/rtf",
    "application/xml",
    "application/json",
    "text/plain",
    "text/csv",
    "text/xml",
    "image/png",
    "image/jpeg",
    "image/tiff",
    "image/gif",
    "image/webp",
)


class Settable(Protocol):
    """All that a severity is found by."""

    @property
    def name(self) -> str:
        """As the settings call the rule."""

    @property
    def default(self) -> Severity:
        """Where they say nothing."""

    @property
    def locked(self) -> bool:
        """Whether they may not."""


@dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """How strict the rules are. Decoded from TOML like every other setting; the defaults are those of the rules."""

    severity: Mapping[str, Severity] = written.setting(
        {},
        vi="Mức áp dụng từng quy tắc: “tên-quy-tắc” hoặc “HS05.tên-quy-tắc” = reject, warn hoặc off",
        en="Severity of a rule: “rule-name” or “HS05.rule-name” = reject, warn or off",
    )
    window_past_days: int = written.setting(
        366, vi="ThoiDiemTao cũ nhất được nhận, ngày", en="Oldest ThoiDiemTao that is taken, days", at_least=1
    )
    window_future_s: int = written.setting(
        300,
        vi="ThoiDiemTao đi trước đồng hồ của trục nhiều nhất, giây",
        en="Furthest ThoiDiemTao may be ahead, seconds",
        at_least=0,
    )
    open_formats: tuple[str, ...] = written.setting(
        OPEN_FORMATS, vi="Kiểu nội dung được nhận ở tệp đính kèm", en="Media types taken as attachments"
    )
    procedures: tuple[str, ...] = written.setting(
        (),
        vi="Mã thủ tục (8 ký tự đầu) được nhận; để trống: theo danh mục ThuTuc và DichVu đã nạp, chưa có ThuTuc thì nhận "
        "mọi mã",
        en="Procedure stems that are known; empty: those of the catalogues ThuTuc and DichVu on record, and all while there "
        "is no ThuTuc",
    )

    @cached_property
    def ahead(self) -> timedelta:
        """How far ahead of the gateway's clock a moment may be that has come."""
        return timedelta(seconds=self.window_future_s)

    @cached_property
    def behind(self) -> timedelta:
        """How old a message may be when it arrives."""
        return timedelta(days=self.window_past_days)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The national procedures that are known, each once; empty: all are."""
        return frozenset(code[:STEM] for code in self.procedures)

    def of(self, rule: Settable, loai: str, party: Mapping[str, Severity] = _NOTHING) -> Severity:
        """The severity of a rule for a type: what the sender's profile says, else these settings, else the rule's default."""
        return Severity.REJECT if rule.locked else severity_of(rule.name, loai, rule.default, party, self.severity)
