"""Who may say what about whose dossier: the table of gateway.core.rights, applied.

What can be known from the message and the registry alone is judged by :func:`authorise`, without the database; what needs the
dossier on record is judged at the counter, under the dossier's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.core.effects import Effect, Files, Moves, Notes
from gateway.core.lifecycle import LABELS, LifeRules, trace
from gateway.core.model import Caller, Dossier, MaHoSo, ThongDiep
from gateway.core.parties import Parties, Party, Role, agency_part
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.rights import Pair, Rights, Standing


@dataclass(frozen=True, slots=True)
class Authorised:
    """Sender and named receivers, as one view of the registry has them: by the same view it need not be asked again."""

    by: Parties
    sender: Party
    receivers: tuple[Party, ...]


def authorise(
    thong_diep: ThongDiep, caller: Caller, parties: Parties, rights: Rights
) -> tuple[Party, tuple[Party, ...]]:
    """The sender and the receivers. Raises Stopped with every AUT problem found.

    A sender may act only as itself: NoiGui must be the authenticated caller's own identifier. Receivers must be registered, not
    locked, of a role to which the sender's may say this kind of message, and open to this sender (threats.md 5.11).
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
    elif sender.role not in rights.senders:
        facts = {"loai": thong_diep.loai, "goc": thong_diep.goc, "role": sender.role, "allowed": sorted(rights.senders)}
        problems.append(Problem("AUT-004", facts))
    receivers: list[Party] = []
    for number, address in enumerate(thong_diep.noi_nhan, start=1):
        at = Location(xpath=f"DanhSachNoiNhan/NoiNhan[{number}]/MaDinhDanh")  # below the root; intake makes it absolute
        receiver = parties.by_identifier(address.ma_dinh_danh)
        if receiver is None:
            problems.append(Problem("AUT-010", {"ma": address.ma_dinh_danh}, at))
        elif not receiver.enabled:
            problems.append(Problem("AUT-011", {"ma": address.ma_dinh_danh}, at))
        elif sender is not None and receiver.role not in _hearers(sender, rights):
            facts = {"ma": address.ma_dinh_danh, "loai": thong_diep.loai, "role": receiver.role, "from": sender.role}
            problems.append(Problem("AUT-012", facts, at))
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


def _hearers(sender: Party, rights: Rights) -> Collection[Role]:
    """The roles that hear this kind from this sender; from one that may not say it at all, those that ever hear it."""
    speakers = (sender.role,) if sender.role in rights.senders else rights.senders
    return {role for speaker in speakers for role in rights.receivers(speaker)}


def _open_to(sender: Party, receiver: Party) -> bool:
    return receiver.role is Role.GATEWAY or sender.may_send_to is None or receiver.id in sender.may_send_to


def opens(thong_diep: ThongDiep) -> bool:
    """Whether the message may open a dossier that is not on record."""
    return any(isinstance(effect, Files) for effect in thong_diep.content.effects)


def pairs_of(sender: Party, receivers: Iterable[Party], rights: Rights) -> tuple[Pair, ...]:
    """The lines of the table under which this sender speaks to these receivers; all that it may say at all, to none."""
    found = [rights.between(sender.role, receiver.role) for receiver in receivers]
    if not found:
        found = [rights.between(sender.role, role) for role in rights.receivers(sender.role)]
    return tuple(pair for pair in found if pair is not None)


def standings(dossier: Dossier | None, ma_ho_so: MaHoSo, party: Party, parties: Parties) -> frozenset[Standing]:
    """What a party is to a dossier; to one that is not on record, only whether the code is its own."""
    owner = parties.agency_of(ma_ho_so)
    owns = owner is not None and owner.id == party.id
    if dossier is None or not dossier.changes:
        return frozenset({Standing.OWNER if owns else Standing.STRANGER})
    if party.id not in dossier.parties:
        return frozenset({Standing.STRANGER})
    found = {
        Standing.OWNER: owns,
        Standing.PORTAL: party.id == dossier.portal,
        Standing.HANDLER: party.id == dossier.agency,
        Standing.COPY: party.id in dossier.others and not owns,
    }
    return frozenset(standing for standing, is_so in found.items() if is_so)


def may_open(
    ma_ho_so: MaHoSo,
    thong_diep: ThongDiep,
    sender: Party,
    receivers: Collection[Party],
    parties: Parties,
    rights: Rights,
) -> None:
    """Raises Stopped unless this message may open this dossier, which is not on record.

    A stranger hears what it would hear of a dossier on record that is none of its: nobody learns which codes there are.
    """
    held = standings(None, ma_ho_so, sender, parties)
    if not opens(thong_diep):
        if Standing.OWNER in held:
            raise Stopped(Problem("DOS-001", {"ma_ho_so": ma_ho_so}))
        raise Stopped(_not_yours(ma_ho_so, sender))
    if not all(held & pair.opens for pair in pairs_of(sender, receivers, rights)):
        raise Stopped(_anothers(ma_ho_so, sender))


