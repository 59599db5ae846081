"""What is open now is found by an index of its own, which SQLite takes; the one before was passed over for that of all years."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_OPEN = "kind = 'open' AND until IS NULL"


def upgrade() -> None:
    """Another index over the same rows."""
    op.drop_index("ix_milestone_open", table_name="milestone")
    where = sa.text(_OPEN)
    op.create_index("ix_milestone_open", "milestone", ["kind", "at"], sqlite_where=where, postgresql_where=where)
