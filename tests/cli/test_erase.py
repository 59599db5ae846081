"""erase: the bytes go, the traces stay; nothing goes that somebody still has to get."""

import base64
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from pki import SAMPLES

from gateway.core.model import Attempt, AttemptOutcome, DeliveryState, Fate
from gateway.core.problems import Problem

HS01, HS03, HS11 = (
    "accepted/HS01-nop-ho-so-toi-thieu",
    "accepted/HS03-tiep-nhan-toi-thieu",
    "accepted/HS11-tra-ket-qua-toi-thieu",
)
HO_SO = "H19.901-260115-0001"
RULE = ("erase", "--ended-before", "2026-06-01")


@pytest.fixture
def ended(office):
    """A dossier that has come to its end, everything delivered and fetched."""
    acks = [office.receive(HS01), office.receive(HS03, "so-tu-phap"), office.receive(HS11, "so-tu-phap")]
    with office.store.begin() as tx:
        tx.confirm("cong-dvc", 100, acks[-1].recorded_at)
    return acks


def delivered(office, cli):
    with office.store.read() as view:
        (delivery,) = view.deliveries(party="so-tu-phap")
    assert cli("skip", delivery.id, "--yes", "--reason", "thử").code == 0


def test_a_plan_is_shown_and_nothing_goes_without_yes_and_a_reason(cli, office, ended):
    delivered(office, cli)
    (row,) = cli(*RULE, "--dry-run", "--json").rows
    assert (row["dossiers"], row["messages"], row["bodies"], row["kept"], row["erased"]) == ([HO_SO], 3, 3, [], None)
    refused = cli(*RULE)
    assert (refused.code, "3 nội dung" in refused.out, "SYS-080" in refused.err) == (1, True, True)
    assert "SYS-041" in cli(*RULE, "--yes").err
    with office.store.read() as view:
        assert view.body(ended[0].message, ended[0].digest)


def test_the_bytes_go_and_the_traces_stay(cli, office, ended):
    delivered(office, cli)
    assert cli(*RULE, "--yes", "--reason", "hết hạn 10 năm", "--json").rows[0]["erased"] == 3
    with office.store.read() as view:
        assert [view.body(ack.message, ack.digest) for ack in ended] == [None] * 3
        assert view.receipt(ended[0].message)  # what was answered is kept
        act = view.last_act("retention.applied")
        assert (act.facts["bodies"], act.facts["reason"], act.who[:9]) == (3, "hết hạn 10 năm", "operator:")
    assert cli("log", "verify").code == 0
    assert cli("dossier", HO_SO, "--json").rows[0]["TrangThai"] == 9
    assert "đã xóa" in cli("show", ended[0].message).out
    assert "SYS-047" in cli("show", ended[0].message, "--content", "--reason", "x").err
    assert "SIG-133" in cli("evidence", ended[0].message, "--reason", "x").err
    (again,) = cli(*RULE, "--yes", "--reason", "lần nữa", "--json").rows
    assert (again["bodies"], again["erased"]) == (0, None)


def test_what_is_still_to_be_delivered_fetched_or_in_progress_is_kept(cli, office):
    office.receive(HS01)
    office.receive(HS03, "so-tu-phap")
    assert cli(*RULE, "--json").rows[0]["kept"] == []  # it is open: the rule does not concern it
    last = office.receive(HS11, "so-tu-phap")
    (row,) = cli(*RULE, "--json").rows
    assert (row["bodies"], row["kept"]) == (0, [{"what": HO_SO, "why": "unread", "party": "cong-dvc"}])
    assert f"{HO_SO}: chưa được lấy về bởi cong-dvc" in cli(*RULE).out
    with office.store.begin() as tx:
        tx.confirm("cong-dvc", 100, last.recorded_at)
    assert cli(*RULE, "--json").rows[0]["kept"] == [{"what": HO_SO, "why": "queued", "party": "so-tu-phap"}]
    assert cli("erase", HO_SO, "--yes", "--reason", "x", "--json").rows[0]["erased"] is None  # not even by name


def test_rejected_messages_go_by_the_day_they_came(cli, office, ended):
    refused = office.receive("rejected/HS04-XSD-010-thieu-ly-do", "so-tu-phap")
    rule = ("erase", "--rejected-before", "2999-01-01")
    assert cli("erase", "--rejected-before", "2020-01-01", "--dry-run", "--json").rows[0]["bodies"] == 0
    assert cli(*rule, "--yes", "--reason", "dọn", "--json").rows[0]["erased"] == 2  # and its receipt, which quotes it
    with office.store.read() as view:
        assert view.body(refused.message, refused.digest) is None
        assert view.body(ended[0].message, ended[0].digest)


# Gone from the disk ---------------------------------------------------------------------------------------------------

DAY_DU = "H19.901-260115-0002"
MARKS = ("Trần Thị Bưởi", "Nguyễn Văn Ánh", "MA-SAI-5512", "TRA-LOI-8841", "LOI-NOI-3306", "SO-NHO-7719")


