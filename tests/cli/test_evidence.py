"""evidence, verify --bundle."""

import asyncio
import hashlib
import io
import json
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki
import pytest
from patience import PATIENCE_S

from gateway import opening, wiring
from gateway.cli import main
from gateway.cli.run import refresh_trust
from gateway.core import chain
from gateway.core.model import Caller, Channel, Envelope
from gateway.services.bundles import seal_log
from gateway.services.intake import new_message_id, receive
from gateway.settings import load
from signing.evidence import verify_bundle
from signing.heads import HEAD

HS01 = "accepted/HS01-nop-ho-so-toi-thieu"


@pytest.fixture(scope="session")
def packed(office_template, tmp_path_factory):
    """The bundle of an accepted message, its certificate's status on record, a signed head after it; and that head."""
    folder = tmp_path_factory.mktemp("goi") / "nut"
    shutil.copytree(office_template, folder)
    loaded = load(folder / "lienthong.toml", {})
    gate = wiring.build(loaded.settings, opening.open_store(loaded))
    asyncio.run(refresh_trust(gate, loaded.settings, force=True))
    gate = wiring.renewed(gate, loaded.settings)
    now = datetime.now(UTC)
    cover = {"id": new_message_id(now), "caller": Caller(party="cong-dvc", by="token"), "received_at": now}
    body = (pki.SAMPLES / f"{HS01}.xml").read_bytes()
    (ack,) = receive([Envelope.of(body, channel=Channel.REST, **cover)], gate, now)
    seal_log(gate.store, gate.key, gateway="H19.900", now=datetime.now(UTC), every=timedelta(hours=1))
    with gate.store.read() as view:
        (line,) = view.log(what=HEAD)
    file = folder / "goi.zip"
    arguments = ["--config", folder / "lienthong.toml", "evidence", ack.message, "-o", file, "--reason", "Thanh tra"]
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    gate.store.dispose()
    assert end.value.code == 0
    return file.read_bytes(), line


@pytest.fixture
def bundle(packed, tmp_path):
    """The same bundle, a copy to be spoilt."""
    file = tmp_path / "goi.zip"
    file.write_bytes(packed[0])
    return file


@pytest.fixture
def elsewhere(tmp_path, office_template):
    """Another machine: the bundle's reader has the gateway's certificate and the roots, and nothing else."""
    folder = tmp_path / "noi-khac"
    folder.mkdir()
    shutil.copy(office_template / "keys" / "truc.cert.pem", folder / "truc.pem")
    roots = b"".join(pki.maker.certificate_path(chain[0], pki.KEYS).read_bytes() for chain in pki.TREES.values())
    (folder / "goc.pem").write_bytes(roots)
    return folder


def verified(cli, elsewhere, file, *more):
    return cli("verify", "--bundle", file, "--cert", "truc.pem", "--tree", "goc.pem", "--json", *more, folder=elsewhere)


def test_a_bundle_is_checked_on_another_machine_without_a_configuration(cli, bundle, elsewhere):
    result = verified(cli, elsewhere, bundle)
    (row,) = result.rows
    assert (result.code, row["outcome"], row["first_misfit"]) == (0, "passed", None), row
    assert row["steps"] == {
        **dict.fromkeys(("files", "digest", "certificates", "anchors", "status", "signature"), "passed"),
        **dict.fromkeys(("documents", "attached"), "not-applicable"),
        **dict.fromkeys(("receipt", "log", "head", "schemas"), "passed"),
    }
    assert (row["loai"], row["state"], row["party"]) == ("HS01", "accepted", "cong-dvc")


def test_what_a_bundle_takes_as_given_is_said_and_is_not_called_proven(cli, bundle, elsewhere):
    result = cli("verify", "--bundle", bundle, folder=elsewhere)
    assert result.code == 3
    assert "CÒN NỘI DUNG CHƯA ĐƯỢC CHỨNG MINH" in result.out
    assert "chứng thư của trục H19.900" in result.out
    english = cli("--lang", "en", "verify", "--bundle", bundle, folder=elsewhere)
    assert "it only agrees with itself so far" in english.out


def test_a_bundle_that_rests_on_strangers_is_refused_by_name(cli, bundle, elsewhere):
    stranger = pki.signer("stranger").cert_pem
    result = cli("verify", "--bundle", bundle, "--cert", stranger, "--tree", "goc.pem", "--json", folder=elsewhere)
    (row,) = result.rows
    assert (result.code, row["first_misfit"], row["problems"][0]["code"]) == (1, "anchors", "SIG-131")
    only_gateway = cli("verify", "--bundle", bundle, "--cert", "truc.pem", "--json", folder=elsewhere).rows[0]
    assert only_gateway["problems"][0]["code"] == "SIG-131"


