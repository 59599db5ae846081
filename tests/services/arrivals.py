"""Bodies as they arrive."""

from datetime import datetime

from dated import NOW

from gateway.core.model import Caller, Channel, Envelope
from gateway.services.intake import new_message_id


def arrival(body: bytes, party: str, at: datetime = NOW) -> Envelope:
    """A body as it arrives from a party by REST."""
    return Envelope.of(
        body,
        id=new_message_id(at),
        caller=Caller(party=party, by="token"),
        channel=Channel.REST,
        received_at=at,
    )
