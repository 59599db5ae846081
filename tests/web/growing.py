"""A proxy before a door that answers as a later version would: with one more element, or member, in everything it says."""

import http.client
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lxml import etree
from patience import PATIENCE_S

from gateway.web.answers import NAMESPACE

LATER = NAMESPACE.replace("/1.0", "/1.1")  # where elements of later versions live (docs/en/versions.md)
ON_THE_WAY = ("connection", "content-length", "transfer-encoding", "host")


def grown_xml(body):
    """An envelope or answer with a new element at the end of each structure; lists hold rows and nothing else."""
    root = etree.fromstring(body)
    answers = [e for name in ("TraLoi", "LoiXuLy") for e in root.iter(f"{{{NAMESPACE}}}{name}")]
    for answer in answers:
        for element in list(answer.iter(f"{{{NAMESPACE}}}*")):
            if len(element) and not etree.QName(element).localname.startswith("DanhSach"):
                etree.SubElement(element, f"{{{LATER}}}ThemSau", nsmap={"m": LATER}).text = "mới"
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8"), len(answers)


def grown_json(value):
    """A value with a new member in each object."""
    if isinstance(value, list):
        return [grown_json(one) for one in value]
    if isinstance(value, dict):
        return {name: grown_json(inner) for name, inner in value.items()} | {"ThemSau": {"Moi": True}}
    return value


@contextmanager
def growing(door):
    """The proxy's port, and the statuses of the answers that it let grow."""
    grown = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            """Asks the door, and gives back more."""
            upstream = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENCE_S)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Transfer-Encoding", "") == "chunked":
                body = b"".join(self.chunks())
            sent = {k: v for k, v in self.headers.items() if k.lower() not in (*ON_THE_WAY, "expect")}
            upstream.request(self.command, self.path, body or None, sent)
            response = upstream.getresponse()
            said, kind = response.read(), response.headers.get("Content-Type", "")
            upstream.close()
            if "json" in kind and not self.path.endswith(("/original", "/openapi.json")):
                said = json.dumps(grown_json(json.loads(said))).encode()
                grown.append(response.status)
            elif b"Envelope" in said[:300]:
                said, more = grown_xml(said)
                grown.extend([response.status] * more)
            self.send_response(response.status)
            for name, value in response.headers.items():
                if name.lower() not in ON_THE_WAY:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_HEAD = do_PATCH = answer  # noqa: N815 - the names that http.server looks for

        def chunks(self):
            """The pieces of a chunked body."""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def log_message(self, *_):
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], grown
    finally:
        server.shutdown()
        server.server_close()
