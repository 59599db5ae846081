"""Python: những việc của một hệ thống chạy thật. Gửi lại khi mất trả lời, kiểm xác nhận tiếp nhận thông điệp, lấy hộp thư, nhận đẩy.
Python: what a system in service does. Resend after a lost answer, verify the receipt, read the inbox, take what is pushed.

    pip install signxml
    python chay_that.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem gui          # truc.pem: chứng thư của trục
    python chay_that.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem lay          # the gateway's certificate
    python chay_that.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem nhan 8400    # cổng nghe / the port
"""

import hashlib
import json
import re
import sqlite3
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.x509 import load_pem_x509_certificate
from gui_ho_so import fill_in, sign
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier
from signxml.exceptions import SignXMLException

LT = "{http://www.dongnai.gov.vn/lienthong/phongbi/1.0}"
HS = "{http://www.dongnai.gov.vn/lienthong/hoso/1.0}"
WAITS_S = (0, 1, 4, 9, 16)
KEPT = sqlite3.connect("so.sqlite3")
KEPT.executescript("""
CREATE TABLE IF NOT EXISTS gui (ma TEXT PRIMARY KEY, noi_dung BLOB, tra_loi BLOB);
CREATE TABLE IF NOT EXISTS nhan (ma TEXT PRIMARY KEY, noi_dung BLOB, bien_nhan BLOB);
CREATE TABLE IF NOT EXISTS vi_tri (mot INTEGER PRIMARY KEY, the_he INTEGER, so INTEGER);
INSERT OR IGNORE INTO vi_tri VALUES (1, 1, 0);
""")


def call(url: str, token: str, body: bytes | None = None, accept: str = "application/xml") -> tuple[int, bytes]:
    """Một lượt gọi. / One call."""
    headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Content-Type": "application/xml"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        return answer.status, answer.read()


def verified(receipt: bytes, sent: bytes, gateway: str) -> etree._Element:
    """Do đúng trục ký, về đúng các byte đã gửi; ValueError nếu không. / Signed by the gateway, about what was sent, or ValueError."""
    certificate = load_pem_x509_certificate(gateway.encode())
    expected = SignatureConfiguration(expect_references=True)
    try:
        found = XMLVerifier().verify(receipt, x509_cert=certificate, expect_config=expected)
    except (SignXMLException, InvalidSignature) as error:
        raise ValueError(f"chữ ký / signature: {error}") from error
    whole = [one.signed_xml for one in found if one.signed_xml.tag == f"{LT}ThongDiep"]  # chỉ tin phần đã ký
    inner = whole[0].find(f"{LT}ThanPhan/{HS}BienNhan") if len(whole) == 1 else None  # trust only what is signed
    if inner is None or inner.findtext(f"{HS}MaThongDiepGoc") != etree.fromstring(sent).findtext(f"{LT}MaThongDiep"):
        raise ValueError("của thông điệp khác / of another message")
    if inner.findtext(f"{HS}BamNoiDung") != hashlib.sha256(sent).hexdigest():
        raise ValueError("về nội dung khác / about other bytes")
    return inner


def send(url: str, token: str, key: bytes, certificate: str, gateway: str) -> None:
    """Ghi trước, gửi sau; chưa có trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again."""
    owed = "SELECT ma, noi_dung FROM gui WHERE tra_loi IS NULL"
    if not KEPT.execute(owed).fetchall():
        signed = sign(fill_in(), key, certificate)
        with KEPT:
            ma = etree.fromstring(signed).findtext(f"{LT}MaThongDiep")
            KEPT.execute("INSERT INTO gui VALUES (?, ?, NULL)", (ma, signed))
    for ma, signed in KEPT.execute(owed).fetchall():
        status, answer = handed_in(url, token, signed)
        if status < 300:
            try:
                inner = verified(answer, signed, gateway)
            except ValueError as error:
                raise SystemExit(f"KHONG TIN {error}") from error
        with KEPT:
            KEPT.execute("UPDATE gui SET tra_loi = ? WHERE ma = ?", (answer, ma))
        if status >= 300:  # từ chối: đọc mã lỗi, sửa, ký lại / refused: read why, mend, sign again
            raise SystemExit(f"TU CHOI {status} {answer.decode()}")
        print("BIEN NHAN", inner.findtext(f"{HS}KetQua"), status, ma)  # 200: trục đã có từ trước / it had it already


def handed_in(url: str, token: str, signed: bytes) -> tuple[int, bytes]:
    """Trả lời dứt khoát của trục. / The gateway's final answer."""
    for wait in WAITS_S:
        time.sleep(wait)
        try:
            status, answer = call(f"{url}/v1/messages", token, signed)
        except urllib.error.HTTPError as error:
            status, answer = error.code, error.read()
        except OSError as error:  # đứt giữa chừng: chưa biết / cut off: not known
            status, answer = type(error).__name__, b""
        if status not in (202, 429, 503) and answer:
            return status, answer
        print("GUI LAI", status, flush=True)
    raise SystemExit("CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later")


