"""Files beside messages, as a party's system meets them: brought whole or in parts, named by a message, fetched again."""

import asyncio
import base64
import hashlib
import http.client
import itertools
import os
import random
import re
import shutil
import socket
from dataclasses import replace
from datetime import timedelta

import mail
import pki
import pytest
from patience import PATIENCE_S, eventually

from connectors.http import HttpLine
from connectors.registry import installed
from gateway import wiring
from gateway.core.alerts import Alarm
from gateway.core.parties import PartyFiles, Receives
from gateway.core.problems import Stopped
from gateway.core.stored_files import UnscannedFiles
from gateway.services import archiving, retention
from gateway.services.intake import recheck
from gateway.services.outbox import Outbox
from gateway.services.watch import alerts
from gateway.store import filefolder
from gateway.store.archives import Archives, month_of

PDF = b"%PDF-1.7\n"
JSON = {"Accept": "application/json"}
OFFSET = "application/offset+octet-stream"


def pdf(size, seed=1):
    """A file that looks like a PDF, of so many bytes."""
    return PDF + random.Random(seed).randbytes(size - len(PDF))


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def repr_digest(content):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.fixture
def with_files(open_door, file_settings, tmp_path):
    """Opens doors that take files; settings of [files] may be given."""

    def open_(parties=None, **files):
        return open_door(parties=parties, settings=file_settings(tmp_path / "tep", **files))

    return open_


@pytest.fixture
def door(file_door):
    """The door that most tests of this module share; it takes files of at most 3 MB."""
    return file_door


@pytest.fixture
def own_door(with_files):
    """A door for one test alone, which looks at everything that lies in its folder."""
    return with_files()


def bring(door, content, by="cong-dvc", **headers):
    return door.ask("POST", "/v1/files", content, by=by, headers={**JSON, "Content-Type": "application/pdf", **headers})


def begin(door, size, by="cong-dvc", **headers):
    sent = {**JSON, "Upload-Length": str(size), "Tus-Resumable": "1.0.0", **headers}
    return door.ask("POST", "/v1/files", by=by, headers=sent)


def go_on(door, where, offset, content, by="cong-dvc", **headers):
    sent = {**JSON, "Content-Type": OFFSET, "Upload-Offset": str(offset), "Tus-Resumable": "1.0.0", **headers}
    return door.ask("PATCH", where, content, by=by, headers=sent)


def on_disk(door):
    folder = door.settings.files.folder
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


# -- bringing one --


def test_a_file_is_kept_once_under_its_digest_for_the_gateway_alone(door):
    content = pdf(1_500_000)
    first = bring(door, content, **{"Repr-Digest": repr_digest(content)})
    again = bring(door, content, by="ubnd-xa-thu-nghiem")
    assert (first.status, again.status) == (201, 201)
    assert first.json["BamSHA256"] == sha256(content)
    assert first.json["DuongDan"] == f"lienthong:sha256:{sha256(content)}"
    assert (first.json["SoByte"], first.json["LoaiTep"]) == (len(content), "application/pdf")
    assert first.headers["Location"] == f"/v1/files/{sha256(content)}"
    (file,) = [one for one in on_disk(door) if one.read_bytes() == content]
    assert file.name == sha256(content)
    assert file.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in file.parents[:2]} == {0o700}


def test_files_give_way_to_messages_and_to_nothing_else(open_door, file_settings, tmp_path):
    """At one megabyte a second the blocks of a file wait, but only where somebody has sent a message just now."""
    token = "lt_op_0123456789abcdef"
    operators = (sha256(token.encode()),)
    door = open_door(settings=file_settings(tmp_path / "tep", pace_mb_s=1), operator_tokens_sha256=operators)
    seeds = itertools.count(1)

    def gave_way_s():
        text = door.get("/metrics", Authorization=f"Bearer {token}").body.decode()
        return float(re.search(r"^lienthong_files_gave_way_seconds_total (.*)$", text, re.MULTILINE)[1])

    def waits_beside_a_message(act):  # on a busy machine the message may be long past when the file comes
        before = gave_way_s()
        assert door.send(mail.nop(), "cong-dvc").status == 201
        act()
        return gave_way_s() > before

    brought = bring(door, pdf(600_000, next(seeds)))
    assert brought.status == 201
    assert gave_way_s() == 0
    assert eventually(lambda: waits_beside_a_message(lambda: bring(door, pdf(600_000, next(seeds)))))
    assert eventually(lambda: waits_beside_a_message(lambda: door.get(brought.headers["Location"], "cong-dvc")))


