"""Who may say what about whose dossier: the table, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lives import CODE, NEW, filed, letter, live
from parties_known import caller, from_to, parties, party

from gateway.core import access
from gateway.core.effects import Files, Moves, Notes, Pays
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Dossier, MaHoSo, PartyId
from gateway.core.parties import Role
from gateway.core.problems import Stopped
from gateway.core.rights import ANYBODY, TABLE, Pair, Rights, Standing

# Kind | from > to (P portal, O one-stop, V oversight, G gateway) | standing=states to which it may bring the dossier | who may open
# one. "*": whoever. Written from the circulars' roles, to be compared with the table of the program.
ROWS = """
HS01 NopHoSo | P>O | portal | owner stranger
HS01 NopHoSo | O>P O>O | handler=1,2,3,4,5,6,7,8,9,10 owner | owner
HS02 BienNhan | P>O P>P P>G O>P O>O O>G V>G G>P G>O G>V | * |
HS03 TiepNhanHoSo | O>P | handler=2 owner=2 |
HS04 TuChoiTiepNhan | O>P | handler=3 owner=3 |
HS05 CapNhatTienDo | O>P | handler=1,2,3,4,5,6,7,8,9,10 owner=2,3,5,10 |
HS06 YeuCauBoSung | O>P | handler=5 owner=5 |
HS07 NopBoSung | P>O | portal |
HS08 XacNhanBoSung | O>P | handler=1,2,4 owner=1,2,4 |
HS09 YeuCauThanhToan | O>P | handler owner |
HS10 KetQuaThanhToan | P>O | portal |
HS11 TraKetQua | O>P | handler=9,10 owner=10 |
HS12 RutHoSo | P>O | portal=7 |
HS12 DongYRutHoSo | O>P | handler=1,2,4,5,6,8 |
HS13 DungXuLy | O>P | handler=8 |
HS13 TiepTucXuLy | O>P | handler=4 |
HS14 ChuyenHoSo | O>O | handler |
HS15 KetQuaChuyen | O>O | copy |
HS16 GiaHan | O>P | handler |
HS17 TraCuuHoSo | P>O P>G O>P O>O O>G V>G | * |
HS17 TraLoiTraCuu | P>O O>P O>O G>P G>O G>V | * |
HS18 LayDanhMuc | P>O P>G O>P O>O O>G V>G | * |
HS18 DanhMuc | P>O O>P O>O G>P G>O G>V P>G O>G V>G | * |
HS19 DoiSoat | P>O P>G O>P O>O O>G V>G G>P G>O | * |
HS19 KetQuaDoiSoat | P>O O>P O>O G>P G>O G>V P>G O>G | * |
HS20 ThuHoiThongDiep | P>O O>P O>O | owner portal handler copy |
HS21 DanhGia | P>O | portal |
"""
LETTERS = {"P": Role.PORTAL, "O": Role.ONE_STOP, "V": Role.OVERSIGHT, "G": Role.GATEWAY}


def told():
    """The rows above as lines of the table."""
    found = {}
    for row in ROWS.strip().split("\n"):
        kind, roles, may, opens = (part.strip() for part in row.split("|"))
        states = {}
        for word in may.split():
            standing, _, numbers = word.partition("=")
            states[standing] = {int(n) for n in numbers.split(",") if n}
        if may == "*":
            states = {standing: set() for standing in Standing}
        for pair in roles.split():
            line = (LETTERS[pair[0]], LETTERS[pair[2]], {Standing(s): frozenset(n) for s, n in states.items()})
            found.setdefault(tuple(kind.split()), []).append((*line, frozenset(map(Standing, opens.split()))))
    return found


def test_the_table_of_rights_says_who_may_say_what() -> None:
    table = {k: [(p.sender, p.receiver, dict(p.may), p.opens) for p in r.pairs] for k, r in TABLE.items()}
    wanted = told()
    assert sorted(table) == sorted(wanted)
    for kind, lines in wanted.items():
        assert sorted(table[kind], key=str) == sorted(lines, key=str), kind


SOME = Rights(
    (
        Pair(
            sender=Role.PORTAL,
            receiver=Role.ONE_STOP,
            may={Standing.PORTAL: frozenset({7})},
            opens=frozenset({Standing.OWNER}),
        ),
        Pair(
            sender=Role.ONE_STOP,
            receiver=Role.PORTAL,
            may={Standing.HANDLER: frozenset({4, 9}), Standing.OWNER: frozenset({9})},
        ),
        Pair(sender=Role.ONE_STOP, receiver=Role.ONE_STOP, may={Standing.HANDLER: frozenset({4, 8})}),
        Pair(sender=Role.ONE_STOP, receiver=Role.GATEWAY, may=ANYBODY),
    )
)


def test_lines_are_found_by_their_two_roles() -> None:
    assert SOME.between(Role.PORTAL, Role.ONE_STOP) is SOME.pairs[0]
    assert SOME.between(Role.ONE_STOP, Role.OVERSIGHT) is None
    assert SOME.senders == (Role.PORTAL, Role.ONE_STOP)
    assert SOME.receivers(Role.ONE_STOP) == (Role.PORTAL, Role.ONE_STOP, Role.GATEWAY)
    assert SOME.receivers(Role.OVERSIGHT) == ()
    assert Rights(SOME.pairs) == SOME
    assert "_heard" not in repr(SOME)
    with pytest.raises(ValueError, match="twice"):
        Rights((*SOME.pairs, SOME.pairs[0]))


# At the door ----------------------------------------------------------------------------------------------------------


def stopped(call, *args, **more):
    """[(code, facts, where)] of what stops a call."""
    with pytest.raises(Stopped) as stop:
        call(*args, **more)
    return [(p.code, dict(p.facts), p.at.xpath if p.at else None) for p in stop.value.problems]


def test_sender_and_receivers_are_given_each_once_and_in_their_order() -> None:
    known = parties()
    sender, receivers = access.authorise(from_to("a", "truc", "cong", "b", "cong"), caller("a"), known, SOME)
    assert (sender.id, [one.id for one in receivers]) == ("a", ["truc", "cong", "b"])


@pytest.mark.parametrize(
    ("sender", "at_the_door", "changed", "code", "facts"),
    [
        ("H19.777", "a", {}, "AUT-001", {"ma": "H19.777"}),
        ("b", "a", {}, "AUT-002", {"ma": "H19.902", "caller": "a"}),
        ("a", "nobody", {}, "AUT-002", {"ma": "H19.901", "caller": "nobody"}),
        ("a", "a", {"a": party("a", enabled=False)}, "AUT-003", {"ma": "H19.901"}),
    ],
)
def test_a_sender_acts_only_as_itself_and_while_it_is_not_locked(sender, at_the_door, changed, code, facts) -> None:
    one = from_to(sender)
    assert stopped(access.authorise, one, caller(at_the_door), parties(**changed), SOME) == [(code, facts, None)]


def test_a_role_that_may_not_say_it_hears_who_may() -> None:
    facts = {"loai": "HS05", "goc": "X", "role": Role.OVERSIGHT, "allowed": [Role.ONE_STOP, Role.PORTAL]}
    assert stopped(access.authorise, from_to("thanh-tra", "cong"), caller("thanh-tra"), parties(), SOME) == [
        ("AUT-004", facts, None)
    ]
    found = stopped(access.authorise, from_to("thanh-tra", "thanh-tra"), caller("thanh-tra"), parties(), SOME)
    assert [code for code, _, _ in found] == ["AUT-004", "AUT-012"], "nobody of that role ever hears it"


def at(number: int) -> str:
    return f"DanhSachNoiNhan/NoiNhan[{number}]/MaDinhDanh"


def test_every_receiver_that_may_not_hear_it_is_told_in_its_place() -> None:
    known = parties(c=party("c", enabled=False), a=party("a", may_send_to=("cong", "a")))
    one = from_to("a", "cong", "H19.777", "c", "thanh-tra", "b", "a", "truc")
    assert stopped(access.authorise, one, caller("a"), known, SOME) == [
        ("AUT-010", {"ma": "H19.777"}, at(2)),
        ("AUT-011", {"ma": "H19.903"}, at(3)),
        ("AUT-012", {"ma": "H19.851", "loai": "HS05", "role": Role.OVERSIGHT, "from": Role.ONE_STOP}, at(4)),
        ("AUT-013", {"ma": "H19.902", "caller": "a"}, at(5)),
        ("AUT-014", {"ma": "H19.901"}, at(6)),
    ]


def test_a_party_that_may_send_to_some_may_still_ask_the_gateway() -> None:
    known = parties(a=party("a", may_send_to=()))
    assert [one.id for one in access.authorise(from_to("a", "truc"), caller("a"), known, SOME)[1]] == ["truc"]


def test_of_a_sender_that_is_not_known_only_the_receivers_are_judged_that_are_not() -> None:
    found = stopped(access.authorise, from_to("a", "H19.777", "thanh-tra", "a"), caller("nobody"), parties(), SOME)
    assert [code for code, _, _ in found] == ["AUT-002", "AUT-010"]


# At the counter -------------------------------------------------------------------------------------------------------

KNOWN = parties()
A, B, C, PORTAL, OTHER_PORTAL = (KNOWN.get(name) for name in ("a", "b", "c", "cong", "cong-2"))


def on_record(*letters, portal="cong", agency="b", others=("c",)) -> Dossier:
    """A dossier of A's code, filed at the portal, handled by B, copied to C."""
    dossier = live(filed(), *letters)
    return replace(dossier, portal=PartyId(portal), agency=PartyId(agency), others=frozenset(map(PartyId, others)))


