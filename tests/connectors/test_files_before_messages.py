"""The files that a message names are handed over before it, streamed; one that was not taken leaves the message where it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from false_agency import run
from lxml import etree
from parcels import BODY, parcel, party
from serving import served
from soapish import DV, fault
from soapish import envelope as envelope_of

from connectors.folder import folder
from connectors.http import HttpLine
from connectors.outcomes import Answered, Parcel, ParcelFile, Receipt, Refused, Unreachable
from connectors.rest import rest
from connectors.soap import soap
from gateway.core.model import Attempt, AttemptOutcome
from gateway.core.problems import Stopped

CONTENT = b"%PDF-1.7\n" + bytes(range(256)) * 6000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def with_file(tmp_path: Path) -> Parcel:
    """A parcel whose message names one file."""
    path = tmp_path / "tep-tren-truc"
    path.write_bytes(CONTENT)
    file = ParcelFile(digest=DIGEST, size=len(CONTENT), media_type="application/pdf", path=path)
    return replace(parcel(to=party("rest")), files=(file,))


class Receiver:
    """A receiver of files and messages that cuts the wire, or says no, as it is told."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.files: dict[str, bytes] = {}
        self.cuts = 0
        self.status = 201

    async def file(self, request: web.Request) -> web.Response:
        if self.cuts:
            self.cuts -= 1
            await request.content.readexactly(300_000)
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
        if self.status != 201:
            return web.Response(status=self.status)
        content = await request.read()
        self.came.append(request.headers["Repr-Digest"])
        self.files[hashlib.sha256(content).hexdigest()] = content
        return web.Response(status=201)

    async def there(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["digest"] in self.files else 404)

    async def message(self, request: web.Request) -> web.Response:
        assert await request.read() == BODY
        self.came.append("message")
        return web.Response(status=204)

    @contextmanager
    def listening(self) -> Iterator[str]:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/tep", self.file)
        app.router.add_route("HEAD", "/tep/{digest}", self.there)
        app.router.add_post("/nhan", self.message)
        with served(app) as url:
            yield url


async def send(what: Parcel, url: str) -> Any:
    async with HttpLine(private_addresses=True) as line:
        configured = rest.configure({"url": f"{url}/nhan", "files_url": f"{url}/tep"})
        return await rest.deliver(what, configured.settings, line.http(configured.common))


def failed(what: Parcel, url: str) -> Answered:
    with pytest.raises(Answered) as caught:
        run(send(what, url))
    return caught.value


def test_a_file_comes_before_its_message_and_is_not_sent_twice(with_file: Parcel) -> None:
    receiver = Receiver()
    with receiver.listening() as url:
        assert isinstance(run(send(with_file, url)), Receipt)
        run(send(with_file, url))
    assert receiver.files == {DIGEST: CONTENT}
    assert [one.partition("=")[0] for one in receiver.came] == ["sha-256", "message", "message"]


def test_a_wire_that_is_cut_in_the_middle_of_a_file_leaves_the_message_to_be_sent_again(with_file: Parcel) -> None:
    receiver = Receiver()
    receiver.cuts = 1
    with receiver.listening() as url:
        cut = failed(with_file, url)
        assert isinstance(cut, Unreachable)
        assert cut.problem.code == "DLV-072"
        assert receiver.came == []
        assert isinstance(run(send(with_file, url)), Receipt)
    assert receiver.files == {DIGEST: CONTENT}


def test_a_receiver_that_refuses_a_file_refuses_its_message(with_file: Parcel) -> None:
    receiver = Receiver()
    receiver.status = 422
    with receiver.listening() as url:
        refused = failed(with_file, url)
    assert isinstance(refused, Refused)
    assert (refused.problem.code, receiver.came) == ("DLV-073", [])