@pytest.mark.threat("T-FILE-PATH")
def test_a_form_with_one_file_is_taken_too_whatever_the_file_is_called(door):
    content, before = pdf(700_000), on_disk(door)
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="ghi-chu"\r\n\r\nh\xe1\xbb\x93 s\xc6\xa1\r\n--x\r\n'
        b'Content-Disposition: form-data; name="tep"; filename="../../a.pdf"\r\nContent-Type: text/plain\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )
    kind = {**JSON, "Content-Type": "multipart/form-data; boundary=x"}
    answer = door.ask("POST", "/v1/files", parts, by="cong-dvc", headers=kind)
    assert answer.status == 201, answer
    assert (answer.json["BamSHA256"], answer.json["LoaiTep"]) == (sha256(content), "application/pdf")
    none = door.ask("POST", "/v1/files", b"--x--\r\n", by="cong-dvc", headers=kind)
    assert (none.status, none.codes) == (400, ["SYS-109"])
    assert [file.name for file in on_disk(door) if file not in before] == [sha256(content)]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (pdf(5000), {"Repr-Digest": repr_digest(b"other")}, 422, "FIL-001"),
        (pdf(3_000_001), {}, 413, "FIL-002"),
        (pdf(5000), {"Repr-Digest": "md5=:abc=:"}, 400, "SYS-109"),
        (pdf(5000), {"Content-Encoding": "gzip"}, 415, "SYS-104"),
        (b"", {"Upload-Length": "3000001"}, 413, "FIL-002"),
        (b"", {"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, 412, "FIL-018"),
    ],
)
def test_what_is_no_good_is_refused_and_leaves_nothing_behind(door, content, headers, status, code):
    before = on_disk(door)
    answer = bring(door, content, **headers)
    assert (answer.status, answer.codes) == (status, [code])
    assert eventually(lambda: on_disk(door) == before)


@pytest.mark.threat("T-FILE-FLOOD")
def test_a_chunked_body_is_cut_at_the_limit(door):
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pki.token('cong-dvc')}\r\nAccept: application/json\r\n"
    chunk, before = b"%x\r\n%s\r\n" % (1_000_000, pdf(1_000_000)), on_disk(door)
    said, closed = door.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n", chunk * 4)
    assert said.startswith(b"HTTP/1.1 413 ") and b"FIL-002" in said and closed
    assert eventually(lambda: on_disk(door) == before)


@pytest.mark.threat("T-FILE-FLOOD")
def test_a_party_keeps_no_more_than_its_quota_with_what_it_has_announced(with_files, with_party):
    door = with_files(parties=with_party("ubnd-xa-thu-nghiem", files=PartyFiles(quota_mb=1)), quota_mb=2)
    assert bring(door, pdf(900_000, 1)).status == 201
    assert begin(door, 900_000).status == 201
    for refused in (bring(door, pdf(900_000, 2)), begin(door, 900_000)):
        assert (refused.status, refused.codes) == (413, ["FIL-003"])
    assert bring(door, pdf(900_000, 2), by="ubnd-xa-thu-nghiem").status == 201
    assert bring(door, pdf(900_000, 3), by="ubnd-xa-thu-nghiem").codes == ["FIL-003"], "its own quota is smaller"


# -- in parts --


