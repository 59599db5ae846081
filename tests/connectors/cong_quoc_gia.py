"""A far side of the national portal's kind: log-in, sessions, create or update, rows with an outcome each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from false_agency import Request, Response, uuid

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "accepted"
CODES = {"exists": ["E1"], "missing": ["E2"], "passing": ["99"], "expired": ["E9"]}


def settings(url: str, folder: Path) -> dict[str, Any]:
    """How a profile describes it."""
    (folder / "mat-khau").write_text("bí mật")
    return {
        "url": url,
        "username": "dongnai",
        "password": f"file:{folder / 'mat-khau'}",
        "madonvi": "H19.900",
        "tra_cuu": "TraCuuHoSo",
        "look_first": False,
        "codes": CODES,
    }


def ma_ho_so(number: int) -> str:
    """The dossier of message number n."""
    return f"H19.901-260115-{number:04}"


def nop_ho_so(number: int) -> bytes:
    """HS01 about that dossier."""
    body = (SAMPLES / "HS01-nop-ho-so-day-du.xml").read_bytes()
    return body.replace(b"H19.901-260115-0002", ma_ho_so(number).encode())


def tien_do(number: int) -> bytes:
    """HS05 about that dossier."""
    body = (SAMPLES / "HS05-tien-do-day-du.xml").read_bytes()
    return body.replace(b"H19.901-260115-0002", ma_ho_so(number).encode())


class CongQuocGia:
    """It knows a dossier by its code, and a row only by what it is told: a row sent twice is there twice."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.dossiers: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.logins = 0
        self.session = ""
        self.per_row = True
        self.lists_rows = True
        self.row_codes: dict[str, str] = {}  # NoiDungXuLy -> code
        self.states: dict[str, str] = {}  # what was said last of each dossier, by a packet or a row

    def answer(self, request: Request) -> Response:
        said = json.loads(request.body)
        if "password" in said:
            return self._log_in(said)
        self.calls.append(said)
        if said["session"] != self.session:
            return self._say("E9")
        return {"DongBoHoSoMC": self._dong_bo, "CapNhatTienDoHoSoMC": self._tien_do, "TraCuuHoSo": self._tra_cuu}[
            said["service"]
        ](said)

    def refusal(self, request: Request) -> Response:
        said = json.loads(request.body)
        return (
            self._say("-3") if said.get("service") in {"DongBoHoSoMC", "CapNhatTienDoHoSoMC"} else self.answer(request)
        )

    def garbage(self, request: Request) -> Response:
        del request
        return Response(200, "application/json", b'{"error_code": ')

    def _log_in(self, said: dict[str, Any]) -> Response:
        if (said["username"], said["password"]) != ("dongnai", "bí mật"):
            return self._say("E8")
        self.logins += 1
        self.session = f"S{self.logins}"
        return Response(200, "application/json", json.dumps({"session": self.session}).encode())

    def _dong_bo(self, said: dict[str, Any]) -> Response:
        (row,) = said["data"]
        code, updating = row["MaHoSo"], said["isUpdating"]
        if updating not in {"True", "False"} or (code in self.dossiers) != (updating == "True"):
            return self._say("E1" if code in self.dossiers else "E2")
        if code not in self.dossiers:
            self.effects.append(uuid(int(re.sub(r".*-", "", code))))
        self.dossiers[code] = row
        self.states[code] = row["TrangThaiHoSo"]
        return self._say("0")

    def state_of(self, ma_ho_so: str) -> str | None:
        """The state in which it shows a dossier."""
        return self.states.get(ma_ho_so) or self.dossiers.get(ma_ho_so, {}).get("TrangThaiHoSo")

    def _tien_do(self, said: dict[str, Any]) -> Response:
        codes = [self.row_codes.get(row.get("NoiDungXuLy", ""), "00") for row in said["data"]]
        taken = [row for row, code in zip(said["data"], codes, strict=True) if code == "00"]
        self.rows += taken
        self.states |= {row["MaHoSo"]: row["TrangThai"] for row in taken}
        if not self.per_row:
            return self._say(codes[0])
        return self._say("00", [{"error_code": code} for code in codes])

    def _tra_cuu(self, said: dict[str, Any]) -> Response:
        code = said["mahoso"]
        rows = [row for row in self.rows if row["MaHoSo"] == code]
        if code not in self.dossiers and not rows:
            return self._say("E2")
        found = {**self.dossiers.get(code, {}), "MaHoSo": code, "TrangThaiHoSo": self.state_of(code)}
        if self.lists_rows:
            found["DanhSachTienDo"] = rows
        return self._say("0", [found])

    def _say(self, code: str, data: Any = None) -> Response:
        body = {"error_code": code, "message": "đã tồn tại, thành công, hay không thì tùy", "data": data}
        return Response(200, "application/json", json.dumps(body, ensure_ascii=False).encode())
