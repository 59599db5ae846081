"""An answer of ours leaves as aiohttp's own Response would send it."""

import asyncio
import re
import time
from email.utils import parsedate_to_datetime
from itertools import product

import pytest
from aiohttp import web
from patience import PATIENCE_S

from gateway.web.responses import WholeAnswer

HEADERS = {"Content-Type": "text/plain", "Vary": "Accept", "Server": "lienthong"}
METHODS, VERSIONS, STATUSES = ("GET", "HEAD", "POST"), ("1.0", "1.1"), (200, 201, 204, 304, 422)
KEEPS = ("", "Connection: close\r\n", "Connection: keep-alive\r\n")


async def told(made, method, version, keeps, *, close):
    """What comes back for one request, and whether the connection stays open after it."""

    async def handle(_):
        answer = made()
        if close:
            answer.force_close()
        return answer

    server = web.Server(handle, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    try:
        writer.write(f"{method} / HTTP/{version}\r\nHost: a\r\n{keeps}\r\n".encode())
        writer.write(f"{method} / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        came = await asyncio.wait_for(reader.read(), PATIENCE_S)  # until it is closed
    finally:
        writer.close()
        listener.close()
        await server.shutdown(0)
    return came


def undated(came, since):
    """Without the time, which is asserted here: not before this second."""
    dates = re.findall(rb"Date: ([^\r]*)\r\n", came)
    assert dates
    assert all(since <= parsedate_to_datetime(date.decode()).timestamp() <= time.time() for date in dates)
    return re.sub(rb"Date: [^\r]*", b"Date", came)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [b"", b"x" * 5000])
def test_it_leaves_as_aiohttps_own_would(status, body):
    async def both():
        since = int(time.time())
        for method, version, keeps, close in product(METHODS, VERSIONS, KEEPS, (False, True)):
            ours, theirs = [
                undated(await told(made, method, version, keeps, close=close), since)
                for made in (
                    lambda: WholeAnswer(status, body, HEADERS),
                    lambda: web.Response(status=status, body=body, headers=HEADERS),
                )
            ]
            assert ours == theirs, (method, version, keeps, close)

    asyncio.run(both())


def test_a_line_break_in_a_header_sends_nothing():
    async def split():
        return await told(
            lambda: WholeAnswer(200, b"", {"Location": "a\r\nSet-Cookie: b"}), "GET", "1.1", "", close=False
        )

    assert asyncio.run(split()) == b""
