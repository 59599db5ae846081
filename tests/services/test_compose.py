"""Typed submissions: fields in, a ThongDiep composed and signed by the gateway out."""

import json
from dataclasses import replace

import dated as letters
import pytest
from arrivals import arrival
from dated import NOW

from gateway.core.model import Basis, BodyForm, Fate
from gateway.core.parties import SignatureDemand
from gateway.documents import parse_bytes
from gateway.services.intake import judge, receive

PORTAL, XA = "cong-dvc", "ubnd-xa-thu-nghiem"


@pytest.fixture
def typed(gate):
    """A gate where the commune may send unsigned packets."""
    party = gate.parties.get(XA)
    party = replace(party, typed_submissions=True, signature=replace(party.signature, default=SignatureDemand.ACCEPTED))
    return replace(gate, parties=type(gate.parties)(party if p.id == XA else p for p in gate.parties))


def step(code, state="4", **more):
    """A progress packet of QCVN 120 with the wire's own date form."""
    fields = {"MaHoSo": code, "NguoiXuLy": "Y Ưng Niê Kđăm", "ThoiDiemXuLy": "20260116080000", "TrangThai": state}
    return json.dumps(fields | more, ensure_ascii=False).encode()


def packet(body, own_key=None, form=BodyForm.CAP_NHAT_TIEN_DO_MC):
    """A packet as it arrives."""
    return replace(arrival(body, XA), form=form, own_key=own_key)


@pytest.fixture
def code(typed):
    """A dossier that has been received."""
    code = letters.ma_ho_so(XA)
    tray = [arrival(letters.nop(code), PORTAL), arrival(letters.tiep_nhan(code), XA)]
    assert {a.fate for a in receive(tray, typed, NOW)} == {Fate.ACCEPTED}
    return code


def test_a_packet_moves_the_dossier_and_reaches_the_portal_as_a_signed_message(typed, code):
    body = step(code)
    (answer,) = receive([packet(body)], typed, NOW)
    assert (answer.fate, [p.code for p in answer.problems]) == (Fate.ACCEPTED, [])
    with typed.store.read() as view:
        entry = view.inbox_after(PORTAL, 1)[0]
        given, original = view.body(entry.message, entry.digest), view.body(answer.message, answer.digest)
        assert view.dossier(code).trang_thai == 4
        assert view.message(answer.message).basis is Basis.COMPOSED
    assert original == body
    root = parse_bytes(given)
    assert root.findtext("{*}LapThay/{*}BamNoiDung") == answer.digest
    assert root.findtext("{*}NoiGui/{*}MaDinhDanh") == typed.parties.get(XA).identifiers[0]


def test_the_same_packet_again_gets_the_first_receipt(typed, code):
    body = step(code)
    (first,) = receive([packet(body, "k1")], typed, NOW)
    (again,) = receive([packet(body, "k1")], typed, NOW)
    assert (again.repeated, again.receipt) == (True, first.receipt)


def test_the_same_key_with_other_fields_is_a_conflict(typed, code):
    receive([packet(step(code), "k1")], typed, NOW)
    (other,) = receive([packet(step(code, "9"), "k1")], typed, NOW)
    assert [p.code for p in other.problems] == ["DUP-010"]


def test_one_wrong_row_does_not_hurt_the_others(typed, code):
    rows = [step(code), b"{", step(code, "77"), step(code, "9", ThoiDiemXuLy="20260117080000")]
    answers = receive([packet(row) for row in rows], typed, NOW)
    assert [a.fate.value for a in answers] == ["accepted", "rejected", "rejected", "accepted"]
    assert [a.problems[0].code for a in answers[1:3]] == ["XSD-401", "XSD-022"]


def test_who_may_not_send_unsigned_is_told_so(gate):
    finding = judge(packet(step(letters.ma_ho_so(XA))), gate)
    assert [p.code for p in finding.problems] == ["AUT-040"]
