"""One message after the other set against what is on record, in memory: what is decided, and what is to be written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import pytest
from lives import CODE, DUE, START
from parties_known import caller, from_to, parties, party, push

from gateway.core.access import Authorised
from gateway.core.effects import Acknowledges, Asks, Effect, Files, KetQua, Moves, Notes, Recalls, Transfers
from gateway.core.ledger import Counter, Ledger, LogLine, Settlement, enter
from gateway.core.model import Channel, Envelope, Fate, Finding, MaThongDiep, PartyId, ThongDiep
from gateway.core.problems import Location, Problem
from gateway.core.rights import TABLE

RIGHTS = {"HS01": "NopHoSo", "HS02": "BienNhan", "HS05": "CapNhatTienDo", "HS07": "NopBoSung", "HS14": "ChuyenHoSo"}
RIGHTS |= {"HS17": "TraCuuHoSo", "HS20": "ThuHoiThongDiep"}
FILED = Files(trang_thai=1, ma_tthc="1.001193.000", ngay_nop=START, ngay_hen_tra=DUE)


@dataclass
class Desk:
    """A counter with its book, and what it sealed."""

    known: object = field(default_factory=lambda: parties(cong=push("cong")))
    ledger: Ledger = field(default_factory=Ledger)
    sealed: list[tuple[str, Fate, tuple[str, ...]]] = field(default_factory=list)
    number: int = 0

    def counter(self) -> Counter:
        def seal(finding, fate, problems):
            self.sealed.append((finding.envelope.id, fate, tuple(p.code for p in problems)))
            return f"receipt {len(self.sealed)}".encode()

        def place(finding, problems):
            return tuple(replace(p, at=Location(xpath=f"/{finding.envelope.id}")) for p in problems)

        return Counter(parties=self.known, seal=seal, rights=lambda one: TABLE[one.loai, RIGHTS[one.loai]], place=place)

    def finding(self, sender: str, one: ThongDiep | None, body: bytes | None = None, **fields: object) -> Finding:
        self.number += 1
        cover = {"id": f"m{self.number}", "caller": caller(sender), "channel": Channel.REST, "received_at": START}
        return Finding(envelope=Envelope.of(body or f"{self.number}".encode(), **cover), thong_diep=one, **fields)

    def enter(self, finding: Finding):
        return enter(finding, self.ledger, self.counter(), START)

    def send(self, sender: str, *to: str, effects: tuple[Effect, ...], loai: str = "HS05", **fields: object):
        one = from_to(
            sender, *to, effects=effects, loai=loai, goc=RIGHTS[loai], hours=self.number, name=f"n{self.number + 1}"
        )
        return self.enter(self.finding(sender, replace(one, **fields)))


@pytest.fixture
def desk() -> Desk:
    """With one dossier on it: of A's code, filed by the portal with A."""
    made = Desk()
    made.send("cong", "a", effects=(FILED,), loai="HS01")
    return made


def codes(ack) -> list[str]:
    return [problem.code for problem in ack.problems]


def test_an_accepted_message_is_recorded_with_all_that_follows_from_it(desk) -> None:
    ack = desk.send("a", "cong", effects=(Moves(to=2),))
    entry = desk.ledger.entries[-1]
    digest = hashlib.sha256(b"2").hexdigest()
    assert (ack.message, ack.fate, ack.digest, ack.ma_thong_diep, ack.receipt, ack.repeated) == (
        *("m2", Fate.ACCEPTED, digest, "n2", b"receipt 2", False),
    )
    assert (ack.recorded_at, ack.problems) == (START, ())
    assert (entry.ack, entry.owns_id, entry.settlements) == (ack, True, ())
    assert (entry.change.number, entry.change.message, entry.dossier.trang_thai) == (2, "m2", 2)
    assert entry.dossier is desk.ledger.dossiers[CODE]
    assert ([one.id for one in entry.deliveries], [one.lane for one in entry.deliveries], entry.inbox) == (
        ["m2.cong"],
        [CODE],
        (),
    )
    facts = {
        "digest": digest,
        "ma_thong_diep": "n2",
        "loai": "HS05",
        "codes": [],
        "basis": "signature",
        "receivers": ["cong"],
    }
    assert entry.log == (LogLine(what="message.accepted", who="a", message="m2", facts=facts),)
    claim = desk.ledger.claims[PartyId("a"), MaThongDiep("n2")]
    assert claim is desk.ledger.by_digest[PartyId("a"), digest]
    assert (claim.message, claim.fate, claim.receipt, claim.recorded_at, claim.problems) == (
        "m2",
        Fate.ACCEPTED,
        b"receipt 2",
        START,
        (),
    )
    assert desk.sealed[-1] == ("m2", Fate.ACCEPTED, ())


