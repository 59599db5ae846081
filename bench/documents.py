"""Signed dossiers for the benchmark: as many different ones as asked, of about the size asked, RSA-2048 and XML-DSig."""

from __future__ import annotations

import base64
import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pki

from schemas.names import HO_SO, PHONG_BI
from signing.sign import XADES_B_B, XML_DSIG, SigningKey, sign

SENDER, RECEIVER = "so-tu-phap", "cong-dvc"  # pushes nothing: the receiver pulls, so that intake alone is measured

_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="{pb}"><lt:MaThongDiep>{id}</lt:MaThongDiep><lt:LoaiThongDiep>HS01</lt:LoaiThongDiep>\
<lt:PhienBan>1.0</lt:PhienBan><lt:NoiGui><lt:MaDinhDanh>H19.901</lt:MaDinhDanh></lt:NoiGui><lt:DanhSachNoiNhan><lt:NoiNhan>\
<lt:MaDinhDanh>H19.909</lt:MaDinhDanh></lt:NoiNhan></lt:DanhSachNoiNhan><lt:MaHoSo>{ma}</lt:MaHoSo>\
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


def dossiers(count: int, size: int, *, first: int = 1, xades: bool = False) -> list[bytes]:
    """``count`` signed dossiers of about ``size`` bytes, numbered from ``first``."""
    signer = pki.signer(SENDER)
    key = SigningKey.load(signer.key_pem, signer.cert_pem)
    variant = XADES_B_B if xades else XML_DSIG
    at = datetime.now(UTC) - timedelta(minutes=5)
    bare = len(sign(_document(first, at, b""), key, variant, at=at))
    content = max(0, (size - bare - 450) * 3 // 4)  # 450: the manifest's own row
    return [sign(_document(first + n, at, b"x" * content), key, variant, at=at) for n in range(count)]


def _document(number: int, at: datetime, content: bytes) -> bytes:
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
        ma=f"H19.901-{at:%y%m%d}-{number:07d}",
        at=at.isoformat(timespec="seconds"),
        due=(at + timedelta(days=10)).isoformat(timespec="seconds"),
        papers=papers,
        manifest=manifest,
    ).encode()