class SoapReceiver:
    """A receiver by SOAP that does with a file, one call after the other, what it is told; then it takes everything."""

    def __init__(self, *moods: str) -> None:
        self.moods = list(moods)
        self.calls: list[str] = []
        self.files: dict[str, bytes] = {}
        self.messages: list[bytes] = []

    async def call(self, request: web.Request) -> web.Response:
        told = request.headers["SOAPAction"].strip('"').rpartition("/")[2]
        mood = self.moods.pop(0) if self.moods else ""
        self.calls.append(f"{told} {mood}".strip())
        if mood == "cut":
            await request.content.readexactly(300_000)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if mood == "413":  # a proxy before it
            return web.Response(status=413, text="<html>too large</html>", content_type="text/html")
        body = await request.read()
        if told == "GuiThongDiep":
            return self.taken(body, mood)
        package = BytesParser(policy=HTTP).parsebytes(
            f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + body
        )
        envelope, file = package.iter_parts()
        assert envelope.get_content_type() == "application/xop+xml"
        root = etree.fromstring(envelope.get_payload(decode=True))
        (include,) = root.iter("{http://www.w3.org/2004/08/xop/include}Include")
        assert f"<{include.get('href').removeprefix('cid:')}>" == file["Content-ID"]
        content = file.get_payload(decode=True)
        digest = hashlib.sha256(content).hexdigest()
        assert root.findtext(".//{*}BamSHA256") == digest
        if mood in ("Client", "Server"):
            return self.said(fault(f"s:{mood}"), 500)
        if mood != "half":
            self.files[digest] = content
        answer = envelope_of(
            f'<GuiTepResponse xmlns="{DV}"><TraLoi><BamSHA256>{digest}</BamSHA256></TraLoi></GuiTepResponse>'
        )
        return self.said(
            answer[: len(answer) // 2]
            if mood == "half"
            else answer.replace(digest.encode(), b"0" * 64)
            if mood == "other"
            else answer
        )

    def taken(self, body: bytes, mood: str) -> web.Response:
        if mood:
            return web.Response(status=503)
        (content,) = etree.fromstring(body).iter(f"{{{DV}}}NoiDung")
        self.messages.append(base64.b64decode(content.text or ""))
        return self.said(envelope_of(f'<GuiThongDiepResponse xmlns="{DV}"><TraLoi/></GuiThongDiepResponse>'))

    @staticmethod
    def said(body: bytes, status: int = 200) -> web.Response:
        return web.Response(status=status, body=body, content_type="text/xml")

    def deliver(self, what: Parcel, **files: Any) -> Any:
        """What the connector makes of one try."""

        async def send() -> Any:
            async with HttpLine(private_addresses=True) as line:
                configured = soap.configure({"url": f"{url}/dv", "files": files, "port": "TrucLienThongSoap11"})
                return await soap.deliver(what, configured.settings, line.http(configured.common))

        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/dv", self.call)
        with served(app) as url:
            return run(send())

    def failed(self, what: Parcel) -> Answered:
        with pytest.raises(Answered) as caught:
            self.deliver(what)
        return caught.value


def tried(what: Parcel, error: Answered) -> Parcel:
    """The parcel at its next try."""
    now = datetime.now(UTC)
    outcome = AttemptOutcome.REFUSED if isinstance(error, Refused) else AttemptOutcome.UNREACHABLE
    attempt = Attempt(
        delivery=what.id,
        number=1,
        kind="send",
        started_at=now,
        ended_at=now,
        outcome=outcome,
        reference=error.reference,
    )
    return replace(what, attempts=(*what.attempts, attempt))


def test_by_soap_a_file_is_a_part_that_comes_before_the_message(with_file: Parcel) -> None:
    receiver = SoapReceiver()
    assert isinstance(receiver.deliver(with_file), Receipt)
    assert receiver.calls == ["GuiTep", "GuiThongDiep"]
    assert (receiver.files, receiver.messages) == ({DIGEST: CONTENT}, [BODY])


@pytest.mark.parametrize(
    ("mood", "kind", "code", "last"),
    [
        ("cut", Unreachable, "DLV-072", "DLV-021"),
        ("half", Unreachable, "DLV-072", "DLV-023"),
        ("other", Unreachable, "DLV-072", "DLV-023"),
        ("Server", Unreachable, "DLV-072", "DLV-022"),
        ("Client", Refused, "DLV-073", "DLV-035"),
        ("413", Refused, "DLV-073", "DLV-030"),
    ],
)
def test_by_soap_a_file_that_was_not_taken_leaves_the_message_where_it_is(
    with_file: Parcel, mood: str, kind: type[Answered], code: str, last: str
) -> None:
    receiver = SoapReceiver(mood)
    error = receiver.failed(with_file)
    assert type(error) is kind
    assert (error.problem.code, error.problem.facts["last"]) == (code, last)
    assert receiver.messages == []
    assert isinstance(receiver.deliver(tried(with_file, error)), Receipt)
    assert receiver.calls == [f"GuiTep {mood}", "GuiTep", "GuiThongDiep"]
    assert receiver.files == {DIGEST: CONTENT}


def test_by_soap_a_file_that_was_taken_is_not_sent_again_when_its_message_was_not(with_file: Parcel) -> None:
    receiver = SoapReceiver("", "503")
    error = receiver.failed(with_file)
    assert isinstance(error, Unreachable)
    assert error.problem.code == "DLV-004"
    assert isinstance(receiver.deliver(tried(with_file, error)), Receipt)
    assert receiver.calls == ["GuiTep", "GuiThongDiep 503", "GuiThongDiep"]
    refused = tried(tried(with_file, error), Refused(error.problem))
    receiver.deliver(refused)
    assert receiver.calls[-2:] == ["GuiTep", "GuiThongDiep"], "after a refusal everything is sent anew"


@pytest.mark.parametrize(
    "files",
    [{"operation": "KhongCo"}, {"content": "TraLoi"}, {"parameters": {"KhongCo": "sha256"}}, {"content": "BamSHA256"}],
)
def test_a_profile_that_does_not_fit_the_wsdl_sends_nothing(with_file: Parcel, files: dict[str, Any]) -> None:
    receiver = SoapReceiver()
    with pytest.raises(Unreachable) as caught:
        receiver.deliver(with_file, **files)
    assert (caught.value.problem.code, caught.value.problem.facts["last"]) == ("DLV-072", "DLV-054")
    assert receiver.calls == []


def test_a_source_that_no_file_has_is_told_when_the_profile_is_read() -> None:
    with pytest.raises(Stopped) as caught:
        soap.configure({"url": "https://x.example", "files": {"parameters": {"NoiDung": "body"}}})
    assert [problem.code for problem in caught.value.problems] == ["DLV-054"]


def test_a_folder_gets_the_file_beside_the_message(with_file: Parcel, tmp_path: Path) -> None:
    place = tmp_path / "giao"
    place.mkdir()

    async def put() -> None:
        async with HttpLine() as line:
            configured = folder.configure({"path": str(place)})
            await folder.deliver(with_file, configured.settings, line.http(configured.common))

    run(put())
    run(put())
    assert (place / f"{DIGEST}.tep").read_bytes() == CONTENT
    assert len(list(place.iterdir())) == 2
