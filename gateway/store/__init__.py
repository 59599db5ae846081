"""What the gateway remembers. The only package that knows SQLAlchemy; services see frozen values and questions."""

from gateway.store.engine import Traces, open_engine
from gateway.store.errors import Busy, Conflict, SchemaMismatch, StoreError, Unavailable, Unstorable
from gateway.store.figures import Groups, OpenLimit, RegisterRow, Unaccepted
from gateway.store.lives import bring_up_to_date
from gateway.store.news import News
from gateway.store.records import (
    CatalogueRow,
    Cause,
    CertificateRecord,
    InboxReader,
    Lane,
    Message,
    PartyVersion,
    PaymentLine,
    Queue,
    Spoken,
    VerdictRecord,
)
from gateway.store.schema import schema_revision, upgrade
from gateway.store.sidebook import SideBook, SidePair
from gateway.store.store import Store
from gateway.store.tx import Tx
from gateway.store.view import View

__all__ = [
    "Busy",
    "CatalogueRow",
    "Cause",
    "CertificateRecord",
    "Conflict",
    "Groups",
    "InboxReader",
    "Lane",
    "Message",
    "News",
    "OpenLimit",
    "PartyVersion",
    "PaymentLine",
    "Queue",
    "RegisterRow",
    "SchemaMismatch",
    "SideBook",
    "SidePair",
    "Spoken",
    "Store",
    "StoreError",
    "Traces",
    "Tx",
    "Unaccepted",
    "Unavailable",
    "Unstorable",
    "VerdictRecord",
    "View",
    "bring_up_to_date",
    "open_engine",
    "schema_revision",
    "upgrade",
]
