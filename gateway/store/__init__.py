"""What the gateway remembers. The only package that knows SQLAlchemy; services see frozen values and questions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway.store.engine import BUSY_TIMEOUT_S, CACHE_MIB, Traces, open_engine
from gateway.store.errors import (
    OTHER_SCHEMA,
    Busy,
    Conflict,
    NotAtHand,
    SchemaMismatch,
    StoreError,
    Unavailable,
    Unstorable,
)
from gateway.store.figures import Groups, OpenLimit, RegisterRow, Unaccepted
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
from gateway.store.store import Store
from gateway.store.view import View

if TYPE_CHECKING:
    from gateway.store.lives import bring_up_to_date
    from gateway.store.news import News
    from gateway.store.page import BookPage, writing_page
    from gateway.store.sidebook import SideBook, SidePair
    from gateway.store.tx import Tx

_LATER = {  # what a look-up has no use for is loaded when it is asked for
    "News": "gateway.store.news",
    "BookPage": "gateway.store.page",
    "SideBook": "gateway.store.sidebook",
    "SidePair": "gateway.store.sidebook",
    "Tx": "gateway.store.tx",
    "bring_up_to_date": "gateway.store.lives",
    "writing_page": "gateway.store.page",
}


def __getattr__(name: str) -> Any:
    """One of the above, loaded now."""
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(_LATER[name]), name)


__all__ = [
    "BUSY_TIMEOUT_S",
    "CACHE_MIB",
    "OTHER_SCHEMA",
    "BookPage",
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
    "NotAtHand",
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
    "writing_page",
]
