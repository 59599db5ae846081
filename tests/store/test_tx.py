"""Trays through the store, on every database."""

from dataclasses import replace

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from gateway.core.chain import verify_chain
from gateway.core.effects import KetQua, Owes, Pays, Transfers
from gateway.core.ledger import LogLine, enter
from gateway.core.model import AttemptOutcome, BodyForm, DeliveryState, Envelope, Fate
from gateway.core.problems import Problem
from gateway.core.told import ToldNews
from gateway.store import CatalogueRow, CertificateRecord, Conflict, Store, Unstorable
from gateway.store.schema import config_of

PORTAL, AGENCY, COMMUNE = "cong-dvc", "so-tu-phap", "ubnd-xa"


def test_a_filed_dossier_is_on_record_with_all_that_it_causes(desk, store, code):
    finding = desk.filing(code, verdict={"signature": "good"}, evidence=("aa",), signed_bytes=b"signed")
    ack = desk.one(finding)

    with store.read() as view:
        message = view.message(finding.envelope.id)
        assert (message.state, message.ma_ho_so, message.digest) == (Fate.ACCEPTED, code, finding.envelope.digest)
        assert (message.loai, message.goc, message.phien_ban, message.basis) == ("HS01", "NopHoSo", "1.0", "signature")
        assert view.envelope(message.id) == finding.envelope
        assert view.body(message.id, message.digest) == finding.envelope.body
        assert view.receipt(message.id) == ack.receipt
        (verdict,) = view.verdicts(message.id)
        assert (verdict.number, verdict.state, verdict.who) == (1, Fate.ACCEPTED, "gateway")
        assert (verdict.facts, verdict.evidence) == ({"signature": "good"}, ("aa",))
        (delivery,) = view.deliveries(message=message.id)
        assert (delivery.party, delivery.lane, delivery.digest) == (AGENCY, code, message.digest)
        dossier = view.dossier(code)
        assert (dossier.trang_thai, dossier.portal, dossier.agency) == (1, PORTAL, AGENCY)
        assert [change.message for change in dossier.changes] == [message.id]
        (line,) = view.log(message=message.id)
        assert (line.what, line.who) == ("message.accepted", PORTAL)
        assert verify_chain(view.log_entries()).whole


def test_what_is_read_back_of_a_dossier_is_what_was_entered(desk, store, code):
    filed, received = desk.filing(code), desk.progress(code, 2)
    with store.begin() as tx:
        ledger = tx.open([filed, received])
        for finding in (filed, received):
            enter(finding, ledger, desk.counter, desk.clock.now)
        entered = ledger.dossiers[code]
        tx.write(ledger)

    with store.read() as view:
        assert view.dossier(code) == entered
    with store.begin() as tx:  # and so is what the next tray is laid out
        ledger = tx.open([desk.progress(code, 4)])
        assert ledger.dossiers[code] == entered
        tx.write(ledger)


def test_an_inbox_counts_from_one_without_gaps(desk, store, code):
    desk.one(desk.filing(code))
    desk.take(desk.progress(code, 2), desk.progress(code, 4))
    desk.one(desk.progress(code, 9))

    with store.read() as view:
        entries = view.inbox_after(PORTAL, 0)
        assert [entry.position for entry in entries] == [1, 2, 3]
        assert [(entry.trang_thai, entry.trang_thai_goc) for entry in entries] == [(2, "S2"), (4, "S4"), (9, "S9")]
        assert view.inbox_after(PORTAL, 1, limit=1) == entries[1:2]
        assert view.head(PORTAL) == 3
        assert view.inbox_after(PORTAL, 3) == []
        assert view.inboxed(entries[0].message) == [entries[0]]


def test_the_same_bytes_again_get_the_first_receipt_and_leave_no_second_trace(desk, store, code):
    finding = desk.filing(code)
    first = desk.one(finding)
    again = desk.one(desk.filing(code, ma=finding.thong_diep.ma_thong_diep, body=finding.envelope.body))

    assert (again.receipt, again.repeated, again.message) == (first.receipt, True, first.message)
    with store.read() as view:
        assert len(view.messages()) == 1
        assert len(view.deliveries()) == 1