def forms(mark):
    """A text as files may hold it: encodings, escapes, and base64 wherever it stands in what was encoded."""
    plain = mark.encode()
    yield from (plain, mark.encode("utf-16-le"), mark.encode("utf-16-be"))
    yield from (json.dumps(mark)[1:-1].encode(), mark.encode("ascii", "xmlcharrefreplace"), plain.hex().encode())
    for before in range(3):  # without the first and last characters, which its neighbours share
        yield base64.b64encode(b" " * before + plain)[4:-4]


PACKED = "SELECT bytes FROM body WHERE digest IN (SELECT digest FROM message) AND length(bytes) < kept"


def parts(packed):
    """Pieces of what was packed, so short that each lies on one page of the file; the first byte tells how it was packed."""
    return [packed[at : at + 24] for at in range(9, len(packed) - 24, 24)]


def files(folder):
    """What the files of the node hold."""
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def found(folder):
    """Which of the marks stand in any file of the node, and in which."""
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {
        (mark, file.name)
        for mark in MARKS
        for form in {*forms(mark)}
        for file, content in files.items()
        if form in content
    }


def tried(office, outcome, to, **more):
    """The first delivery that is due, tried once."""
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        (delivery,) = tx.claim_due("so-tu-phap", now, 1, 60.0)
        attempt = Attempt(
            delivery=delivery.id, number=0, kind="send", started_at=now, ended_at=now, outcome=outcome, **more
        )
        due = now if to in (DeliveryState.UNKNOWN, DeliveryState.QUEUED) else None
        assert tx.settle(delivery, attempt, to, due, remember={"so": "SO-NHO-7719"})


@pytest.fixture
def marked(office):
    """A dossier whose content, refusal, answers and memory bear marks."""
    office.receive("accepted/HS01-nop-ho-so-day-du")
    bad = (
        (SAMPLES / "accepted" / "HS01-nop-ho-so-day-du.xml")
        .read_bytes()
        .replace(b"LoaiDoiTuong>1<", b"LoaiDoiTuong>MA-SAI-5512<", 1)
    )
    office.receive("", body=bad)
    problem = Problem("DLV-031", {"text": "LOI-NOI-3306"})
    tried(office, AttemptOutcome.UNCERTAIN, DeliveryState.UNKNOWN, problem=problem, receipt=b"<a>TRA-LOI-8841</a>")
    tried(office, AttemptOutcome.DELIVERED, DeliveryState.DELIVERED, receipt=b"TRA-LOI-8841", reference="TRA-LOI-8841")
    return office


@pytest.mark.hostile
@pytest.mark.threat("T-ERASED")
def test_what_was_erased_is_in_no_file_of_the_node(cli, marked):
    with closing(sqlite3.connect(marked.folder / "lienthong.sqlite3")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that it stands in the file and not in the WAL alone
        packed = [bytes(content) for (content,) in connection.execute(PACKED)]  # they hold the first two marks
    assert {mark for mark, _ in found(marked.folder)} == set(MARKS[2:])
    assert len(packed) == 2
    assert all(any(part in content for content in files(marked.folder)) for one in packed for part in parts(one)[:1])
    result = cli("erase", DAY_DU, "--yes", "--reason", "theo yêu cầu")
    assert (result.code, "WAL đã thu gọn" in result.err) == (0, True)
    assert found(marked.folder) == set()
    assert not [
        part for one in packed for part in parts(one) if any(part in content for content in files(marked.folder))
    ]
    assert cli("log", "verify", "--store").code == 0  # what was erased is no difference
    assert cli("dossier", DAY_DU).code == 0
    with marked.store.read() as view:
        (refused,) = view.messages(state=Fate.REJECTED)
    shown = cli("show", refused.id)
    assert (shown.code, "XSD-" in shown.out) == (0, True)  # the code stays, what it quoted does not
    assert cli("erase", DAY_DU, "--dry-run", "--json").rows[0]["messages"] == 0


@pytest.mark.hostile
@pytest.mark.threat("T-ERASED")
def test_a_journal_that_somebody_reads_is_told_of_and_emptied_later(cli, marked):
    with marked.store.read() as view:
        assert view.dossier(DAY_DU)
        assert "SYS-059" in cli("erase", DAY_DU, "--yes", "--reason", "theo yêu cầu").err
    assert cli("erase", "--vacuum").code == 1  # an act, and nobody there to ask
    assert cli("erase", "--vacuum", "--yes", "--reason", "dọn").code == 0
    assert found(marked.folder) == set()


def test_the_same_bytes_of_another_message_stay(cli, office, ended):
    refused = office.receive(HS01, "so-xay-dung")  # the same bytes from another party: a message of its own
    rule = ("erase", "--rejected-before", "2999-01-01", "--yes", "--reason", "dọn", "--json")
    assert cli(*rule).rows[0]["messages"] == 1
    assert cli("log", "verify", "--store").code == 0
    with office.store.read() as view:
        assert (refused.digest, view.body(refused.message, refused.digest)) == (ended[0].digest, None)
        assert view.body(ended[0].message, ended[0].digest)


def test_a_rule_must_be_given_and_a_dossier_must_be_on_record(cli, office):
    assert cli("erase").code == 2
    assert "SYS-042" in cli("erase", "H19.901-260115-9999").err