def test_a_cut_upload_goes_on_where_it_was_cut(door):
    content = pdf(2_900_000)
    where = begin(door, len(content), **{"Repr-Digest": repr_digest(content)}).headers["Location"]
    assert go_on(door, where, 0, content[:1_000_000]).headers["Upload-Offset"] == "1000000"
    head = (
        f"PATCH {where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pki.token('cong-dvc')}\r\nContent-Type: {OFFSET}\r\n"
        f"Upload-Offset: 1000000\r\nContent-Length: {len(content) - 1_000_000}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as wire:
        wire.sendall(head.encode() + content[1_000_000:2_000_000])
    came = 0

    answer = None

    def resumed():
        nonlocal came, answer
        came = int(door.ask("HEAD", where, by="cong-dvc").headers["Upload-Offset"])
        answer = go_on(door, where, came, content[came:])
        return answer.status == 204

    assert eventually(resumed)
    assert 1_000_000 <= came <= 2_000_000
    assert answer.headers["Upload-Offset"] == str(len(content))
    assert answer.headers["Location"] == f"/v1/files/{sha256(content)}"
    assert door.get(answer.headers["Location"], "cong-dvc").body == content
    assert door.ask("HEAD", where, by="cong-dvc").status == 404


@pytest.mark.threat("T-FILE-PATH")
def test_a_part_at_another_place_or_of_another_party_changes_nothing(door):
    content = pdf(200_000)
    where = begin(door, len(content)).headers["Location"]
    assert go_on(door, where, 0, content[:50_000]).status == 204
    wrong = go_on(door, where, 60_000, content[60_000:])
    assert (wrong.status, wrong.codes, wrong.headers["Upload-Offset"]) == (409, ["FIL-004"], "50000")
    more = go_on(door, where, 50_000, content[50_000:] + b"x")
    assert (more.status, more.codes) == (400, ["SYS-109"])
    other = go_on(door, where, 50_000, content[50_000:], by="ubnd-xa-thu-nghiem")
    assert (other.status, other.codes) == (403, ["FIL-006"])
    assert door.ask("PATCH", where, b"x", by="cong-dvc", headers={"Upload-Offset": "0"}).status == 415
    for nowhere in (f"/v1/files/parts/{'0' * 32}", "/v1/files/parts/..%2F..%2Fetc"):
        assert (found := go_on(door, nowhere, 0, b"x")).status == 404, nowhere
        assert found.codes == ["FIL-005"]
    assert go_on(door, where, 50_000, content[50_000:]).headers["Location"] == f"/v1/files/{sha256(content)}"


def test_two_at_once_do_not_write_one_upload(door):
    content = pdf(100_000)
    where = begin(door, len(content)).headers["Location"]
    with door.app.door.files.folder.part(where.rpartition("/")[2]):
        busy = go_on(door, where, 0, content)
    assert (busy.status, busy.codes, busy.headers["Retry-After"]) == (423, ["FIL-014"], "5")
    assert go_on(door, where, 0, content).status == 204


def test_a_disk_that_does_not_take_a_file_is_said_to_and_what_came_is_no_loss(door):
    content = pdf(100_000, 2)
    where = begin(door, len(content)).headers["Location"]
    assert go_on(door, where, 0, content[:60_000]).status == 204
    folder = door.settings.files.folder
    folder.joinpath(sha256(content)[:2]).write_text("in the way")
    full = go_on(door, where, 60_000, content[60_000:])
    assert (full.status, full.codes, full.headers["Retry-After"]) == (503, ["FIL-017"], "5")
    folder.joinpath(sha256(content)[:2]).unlink()
    assert go_on(door, where, len(content), b"").headers["Location"] == f"/v1/files/{sha256(content)}"


# -- fetching one --


@pytest.mark.threat("T-FILE-OTHERS")
def test_a_file_is_for_its_bringer_and_for_the_parties_of_a_dossier_that_names_it(door):
    content = pdf(300_000)
    where = bring(door, content).headers["Location"]
    assert door.get(where, "cong-dvc").body == content
    stranger = door.get(where, "ubnd-xa-thu-nghiem")
    nobodys = door.get(f"/v1/files/{'0' * 64}", "ubnd-xa-thu-nghiem")
    assert (stranger.status, stranger.codes) == (nobodys.status, nobodys.codes) == (404, ["FIL-005"])
    assert door.send(mail.nop(files=[mail.named(content)]), "cong-dvc").status == 201
    received = door.get(where, "ubnd-xa-thu-nghiem")
    assert (received.status, received.body) == (200, content)
    assert received.headers["Content-Disposition"].startswith("attachment")
    assert (received.headers["Content-Type"], received.headers["Repr-Digest"]) == (
        "application/pdf",
        repr_digest(content),
    )
    assert door.get(where, "so-tu-phap").status == 404
    assert door.get(where).status == 401
    assert door.get("/v1/files/..%2F..%2Flienthong.toml", "cong-dvc").codes == ["FIL-005"]


def test_a_file_that_was_taken_out_of_its_folder_is_gone_and_comes_back_when_it_is_brought_again(door):
    content = pdf(2000)
    where = bring(door, content).headers["Location"]
    door.app.door.files.folder.place_of(sha256(content)).unlink()
    gone = door.get(where, "cong-dvc")
    assert (gone.status, gone.codes) == (410, ["FIL-016"])
    bring(door, content)
    assert door.get(where, "cong-dvc").body == content


def change(place, at=-1):
    """One byte other than it was, at the same length."""
    with place.open("r+b") as stream:
        stream.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        byte = stream.read(1)
        stream.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        stream.write(bytes([byte[0] ^ 1]))


def changed_files(door):
    found = alerts(door.gate.store, door.gate.parties, door.app.door.clock())
    return [one.subject for one in found if one.alarm is Alarm.FILE_CHANGED]


@pytest.mark.threat("T-FILE-CHANGED")
def test_bytes_that_changed_on_the_disk_are_not_given_out_under_their_digest(own_door, caplog):
    content = pdf(600_000)
    where = bring(own_door, content).headers["Location"]
    place = own_door.app.door.files.folder.place_of(sha256(content))
    change(place, 300_000)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)) as cut:
        own_door.get(where, "cong-dvc")
    assert len(getattr(cut.value, "partial", b"")) < len(content) - 1000, "the last block was not held back"
    assert "FIL-016 Tệp" in caplog.text
    assert changed_files(own_door) == [sha256(content)]
    part = own_door.get(where, "cong-dvc", Range="bytes=0-9")
    assert (part.status, part.codes) == (410, ["FIL-016"])
    bring(own_door, content)
    assert own_door.get(where, "cong-dvc").body == content
    assert own_door.get(where, "cong-dvc", Range="bytes=0-9").body == content[:10]


@pytest.mark.threat("T-FILE-CHANGED")
def test_a_small_file_that_changed_is_refused_with_its_code(own_door):
    content = pdf(2000)
    where = bring(own_door, content).headers["Location"]
    change(own_door.app.door.files.folder.place_of(sha256(content)))
    gone = own_door.get(where, "cong-dvc")
    assert (gone.status, gone.codes) == (410, ["FIL-016"])
    assert changed_files(own_door) == [sha256(content)]