def test_the_same_bytes_get_the_first_receipt_even_when_today_they_would_be_refused(desk, code):
    finding = desk.filing(code)
    first = desk.one(finding)
    again = desk.one(desk.bad(body=finding.envelope.body, ma=finding.thong_diep.ma_thong_diep))
    other = desk.one(desk.bad(body=b"<other/>", ma=finding.thong_diep.ma_thong_diep))

    assert (again.repeated, again.receipt, again.fate) == (True, first.receipt, Fate.ACCEPTED)
    assert (other.repeated, other.fate) == (False, Fate.REJECTED)


@pytest.mark.parametrize("tag", ["MaThongDiep", "lt:MaThongDiep", 'lt:MaThongDiep xmlns:lt="urn:x"'])
def test_the_same_bytes_get_the_first_receipt_also_when_nothing_of_them_can_be_read_today(desk, code, tag):
    body = f"<a><MaThongDiepGoc>n-0</MaThongDiepGoc><{tag}> n-1\n</{tag.split()[0]}><b>".encode()
    first = desk.one(desk.filing(code, body=body, ma="n-1"))
    tray = desk.take(desk.bad(body=body), desk.bad(body=body + b" "), desk.bad(AGENCY, body=body))

    assert [(again.repeated, again.message == first.message) for again in tray] == [(True, True)] + [(False, False)] * 2
    assert tray[0].receipt == first.receipt


def test_the_same_packet_under_another_key_is_the_same_packet(desk, store, code):
    def typed(key, ma):
        made = desk.filing(code, body=b"<goi/>", ma=ma, bodies={"c0": b"composed"}, composed="c0")
        return made._replace(envelope=replace(made.envelope, form=BodyForm.DONG_BO_MC, own_key=key))

    first = desk.one(typed("k1", "n-1"))
    again, anew = desk.one(typed("k2", "n-2")), desk.one(typed(Envelope.anew_after("m", "x"), "n-3"))
    assert (again.repeated, again.message, again.receipt) == (True, first.message, first.receipt)
    assert anew.repeated is False
    with store.begin() as tx:
        assert tx.rehearse([typed("k4", "n-4")]).by_digest.keys() == {(PORTAL, typed("k4", "n-4").envelope.digest)}


def test_the_same_id_with_other_bytes_is_a_conflict_and_the_first_stays(desk, store, code):
    first = desk.filing(code)
    desk.one(first)
    ack = desk.one(desk.filing(code, ma=first.thong_diep.ma_thong_diep, body=b"<other/>"))

    assert (ack.fate, [p.code for p in ack.problems]) == (Fate.REJECTED, ["DUP-010"])
    with store.read() as view:
        assert view.by_ma_thong_diep(PORTAL, first.thong_diep.ma_thong_diep).id == first.envelope.id
        assert view.message(ack.message).codes == ("DUP-010",)


def test_ids_of_different_senders_are_independent_and_case_counts(desk, store, code):
    desk.take(
        desk.filing(code, ma="a-1"), desk.note(code, sender=AGENCY, to=(PORTAL,), ma="a-1"), desk.note(code, ma="A-1")
    )

    with store.read() as view:
        assert {m.state for m in view.messages()} == {Fate.ACCEPTED}
        assert view.by_ma_thong_diep(PORTAL, "A-1").id != view.by_ma_thong_diep(PORTAL, "a-1").id


def test_a_rejected_message_gives_its_id_back(desk, store, code):
    desk.one(desk.filing(code))
    refused = desk.progress(code, 10, ma="again")  # 1 -> 10 is no move
    assert desk.one(refused).fate is Fate.REJECTED
    assert desk.one(desk.progress(code, 2, ma="again")).fate is Fate.ACCEPTED


def test_an_id_given_back_in_a_tray_is_taken_by_the_next_of_the_same_tray(desk, store, code):
    desk.one(desk.filing(code))
    refused, good = desk.progress(code, 10, ma="again"), desk.progress(code, 2, ma="again")
    first, second = desk.take(refused, good)

    assert (first.fate, second.fate) == (Fate.REJECTED, Fate.ACCEPTED)
    with store.read() as view:
        assert view.by_ma_thong_diep(AGENCY, "again").id == second.message
    again = desk.one(desk.progress(code, 2, ma="again", body=good.envelope.body))
    assert (again.repeated, again.message) == (True, second.message)


