"""Sessions of the door in the national portal's own form: opened by a password, and the same for all workers and nodes.

What a caller holds is a random token; on record is its digest. A session ends with its longest life, when it idles too long,
when the password of its account changes, and when its party loses the door.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from gateway.core.model import Caller
from gateway.core.parties import Parties
from gateway.settings import DoorSettings
from gateway.store import Store
from gateway.store.records import PortalSession
from gateway.web.auth import ProvenParty

BY = "session"  # how such a caller proved who it is, as a message's record has it
_MARKS = 10  # a session is marked as used so many times within the time that it may idle


def open_session(store: Store, who: ProvenParty, account: str, settings: DoorSettings, now: datetime) -> str:
    """The token of a new session."""
    token = secrets.token_urlsafe(32)
    session = PortalSession(
        token_sha256=_sha256(token),
        party=who.party.id,
        account=account,
        credential=_sha256(who.party.credentials.basic[account]),
        opened_at=now,
        seen_at=now,
        ends_at=now + timedelta(hours=settings.session_h),
    )
    with store.begin() as tx:
        tx.open_session(session, most=settings.sessions)
    return token


def session_party(
    store: Store, parties: Parties, token: str, settings: DoorSettings, now: datetime
) -> ProvenParty | None:
    """Whose session it is, and that it was used now; None where there is none, or it is over."""
    digest, idle = _sha256(token), timedelta(minutes=settings.session_idle_min)
    with store.read() as view:
        session = view.session(digest)
    if session is None or now >= session.ends_at or now - session.seen_at > idle:
        return None
    party = parties.get(session.party)
    known = party.credentials.basic.get(session.account) if party is not None else None
    if party is None or known is None or not hmac.compare_digest(session.credential, _sha256(known)):
        return None
    if now - session.seen_at > idle / _MARKS:
        with store.begin() as tx:
            tx.use_session(digest, now)
    return ProvenParty(party, Caller(party=party.id, by=BY))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
