"""A document axis: takes status packets, knows a repeat by what it says, answers with a code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from false_agency import Request, Response, uuid

from connectors import edxml


def settings(url: str, folder: Path) -> dict[str, Any]:
    """How a profile describes it."""
    (folder / "khoa").write_text("khóa".encode().hex())
    return {
        "url": url,
        "organ_id": "H19.900",
        "organ_name": "Trục liên thông (thử nghiệm)",
        "system_id": "H19.900",
        "secret_key": f"file:{folder / 'khoa'}",
    }


class TrucVanBan:
    """The far side."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.packets: list[edxml.StatusPacket] = []
        self.said: Response | None = None

    def answer(self, request: Request) -> Response:
        if self.said is not None:
            return self.said
        if request.headers.get("x-secretkey") != "khóa".encode().hex():
            return self.say("15")
        packet = edxml.read_status_packet(request.body, edxml.EdxmlProfile.TOLERANT)
        if packet not in self.packets:
            self.packets.append(packet)
            self.effects.append(uuid(int(re.sub(r".*-", "", packet.about[0].code))))
        return self.say("0", DocId=f"D{self.packets.index(packet) + 1}")

    def refusal(self, request: Request) -> Response:
        del request
        return self.say("18")

    def garbage(self, request: Request) -> Response:
        del request
        return Response(200, "application/json", b"\xff\xfe{")

    def say(self, code: str, **more: str) -> Response:
        """An answer in JSON."""
        return Response(200, "application/json", json.dumps({"ErrorCode": code, "ErrorDesc": "…", **more}).encode())
