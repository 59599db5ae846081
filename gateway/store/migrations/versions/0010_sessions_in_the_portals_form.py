"""Sessions at the door in the national portal's own form, shared by all workers and nodes."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """A table of its own: nothing that was there changes."""
    op.create_table(
        "portal_session",
        sa.Column("token_sha256", sa.String, primary_key=True),
        sa.Column("party", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("credential", sa.String, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_portal_session_party_account_seen_at", "portal_session", ["party", "account", "seen_at"])