@pytest.mark.threat("T-FILE-CHANGED")
def test_a_file_is_read_for_its_ranges_once_and_again_when_somebody_touched_it(own_door, monkeypatch):
    content = pdf(600_000)
    where = bring(own_door, content).headers["Location"]
    folder, hashed = own_door.app.door.files.folder, []
    place = folder.place_of(sha256(content))
    monkeypatch.setattr(filefolder, "_SETTLED_NS", 0)
    before = place.stat()
    digest_of = hashlib.file_digest

    def counted(stream, name):
        hashed.append(stream.name)
        return digest_of(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    for first in range(3):
        assert own_door.get(where, "cong-dvc", Range=f"bytes={first}-9").body == content[first:10]
    assert len(hashed) == 1
    change(place, 300_000)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):
        gone = own_door.get(where, "cong-dvc", Range="bytes=0-9")
        assert (gone.status, gone.codes) == (410, ["FIL-016"])
    assert len(hashed) == 2


def test_ranges_are_those_of_http(door):
    content = pdf(600_000)
    where = bring(door, content).headers["Location"]

    def got(span, **more):
        return door.get(where, "cong-dvc", Range=span, **more)

    for span, said in (
        ("bytes=0-9", slice(0, 10)),
        ("bytes=500000-", slice(500_000, None)),
        ("bytes=-7", slice(-7, None)),
    ):
        answer = got(span)
        assert (answer.status, answer.body) == (206, content[said])
        assert answer.headers["Content-Range"].endswith("/600000")
    assert (past := got("bytes=600000-")).status == 416
    assert (past.codes, past.headers["Content-Range"]) == (["FIL-012"], "bytes */600000")
    for whole in (got("bytes=0-1,5-9"), got("lines=1-2"), got("bytes=0-9", **{"If-Range": '"other"'})):
        assert (whole.status, whole.body) == (200, content)
    etag = f'"{sha256(content)}"'
    assert got("bytes=0-9", **{"If-Range": etag}).body == content[:10]
    assert door.get(where, "cong-dvc", **{"If-None-Match": etag}).status == 304
    head = door.ask("HEAD", where, by="cong-dvc")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "600000", b"")


# -- named by a message --


def state_of(door, message):
    with door.gate.store.read() as view:
        return view.by_ma_thong_diep("cong-dvc", ma_of(message))


def ma_of(message):
    return message.split(b"MaThongDiep>")[1].partition(b"<")[0].decode()


def remarks(answer):
    return [one["MaChiTiet"] for one in answer.json.get("DanhSachLoi", [])]


def test_a_message_whose_file_is_here_is_accepted_and_its_receipt_says_that_it_was_seen(door):
    content = pdf(40_000)
    bring(door, content)
    message = mail.nop(files=[mail.named(content)])
    answer = door.send(message, "cong-dvc")
    assert answer.status == 201
    receipt = base64.b64decode(answer.json["BienNhan"])
    assert b"FIL-013" in receipt and b"XSD-250" not in receipt
    assert remarks(answer) == ["FIL-013"]
    assert door.send(message, "cong-dvc").json["LapLai"] is True


@pytest.mark.threat("T-FILE-OTHERS")
def test_a_message_waits_for_its_file_and_goes_on_when_that_has_come(door):
    content = pdf(40_000, 2)
    message = mail.nop(files=[mail.named(content)])
    held = door.send(message, "cong-dvc")
    assert (held.status, remarks(held)) == (202, ["FIL-010"])
    assert bring(door, content, by="ubnd-xa-thu-nghiem").status == 201  # another party's file is none of the sender's
    assert state_of(door, message).state == "held"
    assert bring(door, content).status == 201
    assert state_of(door, message).state == "accepted"
    inbox = door.get("/v1/inbox?limit=100", "ubnd-xa-thu-nghiem").json["DanhSachMuc"]
    assert ma_of(message) in [row["MaThongDiep"] for row in inbox]
    again = door.send(message, "cong-dvc")
    assert (again.status, remarks(again)) == (200, ["FIL-013"])


def test_a_file_that_never_comes_ends_the_waiting(door):
    message = mail.nop(files=[mail.named(pdf(1000, 9))])
    assert door.send(message, "cong-dvc").status == 202
    held = state_of(door, message)
    recheck([held.id], door.gate, held.received_at + timedelta(hours=23))
    assert state_of(door, message).state == "held"
    recheck([held.id], door.gate, held.received_at + timedelta(hours=25))
    rejected = state_of(door, message)
    assert (rejected.state, rejected.codes) == ("rejected", ("FIL-010", "FIL-011"))


@pytest.mark.parametrize(
    ("content", "changes", "code"),
    [
        (pdf(2000), {"SoByte": "2001"}, "XSD-121"),
        (pdf(2000), {"BamSHA256": "ab" * 32}, "XSD-122"),
        (b"MZ" + bytes(2000), {}, "XSD-125"),
        (b"PK\x03\x04" + bytes(2000), {"LoaiTep": "application/zip"}, "XSD-126"),
        (pdf(2000), {"DuongDan": "lienthong:sha256:../../etc/passwd"}, "XSD-021"),
    ],
)
def test_what_a_message_says_of_its_file_must_be_so(door, content, changes, code):
    bring(door, content)
    answer = door.send(mail.nop(files=[mail.named(content, **changes)]), "cong-dvc")
    assert answer.status == 422
    assert code in answer.codes


