"""backup, restore, db copy: a node is destroyed and comes back, and nobody believes more than is true afterwards."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from patience import stays

from gateway.core.ledger import LogLine
from gateway.core.model import DeliveryState
from gateway.core.problems import Stopped
from gateway.opening import open_store, store_at
from gateway.services.archiving import make_archive, rewrite_erased_files
from gateway.services.backups import KIND
from gateway.services.feed import page
from gateway.settings import load
from gateway.store.archives import month_of
from gateway.store.dumps import dump_line, dump_tables, picture
from gateway.wiring import archive_keeper, build
from signing.jws import Jws, sign_jws

HS01, HS03, HS11 = (
    "accepted/HS01-nop-ho-so-toi-thieu",
    "accepted/HS03-tiep-nhan-toi-thieu",
    "accepted/HS11-tra-ket-qua-toi-thieu",
)
ACT = ("--yes", "--reason", "thử")


def back_up(cli):
    (row,) = cli("backup", "--json").rows
    return row


def destroyed(office):
    """The database is gone, with its journal."""
    office.store.dispose()
    for file in office.folder.glob("lienthong.sqlite3*"):
        file.unlink()


def again(office):
    """The node after a restore, as a process that starts finds it."""
    loaded = load(office.folder / "lienthong.toml", {})
    return replace(office, gate=build(loaded.settings, open_store(loaded)))


def begun(node):
    """The generation of a node's database, as the log says."""
    with node.store.read() as view:
        return view.last_act("restored").facts["generation"]


def dumped(engine, folder):
    """Every row of every table, as it travels, in one order."""
    with picture(engine, folder) as now:
        return {table.name: sorted(dump_line(row) for row in now.rows(table)) for table in dump_tables()}


@pytest.fixture
def restored(cli, office):
    """A node that was backed up, went on, was destroyed and restored; the acknowledgements before and after the backup."""
    before = [office.receive(HS01), office.receive(HS03, "so-tu-phap")]
    made = back_up(cli)
    after = office.receive(HS11, "so-tu-phap")
    destroyed(office)
    (row,) = cli("restore", made["file"], *ACT, "--json").rows
    assert row["generation"] > 1
    node = again(office)
    yield node, before, after, made
    node.store.dispose()


def test_a_restored_node_has_everything_up_to_its_backup_and_its_log_holds(cli, restored):
    node, before, after, made = restored
    with node.store.read() as view:
        assert [view.receipt(ack.message) for ack in before] == [ack.receipt for ack in before]
        assert view.message(after.message) is None
        line = view.last_act("restored")
        assert (line.facts["number"], line.facts["reason"]) == (made["number"], "thử")
    assert cli("log", "verify", "--store").code == 0
    assert cli("doctor").out.count("SYS-031") == 0


def test_a_message_that_was_lost_is_taken_again_and_one_on_record_is_a_repeat(restored):
    node, before, after, _ = restored
    lost, known = node.receive(HS11, "so-tu-phap"), node.receive(HS03, "so-tu-phap")
    assert (lost.repeated, known.repeated, known.receipt) == (False, True, before[1].receipt)
    assert lost.message != after.message


def test_what_waits_is_asked_for_first_since_it_may_have_arrived_since(restored):
    node, *_ = restored
    with node.store.read() as view:
        waiting = [one for one in view.deliveries(limit=10) if one.state is DeliveryState.QUEUED]
    assert waiting
    assert all(one.ask_first for one in waiting)


def test_a_reader_with_a_position_from_before_is_told_and_nothing_is_skipped(restored):
    node, *_ = restored
    now = datetime.now(UTC)
    with node.store.read() as view:
        head = view.head("cong-dvc")
    with pytest.raises(Stopped) as stop:  # it had read what came after the backup
        page(node.store, "cong-dvc", head + 1, 10, now)
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts["same"], problem.facts["generation"]) == ("SYS-144", head, begun(node))
    node.receive(HS11, "so-tu-phap")  # the position exists now, and is another message's
    with pytest.raises(Stopped) as stop:
        page(node.store, "cong-dvc", head + 1, 10, now)
    assert stop.value.problems[0].code == "SYS-144"
    with node.store.read() as view:
        assert view.reader("cong-dvc").confirmed <= head
    found = page(node.store, "cong-dvc", head, 10, now)
    assert (found.generation, [one.position for one in found.entries]) == (begun(node), [head + 1])
    assert page(node.store, "cong-dvc", head + 1, 10, now).entries == []  # it has come over: its positions count again


