"""A dossier's code can be given back: what was told under it before stays on record, and is not the next dossier's history."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Up to which change a dossier's history was given back: none, for all that are on record."""
    op.add_column("dossier", sa.Column("released", sa.Integer, nullable=False, server_default="0"))
