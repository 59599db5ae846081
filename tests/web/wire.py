"""A wire between a client and a server that can be told to misbehave: lose an answer, spoil one, hold one back, ask for other things."""

import http.client
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from patience import PATIENCE_S

ON_THE_WAY = ("connection", "content-length", "transfer-encoding", "host", "expect", "keep-alive")
CUT = object()  # the answer is lost, the server has done its work


class Wire:
    """``port`` is where the client calls, ``to`` the server's port; ``asked`` what was asked, ``sent`` the bodies.

    Each of ``tricks`` is for one request: (part of its path, function of its path or None, function of its answer or None).
    """

    def __init__(self, to):
        self.to = to
        self.asked, self.sent = [], []
        self.tricks = []
        self.holding, self.released = threading.Event(), threading.Event()

    def hold(self, _):
        """A trick: the answer stays on the wire until the test is over."""
        self.holding.set()
        self.released.wait()
        return CUT

    def carry(self, method, path, body, headers):
        """What comes back for a request: status, headers, body; or CUT."""
        self.asked.append(path)
        self.sent.append(body)
        asked = said = None
        if self.tricks and self.tricks[0][0] in path:
            _, asked, said = self.tricks.pop(0)
        upstream = http.client.HTTPConnection("127.0.0.1", self.to, timeout=PATIENCE_S)
        try:
            upstream.request(method, asked(path) if asked else path, body, headers)
            response = upstream.getresponse()
            answer = response.read()
        finally:
            upstream.close()
        if said is not None:
            answer = said(answer)
        return CUT if answer is CUT else (response.status, response.getheaders(), answer)


@contextmanager
def stretched(to=0):
    """A wire to a port of this machine."""
    wire = Wire(to)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ON_THE_WAY}
            try:
                came = wire.carry(self.command, self.path, body, headers)
            except OSError:  # nobody there
                came = CUT
            if came is CUT:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, headers, said = came
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in (*ON_THE_WAY, "server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_):
            """Nothing on the screen."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """Clients are killed here."""

    server = Quiet(("127.0.0.1", 0), Handler)
    wire.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield wire
    finally:
        wire.released.set()
        server.shutdown()
        server.server_close()
