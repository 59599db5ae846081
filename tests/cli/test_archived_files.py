"""A month with files is archived as an operator does it, and what its people ask for afterwards is still had, or said why not."""

import hashlib
import re
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import mail
import pytest
from going import ask, running
from patience import eventually
from sqlalchemy import text

from gateway.core.model import DeliveryState
from gateway.settings import load
from gateway.store import Tx
from gateway.store.filefolder import FileFolder
from gateway.wiring import file_desk, file_rules

JANUARY = datetime(2026, 1, 15, 2, tzinfo=UTC)
SAID = ("--yes", "--reason", "hết năm")
WHY = ("--reason", "thanh tra")
PUSHED, PULLS = "so-tu-phap", "ubnd-xa-thu-nghiem"
FILE = b"%PDF-1.7 ban ve thang 1"


@dataclass
class Old:
    """An office with a message of January to one that pulls and one to one that is pushed to; both name the same file."""

    office: object
    acks: tuple
    codes: tuple

    @property
    def folder(self):
        """The node's."""
        return self.office.folder

    @property
    def digest(self):
        """The file's."""
        return hashlib.sha256(FILE).hexdigest()

    @property
    def live(self):
        """Where the file lies until its month is archived."""
        return self.folder / "tep" / self.digest[:2] / self.digest

    @property
    def months(self):
        """Where archives lie."""
        return self.folder / "luu-tru"

    @property
    def archived(self):
        """Where the file lies then."""
        return self.months / "2026-01.tep" / self.digest[:2] / self.digest

    @property
    def handed_over(self):
        """Where the one that is pushed to gets its messages."""
        return self.folder / "giao"

    def delivery(self, ack=None):
        """The delivery of a message: the one of January unless another is named."""
        with self.office.store.read() as view:
            (found,) = view.deliveries(message=(ack or self.acks[1]).message)
        return found

    def body(self, number):
        """The bytes that the receiver of one of the messages is owed."""
        with self.office.store.read() as view:
            return view.body(self.acks[number].message, self.acks[number].digest)

    def states(self, *acks):
        """How the deliveries of these messages stand."""
        found = [self.delivery(ack) for ack in acks]
        return [(one.state, one.problem and one.problem.code) for one in found]


@pytest.fixture
def old(cli, tmp_path, office_template, office_in, database_url):
    """That office, on each kind of database in turn."""
    cli.folder = folder = shutil.copytree(office_template, tmp_path / "nut")
    config = folder / "lienthong.toml"
    text = re.sub(r"(?m)^\[files\]$", '[files]\nfolder = "tep"', config.read_text("utf-8"))
    text = re.sub(r"(?m)^\[archive\]$", '[archive]\nfolder = "luu-tru"', text)
    text = re.sub(r"(?m)^url = .*$", f'url = "{database_url}"', text, count=1)
    assert database_url in text
    config.write_text(text, "utf-8")
    profile = folder / "parties" / f"{PUSHED}.toml"
    connector = f'connector = {{ name = "folder", path = "{folder / "giao"}" }}'
    profile.write_text(re.sub(r"(?m)^connector = .*$", connector, profile.read_text("utf-8")), "utf-8")
    assert cli("parties", "apply", *SAID).code == 0
    (folder / "giao").mkdir()
    with office_in(folder) as office:
        settings = load(config, {}).settings
        office.gate = replace(office.gate, files=file_rules(settings))
        party, desk = office.gate.parties.get("cong-dvc"), file_desk(settings, office.store)
        upload = desk.begin(party, len(FILE), None, JANUARY)
        with desk.part(upload.id) as part:
            desk.write(part, FILE)
            desk.finish(upload, part, party, JANUARY)
        codes = mail.ma_ho_so(PULLS), mail.ma_ho_so(PUSHED)
        acks = tuple(
            office.receive(None, body=mail.nop(code, to=to, files=[mail.named(FILE)], now=JANUARY), at=JANUARY)
            for to, code in zip((PULLS, PUSHED), codes, strict=True)
        )
        assert [one.fate for one in acks] == ["accepted", "accepted"], acks
        yield Old(office, acks, codes)