def test_a_reader_that_names_its_generation_is_told_whatever_another_reader_of_its_party_knows(restored):
    node, *_ = restored
    now = datetime.now(UTC)
    node.receive(HS11, "so-tu-phap")
    with node.store.read() as view:
        head = view.head("cong-dvc")
    page(node.store, "cong-dvc", 0, 10, now)
    with pytest.raises(Stopped) as stop:
        page(node.store, "cong-dvc", head, 10, now, generation=1)
    assert stop.value.problems[0].code == "SYS-144"
    assert page(node.store, "cong-dvc", head, 10, now, generation=begun(node)).head == head


def test_two_restores_in_a_row_do_not_forget_a_reader_that_was_away(cli, restored):
    node, *_ = restored
    with node.store.read() as view:
        head = view.head("cong-dvc")
    second = begun(node)
    node.receive(HS11, "so-tu-phap")
    made = back_up(cli)
    destroyed(node)
    assert cli("restore", made["file"], *ACT).code == 0
    third = again(node)
    with pytest.raises(Stopped) as stop:
        page(third.store, "cong-dvc", head + 1, 10, datetime.now(UTC))
    said = stop.value.problems[0].facts
    assert (said["same"], said["generation"] > second) == (head, True)
    third.store.dispose()


def test_a_backup_that_is_restored_twice_begins_two_generations(cli, restored, monkeypatch):
    """Nothing in the backup tells of the first restore, and the second inbox grows as far as the first one had come."""
    node, _, _, made = restored
    first, later = begun(node), datetime.now(UTC) + timedelta(minutes=2)
    node.receive(HS11, "so-tu-phap")
    with node.store.read() as view:
        head = view.head("cong-dvc")
    assert page(node.store, "cong-dvc", head, 10, later, generation=first).head == head
    destroyed(node)
    monkeypatch.setattr("gateway.cli.command.CommandRun.now", later)
    assert cli("restore", made["file"], *ACT).code == 0
    second = again(node)
    second.receive(HS11, "so-tu-phap")
    with pytest.raises(Stopped) as stop:
        page(second.store, "cong-dvc", head, 10, later, generation=first)
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts["same"], problem.facts["generation"]) == ("SYS-144", head - 1, begun(second))
    second.store.dispose()


def test_the_report_names_what_each_party_has_to_send_again(cli, restored, tmp_path):
    node, before, after, made = restored
    receipts = tmp_path / "bien-nhan"
    receipts.mkdir()
    (receipts / "a.xml").write_bytes(before[1].receipt)
    (receipts / "b.xml").write_bytes(after.receipt)
    (receipts / "c.xml").write_bytes(after.receipt.replace(b"CHAP_NHAN", b"TU_CHOI"))
    (receipts / "d.xml").write_text("<a/>", "utf-8")
    found = cli("restore", "--report", "--receipts", receipts, "--json")
    assert found.code == 1
    rows = found.rows
    assert (rows[0]["generation"], rows[0]["log_up_to"]) == (begun(node), made["number"])
    party = next(row for row in rows if row.get("party") == "so-tu-phap" and "lost" in row)
    assert party["send_again_from"] == rows[0]["backup_made_at"]
    held = {row["receipt"].rsplit("/", 1)[-1]: row for row in rows if "receipt" in row}
    assert (held["a.xml"]["on_record"], held["b.xml"]["on_record"]) == (True, False)
    assert party["lost"] == [held["b.xml"]["ma_thong_diep"]]
    assert held["c.xml"]["problem"]["code"].startswith("SIG-")
    assert held["d.xml"]["problem"]["code"] == "BAK-011"
    text = cli("restore", "--report", "--receipts", receipts, "--witness", f"{made['number'] + 3}:{'0' * 64}").out
    assert "3 mục đã mất" in text
    assert held["b.xml"]["ma_thong_diep"] in text


def test_without_a_restore_there_is_nothing_to_report(cli, office):
    found = cli("restore", "--report")
    assert (found.code, "chưa khôi phục" in found.err) == (0, True)


