"""Whose bytes a digest is of can be found without looking through all of them."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import Serial

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """A table of its own, which `work` fills by and by: nothing that was there is read or written anew."""
    op.create_table(
        "digest_page",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slice", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("upto", Serial, primary_key=True, autoincrement=False),
        sa.Column("after", Serial, autoincrement=False, nullable=False),
        sa.Column("digests", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