def pull(url: str, token: str) -> None:
    """Xử lý xong mới ghi vị trí, cùng một giao dịch. / Taken in and position stored in one transaction; for ever."""
    while True:
        generation, after = KEPT.execute("SELECT the_he, so FROM vi_tri").fetchone()
        try:
            question = f"{url}/v1/inbox?after={after}&generation={generation}&wait=20"
            page = json.loads(call(question, token, accept="application/json")[1])
            generation = page["DauNhatKy"].get("TheHe", 1)
            for entry in page["DanhSachMuc"]:
                if entry["ViTri"] != after + 1:  # không bao giờ bỏ qua một số / never past a number that is missing
                    print("THIEU", after + 1, flush=True)
                    time.sleep(1)
                    break
                original = call(url + entry["DuongDan"], token)[1]
                if hashlib.sha256(original).hexdigest() != entry["BamNoiDung"]:
                    raise SystemExit("nội dung không khớp băm / the content does not fit its hash")
                after += 1
                with KEPT:
                    row = (entry["MaThongDiep"], original)
                    fresh = KEPT.execute("INSERT OR IGNORE INTO nhan VALUES (?, ?, NULL)", row).rowcount
                    KEPT.execute("UPDATE vi_tri SET the_he = ?, so = ?", (generation, after))
                print("HOP THU" if fresh else "DA CO", after, entry["LoaiThongDiep"], flush=True)
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            back = re.search(r"after=(\d+).*generation=(\d+)", said)
            if error.code == 409 and "SYS-144" in said and back:  # trục được khôi phục / the gateway was restored
                with KEPT:
                    KEPT.execute("UPDATE vi_tri SET so = ?, the_he = ?", back.groups())
                print("HOI LAI TU", *back.groups(), flush=True)
            elif error.code in (429, 503):
                time.sleep(5)
            else:  # SYS-143: vị trí của trục khác; một người phải xem / of another gateway: a person must look
                raise SystemExit(f"DUNG {error.code} {said}") from error
        except OSError:
            print("MAT KET NOI", flush=True)
            time.sleep(1)


def receipt_for(body: bytes, key: bytes, certificate: str) -> bytes:
    """BienNhan có chữ ký cho một thông điệp đã ghi. / A signed BienNhan for a message that is on record."""
    root = etree.fromstring(body)
    filled = (Path(__file__).parent.parent / "bien-nhan.xml").read_text("utf-8")
    for name, value in {
        "MaThongDiep": str(uuid.uuid4()),
        "MaThongDiepGoc": root.findtext(f"{LT}MaThongDiep"),
        "NoiGui": root.findtext(f"{LT}DanhSachNoiNhan/{LT}NoiNhan/{LT}MaDinhDanh"),
        "ThoiDiem": datetime.now(timezone(timedelta(hours=7))).isoformat(timespec="seconds"),
        "BamNoiDung": hashlib.sha256(body).hexdigest(),
    }.items():
        filled = filled.replace(f"@{name}@", value)
    return sign(filled.encode(), key, certificate)


def listen(port: int, key: bytes, certificate: str) -> None:
    """Nhận đẩy: ghi, ký, rồi mới trả 200; lặp lại thì trả đúng bản cũ. / Store, sign, then 200; a repeat gets the first."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ma = self.headers["MaThongDiep"]
            row = KEPT.execute("SELECT noi_dung, bien_nhan FROM nhan WHERE ma = ?", (ma,)).fetchone()
            print("LAP LAI" if row else "NHAN", ma, flush=True)
            if row is None:  # bản thật: kiểm chữ ký và kiểm ai gọi / in service: verify the signature, and who calls
                row = (body, receipt_for(body, key, certificate))
                with KEPT:
                    KEPT.execute("INSERT INTO nhan VALUES (?, ?, ?)", (ma, *row))
            same = row[0] == body
            self.send_response(200 if same else 422)
            self.send_header("Content-Type", "application/xml")
            self.end_headers()
            self.wfile.write(row[1] if same else b"<Loi>XUNG_DOT_MA_THONG_DIEP</Loi>")

    server = HTTPServer(("127.0.0.1", port), Receiver)
    print("NGHE", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    url, token, key_file, certificate_file, gateway_file, verb, *more = sys.argv[1:]
    pair = Path(key_file).read_bytes(), Path(certificate_file).read_text()
    if verb == "gui":
        send(url, token, *pair, Path(gateway_file).read_text())
    elif verb == "lay":
        pull(url, token)
    else:
        listen(int(more[0]), *pair)