def test_a_backup_is_readable_by_its_owner_alone_signed_and_without_keys(cli, office):
    office.receive(HS01)
    made = back_up(cli)
    path = office.folder / made["file"]
    assert oct(path.stat().st_mode)[-3:] == "600"
    checked = cli("backup", made["file"], "--check", "--json").rows[0]
    assert (checked["whole"], checked["tables"]["message"]) == (True, 1)
    with zipfile.ZipFile(path) as zipped:
        everything = b"".join(zipped.read(name) for name in zipped.namelist())
    assert b"PRIVATE KEY" not in everything
    assert "key.file" in made["files_apart"]
    with office.store.read() as view:
        assert view.last_act("backup").facts["file"] == path.name


def test_only_the_newest_backups_stay_in_the_folder(cli, office):
    folder = office.folder / "backups"
    folder.mkdir()
    old = [folder / f"H19.900-2026010{day}T000000Z.lienthong.zip" for day in range(1, 5)]
    for file in [*old, folder / "other.zip"]:
        file.write_bytes(b"")
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace("#keep = 14", "keep = 3"), "utf-8")
    made = back_up(cli)
    assert {one.rsplit("/", 1)[-1] for one in made["removed"]} == {old[0].name, old[1].name}
    assert (folder / "other.zip").exists()
    assert cli("backup", made["file"]).code == 1  # nothing is written over


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: data[: len(data) // 2], "BAK-002"),
        (lambda data: data.replace(b"PK", b"XX"), "BAK-002"),
        (lambda _: b"", "BAK-002"),
    ],
    ids=["cut", "no-zip", "empty"],
)
def test_what_is_no_backup_is_refused(cli, office, damage, code):
    made = back_up(cli)
    path = office.folder / made["file"]
    path.write_bytes(damage(path.read_bytes()))
    found = cli("backup", made["file"], "--check")
    assert (found.code, code in found.err) == (1, True)


def rewritten(path, change):
    """The same backup with some member changed."""
    with zipfile.ZipFile(path) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)


def one_row_less(members):
    members["tables/claim.jsonl"] = b"\n".join(members["tables/claim.jsonl"].splitlines()[1:])


def another_state(members):
    members["tables/message.jsonl"] = members["tables/message.jsonl"].replace(b"accepted", b"rejected")


def no_table(members):
    del members["tables/dossier.jsonl"]


def not_json(members):
    members["tables/log.jsonl"] = b"{\n" + members["tables/log.jsonl"]


@pytest.mark.parametrize("change", [one_row_less, another_state, no_table, not_json])
def test_a_changed_backup_is_refused_and_restores_nothing(cli, office, change):
    office.receive(HS01)
    made = back_up(cli)
    rewritten(office.folder / made["file"], change)
    destroyed(office)
    found = cli("restore", made["file"], *ACT)
    assert (found.code, "BAK-004" in found.err) == (1, True)
    assert cli("doctor").code == 1  # no database


def test_a_manifest_that_another_key_signed_proves_nothing(cli, office, tmp_path):
    made = back_up(cli)
    shutil.copy(office.folder / made["file"], tmp_path / "b.zip")
    assert cli("init", tmp_path / "other").code == 0
    found = cli("backup", tmp_path / "b.zip", "--check", folder=tmp_path / "other")
    assert (found.code, "BAK-003" in found.err) == (1, True)
    signed = json.loads(cli("backup", "--json").out)

    def of_another_one(members):
        head, _, sign = members["manifest.jws"].rpartition(b".")
        members["manifest.jws"] = head + b"." + (b"B" if sign[:1] == b"A" else b"A") + sign[1:]

    rewritten(office.folder / signed["file"], of_another_one)
    assert "BAK-003" in cli("backup", signed["file"], "--check").err


def test_nothing_is_restored_over_what_is_there(cli, office):
    office.receive(HS01)
    made = back_up(cli)
    found = cli("restore", made["file"], *ACT)
    assert (found.code, "BAK-005" in found.err) == (1, True)
    with office.store.read() as view:
        assert view.last_act("restored") is None


def test_a_log_that_was_not_whole_when_it_was_backed_up_is_not_brought_back(cli, office):
    office.receive(HS01)
    with closing(sqlite3.connect(office.folder / "lienthong.sqlite3")) as raw:
        raw.execute("DROP TRIGGER log_no_update")
        raw.execute("UPDATE log SET who = 'nobody' WHERE number = 2")
        raw.commit()
    made = back_up(cli)
    destroyed(office)
    found = cli("restore", made["file"], *ACT)
    assert (found.code, "BAK-007" in found.err) == (1, True)
    assert cli("db", "upgrade").code == 0  # nothing was left there