def test_a_message_of_a_tray_gets_the_verdict_that_it_gets_alone(desk, store, code):
    filed = desk.filing(code)
    tray = [
        filed,
        desk.progress(code, 2),
        desk.progress(code, 10),
        desk.filing(code, ma=filed.thong_diep.ma_thong_diep, body=b"<x/>"),
    ]
    assert [ack.fate for ack in desk.take(*tray)] == [Fate.ACCEPTED, Fate.ACCEPTED, Fate.REJECTED, Fate.REJECTED]


def test_a_rejected_message_is_recorded_and_leaves_no_dossier(desk, store, code):
    ack = desk.one(desk.progress(code, 2))  # about a dossier nobody opened

    with store.read() as view:
        assert view.message(ack.message).state is Fate.REJECTED
        assert view.dossier(code) is None
    assert desk.one(desk.filing(code)).fate is Fate.ACCEPTED


def test_a_body_over_the_limit_is_kept_by_its_beginning_and_whole_where_it_comes_whole(desk, store):
    whole = b"<x>" + b"y" * 100 + b"</x>"
    cut = desk.bad(body=whole)
    full = cut.envelope
    envelope = Envelope(**{f: getattr(full, f) for f in full.__dataclass_fields__} | {"body": whole[:10]})
    desk.one(cut._replace(envelope=envelope))
    with store.read() as view:
        assert view.body(full.id, full.digest) == whole[:10]
        assert view.envelope(full.id).cut
    again = desk.one(desk.bad(body=whole))
    with store.read() as view:
        assert view.body(again.message, full.digest) == whole
        assert view.body(full.id, full.digest) == whole[:10]
        assert view.body_of_anybody(full.digest) == whole


def test_bodies_come_back_exactly_and_texts_too(desk, store, code):
    odd = "<x>\u009b \u2028 \u202e \U0001f600 ' \" ; -- %s %(a)s \\ </x>".encode() + bytes(range(256))
    finding = desk.filing(code, body=odd, ma="Robert'); DROP TABLE message;--")
    desk.one(finding)

    with store.read() as view:
        message = view.message(finding.envelope.id)
        assert view.body(message.id, message.digest) == odd
        assert message.ma_thong_diep == "Robert'); DROP TABLE message;--"


@pytest.mark.parametrize("text", ["half a surrogate \ud800", "a NUL \x00 in PostgreSQL"])
def test_a_text_that_no_column_holds_costs_its_own_message_alone(desk, store, code, text):
    finding = desk.filing(code, ma=text, body=b"<x/>")
    try:
        desk.one(finding)
    except Unstorable:
        with store.read() as view:
            assert view.messages() == []
            assert view.log_head().number == 0
    else:  # SQLite keeps a NUL as it is
        with store.read() as view:
            assert view.message(finding.envelope.id).ma_thong_diep == text


def test_a_failing_tray_leaves_nothing(desk, store, code):
    with pytest.raises(ZeroDivisionError), store.begin() as tx:
        ledger = tx.open([desk.filing(code)])
        enter(desk.filing(code), ledger, desk.counter, desk.clock.now)
        tx.write(ledger)
        raise ZeroDivisionError
    with store.read() as view:
        assert (view.messages(), view.deliveries(), view.dossier(code), view.log_head().number) == ([], [], None, 0)


def test_a_ledger_that_is_opened_and_not_written_is_not_committed(desk, store, code):
    with pytest.raises(RuntimeError, match="opened and not written"), store.begin() as tx:
        tx.open([desk.filing(code)])
    with store.begin() as tx:  # nothing of it is left
        assert tx.open([desk.filing(code)]).dossiers == {}
        tx.write(tx.open([]))


# Held, and judged again