def rewritten(file, change):
    """The bundle with its members changed, its list made to fit: what a careful forger would do."""
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    listing = json.loads(files.pop("bundle.json"))
    change(files, listing)
    listing["files"] = {name: hashlib.sha256(body).hexdigest() for name, body in sorted(files.items())}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in ({"bundle.json": json.dumps(listing).encode()} | files).items():
            archive.writestr(name, body)
    file.write_bytes(out.getvalue())


def forge_head(files, listing):
    """Another signature on the head, and the chain written anew: what somebody who owns the database could do."""
    before, lines = listing["log"]["hash"], []
    for row in map(json.loads, files["log.jsonl"].splitlines()):
        if row["what"] == HEAD:
            row["facts"]["jws"] = row["facts"]["jws"][:-8] + "AAAAAAAA"
        row["at"] = datetime.fromisoformat(row["at"])
        before = chain.link(before, chain.LogEntry(**row))
        lines.append(json.dumps({**row, "at": row["at"].isoformat(), "hash": before}))
    files["log.jsonl"] = "\n".join(lines).encode()


FORGED = {
    "original": (lambda f, _: f.update({"original.bin": f["original.bin"] + b" "}), "digest"),
    "signed": (lambda f, _: f.update({"signed.xml": f["signed.xml"] + b" "}), "signature"),
    "receipt": (
        lambda f, _: f.update({"receipt.xml": f["receipt.xml"].replace(b"CHAP_NHAN", b"TU_CHOI__")}),
        "receipt",
    ),
    "verdict": (
        lambda f, _: f.update({"verdict.json": f["verdict.json"].replace(b'"passed"', b'"failed"', 1)}),
        "signature",
    ),
    "state": (lambda _, listing: listing["message"].update({"state": "rejected"}), "receipt"),
    "registration": (lambda _, listing: listing["registration"].update({"identifiers": ["H19.901"]}), "signature"),
    "schema": (lambda _, listing: listing["schemas"].update({"phongbi/1.0/ThongDiep.xsd": "0" * 64}), "schemas"),
    "head": (forge_head, "head"),
    "gateway": (lambda _, listing: listing["gateway"].update({"certificates": []}), "receipt"),
}


@pytest.mark.parametrize("what", FORGED)
def test_the_first_thing_that_does_not_fit_is_named_however_careful_the_forger(what, cli, bundle, elsewhere):
    change, step = FORGED[what]
    rewritten(bundle, change)
    result = verified(cli, elsewhere, bundle)
    (row,) = result.rows
    assert (result.code, row["first_misfit"]) == (1, step), row["problems"]
    shown = cli("verify", "--bundle", bundle, "--cert", "truc.pem", "--tree", "goc.pem", folder=elsewhere)
    assert "KHÔNG KHỚP" in shown.out
    assert row["problems"][0]["code"] in shown.out


def test_a_log_that_was_written_anew_does_not_meet_a_witness(cli, packed, bundle, elsewhere):
    line = packed[1]
    jws = line.facts["jws"]
    assert verified(cli, elsewhere, bundle, "--witness", jws).code == 0
    assert verified(cli, elsewhere, bundle, "--witness", f"{line.number}:{'0' * 64}").rows[0]["first_misfit"] == "log"
    assert "SIG-134" in verified(cli, elsewhere, bundle, "--witness", jws[:-8] + "AAAAAAAA").err


def test_the_signed_part_comes_out_of_a_bundle_as_it_was_signed(cli, bundle, elsewhere):
    signed = cli("verify", "--bundle", bundle, "--signed", folder=elsewhere)
    assert signed.out == cli("verify", pki.SAMPLES / f"{HS01}.xml", "--signed").out
    assert signed.code == 3


def test_taking_evidence_needs_a_reason_and_stands_in_the_log(cli, office, tmp_path):
    ack = office.receive(HS01)
    assert "SYS-041" in cli("evidence", ack.message, "--json").err
    result = cli("evidence", ack.message, "--json", "--reason", "Thanh tra hỏi")
    (row,) = result.rows
    file = office.folder / f"{ack.message}.evidence.zip"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    line = [row for row in cli("log", "export", "--json").rows if row["what"] == "message.evidence"][-1]
    assert (line["message"], line["facts"]["reason"]) == (ack.message, "Thanh tra hỏi")
    assert row["message"] == ack.message
    again = cli("evidence", ack.message, "--reason", "lần nữa")
    assert (again.code, "SYS-038" in again.err) == (1, True)
    assert cli("evidence", "khong-co", "--reason", "x").code == 1


