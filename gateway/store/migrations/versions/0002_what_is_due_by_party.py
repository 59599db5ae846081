"""What is due is found party by party, so that nobody's backlog is read for the sake of somebody else."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_WAITING = "state IN ('queued', 'unknown')"


def upgrade() -> None:
    """The index over what waits begins with the party."""
    op.drop_index("ix_delivery_due", table_name="delivery")
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["party", "due_at", "seq"],
        sqlite_where=sa.text(_WAITING),
        postgresql_where=sa.text(_WAITING),
    )
