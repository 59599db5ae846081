"""Partner systems as they are met in the field, one for each worked example of samples/partners: they log people in, hand
out tokens that end, know dossiers by keys of their own, and answer in the ways that the examples describe.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from false_agency import Request, Response, uuid
from lxml import etree

from connectors.registry import installed
from gateway.core.parties import Party
from gateway.services.profiles import read_file

PARTNERS = Path(__file__).resolve().parents[2] / "samples" / "partners"
SECRET = "bí mật / của thử nghiệm"  # every secret of the examples


@cache
def profile(shape: str) -> Party:
    """The example as `parties check` reads it."""
    return read_file(PARTNERS / shape / f"{shape}.toml", None, installed())


@cache
def secrets() -> Path:
    """A file with the secret, one for the process: settings that are the same each time are looked through once."""
    file = tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="lt-bi-mat-")  # noqa: SIM115 - gone with the process
    file.write(SECRET)
    file.flush()
    _kept.append(file)
    return Path(file.name)


_kept: list[Any] = []


def settings_of(shape: str) -> Callable[[str, Path], dict[str, Any]]:
    """The example's table, its addresses moved to the far side of a test and its secrets to a file."""

    def made(url: str, folder: Path) -> dict[str, Any]:
        own = folder / "bi-mat"  # a secret of the test's own, where it lies there
        text = json.dumps(dict(profile(shape).connector_settings))
        here = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        text = re.sub(r"https://[a-z-]+\.example", here, text)
        return json.loads(re.sub(r"\"env:[A-Z0-9_]+\"", json.dumps(f"file:{own if own.exists() else secrets()}"), text))

    return made


def number_of(code: str) -> str:
    """The MaThongDiep of the message about this dossier, as the rigs number them."""
    return uuid(int(code.rpartition("-")[2]))


def json_(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, "application/json", json.dumps(value, ensure_ascii=False).encode())