def test_a_backup_of_a_newer_program_is_refused_by_its_revision(cli, office):
    made = back_up(cli)

    def of_a_newer_one(members):
        said = Jws.read(members["manifest.jws"].decode(), KIND, 1 << 20).payload
        members["manifest.jws"] = sign_jws({**said, "schema": "9999", "program": "9.0"}, KIND, office.gate.key).encode()

    rewritten(office.folder / made["file"], of_a_newer_one)
    destroyed(office)
    found = cli("restore", made["file"], *ACT)
    assert (found.code, "BAK-006" in found.err, "9.0" in found.err) == (1, True, True)


def test_a_restore_asks_and_a_dry_run_only_looks(cli, office):
    made = back_up(cli)
    destroyed(office)
    assert "SYS-080" in cli("restore", made["file"]).err
    dry = cli("restore", made["file"], "--dry-run")
    assert (dry.code, "Nhật ký tới mục" in dry.out) == (0, True)
    assert not (office.folder / "lienthong.sqlite3").exists()


# What lies outside the database --------------------------------------------------------------------------------------


@pytest.mark.parametrize("archived", [False, True], ids=["in its folder", "in an archive"])
def test_a_restore_puts_files_back_from_beside_the_backup_and_says_which_are_missing(cli, filed, archived):
    if archived:
        filed.archive()
    (made,) = cli("backup", "--with-files", "--json").rows
    assert (made["files_copied"], made["files_missing"]) == (4 if archived else 1, 0)
    assert cli("backup", "--with-files", "--json").rows[0]["files_copied"] == 0
    assert "nguyên vẹn" in cli("restore", "--files").out
    destroyed(filed.office)
    for folder in ("tep", "luu-tru"):
        shutil.rmtree(filed.office.folder / folder, ignore_errors=True)
    (row,) = cli("restore", made["file"], *ACT, "--json").rows
    assert (row["files_put_back"], row["files_missing"]) == (4 if archived else 1, 0)
    place = filed.archived if archived else filed.place
    assert place.read_bytes() == filed.content
    assert (cli("restore", "--files").code, cli("archive", "verify").code) == (0, 0)
    place.write_bytes(filed.content[::-1])
    found = cli("restore", "--files", "--json")
    assert (found.code, found.rows[0]["files_missing"]) == (1, 1)
    assert found.rows[1] == {
        "missing": filed.digest, "size": len(filed.content), "digest": filed.digest, "dossiers": [filed.ma_ho_so],
    }  # fmt: skip


def test_a_restore_without_its_files_says_so_and_of_which_dossiers(cli, filed):
    made = back_up(cli)
    destroyed(filed.office)
    filed.place.unlink()
    found = cli("restore", made["file"], *ACT)
    assert (found.code, "BAK-015" in found.out) == (1, True)
    assert f"thiếu: {filed.digest} ({filed.ma_ho_so})" in found.out
    (line,) = cli("log", "show", "--what", "restored.files", "--json").rows
    assert line["facts"] == {"put_back": 0, "there": 0, "missing": 1}


def test_a_copy_of_files_loses_what_was_erased_and_never_takes_what_is_not_what_it_was(cli, filed):
    folder = filed.office.folder / "backups"
    assert cli("backup", "--with-files").code == 0
    copy = folder / "H19.900-tep" / filed.digest[:2] / filed.digest
    assert copy.read_bytes() == filed.content
    copy.unlink()
    filed.place.write_bytes(filed.content[::-1])
    again = cli("backup", "--with-files")
    assert (again.code, "BAK-015" in again.out, copy.exists()) == (1, True, False)
    filed.place.write_bytes(filed.content)
    assert cli("backup", "--with-files").code == 0
    with filed.office.store.begin() as tx:
        tx.drop_file(filed.digest)
    assert (cli("backup", "--with-files").code, copy.exists()) == (0, False)


@pytest.fixture
def erasable(filed):
    """That office with a second message, of another dossier; whoever is owed the first has it."""
    filed.other = filed.office.receive(HS01)
    with filed.office.store.read() as view:
        owed = view.inboxed(filed.ack.message)
    for one in owed:
        page(filed.office.store, one.party, one.position, 10, filed.now)
    return filed


