"""Who was told everything of a dossier, and which files lie in archives, is left out of what is looked through."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_BEHIND = "behind = true"
_IN_FOLDER = "archive IS NULL"
LEVEL = """
    UPDATE told SET behind = false WHERE refused = '{}'
    AND change >= (SELECT coalesce(max(number), 0) FROM change WHERE change.ma_ho_so = told.ma_ho_so)
"""


def upgrade() -> None:
    """A column, which is false for most rows and therefore rewrites them, and three indexes."""
    op.add_column("told", sa.Column("behind", sa.Boolean, nullable=False, server_default=sa.true()))
    op.execute(LEVEL)
    op.create_index("ix_told_ma_ho_so", "told", ["ma_ho_so"])
    for name, table, columns, where in (
        ("ix_told_behind", "told", ["party", "ma_ho_so"], _BEHIND),
        ("ix_file_in_folder", "file", ["arrived_at", "digest"], _IN_FOLDER),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
