"""log show | verify | export."""

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core import chain
from gateway.services.bundles import seal_log
from gateway.services.proving import prove_log
from gateway.settings import load
from gateway.wiring import own_certificates
from signing.heads import Heads

HS01 = "accepted/HS01-nop-ho-so-toi-thieu"


def test_the_chain_of_a_node_is_whole(cli, office):
    office.receive(HS01)
    (row,) = cli("log", "verify", "--json").rows
    assert row["whole"]
    assert row["entries"] == len(cli("log", "export", "--json").rows)


def test_an_export_verifies_elsewhere_without_a_database(cli, office, tmp_path):
    office.receive(HS01)
    (tmp_path / "nhat-ky.jsonl").write_text(cli("log", "export", "--json").out)
    elsewhere = tmp_path / "x"
    elsewhere.mkdir()
    result = cli("log", "verify", "--file", tmp_path / "nhat-ky.jsonl", folder=elsewhere)
    assert (result.code, "nguyên vẹn" in result.out) == (0, True)


@pytest.mark.parametrize("harm", ["change", "cut", "insert", "garble"])
def test_a_harmed_export_is_found_out(cli, office, tmp_path, harm):
    office.receive(HS01)
    lines = cli("log", "export", "--json").out.splitlines()
    if harm == "change":
        row = json.loads(lines[1])
        lines[1] = json.dumps({**row, "who": "operator:somebody-else"})
    elif harm == "cut":
        del lines[1]
    elif harm == "insert":
        lines.insert(1, lines[1])
    else:
        lines[1] = "{"
    file = tmp_path / "nhat-ky.jsonl"
    file.write_text("\n".join(lines) + "\n")
    result = cli("log", "verify", "--file", file)
    assert result.code == 1
    assert ("SYS-045" if harm == "garble" else "SYS-050") in result.err


def test_a_cut_at_the_end_is_found_out_by_a_witness(cli, office, tmp_path):
    office.receive(HS01)
    rows = cli("log", "export", "--json").rows
    file = tmp_path / "nhat-ky.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    witness = f"{rows[-1]['number']}:{rows[-1]['hash']}"
    assert cli("log", "verify", "--file", file).code == 0
    assert cli("log", "verify", "--file", file, "--witness", witness).code == 1
    assert cli("log", "verify", "--witness", witness).code == 0


def test_a_witness_that_is_none_is_wrong_usage(cli, office):
    assert cli("log", "verify", "--witness", "x").code == 2


# Who did, who looked ------------------------------------------------------------------------------------------------

HO_SO = "H19.901-260115-0001"


def test_who_looked_at_a_dossier_and_who_did_what_is_one_question(cli, office, monkeypatch):
    ack = office.receive(HS01)
    office.receive("accepted/HS01-nop-ho-so-day-du")
    assert cli("show", ack.message, "--content", "--reason", "Thanh tra hỏi", "--as", "Lan").code == 0
    with office.store.begin() as tx:
        tx.release(HO_SO, who="operator:Minh", reason="chiếm mã", now=datetime.now(UTC))
    looked = cli("log", "show", "--dossier", HO_SO, "--what", "message.read", "--json").rows
    assert [(row["message"], row["facts"]["reason"]) for row in looked] == [(ack.message, "Thanh tra hỏi")]
    assert "Lan" in looked[0]["who"]
    of_it = cli("log", "show", "--dossier", HO_SO, "--json").rows
    assert [row["what"] for row in of_it] == ["message.accepted", "message.read", "dossier.released"]
    assert [row["what"] for row in cli("log", "show", "--message", ack.message, "--json").rows] == [
        "message.accepted",
        "message.read",
    ]
    persons = cli("log", "show", "--who", "operator:", "--what", "dossier.", "--json").rows
    assert [row["who"] for row in persons] == ["operator:Minh"]
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli("log", "show", "--dossier", HO_SO)
    assert {"Mục", "xem", "Thanh", "giải", HO_SO} <= set(shown.out.split())
    assert max(map(len, shown.out.splitlines())) <= 80


def test_a_list_that_was_cut_says_how_much_is_left_and_times_choose(cli, office):
    office.receive(HS01)
    everything = cli("log", "show", "--json").rows
    cut = cli("log", "show", "--limit", "2")
    assert f"còn {len(everything) - 2} mục trước đó" in cut.err
    today = datetime.now(UTC)
    later, earlier = (today + timedelta(days=1)).isoformat(), (today - timedelta(days=1)).isoformat()
    assert cli("log", "show", "--since", earlier, "--until", later, "--json").rows == everything
    assert "Không có mục nào" in cli("log", "show", "--since", later).out
    assert "Không có mục nào" in cli("log", "show", "--until", earlier).out
    assert cli("log", "show", "--since", later, "--until", earlier).code == 2
    assert "SYS-042" in cli("log", "show", "--dossier", "H19.901-260115-9999").err