def original(old):
    """Where a reader asks for the message that it was sent, and for its file."""
    return f"/v1/messages/{old.acks[0].message}/original", f"/v1/files/{old.digest}"


def archive(cli):
    """What an operator types, and what is printed."""
    return cli("archive", "make", "--before", "2026-02", *SAID)


def test_whatever_is_asked_of_a_month_with_files_is_had_after_it_is_archived(cli, old):
    """A delivery that was still waiting, a reader's download, evidence and the operator's own look-ups."""
    sent = old.body(1)
    made = archive(cli)
    assert (made.code, "2026-01.tep: 1 tệp, 23 byte." in made.out) == (0, True)
    assert (old.live.exists(), old.archived.read_bytes()) == (False, FILE)
    with running(old.folder, "work"):
        assert eventually(lambda: old.states(old.acks[1]) == [(DeliveryState.DELIVERED, None)]), old.states(old.acks[1])
    handed = {path.suffix: path.read_bytes() for path in old.handed_over.iterdir()}
    assert handed == {".xml": sent, ".tep": FILE}
    with running(old.folder, "serve", "--workers", "1", "--port", "0") as (_, url):
        for path, content in zip(original(old), (old.body(0), FILE), strict=True):
            assert ask("GET", f"{url}{path}", token=f"TEST-ONLY-{PULLS}") == (200, content)
            assert ask("GET", f"{url}{path}", token="TEST-ONLY-so-xay-dung")[0] == 404
    assert cli("archive", "verify").out.splitlines() == ["2026-01: nguyên vẹn.", "2026-01.tep: nguyên vẹn."]
    assert [row["name"] for row in cli("archive", "list", "--json").rows] == ["2026-01", "2026-01.tep"]
    assert cli("archive", "get", old.digest, *WHY).out.encode() == FILE
    found = cli("archive", "search", old.codes[1], "--json").rows
    assert [row["archive"] for row in found] == ["2026-01", "2026-01.tep"]
    place = old.folder / "thanh-tra"
    place.mkdir()
    (row,) = cli("evidence", old.acks[0].message, "-o", place, "--with-files", "--json", *WHY).rows
    assert (row["steps"]["attached"], (place / f"{old.digest}.tep").read_bytes()) == ("passed", FILE)
    assert cli("log", "verify", "--store", "--all").code == 0
    nothing = cli("archive", "make", "--before", "2026-02")  # and nobody is asked
    assert (nothing.code, "Không có tháng nào" in nothing.err) == (0, True)


@pytest.mark.parametrize("away", ["2026-01.luutru", "2026-01.tep"])
def test_an_archive_that_is_away_is_named_to_whoever_asks_and_costs_nobody_beside(cli, old, away):
    assert archive(cli).code == 0
    aside = (old.months / away).rename(old.folder / "o-dia-khac")
    new = old.office.receive(None, body=mail.nop(to=PUSHED))
    with running(old.folder, "work"):  # the old one is leased with the new one, and before it
        assert eventually(lambda: old.states(new) == [(DeliveryState.DELIVERED, None)]), old.states(new)
        assert eventually(lambda: old.states(old.acks[1]) == [(DeliveryState.REFUSED, "DLV-076")]), old.states(
            old.acks[1]
        )
        assert "uncertain" not in (old.folder / "work.log").read_text("utf-8")
    told = cli("show", old.acks[1].message)
    assert (away in told.out, "gửi lại (replay)" in told.out) == (True, True)
    assert "See “lienthong archive verify”" in cli("show", old.acks[1].message, "--lang", "en").out
    wanted = original(old)[away == "2026-01.tep"]
    with running(old.folder, "serve", "--workers", "1", "--port", "0") as (_, url):
        status, said = ask("GET", f"{url}{wanted}", token=f"TEST-ONLY-{PULLS}")
        assert (status, b"SYS-205" in said, away.encode() in said) == (503, True, True)
        assert ask("GET", f"{url}/v1/inbox?after=0", token=f"TEST-ONLY-{PULLS}")[0] == 200
        aside.rename(old.months / away)
        assert ask("GET", f"{url}{wanted}", token=f"TEST-ONLY-{PULLS}")[0] == 200  # and nothing was started anew
    assert cli("replay", old.delivery().id, *SAID).code == 0
    with running(old.folder, "work"):
        assert eventually(lambda: old.states(old.acks[1]) == [(DeliveryState.DELIVERED, None)]), old.states(old.acks[1])
    assert (old.handed_over / f"{old.digest}.tep").read_bytes() == FILE


