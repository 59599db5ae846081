"""Parcels to send."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from false_agency import uuid

from connectors.outcomes import Parcel
from gateway.core.model import Delivery, DeliveryId, MaThongDiep, MessageId, PartyId
from gateway.core.parties import Party, Receives, Role

MADE = datetime(2026, 1, 15, 8, 30, 0, 123456, tzinfo=UTC)
BODY = """<?xml version="1.0" encoding="UTF-8"?>
<ThongDiep xmlns="urn:x"><HoTen>Nguyễn Văn Ánh</HoTen></ThongDiep>
""".encode()


def party(name: str | None = None, **settings: Any) -> Party:
    """An agency that is pushed to."""
    return Party(
        id=PartyId("so-tu-phap"),
        name="Sở Tư pháp (thử nghiệm)",
        role=Role.ONE_STOP,
        identifiers=("H19.901", "000.99.01.H19"),
        receives=Receives.PUSH,
        connector=name,
        connector_settings=settings,
    )


def parcel(number: int = 1, body: bytes = BODY, to: Party | None = None, **fields: Any) -> Parcel:
    """A delivery of these bytes."""
    to = to or party()
    delivery = Delivery(
        **{
            "id": DeliveryId(f"m-{number}.{to.id}"),
            "message": MessageId(f"m-{number}"),
            "ma_thong_diep": MaThongDiep(uuid(number)),
            "loai": "HS05",
            "party": to.id,
            "lane": "H19.901-260115-0001",
            "digest": hashlib.sha256(body).hexdigest(),
            "created_at": MADE,
            "tries": 1,
            **fields,
        }
    )
    return Parcel(delivery=delivery, body=body, party=to)