# The tables -----------------------------------------------------------------------------------------------------------


@contextmanager
def database(office):
    """The node's file, as anybody who may write to it can open it."""
    with closing(sqlite3.connect(office.folder / "lienthong.sqlite3")) as connection, connection:
        yield connection


@pytest.mark.threat("T-TABLES-LOG")
def test_a_state_changed_by_another_way_is_named_with_what_the_log_says(cli, office):
    ack, other = office.receive(HS01), office.receive(HS01, "so-xay-dung")
    agrees = cli("log", "verify", "--store")
    assert (agrees.code, "Các bảng khớp với nhật ký" in agrees.out) == (0, True)
    with database(office) as connection:
        connection.execute("UPDATE message SET state = 'rejected' WHERE id = ?", [ack.message])
    assert cli("log", "verify").code == 0  # the chain alone does not see it
    result = cli("log", "verify", "--store")
    assert (result.code, "SYS-058" in result.err) == (1, True)
    assert f"message {ack.message}: state là “rejected”, nhật ký ghi “accepted”" in result.out
    (row,) = cli("log", "verify", "--store", "--json").rows
    (first,) = row["store"]["first"]
    assert (first["column"], first["found"], first["logged"]) == ("state", "rejected", "accepted")
    assert (row["whole"], row["store"]["agrees"], row["store"]["differences"]) == (True, False, 1)
    with database(office) as connection:
        connection.execute("UPDATE message SET channel = 'cli' WHERE id = ?", [other.message])
    assert "… còn 1 nữa." in cli("log", "verify", "--store", "--most", "1").out


@pytest.mark.threat("T-TABLES-LOG")
def test_what_the_nightly_run_finds_is_an_alert_until_a_run_that_looks_at_as_much_finds_nothing(cli, office):
    ack = office.receive(HS01)

    def alarms():
        return [(row["cause"], row["subject"]) for row in cli("alerts", "--json").rows if row["alarm"] == "log-flawed"]

    def last(what):
        with office.store.read() as view:
            return view.last_act(what), view.verified_at("log")

    assert (cli("log", "verify").code, last("log.flawed")) == (0, (None, None)), "the tables were not looked at"
    with database(office) as connection:
        connection.execute("UPDATE message SET state = 'rejected' WHERE id = ?", [ack.message])
    for _ in range(2):
        assert cli("log", "verify", "--store", "--json").code == 1
        assert alarms() == [("SYS-058", f"message {ack.message}")]
    line, good = last("log.flawed")
    assert (line.number, good) == (len(cli("log", "export", "--json").rows), None), "said once, and it is the newest"
    assert "SYS-058" in cli("alerts").out
    assert cli("log", "verify").code == 0
    assert alarms(), "the chain alone says nothing of the tables"
    with database(office) as connection:
        connection.execute("UPDATE message SET state = 'accepted' WHERE id = ?", [ack.message])
    assert cli("log", "verify", "--store", "--all").code == 0
    assert alarms() == []
    assert None not in last("log.verified")


def test_a_broken_chain_is_an_alert_and_what_a_person_brings_along_is_not(cli, office):
    office.receive(HS01)
    assert "SYS-050" in cli("log", "verify", "--witness", f"1:{'0' * 64}").err
    assert "log-flawed" not in cli("alerts", "--json").out
    with database(office) as connection:
        connection.execute("DROP TRIGGER log_no_update")
        (who,) = connection.execute("SELECT who FROM log WHERE number = 1").fetchone()
        connection.execute("UPDATE log SET who = 'operator:ai-do' WHERE number = 1")
    assert cli("log", "verify", "--store").code == 1
    (row,) = [row for row in cli("alerts", "--json").rows if row["alarm"] == "log-flawed"]
    assert (row["cause"], row["facts"], row["severity"]) == ("SYS-050", {"number": 1, "reason": "changed"}, "now")
    assert "nội dung không khớp băm" in cli("alerts").out
    with database(office) as connection:
        connection.execute("UPDATE log SET who = ? WHERE number = 1", [who])
    assert cli("log", "verify").code == 0
    assert "log-flawed" not in cli("alerts", "--json").out


