"""Acts over many things are batches: planned once, carried out by `work` at a rate."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Json, Serial, UtcDateTime

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Two tables of their own: nothing that was there changes."""
    op.create_table(
        "batch",
        sa.Column("number", Serial, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("per_second", sa.Float, nullable=False),
        sa.Column("asked", Json, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("started_by", sa.String, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("approved_by", sa.String),
        sa.Column("approved_at", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("source", Serial, sa.ForeignKey("batch.number", name="fk_batch_source")),
        sa.Column("due_at", UtcDateTime),
        sa.Column("followed_at", UtcDateTime),
        sa.Column("lease", sa.Integer, nullable=False),
        sa.Column("lease_until", UtcDateTime),
        sa.CheckConstraint("state IN ('waiting', 'running', 'paused', 'done', 'cancelled')", name="state"),
    )
    op.create_index("ix_batch_due_at", "batch", ["due_at"])
    op.create_table(
        "batch_item",
        sa.Column("batch", Serial, sa.ForeignKey("batch.number", name="fk_batch_item_batch"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("party", sa.String, nullable=False),
        sa.Column("was", Json, nullable=False),
        sa.Column("plan", Json, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("found", sa.String),
        sa.Column("at", UtcDateTime),
        sa.CheckConstraint("state IN ('planned', 'queued', 'done', 'failed', 'changed', 'left')", name="state"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_batch_item_batch_state_number", "batch_item", ["batch", "state", "number"])
