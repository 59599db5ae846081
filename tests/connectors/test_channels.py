"""The ways out of a notice against real servers, those that misbehave too; nothing goes out in the clear, and nothing hangs."""

import asyncio
import hashlib
import hmac
import json
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import tls as authorities
from aiosmtpd.smtp import SMTP, AuthResult
from patience import eventually

from connectors.channels import MailPlace, post_hook, run_program, send_mail
from gateway.core.problems import Stopped

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
TO = ("truc@so.gov.vn", "phong@so.gov.vn")
PATIENT_S = 60.0  # where an answer comes
HANGS_S = 0.3  # where none does


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    root = authorities.mint(folder, "root")
    return {
        "root": root,
        "server": authorities.mint(folder, "server", root),
        "foreign": authorities.mint(folder, "foreign"),
    }


class Kept:
    """A mail server's memory; refuses addresses that begin with `khong`."""

    def __init__(self):
        self.letters = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address.startswith("khong"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope):
        self.letters.append((session.ssl is not None, envelope.rcpt_tos, envelope.original_content))
        return "250 OK"


@asynccontextmanager
async def serving(made):
    """A server at a port of this machine: a protocol's factory, or a function of reader and writer."""
    loop, begun = asyncio.get_running_loop(), []

    async def answered(reader, writer):
        begun.append((writer, asyncio.current_task()))
        with suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await made(reader, writer)
        writer.close()

    def protocol():
        begun.append((made(), None))
        return begun[-1][0]

    if asyncio.iscoroutinefunction(made):
        server = await asyncio.start_server(answered, "127.0.0.1", 0)
    else:
        server = await loop.create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for side, task in begun:
            if side.transport is not None:
                side.transport.abort()
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for _, task in begun if task is not None), return_exceptions=True)
        for _ in range(5):  # transports say good-bye to their protocols in the next turns of the loop
            await asyncio.sleep(0)


def mail_server(kept, certificate=None, password=None):
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def asked(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"truc", password.encode()), handled=False)

    return lambda: SMTP(
        kept,
        hostname="may-thu",
        tls_context=context,
        authenticator=asked if password is not None else None,
        auth_required=password is not None,
    )


def sent(made, ca=None, password=None, **more):
    """Sends to such a server; gives the remark."""

    async def go():
        async with serving(made) as port:
            how = {"tls": "starttls", "to": TO, "timeout_s": PATIENT_S, "ca": ca, **more}
            place = MailPlace(channel="thu", host="127.0.0.1", port=port, sender="truc@nut.gov.vn", **how)
            return await send_mail(place, "[Liên Thông] 2 việc mới\r\nBcc: x@y.z", "Làn bị giữ", NOW, password)

    return asyncio.run(go())


def refused(made, **more):
    with pytest.raises(Stopped) as stop:
        sent(made, **more)
    (problem,) = stop.value.problems
    return problem


def test_a_letter_goes_by_starttls_with_a_password_to_everybody(world):
    kept = Kept()
    made = mail_server(kept, world["server"].file, "bí mật")
    assert sent(made, ca=world["root"].file, user="truc", password="bí mật") is None
    ((encrypted, to, content),) = kept.letters
    letter = message_from_bytes(content, policy=policy.default)
    assert (encrypted, tuple(to)) == (True, TO)
    assert letter["Subject"] == "[Liên Thông] 2 việc mới Bcc: x@y.z"  # one line: no further header
    assert (letter["Bcc"], letter["Auto-Submitted"]) == (None, "auto-generated")
    assert letter.get_content().strip() == "Làn bị giữ"


def test_a_server_without_starttls_gets_neither_letter_nor_password(world):
    kept = Kept()
    problem = refused(mail_server(kept), ca=world["root"].file, user="truc", password="bí mật")
    assert (problem.code, kept.letters) == ("SYS-190", [])
    assert "STARTTLS" in problem.facts["reason"].upper()


def test_a_certificate_of_a_stranger_is_not_believed(world):
    kept = Kept()
    problem = refused(mail_server(kept, world["server"].file), ca=world["foreign"].file)
    assert (problem.code, kept.letters) == ("SYS-192", [])


def test_a_wrong_password_is_said_to_be_that(world):
    made = mail_server(Kept(), world["server"].file, "bí mật")
    problem = refused(made, ca=world["root"].file, user="truc", password="sai")
    assert (problem.code, problem.facts["reason"][:3]) == ("SYS-190", "535")


def test_some_addresses_refused_is_a_remark_and_all_of_them_a_failure():
    kept = Kept()
    remark = sent(mail_server(kept), tls="none", to=("truc@so.gov.vn", "khong@so.gov.vn"))
    assert (remark.code, remark.facts["refused"], remark.facts["of"], len(kept.letters)) == ("SYS-194", 1, 2, 1)
    assert refused(mail_server(kept), tls="none", to=("khong@so.gov.vn",)).code == "SYS-190"


def says(*lines):
    """A server that says each of these when it is spoken to, and then closes."""

    async def answer(reader, writer):
        for line in lines:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()
            await reader.readline()
        writer.close()

    return answer


