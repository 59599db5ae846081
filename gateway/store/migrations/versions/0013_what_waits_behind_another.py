"""What waits behind another one of its lane is left out of what is looked at each turn; what is uncertain has its index."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_DUE = "state IN ('queued', 'unknown') AND parked = false"
_PARKED = "parked = true"
_UNCERTAIN = "state = 'unknown'"


def upgrade() -> None:
    """A column that begins as false, which rewrites no row, and three indexes over what is open."""
    op.add_column("delivery", sa.Column("parked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.drop_index("ix_delivery_due", table_name="delivery")
    for name, columns, where in (
        ("ix_delivery_due", ["party", "due_at", "seq"], _DUE),
        ("ix_delivery_parked", ["party", "seq"], _PARKED),
        ("ix_delivery_uncertain", ["seq"], _UNCERTAIN),
    ):
        op.create_index(name, "delivery", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
