"""Of each file that a message names: whether it came inside that message."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """A column with a constant default, which rewrites no row."""
    op.add_column("file_use", sa.Column("inline", sa.Boolean, nullable=False, server_default=sa.false()))
