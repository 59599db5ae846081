"""Stations 2 to 6 through their public function, over real databases."""

import re
from dataclasses import replace
from datetime import timedelta

import dated as letters
import pytest
from arrivals import arrival
from dated import NOW

from gateway.core.model import Address, DeliveryState, Fate
from gateway.documents import Kind, parse_bytes
from gateway.services.intake import judge, receive, recheck, record
from gateway.store import StoreError
from gateway.wiring import OURSELVES
from schemas.catalog import bundled
from schemas.fresh import Size, fresh
from signing.sign import sign

PORTAL, AGENCY, XA = "cong-dvc", "so-tu-phap", "ubnd-xa-thu-nghiem"


def sent(gate, *letters_from):
    """What each of these gets, in one tray."""
    return receive([arrival(body, party) for body, party in letters_from], gate, NOW)


def codes(answer):
    return [problem.code for problem in answer.problems]


def test_a_dossier_is_accepted_receipted_and_owed_to_its_agency(gate):
    code = letters.ma_ho_so(AGENCY)
    (answer,) = sent(gate, (letters.nop(code, to=AGENCY), PORTAL))
    assert (answer.fate, codes(answer), answer.repeated) == (Fate.ACCEPTED, [], False)
    receipt = parse_bytes(answer.receipt)
    assert receipt.findtext(".//{*}KetQua") == "CHAP_NHAN"
    assert receipt.findtext(".//{*}BamNoiDung") == answer.digest
    with gate.store.read() as view:
        (owed,) = view.deliveries(message=answer.message)
        dossier = view.dossier(code)
    assert (owed.party, owed.state, owed.lane) == (AGENCY, DeliveryState.QUEUED, code)
    assert (dossier.trang_thai, dossier.portal, dossier.agency) == (1, PORTAL, AGENCY)


def test_the_gateways_receipt_verifies_as_the_gateways(gate):
    (answer,) = sent(gate, (letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL))
    finding = judge(arrival(answer.receipt, OURSELVES), gate)
    assert codes(finding) == []
    assert finding.thong_diep.signer.fingerprint == gate.key.fingerprint


def test_the_same_bytes_again_get_the_first_receipt_even_when_the_certificate_is_gone(gate):
    body = letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY)
    (first,) = sent(gate, (body, PORTAL))
    later = NOW + timedelta(days=4000)
    (again,) = receive([arrival(body, PORTAL, later)], gate, later)
    assert (again.receipt, again.repeated, again.message) == (first.receipt, True, first.message)
    with gate.store.read() as view:
        assert len(view.deliveries()) == 1


def test_the_same_id_with_other_content_is_a_conflict_that_names_both_digests(gate):
    code = letters.ma_ho_so(AGENCY)
    one = letters.nop(code, to=AGENCY, ma_thong_diep="6f1d4b54-4d0e-4a52-9a39-6d7e2a1f0001")
    two = letters.nop(code, to=AGENCY, ma_thong_diep="6f1d4b54-4d0e-4a52-9a39-6d7e2a1f0001", note="khác")
    first, second = sent(gate, (one, PORTAL), (two, PORTAL))
    assert (first.fate, second.fate, codes(second)) == (Fate.ACCEPTED, Fate.REJECTED, ["DUP-010"])
    (problem,) = second.problems
    assert (problem.facts["first"], problem.facts["second"]) == (first.digest, second.digest)
    assert problem.at.xpath.endswith("MaThongDiep[1]")
    assert problem.at.line is not None
    assert parse_bytes(second.receipt).findtext(".//{*}KetQua") == "TRUNG_LAP"


def test_a_failed_first_attempt_does_not_burn_the_id(gate):
    code, own = letters.ma_ho_so(AGENCY), "6f1d4b54-4d0e-4a52-9a39-6d7e2a1f0002"
    (bad,) = sent(gate, (letters.nop(code, to=AGENCY, ma_thong_diep=own, signer=XA), PORTAL))
    (good,) = sent(gate, (letters.nop(code, to=AGENCY, ma_thong_diep=own), PORTAL))
    assert (bad.fate, good.fate) == (Fate.REJECTED, Fate.ACCEPTED)


def test_one_bad_message_harms_no_neighbour_in_its_tray(gate):
    good = [(letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL) for _ in range(3)]
    answers = sent(gate, good[0], (b"<not xml", PORTAL), good[1], (b"", PORTAL), good[2])
    assert [a.fate.value for a in answers] == ["accepted", "rejected", "accepted", "rejected", "accepted"]
    with gate.store.read() as view:
        assert len(view.messages()) == 5