@pytest.mark.threat("T-ARCHIVE")
def test_what_lies_in_a_torn_or_changed_archive_is_never_given_out_and_the_archive_is_named(cli, old):
    assert archive(cli).code == 0
    whole = old.archived.read_bytes()
    for harm in (whole[:-1], whole[:-1] + b"x", None):
        old.archived.unlink() if harm is None else old.archived.write_bytes(harm)
        got = cli("archive", "get", old.digest, *WHY)
        assert (got.code, got.out) == (1, "")
        assert all(word in got.err for word in ("SYS-205", "2026-01.tep", old.digest))
        assert all(word in cli("archive", "verify").err for word in ("SYS-197", "2026-01.tep", old.digest))
    old.archived.write_bytes(whole)
    assert cli("archive", "verify").code == 0
    packed = old.months / "2026-01.luutru"
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) // 2])
    for asked in (["get", old.acks[0].digest, *WHY], ["search", old.codes[0]]):
        said = cli("archive", *asked)
        assert (said.code, "SYS-205" in said.err, "2026-01.luutru" in said.err) == (1, True, True)
    assert old.digest in said.out  # what the other archives hold is told all the same
    assert "SYS-205" in cli("evidence", old.acks[0].message, "-o", old.folder / "goi.zip", *WHY).err


def test_an_archive_whose_making_was_broken_off_is_finished_by_the_next_one(cli, old, monkeypatch):
    def broken_off(*_):
        raise KeyboardInterrupt

    def left():
        with old.office.store.engine.connect() as connection:
            (bodies,) = connection.execute(
                text("SELECT count(*) FROM body WHERE bytes IS NOT NULL AND archive IS NULL")
            )
        return bodies[0], sum(path.is_file() for path in (old.folder / "tep").rglob("*"))

    def line_of(what):
        return [row["facts"]["archive"] for row in cli("log", "show", "--what", what, "--json").rows]

    with monkeypatch.context() as there:  # the archive is on record, and nothing has left the database
        there.setattr(Tx, "archive_bodies", broken_off)
        assert archive(cli).code == 130
    bodies, _ = left()
    with monkeypatch.context() as there:  # the file is on record as archived, and its bytes are about to go
        there.setattr(FileFolder, "remove", broken_off)
        assert archive(cli).code == 130
    assert left()[0] < bodies
    assert left()[1] == 1
    assert (line_of("archive.emptied"), line_of("archive.files-emptied")) == (["2026-01"], [])
    done = archive(cli)
    assert (done.code, left()[1]) == (0, 0)
    assert (line_of("archive.emptied"), line_of("archive.files-emptied")) == (["2026-01"], ["2026-01"])
    assert (cli("archive", "get", old.digest, *WHY).out.encode(), cli("archive", "verify").code) == (FILE, 0)


def test_a_file_that_was_about_to_leave_for_its_archive_is_not_put_back_beside_it(cli, old):
    assert archive(cli).code == 0
    aside = old.folder / "tep" / "going" / old.digest
    settings = load(old.folder / "lienthong.toml", {}).settings
    aside.write_bytes(FILE)  # whoever archived it was killed here
    file_desk(settings, old.office.store).sweep(datetime.now(UTC))
    assert (aside.exists(), old.live.exists()) == (False, False)
    aside.write_bytes(FILE)
    old.archived.unlink()  # where the archive has lost it, it is the last one
    file_desk(settings, old.office.store).sweep(datetime.now(UTC))
    assert (aside.exists(), old.live.read_bytes()) == (False, FILE)
