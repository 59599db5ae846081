"""Files that messages name by their SHA-256, who brought them, uploads under way, and which message names which."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Serial, UtcDateTime

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Four tables of their own: nothing that was there changes."""
    op.create_table(
        "file",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("size", Serial, autoincrement=False, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("macros", sa.Boolean, nullable=False),
        sa.Column("scan", sa.String, nullable=False),
        sa.Column("finding", sa.String),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.Column("arrived_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_due_at", "file", ["due_at"])
    op.create_table(
        "file_owner",
        sa.Column("digest", sa.String, sa.ForeignKey("file.digest"), primary_key=True),
        sa.Column("party", sa.String, primary_key=True),
        sa.Column("brought_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_owner_party", "file_owner", ["party"])
    op.create_table(
        "file_upload",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("party", sa.String, nullable=False),
        sa.Column("size", Serial, autoincrement=False, nullable=False),
        sa.Column("digest", sa.String),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_upload_party", "file_upload", ["party"])
    op.create_table(
        "file_use",
        sa.Column("message", sa.String, sa.ForeignKey("message.id"), primary_key=True),
        sa.Column("digest", sa.String, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_use_digest", "file_use", ["digest"])
