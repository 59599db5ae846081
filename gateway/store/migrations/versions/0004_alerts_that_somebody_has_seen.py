"""Alerts that a person has acknowledged: who, why, until when."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """A small table; a row of it goes when its alert is over."""
    op.create_table(
        "acknowledged",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime),
        sqlite_with_rowid=False,
    )