def test_the_same_bytes_get_the_first_answer_and_nothing_is_written(desk) -> None:
    first = desk.send("a", "cong", effects=(Moves(to=2),))
    again = desk.enter(desk.finding("a", None, body=b"2"))
    assert again == replace(first, repeated=True)
    assert len(desk.ledger.entries) == 2
    elsewhere = desk.enter(desk.finding("b", None, body=b"2", problems=(Problem("SIG-002"),)))
    assert (elsewhere.fate, elsewhere.repeated) == (Fate.REJECTED, False), "bytes are one sender's"


def test_a_beginning_of_a_body_and_a_word_said_anew_are_nobodys_repeat(desk) -> None:
    """Of a body that was cut the digest may be that of its beginning; a word said anew is new although its bytes are known."""
    desk.send("a", "cong", effects=(Moves(to=2),))
    known = desk.finding("a", None, body=b"2", problems=(Problem("XML-002"),))
    cut = known._replace(envelope=replace(known.envelope, total_bytes=9))
    anew = known._replace(envelope=replace(known.envelope, id="m8", own_key=Envelope.anew_after("m2", "x")))
    assert [(ack.fate, ack.repeated) for ack in map(desk.enter, (cut, anew))] == [(Fate.REJECTED, False)] * 2
    assert desk.enter(known).repeated is True


def test_a_word_said_anew_twice_is_a_repeat_by_its_id(desk) -> None:
    one = from_to("a", "cong", effects=(Moves(to=2),), loai="HS05", goc="CapNhatTienDo", name="n9")
    key = Envelope.anew_after("m1", "x")
    first, again = (desk.finding("a", one, body=b"anew") for _ in range(2))
    answers = [desk.enter(each._replace(envelope=replace(each.envelope, own_key=key))) for each in (first, again)]
    assert [(ack.fate, ack.repeated, ack.receipt) for ack in answers] == [
        (Fate.ACCEPTED, False, b"receipt 2"),
        (Fate.ACCEPTED, True, b"receipt 2"),
    ]


def test_one_id_over_other_bytes_is_refused_and_the_first_keeps_it(desk) -> None:
    desk.send("a", "cong", effects=(Moves(to=2),))
    other = desk.finding("a", from_to("a", "cong", effects=(Moves(to=4),), loai="HS05", goc="CapNhatTienDo", name="n2"))
    ack = desk.enter(other)
    (problem,) = ack.problems
    first, second = (hashlib.sha256(body).hexdigest() for body in (b"2", b"3"))
    assert (ack.fate, problem.code, dict(problem.facts)) == (
        *(Fate.REJECTED, "DUP-010", {"ma_thong_diep": "n2", "first": first, "second": second}),
    )
    assert problem.at == Location(xpath="/m3")
    assert (desk.ledger.entries[-1].owns_id, desk.ledger.claims["a", "n2"].message) == (False, "m2")
    assert desk.ledger.entries[-1].log[0].what == "message.rejected"
    assert desk.sealed[-1] == ("m3", Fate.REJECTED, ("DUP-010",))


