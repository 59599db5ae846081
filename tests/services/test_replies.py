"""What the gateway replies to by itself."""

import uuid
from dataclasses import replace
from datetime import date, timedelta

import dated as letters
import pki
import pytest
from arrivals import arrival
from dated import NOW
from sqlalchemy import text

from gateway.core.catalogues import Muc
from gateway.core.model import Address, DeliveryState, Fate
from gateway.core.parties import Parties
from gateway.documents import parse_bytes
from gateway.services import profiles, publishing, replies
from gateway.services.intake import judge, new_message_id, receive
from gateway.wiring import OURSELVES
from schemas import write
from schemas.fresh import Size, fresh
from signing.sign import sign

PORTAL, XA = "cong-dvc", "ubnd-xa-thu-nghiem"


@pytest.fixture
def clerk(gate):
    """Who answers in these tests."""
    return replies.Clerk(
        store=gate.store,
        parties=gate.parties,
        ourselves=OURSELVES,
        address=Address(ma_dinh_danh=gate.identity.ma_dinh_danh, ten_co_quan=gate.identity.ten_co_quan),
        key=gate.key,
        judge=lambda envelope: judge(envelope, gate),
        enter=lambda envelope: receive([envelope], gate, NOW)[0],
        new_id=new_message_id,
        publish=lambda name, version, muc, who: publishing.publish(gate.store, name, version, muc, who=who, now=NOW),
    )


def asked(gate, loai, goc, fields, party=PORTAL):
    """A query addressed to the gateway, signed by a party, received."""
    header = write.Header(
        ma_thong_diep=str(uuid.uuid4()),
        loai=loai,
        noi_gui=Address(ma_dinh_danh=gate.parties.get(party).identifiers[0]),
        noi_nhan=(Address(ma_dinh_danh=gate.identity.ma_dinh_danh),),
        thoi_diem_tao=NOW,
    )
    body = sign(write.thong_diep(header, goc, fields), letters.key(party), at=NOW)
    (answer,) = receive([arrival(body, party)], gate, NOW)
    assert (answer.fate, answer.problems) == (Fate.ACCEPTED, ())
    return answer, header.ma_thong_diep


def told(gate, party, goc):
    """The last message of this kind in a party's inbox, as its receiver reads it."""
    with gate.store.read() as view:
        entries = [e for e in view.inbox_after(party, 0) if e.goc == goc]
        return parse_bytes(view.body(entries[-1].message, entries[-1].digest)), entries[-1]


def alive(gate):
    """A dossier that has come to state 4."""
    code = letters.ma_ho_so(XA)
    tray = [(letters.nop(code), PORTAL), (letters.tiep_nhan(code), XA), (letters.tien_do(code, 4), XA)]
    answers_ = receive([arrival(body, party) for body, party in tray], gate, NOW)
    assert {a.fate for a in answers_} == {Fate.ACCEPTED}
    return code


def test_a_query_by_code_is_answered_with_state_and_steps(gate, clerk):
    code = alive(gate)
    query, own = asked(gate, "HS17", "TraCuuHoSo", {"MaHoSo": code})
    assert replies.answer_due(clerk, NOW) == 1
    root, entry = told(gate, PORTAL, "TraLoiTraCuu")
    assert entry.sender == OURSELVES
    assert root.findtext("{*}MaThongDiepGoc") == own
    assert root.findtext(".//{*}HoSoTraCuu/{*}TrangThaiHoSo") == "4"
    assert [e.text for e in root.iterfind(".//{*}TienDo/{*}TrangThai")] == ["1", "2", "4"]
    with gate.store.read() as view:
        (owed,) = view.deliveries(message=query.message)
    assert owed.state is DeliveryState.DELIVERED


def test_answering_twice_after_a_crash_is_answering_once(gate, clerk):
    code = alive(gate)
    query, _ = asked(gate, "HS17", "TraCuuHoSo", {"MaHoSo": code})
    with gate.store.begin() as tx:
        (claimed,) = tx.claim_due(OURSELVES, NOW, 10, 1.0)
    assert replies._dealt_with(clerk, claimed, NOW) is None  # and then the process died, unsettled
    later = NOW + timedelta(minutes=5)
    with gate.store.begin() as tx:
        tx.rescue(later)
    assert replies.answer_due(clerk, later + timedelta(hours=2)) == 1
    with gate.store.read() as view:
        assert len([e for e in view.inbox_after(PORTAL, 0) if e.goc == "TraLoiTraCuu"]) == 1
        assert view.deliveries(message=query.message)[0].state is DeliveryState.DELIVERED


