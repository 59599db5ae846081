"""Signed dossiers for the benchmark: as many different ones as asked, of about the size asked, in the form asked."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pki

from gateway.web.answers import NAMESPACE
from schemas.names import HO_SO, PHONG_BI
from signing.sign import SigningKey, Variant, sign

SENDER, RECEIVER = "so-tu-phap", "cong-dvc"  # pushes nothing: the receiver pulls, so that intake alone is measured
KEYS = {  # kind of key -> who signs with one, and its identifier
    "rsa": (SENDER, "H19.901"),
    "pss": (SENDER, "H19.901"),
    "ecdsa": ("ubnd-xa-thu-nghiem", "H19.902.01"),  # P-384
}

_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="{pb}"><lt:MaThongDiep>{id}</lt:MaThongDiep><lt:LoaiThongDiep>HS01</lt:LoaiThongDiep>\
<lt:PhienBan>1.0</lt:PhienBan><lt:NoiGui><lt:MaDinhDanh>{sender}</lt:MaDinhDanh></lt:NoiGui><lt:DanhSachNoiNhan>{receivers}\
</lt:DanhSachNoiNhan><lt:MaHoSo>{ma}</lt:MaHoSo>\
<lt:ThoiDiemTao>{at}</lt:ThoiDiemTao><lt:ThanPhan><hs:NopHoSo xmlns:hs="{hs}"><hs:MaHoSo>{ma}</hs:MaHoSo>\
<hs:MaTTHC>2.000488</hs:MaTTHC><hs:TenTTHC>Cấp phiếu lý lịch tư pháp</hs:TenTTHC><hs:MaLinhVuc>TP-LLTP</hs:MaLinhVuc>\
<hs:TenLinhVuc>Lý lịch tư pháp</hs:TenLinhVuc><hs:ChuHoSo>Nguyễn Văn Ánh</hs:ChuHoSo><hs:LoaiDoiTuong>1</hs:LoaiDoiTuong>\
<hs:Email>nguyen.van.anh@example.com</hs:Email><hs:SoDienThoai>0000000001</hs:SoDienThoai>\
<hs:TrichYeuHoSo>Hồ sơ đo hiệu năng</hs:TrichYeuHoSo><hs:NgayTiepNhan>{at}</hs:NgayTiepNhan>\
<hs:NgayHenTra>{due}</hs:NgayHenTra><hs:TrangThaiHoSo>2</hs:TrangThaiHoSo><hs:HinhThuc>0</hs:HinhThuc>\
<hs:DonViXuLy>Sở Tư pháp (thử nghiệm)</hs:DonViXuLy>{papers}<hs:NgayNopHoSo>{at}</hs:NgayNopHoSo>\
<hs:KenhThucHien>1</hs:KenhThucHien><hs:NguoiNop><hs:HoTen>Nguyễn Văn Ánh</hs:HoTen>\
<hs:SoDinhDanh>075990000001</hs:SoDinhDanh><hs:LoaiDinhDanh>1</hs:LoaiDinhDanh><hs:NgaySinh>1990-02-28</hs:NgaySinh>\
</hs:NguoiNop></hs:NopHoSo></lt:ThanPhan>{manifest}</lt:ThongDiep>
"""


def dossiers(
    count: int,
    size: int,
    *,
    first: int = 1,
    xades: bool = False,
    key: str = "rsa",
    receivers: Sequence[str] = ("H19.909",),
) -> list[bytes]:
    """``count`` signed dossiers of about ``size`` bytes, numbered from ``first``, to these identifiers."""
    name, identifier = KEYS[key]
    signer = pki.signer(name)
    held = SigningKey.load(signer.key_pem, signer.cert_pem)
    variant = Variant(xades=xades, pss=key == "pss")
    at = datetime.now(UTC) - timedelta(minutes=5)
    to = "".join(f"<lt:NoiNhan><lt:MaDinhDanh>{one}</lt:MaDinhDanh></lt:NoiNhan>" for one in receivers)
    bare = len(sign(_document(first, at, b"", identifier, to), held, variant, at=at))
    content = max(0, (size - bare - 450) * 3 // 4)  # 450: the manifest's own row
    made = (_document(first + n, at, b"x" * content, identifier, to) for n in range(count))
    return [sign(document, held, variant, at=at) for document in made]


def by_soap(body: bytes) -> bytes:
    """The same for the door of SOAP 1.1."""
    return (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GuiThongDiep xmlns="%b"><NoiDung>%b</NoiDung>'
        b"</GuiThongDiep></s:Body></s:Envelope>" % (NAMESPACE.encode(), base64.b64encode(body))
    )


def _document(number: int, at: datetime, content: bytes, sender: str, receivers: str) -> bytes:
    papers = manifest = ""
    if content:
        text = f"{number:08d}".encode() + content[8:]
        papers = (
            "<hs:DanhSachTaiLieuNop><hs:TaiLieuNop><hs:TenTepDinhKem>a.txt</hs:TenTepDinhKem><hs:MaDinhKem>a</hs:MaDinhKem>"
            "</hs:TaiLieuNop></hs:DanhSachTaiLieuNop>"
        )
        manifest = (
            "<lt:DanhSachDinhKem><lt:DinhKem><lt:MaDinhKem>a</lt:MaDinhKem><lt:TenTep>a.txt</lt:TenTep>"
            f"<lt:LoaiTep>text/plain</lt:LoaiTep><lt:SoByte>{len(text)}</lt:SoByte>"
            f"<lt:BamSHA256>{hashlib.sha256(text).hexdigest()}</lt:BamSHA256>"
            f"<lt:NoiDung>{base64.b64encode(text).decode()}</lt:NoiDung></lt:DinhKem></lt:DanhSachDinhKem>"
        )
    return _DOCUMENT.format(
        pb=PHONG_BI,
        hs=HO_SO,
        id=uuid.uuid4(),
        sender=sender,
        receivers=receivers,
        ma=f"{sender}-{at:%y%m%d}-{number:07d}",
        at=at.isoformat(timespec="seconds"),
        due=(at + timedelta(days=10)).isoformat(timespec="seconds"),
        papers=papers,
        manifest=manifest,
    ).encode()