def test_a_message_that_is_judged_again_meets_its_own_claim_and_no_other(desk) -> None:
    letter_ = from_to("a", "cong", effects=(Moves(to=2),), loai="HS05", goc="CapNhatTienDo", name="n2")
    held = desk.finding("a", letter_, problems=(Problem("SIG-062"),))
    assert desk.enter(held).fate is Fate.HELD
    assert desk.enter(held._replace(problems=())).repeated is True
    desk.ledger.recheck = True
    assert desk.enter(held._replace(problems=())).fate is Fate.ACCEPTED
    other = held._replace(envelope=replace(held.envelope, id="m9"))
    assert desk.enter(other).repeated is True
    same_id = other._replace(envelope=replace(other.envelope, digest="0" * 64), problems=())
    assert codes(desk.enter(same_id)) == ["DUP-010"]


def test_a_held_message_owns_its_id_and_has_no_receipt_yet(desk) -> None:
    assert Problem("SIG-062").outcome == "undetermined"
    letter_ = from_to("a", "cong", effects=(Moves(to=2),), loai="HS05", goc="CapNhatTienDo", name="n2")
    ack = desk.enter(desk.finding("a", letter_, problems=(Problem("SIG-062"),), receipt=b"early"))
    entry = desk.ledger.entries[-1]
    assert (ack.fate, ack.receipt, codes(ack), entry.owns_id, entry.change) == (
        Fate.HELD,
        None,
        ["SIG-062"],
        True,
        None,
    )
    assert desk.ledger.claims["a", "n2"].fate is Fate.HELD
    assert (entry.log[0].what, entry.log[0].facts["codes"]) == ("message.held", ["SIG-062"])


def test_what_a_station_stopped_is_recorded_and_gives_its_id_back(desk) -> None:
    stopped = desk.finding("a", None, problems=(Problem("SIG-002"),), ma_thong_diep=MaThongDiep("n9"), loai="HS11")
    ack = desk.enter(stopped)
    entry = desk.ledger.entries[-1]
    assert (ack.fate, ack.ma_thong_diep, ack.receipt, entry.owns_id) == (Fate.REJECTED, "n9", b"receipt 2", False)
    assert {k: entry.log[0].facts[k] for k in ("ma_thong_diep", "loai", "codes")} == {
        "ma_thong_diep": "n9",
        "loai": "HS11",
        "codes": ["SIG-002"],
    }
    assert ("a", "n9") not in desk.ledger.claims
    assert desk.enter(stopped._replace(receipt=b"made before")).receipt == b"made before"
    assert len(desk.sealed) == 2


def test_a_receipt_made_before_counts_only_for_what_it_says(desk) -> None:
    ready = from_to("a", "cong", effects=(Moves(to=2),), loai="HS05", goc="CapNhatTienDo", name="n2", hours=5, thu_tu=1)
    assert desk.enter(desk.finding("a", ready, receipt=b"made before")).receipt == b"made before"
    assert len(desk.sealed) == 1
    late = from_to("a", "cong", effects=(Moves(to=5),), loai="HS05", goc="CapNhatTienDo", name="n3", hours=3)
    ack = desk.enter(desk.finding("a", late, receipt=b"made before"))
    assert (ack.fate, codes(ack), ack.receipt) == (Fate.ACCEPTED, ["DOS-021"], b"receipt 2")
    assert ack.problems[0].at == Location(xpath="/m3")
    refused = from_to("a", "cong", effects=(Moves(to=10),), loai="HS05", goc="CapNhatTienDo", name="n4", hours=9)
    ack = desk.enter(desk.finding("a", refused, receipt=b"made before"))
    assert (ack.fate, codes(ack), ack.receipt) == (Fate.REJECTED, ["DOS-010"], b"receipt 3")


def test_remarks_of_the_judgement_stay_with_an_accepted_message(desk) -> None:
    letter_ = from_to("a", "cong", effects=(Notes(what="x"),), loai="HS05", goc="CapNhatTienDo")
    ack = desk.enter(desk.finding("a", letter_, problems=(Problem("DOS-021"),), receipt=b"with the remark"))
    assert (ack.fate, codes(ack), ack.receipt) == (Fate.ACCEPTED, ["DOS-021"], b"with the remark")


