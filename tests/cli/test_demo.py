"""lienthong demo: the whole story, as a newcomer runs it; and the agency it is played with."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading

import aiohttp
import pki
import pytest
from desks import Visitor
from patience import PATIENCE_S

from gateway.cli.demo import MARK, clear, find_samples
from gateway.cli.play.agency import Agency, Fault, parse_knob, serve
from gateway.core.problems import Stopped
from signing.sign import SigningKey

HS01 = (pki.SAMPLES / "accepted/HS01-nop-ho-so-toi-thieu.xml").read_bytes()


@pytest.fixture
def kept(tmp_path):
    """`demo --keep` as a newcomer runs it, told to stop when the console has been looked at; gives its end and the page."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("LIENTHONG_", "LC_", "LANG"))}
    told = {**ours, "LANG": "vi_VN.UTF-8", "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, "-m", "gateway", "demo", "--keep", "--dir", str(tmp_path / "demo")]
    with subprocess.Popen(
        program,
        cwd=tmp_path,
        env=told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        watch = threading.Timer(3 * PATIENCE_S, running.kill)  # a dozen commands, and a console
        watch.start()
        try:
            lines = []
            for line in running.stdout:
                lines.append(line)
                if "nhấn Ctrl-C để dừng" in line:
                    break
            page = look_at_console("".join(lines))
            running.send_signal(signal.SIGTERM)  # the way of Ctrl-C; but that is ignored where a shell started us aside
            rest = running.stdout.read()
            code = running.wait()
        finally:
            watch.cancel()
            running.kill()
    return code, "".join(lines) + rest, page


def look_at_console(out):
    """Logs in with what the demonstration prints, and looks where it says; gives the page's text."""
    address = re.search(r"http://127\.0\.0\.1:(\d+)/ban-truc", out)
    name, password = re.search(r"^\s*(truc) / (\S+)$", out, re.MULTILINE).groups()
    look = re.search(r"Xem trước: .*mã (\S+):", out)[1]
    person = Visitor(int(address[1]))
    assert person.log_in(name, password).status == 303
    return person.get(f"/ho-so?ma={look}").text


def test_the_demonstration_ends_well_and_leaves_a_console_to_look_at(kept, tmp_path, strip):
    folder, (code, said, page) = tmp_path / "demo", kept
    out = strip(said)
    assert code == 0, out
    for part in (
        "CHẤP NHẬN (HS01 H19.901-260115-0001)",
        "CHỮ KÝ HỢP LỆ",
        "the same receipt, byte for byte",
        "DLV-031",
        "Đã đưa lại 1 lượt gửi vào hàng đợi",
        "Không có hàng đợi nào bị tạm giữ",
        "9 Đã xử lý xong",
        "A portal that reads no messages",
        "DLV-046",
        "báo lại theo dữ liệu của trục (HS11): TrangThaiHoSo 10",
        "Chuỗi nguyên vẹn",
        "curl -i -H",
        "Xem trước: Tổng quan",
        "Every process has stopped cleanly",
    ):
        assert part in out, part
    assert "Người đã xem, đã thực hiện" in page
    assert "Liên Thông: một hồ sơ" in out
    assert "Liên Thông: a dossier" in out
    assert [int(n) for n in re.findall(r"^── (\d+)\.", out, re.MULTILINE)] == list(range(1, 13))
    assert len(list((folder / "co-quan").glob("*.xml"))) == 2
    assert (folder / "co-quan" / "0001-HS01.xml").read_bytes() == HS01


def test_only_a_folder_of_its_own_is_ever_cleared(tmp_path):
    clear(tmp_path / "d")
    (tmp_path / "d" / "old").write_text("x")
    assert [path.name for path in clear(tmp_path / "d").iterdir()] == [MARK]
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("x")
    with pytest.raises(Stopped) as stop:
        clear(other)
    assert stop.value.problems[0].code == "SYS-046"
    assert (other / "precious").exists()


def test_without_samples_it_says_so(tmp_path):
    with pytest.raises(Stopped) as stop:
        find_samples(tmp_path)
    assert stop.value.problems[0].code == "SYS-042"


# The agency it is played with


@pytest.fixture
def agency():
    """An agency's system, not yet serving."""
    signer = pki.signer("so-tu-phap")
    return Agency(SigningKey.load(signer.key_pem, signer.cert_pem, private_mode=False), "H19.901", "Sở Tư pháp")


def asked(agency, *requests):
    """The answers to requests (method, path, body), over real HTTP; an exception where the connection broke."""

    async def go():
        runner, port = await serve(agency, "127.0.0.1", 0)
        found = []
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                for method, path, body in requests:
                    try:
                        async with session.request(method, path, data=body) as answer:
                            found.append((answer.status, await answer.read()))
                    except aiohttp.ClientError as error:
                        found.append(error)
        finally:
            await runner.cleanup()
        return found

    return asyncio.run(go())


def test_the_same_message_is_taken_in_once_and_answered_the_same(agency):
    (first, one), (second, two) = asked(agency, ("POST", "/lienthong", HS01), ("POST", "/lienthong", HS01))
    assert (first, second, one == two) == (201, 200, True)
    assert [(taken.loai, taken.times) for taken in agency.taken] == [("HS01", 2)]


def test_its_receipt_is_signed_and_names_what_it_took(agency, cli, tmp_path):
    ((_, receipt),) = asked(agency, ("POST", "/lienthong", HS01))
    (tmp_path / "r.xml").write_bytes(receipt)
    assert cli("verify", "r.xml", "--cert", pki.signer("so-tu-phap").cert_pem).code == 0
    assert agency.taken[0].digest.encode() in receipt


@pytest.mark.parametrize(
    ("fault", "status", "taken"),
    [(Fault.REFUSE, 422, 0), (Fault.UNAVAILABLE, 503, 0), (Fault.TOO_MANY, 429, 0), (Fault.GARBAGE, 200, 0)],
)
def test_a_knob_makes_it_answer_otherwise(agency, fault, status, taken):
    agency.knobs.append(parse_knob(f"{fault}:times=1"))
    (first, second) = asked(agency, ("POST", "/lienthong", HS01), ("POST", "/lienthong", HS01))
    assert (first[0], second[0], len(agency.taken)) == (status, 201, taken + 1)


@pytest.mark.parametrize(("fault", "taken"), [(Fault.CUT, 1), (Fault.CUT_BEFORE, 0)])
def test_a_cut_connection_is_before_or_after_taking(agency, fault, taken):
    agency.knobs.append(parse_knob(f"{fault}:times=1"))
    (answer,) = asked(agency, ("POST", "/lienthong", HS01))
    assert isinstance(answer, aiohttp.ClientError)
    assert len(agency.taken) == taken


def test_knobs_turn_by_http_and_meet_only_the_dossier_they_name(agency):
    turn = b'{"fault": "refuse", "ma_ho_so": "H19.901-260115-0002"}'
    answers = asked(
        agency, ("POST", "/nut", turn), ("POST", "/lienthong", HS01), ("POST", "/nut", b'{"fault": "none"}')
    )
    assert [answer[0] for answer in answers] == [200, 201, 200]
    assert agency.knobs == []
    ((status, body),) = asked(agency, ("POST", "/nut", b'{"fault": "fire"}'))
    assert (status, b"cut-before" in body) == (400, True)


def test_what_is_no_xml_is_refused(agency):
    ((status, _),) = asked(agency, ("POST", "/lienthong", b"<!DOCTYPE a><a/>"))
    assert (status, agency.taken) == (400, [])


def test_an_earlier_message_can_be_asked_for(agency):
    code = "6096c730-2cf3-5083-aa60-6d8ff2fd870c"
    (before, _, after) = asked(
        agency, ("GET", f"/lienthong/{code}", None), ("POST", "/lienthong", HS01), ("GET", f"/lienthong/{code}", None)
    )
    assert (before[0], after[0]) == (404, 200)
