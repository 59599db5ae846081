"""Bodies as they arrive."""

from datetime import UTC, datetime

from gateway.core.model import Caller, Channel, Envelope
from gateway.services.intake import new_message_id


def arrival(body: bytes, party: str, at: datetime | None = None) -> Envelope:
    """A body as it arrives from a party by REST."""
    at = at or datetime.now(UTC)
    return Envelope.of(
        body,
        id=new_message_id(at),
        caller=Caller(party=party, by="token"),
        channel=Channel.REST,
        received_at=at,
    )