def test_who_was_authorised_by_this_view_is_not_judged_again_and_by_another_view_is(desk) -> None:
    sender, receiver = (desk.known.get(name) for name in ("a", "c"))
    letter_ = from_to("a", "cong", effects=(Notes(what="x"),), loai="HS05", goc="CapNhatTienDo")
    known = Authorised(by=desk.known, sender=sender, receivers=(desk.known.get("cong"),))
    assert desk.enter(desk.finding("a", replace(letter_, noi_gui=receiver), authorised=known)).fate is Fate.ACCEPTED
    old = replace(known, by=parties())
    misnamed = from_to("H19.777", "cong", effects=(Notes(what="x"),), loai="HS05", goc="CapNhatTienDo", name="n9")
    assert codes(desk.enter(desk.finding("a", misnamed, authorised=old))) == ["AUT-001"]


def test_who_may_not_say_it_is_refused(desk) -> None:
    assert codes(desk.send("b", "cong", effects=(Moves(to=2),))) == ["AUT-020"]
    assert codes(desk.send("a", "cong", effects=(FILED,), loai="HS01")) == []
    assert codes(desk.send("cong", "a", effects=(Moves(to=4),), loai="HS07")) == ["AUT-023"]


def test_a_message_that_names_a_dossier_in_passing_is_no_event_of_it(desk) -> None:
    recall = (Recalls(ma_thong_diep_goc="n1"),)
    assert codes(desk.send("b", "cong", effects=recall, loai="HS20")) == ["AUT-020"]
    ack = desk.send("cong", "a", effects=recall, loai="HS20")
    entry = desk.ledger.entries[-1]
    assert (ack.fate, entry.change, entry.dossier) == (Fate.ACCEPTED, None, None)
    assert entry.settlements == (Settlement(kind="recall", party=PartyId("cong"), ma_thong_diep_goc=MaThongDiep("n1")),)
    assert (desk.send("a", "cong", effects=()).fate, desk.ledger.entries[-1].change) == (Fate.ACCEPTED, None)
    assert codes(desk.send("b", "cong", effects=())) == ["AUT-020"]


def test_an_acknowledgement_settles_and_needs_no_receiver(desk) -> None:
    answer = (Acknowledges(ma_thong_diep_goc="n1", ket_qua=KetQua.TU_CHOI),)
    ack = desk.send(
        "a", effects=answer, loai="HS02", content=replace(from_to("a", effects=answer).content, ma_ho_so=None)
    )
    assert ack.fate is Fate.ACCEPTED
    (settled,) = desk.ledger.entries[-1].settlements
    assert settled == Settlement(
        kind="acknowledge", party=PartyId("a"), ma_thong_diep_goc=MaThongDiep("n1"), ket_qua=KetQua.TU_CHOI
    )


def test_a_message_that_reaches_nobody_is_refused_unless_it_is_for_us(desk) -> None:
    def alone(*to, effects=(Asks(what="ho-so", key={}),)):
        content = replace(from_to("a", effects=effects).content, ma_ho_so=None)
        return desk.send("a", *to, effects=effects, loai="HS17", content=content)

    (problem,) = alone().problems
    assert (problem.code, dict(problem.facts)) == ("AUT-015", {"loai": "HS17"})
    assert alone("truc").fate is Fate.ACCEPTED
    assert alone("truc", effects=(Notes(what="x"),)).fate is Fate.ACCEPTED
    assert desk.ledger.entries[-1].deliveries == ()


def lane(desk) -> str:
    return desk.ledger.entries[-1].deliveries[0].lane


def test_only_who_has_a_part_in_a_dossier_waits_in_its_lane(desk) -> None:
    query = (Asks(what="ho-so", key={}),)
    desk.send("a", "cong", effects=query, loai="HS17")
    assert lane(desk) == CODE
    desk.send("b", "cong", effects=query, loai="HS17")
    assert lane(desk) == "m3"
    desk.send("truc", "cong", effects=(Acknowledges(ma_thong_diep_goc="n1", ket_qua=KetQua.CHAP_NHAN),), loai="HS02")
    assert lane(desk) == CODE
    nowhere = replace(from_to("a", effects=query).content, ma_ho_so=None)
    desk.send("a", "cong", effects=query, loai="HS17", content=nowhere)
    assert lane(desk) == "m5"
    desk.send("a", "cong", effects=query, loai="HS17", content=nowhere, ma_ho_so=CODE)
    assert lane(desk) == CODE