def may_say(
    dossier: Dossier,
    thong_diep: ThongDiep,
    sender: Party,
    receivers: Collection[Party],
    parties: Parties,
    rights: Rights,
) -> frozenset[int]:
    """The states to which this message may bring this dossier. Raises Stopped when its sender may not say it at all."""
    code = dossier.ma_ho_so
    held = standings(dossier, code, sender, parties)
    pairs = pairs_of(sender, receivers, rights)
    if all(held & pair.may.keys() for pair in pairs):
        allowed = [frozenset().union(*(pair.may[one] for one in held & pair.may.keys())) for pair in pairs]
        return frozenset.intersection(*allowed) if allowed else frozenset()
    if held != {Standing.STRANGER}:
        facts = {"ma_ho_so": code, "caller": sender.id, "loai": thong_diep.loai, "goc": thong_diep.goc}
        raise Stopped(Problem("AUT-022", {**facts, "standing": _named(held)}))
    owner = parties.agency_of(code)
    if owner is not None and owner.id == sender.id:
        raise Stopped(Problem("AUT-024", {"ma_ho_so": code, "caller": sender.id}))
    if opens(thong_diep) and not any(Standing.STRANGER in pair.opens for pair in pairs):
        raise Stopped(_anothers(code, sender))
    raise Stopped(_not_yours(code, sender))


def may_move(
    dossier: Dossier, thong_diep: ThongDiep, allowed: frozenset[int], sender: Party, parties: Parties, rules: LifeRules
) -> tuple[Effect, ...]:
    """What a message does to its dossier on record. Raises Stopped (AUT-023) when it would bring it where it may not.

    A state that the dossier has been in is known: saying it again is noted and moves nothing, now or when earlier news
    arrive. So an office that hands a result over may state when the handler finished it.
    """
    effects = thong_diep.content.effects
    if not any(_is_beyond(effect, allowed) for effect in effects):
        return effects
    been = {span.trang_thai for span in trace(dossier.changes, rules).spans}
    found: list[Effect] = []
    for effect in effects:
        if not _is_beyond(effect, allowed):
            found.append(effect)
        elif isinstance(effect, Moves) and effect.to in been:
            found.append(Notes(what="nhac-lai-trang-thai", value=str(effect.to)))
        else:
            code = dossier.ma_ho_so
            to = _state(effect.to or 0) if isinstance(effect, Moves) else "–"
            held = standings(dossier, code, sender, parties)
            facts = {"ma_ho_so": code, "caller": sender.id, "standing": _named(held), "to": to}
            raise Stopped(Problem("AUT-023", {**facts, "allowed": [_state(one) for one in sorted(allowed)] or ["–"]}))
    return tuple(found)


def _is_beyond(effect: Effect, allowed: frozenset[int]) -> bool:
    """Whether it asks for a state that is not allowed; of going back to the state before: whether no state is."""
    return isinstance(effect, Moves) and (effect.to not in allowed if effect.to is not None else not allowed)


def involved(dossier: Dossier | None, ma_ho_so: MaHoSo, sender: Party, parties: Parties) -> bool:
    """Whether a party has a part in a dossier, or the code is its own where none is on record."""
    return Standing.STRANGER not in standings(dossier, ma_ho_so, sender, parties)


def may_name(
    dossier: Dossier | None,
    ma_ho_so: MaHoSo,
    sender: Party,
    receivers: Collection[Party],
    parties: Parties,
    rights: Rights,
) -> None:
    """Raises Stopped (AUT-020) when a message that is no event of a dossier may not even name it."""
    held = standings(dossier, ma_ho_so, sender, parties)
    if not all(held & pair.may.keys() for pair in pairs_of(sender, receivers, rights)):
        raise Stopped(_not_yours(ma_ho_so, sender))


def parties_of_new(
    ma_ho_so: MaHoSo, sender: Party, receivers: Collection[Party], known: Dossier | None = None
) -> Dossier:
    """The dossier that a message opens, still without history. ``known``: as it stood when its code was released.

    The agency is the one-stop system it is sent to, or else the one-stop system that sends it (filed at the counter).
    """
    one_stops = [party for party in receivers if party.role is Role.ONE_STOP]
    portals = [party for party in receivers if party.role is Role.PORTAL]
    agency = one_stops[0] if one_stops else sender if sender.role is Role.ONE_STOP else None
    portal = sender if sender.role is Role.PORTAL else portals[0] if portals else None
    others = {p.id for p in (*one_stops[1:], sender) if p.role is Role.ONE_STOP and p is not agency}
    return Dossier(
        ma_ho_so=ma_ho_so,
        ma_tthc=None,
        portal=portal.id if portal else None,
        agency=agency.id if agency else None,
        others=frozenset(others),
        released=known.released if known else 0,
    )


def _not_yours(ma_ho_so: MaHoSo, sender: Party) -> Problem:
    return Problem("AUT-020", {"ma_ho_so": ma_ho_so, "caller": sender.id})


def _anothers(ma_ho_so: MaHoSo, sender: Party) -> Problem:
    return Problem("AUT-021", {"ma_ho_so": ma_ho_so, "agency": agency_part(ma_ho_so), "caller": sender.id})


def _named(held: Iterable[Standing]) -> str:
    return ", ".join(sorted(held))


def _state(state: int) -> str:
    return f"{state} ({LABELS[state][0]})" if state in LABELS else "–"
