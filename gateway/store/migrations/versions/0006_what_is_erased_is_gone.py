"""What was said of an erased message can be taken out of its verdicts and tries; nothing else of them can be changed."""

from alembic import op

from gateway.store.engine import erasable

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """While an erasure is under way, and by it alone."""
    erasable(op.get_bind(), ["verdict", "attempt"])
