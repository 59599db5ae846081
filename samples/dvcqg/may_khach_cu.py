"""Một máy khách cũ, viết cho Cổng Dịch vụ công quốc gia: nối được vào trục chỉ bằng cách đổi địa chỉ và mật khẩu.
An old client, written for the national portal: connected to the gateway by a new address and a new password alone.

    python may_khach_cu.py https://truc.example/dvcqg TEN_DANG_NHAP MAT_KHAU MA_DON_VI ho-so.json

It knows nothing of the gateway. It does what such clients do: it logs in once, sends each dossier as new, sends it again as an
update when it hears of a text that says so, then its steps by tens, and looks it up at the end. ``ho-so.json``:
``[{"HoSo": {…27 fields…}, "TienDo": [{…9 fields…}]}]``.
"""

import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path

BY_TENS = 10


class Portal:
    """The portal's two addresses, as its clients have them: one to log in at, one for everything else."""

    def __init__(self, url: str, user: str, password: str, unit: str, *, form: bool = False) -> None:
        self.url, self.unit, self.form = url.rstrip("/"), unit, form
        said = self._post("/mapi/login", {"username": user, "password": password})
        if int(said["error_code"]) != 0:
            raise SystemExit(f"dang nhap: {said['message']}")
        self.session = said["session"]

    def call(self, service: str, **more: object) -> dict:
        """One call under the session."""
        return self._post("/mapi/g", {"session": self.session, "madonvi": self.unit, "service": service, **more})

    def _post(self, endpoint: str, fields: dict) -> dict:
        if self.form:  # half of the clients send a form, with JSON in one of its fields
            texts = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in fields.items()}
            body, kind = urllib.parse.urlencode(texts).encode(), "application/x-www-form-urlencoded"
        else:
            body, kind = json.dumps(fields, ensure_ascii=False).encode(), "application/json"
        headers = {"Content-Type": kind, "Accept": "application/json", "Charset": "utf-8"}
        request = urllib.request.Request(f"{self.url}{endpoint}?dstcode=VN:GOV:TEST", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def taken(said: dict) -> bool:
    """How these clients know success: by a number, or by a sentence."""
    return int(said["error_code"]) == 0 or "thành công" in said["message"].lower()


def synchronise(portal: Portal, dossier: dict, steps: list[dict]) -> None:
    """The dossier, new or not, then its steps."""
    said = portal.call("DongBoHoSoMC", isUpdating="False", data=[dossier])
    if not taken(said) and "đã tồn tại" in said["message"]:
        said = portal.call("DongBoHoSoMC", isUpdating="True", data=[dossier])
    print("DONG BO", dossier["MaHoSo"], said["error_code"], said["message"])
    for start in range(0, len(steps), BY_TENS):
        said = portal.call("CapNhatTienDoHoSoMC", data=steps[start : start + BY_TENS])
        print("TIEN DO", dossier["MaHoSo"], said["error_code"], said["message"])
    said = portal.call("TraCuuHoSo", mahoso=dossier["MaHoSo"])
    (found,) = said["result"] or [{}]
    print("TRA CUU", dossier["MaHoSo"], said["error_code"], found.get("TrangThaiHoSo"), found.get("NgayHenTra"))


def main(url: str, user: str, password: str, unit: str, file: str, form: str = "") -> None:
    portal = Portal(url, user, password, unit, form=form == "--form")
    for each in json.loads(Path(file).read_text("utf-8")):
        synchronise(portal, each["HoSo"], each["TienDo"])


if __name__ == "__main__":
    main(*sys.argv[1:])
