"""What a party's system told of a dossier, by name: what its connector must know when the next message comes."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Json, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """A small table beside the outbox."""
    op.create_table(
        "memory",
        sa.Column("party", sa.String, primary_key=True),
        sa.Column("ma_ho_so", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", Json, nullable=False),
        sa.Column("kept_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
