"""What a message may do to a dossier: a closed list. A new message type chooses from it; a new effect is a change of the core."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from gateway.core.values import made_often
from gateway.core.written import hints_of


@made_often(frozen=True, slots=True, kw_only=True)
class Files:
    """Opens a dossier, or updates what is known of it. From HS01 (and HS14 at the receiving agency)."""

    trang_thai: int  # 1..10
    ma_tthc: str
    goc: str | None = None
    ten_tthc: str | None = None
    kenh_thuc_hien: str | None = None  # 1 direct, 2 online, 3 postal
    ngay_nop: datetime | None = None
    ngay_tiep_nhan: datetime | None = None
    ngay_hen_tra: datetime | None = None
    ngay_ket_thuc: datetime | None = None
    ngay_tra: datetime | None = None
    moves: bool = True  # whether a repeated filing may move the state: an agency's does, a portal's never


@made_often(frozen=True, slots=True, kw_only=True)
class Moves:
    """Asks for the next state. From HS03–HS06, HS08, HS11–HS13."""

    to: int | None  # 1..10; None: back to the state before 5 or 7
    goc: str | None = None  # as the sender's own system calls it
    at: datetime | None = None  # when, if not at the message's own time
    ly_do: bool = False  # whether a reason was given; the text stays in the message
    ngay_tiep_nhan: datetime | None = None
    ngay_hen_tra: datetime | None = None
    ngay_ket_thuc: datetime | None = None
    ngay_tra: datetime | None = None
    han: datetime | None = None  # ThoiHanBoSung of a supplement request
    nguoi_xu_ly: str | None = None  # officer, office: named on the event (R29, R64)
    phong_ban: str | None = None
    answers: bool = False  # answers another party's act (withdrawal): it may arrive before that act is known
    result_kind: str | None = None  # "tra-lai" for a withdrawal or return closed with 9
    privileged: bool = False  # recall of a delivered result, step back


@made_often(frozen=True, slots=True, kw_only=True)
class Notes:
    """A line in the history, no move. From HS07, HS21 and others."""

    what: str  # a key of the glossary, not free text: "bo-sung-da-nop", "danh-gia", …
    ref: str | None = None  # HoSoBoSungId and the like
    value: str | None = None  # a code or a number, never a text


@made_often(frozen=True, slots=True, kw_only=True)
class Redates:
    """A new appointment; the old one is kept. From HS08, HS16."""

    ngay_hen_tra: datetime


@made_often(frozen=True, slots=True, kw_only=True)
class Owes:
    """A payment is asked for. From HS09."""

    so_tien: Decimal  # VND
    han_nop: datetime | None = None
    ref: str | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class Pays:
    """A payment was made, or failed. From HS10."""

    so_tien: Decimal  # VND
    da_thanh_toan: bool = True
    ma_tra_cuu: str | None = None
    thoi_gian: datetime | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class Transfers:
    """Copy to the next agency. From HS14."""

    don_vi_nhan: str  # agency identifier
    han_xu_ly: datetime | None = None
    ma_ho_so_goc: str | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class Returns:
    """The next agency's answer to the lead. From HS15."""

    ket_qua: str | None = None
    trang_thai: int | None = None  # the next agency's own state; the lead keeps the dossier's


@made_often(frozen=True, slots=True, kw_only=True)
class Asks:
    """A query. From HS17, HS18, HS19; the gateway answers those addressed to it."""

    what: str  # "ho-so", "danh-muc", "doi-soat"
    key: Mapping[str, str]


@made_often(frozen=True, slots=True, kw_only=True)
class Answers:
    """The reply to a query."""

    what: str


@made_often(frozen=True, slots=True, kw_only=True)
class Publishes:
    """A catalogue version. From HS18 DanhMuc."""

    danh_muc: str
    phien_ban: str


class KetQua(StrEnum):
    """KetQua of HS02."""

    CHAP_NHAN = "CHAP_NHAN"
    TU_CHOI = "TU_CHOI"
    TRUNG_LAP = "TRUNG_LAP"


@made_often(frozen=True, slots=True, kw_only=True)
class Acknowledges:
    """Settles the delivery it answers. From HS02."""

    ma_thong_diep_goc: str
    ket_qua: KetQua


@made_often(frozen=True, slots=True, kw_only=True)
class Recalls:
    """Cancels what is still queued of an earlier message and informs who has it. From HS20."""

    ma_thong_diep_goc: str


Effect = (
    Files
    | Moves
    | Notes
    | Redates
    | Owes
    | Pays
    | Transfers
    | Returns
    | Asks
    | Answers
    | Publishes
    | Acknowledges
    | Recalls
)

# About a dossier, or about none, without being an event of its life.
BESIDE_THE_LIFE = (Acknowledges, Recalls, Asks, Answers, Publishes)

_BY_NAME: dict[str, type[Any]] = {cls.__name__: cls for cls in typing.get_args(Effect)}
_FIELDS: dict[type[Any], tuple[str, ...]] = {cls: tuple(f.name for f in fields(cls)) for cls in _BY_NAME.values()}


def to_dict(effect: Effect) -> dict[str, Any]:
    """The effect as plain JSON values, with its kind under ``effect``; fields at their default None are left out."""
    kind = type(effect)
    row: dict[str, Any] = {"effect": kind.__name__}
    for name in _FIELDS[kind]:
        value = getattr(effect, name)
        if value is None:
            continue
        row[name] = (
            value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else value
        )
    return row


def from_dict(row: Mapping[str, Any]) -> Effect:
    """The reverse of :func:`to_dict`; fields that are no longer known are left out. Raises KeyError for an unknown kind."""
    cls = _BY_NAME[row["effect"]]
    hints = hints_of(cls)
    known = {name: _back(hints[name], value) for name, value in row.items() if name in hints}
    if cls is Moves:
        known.setdefault("to", None)
    effect: Effect = cls(**known)
    return effect


def _back(hint: Any, value: Any) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if datetime in kinds:
        return datetime.fromisoformat(value)
    if Decimal in kinds:
        return Decimal(value)
    if KetQua in kinds:
        return KetQua(value)
    return value