async def hangs(reader, _writer):
    await reader.read()


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (says("421 too busy"), "SYS-190"),
        (says("554 go away"), "SYS-190"),
        (says("220 hi", "250 ok", "451 greylisted, try later"), "SYS-190"),
        (says("220 hi", "250 ok", "552 no room"), "SYS-190"),
        (says("220 hi", "250 ok", "250 ok"), ("SYS-190", "SYS-192")),  # closes in the middle
        (says(), ("SYS-190", "SYS-192")),
        (says("what?"), ("SYS-190", "SYS-192")),
        (hangs, "SYS-193"),
    ],
)
def test_a_mail_server_that_misbehaves_ends_in_a_sentence_and_soon(server, code):
    limit = HANGS_S if server is hangs else PATIENT_S
    problem = refused(server, tls="none", to=TO[:1], timeout_s=limit)
    assert problem.code in code
    assert problem.facts["channel"] == "thu"


def test_nobody_at_the_port_is_said_to_be_that():
    async def go():
        async with serving(says()) as port:
            pass
        place = MailPlace(channel="thu", host="127.0.0.1", port=port, tls="none", sender="a@b.vn", to=TO)
        await send_mail(place, "x", "y", NOW, None)

    with pytest.raises(Stopped) as stop:
        asyncio.run(go())
    assert stop.value.problems[0].code == "SYS-192"


def hooked(made, *, private=True, timeout_s=PATIENT_S, path="/tin"):
    async def go():
        async with serving(made) as port:
            url = f"http://127.0.0.1:{port}{path}"
            await post_hook("moc", url, b'{"a": 1}', NOW, b"khoa", timeout_s=timeout_s, private=private, ca=None)

    asyncio.run(go())


def answers(status, seen=None, extra="", length=0):
    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.decode().split("\r\n") if line.lower().startswith("content-length"))
        body = await reader.readexactly(size)
        if seen is not None:
            seen.append((head.decode(), body))
        writer.write(f"HTTP/1.1 {status} x\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n".encode())
        writer.write(b"x" * length)
        await writer.drain()
        writer.close()

    return answer


def test_a_webhook_can_prove_who_wrote_it_and_when():
    seen = []
    hooked(answers(204, seen))
    ((head, body),) = seen
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    signed = f"{fields['Lienthong-Timestamp']}.".encode() + body
    assert fields["Lienthong-Signature"] == f"sha256={hmac.new(b'khoa', signed, hashlib.sha256).hexdigest()}"
    assert (int(fields["Lienthong-Timestamp"]), json.loads(body)) == (int(NOW.timestamp()), {"a": 1})


def test_a_webhook_that_misbehaves_is_told_and_redirects_lead_nowhere():
    elsewhere = []
    cases = [
        answers(500),
        answers(404),
        answers(302, elsewhere, extra="Location: /khac\r\n"),
        says(),
        hangs,
    ]
    for made in cases:
        with pytest.raises(Stopped) as stop:
            hooked(made, timeout_s=HANGS_S if made is hangs else PATIENT_S)
        assert stop.value.problems[0].code == "SYS-195", made
    assert len(elsewhere) == 1  # the first address, and no other


def test_a_webhook_lives_where_a_delivery_may_go():
    seen = []
    with pytest.raises(Stopped) as stop:
        hooked(answers(204, seen), private=False)
    assert (stop.value.problems[0].code, seen) == ("SYS-195", [])


def ran(*code, timeout_s=PATIENT_S, body=b"{}"):
    asyncio.run(run_program("lenh", [sys.executable, "-c", *code], body, timeout_s=timeout_s))


def test_a_command_gets_the_notice_and_none_of_our_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "bí mật")
    file = tmp_path / "tin.json"
    code = "import json,os,sys; json.dump([json.load(sys.stdin), sorted(os.environ)], open(sys.argv[1], 'w'))"
    ran(code, str(file), body=b'{"kind": "test"}')
    told, names = json.loads(file.read_text())
    assert (told, "PGPASSWORD" in names, "PATH" in names) == ({"kind": "test"}, False, True)


@pytest.mark.parametrize(
    ("code", "limit", "expected"),
    [
        ("import sys; sys.exit(3)", PATIENT_S, "SYS-191"),
        ("import time; time.sleep(600)", 1.0, "SYS-193"),
        ("while True: print('x' * 10000)", 1.0, "SYS-193"),
    ],
)
def test_a_command_that_fails_hangs_or_floods_is_ended(code, limit, expected):
    with pytest.raises(Stopped) as stop:
        ran(code, timeout_s=limit)
    assert stop.value.problems[0].code == expected


def test_a_command_that_is_not_there_is_said_to_be_that():
    with pytest.raises(Stopped) as stop:
        asyncio.run(run_program("lenh", ["/khong/co/lenh"], b"{}", timeout_s=PATIENT_S))
    assert stop.value.problems[0].code == "SYS-191"


def test_what_a_command_started_is_ended_with_it(tmp_path):
    """It leaves a child behind that would sleep for ten minutes."""
    file = tmp_path / "so"
    code = "import subprocess,sys; open(sys.argv[1],'w').write(str(subprocess.Popen(['sleep', '600']).pid))"
    ran(code, str(file))
    state = Path(f"/proc/{file.read_text()}/stat")
    assert eventually(lambda: not state.exists() or state.read_text().split()[2] in "ZX")