OWN = MaHoSo("H19.901-260105-0001")


def test_what_a_party_is_to_a_dossier() -> None:
    one = on_record()

    def held(who, dossier=one):
        return {standing.value for standing in access.standings(dossier, OWN, who, KNOWN)}

    assert [held(who) for who in (A, B, C, PORTAL, OTHER_PORTAL)] == [
        {"stranger"},
        {"handler"},
        {"copy"},
        {"portal"},
        {"stranger"},
    ]
    assert held(A, on_record(agency="a")) == {"owner", "handler"}
    assert held(A, on_record(others=("a",))) == {"owner"}
    assert held(B, on_record(others=("b",))) == {"handler", "copy"}
    assert [held(who, None) for who in (A, B, PORTAL)] == [{"owner"}, {"stranger"}, {"stranger"}]
    assert held(B, replace(one, changes=())) == {"stranger"}, "nothing is on record"
    assert access.standings(None, MaHoSo("khac"), A, KNOWN) == {Standing.STRANGER}


def test_a_part_in_a_dossier() -> None:
    one = on_record()
    assert [access.involved(one, OWN, who, KNOWN) for who in (A, B, C, PORTAL, OTHER_PORTAL)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert [access.involved(None, OWN, who, KNOWN) for who in (A, B)] == [True, False]


def test_the_lines_that_hold_are_those_of_the_receivers_or_all() -> None:
    assert access.pairs_of(A, [PORTAL, B], SOME) == (SOME.pairs[1], SOME.pairs[2])
    assert access.pairs_of(A, [KNOWN.get("thanh-tra"), B], SOME) == (SOME.pairs[2],)
    assert access.pairs_of(A, [], SOME) == SOME.pairs[1:]


FILING = from_to("cong", "a", effects=(Files(trang_thai=1, ma_tthc="1"),))
NOTE = from_to("cong", "a", effects=(Notes(what="x"),))


def test_only_a_filing_opens_and_only_where_the_table_says() -> None:
    assert (access.opens(FILING), access.opens(NOTE)) == (True, False)
    owner_only = replace(SOME.pairs[0], sender=Role.ONE_STOP)
    rights = Rights((owner_only, SOME.pairs[1]))
    access.may_open(OWN, FILING, A, [B], KNOWN, rights)
    refused = [("AUT-021", {"ma_ho_so": OWN, "agency": "H19.901", "caller": "b"}, None)]
    assert stopped(access.may_open, OWN, FILING, B, [A], KNOWN, rights) == refused
    assert stopped(access.may_open, OWN, FILING, A, [B, PORTAL], KNOWN, rights)[0][0] == "AUT-021", "to each of them"


def test_of_a_dossier_that_is_not_on_record_its_owner_hears_so_and_a_stranger_hears_nothing() -> None:
    assert stopped(access.may_open, OWN, NOTE, A, [PORTAL], KNOWN, SOME) == [("DOS-001", {"ma_ho_so": OWN}, None)]
    told_ = [("AUT-020", {"ma_ho_so": OWN, "caller": "b"}, None)]
    assert stopped(access.may_open, OWN, NOTE, B, [PORTAL], KNOWN, SOME) == told_


def test_what_may_be_said_brings_the_dossier_only_where_every_receiver_allows() -> None:
    one = on_record()
    assert access.may_say(one, NOTE, B, [PORTAL], KNOWN, SOME) == {4, 9}
    assert access.may_say(one, NOTE, B, [A], KNOWN, SOME) == {4, 8}
    assert access.may_say(one, NOTE, B, [PORTAL, A], KNOWN, SOME) == {4}
    both = on_record(agency="a")
    assert access.may_say(both, NOTE, A, [PORTAL], KNOWN, SOME) == {4, 9}, "as handler and as owner"
    assert access.may_say(on_record(others=("a",)), NOTE, A, [PORTAL], KNOWN, SOME) == {9}
    assert access.may_say(one, NOTE, B, [], KNOWN, Rights(())) == frozenset()


def test_who_may_not_say_it_hears_what_it_is_to_the_dossier() -> None:
    one = on_record()
    facts = {"ma_ho_so": CODE, "caller": "c", "loai": "HS05", "goc": "X", "standing": "copy"}
    assert stopped(access.may_say, one, NOTE, C, [PORTAL], KNOWN, SOME) == [("AUT-022", facts, None)]
    owner = stopped(access.may_say, on_record(others=("a", "c")), NOTE, A, [B], KNOWN, SOME)
    assert [(code, facts["standing"]) for code, facts, _ in owner] == [("AUT-022", "owner")]
    assert stopped(access.may_say, one, NOTE, A, [PORTAL], KNOWN, SOME) == [
        ("AUT-024", {"ma_ho_so": CODE, "caller": "a"}, None)
    ]
    stranger = stopped(access.may_say, one, NOTE, OTHER_PORTAL, [A], KNOWN, SOME)
    assert stranger == [("AUT-020", {"ma_ho_so": CODE, "caller": "cong-2"}, None)]


def test_a_stranger_that_files_anew_hears_what_it_would_hear_of_no_dossier() -> None:
    one = on_record()
    anothers = [("AUT-021", {"ma_ho_so": CODE, "agency": "H19.901", "caller": "cong-2"}, None)]
    assert stopped(access.may_say, one, FILING, OTHER_PORTAL, [A], KNOWN, SOME) == anothers
    strangers = Rights((replace(SOME.pairs[0], opens=frozenset({Standing.STRANGER})),))
    assert stopped(access.may_say, one, FILING, OTHER_PORTAL, [A], KNOWN, strangers)[0][0] == "AUT-020"


MOVES = from_to("b", "cong", effects=(Moves(to=4), Notes(what="x"), Moves(to=None), Pays(so_tien=1)))


def moved(to, allowed, *life):
    one = from_to("b", "cong", effects=(Notes(what="x"), Moves(to=to)))
    return access.may_move(on_record(*life), one, frozenset(allowed), B, KNOWN, LifeRules())


def test_what_is_allowed_happens_as_it_was_said() -> None:
    assert access.may_move(on_record(), MOVES, frozenset({4}), B, KNOWN, LifeRules()) == MOVES.content.effects


def test_a_state_that_the_dossier_has_been_in_is_noted_and_moves_nothing() -> None:
    life = (letter(Moves(to=2), hours=1), letter(Moves(to=4), hours=2))
    assert moved(2, {9}, *life) == (Notes(what="x"), Notes(what="nhac-lai-trang-thai", value="2"))


@pytest.mark.parametrize(("to", "shown"), [(9, "9 (Đã xử lý xong)"), (77, "–"), (None, "–")])
def test_a_state_that_is_not_allowed_is_refused_with_those_that_are(to, shown) -> None:
    facts = {"ma_ho_so": CODE, "caller": "b", "standing": "handler", "to": shown}
    allowed = {} if to is None else {4, 2}
    listed = ["2 (Được tiếp nhận)", "4 (Đang xử lý)"] if allowed else ["–"]
    assert stopped(moved, to, allowed) == [("AUT-023", {**facts, "allowed": listed}, None)]


def test_going_back_is_allowed_where_any_state_is() -> None:
    assert moved(None, {4}) == (Notes(what="x"), Moves(to=None))


def test_only_who_has_a_part_may_name_a_dossier_in_passing() -> None:
    rights = TABLE["HS20", "ThuHoiThongDiep"]
    one = on_record()
    access.may_name(one, OWN, B, [PORTAL], KNOWN, rights)
    refused = [("AUT-020", {"ma_ho_so": OWN, "caller": "a"}, None)]
    assert stopped(access.may_name, one, OWN, A, [PORTAL], KNOWN, rights) == refused
    access.may_name(None, OWN, A, [PORTAL], KNOWN, rights)


def new(sender, *receivers, known=None):
    made = access.parties_of_new(OWN, sender, receivers, known)
    return made.portal, made.agency, set(made.others), made.released


def test_the_parties_of_a_new_dossier() -> None:
    assert new(PORTAL, A) == ("cong", "a", set(), 0)
    assert new(PORTAL, A, B, C) == ("cong", "a", {"b", "c"}, 0)
    assert new(A, PORTAL, OTHER_PORTAL) == ("cong", "a", set(), 0)
    assert new(A, PORTAL, B) == ("cong", "b", {"a"}, 0)
    assert new(A) == (None, "a", set(), 0)
    assert new(PORTAL) == ("cong", None, set(), 0)
    assert new(PORTAL, A, known=replace(NEW, released=7)) == ("cong", "a", set(), 7)
    assert access.parties_of_new(OWN, PORTAL, [A]).changes == ()
