"""What the signing tests write on: a ThongDiep, signers of the test PKI, and the walk from bytes to a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pki
from lxml import etree

from gateway.core.limits import DEFAULT_LIMITS, DocumentLimits
from gateway.core.model import Caller, Channel, Envelope, PartyId
from gateway.core.parties import Parties, Party, SignaturePolicy, SigningCertificate
from gateway.core.problems import Stopped
from gateway.documents import Attested, Checked, Document, Kind, parse
from signing.certificates import read_certificate
from signing.sign import SigningKey, Variant, sign
from signing.trust import TrustView
from signing.verify import verify

PB = "http://www.dongnai.gov.vn/lienthong/phongbi/1.0"
HS = "http://www.dongnai.gov.vn/lienthong/hoso/1.0"
DS = "http://www.w3.org/2000/09/xmldsig#"
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
KIND = Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.0")
SIGNER = "so-tu-phap"  # RSA-2048

HS05 = """<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="http://www.dongnai.gov.vn/lienthong/phongbi/1.0">
  <lt:MaThongDiep>7d1b6a52-6f0e-4f4d-9a39-0c6a2f5f8f11</lt:MaThongDiep>
  <lt:LoaiThongDiep>HS05</lt:LoaiThongDiep>
  <lt:PhienBan>1.0</lt:PhienBan>
  <lt:NoiGui>
    <lt:MaDinhDanh>H19.901</lt:MaDinhDanh>
    <lt:TenCoQuan>Sở Tư pháp (thử nghiệm)</lt:TenCoQuan>
  </lt:NoiGui>
  <lt:DanhSachNoiNhan>
    <lt:NoiNhan>
      <lt:MaDinhDanh>H19.909</lt:MaDinhDanh>
    </lt:NoiNhan>
  </lt:DanhSachNoiNhan>
  <lt:MaHoSo>H19.901-260115-0001</lt:MaHoSo>
  <lt:ThuTu>3</lt:ThuTu>
  <lt:ThoiDiemTao>2026-11-24T10:59:00+07:00</lt:ThoiDiemTao>
  <lt:ThanPhan>
    <hs:CapNhatTienDo xmlns:hs="http://www.dongnai.gov.vn/lienthong/hoso/1.0">
      <hs:MaHoSo>H19.901-260115-0001</hs:MaHoSo>
      <hs:NguoiXuLy>Trần Thị Bưởi</hs:NguoiXuLy>
      <hs:ThoiDiemXuLy>2026-11-24T10:58:00+07:00</hs:ThoiDiemXuLy>
      <hs:NoiDungXuLy>Đã thẩm định; chuyển lãnh đạo ký duyệt &amp; trả kết quả &lt;đúng hẹn&gt;</hs:NoiDungXuLy>
      <hs:TrangThai>4</hs:TrangThai>
    </hs:CapNhatTienDo>
  </lt:ThanPhan>
</lt:ThongDiep>
""".encode()


def key(name: str = SIGNER) -> SigningKey:
    """A signing key of the test PKI; also of a certificate that the product's own loader would refuse."""
    signer = pki.signer(name)
    from signing.sign import _raw_signer

    return SigningKey(certificate=read_certificate(signer.der), raw=_raw_signer(signer.key))


def registered(name: str, **fields: object) -> SigningCertificate:
    """The registration of a signer's certificate, without a tree unless one is named."""
    signer = pki.signer(name)
    return SigningCertificate(der=signer.der, fingerprint=signer.fingerprint, **fields)


def party(*signers: str | SigningCertificate, policy: SignaturePolicy | None = None) -> Party:
    """Sở Tư pháp (H19.901) with these certificates."""
    return replace(
        pki.party("so-tu-phap"),
        certificates=tuple(registered(s) if isinstance(s, str) else s for s in signers),
        signature=policy or SignaturePolicy(),
    )


class World:
    """A registry and its trust."""

    def __init__(
        self,
        *parties: Party,
        trees: Iterable[object] = (),
        verdicts: Iterable[object] = (),
        own: Iterable[bytes] = (),
        limits: DocumentLimits = DEFAULT_LIMITS,
    ) -> None:
        self.limits = limits
        self.parties = Parties(parties or (party(SIGNER),))
        self.trust = TrustView.build(self.parties, trees, verdicts, own)

    def judge(self, body: bytes, at: datetime = NOW, kind: Kind = KIND, composed: bool = False) -> Attested:
        """The walk from bytes to a believed document. Raises Stopped."""
        document = parse(envelope(body), self.limits)
        checked = Checked(document=replace(document, composed=composed), kind=kind)
        return verify(checked, self.trust, self.parties, at)

    def codes(self, body: bytes, at: datetime = NOW, composed: bool = False) -> list[str]:
        """The codes of the problems that stop it; empty when it is accepted without doubt."""
        try:
            return [problem.code for problem in self.judge(body, at, composed=composed).doubts]
        except Stopped as stop:
            return [problem.code for problem in stop.problems]


def world(*signers: str | SigningCertificate, policy: SignaturePolicy | None = None, **more: object) -> World:
    """The registry with Sở Tư pháp alone."""
    return World(party(*(signers or (SIGNER,)), policy=policy), **more)


def envelope(body: bytes) -> Envelope:
    """The cover of a message that came from Sở Tư pháp."""
    caller = Caller(party=PartyId("so-tu-phap"), by="token")
    return Envelope.of(body, id="20261124040000000-0000000001", caller=caller, channel=Channel.REST, received_at=NOW)


def signed(body: bytes = HS05, signer: str = SIGNER, variant: Variant | None = None, at: datetime = NOW) -> bytes:
    """The document with a signature."""
    return sign(body, key(signer), variant or Variant(), at=at)


def document(body: bytes) -> Document:
    """Just parsed."""
    return parse(envelope(body))


def edit(body: bytes, change: object) -> bytes:
    """The document after ``change(root)`` was let loose on its tree; what change returns replaces the root."""
    root = etree.fromstring(body, etree.XMLParser(strip_cdata=False, resolve_entities=False))
    again = change(root)
    return etree.tostring(root if again is None else again, xml_declaration=True, encoding="UTF-8")


def find(root: etree._Element, name: str) -> etree._Element:
    """The first element of this local name."""
    return next(e for e in root.iter() if isinstance(e.tag, str) and etree.QName(e).localname == name)
