"""Fresh signed messages for tests that need many: any number of dossiers, each with its own code."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pki

from schemas.names import HO_SO, PHONG_BI
from signing.sign import XML_DSIG, SigningKey, sign

_BODY = """<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="{pb}">
  <lt:MaThongDiep>{id}</lt:MaThongDiep>
  <lt:LoaiThongDiep>{loai}</lt:LoaiThongDiep>
  <lt:PhienBan>1.0</lt:PhienBan>
  <lt:NoiGui><lt:MaDinhDanh>{sender}</lt:MaDinhDanh></lt:NoiGui>
  <lt:DanhSachNoiNhan><lt:NoiNhan><lt:MaDinhDanh>{to}</lt:MaDinhDanh></lt:NoiNhan></lt:DanhSachNoiNhan>
  <lt:MaHoSo>{ma_ho_so}</lt:MaHoSo>
  <lt:ThoiDiemTao>{at}</lt:ThoiDiemTao>
  <lt:ThanPhan>
    <hs:{goc} xmlns:hs="{hs}">{payload}</hs:{goc}>
  </lt:ThanPhan>
</lt:ThongDiep>
"""


@dataclass(frozen=True)
class Letter:
    """A signed message and what the tests ask of it."""

    id: str
    ma_ho_so: str
    sender: str
    body: bytes
    loai: str = ""
    receiver: str = ""


def _signed(loai: str, goc: str, payload: str, ma_ho_so: str, sender: str, to: str, at: datetime) -> Letter:
    identity = str(uuid.uuid4())
    party, receiver = pki.party(sender), pki.party(to)
    text = _BODY.format(
        pb=PHONG_BI, hs=HO_SO, id=identity, loai=loai, goc=goc, payload=payload, ma_ho_so=ma_ho_so,
        sender=party.identifiers[0], to=receiver.identifiers[0], at=at.isoformat(timespec="milliseconds"),
    )  # fmt: skip
    return Letter(identity, ma_ho_so, sender, sign(text.encode(), _key(sender), XML_DSIG, at=at), loai, to)


@cache
def _key(sender: str) -> SigningKey:
    """Loaded once: loading costs ten times a signature."""
    signer = pki.signer(sender)
    return SigningKey.load(signer.key_pem, signer.cert_pem)


def dossier(number: int, to: str = "so-tu-phap", *, at: datetime | None = None) -> Letter:
    """A citizen's dossier (HS01), filed online."""
    at = at or datetime.now(UTC) - timedelta(minutes=10)
    ma_ho_so = f"{pki.party(to).identifiers[0]}-{at:%y%m%d}-{number:07d}"
    payload = (
        f"<hs:MaHoSo>{ma_ho_so}</hs:MaHoSo><hs:MaTTHC>2.000488</hs:MaTTHC><hs:TenTTHC>Cấp phiếu lý lịch tư pháp</hs:TenTTHC>"
        "<hs:MaLinhVuc>TP-LLTP</hs:MaLinhVuc><hs:TenLinhVuc>Lý lịch tư pháp</hs:TenLinhVuc><hs:LoaiDoiTuong>1</hs:LoaiDoiTuong>"
        f"<hs:TrangThaiHoSo>1</hs:TrangThaiHoSo><hs:HinhThuc>0</hs:HinhThuc><hs:NgayNopHoSo>{at.isoformat()}</hs:NgayNopHoSo>"
    )
    return _signed("HS01", "NopHoSo", payload, ma_ho_so, "cong-dvc", to, at)


def received(ma_ho_so: str, sender: str = "so-tu-phap", *, at: datetime | None = None) -> Letter:
    """The agency's receipt and appointment (HS03)."""
    at = at or datetime.now(UTC) - timedelta(minutes=5)
    payload = (
        f"<hs:MaHoSo>{ma_ho_so}</hs:MaHoSo><hs:NgayTiepNhan>{at.isoformat()}</hs:NgayTiepNhan>"
        f"<hs:NgayHenTra>{(at + timedelta(days=10)).isoformat()}</hs:NgayHenTra>"
        "<hs:CanBoTiepNhan>Phạm Nguyễn Quỳnh Như</hs:CanBoTiepNhan><hs:DonViXuLy>Phòng Thử nghiệm</hs:DonViXuLy>"
    )
    return _signed("HS03", "TiepNhanHoSo", payload, ma_ho_so, sender, "cong-dvc", at)


