"""parties try: what would be sent is shown to the letter, nothing leaves, and no secret is seen."""

import asyncio
import json
import shutil
import threading
from contextlib import contextmanager

import pytest
from cong_quoc_gia import SAMPLES, nop_ho_so
from false_agency import Agency
from owed import Clock, Owing
from patience import PATIENCE_S
from shapes import PARTNERS, SECRET, SHAPES, profile

from gateway.opening import open_store
from gateway.settings import load

CALLS = {
    "cong-quoc-gia-lgsp": ["login", "phien", "tao-moi"],
    "dat-dai": ["login", "tiep-nhan"],
    "trung-tam-hcc": ["tao-moi"],
    "mot-cua-igate": ["login", "so-ke-tiep", "noi-ho-so"],
    "thue": ["gui"],
    "mot-cua-tinh": ["login", "tao-moi"],
}


@pytest.fixture
def partner(node, monkeypatch):
    """Put an example beside the node's profiles, with real secrets in the environment."""

    def put(shape):
        for file in (PARTNERS / shape).iterdir():
            shutil.copy(file, node / "parties" / file.name)
        for where in profile(shape).connector_settings.get("secrets", {}).values():
            monkeypatch.setenv(where.removeprefix("env:"), SECRET)
        return node

    return put


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_request_of_a_message_is_shown_and_no_secret_with_it(cli, partner, shape):
    partner(shape)
    (cli.folder / "hs01.xml").write_bytes(nop_ho_so(1))
    done = cli("parties", "try", shape, "--message", "hs01.xml", "--json")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    named = [row["call"] for row in rows]
    assert [name for name in named if name != "tai-tep"] == CALLS[shape]
    assert SECRET not in done.out + done.err
    assert all(row["url"].startswith("https://") and ".example" in row["url"] for row in rows)
    if shape == "cong-quoc-gia-lgsp":
        said = json.loads(rows[-1]["body"])
        assert (said["session"], said["isUpdating"]) == ("<phien>", "False")
        assert said["data"][0]["MaHoSo"] == "H19.901-260115-0001"
        assert rows[-1]["headers"]["Authorization"] == "Bearer <token>"
        assert "client_secret=%2A%2A%2A" in rows[0]["body"] or "client_secret=***" in rows[0]["body"]
    people = cli("parties", "try", shape, "--message", "hs01.xml")
    assert people.code == 0
    assert f"({CALLS[shape][-1]})" in people.out


def test_a_message_that_would_be_refused_is_refused_with_its_reason(cli, partner):
    partner("dat-dai")
    done = cli("parties", "try", "dat-dai", "--message", SAMPLES / "HS05-tien-do-day-du.xml")
    assert done.code == 1
    assert "DLV-034" in done.out
    assert "so_bien_nhan" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--dossier"),
        (("--message", "hs01.xml", "--dossier", "x"), "--dossier"),
        (("--message", "hs01.xml", "--send", "ftp://a"), "--send"),
        (("--message", "hs01.xml", "--send", "https://u:p@a/x"), "--send"),
    ],
)
def test_half_a_question_is_told_what_is_missing(cli, partner, arguments, words):
    partner("thue")
    (cli.folder / "hs01.xml").write_bytes(nop_ho_so(1))
    done = cli("parties", "try", "thue", *arguments)
    assert done.code == 2
    assert words in done.err


def test_a_party_that_there_is_not_is_named(cli, partner):
    partner("thue")
    (cli.folder / "hs01.xml").write_bytes(nop_ho_so(1))
    done = cli("parties", "try", "thuee", "--message", "hs01.xml")
    assert done.code != 0
    assert "SYS-042" in done.out + done.err


def test_bytes_that_are_no_message_are_refused_by_code(cli, partner):
    partner("thue")
    (cli.folder / "x.xml").write_text("<a>")
    done = cli("parties", "try", "thue", "--message", "x.xml")
    assert done.code != 0
    assert "XML-" in done.out + done.err


@contextmanager
def listening(far):
    """A far side in a thread of its own; gives its address."""
    ready, over, found = threading.Event(), threading.Event(), []

    async def serve():
        async with Agency(far) as agency:
            found.append(f"http://127.0.0.1:{agency.port}")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(PATIENCE_S)
    try:
        yield found[0]
    finally:
        over.set()
        thread.join()


