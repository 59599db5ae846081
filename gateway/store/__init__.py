"""What the gateway remembers. The only package that knows SQLAlchemy; services see frozen values and questions."""

from gateway.store.engine import open_engine
from gateway.store.errors import Busy, Conflict, SchemaMismatch, StoreError, Unavailable, Unstorable
from gateway.store.records import (
    CatalogueRow,
    Cause,
    CertificateStatus,
    Lane,
    Message,
    PartyVersion,
    PaymentLine,
    Queue,
    Reader,
    Spoken,
    Verdict,
)
from gateway.store.schema import current, upgrade
from gateway.store.store import Store
from gateway.store.tx import Tx
from gateway.store.view import View

__all__ = [
    "Busy",
    "CatalogueRow",
    "Cause",
    "CertificateStatus",
    "Conflict",
    "Lane",
    "Message",
    "PartyVersion",
    "PaymentLine",
    "Queue",
    "Reader",
    "SchemaMismatch",
    "Spoken",
    "Store",
    "StoreError",
    "Tx",
    "Unavailable",
    "Unstorable",
    "Verdict",
    "View",
    "current",
    "open_engine",
    "upgrade",
]
