"""Trays through the store, on every database."""

from gateway.core.chain import verify
from gateway.core.model import Fate


def test_a_filed_dossier_is_on_record_with_all_that_it_causes(desk, store, code):
    finding = desk.filing(code)
    ack = desk.one(finding)

    with store.read() as view:
        message = view.message(finding.envelope.id)
        assert (message.state, message.ma_ho_so, message.digest) == (Fate.ACCEPTED, code, finding.envelope.digest)
        assert view.body(message.digest) == finding.envelope.body
        assert view.receipt(message.id) == ack.receipt
        (delivery,) = view.deliveries(message=message.id)
        assert (delivery.party, delivery.lane, delivery.digest) == ("so-tu-phap", code, message.digest)
        dossier = view.dossier(code)
        assert (dossier.trang_thai, dossier.portal, dossier.agency) == (1, "cong-dvc", "so-tu-phap")
        assert [change.message for change in dossier.changes] == [message.id]
        assert view.log_head().number == 1
        assert verify(view.log_entries()).whole


def test_an_inbox_counts_from_one_without_gaps(desk, store, code):
    desk.one(desk.filing(code))
    desk.take(*[desk.progress(code, 2), desk.progress(code, 4)])
    desk.one(desk.progress(code, 9))

    with store.read() as view:
        assert [entry.position for entry in view.inbox_after("cong-dvc", 0)] == [1, 2, 3]
        assert [entry.trang_thai for entry in view.inbox_after("cong-dvc", 1)] == [4, 9]
        assert view.head("cong-dvc") == 3
        assert view.inbox_after("cong-dvc", 3) == []


def test_the_same_bytes_again_get_the_first_receipt_and_leave_no_second_trace(desk, store, code):
    finding = desk.filing(code)
    first = desk.one(finding)
    again = desk.one(desk.filing(code, ma=finding.thong_diep.ma_thong_diep, body=finding.envelope.body))

    assert (again.receipt, again.repeated, again.message) == (first.receipt, True, first.message)
    with store.read() as view:
        assert len(view.messages()) == 1
        assert len(view.deliveries()) == 1
