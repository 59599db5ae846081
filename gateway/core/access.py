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
    sender = parties.get(caller.party)
    refused = _sender_refused(thong_diep, caller, sender, parties, rights)
    problems = [refused] if refused is not None else []
    receivers: list[Party] = []
    for number, address in enumerate(thong_diep.noi_nhan, start=1):
        receiver = parties.by_identifier(address.ma_dinh_danh)
        refusal = _receiver_refused(thong_diep, receiver, sender, rights)
        if refusal is not None:
            at = Location(xpath=f"DanhSachNoiNhan/NoiNhan[{number}]/MaDinhDanh")  # intake makes it absolute
            code, facts = refusal
            problems.append(Problem(code, {"ma": address.ma_dinh_danh, **facts}, at))
        elif receiver is not None and receiver not in receivers:
            receivers.append(receiver)
    if problems:
        raise Stopped(*problems)
    assert sender is not None
    return sender, tuple(receivers)


def _sender_refused(
    thong_diep: ThongDiep, caller: Caller, sender: Party | None, parties: Parties, rights: Rights
) -> Problem | None:
    ma = thong_diep.noi_gui.ma_dinh_danh
    named = parties.by_identifier(ma)
    if named is None:
        return Problem("AUT-001", {"ma": ma})
    if sender is None or named.id != sender.id:
        return Problem("AUT-002", {"ma": ma, "caller": caller.party})
    if not sender.open:
        return Problem("AUT-003", {"ma": ma})
    if sender.role not in rights.senders:
        facts = {"loai": thong_diep.loai, "goc": thong_diep.goc, "role": sender.role, "allowed": sorted(rights.senders)}
        return Problem("AUT-004", facts)
    return None


def _receiver_refused(
    thong_diep: ThongDiep, receiver: Party | None, sender: Party | None, rights: Rights
) -> tuple[str, dict[str, object]] | None:
    """The code and the facts, besides the identifier, for which this receiver may not be named; None: it may."""
    if receiver is None:
        return "AUT-010", {}
    if not receiver.open:
        return "AUT-011", {}
    if sender is None:
        return None
    if receiver.role not in _hearers(sender.role, rights):
        return "AUT-012", {"loai": thong_diep.loai, "role": receiver.role, "from": sender.role}
    if not _open_to(sender, receiver):
        return "AUT-013", {"caller": sender.id}
    if receiver.id == sender.id:
        return "AUT-014", {}
    return None


def _hearers(sender: Role, rights: Rights) -> Collection[Role]:
    """The roles that hear this kind from a sender; from one that may not say it at all, those that ever hear it."""
    return rights.receivers(sender) or {role for speaker in rights.senders for role in rights.receivers(speaker)}


def _open_to(sender: Party, receiver: Party) -> bool:
    return receiver.role is Role.GATEWAY or sender.may_send_to is None or receiver.id in sender.may_send_to


def opens(thong_diep: ThongDiep) -> bool:
    """Whether the message may open a dossier that is not on record."""
    return any(isinstance(effect, Files) for effect in thong_diep.effects)


def pairs_of(sender: Party, receivers: Iterable[Party], rights: Rights) -> tuple[Pair, ...]:
    """The lines of the table under which this sender speaks to these receivers; all that it may say at all, to none."""
    roles = [receiver.role for receiver in receivers] or rights.receivers(sender.role)
    found = [rights.between(sender.role, role) for role in roles]
    return tuple([pair for pair in found if pair is not None])


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
    """Raises Stopped unless this message may open this dossier, which is not on record (AUT-025: its code has nobody's shape).

    A stranger hears what it would hear of a dossier on record that is none of its: nobody learns which codes there are.
    """
    if "/" in ma_ho_so and opens(thong_diep) and parties.agency_of(ma_ho_so) is None:
        raise Stopped(Problem("AUT-025", {"ma_ho_so": ma_ho_so}))
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
    effects = thong_diep.effects
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
    one_stops = [party.id for party in (*receivers, sender) if party.role is Role.ONE_STOP]
    portals = [party.id for party in (sender, *receivers) if party.role is Role.PORTAL]
    agency = one_stops[0] if one_stops else None
    return Dossier(
        ma_ho_so=ma_ho_so,
        ma_tthc=None,
        portal=portals[0] if portals else None,
        agency=agency,
        others=frozenset(one_stops) - {agency},
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
