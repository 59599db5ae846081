"""Persons who log in to the console, their sessions, and the acts that they have planned."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Json, UtcDateTime

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Three tables of their own: nothing that was there changes."""
    op.create_table(
        "operators",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("roles", sa.String, nullable=False),
        sa.Column("password", sa.String),
        sa.Column("added_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("disabled_at", UtcDateTime),
        sa.Column("seen_at", UtcDateTime),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "desk_session",
        sa.Column("token_sha256", sa.String, primary_key=True),
        sa.Column("operator", sa.String, sa.ForeignKey("operators.name"), nullable=False),
        sa.Column("proven_by", sa.String, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_desk_session_operator", "desk_session", ["operator"])
    op.create_table(
        "desk_plan",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("token_sha256", sa.String, sa.ForeignKey("desk_session.token_sha256"), nullable=False),
        sa.Column("act", sa.String, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_desk_plan_token_sha256", "desk_plan", ["token_sha256"])
