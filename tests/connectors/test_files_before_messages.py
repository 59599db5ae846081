"""The files that a message names are handed over before it, streamed; one that was not taken leaves the message where it is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from false_agency import run
from parcels import BODY, parcel, party
from serving import served

from connectors.folder import folder
from connectors.http import HttpLine
from connectors.outcomes import Answered, Parcel, ParcelFile, Receipt, Refused, Unreachable
from connectors.rest import rest

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