def test_one_message_goes_to_a_test_address_and_nowhere_else(cli, partner):
    partner("cong-quoc-gia-lgsp")
    (cli.folder / "hs01.xml").write_bytes(nop_ho_so(1))
    far = SHAPES["cong-quoc-gia-lgsp"]()
    with listening(far) as url:
        done = cli("parties", "try", "cong-quoc-gia-lgsp", "--message", "hs01.xml", "--send", url)
        assert done.code == 0, done.out + done.err
        far.strict, far.dossiers = True, {}
        far.respond = lambda *_: far.no()
        refused = cli("parties", "try", "cong-quoc-gia-lgsp", "--message", "hs01.xml", "--send", url)
    assert [service for service, _ in far.calls] == ["DongBoHoSoMC"]
    assert refused.code == 1
    assert "DLV-009" in refused.out


def test_the_newest_delivery_of_a_dossier_is_shown_with_what_is_remembered_of_it(cli, partner):
    node = partner("dat-dai")
    store = open_store(load(node / "lienthong.toml"))
    to = profile("dat-dai")
    owing = Owing(store, Clock(), to)
    code = "H19.901-260115-0001"
    body = (SAMPLES / "HS05-tien-do-day-du.xml").read_bytes().replace(b"H19.901-260115-0002", code.encode())
    owing.lane(to, ma_ho_so=code, body=nop_ho_so(1))
    with store.begin() as tx:
        (leased,) = tx.claim_due(to.id, owing.clock(), 1, 60.0)
    from gateway.core.model import Attempt, AttemptOutcome, DeliveryState

    came = Attempt(
        delivery=leased.id,
        number=0,
        kind="send",
        started_at=owing.clock(),
        ended_at=owing.clock(),
        outcome=AttemptOutcome.DELIVERED,
    )
    with store.begin() as tx:
        assert tx.settle(leased, came, DeliveryState.DELIVERED, remember={"so_bien_nhan": "BN-77"})
    owing.lane(to, ma_ho_so=code, body=nop_ho_so(1) + b"\n")
    unasked = cli("parties", "try", "dat-dai", "--dossier", code)
    assert (unasked.code, "SYS-041" in unasked.err, code in unasked.out) == (1, True, False)
    done = cli("parties", "try", "dat-dai", "--dossier", code, "--reason", "bên nhận hỏi", "--json")
    (looked,) = cli("log", "show", "--what", "message.read", "--json").rows
    assert looked["facts"] == {"reason": "bên nhận hỏi", "part": "content"}
    assert done.code == 0, done.out + done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert json.loads([row["body"] for row in rows if "body" in row][-1])["MaHoSoMotCua"] == code
    (node / "hs05.xml").write_bytes(body)
    news = cli("parties", "try", "dat-dai", "--message", "hs05.xml", "--json")
    assert json.loads(json.loads(news.out.splitlines()[-1])["body"])["SoBienNhan"] == "BN-77"
    missing = cli("parties", "try", "dat-dai", "--dossier", "H19.901-260115-0009")
    assert (missing.code != 0, "SYS-042" in missing.out + missing.err) == (True, True)
    assert owing.states() == ["delivered", "queued"]  # nothing was sent, nothing was changed


def test_the_connectors_that_send_one_request_show_it(cli, node):
    (node / "parties" / "so-a.toml").write_text(
        'id = "so-a"\nname = "Sở A"\nrole = "one-stop"\nidentifiers = ["H19.971"]\nreceives = "push"\n'
        'connector = { name = "rest", url = "https://so-a.example/nhan", authorization = "env:KHONG_CO" }\n',
        "utf-8",
    )
    (node / "hs01.xml").write_bytes(nop_ho_so(1))
    done = cli("parties", "try", "so-a", "--message", "hs01.xml", "--json")
    assert done.code == 0, done.err
    (row,) = [json.loads(line) for line in done.out.splitlines()]
    assert row["headers"]["Authorization"] == "***"
    assert row["body"].encode() == nop_ho_so(1)
    (node / "parties" / "so-b.toml").write_text(
        'id = "so-b"\nname = "Sở B"\nrole = "one-stop"\nidentifiers = ["H19.972"]\nreceives = "push"\n'
        '[connector]\nname = "qcvn120"\nurl = "https://so-b.example/"\nusername = "u"\npassword = "env:KHONG_CO"\n'
        'madonvi = "H19"\ntra_cuu = "TraCuuHoSo"\ncodes = { missing = ["-3"] }\n',
        "utf-8",
    )
    shown = cli("parties", "try", "so-b", "--message", "hs01.xml", "--json")
    assert shown.code == 0, shown.out + shown.err
    bodies = [json.loads(json.loads(line)["body"]) for line in shown.out.splitlines() if '"url"' in line]
    assert [body.get("service") for body in bodies] == [None, "TraCuuHoSo", "DongBoHoSoMC"]
    assert bodies[0]["password"] == "***"