def test_a_node_that_keeps_no_files_says_so(open_door):
    door = open_door()
    assert bring(door, pdf(1000)).codes == ["SYS-112"]
    answer = door.send(mail.nop(files=[mail.named(pdf(1000))]), "cong-dvc")
    assert (answer.status, answer.codes) == (422, ["FIL-015"])


@pytest.mark.threat("T-FILE-CHANGED")
def test_a_receiver_that_is_pushed_to_gets_the_file_before_its_message(with_files, with_party, tmp_path):
    place = tmp_path / "giao"
    place.mkdir()
    pushed = {"receives": Receives.PUSH, "connector": "folder", "connector_settings": {"path": str(place)}}
    parties = with_party("ubnd-xa-thu-nghiem", **pushed)
    door = with_files(parties=parties)
    here, gone, other = pdf(3000, 1), pdf(3000, 2), pdf(3000, 3)
    for content in (here, gone, other):
        bring(door, content)
        assert door.send(mail.nop(files=[mail.named(content)]), "cong-dvc").status == 201
    folder = door.app.door.files.folder
    folder.place_of(sha256(gone)).unlink()
    change(folder.place_of(sha256(other)))

    async def deliver():
        async with HttpLine() as line:
            box = Outbox(door.gate.store, parties, installed(), door.app.door.clock, line, files=folder)
            while await box.turn():
                await box.settled()

    asyncio.run(deliver())
    assert (place / f"{sha256(here)}.tep").read_bytes() == here
    assert len(list(place.iterdir())) == 2
    with door.gate.store.read() as view:
        states = [(d.state, d.problem and d.problem.code) for d in view.deliveries(party="ubnd-xa-thu-nghiem")]
    assert sorted(states, key=str) == [("delivered", None), ("refused", "DLV-074"), ("refused", "DLV-074")]
    assert changed_files(door) == [sha256(other)]
    bring(door, other)
    assert changed_files(door) == []


# -- inside a message --


def test_what_comes_inside_a_message_lies_in_the_same_store_for_the_same_parties(own_door):
    content, quota = pdf(1000, 1), own_door.app.door.files
    message = mail.nop(files=[mail.inside(content)])
    answer = own_door.send(message, "cong-dvc")
    assert (answer.status, remarks(answer)) == (201, [])
    assert own_door.send(message, "cong-dvc").json["LapLai"] is True
    assert [file.name for file in on_disk(own_door)] == [sha256(content)]
    where = f"/v1/files/{sha256(content)}"
    for party in ("cong-dvc", "ubnd-xa-thu-nghiem"):
        assert own_door.get(where, party).body == content
    assert own_door.get(where, "so-tu-phap").status == 404
    with own_door.gate.store.read() as view:
        assert view.files_of_message(state_of(own_door, message).id) == []  # nothing has to be handed over before it
        assert view.file_bytes_of("cong-dvc", own_door.app.door.clock()) == 0
    quota.sweep(own_door.app.door.clock() + timedelta(days=400))
    assert own_door.get(where, "ubnd-xa-thu-nghiem").body == content


def test_what_came_inside_an_erased_message_goes_along(own_door):
    code, content = mail.ma_ho_so(), pdf(1000, 1)
    assert own_door.send(mail.nop(code, files=[mail.inside(content)]), "cong-dvc").status == 201
    own_door.get("/v1/inbox?after=1", "ubnd-xa-thu-nghiem")
    store, now = own_door.gate.store, own_door.app.door.clock()
    rule = retention.RetentionRule(dossiers=(code,))
    retention.erase(
        store,
        retention.plan_erasure(store, own_door.gate.parties, rule),
        rule,
        who="operator:thu",
        reason="thu",
        now=now,
    )
    own_door.app.door.files.sweep(now)
    assert on_disk(own_door) == []


def test_what_comes_inside_a_refused_message_is_nobodys_and_goes_after_its_time(own_door):
    content = pdf(1000, 1)
    refused = own_door.send(mail.nop(files=[mail.inside(content)], signer="so-tu-phap"), "cong-dvc")
    assert refused.status == 422
    assert on_disk(own_door) == []  # nothing is kept of what is not its sender's
    checked = own_door.send(mail.nop(files=[mail.inside(content)]), "cong-dvc", path="/v1/messages/check")
    assert checked.status == 200
    assert on_disk(own_door) == []  # a check leaves nothing behind


@pytest.mark.threat("T-FILE-INFECTED")
def test_what_comes_inside_a_message_is_scanned_as_any_file(with_files, scanner, tmp_path):
    door = with_files(scan_command=scanner)
    good, bad = pdf(3000), pdf(3000, 2) + b"VIRUS"
    infected = door.send(mail.nop(files=[mail.inside(bad)]), "cong-dvc")
    assert (infected.status, infected.codes) == (422, ["FIL-007"])
    assert "DinhKem" in infected.json["problems"][0]["xpath"]
    assert door.send(mail.nop(files=[mail.inside(good)]), "cong-dvc").status == 201
    (tmp_path / "off").touch()
    contents = [pdf(3000, 3), pdf(3000, 4) + b"VIRUS"]
    messages = [mail.nop(files=[mail.inside(content)]) for content in contents]
    for message in messages:
        held = door.send(message, "cong-dvc")
        assert (held.status, remarks(held)) == (202, ["FIL-008"])
    (tmp_path / "off").unlink()
    desk, now = door.app.door.files, door.app.door.clock()
    assert set(desk.sweep(now).scanned) == set(map(sha256, contents))
    for message in messages:
        recheck([state_of(door, message).id], door.gate, now)
    assert [state_of(door, message).state for message in messages] == ["accepted", "rejected"]