class Shape:
    """What all of them have in common: requests are kept, a token ends when the test says so, an answer may be spoilt."""

    paths: tuple[str, ...] = ()
    stays = True  # listens where the last one did, so that the settings are the same

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.calls: list[tuple[str, Any]] = []  # path, what was said
        self.logins = 0
        self.dossiers: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.states: dict[str, str] = {}  # what was said last of each dossier's state, in our codes
        self.calls_left: int | None = None  # of the token
        self.lasts: Any = 3600
        self.spoil: Callable[[Response], Response] | None = None  # of every answer that is no log-in
        self.strict = False  # whether a dossier that is there, or is not, is told

    def answer(self, request: Request) -> Response:
        split = urlsplit(request.path)
        response = self.respond(split.path, dict(parse_qsl(split.query, keep_blank_values=True)), request)
        return response if self.spoil is None or self._is_login(split.path) else self.spoil(response)

    def _is_login(self, path: str) -> bool:
        return path.rstrip("/").rpartition("/")[2] in {"token", "login", "dang-nhap"}

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        raise NotImplementedError

    def refusal(self, request: Request) -> Response:
        return self.answer(request) if self._is_login(urlsplit(request.path).path) else self.no()

    def no(self) -> Response:
        raise NotImplementedError

    def garbage(self, request: Request) -> Response:
        del request
        return Response(200, "application/json", b'{"error_code": ')

    def new_token(self) -> str:
        self.logins += 1
        return f"the-{self.logins}"

    def knows(self, token: str | None) -> bool:
        """Whether this token is in force; it serves so many calls."""
        if token != f"the-{self.logins}" or self.calls_left == 0:
            self.calls_left = None if self.calls_left == 0 else self.calls_left
            return False
        if self.calls_left is not None:
            self.calls_left -= 1
        return True

    def takes(self, code: str, row: dict[str, Any]) -> None:
        """A dossier, or the news of one, takes effect; the same news again does not."""
        if "TrangThaiHoSo" in row:
            self.states[code] = row["TrangThaiHoSo"]
        if self.dossiers.get(code) != row:
            self.dossiers[code] = row
            self.effects.append(number_of(code))

    def takes_rows(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.states[row["MaHoSo"]] = row["TrangThai"]
            if row not in self.rows:
                self.rows.append(row)
                self.effects.append(number_of(row["MaHoSo"]))


class CongQuocGiaLgsp(Shape):
    """Shape 1."""

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        if path == "/token":
            form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
            assert request.headers["content-type"] == "application/x-www-form-urlencoded"
            if form != {"grant_type": "client_credentials", "client_id": "lienthong", "client_secret": SECRET}:
                return json_({"error": "invalid_client"}, 401)
            return json_({"access_token": self.new_token(), "expires_in": self.lasts, "token_type": "Bearer"})
        said = json.loads(request.body)
        lgsp = json.loads(base64.b64decode(request.headers["lgspaccesstoken"]))
        assert lgsp == {"AccessKey": SECRET, "SecretKey": SECRET, "AppName": "lienthong", "PartnerCode": "H19"}
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.knows(token):
            return Response(401, "text/html", b"<html><body>401</body></html>")
        if path == "/dvcqg/login":
            assert said == {"username": "H19.900", "password": SECRET}
            return json_({"error_code": "0", "session": "phien-1"})
        self.calls.append((said["service"], said))
        assert said["session"] == "phien-1"
        return getattr(self, "_" + said["service"])(said)

    def _DongBoHoSoMC(self, said: dict[str, Any]) -> Response:
        (row,) = said["data"]
        there = row["MaHoSo"] in self.dossiers
        if self.strict and there != (said["isUpdating"] == "True"):
            return json_({"error_code": "3" if there else "-3", "message": "đã tồn tại" if there else "không tồn tại"})
        self.takes(row["MaHoSo"], row)
        return json_({"error_code": "0", "message": "thành công"})

    def _CapNhatTienDoHoSoMC(self, said: dict[str, Any]) -> Response:
        assert len(said["data"]) <= 10
        self.takes_rows(said["data"])
        return json_({"error_code": "0", "data": [{"error_code": "00"} for _ in said["data"]]})

    def _TraCuuHoSo(self, said: dict[str, Any]) -> Response:
        rows = [row for row in self.rows if row["MaHoSo"] == said["mahoso"]]
        if said["mahoso"] not in self.dossiers and not rows:
            return json_({"error_code": "-3", "message": "không tồn tại"})
        state = rows[-1]["TrangThai"] if rows else self.dossiers[said["mahoso"]]["TrangThaiHoSo"]
        return json_({"error_code": "0", "result": {"MaHoSo": said["mahoso"], "TrangThaiHoSo": state}})

    def no(self) -> Response:
        return json_({"error_code": "12", "message": "sai dữ liệu"})


class DatDai(Shape):
    """Shape 2: it gives each dossier a key of its own, and takes no news without it."""

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        if path == "/oauth/token":
            form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
            if form != {"grant_type": "password", "username": "motcua", "password": SECRET}:
                return json_({"error": "invalid_grant"}, 400)
            return json_({"access_token": self.new_token(), "expires_in": str(self.lasts)})
        if not self.knows(request.headers.get("authorization", "").partition(" ")[2]):
            return json_({"Message": "Authorization has been denied for this request."}, 401)
        said = json.loads(request.body)
        self.calls.append((path, said))
        code = said["MaHoSoMotCua"]
        key = "BN" + code.rpartition("-")[2]
        if path.endswith("/TiepNhanHoSo"):
            self.takes(code, said)
            return json_({"Code": 1, "Data": {"SoBienNhan": key}})
        if said["SoBienNhan"] != key:
            return json_({"Code": 9, "Message": "sai số xác nhận tiếp nhận thông điệp"})
        if "TrangThai" in said:
            self.states[code] = {"DangXuLy": "4", "ChoBoSung": "5", "DaCoKetQua": "9", "DaTra": "10"}.get(
                said["TrangThai"], said["TrangThai"]
            )
        self.effects.append(number_of(code))
        return json_({"Code": 1, "Data": None})

    def no(self) -> Response:
        return json_({"Code": 9, "Message": "sai dữ liệu"})


class TrungTamHcc(Shape):
    """Shape 3."""

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        # A header is ASCII: what is not comes percent-encoded, as UTF-8.
        assert request.headers["x-api-key"].startswith("b%C3%AD m%E1%BA%ADt")
        rows = json.loads(request.body)
        assert isinstance(rows, list)
        self.calls.append((f"{path} {query}", rows))
        if path.endswith("/DongBoHoSoMC"):
            (row,) = rows
            if self.strict and row["MaHoSo"] in self.dossiers and query["isUpdating"] == "False":
                return json_({"response_code": "01"})
            self.takes(row["MaHoSo"], row)
        else:
            self.takes_rows(rows)
        return json_({"response_code": "00"})

    def no(self) -> Response:
        return json_({"response_code": "77"})


class MotCuaIgate(Shape):
    """Shape 4."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.codes: dict[str, str] = {}  # its number of a dossier -> ours
        self.files: list[bytes] = []
        self.waiting: list[dict[str, Any]] = []

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        what = path.rpartition("/")[2]
        if what == "token":
            assert dict(parse_qsl(request.body.decode())) == {"taikhoan": "lienthong", "matkhau": SECRET}
            return json_({"token": self.new_token(), "hieuluc": self.lasts})
        if not self.knows(query.get("token")):
            return json_({"status": "TOKEN"}, 401)
        self.calls.append((what, request.body if what == "TaiTep" else json.loads(request.body or b"null")))
        return getattr(self, f"_{what}")(request)

    def _SoHoSoKeTiep(self, request: Request) -> Response:
        self.number += 1
        return json_({"status": "OK", "so": f"IG-{self.number:05}"})

    def _TaiTep(self, request: Request) -> Response:
        boundary = request.headers["content-type"].partition("boundary=")[2].encode()
        head, _, rest = request.body.partition(b"\r\n\r\n")
        assert head.startswith(b"--" + boundary)
        assert b'name="tep"' in head
        self.files.append(rest.rpartition(b"\r\n--" + boundary + b"--")[0])
        return json_({"status": "OK", "tep": {"id": len(self.files), "bam": "x"}})

    def _NoiHoSo(self, request: Request) -> Response:
        said = json.loads(request.body)
        self.codes[said["so"]] = said["maHoSo"]
        if said["maHoSo"] not in self.dossiers:  # it knows a dossier by our code, whatever number it gave it
            self.takes(said["maHoSo"], said)
        return json_({"status": "OK"})

    def _CapNhatTienTrinh(self, request: Request) -> Response:
        self.rows += json.loads(request.body)
        return json_({"status": "OK"})

    def _CapNhatTrangThai(self, request: Request) -> Response:
        said = json.loads(request.body)
        theirs = {"DXL": "4", "CBS": "5", "DCKQ": "9", "DTKQ": "10"}
        if said["so"] in self.codes:
            self.states[self.codes[said["so"]]] = theirs.get(said["trangThai"], said["trangThai"])
        return json_({"status": "OK"})

    def _TrangThaiMoi(self, request: Request) -> Response:
        return json_({"status": "OK", "data": self.waiting})

    def _DaLay(self, request: Request) -> Response:
        done = json.loads(request.body)["id"]
        self.waiting = [row for row in self.waiting if row["id"] != done]
        return json_({"status": "OK"})

    def no(self) -> Response:
        return json_({"status": "LOI"})


class Thue(Shape):
    """Shape 5."""

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        assert request.headers["content-type"] == "text/xml; charset=utf-8"
        assert request.headers["soapaction"] == '"http://tempuri.org/GuiThongDiep"'
        outer = etree.fromstring(request.body)
        (inner,) = outer.iter("{http://tempuri.org/}thongDiep")
        data = etree.fromstring(inner.text.encode())
        self.calls.append((path, data))
        ma = data.findtext("HEADER/MSG_ID")
        told = {row.findtext("TYPE"): (row.findtext("NAME"), row.findtext("VALUE")) for row in data.iter("ROW")}
        if "00111" in told:  # a step: NAME is the state
            self.states[told["00110"][1]] = told["00111"][0]
        if ma not in self.effects:
            self.effects.append(ma)
        return self._says("00")

    def _says(self, code: str) -> Response:
        body = (
            '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
            '<soap:Body><GuiThongDiepResponse xmlns="http://tempuri.org/">'
            f"<GuiThongDiepResult>{code}</GuiThongDiepResult></GuiThongDiepResponse></soap:Body></soap:Envelope>"
        )
        return Response(200, "text/xml; charset=utf-8", body.encode())

    def no(self) -> Response:
        return self._says("01")

    def garbage(self, request: Request) -> Response:
        del request
        return Response(200, "text/xml", b"<soap:Envelope>")


class MotCuaTinh(Shape):
    """Shapes 6 and 8: success is a sentence, and there are several."""

    def __init__(self) -> None:
        super().__init__()
        self.strict = False

    def respond(self, path: str, query: dict[str, str], request: Request) -> Response:
        said = json.loads(request.body)
        if path == "/dang-nhap":
            if said != {"username": "H19.900", "password": SECRET}:
                return self._says("Sai mật khẩu")
            return json_({"session": self.new_token(), "error_code": "0"})
        if not self.knows(said["session"]):
            return self._says("Phiên làm việc hết hạn")
        self.calls.append((said["service"], said))
        match said["service"]:
            case "DongBoHoSoMC":
                (row,) = said["data"]
                there = row["MaHoSo"] in self.dossiers
                if self.strict and there != (said["isUpdating"] == "True"):
                    return self._says("Hồ sơ đã tồn tại" if there else "Hồ sơ không tồn tại")
                self.takes(row["MaHoSo"], row)
                return self._says("Đồng bộ thành công")
            case "CapNhatTienDoHoSoMC":
                self.takes_rows(said["data"])
                return self._says("Thành công", [{"message": "thành công"} for _ in said["data"]])
            case _:
                rows = [row for row in self.rows if row["MaHoSo"] == said["mahoso"]]
                if said["mahoso"] not in self.dossiers and not rows:
                    return self._says("Hồ sơ không tồn tại")
                state = rows[-1]["TrangThai"] if rows else self.dossiers[said["mahoso"]]["TrangThaiHoSo"]
                return self._says("thành công", [{"MaHoSo": said["mahoso"], "TrangThaiHoSo": state}])

    def _says(self, message: str, result: Any = None) -> Response:
        return json_({"error_code": "?", "message": message, "result": result})

    def no(self) -> Response:
        return self._says("Dữ liệu không hợp lệ")


SHAPES: dict[str, type[Shape]] = {
    "cong-quoc-gia-lgsp": CongQuocGiaLgsp,
    "dat-dai": DatDai,
    "trung-tam-hcc": TrungTamHcc,
    "mot-cua-igate": MotCuaIgate,
    "thue": Thue,
    "mot-cua-tinh": MotCuaTinh,
}
ASKED = frozenset({"cong-quoc-gia-lgsp", "mot-cua-tinh"})  # those that can be asked
