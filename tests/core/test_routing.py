"""What each receiver is owed by an accepted message."""

from __future__ import annotations

from dataclasses import replace

from lives import CODE, NEW, START, letter
from parties_known import caller, from_to, parties, party, push

from gateway.core.effects import Asks, Files, Moves, Notes, Publishes
from gateway.core.model import Channel, Delivery, Dossier, Envelope, InboxEntry, MaHoSo, PartyId
from gateway.core.parties import AfterFailure, LanePolicy
from gateway.core.problems import Problem
from gateway.core.routing import receivers_of, route

ENVELOPE = Envelope.of(b"x", id="m1", caller=caller("a"), channel=Channel.REST, received_at=START)
KNOWN = parties()
ON_RECORD = replace(NEW, portal=PartyId("cong"), agency=PartyId("a"), others=frozenset({PartyId("c"), PartyId("gone")}))


def names(one, sender="a", dossier: Dossier | None = None):
    return [party_.id for party_ in receivers_of(one, PartyId(sender), dossier, KNOWN)]


def test_receivers_are_those_named_each_once_without_the_sender_and_ourselves() -> None:
    assert names(from_to("a", "cong", "b", "a", "H19.777", "truc", "b")) == ["cong", "b"]
    assert names(from_to("a", "cong"), dossier=ON_RECORD) == ["cong"]


def test_where_none_is_named_the_dossiers_other_parties_receive() -> None:
    assert names(from_to("a"), dossier=ON_RECORD) == ["c", "cong"]
    assert names(from_to("a"), sender="cong", dossier=ON_RECORD) == ["a", "c"]
    assert names(from_to("a")) == []


def test_a_query_and_a_catalogue_are_owed_to_ourselves_too() -> None:
    for effect in (Asks(what="ho-so", key={}), Publishes(danh_muc="CoQuan", phien_ban="1")):
        assert names(from_to("a", "truc", "b", effects=(Notes(what="x"), effect))) == ["truc", "b"]


def test_who_is_pushed_to_gets_a_delivery_and_who_pulls_a_place_in_its_inbox() -> None:
    note = Problem("DOS-021", {})
    one = letter(Notes(what="x"), Moves(to=4, goc="DANG"), Moves(to=9, goc="XONG"), hours=1)
    waits = replace(push("b"), lane=LanePolicy(after_failure=AfterFailure.CONTINUE))
    deliveries, inbox = route(
        one, ENVELOPE, [push("cong"), waits, party("c")], replace(NEW, trang_thai=4), START, lane=CODE, notes=(note,)
    )
    common = {"message": "m1", "ma_thong_diep": one.ma_thong_diep, "loai": "HS05", "digest": ENVELOPE.digest}
    assert deliveries == [
        Delivery(
            id="m1.cong", party=PartyId("cong"), lane=CODE, due_at=START, created_at=START, blocking=True, **common
        ),
        Delivery(id="m1.b", party=PartyId("b"), lane=CODE, due_at=START, created_at=START, blocking=False, **common),
    ]
    assert inbox == [
        InboxEntry(
            party=PartyId("c"),
            goc="X",
            sender=PartyId("a"),
            ma_ho_so=CODE,
            recorded_at=START,
            trang_thai=4,
            trang_thai_goc="DANG",
            problems=(note,),
            **common,
        )
    ]


def test_ourselves_are_owed_a_delivery_although_we_pull() -> None:
    deliveries, inbox = route(letter(hours=1), ENVELOPE, [party("truc")], None, START)
    assert ([one.party for one in deliveries], inbox) == (["truc"], [])
    assert deliveries[0].lane == "m1", "it waits for nobody"


def test_what_is_not_known_is_left_out_of_the_inbox() -> None:
    one = replace(letter(Notes(what="x"), hours=1), ma_ho_so=MaHoSo("other"))
    _, (entry,) = route(one, ENVELOPE, [party("c")], None, START)
    assert (entry.trang_thai, entry.trang_thai_goc, entry.ma_ho_so, entry.problems) == (None, None, CODE, ())
    about = replace(one, content=replace(one.content, ma_ho_so=None))
    assert route(about, ENVELOPE, [party("c")], None, START)[1][0].ma_ho_so == "other"
    filing = letter(Files(trang_thai=1, ma_tthc="1", goc="MOI"), hours=1)
    assert route(filing, ENVELOPE, [party("c")], None, START)[1][0].trang_thai_goc == "MOI"


def test_each_receiver_gets_the_bytes_that_it_reads() -> None:
    def sent(**more):
        deliveries, inbox = route(letter(hours=1), ENVELOPE, [push("cong"), push("b"), party("c")], None, START, **more)
        return [one.digest for one in (*deliveries, *inbox)]

    older = {PartyId("b"): "older", PartyId("c"): "oldest"}
    assert sent() == [ENVELOPE.digest] * 3
    assert sent(digest="composed") == ["composed"] * 3
    assert sent(digest="composed", digests=older) == ["composed", "older", "oldest"]
    assert sent(digests=older) == [ENVELOPE.digest, "older", "oldest"]