def extended(ma_ho_so: str, was: datetime, to: datetime, sender: str = "so-tu-phap", *, at: datetime) -> Letter:
    """The agency gives itself more time (HS16)."""
    payload = (
        f"<hs:MaHoSo>{ma_ho_so}</hs:MaHoSo><hs:NgayHenTraTruoc>{was.isoformat()}</hs:NgayHenTraTruoc>"
        f"<hs:NgayHenTraMoi>{to.isoformat()}</hs:NgayHenTraMoi><hs:LyDo>Chờ ý kiến phối hợp.</hs:LyDo>"
    )
    return _signed("HS16", "GiaHan", payload, ma_ho_so, sender, "cong-dvc", at)


LIVES = {  # seven messages each, both ways: what is said, and by whom
    "returned": (
        ("HS01", ">"),
        ("HS03", "<"),
        ("HS06", "<"),
        ("HS07", ">"),
        ("HS08", "<"),
        ("HS11", "<"),
        ("HS21", ">"),
    ),
    "stopped": (
        ("HS01", ">"),
        ("HS03", "<"),
        ("HS05", "<"),
        ("HS06", "<"),
        ("HS07", ">"),
        ("HS08", "<"),
        ("HS13", "<"),
    ),
}


def life(number: int, agency: str, kind: str = "returned") -> list[Letter]:
    """All letters of one dossier between the portal and an agency, in the order in which they are sent."""
    began = datetime.now(UTC) - timedelta(hours=2)
    first = dossier(number, agency, at=began)
    made = [first]
    for step, (loai, way) in enumerate(LIVES[kind][1:], 1):
        at = began + timedelta(minutes=10 * step)
        if loai == "HS03":
            made.append(received(first.ma_ho_so, agency, at=at))
            continue
        goc, payload = _said(loai, at)
        sender, to = ("cong-dvc", agency) if way == ">" else (agency, "cong-dvc")
        payload = f"<hs:MaHoSo>{first.ma_ho_so}</hs:MaHoSo>{payload}"
        made.append(_signed(loai, goc, payload, first.ma_ho_so, sender, to, at))
    return made


def _said(loai: str, at: datetime) -> tuple[str, str]:
    """Root element and fields of a message about a dossier, but for its code."""
    when = at.isoformat()
    return {
        "HS05": (
            "CapNhatTienDo",
            f"<hs:NguoiXuLy>Lê Đỗ Phượng Vỹ</hs:NguoiXuLy><hs:ThoiDiemXuLy>{when}</hs:ThoiDiemXuLy><hs:TrangThai>4</hs:TrangThai>",
        ),
        "HS06": (
            "YeuCauBoSung",
            (
                "<hs:HoSoBoSungId>1</hs:HoSoBoSungId><hs:NguoiYeuCauBoSung>Lê Đỗ Phượng Vỹ</hs:NguoiYeuCauBoSung>"
                f"<hs:NoiDungBoSung>Bổ sung bản sao căn cước công dân.</hs:NoiDungBoSung><hs:NgayBoSung>{when}</hs:NgayBoSung>"
                f"<hs:ThoiHanBoSung>{at + timedelta(days=20):%Y-%m-%d}</hs:ThoiHanBoSung>"
            ),
        ),
        "HS07": ("NopBoSung", f"<hs:HoSoBoSungId>1</hs:HoSoBoSungId><hs:NgayNop>{when}</hs:NgayNop>"),
        "HS08": (
            "XacNhanBoSung",
            f"<hs:HoSoBoSungId>1</hs:HoSoBoSungId><hs:NgayTiepNhanBoSung>{when}</hs:NgayTiepNhanBoSung>",
        ),
        "HS11": (
            "TraKetQua",
            f"<hs:NgayKetThucXuLy>{when}</hs:NgayKetThucXuLy><hs:NgayTra>{when}</hs:NgayTra><hs:HinhThuc>0</hs:HinhThuc>",
        ),
        "HS13": ("DungXuLy", f"<hs:LyDo>Chờ kết quả xác minh.</hs:LyDo><hs:NgayDung>{when}</hs:NgayDung>"),
        "HS21": ("DanhGia", "<hs:Diem>5</hs:Diem>"),
    }[loai]
