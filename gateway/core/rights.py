"""Who may say what: one table of pairs, from which the code, docs/en/messages.md and the tests come.

A line says, for one kind of message from one role to another: which standings in the dossier may say it, to which states each
of them may bring the dossier by it, and who may open a dossier with it. What stands in no line may not be said. Two sets of
roles would multiply into pairs that nobody meant (docs/decisions: a table of pairs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.core.parties import Role


class Standing(StrEnum):
    """What a party is to one dossier. It may be several things at once: most agencies handle what bears their own code."""

    OWNER = "owner"  # the agency part of the dossier code is its identifier, and it is a party to the dossier
    PORTAL = "portal"  # the portal that it was filed at, or that it was synchronised to
    HANDLER = "handler"  # the agency that handles it
    COPY = "copy"  # an agency that a copy went to (HS14), or that was a further receiver when it was filed
    STRANGER = "stranger"  # none of these


ANY_STATE = frozenset(range(1, 11))
NO_STATE: frozenset[int] = frozenset()

May = Mapping[Standing, frozenset[int]]  # who may say it -> the states that the word may bring the dossier to


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One line: a kind of message from one role to another."""

    sender: Role
    receiver: Role
    may: May
    opens: frozenset[Standing] = frozenset()  # who may open a dossier with it that is not on record


@dataclass(frozen=True, slots=True)
class Rights:
    """The lines of one kind of message. Raises ValueError when a pair of roles stands twice."""

    pairs: tuple[Pair, ...]
    _heard: Mapping[Role, Mapping[Role, Pair]] = field(init=False, repr=False, compare=False)  # from whom, by whom

    def __post_init__(self) -> None:
        by_roles = {(pair.sender, pair.receiver): pair for pair in self.pairs}
        if len(by_roles) != len(self.pairs):
            raise ValueError("a pair of roles stands twice in the table")
        heard = {one: {role: by_roles[one, role] for role in Role if (one, role) in by_roles} for one in Role}
        object.__setattr__(self, "_heard", MappingProxyType({one: pairs for one, pairs in heard.items() if pairs}))

    def between(self, sender: Role, receiver: Role) -> Pair | None:
        """The line of these two roles; None where the one may not say it to the other."""
        return self._heard.get(sender, {}).get(receiver)

    @property
    def senders(self) -> tuple[Role, ...]:
        """The roles that may say it to anybody."""
        return tuple(self._heard)

    def receivers(self, sender: Role) -> tuple[Role, ...]:
        """The roles to which this one may say it."""
        return tuple(self._heard.get(sender, ()))


def _from(sender: Role, *receivers: Role, may: May, opens: Iterable[Standing] = ()) -> Iterator[Pair]:
    for receiver in receivers:
        yield Pair(sender=sender, receiver=receiver, may=may, opens=frozenset(opens))


_P, _O, _V, _G = Role.PORTAL, Role.ONE_STOP, Role.OVERSIGHT, Role.GATEWAY

#: Of a message that is about no dossier, or that does nothing to one: whoever may send it may, whatever it names.
ANYBODY: May = MappingProxyType(dict.fromkeys(Standing, NO_STATE))
#: Of a message that names a dossier only in passing: whoever has a part in that dossier.
_INVOLVED: May = MappingProxyType({one: NO_STATE for one in Standing if one is not Standing.STRANGER})
_BACK = frozenset({1, 2, 4})  # whence a dossier can have come to 5


def _handler(*states: int, receiving: Iterable[int] | None = None) -> May:
    """The handling agency; and the office that received the dossier under its own code, where that is given."""
    may = {Standing.HANDLER: frozenset(states)}
    return may if receiving is None else {**may, Standing.OWNER: frozenset(receiving)}


def _portal(*states: int) -> May:
    return {Standing.PORTAL: frozenset(states)}


def _told(may: May) -> Rights:
    """The agency tells the portal."""
    return Rights(tuple(_from(_O, _P, may=may)))


def _asked(may: May) -> Rights:
    """The portal tells the agency."""
    return Rights(tuple(_from(_P, _O, may=may)))


