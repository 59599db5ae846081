"""The tables, written once for every database (docs/architecture: Storage).

Nothing is ever updated in ``verdict``, ``change``, ``attempt`` and ``log``: triggers refuse it (engine.append_only). An erasure
alone takes words out of verdicts and tries (engine.erasable).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    column,
    false,
    literal_column,
    true,
)

from gateway.core.batches import BatchItemState, BatchState
from gateway.core.model import AttemptOutcome, DeliveryState, Fate
from gateway.store.types import Json, Serial, UtcDateTime, Vnd

#: The Alembic revision that these tables are; a test compares.
REVISION = "0024"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Partial indexes say their condition in ``info``: as an argument of each database it would load the dialects of all of them, a
# third of a look-up's CPU. The migrations make them (gateway/store/migrations), and a test compares.


def _among(
    name: str, values: type[Fate | DeliveryState | AttemptOutcome | BatchState | BatchItemState]
) -> CheckConstraint:
    return CheckConstraint(f"{name} IN ({', '.join(repr(v.value) for v in values)})", name=name)


def _has(owner: str, digest: str) -> ForeignKeyConstraint:
    """A message's bytes, of which this row says the digest.

    The database itself holds a row to that only where ``body`` is one table: one that is parted (parts.py) could not let go of
    a part that is referred to. There whoever writes looks (Tx.write), and the log's seals find a row without its bytes.
    """
    return ForeignKeyConstraint([owner, digest], ["body.owner", "body.digest"], info={"parted": False})


#: Small rows that are found by their key lie in the key's own tree on SQLite, instead of in one beside it.
_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}

body = Table(  # bytes by the message that they belong to: originals, composed messages, receipts; evidence by itself
    # On PostgreSQL in parts, one for each month (parts.py).
    "body",
    metadata,
    # Messages' ids grow, so what a tray writes lies together; by digest each body would lie on another page.
    Column("owner", String, primary_key=True),  # "": of no message (NOBODY)
    Column("digest", String, primary_key=True),  # of all that arrived, also where it was not kept whole
    Column(
        "bytes", LargeBinary
    ),  # packed where they are fewer than kept (packing.py); None: erased by a retention rule
    Column(
        "kept", Serial, autoincrement=False, nullable=False
    ),  # bytes kept; fewer than total when it was over the limit, -1 when erased
    Column("total", Serial, autoincrement=False, nullable=False),  # bytes that arrived
    Column("erased_at", UtcDateTime),
    Column("archive", String),  # where the bytes are, or of an erased one were, when they are not here
)

digest_page = Table(  # whose bodies are, by their digest (digests.py); can be made anew
    "digest_page",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("slice", Integer, primary_key=True, autoincrement=False),  # first bits, more on each level
    Column("upto", Serial, primary_key=True, autoincrement=False),  # line of the log
    Column("after", Serial, autoincrement=False, nullable=False),  # the line before the first one
    Column("digests", LargeBinary, nullable=False),
    **_CLUSTERED,
)

archive = Table(  # months whose bytes lie in files of their own (archives.py)
    "archive",
    metadata,
    Column("name", String, primary_key=True),  # the month: 2026-01
    Column("digest", String, nullable=False),  # of the file
    Column("size", Serial, autoincrement=False, nullable=False),
    Column("bodies", Serial, autoincrement=False, nullable=False),
    Column("bytes", Serial, autoincrement=False, nullable=False),  # of the bodies
    Column("first_line", Serial, autoincrement=False, nullable=False),  # of the log
    Column("last_line", Serial, autoincrement=False, nullable=False),
    Column("last_hash", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("manifest", Text, nullable=False),  # JWS
    Column("rewrite", Boolean, nullable=False),  # something that lies in it was erased
    **_CLUSTERED,
)

pattern = Table(  # what bodies, verdicts and lines of the log are packed against; only ever added
    "pattern",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=False),  # of its bytes
    Column("key", String, nullable=False),  # what it is a pattern of
    Column("bytes", LargeBinary, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Index(None, "key"),
)

#: Whose the bodies are that belong to no message: evidence, which many verdicts rest on.
NOBODY = ""

_refused = column("state") != literal_column("'accepted'")
_typed = column("composed").is_not(None)

message = Table(  # one row for each message ever received, repeats excepted: they are the same message
    "message",
    metadata,
    Column("id", String, primary_key=True),
    Column("party", String, nullable=False),  # who brought it
    Column("caller_by", String, nullable=False),  # how they proved who they are
    Column("channel", String, nullable=False),
    Column("form", String, nullable=False),
    Column("own_key", String),
    Column("content_type", String),
    Column("digest", String, nullable=False),
    Column("total_bytes", Serial, autoincrement=False, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False),
    Column("verdicts", Integer, nullable=False),  # the number of the verdict that counts
    Column("judged_at", UtcDateTime, nullable=False),
    Column("ma_thong_diep", String),  # as claimed, until it was accepted
    Column("loai", String),
    Column("goc", String),
    Column("phien_ban", String),
    Column("ma_ho_so", String),
    Column("basis", String),
    Column("receipt", String),
    Column("composed", String),  # the ThongDiep made from a typed submission
    Column("code", String),  # the first problem of the verdict that counts: the cause
    Column("codes", String),  # all of them, searchable: ",XSD-021,XSD-030,"
    Column("xpath", String),  # of the first problem, without positions: failures of one cause have one
    _among("state", Fate),
    *(_has("id", name) for name in ("digest", "receipt", "composed")),
    Index(None, "received_at", "id"),
    Index(None, "ma_ho_so"),
    # What was accepted is found by the table of claims. The same bytes under another key come of typed submissions alone.
    Index("ix_message_tried", "ma_thong_diep", info={"where": _refused}),
    Index("ix_message_typed", "digest", info={"where": _typed}),
    Index("ix_message_open", "state", "received_at", "id", info={"where": _refused}),
    **_CLUSTERED,
)

verdict = Table(  # one row for each judgement of a message
    "verdict",
    metadata,
    Column("message", String, ForeignKey("message.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String, nullable=False),
    Column("judged_at", UtcDateTime, nullable=False),
    Column("who", String, nullable=False),  # "gateway", or "operator:<name>" for a replay
    Column("problems", Json, nullable=False),
    Column("facts", Json, nullable=False),  # the signature's verdict; {}: see packed
    Column("evidence", Json, nullable=False),  # digests of the bodies it rests on
    Column("signed_digest", String),  # SHA-256 of the canonical bytes that the signature covers
    Column("receipt", String),
    Column("packed", LargeBinary),  # the facts, as packing.py keeps them
    _among("state", Fate),
    _has("message", "receipt"),
    **_CLUSTERED,
)

claim = Table(  # the idempotency key: who owns a (sender, MaThongDiep)
    "claim",
    metadata,
    Column("ma_thong_diep", String, primary_key=True),  # first, so that it is found of whatever sender
    Column("sender", String, primary_key=True),
    # Taken before its message is written. A foreign key, checked at the commit, would need an index here and cost a look
    # into it for each message; Tx.close() refuses to commit a claim whose message was not written.
    Column("message", String, nullable=False),
    **_CLUSTERED,
)

dossier = Table(
    "dossier",
    metadata,
    Column("ma_ho_so", String, primary_key=True),
    Column("ma_tthc", String),
    Column("portal", String),
    Column("agency", String),
    Column("others", Json),
    Column("trang_thai", Integer),
    Column("trang_thai_goc", String),
    Column("opened_at", UtcDateTime),
    Column("ngay_tiep_nhan", UtcDateTime),
    Column("ngay_hen_tra", UtcDateTime),
    Column("ngay_ket_thuc", UtcDateTime),
    Column("changed_at", UtcDateTime),
    Column("released", Integer, nullable=False, server_default="0"),  # changes up to this one are of a code given back
    Index(None, "trang_thai", "agency"),
    **_CLUSTERED,
)

alias = Table(  # other codes that lead to a dossier: the lead agency's, of a copy (MaHoSoGoc of HS14)
    "alias",
    metadata,
    Column("code", String, primary_key=True),
    Column("ma_ho_so", String, ForeignKey("dossier.ma_ho_so"), primary_key=True),
    **_CLUSTERED,
)

change = Table(  # the history of each dossier, as its senders told it
    "change",
    metadata,
    Column("ma_ho_so", String, ForeignKey("dossier.ma_ho_so"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("message", String, ForeignKey("message.id"), nullable=False),
    Column("ma_thong_diep", String, nullable=False),
    Column("loai", String, nullable=False),
    Column("goc", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("effects", Json, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("thu_tu", Serial, autoincrement=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

payment = Table(  # money asked for and money paid, one row for each effect of a change: for adding up
    "payment",
    metadata,
    Column("ma_ho_so", String, primary_key=True),
    Column("change", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),  # among the change's effects
    Column("kind", String, nullable=False),  # "owes" or "pays"
    Column("so_tien", Vnd, nullable=False),
    Column("da_thanh_toan", Boolean),  # of "pays": whether it succeeded
    Column("ref", String),
    Column("due_at", UtcDateTime),  # HanNop of "owes"
    Column("at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["ma_ho_so", "change"], ["change.ma_ho_so", "change.number"]),
    Index(None, "at"),
    **_CLUSTERED,
)

_waiting = and_(
    column("state").in_([DeliveryState.QUEUED.value, DeliveryState.UNKNOWN.value]),
    column("parked") == literal_column("false"),
)
_uncertain = column("state") == literal_column("'unknown'")
_parked = column("parked") == literal_column("true")
_leased = column("state") == DeliveryState.SENDING.value
_open = column("state").not_in(
    [DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value, DeliveryState.NOTHING.value]
)

delivery = Table(  # the outbox
    "delivery",
    metadata,
    # A tray takes its numbers under the lock of the dossier, so within a lane they stand in the order of commits.
    Column("seq", Serial, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("message", String, ForeignKey("message.id"), nullable=False, index=True),
    Column("ma_thong_diep", String, nullable=False),
    Column("loai", String, nullable=False),
    Column("party", String, nullable=False),
    Column("lane", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("first_tried_at", UtcDateTime),
    Column("leased_at", UtcDateTime),
    Column("lease_until", UtcDateTime),
    Column("lease", Integer, nullable=False),  # grows with every lease, over replays
    Column("ask_first", Boolean, nullable=False),  # an earlier try had no clear answer
    Column("blocking", Boolean, nullable=False),
    Column("problem", Json),
    Column("code", String),  # of the problem
    Column("settled_at", UtcDateTime),
    # An earlier one of its lane is open: out of what is looked at each turn until that one is through (Tx.park).
    Column("parked", Boolean, nullable=False, server_default=false()),
    _among("state", DeliveryState),
    _has("message", "digest"),
    Index("ix_delivery_parked", "party", "seq", info={"where": _parked}),
    Index("ix_delivery_uncertain", "seq", info={"where": _uncertain}),
    Index("ix_delivery_due", "party", "due_at", "seq", info={"where": _waiting}),
    Index("ix_delivery_lease", "lease_until", info={"where": _leased}),
    Index("ix_delivery_lane", "party", "lane", "seq", info={"where": _open}),
)

attempt = Table(  # every try of a delivery, for ever
    "attempt",
    metadata,
    Column("delivery", String, ForeignKey("delivery.id"), primary_key=True),
    Column("number", Integer, primary_key=True),  # 1, 2, 3, … over replays
    Column("kind", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("outcome", String, nullable=False),
    Column("reference", String),
    Column("receipt", LargeBinary),
    Column("problem", Json),
    _among("outcome", AttemptOutcome),
)

inbox = Table(  # the ordered, gap-free feed of each party that pulls
    "inbox",
    metadata,
    Column("party", String, primary_key=True),
    Column("position", Serial, primary_key=True, autoincrement=False),
    Column("message", String, ForeignKey("message.id"), nullable=False, index=True),
    Column("ma_thong_diep", String, nullable=False),
    Column("loai", String, nullable=False),
    Column("goc", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("ma_ho_so", String),
    Column("digest", String, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("trang_thai", Integer),
    Column("trang_thai_goc", String),
    Column("problems", Json),
    _has("message", "digest"),
    **_CLUSTERED,
)

counter = Table(  # a row for each feed, and the log's head; view.py has their names
    "counter",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Serial, nullable=False, autoincrement=False),
    Column("hash", String),  # of the log's last line
    Column("at", UtcDateTime),
    **_CLUSTERED,
)

_of_no_message = column("message").is_(None)

log = Table(  # what happened, in order, hash-chained (gateway.core.chain)
    "log",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("message", String),
    Column("facts", Json, nullable=False),
    Column("hash", String, nullable=False),
    Column("packed", LargeBinary),  # the facts of a line about a message, as packing.py keeps them; facts is {} then
    Index(None, "message"),
    Index("ix_log_acts", "what", "number", info={"where": _of_no_message}),
)

party = Table(  # every version of every profile
    "party",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", Integer, primary_key=True),  # of the whole registry
    Column("profile", Text),  # as it was given; None: removed
    Column("author", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

certificate_status = Table(  # what is known of a certificate, and until when
    "certificate_status",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column(
        "tree", String, primary_key=True
    ),  # the trust tree that was asked; "" where the registration itself is the trust
    Column("status", String, nullable=False),  # good, bad, unknown
    Column("as_of", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("facts", Json, nullable=False),
    Column("evidence", Json, nullable=False),
    CheckConstraint("status IN ('good', 'bad', 'unknown')", name="status"),
    **_CLUSTERED,
)

memory = Table(  # what a party's system told of a dossier and its connector must know later: a number, a state
    "memory",
    metadata,
    Column("party", String, primary_key=True),
    Column("ma_ho_so", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Json, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

_differs = column("differs") == literal_column("true")
_behind = column("behind") == literal_column("true")

told = Table(  # what a party that does not read our messages was told of a dossier, and what it was heard to believe
    "told",
    metadata,
    Column("party", String, primary_key=True),
    Column("ma_ho_so", String, primary_key=True),
    Column("change", Integer, nullable=False),  # the newest event of which it has everything
    Column("sent", String),  # digest of the whole dossier that left last
    Column("taken", String),  # of the one that it took last
    Column("facts", Json, nullable=False),  # of the one that left last: state and dates
    Column("rows", Json, nullable=False),  # digests of the rows of progress that it took
    Column("refused", Json, nullable=False),  # digest -> delivery
    Column("remarked", Json, nullable=False),
    Column("told_at", UtcDateTime),
    Column("taken_at", UtcDateTime),
    Column("delivery", String),  # by which something left last, and by which of its tries
    Column("attempt", Integer),
    Column("believed", Json),  # what it says itself; {}: it has no such dossier
    Column("believed_at", UtcDateTime),
    Column("differs", Boolean, nullable=False),  # whether it says something else than what it was told last
    # False: it has everything, so nobody need compare the events. Where that is not certain it is true.
    Column("behind", Boolean, nullable=False, server_default=true()),
    Index("ix_told_differs", "party", "ma_ho_so", info={"where": _differs}),
    Index("ix_told_behind", "party", "ma_ho_so", info={"where": _behind}),
    Index(None, "ma_ho_so"),
    **_CLUSTERED,
)

_ends_some_day = and_(column("until").is_(None), column("due").is_not(None))
_open_now = and_(column("kind") == literal_column("'open'"), column("until").is_(None))

milestone = (
    Table(  # what dossiers' lives come to in dated rows: for counting. Made from `change`, and made anew at any time
        "milestone",
        metadata,
        Column("ma_ho_so", String, primary_key=True),
        Column("number", Integer, primary_key=True),  # 0 is the beginning
        Column(
            "kind", String, nullable=False
        ),  # a MilestoneKind of gateway.core.milestones, which says what the others mean
        Column("at", UtcDateTime, nullable=False),
        Column("until", UtcDateTime),
        Column("due", UtcDateTime),
        Column("trang_thai", Integer),
        Column("seconds", Float),
        Column("value", String),
        Column("month", String),
        Index(None, "kind", "at"),
        Index("ix_milestone_due", "kind", "due", info={"where": _ends_some_day}),
        # The kind stands in it too, or SQLite, which keeps no statistics, takes the index over all that was ever open.
        Index("ix_milestone_open", "kind", "at", info={"where": _open_now}),
        **_CLUSTERED,
    )
)

portal_session = Table(  # who has logged in at the door in the national portal's own form, and until when that holds
    "portal_session",
    metadata,
    Column("token_sha256", String, primary_key=True),
    Column("party", String, nullable=False),
    Column("account", String, nullable=False),
    Column("credential", String, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Index(None, "party", "account", "seen_at"),
    **_CLUSTERED,
)

operators = Table(  # persons who may log in to the console
    "operators",
    metadata,
    Column("name", String, primary_key=True),
    Column("roles", String, nullable=False),  # "viewer, operator"
    Column("password", String),  # Argon2id, as a PHC string; None: comes only by the proxy's header
    Column("added_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),  # sessions opened before it are over
    Column("disabled_at", UtcDateTime),
    Column("seen_at", UtcDateTime),
    **_CLUSTERED,
)

desk_session = Table(  # who is logged in to the console, and until when that holds
    "desk_session",
    metadata,
    Column("token_sha256", String, primary_key=True),
    Column("operator", String, ForeignKey("operators.name"), nullable=False, index=True),
    Column("proven_by", String, nullable=False),  # "password" or "proxy"
    Column("opened_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

desk_plan = Table(  # an act that was planned in the console and waits for its person's yes; the row goes with the act
    "desk_plan",
    metadata,
    Column("id", String, primary_key=True),
    Column("token_sha256", String, ForeignKey("desk_session.token_sha256"), nullable=False, index=True),
    Column("act", String, nullable=False),
    Column("facts", Json, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

file = Table(  # files that messages name by their SHA-256; their bytes lie in the folder of files (filefolder.py)
    "file",
    metadata,
    Column("digest", String, primary_key=True),
    Column("size", Serial, autoincrement=False, nullable=False),  # -1: a digest that is only being held on to
    Column("media_type", String, nullable=False),  # by its content
    Column("macros", Boolean, nullable=False),
    Column("scan", String, nullable=False),  # a FileScan of gateway.core.stored_files
    Column("finding", String),  # what the scanner found, or why it could not tell
    Column("kept", Boolean, nullable=False),  # whether its bytes are there: those of an infected file are not
    Column("arrived_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),  # from then on it goes, where no message names it
    Column("archive", String),  # the month in whose archive its bytes lie
    Index(None, "due_at"),
    Index("ix_file_archive", "archive", info={"where": column("archive").is_not(None)}),
    Index("ix_file_in_folder", "arrived_at", "digest", info={"where": column("archive").is_(None)}),
    **_CLUSTERED,
)

file_owner = Table(  # who has brought a file, and has thereby shown to have it
    "file_owner",
    metadata,
    Column("digest", String, ForeignKey("file.digest"), primary_key=True),
    Column("party", String, primary_key=True),
    Column("brought_at", UtcDateTime, nullable=False),
    Index(None, "party"),
    **_CLUSTERED,
)

file_archive = Table(  # months whose files lie in folders of their own (file_archives.py)
    "file_archive",
    metadata,
    Column("name", String, primary_key=True),  # the month: 2026-01
    Column("files", Serial, autoincrement=False, nullable=False),
    Column("bytes", Serial, autoincrement=False, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("manifest", Text, nullable=False),  # JWS
    Column("rewrite", Boolean, nullable=False),  # something that lies in it was erased
    **_CLUSTERED,
)

file_upload = Table(  # uploads that are not whole yet; what has come of one lies in the folder of files
    "file_upload",
    metadata,
    Column("id", String, primary_key=True),
    Column("party", String, nullable=False, index=True),
    Column("size", Serial, autoincrement=False, nullable=False),
    Column("digest", String),  # as its sender announced it
    Column("ends_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

file_use = Table(  # which message names which file; the file of a held one may not be here yet
    "file_use",
    metadata,
    Column("message", String, ForeignKey("message.id"), primary_key=True),
    Column("digest", String, primary_key=True, index=True),
    Column(
        "inline", Boolean, nullable=False, server_default=false()
    ),  # it came inside the message, which needs no other
    **_CLUSTERED,
)

catalogue = Table(  # DichVu and the code lists, by version, with validity
    "catalogue",
    metadata,
    Column("danh_muc", String, primary_key=True),
    Column("phien_ban", String, primary_key=True),
    Column("ma", String, primary_key=True),
    Column("muc", Json, nullable=False),
    Column("hieu_luc_tu", UtcDateTime),
    Column("hieu_luc_den", UtcDateTime),
    Column("recorded_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

acknowledged = Table(  # alerts that a person has seen and taken on; a row goes when its alert is over
    "acknowledged",
    metadata,
    Column("id", String, primary_key=True),  # of the group of alerts
    Column("who", String, nullable=False),
    Column("note", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    **_CLUSTERED,
)

batch = Table(  # acts over many things, carried out by `work`
    "batch",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("per_second", Float, nullable=False),
    Column("asked", Json, nullable=False),
    Column("reason", String, nullable=False),
    Column("started_by", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("approved_by", String),
    Column("approved_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("source", Serial, ForeignKey("batch.number"), autoincrement=False),  # whose failed things these are
    Column("due_at", UtcDateTime, index=True),  # when `work` looks at it next; None: there is nothing to do
    Column("followed_at", UtcDateTime),
    Column("lease", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
    _among("state", BatchState),
)

batch_item = Table(  # the things of a batch as they were planned, and what became of them
    "batch_item",
    metadata,
    Column("batch", Serial, ForeignKey("batch.number"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("party", String, nullable=False),
    Column("was", Json, nullable=False),
    Column("plan", Json, nullable=False),
    Column("state", String, nullable=False),
    Column("code", String),
    Column("found", String),
    Column("at", UtcDateTime),
    _among("state", BatchItemState),
    Index(None, "batch", "state", "number"),
    **_CLUSTERED,
)

notified = Table(  # groups of alerts that a channel was told of; a row goes when it was told that they are over
    "notified",
    metadata,
    Column("channel", String, primary_key=True),
    Column("alert", String, primary_key=True),
    Column("alarm", String, nullable=False),
    Column("party", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

notice_channel = Table(  # how each channel of notices stands
    "notice_channel",
    metadata,
    Column("channel", String, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("problem", Json),
    Column("due_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("summed_at", UtcDateTime, nullable=False),
    **_CLUSTERED,
)

prepared = Table(  # answers that take too long for a request: made by `work`, kept until they are made anew
    "prepared",
    metadata,
    Column("question", String, primary_key=True),  # its words, in one form
    Column("wanted_at", UtcDateTime),  # since when it is to be made; None: it is not
    Column("looked_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime),  # somebody is making it
    Column("done", Serial, autoincrement=False, nullable=False),  # things looked at by whoever makes it
    Column("made_at", UtcDateTime),
    Column("line", Serial, autoincrement=False),  # of the log, up to which everything is in it
    Column("took_s", Float),
    Column("answer", LargeBinary),
    **_CLUSTERED,
)