def test_a_disk_that_does_not_take_what_came_inside_refuses_nothing_for_good(own_door):
    folder = own_door.app.door.files.folder
    folder.path.mkdir(exist_ok=True)
    (folder.path / "parts").write_text("in the way")
    message = mail.nop(files=[mail.inside(pdf(1000))])
    answer = own_door.send(message, "cong-dvc")
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert state_of(own_door, message) is None
    (folder.path / "parts").unlink()
    assert own_door.send(message, "cong-dvc").status == 201


# -- scanned --


@pytest.fixture
def scanner(tmp_path):
    """A scanner by command: what holds VIRUS is infected; while the file ``off`` is there it cannot tell."""
    script = tmp_path / "quet"
    script.write_text(
        f'#!/bin/sh\n[ -e "{tmp_path}/off" ] && {{ echo "no engine"; exit 2; }}\n'
        'grep -q VIRUS "$1" && { echo "$1: Thu.Nghiem FOUND"; exit 1; }\nexit 0\n'
    )
    script.chmod(0o755)
    return (str(script),)


@pytest.mark.threat("T-FILE-INFECTED")
def test_an_infected_file_is_refused_wherever_it_turns_up(with_files, scanner):
    door = with_files(scan_command=scanner)
    content = pdf(3000) + b"VIRUS"
    refused = bring(door, content)
    assert (refused.status, refused.codes) == (422, ["FIL-007"])
    assert b"Thu.Nghiem" in refused.body
    assert on_disk(door) == []
    named = door.send(mail.nop(files=[mail.named(content)]), "cong-dvc")
    assert (named.status, named.codes) == (422, ["FIL-007"])
    assert door.get(f"/v1/files/{sha256(content)}", "cong-dvc").codes == ["FIL-007"]
    assert bring(door, pdf(3000)).json["KetQuaQuet"] == "clean"


@pytest.mark.threat("T-FILE-INFECTED")
def test_a_file_that_could_not_be_scanned_holds_its_message_until_it_can_be(with_files, scanner, tmp_path):
    door = with_files(scan_command=scanner)
    (tmp_path / "off").touch()
    good, bad = pdf(3000), pdf(3000, 2) + b"VIRUS"
    assert bring(door, good).json["KetQuaQuet"] == "unknown"
    assert bring(door, bad).json["KetQuaQuet"] == "unknown"
    messages = [mail.nop(files=[mail.named(content)]) for content in (good, bad)]
    for message in messages:
        held = door.send(message, "cong-dvc")
        assert (held.status, remarks(held)) == (202, ["FIL-008"])
    (tmp_path / "off").unlink()
    desk, now = door.app.door.files, door.app.door.clock()
    assert set(desk.sweep(now).scanned) == {sha256(good), sha256(bad)}
    for message in messages:
        recheck([state_of(door, message).id], door.gate, now)
    assert [state_of(door, message).state for message in messages] == ["accepted", "rejected"]
    assert [file.name for file in on_disk(door)] == [sha256(good)]


@pytest.mark.parametrize("row", [mail.named, mail.inside])
@pytest.mark.parametrize(
    ("node", "party", "told"),
    [
        (UnscannedFiles.ACCEPT, None, (201, ["FIL-009"])),
        (UnscannedFiles.HOLD, UnscannedFiles.ACCEPT, (201, ["FIL-009"])),
        (UnscannedFiles.ACCEPT, UnscannedFiles.HOLD, (202, ["FIL-008"])),
    ],
)
def test_a_party_may_be_trusted_with_what_could_not_be_scanned(
    with_files, with_party, scanner, tmp_path, node, party, told, row
):
    (tmp_path / "off").touch()
    parties = with_party("cong-dvc", files=PartyFiles(unscanned=party))
    door = with_files(parties=parties, scan_command=scanner, unscanned=node)
    if row is mail.named:
        bring(door, pdf(3000))
    answer = door.send(mail.nop(files=[row(pdf(3000))]), "cong-dvc")
    assert (answer.status, remarks(answer)) == told


# -- kept in order --


def gone_wrong(archive, digest, other):
    """What may happen to an archive of files, and what is said of it then."""
    place = archive.place_of(digest)
    return [
        (lambda: place.write_bytes(b"%PDF" + place.read_bytes()[4:-1] + b"x"), f"file {digest}: changed"),
        (lambda: place.write_bytes(place.read_bytes()[:-1]), f"file {digest}: changed"),
        (place.unlink, f"file {digest}: missing"),
        (lambda: place.rename(place.with_name(other)), f"file {digest}: missing"),
        (lambda: (archive.path / "00").mkdir() or (archive.path / "00" / other).touch(), f"file {other}: not listed"),
        (lambda: (archive.path / "index.jsonl").write_bytes(b""), "list"),
        (lambda: (archive.path / "manifest.jws").write_text("a.b.c", "ascii"), "manifest"),
        (lambda: archive.path.rename(archive.path.with_name("2020-01.tep")), "missing"),
    ]


