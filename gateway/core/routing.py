"""What each receiver is owed: a delivery if we push to it, a place in its inbox if it pulls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from gateway.core.effects import Asks, Files, Moves, Publishes
from gateway.core.model import Delivery, DeliveryId, Dossier, Envelope, InboxEntry, MaHoSo, PartyId, ThongDiep
from gateway.core.parties import AfterFailure, Parties, Party, Receives, Role
from gateway.core.problems import Problem


def receivers_of(
    thong_diep: ThongDiep, sender: PartyId, dossier: Dossier | None, parties: Parties
) -> tuple[Party, ...]:
    """The parties named in NoiNhan; where none is named, the dossier's other parties. Never the sender.

    A query or a catalogue addressed to the gateway is a delivery to ourselves: dealt with as durably as everything else.
    """
    asks = any(isinstance(effect, Asks | Publishes) for effect in thong_diep.effects)
    named = [parties.by_identifier(address.ma_dinh_danh) for address in thong_diep.noi_nhan]
    if not named and dossier is not None:
        named = [parties.get(party) for party in sorted(dossier.parties)]
    found: list[Party] = []
    for party in named:
        ours = party is not None and party.role is Role.GATEWAY
        if party is not None and party.id != sender and (asks or not ours) and party not in found:
            found.append(party)
    return tuple(found)


def route(
    thong_diep: ThongDiep,
    envelope: Envelope,
    receivers: Collection[Party],
    dossier: Dossier | None,
    now: datetime,
    *,
    lane: MaHoSo | None = None,
    notes: tuple[Problem, ...] = (),
    digest: str | None = None,
    digests: Mapping[PartyId, str] | None = None,
) -> tuple[list[Delivery], list[InboxEntry]]:
    """The deliveries and inbox entries that one accepted message causes.

    ``lane`` is the dossier in whose order it waits; without one it waits for nobody. ``digest`` names the ThongDiep composed
    from a typed submission, ``digests`` other bytes than the original for a receiver that reads only an older version; the
    original stays on record.
    """
    deliveries: list[Delivery] = []
    entries: list[InboxEntry] = []
    stated = next((e for e in thong_diep.effects if isinstance(e, Moves | Files)), None)
    ma_ho_so = thong_diep.content.ma_ho_so or thong_diep.ma_ho_so
    for party in receivers:
        sent = (digests or {}).get(party.id, digest or envelope.digest)
        if party.receives is Receives.PUSH or party.role is Role.GATEWAY:
            deliveries.append(
                Delivery(
                    id=DeliveryId(f"{envelope.id}.{party.id}"),
                    message=envelope.id,
                    ma_thong_diep=thong_diep.ma_thong_diep,
                    loai=thong_diep.loai,
                    party=party.id,
                    lane=lane or envelope.id,
                    digest=sent,
                    due_at=now,
                    created_at=now,
                    blocking=party.lane.after_failure is AfterFailure.HOLD,
                )
            )
        else:
            entries.append(
                InboxEntry(
                    party=party.id,
                    message=envelope.id,
                    ma_thong_diep=thong_diep.ma_thong_diep,
                    loai=thong_diep.loai,
                    goc=thong_diep.goc,
                    sender=envelope.caller.party,
                    ma_ho_so=ma_ho_so,
                    digest=sent,
                    recorded_at=now,
                    trang_thai=dossier.trang_thai if dossier else None,
                    trang_thai_goc=stated.goc if stated else None,
                    problems=notes,
                )
            )
    return deliveries, entries
