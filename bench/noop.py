"""The HTTP floor: a server that reads a body and answers 201, and does nothing else. Prints its port, then serves.

``python bench/noop.py [bytes of an answer]``.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

import uvloop
from aiohttp import web


async def take(request: web.Request) -> web.Response:
    """Read it all, answer."""
    await request.read()
    return web.Response(status=201, body=ANSWER, content_type="application/xml")


# About as long as a signed receipt, or as asked.
ANSWER = b"<BienNhan>" + b"x" * (int(sys.argv[1]) - 21 if len(sys.argv) > 1 else 2000) + b"</BienNhan>"


async def serve() -> None:
    """Until killed."""
    app = web.Application(client_max_size=8 * 2**20)
    app.router.add_post("/v1/messages", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    door = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, door).start()
    gc.collect()
    gc.freeze()
    sys.stdout.write(f"{door.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