def test_a_bundle_goes_into_a_folder_or_down_a_pipe(cli, office, tmp_path):
    ack = office.receive(HS01)
    assert cli("evidence", ack.message, "-o", tmp_path, "--reason", "x").code in (0, 3)
    file = tmp_path / f"{ack.message}.evidence.zip"
    command = [sys.executable, "-m", "gateway", "evidence", ack.message, "-o", "-", "--reason", "x"]
    piped = subprocess.run(command, cwd=office.folder, capture_output=True, check=True, timeout=PATIENCE_S).stdout
    assert verify_bundle(piped).passed
    assert {fit.step: fit.status for fit in verify_bundle(file.read_bytes()).fits}["log"] == "passed"


def test_files_that_a_message_names_go_along_and_are_checked(cli, office, tmp_path):
    sys.path.append(str(Path(__file__).resolve().parents[1] / "web"))
    import mail

    config = office.folder / "lienthong.toml"
    config.write_text(re.sub(r"(?m)^\[files\]$", '[files]\nfolder = "tep"', config.read_text()))
    settings, now = load(config, {}).settings, datetime.now(UTC)
    gate = wiring.build(settings, office.store)
    asyncio.run(refresh_trust(gate, settings, force=True))
    gate = wiring.renewed(gate, settings)
    desk, content, party = wiring.file_desk(settings, office.store), b"%PDF-1.7 ban ve", gate.parties.get("cong-dvc")
    upload = desk.begin(party, len(content), None, now)
    with desk.part(upload.id) as part:
        desk.write(part, content)
        kept = desk.finish(upload, part, party, now)
    cover = {"id": new_message_id(now), "caller": Caller(party="cong-dvc", by="token"), "received_at": now}
    body = mail.nop(files=[mail.named(content)])
    (ack,) = receive([Envelope.of(body, channel=Channel.REST, **cover)], gate, now)
    assert ack.fate == "accepted", ack

    place = tmp_path / "thanh-tra"
    place.mkdir()
    written = cli("evidence", ack.message, "-o", place, "--with-files", "--json", "--reason", "Thanh tra")
    assert written.rows[0]["steps"]["attached"] == "passed"
    file, bundle = place / f"{kept.digest}.tep", place / f"{ack.message}.evidence.zip"
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (content, 0o600)
    line = [row for row in cli("log", "export", "--json").rows if row["what"] == "message.evidence"][-1]
    assert line["facts"]["files"] == [kept.digest]

    def attached(*more):
        (row,) = cli("verify", "--bundle", bundle, "--json", *more).rows
        return row["steps"]["attached"], [problem["code"] for problem in row["problems"]]

    assert attached() == ("undetermined", [])
    assert attached("--files", place) == ("passed", [])
    file.write_bytes(content + b".")
    assert attached("--files", place) == ("failed", ["SIG-122"])
    file.unlink()
    assert attached("--files", place) == ("failed", ["SIG-121"])
    piped = cli("evidence", ack.message, "-o", "-", "--with-files", "--reason", "x")
    assert (piped.code, "--with-files" in piped.err) == (2, True)


def test_a_viewer_may_not_take_evidence(cli, office):
    ack = office.receive(HS01)
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace('"administrator"', '"viewer"'))
    assert "SYS-040" in cli("evidence", ack.message, "--reason", "x").err


def test_a_file_that_is_no_bundle_and_a_file_that_is_not_there_are_told_apart(cli, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"khong phai zip")
    assert "SIG-120" in cli("verify", "--bundle", "x.zip").out
    assert "SYS-045" in cli("verify", "--bundle", "y.zip").err
    assert cli("verify").code == 2
    assert cli("verify", "x.xml", "--bundle", "x.zip").code == 2
    assert cli("verify", "x.xml", "--tree", "x.pem").code == 2
    assert cli("verify", "--bundle", "x.zip", "--at", "2026-01-01").code == 2


def test_after_a_change_of_keys_old_receipts_are_still_the_gateways(cli, office, tmp_path, elsewhere):
    ack = office.receive(HS01)
    config = office.folder / "lienthong.toml"
    keys = office.folder / "keys"
    shutil.copy(keys / "truc.cert.pem", keys / "cu.pem")
    new = pki.signer("gateway")
    shutil.copy(new.key_pem, keys / "truc.key.pem")
    shutil.copy(new.cert_pem, keys / "truc.cert.pem")
    # Without the old certificate the receipt on record is nobody's; with it, nothing is lost.
    lost = cli("evidence", ack.message, "--reason", "x", "-o", tmp_path / "a.zip", "--json")
    assert (lost.code, lost.rows[0]["first_misfit"]) == (1, "receipt")
    config.write_text(config.read_text().replace("#previous = []", 'previous = ["keys/cu.pem"]'))
    kept = cli("evidence", ack.message, "--reason", "x", "-o", tmp_path / "b.zip", "--json")
    assert kept.rows[0]["steps"]["receipt"] == "passed", kept.rows
    assert [one["of"] for one in kept.rows[0]["anchors"] if one["kind"] == "gateway"] == ["H19.900"]
