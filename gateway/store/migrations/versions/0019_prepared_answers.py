"""Answers that are prepared: statistics of many messages, the lint of a month."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Serial, UtcDateTime

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """A table of its own: nothing that was there changes."""
    op.create_table(
        "prepared",
        sa.Column("question", sa.String, primary_key=True),
        sa.Column("wanted_at", UtcDateTime),
        sa.Column("looked_at", UtcDateTime, nullable=False),
        sa.Column("lease_until", UtcDateTime),
        sa.Column("done", Serial, autoincrement=False, nullable=False),
        sa.Column("made_at", UtcDateTime),
        sa.Column("line", Serial, autoincrement=False),
        sa.Column("took_s", sa.Float),
        sa.Column("answer", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
