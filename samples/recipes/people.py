"""The fictional world of the samples: agencies, procedures, people. No living person, no real dossier."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from recipes.xmltext import Value, nfc

VN = timezone(timedelta(hours=7))

# Every letter of the Vietnamese alphabet with every tone mark, both cases.
DIACRITICS = nfc(
    "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệghiìỉĩíịklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvxyỳỷỹýỵ"
    "AÀẢÃÁẠĂẰẲẴẮẶÂẦẨẪẤẬBCDĐEÈẺẼÉẸÊỀỂỄẾỆGHIÌỈĨÍỊKLMNOÒỎÕÓỌÔỒỔỖỐỘƠỜỞỠỚỢPQRSTUÙỦŨÚỤƯỪỬỮỨỰVXYỲỶỸÝỴ"
)


@dataclass(frozen=True)
class Office:
    """A party as it writes itself in NoiGui and NoiNhan."""

    id: str
    ma: str
    ten: str
    he_thong: str
    key: str  # of samples/keys

    def address(self, *, full: bool = True) -> Value:
        """MaDinhDanh alone, or with names."""
        return {"MaDinhDanh": self.ma} | ({"TenCoQuan": self.ten, "HeThong": self.he_thong} if full else {})


PORTAL = Office("cong-dvc", "H19.909", "Cổng dịch vụ công tỉnh Đồng Nai (thử nghiệm)", "Cổng DVC", "cong-dvc")
TU_PHAP = Office("so-tu-phap", "H19.901", "Sở Tư pháp (thử nghiệm)", "Một cửa điện tử", "so-tu-phap")
XA = Office("ubnd-xa-thu-nghiem", "H19.902.01", "UBND xã Thử Nghiệm", "Một cửa xã", "ubnd-xa-thu-nghiem")
XA_2 = Office("ubnd-xa-thu-nghiem-2", "H19.902.02", "UBND xã Thử Nghiệm Hai", "Một cửa xã", "ubnd-xa-thu-nghiem-2")
XAY_DUNG = Office("so-xay-dung", "H19.903", "Sở Xây dựng (thử nghiệm)", "Một cửa Sở Xây dựng", "so-xay-dung")
LOI = Office("don-vi-loi", "H19.904", "Đơn vị có chứng thư hỏng (thử nghiệm)", "Một cửa hỏng", "revoked")
BI_KHOA = Office("don-vi-bi-khoa", "H19.905", "Đơn vị đã bị khóa (thử nghiệm)", "Một cửa", "unregistered")
TRUC = Office("gateway", "H19.900", "Trục liên thông tỉnh Đồng Nai (thử nghiệm)", "LienThong", "gateway")
LA = Office("nobody", "H19.999", "Đơn vị không ai đăng ký", "?", "unregistered")

# Procedures (real codes), with their field.
LY_LICH = {
    "MaTTHC": "2.000488",
    "TenTTHC": "Cấp phiếu lý lịch tư pháp",
    "MaLinhVuc": "TP-LLTP",
    "TenLinhVuc": "Lý lịch tư pháp",
}
HO_KINH_DOANH = {
    "MaTTHC": "1.001612.000.00.00.H19",
    "TenTTHC": "Đăng ký thành lập hộ kinh doanh",
    "MaLinhVuc": "KH-HKD",
    "TenLinhVuc": "Thành lập và hoạt động của hộ kinh doanh",
}
KHAI_SINH = {"MaTTHC": "1.001193", "TenTTHC": "Đăng ký khai sinh", "MaLinhVuc": "TP-HT", "TenLinhVuc": "Hộ tịch"}
CHUNG_THUC = {
    "MaTTHC": "2.000815.01",
    "TenTTHC": "Chứng thực bản sao từ bản chính",
    "MaLinhVuc": "TP-CT",
    "TenLinhVuc": "Chứng thực",
}


def moment(day: str, clock: str = "08:00:00") -> str:
    """An instant in Vietnamese time."""
    return f"{day}T{clock}+07:00"


def instant(text: str) -> datetime:
    """The reverse, for signing."""
    return datetime.fromisoformat(text)


def message_id(name: str) -> str:
    """A UUID that depends on the sample's name alone."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:lienthong:samples:{name}"))


def pdf(title: str, *, kilobytes: int = 0) -> bytes:
    """A small real PDF of one page with an ASCII title; padded by a comment stream when it must be longer."""
    stream = f"BT /F1 14 Tf 72 720 Td ({title}) Tj ET".encode("ascii")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    if kilobytes:
        filler = (hashlib.sha256(title.encode()).hexdigest().encode() * 16 + b"\n")[:1024] * kilobytes
        parts.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(filler), filler))
    out, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, start)


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def attachment(
    ma: str, ten: str, loai: str, data: bytes, *, url: str | None = None, mo_ta: str | None = None, more: bool = False
) -> Value:
    """A row of the manifest: inline, or by address."""
    row: dict[str, Value] = {
        "MaDinhKem": ma,
        "TenTep": ten,
        "LoaiTep": loai,
        "SoByte": str(len(data)),
        "BamSHA256": hashlib.sha256(data).hexdigest(),
    }
    if mo_ta:
        row["MoTa"] = mo_ta
    if more:
        row["SieuDuLieu"] = {
            "TieuDe": ten,
            "NguoiTao": TU_PHAP.ten,
            "Ngay": "2026-01-15",
            "DinhDanh": f"{ma}/2026",
            "NgonNgu": "vi",
            "DinhDang": loai,
            "ChuDe": ["thử nghiệm", "mẫu"],
        }
    if url:
        row["DuongDan"] = url
    else:
        row["NoiDung"] = base64.b64encode(data).decode()
    return row