def test_a_query_that_cannot_be_unpacked_costs_none_beside_it_its_answer(gate, clerk):
    queries = [asked(gate, "HS17", "TraCuuHoSo", {"MaHoSo": alive(gate)})[0] for _ in range(2)]
    with gate.store.engine.begin() as connection:
        broken = text("UPDATE body SET bytes = substr(bytes, 1, 40) WHERE owner = :owner")
        connection.execute(broken, {"owner": queries[0].message})
    assert replies.answer_due(clerk, NOW) == 2
    with gate.store.read() as view:
        owed = [view.deliveries(message=query.message)[0] for query in queries]
    assert [(one.state, one.problem and one.problem.code) for one in owed] == [
        (DeliveryState.REFUSED, "DLV-079"),
        (DeliveryState.DELIVERED, None),
    ]


def test_a_party_finds_nothing_of_others(gate, clerk):
    code = alive(gate)
    asked(gate, "HS17", "TraCuuHoSo", {"MaHoSo": code}, party="so-xay-dung")
    replies.answer_due(clerk, NOW)
    with gate.store.read() as view:
        answer = view.messages(party=OURSELVES)[0]
        root = parse_bytes(view.body(answer.id, answer.digest))
    assert root.findtext(".//{*}SoKetQua") == "0"


def test_a_person_is_found_by_identity_number_and_procedure(gate, clerk):
    code = letters.ma_ho_so(XA)
    portal, agency = (gate.parties.get(party).identifiers[0] for party in (PORTAL, XA))
    unsigned = fresh(
        "HS01",
        ma_ho_so=code,
        at=NOW,
        seed=7,
        size=Size.FULL,
        noi_gui=Address(ma_dinh_danh=portal),
        noi_nhan=[Address(ma_dinh_danh=agency)],
    )
    filing = sign(unsigned, letters.key(PORTAL), at=NOW)
    assert receive([arrival(filing, PORTAL)], gate, NOW)[0].fate is Fate.ACCEPTED
    with gate.store.read() as view:
        procedure = view.dossier(code).ma_tthc
    number = parse_bytes(filing).findtext(".//{*}SoDinhDanh")
    for wanted, found in ((number, "1"), ("075990009999", "0")):
        asked(gate, "HS17", "TraCuuHoSo", {"SoDinhDanh": wanted, "MaTTHC": procedure})
        replies.answer_due(clerk, NOW)
        root, _ = told(gate, PORTAL, "TraLoiTraCuu")
        assert root.findtext(".//{*}SoKetQua") == found


def test_a_catalogue_is_answered_in_the_version_and_for_the_day_asked(gate, clerk):
    old = Muc(
        ma="H19.901",
        ten="Sở cũ",
        hieu_luc_den=date(2025, 6, 30),
        fields={"BiDanh": "000.99.01.H19", "GhiChuRieng": "x"},
    )
    new = Muc(ma="H19.902", ten="Sở mới", hieu_luc_tu=date(2025, 7, 1))
    publishing.publish(gate.store, "CoQuan", "2025.1", [old, new], who="operator:test", now=NOW)
    asked(gate, "HS18", "LayDanhMuc", {"TenDanhMuc": "CoQuan", "NgayHieuLuc": date(2025, 1, 1)})
    replies.answer_due(clerk, NOW)
    root, _ = told(gate, PORTAL, "DanhMuc")
    assert [e.text for e in root.iterfind(".//{*}Muc/{*}Ma")] == ["H19.901"]
    assert root.findtext(".//{*}PhienBanDanhMuc") == "2025.1"
    assert root.findtext(".//{*}ThuocTinh/{*}GiaTri") == "x"


def test_reconciliation_names_what_differs_on_either_side(gate, clerk):
    first, second = alive(gate), alive(gate)
    stranger = letters.ma_ho_so(XA)
    lines = [{"MaHoSo": first, "TrangThai": 9}, {"MaHoSo": stranger, "TrangThai": 2}]
    period = {"KyTu": NOW - timedelta(days=1), "KyDen": NOW + timedelta(days=1)}
    agency = gate.parties.get(XA).identifiers[0]
    asked(gate, "HS19", "DoiSoat", {**period, "MaDinhDanh": agency, "DanhSachDoiSoat": {"DongDoiSoat": lines}})
    replies.answer_due(clerk, NOW)
    root, _ = told(gate, PORTAL, "KetQuaDoiSoat")
    found = {e.findtext("{*}MaHoSo"): e.findtext("{*}LoaiLech") for e in root.iterfind(".//{*}ChenhLech")}
    assert found == {first: "KHAC_TRANG_THAI", second: "THIEU_O_BEN_HOI", stranger: "THIEU_O_BEN_TRA_LOI"}
    assert (root.findtext(".//{*}SoHoSo"), root.findtext(".//{*}SoKhop")) == ("2", "0")