def test_a_held_message_owns_its_id_and_is_judged_again(desk, store, code):
    held = desk.doubt(code, ma="doubt")
    assert desk.one(held).fate is Fate.HELD
    assert desk.one(desk.filing(code, ma="doubt", body=b"<other/>")).fate is Fate.REJECTED
    with store.read() as view:
        (waiting,) = view.held(desk.clock.forward(minutes=5))
        assert waiting.id == held.envelope.id
        assert view.receipt(held.envelope.id) is None
        assert view.deliveries() == []

    ack = desk.one(desk.filing(code, ma="doubt", body=held.envelope.body, id=held.envelope.id), recheck=True)

    assert ack.fate is Fate.ACCEPTED
    with store.read() as view:
        assert view.held(desk.clock.forward(minutes=5)) == []
        assert [v.state for v in view.verdicts(held.envelope.id)] == [Fate.HELD, Fate.ACCEPTED]
        assert view.message(held.envelope.id).receipt is not None
        assert len(view.deliveries()) == 1
    again = desk.one(desk.filing(code, ma="doubt", body=held.envelope.body))
    assert (again.repeated, again.receipt) == (True, ack.receipt)


def test_a_held_message_that_fails_gives_its_id_back(desk, store, code):
    held = desk.doubt(code, ma="doubt")
    desk.one(held)
    failed = desk.bad(ma="doubt")
    failed = failed._replace(envelope=held.envelope)
    assert desk.one(failed, recheck=True).fate is Fate.REJECTED
    assert desk.one(desk.filing(code, ma="doubt", body=b"<mended/>")).fate is Fate.ACCEPTED


def test_held_again_for_the_same_reason_is_no_news(desk, store, code):
    held = desk.doubt(code, ma="doubt")
    desk.one(held)
    with store.read() as view:
        lines = view.log_head().number
    desk.clock.forward(hours=1)
    ack = desk.one(desk.doubt(code, ma="doubt", body=held.envelope.body, id=held.envelope.id), recheck=True)

    assert ack.fate is Fate.HELD
    with store.read() as view:
        assert len(view.verdicts(held.envelope.id)) == 1
        assert view.log_head().number == lines
        assert view.message(held.envelope.id).judged_at == desk.clock.now


def test_a_replayed_rejected_message_is_judged_as_now_and_the_old_verdict_stays(desk, store, code):
    refused = desk.bad(ma="late")
    desk.one(refused)
    mended = desk.filing(code, ma="late", body=refused.envelope.body, id=refused.envelope.id)
    assert desk.one(mended, recheck=True, who="operator:lan").fate is Fate.ACCEPTED

    with store.read() as view:
        verdicts = view.verdicts(refused.envelope.id)
        assert [(v.number, v.state, v.who) for v in verdicts] == [
            (1, Fate.REJECTED, "gateway"),
            (2, Fate.ACCEPTED, "operator:lan"),
        ]
        assert view.message(refused.envelope.id).codes == ()
        assert len(view.messages()) == 1


def test_an_id_taken_meanwhile_is_a_conflict_for_a_replay_too(desk, store, code):
    refused = desk.bad(ma="late")
    desk.one(refused)
    desk.one(desk.filing(code, ma="late", body=b"<another/>"))
    ack = desk.one(desk.filing(code, ma="late", body=refused.envelope.body, id=refused.envelope.id), recheck=True)
    assert (ack.fate, [p.code for p in ack.problems]) == (Fate.REJECTED, ["DUP-010"])


def test_what_was_accepted_meanwhile_is_not_judged_again(desk, store, code):
    held = desk.doubt(code, ma="doubt")
    desk.one(held)
    again = desk.filing(code, ma="doubt", body=held.envelope.body, id=held.envelope.id)
    desk.one(again, recheck=True)
    with pytest.raises(Conflict):
        desk.one(again, recheck=True)
    with pytest.raises(Conflict):
        desk.one(desk.filing(code), recheck=True)
    with store.read() as view:
        assert len(view.deliveries()) == 1


# What an accepted message does to deliveries on record


def deliveries(store, **which):
    with store.read() as view:
        return view.deliveries(**which)


def test_an_acknowledgement_settles_the_delivery_it_answers(desk, store, code):
    filed = desk.filing(code)
    desk.one(filed)
    receipt = desk.acknowledgement(filed.thong_diep.ma_thong_diep)
    desk.one(receipt)

    (delivery,) = deliveries(store, message=filed.envelope.id)
    assert delivery.state is DeliveryState.DELIVERED
    with store.read() as view:
        (attempt,) = view.attempts(delivery.id)
        assert (attempt.kind, attempt.reference) == ("acknowledged", receipt.envelope.id)
        assert "delivery.delivered" in [line.what for line in view.log()]


