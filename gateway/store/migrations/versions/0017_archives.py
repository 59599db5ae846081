"""Months whose bytes lie in files of their own, and of each body in which."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Serial, UtcDateTime

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """A column that begins empty, which rewrites no row, and a table."""
    op.add_column("body", sa.Column("archive", sa.String))
    op.create_table(
        "archive",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("size", Serial, autoincrement=False, nullable=False),
        sa.Column("bodies", Serial, autoincrement=False, nullable=False),
        sa.Column("bytes", Serial, autoincrement=False, nullable=False),
        sa.Column("first_line", Serial, autoincrement=False, nullable=False),
        sa.Column("last_line", Serial, autoincrement=False, nullable=False),
        sa.Column("last_hash", sa.String, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("rewrite", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