def test_a_filing_waits_in_the_lane_of_the_dossier_that_it_opens() -> None:
    fresh = Desk()
    fresh.send("a", "cong", effects=(FILED,), loai="HS01")
    assert (lane(fresh), fresh.ledger.dossiers[CODE].agency) == (CODE, "a")


def test_nobody_opens_a_dossier_under_anothers_code() -> None:
    fresh = Desk()
    ack = fresh.send("b", "cong", effects=(FILED,), loai="HS01")
    assert (ack.fate, codes(ack), fresh.ledger.dossiers) == (Fate.REJECTED, ["AUT-021"], {})


def test_one_dossier_is_about_one_service(desk) -> None:
    def again(ma_tthc):
        return desk.send("a", "cong", effects=(Notes(what="x"), replace(FILED, ma_tthc=ma_tthc)), loai="HS01")

    assert again("1.001193.999").fate is Fate.ACCEPTED, "the local part may differ"
    (problem,) = again("1.009999").problems
    assert (problem.code, dict(problem.facts)) == (
        *("DOS-002", {"ma_ho_so": CODE, "first": "1.001193.000", "second": "1.009999"}),
    )
    desk.ledger.dossiers[CODE] = replace(desk.ledger.dossiers[CODE], ma_tthc=None)
    assert again("1.009999").fate is Fate.ACCEPTED


def test_an_agency_that_gets_a_copy_joins_and_one_that_is_only_mentioned_does_not(desk) -> None:
    def copied(mentioned, *to):
        effects = (Notes(what="x"), Transfers(don_vi_nhan=mentioned))
        assert desk.send("a", *to, effects=effects, loai="HS14").fate is Fate.ACCEPTED
        return set(desk.ledger.dossiers[CODE].others)

    assert copied("H19.903", "b") == set()
    assert copied("H19.777", "b") == set()
    assert copied("H19.902", "b") == {"b"}
    assert copied("H19.903", "c") == {"b", "c"}


def test_the_handling_agency_and_the_portal_join_nothing() -> None:
    desk = Desk()
    desk.send("a", "b", "cong", effects=(FILED,), loai="HS01")
    opened = desk.ledger.dossiers[CODE]
    assert (opened.agency, opened.others) == ("b", {"a"})
    ledger = replace(opened, agency=PartyId("a"), others=frozenset())
    desk.ledger.dossiers[CODE] = ledger
    desk.send("a", "b", effects=(Transfers(don_vi_nhan="H19.902"),), loai="HS14")
    assert desk.ledger.dossiers[CODE].others == {"b"}


@pytest.mark.parametrize(
    ("privileges", "found"),
    [((), ["DOS-013"]), (("by-decree",), ["DOS-013"]), (("recall-result",), []), (("step-back",), [])],
)
def test_a_step_back_needs_one_of_two_privileges(privileges, found) -> None:
    desk = Desk(known=parties(cong=push("cong"), a=party("a", privileges=frozenset(privileges))))
    desk.send("cong", "a", effects=(replace(FILED, trang_thai=4),), loai="HS01")
    assert codes(desk.send("a", "cong", effects=(Moves(to=2, ly_do=True),))) == found


def test_rules_are_those_of_the_agency_that_handles_the_dossier() -> None:
    desk = Desk(known=parties(cong=push("cong"), a=party("a", privileges=frozenset({"by-decree"}))))
    desk.send("cong", "a", effects=(replace(FILED, trang_thai=4),), loai="HS01")
    desk.send("a", "cong", effects=(Moves(to=5),))
    assert codes(desk.send("a", "cong", effects=(Moves(to=2),))) == []


def test_a_dossier_whose_code_was_given_back_begins_after_its_old_numbers(desk) -> None:
    old = desk.ledger.dossiers[CODE]
    desk.ledger.dossiers[CODE] = replace(old, changes=(), released=3, trang_thai=None, opened_at=None)
    desk.send("cong", "a", effects=(FILED,), loai="HS01")
    assert desk.ledger.entries[-1].change.number == 4