def test_status_follows_and_the_portal_finds_it_in_its_inbox(gate):
    code = letters.ma_ho_so(XA)
    answers = sent(
        gate,
        (letters.nop(code), PORTAL),
        (letters.tiep_nhan(code), XA),
        (letters.tien_do(code, 4), XA),
    )
    assert [a.fate for a in answers] == [Fate.ACCEPTED] * 3
    with gate.store.read() as view:
        entries = view.inbox_after(PORTAL, 0)
    assert [(e.position, e.loai, e.trang_thai) for e in entries] == [(1, "HS03", 2), (2, "HS05", 4)]


def test_an_impossible_move_is_refused_with_place_and_possible_moves(gate):
    code = letters.ma_ho_so(XA)
    sent(gate, (letters.nop(code), PORTAL), (letters.tiep_nhan(code), XA))
    (answer,) = sent(gate, (letters.tien_do(code, 10), XA))
    (problem,) = answer.problems
    assert (answer.fate, problem.code) == (Fate.REJECTED, "DOS-010")
    assert problem.at.xpath.endswith("TrangThai[1]")
    assert (problem.at.line, problem.at.column) != (None, None)
    assert parse_bytes(answer.receipt).findtext(".//{*}KetQua") == "TU_CHOI"
    with gate.store.read() as view:
        assert view.dossier(code).trang_thai == 2


def test_nobody_speaks_about_anothers_dossier(gate):
    code = letters.ma_ho_so(XA)
    sent(gate, (letters.nop(code), PORTAL))
    (answer,) = sent(gate, (letters.tien_do(code, 4, sender=AGENCY), AGENCY))
    assert codes(answer) == ["AUT-020"]


def test_nobody_sends_as_another(gate):
    (answer,) = sent(gate, (letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), XA))
    assert codes(answer) == ["AUT-002"]
    assert answer.problems[0].at.xpath.endswith("MaDinhDanh[1]")


FORGED = {
    "unsigned": lambda body: re.sub(rb"<ds:Signature .*</ds:Signature>", b"", body, flags=re.DOTALL),
    "changed": lambda body: body.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA", 1),
    "sha-1": lambda body: body.replace(b"2001/04/xmlenc#sha256", b"2000/09/xmldsig#sha1", 1),
}


@pytest.mark.threat("T-ORACLE")
@pytest.mark.parametrize("how", FORGED)
def test_who_brings_a_message_in_anothers_name_is_told_one_code_and_the_record_knows_which(how, gate):
    body = FORGED[how](letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY))
    stranger, own = sent(gate, (body, XA), (body, PORTAL))
    assert (codes(stranger), stranger.problems[0].facts, stranger.problems[0].at) == (["SIG-001"], {}, None)
    assert codes(own) != ["SIG-001"] or how == "changed"  # the sender itself hears the exact reason, with its place
    assert own.problems[0].at is not None
    with gate.store.read() as view:
        verdict = view.verdicts(stranger.message)[-1].facts
    assert (verdict["result"], verdict["facts"]["codes"]) == ("failed", codes(own))


def test_status_for_an_unknown_dossier_is_told_and_leaves_no_dossier(gate):
    code = letters.ma_ho_so(XA)
    (answer,) = sent(gate, (letters.tien_do(code, 4), XA))
    assert codes(answer) == ["DOS-001"]
    with gate.store.read() as view:
        assert view.dossier(code) is None


def test_checking_again_what_was_refused_may_accept_it_and_keeps_both_verdicts(gate, bare_gate):
    code = letters.ma_ho_so(AGENCY)
    locked = replace(gate, parties=_without(gate.parties, AGENCY))
    (answer,) = sent(locked, (letters.nop(code, to=AGENCY), PORTAL))
    assert codes(answer) == ["AUT-010"]
    (again,) = recheck([answer.message], gate, NOW)
    assert (again.fate, again.message) == (Fate.ACCEPTED, answer.message)
    with gate.store.read() as view:
        assert [v.state for v in view.verdicts(answer.message)] == [Fate.REJECTED, Fate.ACCEPTED]
        assert view.message(answer.message).state is Fate.ACCEPTED
        assert len(view.deliveries(message=answer.message)) == 1


def test_what_was_taken_since_then_is_a_conflict_when_checked_again(gate):
    code, own = letters.ma_ho_so(AGENCY), "6f1d4b54-4d0e-4a52-9a39-6d7e2a1f0003"
    locked = replace(gate, parties=_without(gate.parties, AGENCY))
    (refused,) = sent(locked, (letters.nop(code, to=AGENCY, ma_thong_diep=own), PORTAL))
    sent(gate, (letters.nop(code, to=AGENCY, ma_thong_diep=own, note="mới"), PORTAL))
    (again,) = recheck([refused.message], gate, NOW)
    assert codes(again) == ["DUP-010"]


