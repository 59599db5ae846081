"""A console over a real store and a browser without a screen: cookies, forms, links; nothing is mocked."""

from __future__ import annotations

import asyncio
import html
import http.client
import re
import threading
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from patience import PATIENCE_S

from gateway.console.app import Console
from gateway.console.room import BASE

SECRET = "một câu dài dễ nhớ"
NOT_ARRIVED = "H19.901-260115-0001"


class Listening:
    """A console in a thread of its own."""

    def __init__(self, room):
        self.room = room
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="console", daemon=True)
        self._thread.start()
        self.console = self.in_loop(self._made())
        self.in_loop(self.console.start("127.0.0.1", 0))
        self.port = self.console.port

    async def _made(self):
        return Console(self.room)

    def in_loop(self, work):
        """What a piece of work in the console's own loop gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def close(self):
        """Stops listening."""
        self.in_loop(self.console.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()


@dataclass
class Seen:
    """One answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    path: str

    @property
    def text(self):
        """The page as text, tags taken out."""
        whole = re.sub(r"<(script|style)\b.*?</\1>", " ", self.body.decode(), flags=re.DOTALL)
        return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", whole))).strip()

    @property
    def source(self):
        """The page as it came."""
        return self.body.decode()

    @property
    def codes(self):
        """The problem codes that the page tells."""
        return re.findall(r"<li><p><strong>([A-Z]{2,4}-\d{3})</strong>", self.source)

    def forms(self, to):
        """The fields of each form that is sent there."""
        found = []
        for action, inside in re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.source, re.DOTALL):
            if html.unescape(action) == f"{BASE}{to}":
                fields = re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', inside)
                found.append([(name, html.unescape(value)) for name, value in fields])
        return found


@dataclass
class Visitor:
    """Somebody at a browser. ``headers`` go with every request."""

    port: int
    headers: dict = field(default_factory=dict)
    cookies: dict = field(default_factory=dict)

    def ask(self, method, path, form=None, headers=None, body=None):
        """One request; no redirect is followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            body = urlencode(form).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            seen = Seen(answer.status, answer.headers, answer.read(), path)
        finally:
            connection.close()
        for line in seen.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            if value in {"", '""'}:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return seen

    def get(self, path, **headers):
        """A page of the console, redirects followed."""
        seen = self.ask("GET", f"{BASE}{path}", headers=headers)
        while seen.status in {302, 303}:
            where = urlsplit(seen.headers["Location"])
            seen = self.ask("GET", f"{where.path}?{where.query}" if where.query else where.path)
        return seen

    def send(self, to, fields, **headers):
        """A form."""
        return self.ask("POST", f"{BASE}{to}", form=fields, headers=headers)

    def send_files(self, to, fields, files, **headers):
        """A form with files: name -> (what its sender calls it, its bytes)."""
        parts = [f'--ranh\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields]
        for name, (called, body) in files.items():
            head = f'--ranh\r\nContent-Disposition: form-data; name="{name}"; filename="{called}"\r\n\r\n'
            parts.append(head.encode() + body + b"\r\n")
        kind = {"Content-Type": "multipart/form-data; boundary=ranh", **headers}
        return self.ask("POST", f"{BASE}{to}", headers=kind, body=b"".join([*parts, b"--ranh--\r\n"]))

    def log_in(self, name, password=SECRET):
        """By the form, as a person does; gives the answer to it."""
        (fields,) = self.get("/vao").forms("/vao")
        given = {"ten": name, "mat-khau": password}
        return self.send("/vao", [(one, given.get(one, value)) for one, value in fields])

    def plan(self, page, act, which=0, **more):
        """Presses the button of an act on a page; gives the plan."""
        fields = dict(page.forms(f"/viec/{act}")[which])
        return self.send(f"/viec/{act}", {**fields, **more})

    def do(self, plan, act, reason="thử"):
        """Says yes to a plan, with a reason."""
        (fields,) = plan.forms(f"/viec/{act}/lam")
        return self.send(f"/viec/{act}/lam", {**dict(fields), "ly-do": reason})