def test_a_refusing_acknowledgement_holds_the_lane(desk, store, code):
    filed = desk.filing(code)
    desk.one(filed)
    desk.one(desk.acknowledgement(filed.thong_diep.ma_thong_diep, ket_qua=KetQua.TU_CHOI))
    (delivery,) = deliveries(store, message=filed.envelope.id)
    assert delivery.state is DeliveryState.REFUSED


def test_nobody_acknowledges_what_was_not_sent_to_them(desk, store, code):
    filed = desk.filing(code)
    desk.one(filed)
    desk.one(desk.acknowledgement(filed.thong_diep.ma_thong_diep, sender=COMMUNE))
    (delivery,) = deliveries(store, message=filed.envelope.id)
    assert delivery.state is DeliveryState.QUEUED


def test_a_recall_cancels_what_is_queued_of_the_own_message_and_nothing_else(desk, store, code):
    filed, later = desk.filing(code), desk.note(code)
    desk.take(filed, later)
    desk.one(desk.recall(filed.thong_diep.ma_thong_diep, sender=COMMUNE, to=(AGENCY,)))
    assert deliveries(store, message=filed.envelope.id)[0].state is DeliveryState.QUEUED
    desk.one(desk.recall(filed.thong_diep.ma_thong_diep))
    assert deliveries(store, message=filed.envelope.id)[0].state is DeliveryState.SKIPPED
    assert deliveries(store, message=later.envelope.id)[0].state is DeliveryState.QUEUED


def test_a_recall_leaves_alone_what_is_on_its_way(desk, store, code):
    filed = desk.filing(code)
    desk.one(filed)
    with store.begin() as tx:
        tx.claim_due(AGENCY, desk.clock.now, 10, 60)
    desk.one(desk.recall(filed.thong_diep.ma_thong_diep))
    assert deliveries(store, message=filed.envelope.id)[0].state is DeliveryState.SENDING


# Money, other codes


def test_money_asked_for_and_paid_can_be_added_up(desk, store, code):
    from decimal import Decimal

    desk.one(desk.filing(code))
    desk.one(
        desk.finding(
            AGENCY, (PORTAL,), ma_ho_so=code, effects=[Owes(so_tien=Decimal("150000.50"), ref="LP")], loai="HS09"
        )
    )
    desk.one(
        desk.finding(
            PORTAL, (AGENCY,), ma_ho_so=code, effects=[Pays(so_tien=Decimal(150_000), ma_tra_cuu="TC1")], loai="HS10"
        )
    )

    with store.read() as view:
        lines = view.payments(code)
        assert [(line.kind, line.so_tien, line.ref) for line in lines] == [
            ("owes", Decimal("150000.50"), "LP"),
            ("pays", Decimal(150_000), "TC1"),
        ]
        assert view.payments(since=lines[1].at) == lines[1:]
        assert view.payments(until=lines[1].at) == lines[:1]


def test_the_code_of_the_lead_agency_leads_to_the_copy(desk, store, code):
    desk.one(desk.filing(code))
    copy = Transfers(don_vi_nhan="H19.902.01", ma_ho_so_goc="H19.900-260115-0001")
    desk.one(desk.finding(AGENCY, (COMMUNE,), ma_ho_so=code, effects=[copy], loai="HS14"))
    with store.read() as view:
        assert view.also_known_as("H19.900-260115-0001") == [code]
        assert view.also_known_as(code) == []


# Bodies, registry, trust, catalogues, log


def test_an_erased_body_is_gone_and_the_log_still_verifies(desk, store, code):
    finding = desk.filing(code)
    desk.one(finding)
    digest = finding.envelope.digest
    with store.begin() as tx:
        named = {finding.envelope.id: [digest, "unknown"]}
        assert tx.erase(named, who="operator:lan", reason="retention", now=desk.clock.now) == 1
        assert tx.erase(named, who="operator:lan", reason="again", now=desk.clock.now) == 0

    with store.read() as view:
        assert view.body(finding.envelope.id, digest) is None
        assert view.envelope(finding.envelope.id) is None
        assert view.erased_at(finding.envelope.id, digest) == desk.clock.now
        assert view.message(finding.envelope.id).digest == digest
        first, again = view.log(what="message.erased", message=finding.envelope.id)
        assert (first.facts["digests"], first.facts["reason"], again.facts["reason"]) == (
            [digest],
            "retention",
            "again",
        )
        assert verify_chain(view.log_entries()).whole


