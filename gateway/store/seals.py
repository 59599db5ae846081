"""What the chained log says of a row: a digest of the columns that nobody changes after the line was written.

A line that writes rows carries the seal of each, so that whoever changes a row by another way than the program's has to
change the log too, and that shows (gateway.core.chain, gateway.store.compare).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Table

from gateway.store import tables
from gateway.store.types import Json, encode_json

_encode = msgspec.json.Encoder().encode

FORM: Final = 1  # of the list that is hashed; it stands inside, so that another form cannot be taken for this one

#: The sealed columns of each table. To seal another column is another form, which old lines do not know.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "message": (  # judged_at moves without a line while a message stays held for the same reasons
        "id", "party", "caller_by", "channel", "form", "own_key", "content_type", "digest", "total_bytes", "received_at",
        "recorded_at", "state", "verdicts", "ma_thong_diep", "loai", "goc", "phien_ban", "ma_ho_so", "basis", "receipt",
        "composed", "code", "codes", "xpath",
    ),
    "verdict": (
        "message", "number", "state", "judged_at", "who", "problems", "facts", "evidence", "signed_digest", "receipt",
    ),
    "change": (
        "ma_ho_so", "number", "message", "ma_thong_diep", "loai", "goc", "sender", "effects", "occurred_at", "thu_tu",
        "recorded_at",
    ),
    "dossier": (
        "ma_ho_so", "ma_tthc", "portal", "agency", "others", "trang_thai", "trang_thai_goc", "opened_at",
        "ngay_tiep_nhan", "ngay_hen_tra", "ngay_ket_thuc", "changed_at", "released",
    ),
    "delivery": ("id", "message", "ma_thong_diep", "loai", "party", "lane", "digest", "created_at", "blocking"),
    "attempt": (
        "delivery", "number", "kind", "started_at", "ended_at", "outcome", "reference", "receipt", "problem",
    ),
    "catalogue": ("danh_muc", "phien_ban", "ma", "muc", "hieu_luc_tu", "hieu_luc_den"),
    "inbox": (
        "party", "position", "message", "ma_thong_diep", "loai", "goc", "sender", "ma_ho_so", "digest", "recorded_at",
        "trang_thai", "trang_thai_goc", "problems",
    ),
}  # fmt: skip


def row_seal(table: str, row: Mapping[str, Any]) -> str:
    """The seal of a row of this table: SHA-256 over its sealed columns as they are kept, in order."""
    values = [FORM, table, *(None if (v := row[name]) is None else kept(v) for name, kept in _KEPT[table])]
    return hashlib.sha256(_encode(values)).hexdigest()


def list_seal(table: str, listed: Iterable[Mapping[str, Any]]) -> str:
    """One seal for many rows, in this order."""
    return hashlib.sha256(_encode([row_seal(table, row) for row in listed])).hexdigest()


def _same(value: Any) -> Any:
    return value


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(" ", "microseconds")


def _json(value: Any) -> str:
    return encode_json(value).decode()


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _kept(table: Table, name: str) -> Callable[[Any], Any]:
    kind = table.c[name].type
    if isinstance(kind, Json):
        return _json
    python = kind.python_type
    return _moment if python is datetime else _digest if python is bytes else _same


_KEPT: Final = {
    name: tuple((column, _kept(tables.metadata.tables[name], column)) for column in columns)
    for name, columns in COLUMNS.items()
}