def test_nobody_is_answered_when_nothing_can_be_recorded(gate, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE payment")
        connection.exec_driver_sql("ALTER TABLE inbox RENAME TO gone")
    with pytest.raises(StoreError):
        sent(gate, (letters.tiep_nhan(letters.ma_ho_so(XA)), XA), (letters.nop(letters.ma_ho_so(XA)), PORTAL))


def _without(parties, gone):
    return type(parties)(p for p in parties if p.id != gone)


def test_a_receiver_that_knows_only_the_older_version_gets_that_one_signed_by_us(gate):
    """And what the older version cannot carry is told, never silently lost."""
    code = letters.ma_ho_so(XA)
    sent(gate, (letters.nop(code), PORTAL), (letters.tiep_nhan(code), XA))
    old = replace(gate, parties=_with(gate.parties, PORTAL, versions={"HS05": ("1.0",)}))
    addresses = {
        "noi_gui": Address(ma_dinh_danh=gate.parties.get(XA).identifiers[0]),
        "noi_nhan": [Address(ma_dinh_danh=gate.parties.get(PORTAL).identifiers[0])],
    }
    values = {"TrangThai": 4, "ThuTu": 2, "LyDo": "đủ điều kiện"}
    unsigned = fresh("HS05", "1.1", ma_ho_so=code, at=NOW, thu_tu=2, size=Size.FULL, values=values, **addresses)
    (answer,) = sent(old, (sign(unsigned, letters.key(XA), at=NOW), XA))
    assert (answer.fate, codes(answer)) == (Fate.ACCEPTED, ["AUT-017", "AUT-017"])
    left_out = [p.facts["left_out"].rpartition(":")[2] for p in answer.problems]
    assert left_out == ["LyDo[1]", "NoiXuLy[1]"]
    with gate.store.read() as view:
        entry = view.inbox_after(PORTAL, 1)[0]
        given, original = view.body(entry.message, entry.digest), view.body(answer.message, answer.digest)
    root = parse_bytes(given)
    assert (root.findtext("{*}PhienBan"), root.find(".//{*}LyDo")) == ("1.0", None)
    assert root.findtext("{*}LapThay/{*}BamNoiDung") == answer.digest
    assert parse_bytes(original).findtext(".//{*}LyDo") == "đủ điều kiện"
    assert bundled().schema(Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.0")).validate(root)


def test_a_receiver_that_knows_the_newer_version_gets_the_original_bytes(gate):
    code = letters.ma_ho_so(XA)
    sent(gate, (letters.nop(code), PORTAL))
    new = replace(gate, parties=_with(gate.parties, PORTAL, versions={"HS03": ("1.0", "1.1")}))
    (answer,) = sent(new, (letters.tiep_nhan(code), XA))
    with gate.store.read() as view:
        assert view.inbox_after(PORTAL, 0)[0].digest == answer.digest


def _with(parties, name, **changes):
    return type(parties)(replace(p, **changes) if p.id == name else p for p in parties)


def test_a_sender_that_left_the_registry_between_judging_and_recording_is_refused(gate):
    finding = judge(arrival(letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL), gate)
    (answer,) = record([finding], replace(gate, parties=_without(gate.parties, PORTAL)), NOW)
    assert (answer.fate, codes(answer)) == (Fate.REJECTED, ["AUT-001"])


def test_a_locked_sender_is_refused_at_its_name(gate):
    locked = replace(gate, parties=_with(gate.parties, PORTAL, enabled=False))
    (answer,) = sent(locked, (letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL))
    assert (answer.fate, codes(answer)) == (Fate.REJECTED, ["AUT-003"])
    assert answer.problems[0].at.xpath.endswith("NoiGui[1]/lt:MaDinhDanh[1]")


def test_a_sender_may_be_kept_to_some_receivers(gate):
    body = letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY)
    for others, told in (({XA}, ["AUT-013"]), ({XA, AGENCY}, [])):
        kept = replace(gate, parties=_with(gate.parties, PORTAL, may_send_to=frozenset(others)))
        (answer,) = sent(kept, (body, PORTAL))
        assert codes(answer) == told


def test_a_receiver_that_reads_no_version_of_the_message_is_told_to_the_sender(gate):
    strange = replace(gate, parties=_with(gate.parties, AGENCY, versions={"HS01": ("0.9",)}))
    (answer,) = sent(strange, (letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY), PORTAL))
    assert (answer.fate, codes(answer)) == (Fate.REJECTED, ["AUT-016"])
    assert answer.problems[0].facts["known"] == ("0.9",)