@pytest.mark.threat("T-ARCHIVE")
def test_an_archive_of_files_that_is_not_what_it_was_is_found_and_nothing_leaves_before_it_is_proven(
    own_door, sample_settings, tmp_path
):
    content, other = pdf(1000, 1), sha256(b"khac")
    bring(own_door, content)
    own_door.send(mail.nop(files=[mail.named(content)]), "cong-dvc")
    store, now, desk = own_door.gate.store, own_door.app.door.clock(), own_door.app.door.files
    month, store.archives = month_of(now), Archives(tmp_path / "luu")
    keeper = archiving.ArchiveKeeper(
        store=store,
        archives=store.archives,
        key=own_door.gate.key,
        certificates=(),
        gateway="H19.900",
    )
    with pytest.raises(Stopped) as stopped:  # nobody could prove it
        archiving.archive_files(keeper, desk.folder, month, now)
    assert (stopped.value.problems[0].code, len(on_disk(own_door)), [*(tmp_path / "luu").iterdir()]) == (
        "SYS-197",
        1,
        [],
    )
    keeper = replace(keeper, certificates=tuple(wiring.own_certificates(sample_settings)))
    made, archive = archiving.archive_files(keeper, desk.folder, month, now), store.archives.files(month)
    before = tmp_path / "truoc"
    shutil.copytree(archive.path, before)
    assert archiving.verify_file_archive(keeper, made) == []
    for harm, told in gone_wrong(archive, sha256(content), other):
        harm()
        assert told in archiving.verify_file_archive(keeper, made)
        shutil.rmtree(archive.path, ignore_errors=True)
        shutil.copytree(before, archive.path)
    newer = archiving.archive_files(replace(keeper, gateway="H19.901"), desk.folder, "2020-01", now)
    archive.path.rename(tmp_path / "x")
    store.archives.files("2020-01").path.rename(archive.path)
    (tmp_path / "x").rename(store.archives.files("2020-01").path)
    for one in (made, newer):  # two that were exchanged
        assert "manifest" in archiving.verify_file_archive(keeper, one)
    told = [one.subject for one in alerts(store, own_door.gate.parties, now) if one.alarm is Alarm.ARCHIVE_BROKEN]
    assert told == ["2020-01.tep", f"{month}.tep"]


def test_a_file_that_is_erased_while_its_archive_is_written_anew_goes_with_the_next_time(
    own_door, sample_settings, tmp_path, monkeypatch
):
    contents = [pdf(1000, seed) for seed in (1, 2, 3)]
    for content in contents:
        bring(own_door, content)
        own_door.send(mail.nop(files=[mail.named(content)]), "cong-dvc")
    store, now, desk = own_door.gate.store, own_door.app.door.clock(), own_door.app.door.files
    month, store.archives = month_of(now), Archives(tmp_path / "luu")
    keeper = archiving.ArchiveKeeper(
        store=store,
        archives=store.archives,
        key=own_door.gate.key,
        certificates=tuple(wiring.own_certificates(sample_settings)),
        gateway="H19.900",
    )
    assert archiving.archive_files(keeper, desk.folder, month, now).files == 3
    archive, (first, second, third) = store.archives.files(month), map(sha256, contents)

    def drop(digest):
        with store.begin() as tx:
            tx.lock_file(digest, now)
            tx.drop_file(digest)

    waiting = [second]

    def meanwhile(*given, line=archiving.index_line):
        if waiting:
            drop(waiting.pop())  # after it was asked what is left
        return line(*given)

    drop(first)
    with monkeypatch.context() as patched:
        patched.setattr(archiving, "index_line", meanwhile)
        assert archiving.rewrite_erased_files(keeper, now) == [month]
    assert archive.digests() == {second, third}
    assert archiving.rewrite_erased_files(keeper, now) == [month]
    assert (archive.digests(), archiving.rewrite_erased_files(keeper, now)) == ({third}, [])
    with store.read() as view:
        assert archiving.verify_file_archive(keeper, view.file_archives()[0]) == []


@pytest.mark.threat("T-FILE-FLOOD")
def test_what_nobody_names_goes_after_its_time_and_what_is_named_stays(own_door):
    named, unnamed, waiting = pdf(1000, 1), pdf(1000, 2), pdf(1000, 3)
    for content in (named, unnamed):
        bring(own_door, content)
    own_door.send(mail.nop(files=[mail.named(named)]), "cong-dvc")
    begin(own_door, len(waiting))
    desk, now = own_door.app.door.files, own_door.app.door.clock()
    assert desk.sweep(now + timedelta(hours=23)).uploads == 0
    later = desk.sweep(now + timedelta(days=31))
    assert (later.uploads, later.files) == (1, 1)
    assert [file.name for file in on_disk(own_door)] == [sha256(named)]
    assert own_door.get(f"/v1/files/{sha256(unnamed)}", "cong-dvc").status == 404


