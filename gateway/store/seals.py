"""What the chained log says of a row: a digest of the columns that nobody changes after the line was written.

A line that writes rows carries the seal of each, so that whoever changes a row by another way than the program's has to
change the log too, and that shows (gateway.core.chain, gateway.store.compare).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
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
    return hashlib.sha256(sealed_text(table, row)).hexdigest()


def sealed_text(table: str, row: Mapping[str, Any]) -> bytes:
    """What the seal of a row of this table is the SHA-256 of."""
    columns, kept = _COLUMNS[table]
    values = [FORM, table, *columns(row)]
    for at, as_kept in kept:
        if values[at] is not None:
            values[at] = as_kept(values[at])
    return _encode(values)


def list_seal(table: str, listed: Iterable[Mapping[str, Any]]) -> str:
    """One seal for many rows, in this order."""
    return hashlib.sha256(_encode([row_seal(table, row) for row in listed])).hexdigest()


def _json(value: Any) -> str:
    return encode_json(value).decode()


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _kept(table: Table, name: str) -> Callable[[Any], str] | None:
    """How a value of this column is kept where that is not its own form in JSON."""
    kind = table.c[name].type
    if isinstance(kind, Json):
        return _json
    return _digest if kind.python_type is bytes else None


def _read(
    table: Table, columns: Sequence[str]
) -> tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], list[tuple[int, Callable[[Any], str]]]]:
    """What takes a row's sealed values out of it, and where among what is hashed those are that are kept in another form."""
    forms = ((at, _kept(table, name)) for at, name in enumerate(columns, start=2))  # behind FORM and the table's name
    return itemgetter(*columns), [(at, form) for at, form in forms if form is not None]


_COLUMNS: Final = {name: _read(tables.metadata.tables[name], columns) for name, columns in COLUMNS.items()}
