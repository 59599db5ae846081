"""Persons of the console: who they are, how they log in, and until when that holds.

What a browser holds is a random token; on record is its digest. A session ends with its longest life, when it idles too long,
when its person logs out or is disabled, and when the password or the roles change.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.core.ledger import LogLine
from gateway.core.operators import Operator, OperatorRole, check_password, joined_roles, operator_name
from gateway.core.problems import Problem, Stopped
from gateway.core.unknown import unknown
from gateway.store import Store
from gateway.store.persons import DeskPlan, DeskSession
from signing.passwords import hash_password, is_stale, password_matches

_MARKS: Final = 10  # a session is marked as used so many times within the time that it may idle
MOST_SESSIONS: Final = 10  # of one person
MOST_PLANS: Final = 50  # of one session
PLAN_LASTS: Final = timedelta(hours=1)


def add_operator(
    store: Store,
    name: str,
    roles: Collection[OperatorRole],
    password: str | None,
    *,
    who: str,
    reason: str,
    now: datetime,
) -> Operator:
    """A new person; without a password they come by the proxy's header alone.

    Raises Stopped: SYS-160 the name, SYS-161 the password, SYS-162 there is one of this name.
    """
    name = operator_name(name)
    if password is not None:
        check_password(name, password)
    operator = Operator(
        name=name,
        roles=frozenset(roles),
        password=None if password is None else hash_password(password),
        added_at=now,
        changed_at=now,
    )
    with store.begin() as tx:
        if tx.operator(name) is not None:
            raise Stopped(Problem("SYS-162", {"name": name}))
        tx.put_operator(operator)
        tx.note(_line("operator.added", who, name, reason, roles=joined_roles(roles)), now)
    return operator


def change_roles(
    store: Store, name: str, roles: Collection[OperatorRole], *, who: str, reason: str, now: datetime
) -> Operator:
    """What the person may do from now on; sessions end. Raises Stopped (SYS-042)."""
    return _changed(store, name, "operator.roles", {"roles": frozenset(roles)}, who, reason, now)


def set_password(store: Store, name: str, password: str, *, who: str, reason: str, now: datetime) -> Operator:
    """A new password; sessions end. Raises Stopped: SYS-042, SYS-161."""
    check_password(operator_name(name), password)
    return _changed(store, name, "operator.password", {"password": hash_password(password)}, who, reason, now)


def disable(store: Store, name: str, *, who: str, reason: str, now: datetime) -> Operator:
    """The person cannot log in any more; sessions end. Raises Stopped (SYS-042)."""
    return _changed(store, name, "operator.disabled", {"disabled_at": now}, who, reason, now)


def enable(store: Store, name: str, *, who: str, reason: str, now: datetime) -> Operator:
    """The person may log in again. Raises Stopped (SYS-042)."""
    return _changed(store, name, "operator.enabled", {"disabled_at": None}, who, reason, now)


def _changed(
    store: Store, name: str, what: str, changes: Mapping[str, Any], who: str, reason: str, now: datetime
) -> Operator:
    with store.begin() as tx:
        known = tx.operator(name.strip().lower())
        if known is None:
            raise Stopped(unknown("operator", name))
        changed = replace(known, **changes, changed_at=now)
        tx.put_operator(changed)
        tx.end_desk_sessions(operator=known.name)
        facts = {"roles": joined_roles(changed.roles)} if "roles" in changes else {}
        tx.note(_line(what, who, known.name, reason, **facts), now)
    return changed


def _line(what: str, who: str, name: str, reason: str | None = None, **facts: Any) -> LogLine:
    why = {} if reason is None else {"reason": reason}
    return LogLine(what=what, who=who, message=None, facts={"operator": name, **why, **facts})


def listed(store: Store) -> list[Operator]:
    """Every person, by name."""
    with store.read() as view:
        return view.operators()


def proven_by_password(store: Store, name: str, password: str, now: datetime) -> Operator | None:
    """The person, where the password is theirs and they are not disabled. Takes as long for a name that nobody has.

    A refusal of somebody who is on record goes into the log; what was typed as a name may be a password, and does not.
    """
    with store.read() as view:
        known = view.operator(name.strip().lower()[:200])
    right = password_matches(password, known.password if known is not None else None)
    if known is None:
        return None
    if not right or known.disabled_at is not None:
        with store.begin() as tx:
            tx.note(_line("operator.refused", f"operator:{known.name}", known.name), now)
        return None
    if known.password is not None and is_stale(known.password):
        with store.begin() as tx:
            tx.put_operator(replace(known, password=hash_password(password)))
    return known


def proven_by_proxy(store: Store, name: str) -> Operator | None:
    """The person whom the proxy names, where they are on record and not disabled."""
    with store.read() as view:
        known = view.operator(name.strip().lower()[:200])
    return None if known is None or known.disabled_at is not None else known


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheDesk:
    """A person with the session that they act in."""

    operator: Operator
    session: DeskSession

    @property
    def who(self) -> str:
        """As the log names them: who they were proven to be stands in brackets, as an account of the system does."""
        return f"operator:ban-truc ({self.operator.name})"


def begin_session(
    store: Store, operator: Operator, proven_by: str, now: datetime, *, lasts: timedelta
) -> tuple[str, AtTheDesk]:
    """The token of a new session, and the session; the log has that the person came."""
    token = secrets.token_urlsafe(32)
    session = DeskSession(
        token_sha256=_sha256(token),
        operator=operator.name,
        proven_by=proven_by,
        opened_at=now,
        seen_at=now,
        ends_at=now + lasts,
    )
    at_desk = AtTheDesk(operator=operator, session=session)
    with store.begin() as tx:
        tx.open_desk_session(session, most=MOST_SESSIONS)
        tx.note(_line("operator.logged-in", at_desk.who, operator.name, by=proven_by), now)
    return token, at_desk


def at_desk(store: Store, token: str, now: datetime, *, idle: timedelta) -> AtTheDesk | None:
    """Whose session it is, marked as used now; None where there is none, or it is over."""
    with store.read() as view:
        session = view.desk_session(_sha256(token))
        operator = view.operator(session.operator) if session is not None else None
    if session is None or operator is None or now >= session.ends_at or now - session.seen_at > idle:
        return None
    if operator.disabled_at is not None or session.opened_at < operator.changed_at:
        return None
    if now - session.seen_at > idle / _MARKS:
        with store.begin() as tx:
            tx.use_desk_session(session, now)
    return AtTheDesk(operator=operator, session=session)


def log_out(store: Store, person: AtTheDesk, now: datetime) -> None:
    """The session is over."""
    with store.begin() as tx:
        tx.end_desk_sessions(token_sha256=person.session.token_sha256)
        tx.note(_line("operator.logged-out", person.who, person.operator.name), now)


def keep_plan(store: Store, person: AtTheDesk, act: str, facts: Mapping[str, Any], now: datetime) -> DeskPlan:
    """Keeps what was planned until its person says yes."""
    plan = DeskPlan(
        id=secrets.token_urlsafe(16), token_sha256=person.session.token_sha256, act=act, facts=dict(facts), made_at=now
    )
    with store.begin() as tx:
        tx.put_desk_plan(plan, most=MOST_PLANS)
    return plan


def take_plan(store: Store, person: AtTheDesk, plan: str, act: str, now: datetime) -> DeskPlan:
    """The plan, to be carried out once. Raises Stopped (SYS-168): done already, of another session, or too old."""
    with store.begin() as tx:
        taken = tx.take_desk_plan(plan[:100], person.session.token_sha256)
    if taken is None or taken.act != act or now - taken.made_at > PLAN_LASTS:
        raise Stopped(Problem("SYS-168"))
    return taken


def form_token(token: str) -> str:
    """What a form of this session carries, so that no other site can send it: not the session's token, and made from it."""
    return hashlib.sha256(f"form {token}".encode("utf-8", "surrogatepass")).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