def test_a_backup_that_was_restored_agrees_with_itself_and_a_witness_tells_what_is_lacking(cli, office, monkeypatch):
    """Its first message is of version 0.1.0, whose lines had no seals."""
    monkeypatch.setattr("gateway.store.page._sealed", lambda entry, *_: {"inbox": {}} if entry.inbox else {})
    office.receive(HS01)
    monkeypatch.undo()
    file, kept = office.folder / "lienthong.sqlite3", office.folder / "sao-luu.sqlite3"
    with closing(sqlite3.connect(file)) as connection, closing(sqlite3.connect(kept)) as copy:
        connection.backup(copy)
    office.receive("accepted/HS03-tiep-nhan-toi-thieu", "so-tu-phap")
    last = cli("log", "export", "--json").rows[-1]
    with closing(sqlite3.connect(kept)) as copy, closing(sqlite3.connect(file)) as connection:
        copy.backup(connection)
    older = cli("log", "verify", "--store")
    assert (older.code, "message 1, verdict 1; các dòng này do phiên bản 0.1.0" in older.out) == (0, True)
    assert "SYS-050" in cli("log", "verify", "--store", "--witness", f"{last['number']}:{last['hash']}").err


def test_an_export_has_no_tables_to_compare(cli, office, tmp_path):
    assert cli("log", "verify", "--store", "--file", tmp_path / "x").code == 2


# Signed heads -------------------------------------------------------------------------------------------------------


def sealed(office):
    now = datetime.now(UTC)
    return seal_log(office.store, office.gate.key, gateway="H19.900", now=now, every=timedelta(0))


@pytest.mark.threat("T-LOG-HEAD")
def test_an_export_and_our_certificate_are_all_that_a_check_of_the_heads_needs(cli, office, tmp_path):
    office.receive(HS01)
    head = sealed(office)
    file, elsewhere = tmp_path / "nhat-ky.jsonl", tmp_path / "x"
    file.write_text(cli("log", "export", "--json").out)
    elsewhere.mkdir()
    certificate = office.folder / "keys" / "truc.cert.pem"
    (row,) = cli("log", "verify", "--file", file, "--cert", certificate, "--json", folder=elsewhere).rows
    assert (row["whole"], row["signed_heads"], row["signed_up_to"]) == (True, 1, head.number)
    (own,) = cli("log", "verify", "--json").rows  # on the node the certificate is known
    assert own["signed_up_to"] == head.number
    bare = cli("log", "verify", "--file", file, folder=elsewhere)
    assert (bare.code, "chưa được kiểm" in bare.out) == (0, True)


@pytest.mark.threat("T-LOG-HEAD")
def test_a_chain_written_anew_does_not_go_through_the_heads_that_others_hold(cli, office, tmp_path):
    office.receive(HS01)
    sealed(office)
    rows = cli("log", "export", "--json").rows
    jws = rows[-1]["facts"]["jws"]
    before = chain.GENESIS.hash
    for row in rows:  # whoever owns the database changes a line and links the chain again
        row["who"] = row["who"].replace("cong-dvc", "cong-khac")
        before = row["hash"] = chain.link(before, chain.LogEntry(**{**row, "at": datetime.fromisoformat(row["at"])}))
    file = tmp_path / "viet-lai.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = cli("log", "verify", "--file", file)
    assert (result.code, "SIG-134" in result.err) == (1, True)
    assert cli("log", "verify", "--witness", jws).code == 0
    assert "SYS-050" in cli("log", "verify", "--file", file, "--witness", jws).err
    assert "SIG-134" in cli("log", "verify", "--witness", jws[:-6] + "AAAAAA").err


# From where it was verified before ----------------------------------------------------------------------------------


@contextmanager
def changed(office, statement):
    """The node's file as somebody left it who may write to it; as it was, afterwards."""
    file, kept = office.folder / "lienthong.sqlite3", office.folder / "truoc.sqlite3"
    with closing(sqlite3.connect(file)) as connection, closing(sqlite3.connect(kept)) as copy:
        connection.backup(copy)
    with database(office) as connection:
        connection.execute("DROP TRIGGER log_no_update")
        assert connection.execute(statement).rowcount == 1
    yield
    with closing(sqlite3.connect(kept)) as copy, closing(sqlite3.connect(file)) as connection:
        copy.backup(connection)


