"""Archives of the files of months that are over, and of each file in which one it lies."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Serial, UtcDateTime

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """A column without a value, which rewrites no row, and a table without rows."""
    op.add_column("file", sa.Column("archive", sa.String))
    where = sa.text("archive IS NOT NULL")
    op.create_index("ix_file_archive", "file", ["archive"], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "file_archive",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("files", Serial, autoincrement=False, nullable=False),
        sa.Column("bytes", Serial, autoincrement=False, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("rewrite", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
