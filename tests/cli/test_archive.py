"""archive make | verify | list | get | search: everything is asked as before when the bytes lie in files."""

import hashlib
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pki import SAMPLES

from gateway.cli.run import archive_due
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.opening import open_store
from gateway.services.archiving import TURN
from gateway.settings import load
from gateway.store.digests import sorted_upto
from gateway.wiring import build

HS01 = "accepted/HS01-nop-ho-so-toi-thieu"
HO_SO = "H19.901-260115-0001"
SAID = ("--yes", "--reason", "hết quý")


@pytest.fixture
def years(office):
    """An office with a message of January, told where archives lie."""
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace("[archive]\n", '[archive]\nfolder = "luu-tru"\n'), "utf-8")
    office.ack = office.receive(HS01, at=datetime(2026, 1, 15, 2, tzinfo=UTC))
    return office


def told(cli, name):
    """What commands say of a message and its dossier."""
    seen = cli("show", name), cli("dossier", HO_SO), cli("log", "verify", "--store", "--all")
    assert [one.code for one in seen] == [0, 0, 0]
    return [one.out for one in seen[:2]]


def evidence(cli, years, name):
    """What a bundle proves, and the members that are the message's own."""
    made = cli("evidence", years.ack.message, "--output", years.folder / name, "--reason", "thanh tra")
    with zipfile.ZipFile(years.folder / name) as bundle:
        bodies = {one: bundle.read(one) for one in bundle.namelist() if one.endswith(".xml")}
    assert bodies
    return made.code, re.sub(r"\(\d+ byte\)", "", made.out.replace(name, "")), bodies


def test_show_dossier_evidence_and_the_comparison_say_the_same_when_the_bytes_lie_in_a_file(cli, years):
    name = years.ack.message
    before, proof = told(cli, name), evidence(cli, years, "truoc.zip")
    assert cli("archive", "make", "--before", "2026-02", *SAID).code == 0
    assert (years.folder / "luu-tru" / "2026-01.luutru").exists()
    with years.store.read() as view:
        assert view.last_act("archive.made").facts["reason"] == "hết quý"
    assert told(cli, name) == before
    assert evidence(cli, years, "sau.zip") == proof
    got = cli("archive", "get", years.ack.digest, "--reason", "thanh tra")
    assert "ThongDiep" in got.out
    (row,) = cli("archive", "search", HO_SO, "--json").rows
    assert (row["archive"], row["id"], row["digest"]) == ("2026-01", name, years.ack.digest)
    assert "Không thấy" in cli("archive", "search", "H19.901-260115-9999").err
    (line,) = cli("log", "show", "--what", "body.read", "--json").rows
    assert line["facts"] == {"digest": years.ack.digest, "reason": "thanh tra"}


def test_archives_are_listed_and_verified_and_one_that_is_broken_is_named(cli, years):
    assert cli("archive", "make", "--before", "2026-02", *SAID).code == 0
    assert "2026-01: nguyên vẹn." in cli("archive", "verify").out
    assert cli("archive", "verify", "2020-01").code == 1
    file = years.folder / "luu-tru" / "2026-01.luutru"
    file.write_bytes(file.read_bytes()[:-1])
    assert "BẤT THƯỜNG: size" in cli("archive", "list").out
    assert "SYS-197" in cli("archive", "verify").err
    file.unlink()
    (row,) = cli("archive", "verify", "--json").rows
    assert row == {"archive": "2026-01", "whole": False, "flaws": ["missing"]}
    assert "archive-broken" in cli("alerts", "--json").out
    assert cli("archive", "make", "--before", "x", *SAID).code == 2


@pytest.mark.threat("T-ARCHIVE")
def test_an_archive_that_was_found_changed_is_an_alert_until_it_is_found_whole(cli, years):
    assert cli("archive", "make", "--before", "2026-02", *SAID).code == 0
    file = years.folder / "luu-tru" / "2026-01.luutru"
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 64]) + whole[middle + 64 :])

    def broken():
        return [row["subject"] for row in cli("alerts", "--json").rows if row["alarm"] == "archive-broken"]

    assert broken() == [], "nobody reads every byte each minute"
    for _ in range(2):
        assert cli("archive", "verify", "--json").code == 4
        assert broken() == ["2026-01"]
    assert "SYS-197" in cli("alerts").out
    with years.store.read() as view:
        assert view.verified_at("archives") is None
        assert len(view.log(what="archive.flawed")) == 1
    file.write_bytes(whole)
    assert cli("archive", "verify").code == 0
    assert broken() == []
    with years.store.read() as view:
        assert view.verified_at("archives") is not None


