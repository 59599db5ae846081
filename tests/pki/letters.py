"""Fresh signed messages for tests that need many: any number of dossiers, each with its own code."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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


def _signed(loai: str, goc: str, payload: str, ma_ho_so: str, sender: str, to: str, at: datetime) -> Letter:
    identity = str(uuid.uuid4())
    party, receiver = pki.party(sender), pki.party(to)
    text = _BODY.format(
        pb=PHONG_BI, hs=HO_SO, id=identity, loai=loai, goc=goc, payload=payload, ma_ho_so=ma_ho_so,
        sender=party.identifiers[0], to=receiver.identifiers[0], at=at.isoformat(timespec="milliseconds"),
    )  # fmt: skip
    signer = pki.signer(sender)
    key = SigningKey.load(signer.key_pem, signer.cert_pem)
    return Letter(identity, ma_ho_so, sender, sign(text.encode(), key, XML_DSIG, at=at))


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
