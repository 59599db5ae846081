"""parties add, and parties check --connect."""

import hashlib
import os
import pty
import re
import select
import subprocess
import sys

import pki
import pytest
from aiohttp import web
from patience import PATIENCE_S
from serving import served

from connectors.registry import installed
from gateway.cli.play.agency import Agency
from gateway.services.profiles import read_file
from signing.sign import SigningKey

ASKED = (
    "--name",
    "Sở Mới",
    "--role",
    "one-stop",
    "--identifier",
    "H19.950",
    "--identifier",
    "000.99.05.H19",
    "--pause",
)


def test_a_party_is_added_checked_and_its_token_told_once(cli, office):
    certificate = pki.signer("unregistered").cert_pem
    result = cli("parties", "add", "so-moi", *ASKED, "--cert", certificate, "--json")
    assert result.code == 0, result.err
    (row,) = result.rows
    text = (office.folder / "parties" / "so-moi.toml").read_text("utf-8")
    assert hashlib.sha256(row["token"].encode()).hexdigest() in text
    assert row["token"] not in text
    assert (office.folder / "parties" / "so-moi.cert.pem").read_bytes() == certificate.read_bytes()
    assert cli("parties", "apply", "--yes", "--reason", "thêm").code == 0
    (party,) = [row for row in cli("parties", "list", "--json").rows if row["party"] == "so-moi"]
    assert (party["identifiers"], party["receives"]) == (["H19.950", "000.99.05.H19"], "pull")


def test_a_party_may_be_given_the_door_in_the_national_portals_form(cli, office):
    result = cli("parties", "add", "so-moi", *ASKED, "--portal-form", "motcua-moi", "--json")
    assert result.code == 0, result.err
    (row,) = result.rows
    party = read_file(office.folder / "parties" / "so-moi.toml", None, installed())
    digest = hashlib.sha256(f"motcua-moi:{row['password']}".encode()).hexdigest()
    assert (row["user"], party.credentials.basic) == ("motcua-moi", {"motcua-moi": digest})
    assert (party.portal_form.allowed, party.portal_form.success, party.typed_submissions) == (True, "00", True)
    demands = {loai: party.signature.demand(loai).value for loai in ("HS01", "HS05", "HS11")}
    assert demands == {"HS01": "accepted", "HS05": "accepted", "HS11": "required"}


def test_a_profile_that_opens_that_door_by_half_is_refused_by_what_it_lacks(cli, office):
    assert cli("parties", "add", "so-moi", *ASKED, "--portal-form", "motcua-moi").code == 0
    file = office.folder / "parties" / "so-moi.toml"
    text = file.read_text("utf-8")
    for cut in ("typed_submissions = true", ', HS05 = "accepted"'):
        assert cut in text
        text = text.replace(cut, "")
    file.write_text(re.sub(r", basic = \{[^}]*\}", "", text), "utf-8")
    result = cli("parties", "check", "--json")
    lacking = [row["facts"]["key"] for row in result.rows if row["code"] == "SYS-016"]
    assert (result.code, lacking) == (1, ["credentials.basic", "typed_submissions", "signature.HS05"])


def test_adding_changes_nothing_in_force(cli, office):
    assert cli("parties", "add", "so-moi", *ASKED).code == 0
    assert "so-moi" not in {row["party"] for row in cli("parties", "list", "--json").rows}


def test_a_party_that_is_there_is_not_written_over(cli, office):
    before = (office.folder / "parties" / "cong-dvc.toml").read_bytes()
    assert "SYS-046" in cli("parties", "add", "cong-dvc", *ASKED).err
    assert (office.folder / "parties" / "cong-dvc.toml").read_bytes() == before


def test_what_cannot_be_right_leaves_nothing_behind(cli, office):
    before = sorted((office.folder / "parties").iterdir())
    bad = [argument.replace("H19.950", "nonsense") for argument in ASKED]
    result = cli("parties", "add", "so-moi", *bad, "--cert", pki.signer("unregistered").cert_pem)
    assert (result.code, "SYS-017" in result.err) == (1, True)
    assert sorted((office.folder / "parties").iterdir()) == before


@pytest.mark.parametrize("arguments", [["so-moi"], ["So Moi", *ASKED], ["so-moi", "--role", "boss"]])
def test_where_there_is_nobody_to_ask_what_is_missing_is_wrong_usage(cli, office, arguments):
    assert cli("parties", "add", *arguments).code == 2


def test_a_certificate_of_another_that_lies_there_is_not_written_over(cli, office):
    there = office.folder / "parties" / "so-moi.cert.pem"
    there.write_text("somebody's")
    result = cli("parties", "add", "so-moi", *ASKED, "--cert", pki.signer("unregistered").cert_pem)
    assert (result.code, "SYS-046" in result.err) == (1, True)
    assert there.read_text() == "somebody's"
    assert not (office.folder / "parties" / "so-moi.toml").exists()


def added(office, name="so-moi"):
    return read_file(office.folder / "parties" / f"{name}.toml", [], installed())