def erased(cli, filed, keeper):
    """The dossier's content and its file go, out of the archives too."""
    assert cli("erase", filed.ma_ho_so, *ACT).code == 0
    with filed.office.store.begin() as tx:
        tx.drop_file(filed.digest)
    assert rewrite_erased_files(keeper, datetime.now(UTC)) == [month_of(filed.now)]
    assert not filed.archived.exists()


def without_folders(filed):
    """The disk is gone: the database, the files and the archives."""
    destroyed(filed.office)
    for folder in ("tep", "luu-tru"):
        shutil.rmtree(filed.office.folder / folder, ignore_errors=True)


def test_a_backup_whose_month_was_archived_afterwards_gets_its_files_back(cli, filed):
    (first,) = cli("backup", "--with-files", "--json").rows
    filed.archive()
    assert cli("backup", "--with-files", "--json").rows[0]["files_missing"] == 0
    beside = filed.office.folder / "backups"
    assert [path.parents[1].name for path in beside.rglob(filed.digest)] == [filed.archived.parents[1].name]
    without_folders(filed)
    (row,) = cli("restore", first["file"], *ACT, "--json").rows
    assert (row["files_put_back"], row["files_missing"], filed.place.read_bytes()) == (1, 0, filed.content)
    assert cli("restore", "--files").code == 0


def test_a_backup_finds_what_was_archived_since_where_the_disk_is_whole(cli, filed):
    made = back_up(cli)
    filed.archive()
    destroyed(filed.office)
    (row,) = cli("restore", made["file"], *ACT, "--json").rows
    assert (row["files_put_back"], row["files_missing"], filed.place.read_bytes()) == (1, 0, filed.content)


def test_a_backup_takes_archives_that_were_written_anew_since_and_says_what_they_lack(cli, erasable):
    keeper, _ = erasable.archive()
    (first,) = cli("backup", "--with-files", "--json").rows
    erased(cli, erasable, keeper)
    assert cli("backup", "--with-files", "--json").rows[0]["files_missing"] == 0
    without_folders(erasable)
    restored = cli("restore", first["file"], *ACT, "--json")
    row, *missing = restored.rows
    assert (restored.code, row["files_missing"], [one["missing"] for one in missing]) == (1, 1, [erasable.digest])
    month = erasable.archived.parents[1].name
    assert row["archives_later"][month] == 1
    assert row["archives_later"][month.replace(".tep", ".luutru")] > 0
    assert cli("archive", "verify").out.count("nguyên vẹn") == 2
    node = again(erasable.office)
    with node.store.read() as view:
        assert view.body(erasable.other.message, erasable.other.digest)
    node.store.dispose()


def test_an_archive_from_before_an_erasure_is_never_taken_for_a_later_one(cli, erasable):
    keeper, _ = erasable.archive()
    month = erasable.archived.parents[1].name.replace(".tep", ".luutru")
    before = (erasable.office.folder / "luu-tru" / month).read_bytes()
    erased(cli, erasable, keeper)
    (made,) = cli("backup", "--with-files", "--json").rows
    without_folders(erasable)
    (erasable.office.folder / "backups" / "H19.900-luu-tru" / month).write_bytes(before)
    restored = cli("restore", made["file"], *ACT, "--json")
    assert (restored.code, [row["missing"] for row in restored.rows[1:]]) == (1, [month])


def test_gateways_that_back_up_into_one_folder_leave_each_others_copies_alone(
    cli, filed, office_template, office_in, tmp_path
):
    filed.archive()
    (made,) = cli("backup", "--with-files", "--json").rows
    beside = filed.office.folder / "backups"
    other = shutil.copytree(office_template, tmp_path / "nut-khac")
    config = other / "lienthong.toml"
    text = config.read_text("utf-8").replace("H19.900", "H19.800")
    text = text.replace("[archive]\n", '[archive]\nfolder = "luu-tru"\n')
    config.write_text(text.replace("[backup]\n", f'[backup]\nfolder = "{beside}"\n'), "utf-8")
    with office_in(other) as office:
        settings = load(config, {}).settings
        assert settings.node.identifier == "H19.800"
        office.receive(HS01)
        make_archive(archive_keeper(settings, office.store), month_of(filed.now), filed.now)
        (row,) = cli("backup", "--with-files", "--json", folder=other).rows
    assert (row["files_copied"], row["files_missing"]) == (1, 0)
    without_folders(filed)
    (row,) = cli("restore", made["file"], *ACT, "--json").rows
    assert (row["files_put_back"], row["files_missing"]) == (4, 0)
    assert cli("archive", "verify").code == 0


