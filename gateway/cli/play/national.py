"""A portal of the national kind, for the demonstration: log-in, sessions, create or update, rows, look-up; and its own mind.

It keeps what it is told and believes what came last, as the real one does; :meth:`NationalPortal.change` changes a dossier
behind everybody's back.
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DELIVERED, EXISTS, MISSING, EXPIRED = "0", "E1", "E2", "E9"


class NationalPortal:
    """The portal: what it has of each dossier, and its server on loopback."""

    def __init__(self, username: str, password: str) -> None:
        self.account = {"username": username, "password": password}
        self.dossiers: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self._session = secrets.token_hex(8)
        self._one_by_one = threading.Lock()
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                answer = json.dumps(portal.answer(json.loads(self.rfile.read(length))), ensure_ascii=False).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
                """Nothing: the demonstration tells what happens."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="cong-quoc-gia", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/dich-vu"

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, said: dict[str, Any]) -> dict[str, Any]:
        """What it answers to one call."""
        with self._one_by_one:
            if "password" in said:
                return {"session": self._session} if said == self.account else {"error_code": "E8"}
            if said.get("session") != self._session:
                return {"error_code": EXPIRED}
            match said.get("service"):
                case "DongBoHoSoMC":
                    return self._take(said)
                case "CapNhatTienDoHoSoMC":
                    return self._step(said["data"])
                case _:
                    found = self.dossiers.get(said.get("mahoso", ""))
                    return {"error_code": DELIVERED if found else MISSING, "data": [found] if found else []}

    def _take(self, said: dict[str, Any]) -> dict[str, Any]:
        (row,) = said["data"]
        there = row["MaHoSo"] in self.dossiers
        if there != (said["isUpdating"] == "True"):
            return {"error_code": EXISTS if there else MISSING}
        self.dossiers[row["MaHoSo"]] = row
        return {"error_code": DELIVERED}

    def _step(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        for row in rows:
            self.rows.append(row)
            self.dossiers.setdefault(row["MaHoSo"], {"MaHoSo": row["MaHoSo"]})["TrangThaiHoSo"] = row["TrangThai"]
        return {"error_code": DELIVERED, "data": [{"error_code": DELIVERED} for _ in rows]}

    def change(self, ma_ho_so: str, **fields: str) -> None:
        """What nobody told it."""
        with self._one_by_one:
            self.dossiers[ma_ho_so] = {**self.dossiers[ma_ho_so], **fields}