def test_bytes_are_kept_once_by_their_digest(store):
    with store.begin() as tx:
        digest = tx.keep(b"a revocation list")
        assert tx.keep(b"a revocation list") == digest
        assert tx.evidence(digest) == b"a revocation list"


def test_profiles_are_applied_as_versions_with_author_and_reason(desk, store):
    who = {"who": "operator:lan", "reason": "opening", "now": desk.clock.now}
    with store.begin() as tx:
        assert tx.apply_parties({"b": "id='b'", "a": "id='a'"}, **who) == 1
    with store.begin() as tx:
        assert tx.apply_parties({"a": "id='a' # 2", "b": "id='b'"}, **who) == 2

    with store.read() as view:
        assert view.parties_version() == 2
        assert [(p.id, p.version, p.profile) for p in view.parties()] == [("a", 2, "id='a' # 2"), ("b", 1, "id='b'")]
        assert [(p.version, p.author, p.reason) for p in view.party_history("a")] == [
            (1, "operator:lan", "opening"),
            (2, "operator:lan", "opening"),
        ]
    with store.begin() as tx:
        tx.apply_parties({"a": None}, **who)
    with store.read() as view:
        assert [p.id for p in view.parties()] == ["b"]
        assert [line.what for line in view.log()] == ["party.applied"] * 3 + ["party.removed"]


def test_a_profile_removed_twice_or_never_there_is_no_news(desk, store):
    with store.begin() as tx:
        tx.apply_parties({"ghost": None}, who="operator:lan", reason="x", now=desk.clock.now)
    with store.read() as view:
        assert view.party_history("ghost") == []
        assert view.log() == []


def test_what_is_known_of_a_certificate_is_replaced_by_what_is_newer_only(desk, store):
    now = desk.clock.now
    new = CertificateRecord(
        fingerprint="ff", tree="a", status="bad", as_of=desk.clock.forward(hours=1), facts={"why": "x"}
    )
    old = CertificateRecord(fingerprint="ff", tree="a", status="good", as_of=now, until=desk.clock.now, evidence=("e",))
    other = CertificateRecord(fingerprint="ff", tree="b", status="unknown", as_of=now)
    with store.begin() as tx:
        tx.put_statuses([new, other], desk.clock.now)
    with store.begin() as tx:
        tx.put_statuses([old], desk.clock.now)
    with store.read() as view:
        assert view.certificate_statuses() == [new, other]
        assert view.statuses_version() == 2


def test_catalogues_are_versions_with_validity(desk, store):
    now = desk.clock.now
    later = desk.clock.forward(days=10)
    with store.begin() as tx:
        tx.put_catalogue(
            [
                CatalogueRow(danh_muc="DichVu", phien_ban="1", ma="b", muc={"Ten": "B"}, hieu_luc_den=later),
                CatalogueRow(danh_muc="DichVu", phien_ban="1", ma="a", muc={"Ten": "Á"}, hieu_luc_tu=now),
            ],
            who="operator:lan",
            now=now,
        )
        tx.put_catalogue(
            [CatalogueRow(danh_muc="DichVu", phien_ban="0.9", ma="a", muc={})], who="operator:lan", now=later
        )
    with store.read() as view:
        assert view.catalogue_versions("DichVu") == ["1", "0.9"]
        assert [(row.ma, row.muc) for row in view.catalogue("DichVu", "1")] == [
            ("a", {"Ten": "Á"}),
            ("b", {"Ten": "B"}),
        ]
        assert [row.ma for row in view.catalogue("DichVu", "1", at=later)] == ["a"]
        assert view.catalogue_versions("Khác") == []
    with pytest.raises(Conflict), store.begin() as tx:
        tx.put_catalogue([CatalogueRow(danh_muc="DichVu", phien_ban="1", ma="a", muc={})], who="x", now=later)


def test_a_line_that_has_no_single_spelling_is_refused(desk, store):
    with pytest.raises(Unstorable), store.begin() as tx:
        tx.note(LogLine(what="x", who="y", facts={"share": 0.5}), desk.clock.now)


