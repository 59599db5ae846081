"""What a party was told of a dossier is on record, and a delivery may end with nothing to tell."""

import sqlalchemy as sa
from alembic import op

from gateway.store.engine import check_changed
from gateway.store.types import Json, UtcDateTime

revision = "0007"
down_revision = "0006"

_STATES = "'queued', 'sending', 'unknown', 'delivered', 'refused', 'dead', 'skipped'"
_OUTCOMES = "'delivered', 'refused', 'unreachable', 'uncertain', 'not_there'"
_OPEN = "(state NOT IN ('delivered', 'skipped', 'nothing'))"


def upgrade() -> None:
    """A table beside the outbox; one more state and outcome; the index over open lanes leaves that state out too."""
    op.create_table(
        "told",
        sa.Column("party", sa.String, primary_key=True),
        sa.Column("ma_ho_so", sa.String, primary_key=True),
        sa.Column("change", sa.Integer, nullable=False),
        sa.Column("sent", sa.String),
        sa.Column("taken", sa.String),
        sa.Column("facts", Json, nullable=False),
        sa.Column("rows", Json, nullable=False),
        sa.Column("refused", Json, nullable=False),
        sa.Column("remarked", Json, nullable=False),
        sa.Column("told_at", UtcDateTime),
        sa.Column("taken_at", UtcDateTime),
        sa.Column("delivery", sa.String),
        sa.Column("attempt", sa.Integer),
        sa.Column("believed", Json),
        sa.Column("believed_at", UtcDateTime),
        sa.Column("differs", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_told_differs",
        "told",
        ["party", "ma_ho_so"],
        sqlite_where=sa.text("differs = true"),
        postgresql_where=sa.text("differs = true"),
    )
    connection = op.get_bind()
    check_changed(
        connection, "delivery", "ck_delivery_state", f"state IN ({_STATES})", f"state IN ({_STATES}, 'nothing')"
    )
    check_changed(
        connection, "attempt", "ck_attempt_outcome", f"outcome IN ({_OUTCOMES})", f"outcome IN ({_OUTCOMES}, 'nothing')"
    )
    op.drop_index("ix_delivery_lane", table_name="delivery")
    op.create_index(
        "ix_delivery_lane",
        "delivery",
        ["party", "lane", "seq"],
        sqlite_where=sa.text(_OPEN),
        postgresql_where=sa.text(_OPEN),
    )