def test_a_party_may_be_reached_by_any_connector(cli, office, tmp_path):
    more = ("--set", "quiet_s=0.5", "--set", f"path={tmp_path}", "--set", 'answers={"404" = "refused"}')
    assert cli("parties", "add", "so-moi", *ASKED, "--connector", "folder", *more).code == 0
    party = added(office)
    assert (party.connector, party.receives) == ("folder", "push")
    assert party.connector_settings == {"path": str(tmp_path), "quiet_s": 0.5, "answers": {"404": "refused"}}
    assert (
        cli("parties", "add", "so-hai", *ASKED[:5], "H19.951", "--pause", "--endpoint", "https://a.example/").code == 0
    )
    assert added(office, "so-hai").connector_settings == {"url": "https://a.example/"}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--connector", "reest"), "DLV-056"),
        (("--connector", "folder"), "SYS-016"),
        (("--connector", "folder", "--set", "path=/x", "--set", "quite_s=1"), "SYS-012"),
    ],
)
def test_a_connector_that_cannot_be_right_leaves_nothing_behind(cli, office, more, code):
    result = cli("parties", "add", "so-moi", *ASKED, *more)
    assert (result.code, code in result.err) == (1, True)
    assert not (office.folder / "parties" / "so-moi.toml").exists()


def at_a_terminal(folder, arguments, answers):
    """Runs the command at a terminal of its own, answering each question; gives what stood on it, and the exit code."""
    terminal, other = pty.openpty()
    command = [sys.executable, "-m", "gateway", *arguments]
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("LIENTHONG_", "LC_"))}
    process = subprocess.Popen(
        command, cwd=folder, env={**ours, "LANG": "vi_VN.UTF-8"}, stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    seen, left = b"", list(answers)
    while select.select([terminal], [], [], 60)[0]:
        try:
            came = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        seen += came
        if left and seen.rstrip().endswith(b":"):
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return seen.decode(), process.wait(PATIENCE_S)


def test_what_is_not_given_is_asked_for_at_a_terminal(cli, office):
    certificate = str(pki.signer("unregistered").cert_pem)
    answers = [
        "Sở Mới",
        "boss",
        "one-stop",
        "H19.950, 000.99.05.H19",
        "y",
        "rest",
        "https://so-moi.example/nhan",
        certificate,
        "",
    ]
    seen, code = at_a_terminal(office.folder, ["parties", "add", "so-moi"], answers)
    assert code == 0, seen
    assert "'boss'" in seen  # was not taken, and asked again
    profile = read_file(office.folder / "parties" / "so-moi.toml", [], installed())
    assert (profile.identifiers, profile.meaning.Trang8LaTamDung) == (("H19.950", "000.99.05.H19"), True)
    assert (profile.connector, profile.connector_settings["url"]) == ("rest", "https://so-moi.example/nhan")
    assert (len(profile.certificates), profile.contact) == (1, None)


def pushed_to(office, url):
    file = office.folder / "parties" / "so-tu-phap.toml"
    text = file.read_text("utf-8")
    start = text.index("connector = {")
    line = text[start : text.index("\n", start)]
    file.write_text(
        text.replace(line, f'connector = {{ name = "rest", url = "{url}", private_addresses = true, timeout_s = 60 }}'),
        "utf-8",
    )


def test_a_party_s_address_is_tried_without_sending_anything(cli, office):
    signer = pki.signer("so-tu-phap")
    agency = Agency(SigningKey.load(signer.key_pem, signer.cert_pem, private_mode=False), "H19.901", "Sở")
    with served(agency.app()) as url:
        pushed_to(office, f"{url}/lienthong")
        out = cli("parties", "check", "--connect").out
    assert f"✓ so-tu-phap: {url}/lienthong HTTP 405" in out
    assert agency.taken == []


def test_an_address_where_nobody_listens_is_said_to_be_that(cli, office):
    pushed_to(office, "http://127.0.0.1:9/lienthong")
    result = cli("parties", "check", "--connect")
    assert (result.code, "✗ so-tu-phap" in result.out, "DLV-001" in result.out) == (1, True, True)


def test_credentials_that_are_not_accepted_are_found_out(cli, office):
    async def no(_request):
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/lienthong", no)
    with served(app) as url:
        pushed_to(office, f"{url}/lienthong")
        result = cli("parties", "check", "--connect", "--json")
    row = next(row for row in result.rows if row.get("party") == "so-tu-phap" and "place" in row)
    assert (result.code, row["reached"], row["problems"][0]["code"]) == (1, "HTTP 401", "DLV-005")


def test_a_private_address_that_is_not_allowed_is_not_called(cli, office):
    pushed_to(office, "http://127.0.0.1:9/lienthong")
    file = office.folder / "parties" / "so-tu-phap.toml"
    file.write_text(file.read_text("utf-8").replace("private_addresses = true, ", ""), "utf-8")
    result = cli("parties", "check", "--connect")
    assert (result.code, "không có TLS: http" in result.out, "DLV-001" in result.out) == (1, True, False)
    assert "without TLS: http" in cli("--lang", "en", "parties", "check").out  # as much can be told without a try
    file.write_text(file.read_text("utf-8").replace("http://", "https://"), "utf-8")
    result = cli("parties", "check", "--json")
    (row,) = [row for row in result.rows if row.get("code") == "DLV-003"]
    assert (result.code, row["facts"]["why"]) == (1, "private")


def test_the_certificate_that_we_show_is_looked_at(cli, office):
    pushed_to(office, "http://127.0.0.1:9/lienthong")
    file = office.folder / "parties" / "so-tu-phap.toml"
    pem = pki.signer("expired").cert_pem
    more = f'private_addresses = true, client_certificate = "{pem}"'
    file.write_text(file.read_text("utf-8").replace("private_addresses = true", more), "utf-8")
    assert "SYS-028" in cli("parties", "check", "--connect").out
    file.write_text(file.read_text("utf-8").replace(str(pem), "/khong/co.pem"), "utf-8")
    assert "SYS-045" in cli("parties", "check", "--connect").out