def test_confirming_goes_forward_only_and_never_beyond_what_is_there(desk, store, code):
    desk.one(desk.filing(code))
    desk.take(desk.progress(code, 2), desk.progress(code, 4))
    with store.begin() as tx:
        assert tx.confirm(PORTAL, 1, desk.clock.now) == 1
        assert tx.confirm(PORTAL, 0, desk.clock.now) == 1
        assert tx.confirm(PORTAL, 99, desk.clock.now) == 2
        assert tx.confirm("nobody", 99, desk.clock.now) == 0
    with store.read() as view:
        reader = view.reader(PORTAL)
        assert (reader.head, reader.confirmed, reader.confirmed_at) == (2, 2, desk.clock.now)


def test_a_try_that_was_not_answered_counts_until_the_party_answers(desk, store, code):
    from gateway.core.model import Attempt

    desk.one(desk.filing(code))

    def tried(outcome, to, due=True):
        desk.clock.forward(minutes=1)
        with store.begin() as tx:
            (delivery,) = tx.claim_due(AGENCY, desk.clock.now, 1, 60)
            attempt = Attempt(
                delivery=delivery.id,
                number=1,
                kind="send",
                started_at=desk.clock.now,
                ended_at=desk.clock.now,
                outcome=outcome,
                problem=Problem("DLV-001", {}),
            )
            assert tx.settle(delivery, attempt, to, desk.clock.now if due else None)
        with store.read() as view:
            (queue,) = view.queues() or [None]
            return queue

    first = tried(AttemptOutcome.UNREACHABLE, DeliveryState.QUEUED)
    assert (first.failures, first.failing_since) == (1, desk.clock.now)
    second = tried(AttemptOutcome.UNCERTAIN, DeliveryState.UNKNOWN)
    assert (second.failures, second.failing_since) == (2, first.failing_since)
    answered = tried(AttemptOutcome.REFUSED, DeliveryState.REFUSED, due=False)
    assert (answered.failures, answered.failing_since) == (0, None)


def behind(store):
    with store.read() as view:
        return [told.ma_ho_so for told in view.told_behind(AGENCY)]


def told(store, desk, code, **news):
    with store.begin() as tx:
        tx.tell(AGENCY, code, ToldNews(**news), desk.clock.now, delivery="a delivery")


def test_a_party_is_behind_from_an_event_on_until_it_has_everything(store, desk, code):
    desk.one(desk.filing(code))
    told(store, desk, code, change=1, sent="a", taken="a", settled=True)
    assert behind(store) == []
    desk.one(desk.progress(code, 2))
    desk.one(desk.filing("H19.901-260115-99001"))  # of which nobody was told anything
    assert behind(store) == [code]
    told(store, desk, code, change=2, sent="b")  # it left, and nobody took it
    assert behind(store) == [code]
    told(store, desk, code, change=2, taken="b", refused=("c",), settled=True)
    assert behind(store) == [code]
    told(store, desk, code, taken="c")
    assert behind(store) == []


@pytest.mark.postgres
def test_an_event_that_is_being_written_while_a_party_is_told_for_the_first_time_leaves_it_behind(
    postgres_url, opened, desk_at
):
    store = Store(opened(postgres_url))
    desk, code = desk_at(store), "H19.901-260115-99001"
    desk.one(desk.filing(code))
    finding = desk.progress(code, 2)
    with store.begin() as tx:
        ledger = tx.open([finding])
        enter(finding, ledger, desk.counter, desk.clock.now)
        tx.write(ledger)
        told(store, desk, code, change=1, sent="a", taken="a", settled=True)  # waits for nobody
    assert behind(store) == [code]


def test_an_upgrade_looks_once_who_was_told_everything_before(store, desk, code):
    first, second = "H19.901-260115-99001", "H19.901-260115-99002"
    for one in (code, first, second):
        desk.one(desk.filing(one))
        told(store, desk, one, change=1, sent="a", taken="a", settled=True)
    desk.one(desk.progress(first, 2))
    told(store, desk, second, refused=("b",))
    script = ScriptDirectory.from_config(config_of()).get_revision("0022")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE told SET behind = true"))  # as the column begins
        connection.execute(text(script.module.LEVEL))
        found = connection.execute(text("SELECT ma_ho_so, behind FROM told")).all()
    assert {row.ma_ho_so: bool(row.behind) for row in found} == {code: False, first: True, second: True}
