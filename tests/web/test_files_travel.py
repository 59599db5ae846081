"""A file's whole way, portal to gateway to agency, by REST and by SOAP, with a wire that is cut in the middle of each stretch.

Some megabytes long in the suite; `make journey-files` has 60 MB and 1 GiB travel (LIENTHONG_FILE_MB).
"""

import asyncio
import hashlib
import os
import socket
from contextlib import suppress
from datetime import timedelta

import mail
import pki
import pytest
from aiohttp import web
from lxml import etree
from patience import PATIENCE_S, eventually
from serving import served
from test_soap_files import package

from connectors.http import HttpLine
from connectors.registry import installed
from gateway.core.parties import Receives
from gateway.services.outbox import Outbox
from gateway.web.answers import NAMESPACE

MB = 1_000_000
SIZE = int(os.environ.get("LIENTHONG_FILE_MB", "4")) * MB
BLOCK = 256 * 1024
REST, SOAP = "rest", "soap"
AGENCY = "ubnd-xa-thu-nghiem"


@pytest.fixture
def file(tmp_path):
    """A long file, and the row of the manifest that names it."""
    path, seen, block = tmp_path / "ban-ve.pdf", hashlib.sha256(), os.urandom(MB)
    with path.open("wb") as stream:
        for piece in [b"%PDF-1.7\n" + block[9:], *[block] * (SIZE // MB - 1)]:
            stream.write(piece)
            seen.update(piece)
    digest = seen.hexdigest()
    row = {"SoByte": str(SIZE), "BamSHA256": digest, "DuongDan": f"lienthong:sha256:{digest}"}
    return path, digest, mail.named(b"", **row)


class FarAgency:
    """An agency that takes files and messages by REST and by SOAP, and loses the line in the middle of the first file."""

    def __init__(self):
        self.cuts, self.files, self.messages = 1, [], 0

    async def take(self, request):
        length = request.content_length
        soap = request.path == "/soap"
        if soap and "GuiTep" not in request.headers["SOAPAction"]:
            await request.read()
            self.messages += 1
            return self.said("<GuiThongDiepResponse><TraLoi/></GuiThongDiepResponse>")
        head = b""
        while soap and head.count(b"\r\n\r\n") < 2:  # the envelope's headers, and those of the part behind it
            head += await request.content.readuntil(b"\r\n\r\n")
        mark = head.partition(b"\r\n")[0]
        left, seen = length - len(head) - (len(mark) + 6 if soap else 0), hashlib.sha256()
        while left:
            block = await request.content.read(min(left, BLOCK))
            seen.update(block)
            left -= len(block)
            if self.cuts and left < length // 2:
                self.cuts -= 1
                request.transport.abort()
                return web.Response()
        await request.content.read()
        self.files.append(seen.hexdigest())
        if not soap:
            return web.Response(status=201)
        return self.said(f"<GuiTepResponse><TraLoi><BamSHA256>{seen.hexdigest()}</BamSHA256></TraLoi></GuiTepResponse>")

    @staticmethod
    def said(inner):
        name = inner[1:].partition(">")[0]
        inner = inner.replace(f"<{name}>", f'<{name} xmlns="{NAMESPACE}">', 1)
        space = "http://schemas.xmlsoap.org/soap/envelope/"
        body = f'<s:Envelope xmlns:s="{space}"><s:Body>{inner}</s:Body></s:Envelope>'
        return web.Response(text=body, content_type="text/xml")

    async def message(self, request):
        await request.read()
        self.messages += 1
        return web.Response(status=204)

    async def there(self, request):
        return web.Response(status=200 if request.match_info["digest"] in self.files else 404)

    def app(self):
        app = web.Application(client_max_size=2 * SIZE + 10 * MB)
        app.router.add_post("/tep", self.take)
        app.router.add_post("/soap", self.take)
        app.router.add_post("/nhan", self.message)
        app.router.add_route("HEAD", "/tep/{digest}", self.there)
        return app


def torn(door, head, path, begin, end):
    """Sends a request whose body is a file, and loses the line when so much of it has been sent."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as wire, path.open("rb") as stream:
        wire.sendall(head)
        stream.seek(begin)
        with suppress(ConnectionError):
            for at in range(begin, end, BLOCK):
                wire.sendall(stream.read(min(BLOCK, end - at)))


def pieces(path, begin=0, before=b"", after=b""):
    yield before
    with path.open("rb") as stream:
        stream.seek(begin)
        while block := stream.read(BLOCK):
            yield block
    yield after


def by_rest(door, path):
    """In parts: the wire is cut in the middle, and the next part begins where the first came to."""
    tus = {"Upload-Length": str(SIZE), "Accept": "application/json"}
    where = door.ask("POST", "/v1/files", by="cong-dvc", headers=tus).headers["Location"]
    kind = "application/offset+octet-stream"
    head = (
        f"PATCH {where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pki.token('cong-dvc')}\r\nContent-Type: {kind}\r\n"
        f"Upload-Offset: 0\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    torn(door, head.encode(), path, 0, SIZE // 2)
    came = 0

    def resumed():
        nonlocal came
        came = int(door.ask("HEAD", where, by="cong-dvc").headers["Upload-Offset"])
        if came == 0:  # the door has not begun to read what came before the cut
            return False
        headers = {"Upload-Offset": str(came), "Content-Type": kind, "Content-Length": str(SIZE - came)}
        with suppress(ConnectionError):  # what came before the cut is still being written: it says no and closes
            return door.ask("PATCH", where, pieces(path, came), by="cong-dvc", headers=headers).status == 204
        return False

    assert eventually(resumed)
    assert came > 0, "what came before the cut was not sent again"


def by_soap(door, path):
    """By MTOM: the wire is cut in the middle, nothing of that is left, and the call is made anew."""
    body, kind = package(b"@", version="http://schemas.xmlsoap.org/soap/envelope/")
    before, _, after = body.rpartition(b"@")
    headers = {"Content-Type": kind, "SOAPAction": "GuiTep", "Content-Length": str(SIZE + len(before) + len(after))}
    head = f"POST /soap HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pki.token('cong-dvc')}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    torn(door, head.encode() + b"\r\n" + before, path, 0, SIZE // 2)
    folder = door.settings.files.folder
    assert eventually(lambda: not any(one.is_file() for one in folder.rglob("*")))
    answer = door.ask("POST", "/soap", pieces(path, 0, before, after), by="cong-dvc", headers=headers)
    assert etree.fromstring(answer.body).findtext(".//{*}SoByte") == str(SIZE), answer


@pytest.mark.parametrize(("come", "go"), [(by_rest, REST), (by_soap, SOAP)])
def test_a_long_file_travels_over_wires_that_are_cut(open_door, file_settings, with_party, tmp_path, file, come, go):
    path, digest, row = file
    agency = FarAgency()
    with served(agency.app()) as url:
        ways = {
            REST: {"url": f"{url}/nhan", "files_url": f"{url}/tep"},
            SOAP: {"url": f"{url}/soap", "files": {}, "port": "TrucLienThongSoap11"},
        }
        pushed = {"receives": Receives.PUSH, "connector": go, "connector_settings": ways[go]}
        parties = with_party(AGENCY, **pushed)
        door = open_door(parties=parties, settings=file_settings(tmp_path / "tep", most_bytes=SIZE, quota_mb=10_000))
        message = mail.nop(files=[row])
        assert door.send(message, "cong-dvc").status == 202  # it waits for its file
        come(door, path)
        store, later = door.gate.store, timedelta()

        def states():
            with store.read() as view:
                return [(d.state, d.problem and d.problem.code) for d in view.deliveries(party=AGENCY)]

        def clock():
            return door.app.door.clock() + later

        async def deliver():
            nonlocal later
            async with HttpLine(private_addresses=True) as line:
                box = Outbox(store, parties, installed(), clock, line, files=door.app.door.files.folder)
                seen = []
                for _ in range(2):
                    while await box.turn():
                        await box.settled()
                    seen += states()
                    later += timedelta(hours=1)
                return seen

        assert asyncio.run(deliver()) == [("queued", "DLV-072"), ("delivered", None)]
    assert (agency.files, agency.messages, agency.cuts) == ([digest], 1, 0)
