"""A real door on loopback, run in a thread of its own, and the few ways in which tests knock at it."""

import asyncio
import http.client
import json
import socket
import ssl
import threading
import time

import pki
import served
from patience import PATIENCE_S, eventually

from gateway.web.app import create_app


class Answer:
    """What came back."""

    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self):
        """The body, which must be JSON."""
        assert "json" in self.headers["Content-Type"], (self.status, self.headers["Content-Type"], self.body[:500])
        return json.loads(self.body)

    @property
    def codes(self):
        """The codes of the problem document."""
        return [problem["code"] for problem in self.json["problems"]]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Door:
    """A running door."""

    def __init__(self, gate, settings, *, tls=None, client_tls=None, clock=None):
        self.gate = gate
        self.settings = settings
        self._client_tls = client_tls
        self._ready = threading.Event()
        self._failed = None
        self._thread = threading.Thread(target=self._run, args=(tls, clock), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        if self._failed is not None:
            raise self._failed

    def _run(self, tls, clock):
        async def live():
            try:
                self.app = create_app(self.gate, self.settings, clock=clock)
                await self.app.start("127.0.0.1", 0, tls=tls)
                self.loop = asyncio.get_running_loop()
                self._leave = asyncio.Event()
                self.port = self.app.port
            except BaseException as error:
                self._failed = error
                raise
            finally:
                self._ready.set()
            await self._leave.wait()
            await self.app.stop()

        asyncio.run(live())

    def stop(self):
        """Close, and wait until everything is answered."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def run(self, coroutine):
        """Run something in the door's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE_S)

    def ask(self, method, path, body=None, *, by=None, headers=None, timeout=PATIENCE_S):
        """One request on a connection of its own; ``by`` is a party of the samples. The answer must be as described."""
        headers = dict(headers or {})
        if by is not None:
            headers.setdefault("Authorization", f"Bearer {pki.token(by)}")
        if self._client_tls is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self._client_tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            answer = Answer(response, response.read())
            served.check(method, path, answer.status, answer.headers, answer.body)
            return answer
        finally:
            connection.close()

    def send(self, body, by, *, accept="application/json", path="/v1/messages", **headers):
        """Post a message."""
        return self.ask(
            "POST", path, body, by=by, headers={"Content-Type": "application/xml", "Accept": accept, **headers}
        )

    def get(self, path, by=None, **headers):
        """Ask for something."""
        return self.ask("GET", path, by=by, headers=headers)

    def holds(self, connections):
        """Wait until it holds so many connections."""
        assert eventually(lambda: len(self.app._server.connections) == connections)

    def is_at_work(self):
        """Wait until the head of a request has come, and its answer has not gone."""
        assert eventually(lambda: any(one.idle_since is None for one in self.app._server.connections))

    def is_waited_at(self):
        """Wait until somebody waits here for news."""
        assert eventually(lambda: self.app.door.waiters._waiting)

    def raw(self, *pieces, pause=0.0, shut=False):
        """Everything the door says to these bytes, and whether it closed then."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as sock:
            try:
                for piece in pieces:
                    sock.sendall(piece)
                    if pause:
                        time.sleep(pause)
                if shut:
                    sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            said = b""
            try:
                while chunk := sock.recv(65536):
                    said += chunk
            except TimeoutError:
                return said, False
            except ConnectionResetError:
                pass
            return said, True


def insecure():
    """A client's TLS settings that believe any server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
