"""Python: những việc của một hệ thống chạy thật. Gửi lại khi mất trả lời, kiểm biên nhận, lấy hộp thư có ghi vị trí, nhận đẩy.
Python: what a system in service does. Resend after a lost answer, verify the receipt, keep a position, take what is pushed.

    pip install signxml
    python chay_that.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem gui          # truc.pem: chứng thư của trục
    python chay_that.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem lay          # the gateway's certificate
    python chay_that.py http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem nhan 8400    # cổng nghe / the port
"""

import hashlib
import json
import sqlite3
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from gui_ho_so import fill_in, sign
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier

LT = "http://www.dongnai.gov.vn/lienthong/phongbi/1.0"
HS = "http://www.dongnai.gov.vn/lienthong/hoso/1.0"
WAITS_S = (0, 1, 4, 9, 16)
KEPT = sqlite3.connect("so.sqlite3")
KEPT.execute("CREATE TABLE IF NOT EXISTS gui (ma TEXT PRIMARY KEY, noi_dung BLOB, bien_nhan BLOB)")
KEPT.execute("CREATE TABLE IF NOT EXISTS nhan (ma TEXT PRIMARY KEY, vi_tri INTEGER, noi_dung BLOB, bien_nhan BLOB)")


def call(url: str, token: str, body: bytes | None = None, accept: str = "application/xml") -> bytes:
    """Một lượt gọi. / One call."""
    headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Content-Type": "application/xml"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        return answer.read()


def verified(receipt: bytes, sent: bytes, gateway: str) -> etree._Element:
    """Biên nhận do đúng trục ký, về đúng các byte đã gửi. / Signed by the gateway, about the very bytes that were sent."""
    found = XMLVerifier().verify(
        receipt,
        x509_cert=load_pem_x509_certificate(gateway.encode()),
        expect_config=SignatureConfiguration(expect_references=True),
    )
    (whole,) = [one.signed_xml for one in found if one.signed_xml.tag == f"{{{LT}}}ThongDiep"]  # chỉ tin phần đã ký
    inner = whole.find(f"{{{LT}}}ThanPhan/{{{HS}}}BienNhan")
    ma = etree.fromstring(sent).findtext(f"{{{LT}}}MaThongDiep")
    if inner.findtext(f"{{{HS}}}MaThongDiepGoc") != ma:
        raise ValueError("biên nhận của thông điệp khác / the receipt of another message")
    if inner.findtext(f"{{{HS}}}BamNoiDung") != hashlib.sha256(sent).hexdigest():
        raise ValueError("biên nhận về nội dung khác / a receipt about other bytes")
    return inner


def send(url: str, token: str, key: bytes, certificate: str, gateway: str) -> None:
    """Ghi trước, gửi sau; mất trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again."""
    signed = sign(fill_in(), key, certificate)
    ma = etree.fromstring(signed).findtext(f"{{{LT}}}MaThongDiep")
    with KEPT:
        KEPT.execute("INSERT INTO gui VALUES (?, ?, NULL)", (ma, signed))
    for wait in WAITS_S:
        time.sleep(wait)
        try:
            receipt = call(f"{url}/v1/messages", token, signed)
            break
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):  # từ chối: đọc mã lỗi, sửa, ký lại / refused: read why, mend, sign again
                raise SystemExit(f"TU CHOI {error.code} {error.read().decode()}") from error
            print("GUI LAI", error.code)
        except OSError as error:  # đứt giữa chừng: chưa biết / cut off: not known
            print("GUI LAI", type(error).__name__)
    else:
        raise SystemExit("CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later")
    inner = verified(receipt, signed, gateway)
    with KEPT:
        KEPT.execute("UPDATE gui SET bien_nhan = ? WHERE ma = ?", (receipt, ma))
    print("BIEN NHAN", inner.findtext(f"{{{HS}}}KetQua"), ma)


def pull(url: str, token: str) -> None:
    """Vị trí được ghi cùng thông điệp, trong một giao dịch. / The position is stored with the message, in one transaction."""
    while True:
        (after,) = KEPT.execute("SELECT coalesce(max(vi_tri), 0) FROM nhan").fetchone()
        page = json.loads(call(f"{url}/v1/inbox?after={after}&limit=100", token, accept="application/json"))
        if not page["DanhSachMuc"]:
            print("DA NHAN TOI", after)
            return
        for entry in page["DanhSachMuc"]:
            original = call(url + entry["DuongDan"], token)
            if hashlib.sha256(original).hexdigest() != entry["BamNoiDung"]:
                raise SystemExit("nội dung không khớp băm / the content does not fit its hash")
            with KEPT:
                row = (entry["MaThongDiep"], entry["ViTri"], original)
                KEPT.execute("INSERT INTO nhan VALUES (?, ?, ?, NULL)", row)
            print("HOP THU", entry["ViTri"], entry["LoaiThongDiep"])


def receipt_for(body: bytes, key: bytes, certificate: str) -> bytes:
    """BienNhan có chữ ký cho một thông điệp đã ghi. / A signed BienNhan for a message that is on record."""
    root = etree.fromstring(body)
    ours = root.findtext(f"{{{LT}}}DanhSachNoiNhan/{{{LT}}}NoiNhan/{{{LT}}}MaDinhDanh")
    now = datetime.now(timezone(timedelta(hours=7))).isoformat(timespec="seconds")
    ma = root.findtext(f"{{{LT}}}MaThongDiep")
    filled = (
        f'<lt:ThongDiep xmlns:lt="{LT}"><lt:MaThongDiep>{uuid.uuid4()}</lt:MaThongDiep><lt:LoaiThongDiep>HS02</lt:LoaiThongDiep>'
        f"<lt:PhienBan>1.0</lt:PhienBan><lt:NoiGui><lt:MaDinhDanh>{ours}</lt:MaDinhDanh></lt:NoiGui>"
        "<lt:DanhSachNoiNhan><lt:NoiNhan><lt:MaDinhDanh>H19.900</lt:MaDinhDanh></lt:NoiNhan></lt:DanhSachNoiNhan>"
        f"<lt:MaThongDiepGoc>{ma}</lt:MaThongDiepGoc><lt:ThoiDiemTao>{now}</lt:ThoiDiemTao><lt:ThanPhan>"
        f'<hs:BienNhan xmlns:hs="{HS}"><hs:MaThongDiepGoc>{ma}</hs:MaThongDiepGoc><hs:KetQua>CHAP_NHAN</hs:KetQua>'
        f"<hs:ThoiDiem>{now}</hs:ThoiDiem><hs:BamNoiDung>{hashlib.sha256(body).hexdigest()}</hs:BamNoiDung></hs:BienNhan>"
        "</lt:ThanPhan></lt:ThongDiep>"
    )
    return sign(filled.encode(), key, certificate)


def listen(port: int, key: bytes, certificate: str) -> None:
    """Nhận đẩy: ghi, ký biên nhận, rồi mới trả 200; lặp lại thì trả đúng biên nhận cũ. / Store, sign, then 200; repeats get the first."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ma = self.headers["MaThongDiep"]
            row = KEPT.execute("SELECT noi_dung, bien_nhan FROM nhan WHERE ma = ?", (ma,)).fetchone()
            if row is None:  # bản thật: kiểm chữ ký và kiểm ai gọi / in service: verify the signature, and who calls
                row = (body, receipt_for(body, key, certificate))
                with KEPT:
                    KEPT.execute("INSERT INTO nhan VALUES (?, NULL, ?, ?)", (ma, *row))
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