def test_whatever_a_killed_process_left_half_done_is_put_right(own_door):
    kept, stray, half = pdf(1000, 1), pdf(1000, 2), pdf(1000, 3)
    bring(own_door, kept)
    desk, now = own_door.app.door.files, own_door.app.door.clock()
    desk.folder.set_aside(sha256(kept))  # killed before the commit that takes it out of the records
    for content, name in ((stray, None), (half, "0" * 32)):
        part = desk.folder.part_of(name or "1" * 32)
        part.write_bytes(content)
        if name is None:
            desk.folder.adopt(part, sha256(content))  # killed before the commit that puts it on record
    for file in on_disk(own_door):
        os.utime(file, (0, 0))
    desk.sweep(now)
    assert [file.name for file in on_disk(own_door)] == [sha256(kept)]
    assert own_door.get(f"/v1/files/{sha256(kept)}", "cong-dvc").body == kept


def keeper_of(door, settings, folder):
    """Whoever archives the months of this door's records into a folder."""
    store = door.gate.store
    store.archives = Archives(folder)
    certificates = tuple(wiring.own_certificates(settings))
    key = door.gate.key
    return archiving.ArchiveKeeper(
        store=store, archives=store.archives, key=key, certificates=certificates, gateway="H19.900"
    )


def test_a_file_whose_message_waited_while_its_month_was_archived_goes_with_the_next_one(
    own_door, sample_settings, tmp_path
):
    content = pdf(1000, 9)
    code = mail.ma_ho_so()
    assert own_door.send(mail.nop(code, files=[mail.named(content)]), "cong-dvc").status == 202
    keeper = keeper_of(own_door, sample_settings, tmp_path / "luu")
    store, now = keeper.store, own_door.app.door.clock()
    desk, month = own_door.app.door.files, month_of(now)
    following = month_of(now + timedelta(days=32))
    desk.folder.archives = tmp_path / "luu"
    archiving.make_archive(keeper, month, now)
    assert archiving.archive_files(keeper, desk.folder, month, now).files == 0
    where = bring(own_door, content).headers["Location"]
    with store.read() as view:
        assert [one.state.value for one in view.messages(ma_ho_so=code)] == ["accepted"]
    archiving.make_archive(keeper, following, now)
    made = archiving.archive_files(keeper, desk.folder, following, now)
    assert (made.files, on_disk(own_door)) == (1, [])
    assert archiving.verify_file_archive(keeper, made) == []
    assert own_door.get(where, "ubnd-xa-thu-nghiem").body == content
    with store.read() as view:
        assert view.file(sha256(content)).archive == following


def test_an_archived_month_leaves_its_files_and_an_erased_dossier_takes_them_along(own_door, sample_settings, tmp_path):
    content, shared = pdf(1000, 1), pdf(1000, 2)
    for one in (content, shared):
        bring(own_door, one)
    code = mail.ma_ho_so()
    own_door.send(mail.nop(code, files=[mail.named(content), mail.named(shared, "chung")]), "cong-dvc")
    own_door.send(mail.nop(files=[mail.named(shared)]), "cong-dvc")
    own_door.get("/v1/inbox?after=2", "ubnd-xa-thu-nghiem")  # has read both
    keeper = keeper_of(own_door, sample_settings, tmp_path / "luu")
    store, now = keeper.store, own_door.app.door.clock()
    desk, month = own_door.app.door.files, month_of(now)
    desk.folder.archives = tmp_path / "luu"
    archiving.make_archive(keeper, month, now)
    made = archiving.archive_files(keeper, desk.folder, month, now)
    desk.sweep(now + timedelta(days=400))
    archive = store.archives.files(month)
    assert (made.files, on_disk(own_door)) == (2, [])
    assert archive.digests() == {sha256(content), sha256(shared)}
    assert own_door.get(f"/v1/files/{sha256(content)}", "ubnd-xa-thu-nghiem").body == content
    part = own_door.ask("GET", f"/v1/files/{sha256(content)}", by="cong-dvc", headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, content[10:20])
    assert (bring(own_door, content).status, on_disk(own_door)) == (201, [])  # it is there already
    assert archiving.archive_files(keeper, desk.folder, month, now) == made

    rule = retention.RetentionRule(dossiers=(code,))
    plan = retention.plan_erasure(store, own_door.gate.parties, rule)
    retention.erase(store, plan, rule, who="operator:thu", reason="thu", now=now)
    desk.sweep(now)
    assert own_door.get(f"/v1/files/{sha256(content)}", "cong-dvc").status == 404
    assert archiving.rewrite_erased_files(keeper, now) == [month]
    assert archive.digests() == {sha256(shared)}
    with store.read() as view:
        (record,) = view.file_archives()
        assert (record.files, archiving.verify_file_archive(keeper, record)) == (1, [])
        assert sorted(view.log(what="message.erased")[-1].facts["files"]) == sorted([sha256(content), sha256(shared)])