def test_a_backup_beside_the_node_s_own_folders_takes_nothing_out_of_them(cli, filed):
    """They are called as copies of an earlier version were."""
    filed.archive()
    stray = filed.place.parent / ("0" * 64)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"of an upload that is under way")
    for name in ("a.lienthong.zip", "b.lienthong.zip"):
        found = cli("backup", filed.office.folder / name, "--with-files")
        assert (found.code, "luu-tru/ chung" in found.err) == (0, False)
    assert (filed.archived.read_bytes(), stray.exists()) == (filed.content, True)
    assert cli("archive", "verify").code == 0


def test_a_file_that_was_erased_and_came_again_is_in_the_list_of_its_archive_again(cli, erasable):
    """A backup of before has it in the archive, out of which it was erased; it lies among the files now."""
    keeper, _ = erasable.archive()
    (first,) = cli("backup", "--with-files", "--json").rows
    erased(cli, erasable, keeper)
    assert cli("backup", "--with-files").code == 0
    without_folders(erasable)
    copy = erasable.office.folder / "backups" / "H19.900-tep" / erasable.digest[:2] / erasable.digest
    copy.parent.mkdir(parents=True)
    copy.write_bytes(erasable.content)
    assert cli("restore", first["file"], *ACT).code == 0
    assert erasable.archived.read_bytes() == erasable.content
    node = again(erasable.office)
    assert rewrite_erased_files(replace(keeper, store=node.store), datetime.now(UTC)) == [month_of(erasable.now)]
    node.store.dispose()
    assert cli("archive", "verify").code == 0


def as_they_lay_before(beside):
    """All gateways' copies lay together."""
    for name in ("tep", "luu-tru"):
        if (beside / f"H19.900-{name}").exists():
            (beside / f"H19.900-{name}").rename(beside / name)


def test_copies_of_an_earlier_version_are_restored_from_and_taken_over_where_no_other_gateway_has_any(cli, filed):
    filed.archive()
    (made,) = cli("backup", "--with-files", "--json").rows
    beside = filed.office.folder / "backups"
    as_they_lay_before(beside)
    foreign = beside / "H19.800-20260101T000000000Z.lienthong.zip"
    foreign.write_bytes(b"")
    shared = cli("backup", "--with-files")
    assert ("luu-tru/ chung" in shared.err, (beside / "luu-tru").exists()) == (True, True)
    foreign.unlink()
    assert cli("backup", "--with-files").code == 0
    assert sorted(path.name for path in beside.iterdir() if path.is_dir()) == ["H19.900-luu-tru"]
    as_they_lay_before(beside)
    without_folders(filed)
    (row,) = cli("restore", made["file"], *ACT, "--json").rows
    assert (row["files_put_back"], row["files_missing"]) == (4, 0)


def warned(cli):
    """The code of every alert about backups, and the doctor's."""
    codes = [row["cause"] for row in cli("alerts", "--json").rows if row["alarm"] == "backup"]
    assert all(code in cli("doctor").out for code in codes)
    return codes


