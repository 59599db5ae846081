"""The statements that write, each built once. What they are for is said where they are run, in tx.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, and_, bindparam, case, delete, func, literal_column, null, select, update

from gateway.core.model import DeliveryState
from gateway.store import tables
from gateway.store.engine import Bulk, Insert, Once
from gateway.store.view import FINAL, NOT_PARKED, PARKED, WAITING, held_up

_m, _d, _b, _c, _k = tables.message, tables.delivery, tables.body, tables.claim, tables.counter.c

AGAIN = (
    select(_m.c.id, _m.c.party, _m.c.ma_thong_diep, _m.c.state, _m.c.verdicts, tables.verdict.c.problems)
    .join(tables.verdict, and_(tables.verdict.c.message == _m.c.id, tables.verdict.c.number == _m.c.verdicts))
    .where(_m.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_m.c.id)
    .with_for_update(of=_m, key_share=True)
)
LOCK_DOSSIERS = (
    select(tables.dossier)
    .where(tables.dossier.c.ma_ho_so.in_(bindparam("codes", expanding=True)))
    .order_by(tables.dossier.c.ma_ho_so)
    .with_for_update()
)
_ARRIVAL = frozenset(  # what never changes of a message; the rest follows from its newest verdict
    ["id", "party", "caller_by", "channel", "form", "own_key", "content_type", "digest", "total_bytes", "received_at"]
)
_JUDGED = tuple(column.name for column in _m.columns if column.name not in _ARRIVAL)
_DOSSIER = tuple(column.name for column in tables.dossier.columns if column.name != "ma_ho_so")
_QUEUED = tuple(column.name for column in _d.columns if column.name not in ("seq", "parked"))


def _into(table: Table, columns: Sequence[str] | None = None) -> Bulk:
    return Bulk(lambda insert: insert(table), columns or table.columns.keys())


def _more_of_the_same(insert: Insert) -> Any:
    """The same bytes of a message are kept once. More of them than before replace less, which was erased."""
    put = insert(_b)
    return put.on_conflict_do_update(
        index_elements=[_b.c.owner, _b.c.digest],
        set_={"bytes": put.excluded.bytes, "kept": put.excluded.kept, "erased_at": null(), "archive": null()},
        where=_b.c.kept < put.excluded.kept,
    )


TAKE_CLAIMS = Bulk(lambda insert: insert(_c).on_conflict_do_nothing(), ["sender", "ma_thong_diep", "message"])
# Nobody adds an event meanwhile; nothing where somebody is about to.
STANDS_STILL = (
    select(tables.dossier.c.ma_ho_so)
    .where(tables.dossier.c.ma_ho_so == bindparam("code"))
    .with_for_update(read=True, skip_locked=True)
)
NEWEST_EVENT = select(func.max(tables.change.c.number)).where(tables.change.c.ma_ho_so == bindparam("code"))
OPEN_DOSSIERS = Bulk(lambda insert: insert(tables.dossier).on_conflict_do_nothing(), ["ma_ho_so"])
PUT_BODIES = Bulk(_more_of_the_same, ["owner", "digest", "bytes", "kept", "total"])
_THIS_BODY = and_(_b.c.owner == bindparam("whose"), _b.c.digest == bindparam("which"))
ARCHIVE_BODIES = Bulk(  # what is still here of it
    lambda _: update(_b).where(_THIS_BODY, _b.c.bytes.is_not(None), _b.c.archive.is_(None)).values(bytes=null()),
    ["archive", "whose", "which"],
)
OUT_OF_ARCHIVE = Bulk(
    lambda _: (
        update(_b)
        .where(_THIS_BODY, _b.c.archive == bindparam("file"), _b.c.kept < literal_column("0"))
        .values(archive=null())
    ),
    ["file", "whose", "which"],
)
PUT_PATTERNS = Bulk(lambda insert: insert(tables.pattern).on_conflict_do_nothing(), tables.pattern.columns.keys())
PUT_MESSAGES = _into(_m)
PUT_VERDICTS = _into(tables.verdict)
PUT_CHANGES = _into(tables.change)
_t = tables.told.c
_LEVEL = and_(_t.ma_ho_so.in_(bindparam("codes", expanding=True)), _t.behind == literal_column("false"))
LEAVE_BEHIND = update(tables.told).where(_LEVEL).values(behind=True)
PUT_PAYMENTS = _into(tables.payment)
PUT_ALIASES = Bulk(lambda insert: insert(tables.alias).on_conflict_do_nothing(), ["code", "ma_ho_so"])
PUT_DELIVERIES = _into(_d, _QUEUED)
PUT_INBOX = _into(tables.inbox)
PUT_ATTEMPTS = _into(tables.attempt)
PUT_LOG = _into(tables.log)
PUT_MILESTONES = _into(tables.milestone)
BEGIN_COUNTING = Bulk(lambda insert: insert(tables.counter).on_conflict_do_nothing(), ["name", "value"])
PUT_PARTIES = _into(tables.party)
PUT_CATALOGUE = _into(tables.catalogue)
JUDGE_AGAIN = Bulk(lambda _: update(_m).where(_m.c.id == bindparam("which")), [*_JUDGED, "which"])
STILL_HELD = Bulk(lambda _: update(_m).where(_m.c.id == bindparam("which")), ["judged_at", "which"])
UPDATE_DOSSIERS = Bulk(
    lambda _: update(tables.dossier).where(tables.dossier.c.ma_ho_so == bindparam("which")), [*_DOSSIER, "which"]
)
DROP_DOSSIERS = Bulk(lambda _: delete(tables.dossier).where(tables.dossier.c.ma_ho_so == bindparam("which")), ["which"])
_THIS_CLAIM = and_(_c.c.sender == bindparam("who"), _c.c.ma_thong_diep == bindparam("which"))
DROP_CLAIMS = Bulk(lambda _: delete(_c).where(_THIS_CLAIM), ["who", "which"])
PASS_CLAIMS = Bulk(lambda _: update(_c).where(_THIS_CLAIM), ["message", "who", "which"])


def _lease() -> Any:
    """Deliveries to one party become ``sending``: those due and first in their lanes, the longest due first."""
    now, until = bindparam("now", type_=_d.c.leased_at.type), bindparam("until", type_=_d.c.lease_until.type)
    due = select(_d.c.seq).where(
        _d.c.party == bindparam("who"), _d.c.state.in_(WAITING), NOT_PARKED, _d.c.due_at <= now, ~held_up()
    )
    first = due.order_by(_d.c.due_at, _d.c.seq).limit(bindparam("most"))
    # A CTE, because PostgreSQL may run the LIMIT of a bare subquery more than once.
    chosen = first.with_for_update(skip_locked=True, of=_d).cte("chosen")
    return (
        update(_d)
        .where(_d.c.seq.in_(select(chosen.c.seq)))
        .values(
            state=DeliveryState.SENDING.value,
            ask_first=_d.c.state == DeliveryState.UNKNOWN.value,
            tries=_d.c.tries + 1,
            first_tried_at=func.coalesce(_d.c.first_tried_at, now),
            leased_at=now,
            lease_until=until,
            lease=_d.c.lease + 1,
        )
        .returning(_d)
    )


LEASE = _lease()
SETTLE = (
    update(_d)
    .where(
        _d.c.id == bindparam("which"),
        _d.c.state == DeliveryState.SENDING.value,
        _d.c.lease == bindparam("held"),  # tries start anew with a replay; a lease never comes back
    )
    .values(
        **{name: bindparam(name) for name in ("state", "due_at", "ask_first", "problem", "code", "settled_at")},
        lease_until=None,
    )
)

OPEN_OF_LANES = (  # whoever is writing to one of them decides about it; it is left out
    select(_d.c.seq, _d.c.lane, _d.c.state, _d.c.blocking, _d.c.parked)
    .where(_d.c.party == bindparam("who"), _d.c.lane.in_(bindparam("lanes", expanding=True)), _d.c.state.not_in(FINAL))
    .order_by(_d.c.seq)
    .with_for_update(skip_locked=True)
)
PARK = update(_d).where(_d.c.seq.in_(bindparam("which", expanding=True))).values(parked=True)
UNPARK = (
    update(_d)
    .where(_d.c.party == bindparam("who"), _d.c.lane == bindparam("which"), _d.c.state.not_in(FINAL), PARKED)
    .values(parked=False)
)
UNPARK_THESE = update(_d).where(_d.c.id.in_(bindparam("which", expanding=True)), PARKED).values(parked=False)


def _upsert(
    insert: Insert, change: Callable[[Any], Mapping[str, Any]], *, only_if: Callable[[Any], Any] | None = None
) -> Any:
    """A counter's row, made or changed; it stays locked to the commit."""
    put = insert(tables.counter)
    condition = only_if(put.excluded) if only_if else None
    return put.on_conflict_do_update(index_elements=[_k.name], set_=change(put.excluded), where=condition).returning(
        _k.value, _k.hash
    )