def test_only_a_party_with_the_privilege_publishes_a_catalogue(gate, clerk):
    fields = {
        "TenDanhMuc": "CoQuan",
        "PhienBanDanhMuc": "2026.1",
        "DanhSachMuc": {"Muc": [{"Ma": "H19.901", "Ten": "Sở"}]},
    }
    query, _ = asked(gate, "HS18", "DanhMuc", fields)
    replies.answer_due(clerk, NOW)
    with gate.store.read() as view:
        (owed,) = view.deliveries(message=query.message)
        assert (owed.state, owed.problem.code) == (DeliveryState.REFUSED, "AUT-030")
        assert view.catalogue_versions("CoQuan") == []
    assert isinstance(gate.parties, Parties)
    assert pki.party(PORTAL).privileges == frozenset()


def test_a_filing_is_opened_once_and_the_oldest_is_forgotten(monkeypatch):
    persons, opened = replies.Persons(), []

    def look(message):
        return persons.of(message, lambda: iter([opened.append(message) or f"number of {message}"]))

    first, anew = look("a")
    assert (persons.mark("number of a") in first, persons.mark("number of b") in first, anew) == (True, False, True)
    assert look("a") == (first, False)
    monkeypatch.setattr(replies, "MOST_REMEMBERED", 2)
    for message in ("b", "a", "c"):  # a was asked for after b
        look(message)
    assert (look("a")[1], look("b")[1], opened) == (False, True, ["a", "b", "c", "b"])
    assert persons.mark("number of a") != replies.Persons().mark("number of a")  # another process, another key


def test_identity_numbers_are_remembered_as_hashes_of_own_dossiers_and_not_beyond_erasure(gate, clerk):
    codes = [letters.ma_ho_so(XA) for _ in range(3)]
    portal, agency = (gate.parties.get(party).identifiers[0] for party in (PORTAL, XA))
    address = {"noi_gui": Address(ma_dinh_danh=portal), "noi_nhan": [Address(ma_dinh_danh=agency)]}
    values = {"MaTTHC": "1.001193"}
    bodies = [
        sign(
            fresh("HS01", ma_ho_so=code, at=NOW, seed=n, size=Size.FULL, values=values, **address),
            letters.key(PORTAL),
            at=NOW,
        )
        for n, code in enumerate(codes)
    ]
    assert {a.fate for a in receive([arrival(b, PORTAL) for b in bodies], gate, NOW)} == {Fate.ACCEPTED}
    number = parse_bytes(bodies[1]).findtext(".//{*}SoDinhDanh")

    def found(party=PORTAL):
        asked(gate, "HS17", "TraCuuHoSo", {"SoDinhDanh": number, "MaTTHC": "1.001193"}, party=party)
        replies.answer_due(clerk, NOW)
        root, _ = told(gate, party, "TraLoiTraCuu")
        return root.findtext(".//{*}SoKetQua"), len(clerk.persons._marks)

    assert found("so-xay-dung") == ("0", 0)  # others' dossiers are not even looked at
    assert found() == ("1", 3)
    assert found() == ("1", 3)
    assert number.encode() not in repr(clerk.persons._marks).encode()
    with gate.store.begin() as tx, gate.store.read() as view:
        message = view.message(view.dossier(codes[1]).changes[0].message)
        tx.erase({message.id: [message.digest]}, who="operator:test", reason="test", now=NOW)
    assert found() == ("0", 3)


def test_a_party_that_its_profile_lets_publish_publishes(gate, clerk):
    granted = profiles.from_text(
        profiles.to_text(replace(pki.party(PORTAL), privileges=frozenset({"publish-catalogue"})))
    )
    assert granted.privileges == {"publish-catalogue"}
    trusted = Parties([granted if party.id == PORTAL else party for party in gate.parties], gate.parties.version)
    fields = {
        "TenDanhMuc": "CoQuan",
        "PhienBanDanhMuc": "2026.1",
        "DanhSachMuc": {"Muc": [{"Ma": "H19.901", "Ten": "Sở"}]},
    }
    query, _ = asked(gate, "HS18", "DanhMuc", fields)
    replies.answer_due(replace(clerk, parties=trusted), NOW)
    with gate.store.read() as view:
        assert view.deliveries(message=query.message)[0].state is DeliveryState.DELIVERED
        assert [row.ma for row in view.catalogue("CoQuan", "2026.1")] == ["H19.901"]


def test_a_query_whose_sender_is_gone_is_put_aside_and_told(gate, clerk):
    query, _ = asked(gate, "HS17", "TraCuuHoSo", {"MaHoSo": alive(gate)})
    without = Parties(party for party in gate.parties if party.id != PORTAL)
    replies.answer_due(replace(clerk, parties=without), NOW)
    with gate.store.read() as view:
        (delivery,) = view.deliveries(message=query.message)
        (attempt,) = view.attempts(delivery.id)
    assert (delivery.state, attempt.problem.code) == (DeliveryState.REFUSED, "AUT-031")