def test_somebody_is_told_of_a_backup_that_is_overdue_failed_or_cannot_be_read(cli, office):
    config = office.folder / "lienthong.toml"
    assert warned(cli) == []  # nobody asked for any
    config.write_text(config.read_text("utf-8").replace("[backup]\n", "[backup]\nevery_hours = 24\n"), "utf-8")
    old = datetime.now(UTC) - timedelta(hours=25)
    assert warned(cli) == []  # the node is new
    with office.store.begin() as tx:
        tx.note(
            LogLine(what="backup", who="operator:lan", facts={"file": "x.zip", "number": 1, "hash": "0", "rows": 1}),
            old,
        )
    assert warned(cli) == ["BAK-012"]
    made = back_up(cli)
    assert warned(cli) == []
    path = office.folder / made["file"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert warned(cli) == ["BAK-014"]
    path.write_bytes(whole)
    assert cli("backup", office.folder / "khong-co" / "x.zip").code == 1
    assert warned(cli) == ["BAK-013"]
    back_up(cli)
    assert warned(cli) == []
    path.unlink()  # an older one
    assert warned(cli) == []


def test_somebody_is_told_of_a_backup_that_the_account_of_its_schedule_may_not_make(cli, office):
    config = office.folder / "lienthong.toml"
    as_made = config.read_text("utf-8")
    config.write_text(as_made.replace('= "administrator"', '= "viewer"'), "utf-8")
    refused = cli("backup")
    assert (refused.code, "SYS-040" in refused.err) == (1, True)
    assert warned(cli) == ["BAK-013"]
    config.write_text(as_made, "utf-8")
    back_up(cli)
    assert warned(cli) == []


def test_a_backup_that_may_not_be_made_says_so_where_the_database_cannot_be_opened_either(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace('= "administrator"', '= "viewer"'), "utf-8")
    destroyed(office)
    assert "SYS-040" in cli("backup").err


# Another database ----------------------------------------------------------------------------------------------------


@pytest.fixture
def new_postgres(postgres):
    """The address of a new database on a real server."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


def test_a_node_moves_to_postgresql_and_goes_on_there(cli, office, new_postgres, tmp_path):
    first = office.receive(HS01)
    before = dumped(office.store.engine, tmp_path)
    (row,) = cli("db", "copy", new_postgres, *ACT, "--json").rows
    assert (row["rows"]["message"], row["before"]) == (1, 0)
    there = store_at(new_postgres)
    found = dumped(there.engine, tmp_path)
    there.dispose()
    assert found == before
    with office.store.read() as view:
        assert (view.last_act("copied").facts["reason"], view.last_act("copied").who[:9]) == ("thử", "operator:")
    cli.monkeypatch.setenv("LIENTHONG_DATABASE_URL", new_postgres)
    assert cli("log", "verify", "--store").code == 0
    loaded = load(office.folder / "lienthong.toml", {"LIENTHONG_DATABASE_URL": new_postgres})
    moved = replace(office, gate=build(loaded.settings, open_store(loaded)))
    assert moved.receive(HS01).receipt == first.receipt
    assert not moved.receive(HS03, "so-tu-phap").repeated  # its deliveries number on
    made = back_up(cli)
    moved.store.dispose()
    cli.monkeypatch.setenv("LIENTHONG_DATABASE_URL", f"sqlite:///{tmp_path}/zurueck.sqlite3")
    assert cli("restore", made["file"], *ACT).code == 0  # and back, by a backup
    assert cli("log", "verify", "--store").code == 0


def test_a_copy_that_was_broken_off_goes_on_and_is_nobodys_database_meanwhile(cli, office, new_postgres, monkeypatch):
    office.receive(HS01)
    from gateway.store import dumps

    put, done = dumps.CopyTarget.put, []

    def breaks_off(self, table, rows, tally):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(table.name)
        put(self, table, rows, tally)

    monkeypatch.setattr(dumps.CopyTarget, "put", breaks_off)
    assert cli("db", "copy", new_postgres, *ACT).code == 130
    monkeypatch.undo()
    cli.monkeypatch.chdir(office.folder)
    with pytest.raises(Stopped) as stop:
        store_at(new_postgres)
    assert stop.value.problems[0].code == "SYS-031"
    (row,) = cli("db", "copy", new_postgres, *ACT, "--json").rows
    assert row["before"] > 0
    store_at(new_postgres).dispose()
    assert "BAK-008" in cli("db", "copy", new_postgres, *ACT).err


def test_a_copy_is_not_gone_on_with_from_another_state(cli, office, new_postgres, monkeypatch):
    from gateway.store import dumps

    def breaks_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dumps.CopyTarget, "put", breaks_off)
    cli("db", "copy", new_postgres, *ACT)
    monkeypatch.undo()
    cli.monkeypatch.chdir(office.folder)
    office.receive(HS01)
    found = cli("db", "copy", new_postgres, *ACT)
    assert (found.code, "BAK-009" in found.err) == (1, True)


def test_a_copy_of_a_server_that_went_on_meanwhile_is_not_used(cli, office, new_postgres, monkeypatch, tmp_path):
    from gateway.core.ledger import LogLine
    from gateway.store import dumps

    assert cli("db", "copy", new_postgres, *ACT).code == 0
    cli.monkeypatch.setenv("LIENTHONG_DATABASE_URL", new_postgres)
    tally = dumps.CopyTarget.tally

    def while_it_goes_on(self, table, tell):
        if table.name == "log":
            going_on = store_at(new_postgres)
            with going_on.begin() as tx:
                tx.note(LogLine(what="thử", who="operator:lan"), datetime.now(UTC))
            going_on.dispose()
        return tally(self, table, tell)

    monkeypatch.setattr(dumps.CopyTarget, "tally", while_it_goes_on)
    found = cli("db", "copy", f"sqlite:///{tmp_path}/there.sqlite3", *ACT)
    assert (found.code, "BAK-009" in found.err) == (1, True)
    with pytest.raises(Stopped):
        store_at(f"sqlite:///{tmp_path}/there.sqlite3")


def test_a_copy_of_a_server_may_take_longer_than_a_writer_may_say_nothing(
    cli, office, new_postgres, monkeypatch, tmp_path
):
    from gateway.store import dumps, engine

    office.receive(HS01)
    assert cli("db", "copy", new_postgres, *ACT).code == 0
    cli.monkeypatch.setenv("LIENTHONG_DATABASE_URL", new_postgres)
    monkeypatch.setattr(engine, "IDLE_WRITER_S", 0.3)
    put, done = dumps.CopyTarget.put, []

    def slowly(self, table, rows, tally):
        if not done:
            assert stays(lambda: not done), "nobody says anything for longer than a writer may"
        done.append(table.name)
        put(self, table, rows, tally)

    monkeypatch.setattr(dumps.CopyTarget, "put", slowly)
    there = f"sqlite:///{tmp_path}/there.sqlite3"
    found = cli("db", "copy", there, *ACT)
    assert (found.code, found.err) == (0, "")
    store_at(there).dispose()
    source = store_at(new_postgres)
    with source.read() as view:
        assert view.last_act("copied").facts["to"].startswith("sqlite:")
    source.dispose()


def test_a_target_that_another_program_writes_into_is_not_used(cli, office, new_postgres, monkeypatch):
    office.receive(HS01)
    from gateway.store import dumps

    put = dumps.CopyTarget.put

    def another_one_too(self, table, rows, tally):
        put(self, table, rows, tally)
        if table.name == "counter":
            with self._engine.begin() as connection:
                connection.exec_driver_sql("INSERT INTO counter (name, value) VALUES ('x', 1)")

    monkeypatch.setattr(dumps.CopyTarget, "put", another_one_too)
    found = cli("db", "copy", new_postgres, *ACT)
    assert (found.code, "BAK-010" in found.err) == (1, True)
    monkeypatch.undo()
    with pytest.raises(Stopped):
        store_at(new_postgres)


#: Looks at a copy of the database and writes a backup's file beside it, until it is told to end.
BACKS_UP = """
import sys
from pathlib import Path
from gateway.store import open_engine
from gateway.store.dumps import picture
from gateway.store.strays import in_use
folder, name = Path(sys.argv[2]), sys.argv[3]
with picture(open_engine(sys.argv[1]), folder):
    part = folder / f".{name}.lienthong.zip.part"
    part.write_bytes(b"PK")
    with in_use(part):
        print("under way", flush=True)
        sys.stdin.readline()
"""


def test_what_a_backup_left_that_was_killed_goes_with_the_next_and_one_under_way_stays(cli, office):
    office.receive(HS01)
    folder = office.folder / "backups"
    folder.mkdir()
    long_ago = datetime.now(UTC).timestamp() - 3600

    def begun(name):
        there = set(folder.iterdir())
        command = [sys.executable, "-c", BACKS_UP, office.store.engine.url.render_as_string(), folder, name]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "under way\n"
        made = set(folder.iterdir()) - there
        assert len(made) == 2, "a copy of the file, and what is written of the backup"
        for path in made:
            os.utime(path, (long_ago, long_ago))
        return process, made

    (killed, abandoned), (lives, needed) = begun("killed"), begun("lives")
    try:
        killed.kill()
        killed.wait()
        made = back_up(cli)
        assert set(folder.iterdir()) == {office.folder / made["file"], *needed}
        assert not abandoned & set(folder.iterdir())
    finally:
        for process in (killed, lives):
            process.communicate("\n" if process is lives else None)
    assert lives.returncode == 0


def test_a_backup_that_cannot_be_written_says_why_and_leaves_nothing(cli, office, tmp_path):
    (tmp_path / "datei").write_bytes(b"")
    for place in (tmp_path / "datei" / "x.zip", tmp_path / "keine" / "x.zip"):
        found = cli("backup", place)
        assert (found.code, "BAK-001" in found.err) == (1, True)
    assert "BAK-001" in cli("backup", tmp_path / "nichts.zip", "--check").err
    with office.store.read() as view:
        assert view.last_act("backup") is None