def test_what_is_erased_goes_out_of_the_file_by_the_same_command(cli, years):
    assert cli("archive", "make", "--before", "2026-02", *SAID).code == 0
    file = years.folder / "luu-tru" / "2026-01.luutru"
    assert bytes.fromhex(years.ack.digest) in file.read_bytes()
    with years.store.read() as view:
        (delivery,) = view.deliveries(message=years.ack.message)
    assert cli("skip", delivery.id, *SAID).code == 0
    erased = cli("erase", HO_SO, *SAID)
    assert (erased.code, "2026-01" in erased.err) == (0, True)
    assert bytes.fromhex(years.ack.digest) not in file.read_bytes()
    assert cli("archive", "verify").code == 0
    assert cli("archive", "get", years.ack.digest, "--reason", "x").code == 1


def test_while_another_is_at_the_archives_commands_say_so_and_work_leaves_it_to_its_next_hour(cli, years):
    assert cli("archive", "make", "--before", "2026-02", *SAID).code == 0
    with years.store.read() as view:
        (delivery,) = view.deliveries(message=years.ack.message)
    assert cli("skip", delivery.id, *SAID).code == 0
    now, settings = datetime.now(UTC), load(years.folder / "lienthong.toml", given={}).settings
    with years.store.begin() as tx:
        assert tx.take_turn(TURN, "", 1, now, now + timedelta(hours=1))
    made, erased = cli("archive", "make", "--before", "2026-03", *SAID), cli("erase", HO_SO, *SAID)
    assert [(one.code, "SYS-211" in one.err) for one in (made, erased)] == [(1, True)] * 2
    assert archive_due(settings, years.store, now) == []
    file = years.folder / "luu-tru" / "2026-01.luutru"
    assert [*file.parent.iterdir()] == [file]
    assert bytes.fromhex(years.ack.digest) in file.read_bytes()  # as that one may be reading it
    with years.store.begin() as tx:
        assert tx.hold_turn(TURN, "", 1, now)
    archive_due(settings, years.store, now)
    assert bytes.fromhex(years.ack.digest) not in file.read_bytes()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def years_anywhere(request, cli, years):
    """The same office on each database."""
    if request.param == "sqlite":
        yield years
        return
    postgres = request.getfixturevalue("postgres")
    name = postgres.create()
    url = postgres.url(name)
    assert cli("db", "copy", url, *SAID).code == 0
    cli.monkeypatch.setenv("LIENTHONG_DATABASE_URL", url)
    loaded = load(years.folder / "lienthong.toml", {"LIENTHONG_DATABASE_URL": url})
    moved = replace(years, gate=build(loaded.settings, open_store(loaded)))
    moved.ack = years.ack
    yield moved
    moved.store.dispose()
    postgres.drop(name)


