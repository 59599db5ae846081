"""What dossiers' lives come to in dated rows, for counting."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import UtcDateTime

revision = "0008"
down_revision = "0007"

_ENDS_SOME_DAY = sa.text("until IS NULL AND due IS NOT NULL")
_OPEN_NOW = sa.text("kind = 'open' AND until IS NULL")


def upgrade() -> None:
    """An empty table: it is filled from the events by whoever asks first."""
    op.create_table(
        "milestone",
        sa.Column("ma_ho_so", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime),
        sa.Column("due", UtcDateTime),
        sa.Column("trang_thai", sa.Integer),
        sa.Column("seconds", sa.Float),
        sa.Column("value", sa.String),
        sa.Column("month", sa.String),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_milestone_kind_at", "milestone", ["kind", "at"])
    op.create_index(
        "ix_milestone_due",
        "milestone",
        ["kind", "due"],
        sqlite_where=_ENDS_SOME_DAY,
        postgresql_where=_ENDS_SOME_DAY,
    )
    op.create_index("ix_milestone_open", "milestone", ["at"], sqlite_where=_OPEN_NOW, postgresql_where=_OPEN_NOW)