_ASKING = Rights(
    (
        *_from(_P, _O, _G, may=ANYBODY),
        *_from(_O, _P, _O, _G, may=ANYBODY),
        *_from(_V, _G, may=ANYBODY),
    )
)
_ANSWERING = Rights(
    (
        *_from(_P, _O, may=ANYBODY),
        *_from(_O, _P, _O, may=ANYBODY),
        *_from(_G, _P, _O, _V, may=ANYBODY),
    )
)

#: The table. A kind is its type and the root of its payload; all versions of it have the same rights.
TABLE: Mapping[tuple[str, str], Rights] = MappingProxyType(
    {
        # A portal files what a citizen brings it, with the agency that the code names or another; an agency files under its
        # own code only: alone, or as the office that received what another one handles. Only the handler's word moves what
        # is on record: a portal's repeated filing says what the portal believes.
        ("HS01", "NopHoSo"): Rights(
            (
                *_from(
                    _P,
                    _O,
                    may={Standing.PORTAL: NO_STATE},
                    opens={Standing.OWNER, Standing.STRANGER},
                ),
                *_from(
                    _O,
                    _P,
                    _O,
                    may={Standing.HANDLER: ANY_STATE, Standing.OWNER: NO_STATE},
                    opens={Standing.OWNER},
                ),
            )
        ),
        ("HS02", "BienNhan"): Rights(
            (
                *_from(_P, _O, _P, _G, may=ANYBODY),
                *_from(_O, _P, _O, _G, may=ANYBODY),
                *_from(_V, _G, may=ANYBODY),
                *_from(_G, _P, _O, _V, may=ANYBODY),
            )
        ),
        ("HS03", "TiepNhanHoSo"): _told(_handler(2, receiving=[2])),
        ("HS04", "TuChoiTiepNhan"): _told(_handler(3, receiving=[3])),
        ("HS05", "CapNhatTienDo"): _told(_handler(*ANY_STATE, receiving=[2, 3, 5, 10])),
        ("HS06", "YeuCauBoSung"): _told(_handler(5, receiving=[5])),
        ("HS07", "NopBoSung"): _asked(_portal()),
        ("HS08", "XacNhanBoSung"): _told(_handler(*_BACK, receiving=_BACK)),
        ("HS09", "YeuCauThanhToan"): _told(_handler(receiving=[])),
        ("HS10", "KetQuaThanhToan"): _asked(_portal()),
        ("HS11", "TraKetQua"): _told(_handler(9, 10, receiving=[10])),
        ("HS12", "RutHoSo"): _asked(_portal(7)),
        ("HS12", "DongYRutHoSo"): _told(_handler(1, 2, 4, 5, 6, 8)),
        ("HS13", "DungXuLy"): _told(_handler(8)),
        ("HS13", "TiepTucXuLy"): _told(_handler(4)),
        ("HS14", "ChuyenHoSo"): Rights(tuple(_from(_O, _O, may=_handler()))),
        ("HS15", "KetQuaChuyen"): Rights(tuple(_from(_O, _O, may={Standing.COPY: NO_STATE}))),
        ("HS16", "GiaHan"): _told(_handler()),
        ("HS17", "TraCuuHoSo"): _ASKING,
        ("HS17", "TraLoiTraCuu"): _ANSWERING,
        ("HS18", "LayDanhMuc"): _ASKING,
        ("HS18", "DanhMuc"): Rights(
            (*_ANSWERING.pairs, *_from(_P, _G, may=ANYBODY), *_from(_O, _G, may=ANYBODY), *_from(_V, _G, may=ANYBODY))
        ),
        # The gateway asks too: what a party that reads messages believes of dossiers (lienthong reconcile).
        ("HS19", "DoiSoat"): Rights((*_ASKING.pairs, *_from(_G, _P, _O, may=ANYBODY))),
        ("HS19", "KetQuaDoiSoat"): Rights(
            (*_ANSWERING.pairs, *_from(_P, _G, may=ANYBODY), *_from(_O, _G, may=ANYBODY))
        ),
        ("HS20", "ThuHoiThongDiep"): Rights((*_from(_P, _O, may=_INVOLVED), *_from(_O, _P, _O, may=_INVOLVED))),
        ("HS21", "DanhGia"): _asked(_portal()),
    }
)