def test_a_verification_begins_at_the_newest_signed_head_that_the_one_before_came_to(cli, office):
    office.receive(HS01)
    head = sealed(office)
    (first,) = cli("log", "verify", "--store", "--json").rows
    (second,) = cli("log", "verify", "--store", "--json").rows
    assert (first["from"], second["from"], second["entries"]) == (0, head.number, first["entries"])
    assert second["whole"]
    assert first["store"]["compared"]["message"] >= 1
    assert "message" not in second["store"]["compared"], "nothing was told of one after it"
    with changed(office, "UPDATE log SET who = 'operator:ai-do' WHERE number = 1"):
        assert cli("log", "verify").code == 0, "what lies before the head is the whole walk's"
        assert "SYS-050" in cli("log", "verify", "--all").err
        assert "SYS-050" in cli("log", "verify", "--witness", f"1:{'0' * 64}").err, "a witness of before asks for it"
    with changed(office, f"UPDATE log SET who = 'operator:ai-do' WHERE number = {head.number}"):
        assert "SYS-050" in cli("log", "verify").err
    with changed(
        office, "UPDATE counter SET hash = substr(hash, 1, length(hash) - 8) || 'AAAAAAAA' WHERE name = '~proven'"
    ):
        assert cli("log", "verify", "--json").rows[0]["from"] == 0, "a beginning that nobody signed is none"


def test_a_verification_from_a_head_that_is_named_says_so_and_refuses_another_chain(cli, office):
    office.receive(HS01)
    first = cli("log", "export", "--json").rows[0]
    named = cli("log", "verify", "--from", f"{first['number']}:{first['hash']}")
    assert (named.code, "--all" in named.out) == (0, True)
    assert "SYS-050" in cli("log", "verify", "--from", f"{first['number']}:{'0' * 64}").err
    assert cli("log", "verify", "--from", "1:x").code == 2
    assert cli("log", "verify", "--from", f"1:{'0' * 64}", "--all").code == 2


def test_a_verification_that_leaves_something_out_moves_no_beginning(cli, office):
    office.receive(HS01)
    proven = sealed(office)
    assert cli("log", "verify", "--store").code == 0
    office.receive("accepted/HS03-tiep-nhan-toi-thieu", "so-tu-phap")
    later = cli("log", "export", "--json").rows[-1]
    newest = sealed(office)
    assert proven.number < later["number"] <= newest.number
    named = f"{later['number']}:{later['hash']}"
    for more in ((), ("--store",)):
        assert cli("log", "verify", "--from", named, *more).code == 0
        assert cli("log", "verify", *more, "--json").rows[0]["from"] == proven.number, more


def test_the_tables_are_compared_from_where_they_were_compared_not_from_where_the_chain_was_walked(cli, office):
    office.receive(HS01)
    compared = sealed(office)
    assert cli("log", "verify", "--store").code == 0
    ack = office.receive("accepted/HS03-tiep-nhan-toi-thieu", "so-tu-phap")
    walked = sealed(office)
    assert cli("log", "verify").code == 0
    assert cli("log", "verify", "--json").rows[0]["from"] == walked.number
    with changed(office, f"UPDATE message SET caller_by = 'x' WHERE id = '{ack.message}'"):
        assert "SYS-058" in cli("log", "verify", "--store").err
    (row,) = cli("log", "verify", "--store", "--json").rows
    assert (row["from"], row["store"]["agrees"]) == (compared.number, True)
    assert cli("log", "verify", "--store", "--json").rows[0]["from"] == walked.number


def test_what_is_changed_after_the_head_is_found_in_the_tables_too(cli, office):
    office.receive(HS01)
    head = sealed(office)
    assert cli("log", "verify", "--store").code == 0
    ack = office.receive("accepted/HS03-tiep-nhan-toi-thieu", "so-tu-phap")
    (row,) = cli("log", "verify", "--store", "--json").rows
    assert (row["from"], row["store"]["agrees"]) == (head.number, True)
    assert {"message", "change", "dossier", "body"} <= row["store"]["compared"].keys()
    with changed(office, f"UPDATE message SET caller_by = 'x' WHERE id = '{ack.message}'"):
        assert "SYS-058" in cli("log", "verify", "--store").err


def test_several_processes_walk_a_chain_as_one_does_and_find_the_same(office):
    office.receive(HS01)
    sealed(office)
    certificates = own_certificates(load(office.folder / "lienthong.toml", given={}).settings)
    alone, shared = Heads(certificates), Heads(certificates)
    one = prove_log(office.gate.store, alone, witnesses={}, processes=1)
    half = {"witnesses": {}, "processes": 2, "part": -(-one.head.number // 2)}
    two = prove_log(office.gate.store, shared, **half)
    assert (one.whole, two, shared.newest) == (True, one, alone.newest)
    assert alone.newest is not None
    with changed(office, f"UPDATE log SET who = 'operator:ai-do' WHERE number = {one.head.number}"):
        found = prove_log(office.gate.store, Heads(certificates), **half)
    assert (found.flaw, found.number) == (chain.Flaw.CHANGED, one.head.number)
