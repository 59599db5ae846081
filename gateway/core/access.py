"""Who may say what about whose dossier.

What can be known from the message and the registry alone is judged by :func:`authorise`, without the database; what needs the
dossier on record is judged by :func:`may_touch`, at the counter, under the dossier's lock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.core.effects import Files
from gateway.core.model import Caller, Dossier, PartyId, ThongDiep
from gateway.core.parties import Parties, Party, Role, agency_part
from gateway.core.problems import Location, Problem, Stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Which roles may send a message type, and to which roles. Each reader of schemas/messages declares it."""

    sent_by: frozenset[Role]
    sent_to: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Authorised:
    """Sender and named receivers, as one view of the registry has them: by the same view it need not be asked again."""

    by: Parties
    sender: Party
    receivers: tuple[Party, ...]


def authorise(
    thong_diep: ThongDiep, caller: Caller, parties: Parties, audience: Audience
) -> tuple[Party, tuple[Party, ...]]:
    """The sender and the receivers. Raises Stopped with every AUT problem found.

    A sender may act only as itself: NoiGui must be the authenticated caller's own identifier. Receivers must be registered, not
    locked, of a role that this type is for, and open to this sender (threats.md 5.11).
    """
    problems: list[Problem] = []
    named = parties.by_identifier(thong_diep.noi_gui.ma_dinh_danh)
    sender = parties.get(caller.party)
    if named is None:
        problems.append(Problem("AUT-001", {"ma": thong_diep.noi_gui.ma_dinh_danh}))
    elif sender is None or named.id != sender.id:
        problems.append(Problem("AUT-002", {"ma": thong_diep.noi_gui.ma_dinh_danh, "caller": caller.party}))
    elif not sender.enabled:
        problems.append(Problem("AUT-003", {"ma": thong_diep.noi_gui.ma_dinh_danh}))
    elif sender.role not in audience.sent_by:
        allowed = sorted(audience.sent_by)
        problems.append(
            Problem(
                "AUT-004", {"loai": thong_diep.loai, "goc": thong_diep.goc, "role": sender.role, "allowed": allowed}
            )
        )
    receivers: list[Party] = []
    for number, address in enumerate(thong_diep.noi_nhan, start=1):
        at = Location(xpath=f"DanhSachNoiNhan/NoiNhan[{number}]/MaDinhDanh")  # below the root; intake makes it absolute
        receiver = parties.by_identifier(address.ma_dinh_danh)
        if receiver is None:
            problems.append(Problem("AUT-010", {"ma": address.ma_dinh_danh}, at))
        elif not receiver.enabled:
            problems.append(Problem("AUT-011", {"ma": address.ma_dinh_danh}, at))
        elif receiver.role is not Role.GATEWAY and receiver.role not in audience.sent_to:
            problems.append(
                Problem("AUT-012", {"ma": address.ma_dinh_danh, "loai": thong_diep.loai, "role": receiver.role}, at)
            )
        elif sender is not None and not _open_to(sender, receiver):
            problems.append(Problem("AUT-013", {"ma": address.ma_dinh_danh, "caller": caller.party}, at))
        elif sender is not None and receiver.id == sender.id:
            problems.append(Problem("AUT-014", {"ma": address.ma_dinh_danh}, at))
        elif receiver not in receivers:
            receivers.append(receiver)
    if problems:
        raise Stopped(*problems)
    assert sender is not None
    return sender, tuple(receivers)


def _open_to(sender: Party, receiver: Party) -> bool:
    return receiver.role is Role.GATEWAY or sender.may_send_to is None or receiver.id in sender.may_send_to


def opens(thong_diep: ThongDiep) -> bool:
    """Whether the message may open a dossier that is not on record."""
    return any(isinstance(effect, Files) for effect in thong_diep.content.effects)


def parties_of_new(thong_diep: ThongDiep, sender: Party, receivers: Collection[Party], parties: Parties) -> Dossier:
    """The dossier that this message opens, still without history. Raises Stopped (AUT-021) when its code belongs to another.

    The agency is the one-stop system it is sent to, or else the one-stop system that sends it (filed at the counter). A dossier
    may be received at one office and handled at another; its code must belong to one of the two: nobody occupies another's codes.
    """
    ma_ho_so = thong_diep.content.ma_ho_so
    assert ma_ho_so is not None
    one_stops = [party for party in receivers if party.role is Role.ONE_STOP]
    portals = [party for party in receivers if party.role is Role.PORTAL]
    agency = one_stops[0] if one_stops else sender if sender.role is Role.ONE_STOP else None
    portal = sender if sender.role is Role.PORTAL else portals[0] if portals else None
    others = {p.id for p in (*one_stops[1:], sender) if p.role is Role.ONE_STOP and p is not agency}
    owner = parties.agency_of(ma_ho_so)
    if sender.role is Role.ONE_STOP and (owner is None or owner.id not in {sender.id, *(p.id for p in one_stops)}):
        raise Stopped(Problem("AUT-021", {"ma_ho_so": ma_ho_so, "agency": agency_part(ma_ho_so), "caller": sender.id}))
    return Dossier(
        ma_ho_so=ma_ho_so,
        ma_tthc=None,
        portal=portal.id if portal else None,
        agency=agency.id if agency else None,
        others=frozenset(others),
    )


def may_touch(dossier: Dossier, sender: PartyId) -> None:
    """Raises Stopped (AUT-020) when the dossier on record is none of the sender's."""
    if sender not in dossier.parties:
        raise Stopped(Problem("AUT-020", {"ma_ho_so": dossier.ma_ho_so, "caller": sender}))
