"""What channels were told of alerts, so that each is told once, over restarts and nodes."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Json, UtcDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Two tables of their own: nothing that was there changes."""
    op.create_table(
        "notified",
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("alert", sa.String, primary_key=True),
        sa.Column("alarm", sa.String, nullable=False),
        sa.Column("party", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("told_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notice_channel",
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", UtcDateTime),
        sa.Column("problem", Json),
        sa.Column("due_at", UtcDateTime),
        sa.Column("sent_at", UtcDateTime),
        sa.Column("summed_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
