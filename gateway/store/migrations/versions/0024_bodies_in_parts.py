"""PostgreSQL's bodies lie in parts, one for each month: an archived month leaves with its part (gateway/store/parts.py)."""

from datetime import UTC, datetime

from alembic import op

from gateway.store.parts import part_bodies

revision = "0024"
down_revision = "0023"

_REFERRED = (
    ("message", ("id_digest", "id_receipt", "id_composed")),
    ("verdict", ("message_receipt",)),
    ("delivery", ("message_digest",)),
    ("inbox", ("message_digest",)),
)


def upgrade() -> None:
    """What is there is one part, which is looked through once; it is not copied. A file stays as it is."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    for table, names in _REFERRED:
        for name in names:  # a part that others refer to cannot go
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_{name}")
    part_bodies(connection, datetime.now(UTC))