@pytest.mark.threat("T-ARCHIVE")
@pytest.mark.parametrize("lines", [4, 8192])
def test_bytes_are_got_by_their_digest_wherever_they_are_and_no_longer_when_they_are_erased(
    cli, years_anywhere, monkeypatch, lines
):
    """Put together by digest (of four lines each), or newer than what is: not of as many lines yet."""
    monkeypatch.setattr("gateway.store.digests.LINES", lines)
    store, ack = years_anywhere.store, years_anywhere.ack
    sent = (SAMPLES / f"{HS01}.xml").read_text("utf-8")
    with store.begin() as tx:
        evidence = tx.keep(b"a revocation list")
        receipt = tx.message(ack.message).receipt

    def got(digest):
        found = cli("archive", "get", digest, "--reason", "thanh tra")
        return found.out if found.code == 0 else found.err

    assert (got(ack.digest), got(ack.digest.upper()), got(evidence)) == (sent, sent, "a revocation list")
    answered = got(receipt)
    assert ("BienNhan" in answered, hashlib.sha256(answered.encode()).hexdigest()) == (True, receipt)
    assert cli("archive", "make", "--before", "2026-02", *SAID).code == 0
    with store.read() as view:
        assert view.stored_bodies([ack.message]) == []  # here is nothing of it any more
        assert (sorted_upto(view._connection) > 0) is (lines == 4)
    assert (got(ack.digest), got(receipt), got(evidence)) == (sent, answered, "a revocation list")

    for nothing in ("0" * 64, ack.digest[:-1], "x"):
        assert "SYS-042" in got(nothing)
    assert "Không tìm thấy nội dung" in got("0" * 64)
    assert "body" in cli("--lang", "en", "archive", "get", "0" * 64, "--reason", "x").err

    file = years_anywhere.folder / "luu-tru" / "2026-01.luutru"
    with store.begin() as tx:  # and `work` did not write the file anew yet
        tx.erase({ack.message: [ack.digest]}, who="operator:x", reason="x", now=ack.recorded_at)
    assert bytes.fromhex(ack.digest) in file.read_bytes()
    refused = cli("archive", "get", ack.digest, "--reason", "thanh tra")
    assert (refused.code, refused.out, "SYS-047" in refused.err, ack.message in refused.err) == (1, "", True, True)
    assert "erased" in cli("--lang", "en", "archive", "get", ack.digest, "--reason", "x").err
    assert got(receipt) == answered
    file.unlink()
    assert "SYS-205" in got(receipt)


def test_files_that_archived_messages_name_lie_in_an_archive_and_are_found_and_handed_out_as_before(
    cli, filed, tmp_path
):
    _, made = filed.archive()
    assert (made.files, made.bytes, filed.place.exists()) == (1, len(filed.content), False)
    assert filed.archived.read_bytes() == filed.content
    name = f"{made.name}.tep"
    assert f"{name}: nguyên vẹn." in cli("archive", "verify", made.name).out
    assert f"{name}: 1 tệp, {len(filed.content)} byte" in cli("archive", "list").out
    assert cli("archive", "get", filed.digest, "--reason", "thanh tra").out == filed.content.decode()
    for text in (filed.digest, filed.ma_ho_so, filed.ack.message):
        (row,) = [row for row in cli("archive", "search", text, "--json").rows if row["archive"] == name]
        assert (row["digest"], row["messages"]) == (filed.digest, [[filed.ack.message, filed.ma_ho_so, False]])
    place = tmp_path / "thanh-tra"
    place.mkdir()
    (row,) = cli("evidence", filed.ack.message, "-o", place, "--with-files", "--json", "--reason", "thanh tra").rows
    assert (row["steps"]["attached"], (place / f"{filed.digest}.tep").read_bytes()) == ("passed", filed.content)
    filed.archived.unlink()
    assert "SYS-205" in cli("archive", "get", filed.digest, "--reason", "thanh tra").err
    assert f"{name}" in cli("archive", "verify").err


@pytest.mark.threat("T-FILE-CHANGED")
def test_a_file_that_changed_on_the_disk_is_not_got_by_its_digest(cli, filed):
    filed.place.write_bytes(filed.content[:-1] + bytes([filed.content[-1] ^ 1]))
    got = cli("archive", "get", filed.digest, "--reason", "thanh tra")
    assert (got.code, got.out, "FIL-016" in got.err) == (1, "", True)
    filed.place.write_bytes(filed.content)
    assert cli("archive", "get", filed.digest, "--reason", "thanh tra").out == filed.content.decode()


def test_work_archives_what_its_settings_say_and_nothing_without_them(years):
    settings = load(years.folder / "lienthong.toml", given={}).settings
    now = datetime.now(UTC)
    assert archive_due(settings, years.store, now) == []
    today = now.astimezone(GIO_VIET_NAM)  # by which months are counted
    begun = (today.year - 2026) * 12 + today.month - 2  # months between January and this one
    later = replace(settings, archive=replace(settings.archive, after_months=begun - 1))
    assert archive_due(later, years.store, now) == ["2026-01", "2026-02"]
    assert archive_due(later, years.store, now) == []
