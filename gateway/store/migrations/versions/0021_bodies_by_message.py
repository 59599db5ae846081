"""Bodies lie by the message that they belong to, claims by the id that is claimed: what a tray writes lies together."""

import sqlalchemy as sa
from alembic import op

from gateway.store.engine import reference_changed
from gateway.store.types import Serial, UtcDateTime

revision = "0021"
down_revision = "0020"

_PAGE = 2000  # messages whose bodies are moved at a time: what is sorted for them fits into memory
_NAMED = """
    SELECT id AS owner, digest FROM message WHERE id > :after AND id <= :upto
    UNION SELECT id, composed FROM message WHERE id > :after AND id <= :upto AND composed IS NOT NULL
    UNION SELECT id, receipt FROM message WHERE id > :after AND id <= :upto AND receipt IS NOT NULL
    UNION SELECT message, receipt FROM verdict WHERE message > :after AND message <= :upto AND receipt IS NOT NULL
    UNION SELECT message, digest FROM delivery WHERE message > :after AND message <= :upto
    UNION SELECT message, digest FROM inbox WHERE message > :after AND message <= :upto
"""
_COLUMNS = "owner, digest, bytes, kept, total, erased_at, archive"
_KEPT = "b.bytes, b.kept, b.total, b.erased_at, b.archive"
_NEXT = "SELECT max(id) FROM (SELECT id FROM message WHERE id > :after ORDER BY id LIMIT :page) AS page"
_OF_MESSAGES = f"""
    INSERT INTO body ({_COLUMNS})
    SELECT named.owner, named.digest, {_KEPT} FROM ({_NAMED}) AS named
    JOIN body_before AS b ON b.digest = named.digest ORDER BY named.owner, named.digest
"""  # noqa: S608 - words of ours
_OF_NOBODY = f"""
    INSERT INTO body ({_COLUMNS})
    SELECT '', b.digest, {_KEPT} FROM (SELECT digest FROM body_before EXCEPT SELECT digest FROM body) AS left_over
    JOIN body_before AS b ON b.digest = left_over.digest ORDER BY b.digest
"""  # noqa: S608
_REFER = (("message", "id", ("digest", "composed", "receipt")), ("verdict", "message", ("receipt",)),
          ("delivery", "message", ("digest",)), ("inbox", "message", ("digest",)))  # fmt: skip


def upgrade() -> None:
    """Bodies and claims are written anew, which needs as much room as they have. What two messages had in common, each has."""
    _bodies()
    _claims()
    op.drop_index("ix_message_digest", "message")
    op.drop_index("ix_message_ma_thong_diep", "message")
    for name, column, condition in (
        ("ix_message_tried", "ma_thong_diep", "state != 'accepted'"),
        ("ix_message_typed", "digest", "composed IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "message", [column], sqlite_where=where, postgresql_where=where)


def _put_aside(table: str) -> None:
    op.rename_table(table, f"{table}_before")
    if op.get_bind().dialect.name == "postgresql":  # an index's name is one of the whole schema's
        op.execute(f"ALTER TABLE {table}_before RENAME CONSTRAINT pk_{table} TO pk_{table}_before")


def _bodies() -> None:
    connection = op.get_bind()
    _put_aside("body")
    op.create_table(
        "body",
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("bytes", sa.LargeBinary),
        sa.Column("kept", Serial, autoincrement=False, nullable=False),
        sa.Column("total", Serial, autoincrement=False, nullable=False),
        sa.Column("erased_at", UtcDateTime),
        sa.Column("archive", sa.String),
        sa.PrimaryKeyConstraint("owner", "digest", name=op.f("pk_body")),
    )
    after = ""
    while upto := connection.execute(sa.text(_NEXT), {"after": after, "page": _PAGE}).scalar():
        connection.execute(sa.text(_OF_MESSAGES), {"after": after, "upto": upto})
        after = upto
    connection.execute(sa.text(_OF_NOBODY))
    for table, owner, columns in _REFER:
        for column in columns:
            reference_changed(
                connection,
                table,
                (f"fk_{table}_{column}", f"({column})", '"body_before" (digest)'),
                (f"fk_{table}_{owner}_{column}", f"({owner}, {column})", "body (owner, digest)"),
            )
    op.drop_table("body_before")


def _claims() -> None:
    _put_aside("claim")
    op.create_table(
        "claim",
        sa.Column("ma_thong_diep", sa.String, nullable=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("ma_thong_diep", "sender", name=op.f("pk_claim")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO claim (ma_thong_diep, sender, message) "
        "SELECT ma_thong_diep, sender, message FROM claim_before ORDER BY ma_thong_diep, sender"
    )
    op.drop_table("claim_before")
