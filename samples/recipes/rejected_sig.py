"""Documents whose signature, certificate or sender is not to be believed (stations 4 and 5)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from recipes import payloads as p
from recipes import signatures as s
from recipes.envelopes import envelope
from recipes.people import BI_KHOA, LA, LOI, PORTAL, TU_PHAP, XA, XAY_DUNG, Office, moment
from recipes.rejected_xml import change, opening
from recipes.sample import REJECTED, UNDETERMINED, Expected, Sample
from recipes.xmltext import Edit, Node, mark

AT = moment("2026-01-15", "08:16:00")
SIGNATURE = "/lt:ThongDiep/ds:Signature[1]"
INFO = f"{SIGNATURE}/ds:SignedInfo[1]"
CERTIFICATE = f"{SIGNATURE}/ds:KeyInfo[1]/ds:X509Data[1]/ds:X509Certificate[1]"


def _portal(name: str, why_vi: str, why_en: str, *problems: Expected, **more: object) -> Sample:
    """A small HS01 from the portal, signed as told."""
    return Sample(
        name=name,
        outcome=REJECTED,
        sender=PORTAL,
        why_vi=why_vi,
        why_en=why_en,
        root=more.pop("root", opening(name)),  # type: ignore[arg-type]
        signer=more.pop("signer", PORTAL.key),  # type: ignore[arg-type]
        at=AT,
        problems=problems,
        placed_in_body=True,
        **more,  # type: ignore[arg-type]
    )


def _hand(
    name: str,
    why_vi: str,
    why_en: str,
    finish: Callable[[bytes], bytes],
    *problems: Expected,
    edit: Edit | None = None,
) -> Sample:
    """The same, signed by hand."""
    build = opening(name)

    def root() -> Node:
        made = build()
        if edit is not None:
            edit(made)
        return made

    return _portal(name, why_vi, why_en, *problems, root=root, signer=None, finish=finish)


def _progress(name: str, sender: Office) -> Callable[[], Node]:
    ma = f"{sender.ma}-260115-0900"
    at = moment("2026-01-15", "10:00:00")

    def root() -> Node:
        payload = p.tien_do(p.SMALL, ma, at, "4")
        return envelope(name, "HS05", "CapNhatTienDo", payload, sender=sender, to=[PORTAL], at=at, ma_ho_so=ma)

    return root


def _certificate(name: str, key: str, why_vi: str, why_en: str, code: str, **more: object) -> Sample:
    """A progress report by the party of the broken certificates, signed with one of them."""
    return Sample(
        name=name,
        outcome=str(more.pop("outcome", REJECTED)),
        sender=LOI,
        why_vi=why_vi,
        why_en=why_en,
        root=_progress(name, LOI),
        signer=key,
        at=str(more.pop("at", AT)),
        problems=(Expected(code, xpath=CERTIFICATE),),
        placed_in_body=True,
        **more,  # type: ignore[arg-type]
    )


def _tampered() -> Sequence[Sample]:
    def other_key(body: bytes) -> bytes:
        return s.by_hand(body, "unregistered", key_info=s.x509_data("cong-dvc"))

    return (
        _portal(
            "SIG-002-khong-ky",
            "Không có chữ ký, trong khi sổ đăng ký đòi phải ký.",
            "No signature, though the registry demands one.",
            Expected("SIG-002", xpath="/lt:ThongDiep"),
            signer=None,
        ),
        _portal(
            "SIG-001-sua-noi-dung",
            "Nội dung bị sửa sau khi ký.",
            "The content was changed after signing.",
            Expected("SIG-001", xpath=SIGNATURE),
            finish=change("Lý lịch tư pháp", "Lý lịch tư phap"),
        ),
        _portal(
            "SIG-001-them-dau-cach",
            "Tệp được định dạng lại sau khi ký: thêm một dòng trống.",
            "The file was re-formatted after signing: one empty line more.",
            Expected("SIG-001", xpath=SIGNATURE),
            finish=change("<lt:ThanPhan>", "<lt:ThanPhan>\n"),
        ),
        _portal(
            "SIG-001-sua-gia-tri-chu-ky",
            "Giá trị chữ ký bị sửa một ký tự.",
            "One character of the signature value was changed.",
            Expected("SIG-001", xpath=SIGNATURE),
            finish=_other_value,
        ),
        _hand(
            "SIG-001-khoa-khac",
            "Ký bằng khóa khác rồi kèm chứng thư của cổng.",
            "Signed with another key, with the portal's certificate beside it.",
            other_key,
            Expected("SIG-001", xpath=SIGNATURE),
        ),
    )


def _other_value(body: bytes) -> bytes:
    """The signature value with its middle byte turned over."""
    start = body.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
    end = body.index(b"</ds:SignatureValue>")
    value = bytearray(base64.b64decode(body[start:end]))
    value[len(value) // 2] ^= 1
    return body[:start] + base64.b64encode(bytes(value)) + body[end:]


def _structure() -> Sequence[Sample]:
    reference = f"{INFO}/ds:Reference[1]"
    xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116"

    def parked(body: bytes) -> bytes:
        """XSW2: the genuine envelope beside the signature, a forged one around both."""
        genuine = s.by_hand(body, "cong-dvc", [s.Reference(uri="#that")])
        inner = genuine[genuine.index(b"<lt:ThongDiep") :].strip()
        cut, end = inner.index(b"<ds:Signature"), inner.rindex(b"</lt:ThongDiep>")
        forged = inner[:cut].replace(b'Id="that"', b'Id="gia"').replace("Lý lịch".encode(), "Giả mạo".encode())
        return (
            b'<?xml version="1.0" encoding="UTF-8"?>\n'
            + forged
            + inner[:cut]
            + b"</lt:ThongDiep>"
            + inner[cut:end]
            + b"</lt:ThongDiep>\n"
        )

    def in_object(body: bytes) -> bytes:
        """XSW1: the genuine envelope inside the Object of its own signature."""
        genuine = s.by_hand(body, "cong-dvc", [s.Reference(uri="#that")])
        inner = genuine[genuine.index(b"<lt:ThongDiep") :].strip()
        cut, end = inner.index(b"<ds:Signature"), inner.rindex(b"</lt:ThongDiep>")
        signature, original = inner[cut:end], inner[:cut] + b"</lt:ThongDiep>"
        forged = inner[:cut].replace(b'Id="that"', b'Id="gia"').replace("Lý lịch".encode(), "Giả mạo".encode())
        wrapped = signature.replace(b"</ds:Signature>", b"<ds:Object>" + original + b"</ds:Object></ds:Signature>")
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + forged + wrapped + b"</lt:ThongDiep>\n"

    def payload_only(body: bytes) -> bytes:
        return s.by_hand(
            body, "cong-dvc", [s.Reference(uri="#than", covers="ThanPhan/NopHoSo", transforms=(s.EXCLUSIVE,))]
        )

    def decoy(body: bytes) -> bytes:
        one = s.Reference(uri="#moi", covers="KeyInfo", transforms=(s.EXCLUSIVE,))
        return s.by_hand(body, "cong-dvc", [one], key_info_id="moi")

    far = s.Reference(uri="http://attacker.example/x", transforms=(s.EXCLUSIVE,))
    sha1 = "http://www.w3.org/2000/09/xmldsig#sha1"
    return (
        _hand(
            "XSD-016-chi-ky-than",
            "Chỉ thân thông điệp được ký: mã, nơi gửi, thời điểm để ngỏ cho người khác sửa.",
            "Only the payload is signed: id, sender and time are left open to anybody.",
            payload_only,
            Expected("XSD-016", text='Id="than"', xpath="/lt:ThongDiep/lt:ThanPhan[1]/hs:NopHoSo[1]/@Id"),
            edit=mark("ThanPhan/NopHoSo", Id="than"),
        ),
        _hand(
            "SIG-020-con-moi",
            "Chữ ký thật, nhưng chỉ phủ KeyInfo của chính nó.",
            "A genuine signature that covers nothing but its own KeyInfo.",
            decoy,
            Expected("SIG-020", xpath=INFO),
            Expected("SIG-021", xpath=reference),
        ),
        _hand(
            "SIG-015-boc-chu-ky-xsw1",
            "Bọc chữ ký: bản thật nằm trong Object của chữ ký, bản giả ở ngoài.",
            "Signature wrapping: the genuine envelope in the signature's Object, a forged one outside.",
            in_object,
            Expected("SIG-015", xpath=f"{SIGNATURE}/ds:Object[1]/lt:ThongDiep[1]"),
            edit=mark("", Id="that"),
        ),
        _hand(
            "XSD-011-boc-chu-ky-xsw2",
            "Bọc chữ ký: bản thật đặt cạnh chữ ký, bản giả bao ngoài.",
            "Signature wrapping: the genuine envelope beside the signature, a forged one around both.",
            parked,
            Expected("XSD-011", xpath="/lt:ThongDiep/lt:ThongDiep[1]"),
            edit=mark("", Id="that"),
        ),
        _hand(
            "SIG-024-xslt",
            "Phép biến đổi XSLT: nhiều thư viện bỏ qua, có thư viện chạy nó.",
            "An XSLT transform: some libraries skip it, others run it.",
            lambda body: s.by_hand(body, "cong-dvc", [s.Reference(transforms=(s.ENVELOPED, xslt))]),
            Expected("SIG-024", xpath=f"{reference}/ds:Transforms[1]/ds:Transform[2]"),
        ),
        _hand(
            "SIG-025-dao-thu-tu",
            "Các phép biến đổi sai thứ tự.",
            "The transforms are out of order.",
            lambda body: s.by_hand(body, "cong-dvc", [s.Reference(transforms=(s.EXCLUSIVE, s.ENVELOPED))]),
            Expected("SIG-025", xpath=reference),
        ),
        _hand(
            "SIG-026-c14n-co-chu-thich",
            "Chuẩn hóa kiểu giữ chú thích.",
            "Canonicalisation that keeps comments.",
            lambda body: s.by_hand(body, "cong-dvc", canonicalisation=s.EXCLUSIVE + "WithComments"),
            Expected("SIG-026", xpath=f"{INFO}/ds:CanonicalizationMethod[1]"),
        ),
        _hand(
            "SIG-021-tham-chieu-ngoai",
            "Một tham chiếu ra mạng, bên cạnh tham chiếu đúng.",
            "A reference to the network beside the right one.",
            lambda body: s.by_hand(body, "cong-dvc", [s.Reference(), far]),
            Expected("SIG-021", xpath=f"{INFO}/ds:Reference[2]"),
        ),
        _hand(
            "SIG-020-khong-tham-chieu",
            "Không có tham chiếu nào.",
            "No reference at all.",
            lambda body: s.by_hand(body, "cong-dvc", []),
            Expected("SIG-020", xpath=INFO),
        ),
        _hand(
            "SIG-030-rsa-sha1",
            "RSA với SHA-1.",
            "RSA with SHA-1.",
            lambda body: s.by_hand(body, "so-tu-phap", method="http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
            Expected("SIG-030", xpath=f"{INFO}/ds:SignatureMethod[1]"),
        ),
        _hand(
            "SIG-031-bam-sha1",
            "Giá trị băm SHA-1.",
            "A SHA-1 digest.",
            lambda body: s.by_hand(body, "cong-dvc", [s.Reference(digest=sha1)]),
            Expected("SIG-031", xpath=f"{reference}/ds:DigestMethod[1]"),
        ),
        _hand(
            "SIG-040-chi-co-ten-khoa",
            "Chỉ nêu tên khóa (KeyName), không có chứng thư.",
            "Names a key (KeyName) and brings no certificate.",
            lambda body: s.by_hand(body, "cong-dvc", key_info="<ds:KeyName>cong-dvc</ds:KeyName>"),
            Expected("SIG-040", xpath=f"{SIGNATURE}/ds:KeyInfo[1]"),
        ),
        _hand(
            "SIG-041-hai-chung-thu",
            "Hai chứng thư trong X509Data.",
            "Two certificates in X509Data.",
            lambda body: s.by_hand(body, "cong-dvc", key_info=s.x509_data("cong-dvc", "issuing-b")),
            Expected("SIG-041", xpath=CERTIFICATE.removesuffix("[1]") + "[2]"),
        ),
    )


def _people() -> Sequence[Sample]:
    return (
        _portal(
            "SIG-050-ben-khac-ky",
            "Nơi gửi là cổng, người ký là Sở Tư pháp.",
            "The sender is the portal, the signer an agency.",
            Expected("SIG-050", xpath=CERTIFICATE),
            signer=TU_PHAP.key,
        ),
        _portal(
            "SIG-050-chua-dang-ky",
            "Chứng thư tốt nhưng chưa ai đăng ký.",
            "A good certificate that nobody registered.",
            Expected("SIG-050", xpath=CERTIFICATE),
            signer="unregistered",
        ),
        Sample(
            name="SIG-050-trung-ten",
            outcome=REJECTED,
            sender=TU_PHAP,
            why_vi="Chứng thư cùng tên chủ thể với Sở Tư pháp, khóa khác.",
            why_en="A certificate with the agency's subject name and another key.",
            root=_progress("SIG-050-trung-ten", TU_PHAP),
            signer="look-alike",
            at=AT,
            problems=(Expected("SIG-050", xpath=CERTIFICATE),),
            placed_in_body=True,
        ),
        _certificate(
            "SIG-053-het-han",
            "expired",
            "Chứng thư đã hết hạn.",
            "An expired certificate.",
            "SIG-053",
            at=moment("2023-06-01"),
        ),
        _certificate(
            "SIG-054-chua-hieu-luc",
            "not-yet-valid",
            "Chứng thư chưa có hiệu lực.",
            "A certificate that is not yet valid.",
            "SIG-054",
            variant="dsig",
        ),
        _certificate("SIG-060-thu-hoi", "revoked", "Chứng thư đã bị thu hồi.", "A revoked certificate.", "SIG-060"),
        _certificate(
            "SIG-060-thu-hoi-cay-a",
            "revoked-a",
            "Chứng thư cây quốc gia đã bị thu hồi.",
            "A revoked certificate of the other tree.",
            "SIG-060",
        ),
        _certificate(
            "SIG-056-chi-tls",
            "wrong-eku",
            "Chứng thư chỉ dành cho máy chủ TLS.",
            "A certificate for TLS servers only.",
            "SIG-056",
        ),
        _certificate(
            "SIG-056-chi-ma-lenh",
            "code-only",
            "Chứng thư chỉ dành cho ký mã lệnh.",
            "A certificate for signing code only.",
            "SIG-056",
        ),
        _certificate(
            "SIG-057-chung-thu-ca",
            "ca-signer",
            "Chứng thư của tổ chức cấp chứng thư.",
            "The certificate of a certification authority.",
            "SIG-057",
        ),
        _certificate("SIG-034-rsa-1024", "rsa-1024", "Khóa RSA 1024 bit.", "An RSA key of 1024 bits.", "SIG-034"),
        _certificate(
            "SIG-055-khong-duoc-ky",
            "no-digital-signature",
            "Chứng thư chỉ dành cho mã hóa khóa.",
            "A certificate for key encipherment only.",
            "SIG-055",
        ),
        _certificate(
            "SIG-058-cap-bang-sha1",
            "sha1-issued",
            "Chứng thư được cấp bằng SHA-1.",
            "A certificate issued with SHA-1.",
            "SIG-058",
        ),
        _certificate(
            "SIG-061-sai-cay",
            "wrong-tree",
            "Chứng thư thuộc cây khác với đăng ký.",
            "A certificate of another tree than registered.",
            "SIG-061",
        ),
        _certificate(
            "SIG-061-goc-la",
            "stranger",
            "Chứng thư của một gốc không ai tin.",
            "A certificate of a root that nobody trusts.",
            "SIG-061",
        ),
        _certificate(
            "SIG-062-chua-ro-tinh-trang",
            "unknown-status",
            "Nơi cấp không công bố danh sách thu hồi: chưa biết còn hiệu lực hay không.",
            "The issuer publishes no revocation list: not known whether it still counts.",
            "SIG-062",
            outcome=UNDETERMINED,
        ),
        Sample(
            name="SIG-059-noi-gui-la",
            outcome=REJECTED,
            sender=PORTAL,
            why_vi="Nơi gửi không có trong sổ đăng ký.",
            why_en="The sender is not in the registry.",
            root=_progress("SIG-059-noi-gui-la", LA),
            signer=LA.key,
            at=AT,
            problems=(Expected("SIG-059", path="NoiGui"),),
            placed_in_body=True,
        ),
    )


def _rights() -> Sequence[Sample]:
    def to(name: str, office: Office, sender: Office = PORTAL) -> Callable[[], Node]:
        ma = "H19.901-260115-0900"

        def root() -> Node:
            payload = p.nop_ho_so(p.SMALL, ma, "2026-01-15")
            return envelope(name, "HS01", "NopHoSo", payload, sender=sender, to=[office], at=AT, ma_ho_so=ma)

        return root

    def receipt(name: str, office: Office, sender: Office) -> Callable[[], Node]:
        ma = "H19.901-260115-0900"

        def root() -> Node:
            payload = p.tiep_nhan(p.SMALL, ma, "2026-01-15")
            at = moment("2026-01-15", "09:01:00")
            return envelope(name, "HS03", "TiepNhanHoSo", payload, sender=sender, to=[office], at=at, ma_ho_so=ma)

        return root

    receiver = "DanhSachNoiNhan/NoiNhan/MaDinhDanh"
    return (
        _portal(
            "AUT-010-noi-nhan-la",
            "Nơi nhận không có trong sổ đăng ký.",
            "The receiver is not in the registry.",
            Expected("AUT-010", path=receiver),
            root=to("AUT-010-noi-nhan-la", LA),
        ),
        _portal(
            "AUT-011-noi-nhan-bi-khoa",
            "Nơi nhận đang bị khóa.",
            "The receiver is locked.",
            Expected("AUT-011", path=receiver),
            root=to("AUT-011-noi-nhan-bi-khoa", BI_KHOA),
        ),
        _portal(
            "AUT-004-cong-khong-tiep-nhan",
            "Cổng gửi phiếu tiếp nhận, việc của cơ quan.",
            "The portal sends a receipt, which is for agencies to send.",
            Expected("AUT-004", path="LoaiThongDiep"),
            Expected("AUT-012", path=receiver),
            root=receipt("AUT-004-cong-khong-tiep-nhan", TU_PHAP, PORTAL),
        ),
        Sample(
            name="AUT-012-gui-nham-loai",
            outcome=REJECTED,
            sender=TU_PHAP,
            why_vi="Phiếu tiếp nhận gửi cho một cơ quan khác; nó dành cho cổng.",
            why_en="A receipt sent to another agency; it is meant for the portal.",
            root=receipt("AUT-012-gui-nham-loai", XA, TU_PHAP),
            signer=TU_PHAP.key,
            at=moment("2026-01-15", "09:01:00"),
            problems=(Expected("AUT-012", path=receiver),),
            placed_in_body=True,
        ),
        Sample(
            name="AUT-014-gui-cho-minh",
            outcome=REJECTED,
            sender=TU_PHAP,
            why_vi="Nơi nhận chính là nơi gửi.",
            why_en="The receiver is the sender itself.",
            root=to("AUT-014-gui-cho-minh", TU_PHAP, TU_PHAP),
            signer=TU_PHAP.key,
            at=AT,
            problems=(Expected("AUT-014", path=receiver),),
            placed_in_body=True,
        ),
        Sample(
            name="AUT-002-gui-thay",
            outcome=REJECTED,
            sender=XAY_DUNG,
            why_vi="Sở Xây dựng gửi một thông điệp do cổng ký: bên kết nối không phải nơi gửi.",
            why_en="An agency sends a message that the portal signed: who connects is not the sender.",
            root=opening("AUT-002-gui-thay"),
            signer=PORTAL.key,
            at=AT,
            problems=(Expected("AUT-002", path="NoiGui/MaDinhDanh"),),
            placed_in_body=True,
        ),
    )


def rejected_sig() -> list[Sample]:
    """All of them."""
    return [*_tampered(), *_structure(), *_people(), *_rights()]
