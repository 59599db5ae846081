"""Verdicts and lines of the log can be kept packed, against patterns that are on record; what is there stays as it is."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Serial, UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """A table of patterns; a column beside the facts of verdicts and lines. No row is rewritten."""
    op.create_table(
        "pattern",
        sa.Column("id", Serial, autoincrement=False, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pattern")),
    )
    op.create_index(op.f("ix_pattern_key"), "pattern", ["key"])
    for table in ("verdict", "log"):
        op.add_column(table, sa.Column("packed", sa.LargeBinary))