def _newer_status(insert: Insert) -> Any:
    """What is newer replaces what is older."""
    s = tables.certificate_status.c
    put = insert(tables.certificate_status)
    news = {name: put.excluded[name] for name in ("status", "as_of", "until", "facts", "evidence")}
    return put.on_conflict_do_update(
        index_elements=[s.fingerprint, s.tree], set_=news, where=s.as_of <= put.excluded.as_of
    )


def _newer_memory(insert: Insert) -> Any:
    """What was told last counts."""
    m = tables.memory.c
    put = insert(tables.memory)
    news = {"value": put.excluded.value, "kept_at": put.excluded.kept_at}
    return put.on_conflict_do_update(index_elements=[m.party, m.ma_ho_so, m.name], set_=news)


def _newest_told(insert: Insert) -> Any:
    """Read, added to and written in one transaction that holds the lane: it replaces what was there."""
    t = tables.told.c
    put = insert(tables.told)
    news = {column.name: put.excluded[column.name] for column in t if not column.primary_key}
    return put.on_conflict_do_update(index_elements=[t.party, t.ma_ho_so], set_=news)


_COUNTED = ("name", "value", "at")
ADD = Once(lambda insert: _upsert(insert, lambda new: {"value": _k.value + new.value, "at": new.at}), _COUNTED)
SET = Once(lambda insert: _upsert(insert, lambda new: {"value": new.value, "at": new.at}), _COUNTED)
FAIL_ON = Once(
    lambda insert: _upsert(
        insert,
        lambda new: {
            "value": _k.value + new.value,
            "at": case((_k.value == literal_column("0"), new.at), else_=_k.at),
        },
    ),
    _COUNTED,
)
SPEND = Once(  # of the day that the row names; what a clock that is behind brings counts for the newer day
    lambda insert: _upsert(
        insert,
        lambda new: {
            "value": case((_k.at >= new.at, _k.value + new.value), else_=new.value),
            "at": case((_k.at > new.at, _k.at), else_=new.at),
        },
    ),
    _COUNTED,
)
CONFIRM = Once(
    lambda insert: _upsert(
        insert, lambda new: {"value": new.value, "at": new.at}, only_if=lambda new: _k.value <= new.value
    ),
    _COUNTED,
)
ANSWERED = update(tables.counter).where(_k.name == bindparam("which"), _k.value > 0).values(value=0)
LOCK_LOG = Once(lambda insert: _upsert(insert, lambda _: {"value": _k.value}), ["name", "value", "hash"])
SET_LOG = Bulk(lambda _: update(tables.counter).where(_k.name == bindparam("which")), ["value", "hash", "at", "which"])
_TURN = and_(_k.name == bindparam("which"), _k.at <= bindparam("now", type_=_k.at.type))
OVER_TURN = (
    update(tables.counter).where(_TURN).values({n: bindparam(n, type_=_k[n].type) for n in ("value", "hash", "at")})
)
FIRST_TURN = Bulk(lambda insert: insert(tables.counter).on_conflict_do_nothing(), ["name", "value", "hash", "at"])
HOLD_TURN = (
    update(tables.counter)
    .where(_k.name == bindparam("which"), _k.value == bindparam("held"))
    .values(at=bindparam("at", type_=_k.at.type))
)
PUT_MEMORY = Bulk(_newer_memory, tables.memory.columns.keys())
PUT_TOLD = Bulk(_newest_told, tables.told.columns.keys())
PUT_STATUSES = Bulk(_newer_status, tables.certificate_status.columns.keys())
NUMBER = select(func.coalesce(func.max(tables.attempt.c.number), 0)).where(
    tables.attempt.c.delivery == bindparam("delivery")
)
