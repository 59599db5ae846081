"""What the gateway answers, field by field: the one place from which all descriptions of it are made.

JSON has these names, and XML and SOAP have these elements in this order; ``tools/contract.py`` writes them into
``openapi.json`` and the WSDL, and every answer of the tests is held against those. A new field goes to the end of its type
and is optional (docs/en/versions.md). Names follow rule N1 (Vietnamese, UpperCamelCase, ASCII); lists are ``DanhSachX`` of
``X`` (N4); instants carry the offset +07:00 (N3). Values such as ``accepted`` or ``queued`` are those of docs/en/states.md.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

HANOI = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Meant:
    """What a field means, in both languages."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class WireType:
    """How a value is written: the type of XML Schema, and the members of a JSON schema."""

    xsd: str
    json: tuple[tuple[str, str | bool], ...]
    name: str = ""  # of a closed list of values
    values: tuple[str, ...] = ()
    meant: Meant | None = None


@dataclass(frozen=True, slots=True)
class Nullable:
    """A field that is there without a value (``null``) rather than left out."""


_TEXT = (("type", "string"),)
Token: TypeAlias = Annotated[str, WireType("xs:token", _TEXT)]
Text: TypeAlias = Annotated[str, WireType("xs:string", _TEXT)]
Address: TypeAlias = Annotated[str, WireType("xs:anyURI", _TEXT)]
Whole: TypeAlias = Annotated[int, WireType("xs:int", (("type", "integer"), ("format", "int32")))]
Long: TypeAlias = Annotated[int, WireType("xs:long", (("type", "integer"), ("format", "int64")))]
Real: TypeAlias = Annotated[float, WireType("xs:double", (("type", "number"),))]
Flag: TypeAlias = Annotated[bool, WireType("xs:boolean", (("type", "boolean"),))]
Moment: TypeAlias = Annotated[datetime | str, WireType("xs:dateTime", (("type", "string"), ("format", "date-time")))]
Amount: TypeAlias = Annotated[Decimal | str, WireType("xs:decimal", _TEXT)]  # as text in JSON: a number may lose digits
Octets: TypeAlias = Annotated[
    bytes, WireType("xs:base64Binary", (("type", "string"), ("format", "byte"), ("contentEncoding", "base64")))
]
Columns: TypeAlias = Annotated[dict[str, Any], WireType("", (("type", "object"), ("additionalProperties", True)))]

KetQuaXuLyType: TypeAlias = Annotated[
    str,
    WireType(
        "tns:KetQuaXuLyType",
        _TEXT,
        "KetQuaXuLyType",
        ("accepted", "rejected", "held"),
        Meant("Trục kết luận gì về thông điệp.", "What the gateway made of a message."),
    ),
]
MucDoLoiType: TypeAlias = Annotated[
    str,
    WireType(
        "tns:MucDoLoiType", _TEXT, "MucDoLoiType", ("LOI", "CANH_BAO"), Meant("Lỗi hay cảnh báo.", "Error or warning.")
    ),
]
KetLuanType: TypeAlias = Annotated[
    str,
    WireType(
        "tns:KetLuanType",
        _TEXT,
        "KetLuanType",
        ("failed", "undetermined", "note"),
        Meant("Từ chối, chưa kết luận được, hay chỉ lưu ý.", "Refused, not known yet, or a remark."),
    ),
]
BenXuLyType: TypeAlias = Annotated[
    str,
    WireType(
        "tns:BenXuLyType",
        _TEXT,
        "BenXuLyType",
        ("sender", "receiver", "gateway"),
        Meant("Đến lượt bên nào xử lý.", "Whose turn it is."),
    ),
]


class AnswerType:
    """A group of fields of an answer. Its description is the first line of its docstring, in both languages."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoiStructure(AnswerType):
    """Một vấn đề. / One problem."""

    Ma: Annotated[Token, Meant("Mã lớp lỗi ổn định cho máy xử lý.", "Stable class of the problem, for programs.")]
    MaChiTiet: Annotated[
        Token, Meant("Mã chi tiết để tra cứu, ví dụ XSD-021.", "Code to look up, for example XSD-021.")
    ]
    MoTa: Annotated[Text, Meant("Điều gì sai, tiếng Việt.", "What is wrong, in Vietnamese.")]
    CachXuLy: Annotated[Text, Meant("Cách xử lý, tiếng Việt.", "What to do, in Vietnamese.")]
    MoTaTiengAnh: Annotated[Text, Meant("Điều gì sai, tiếng Anh.", "What is wrong, in English.")]
    CachXuLyTiengAnh: Annotated[Text, Meant("Cách xử lý, tiếng Anh.", "What to do, in English.")]
    ViTri: Annotated[Text, Meant("Vị trí, dạng XPath.", "Place, as an XPath.")] | None = None
    Dong: Annotated[Whole, Meant("Dòng, đếm từ 1.", "Line, counted from 1.")] | None = None
    Cot: Annotated[Whole, Meant("Cột, đếm từ 1.", "Column, counted from 1.")] | None = None
    MucDo: MucDoLoiType
    KetLuan: KetLuanType
    BenXuLy: BenXuLyType
    GuiLaiDuoc: Annotated[
        Flag, Meant("Có thể thành công khi gửi lại đúng các byte đó.", "The same bytes may succeed later.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaGuiThongDiepStructure(AnswerType):
    """Kết quả gửi một thông điệp. / What a message came to."""

    KetQua: KetQuaXuLyType
    SoTiepNhan: Annotated[Token, Meant("Số tiếp nhận của trục.", "The gateway's own number.")]
    MaThongDiep: Token | None = None
    BamNoiDung: Annotated[Token, Meant("SHA-256 của nội dung đã nhận.", "SHA-256 of what was received.")]
    ThoiDiemGhiNhan: Moment
    LapLai: Annotated[
        Flag,
        Meant(
            "Nội dung này đã được ghi nhận trước đó; đây là câu trả lời lần đầu.",
            "The same bytes were recorded before; this is the first answer.",
        ),
    ]
    BienNhan: (
        Annotated[
            Octets,
            Meant(
                "Xác nhận tiếp nhận thông điệp HS02 có chữ ký của trục, từng byte.",
                "The signed receipt HS02, byte for byte.",
            ),
        ]
        | None
    ) = None
    DanhSachLoi: list[LoiStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaKiemTraStructure(AnswerType):
    """Thông điệp sẽ được kết luận thế nào nếu gửi hiện tại. / What a message would come to if it were sent now."""

    KetQua: KetQuaXuLyType
    MaThongDiep: Token | None = None
    BamNoiDung: Token
    LapLai: Flag
    DanhSachLoi: list[LoiStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DauNhatKyStructure(AnswerType):
    """Đầu chuỗi nhật ký của trục: giữ lại làm chứng. / Head of the gateway's log: keep it as a witness."""

    SoThuTu: Long
    Bam: Token
    DaKy: (
        Annotated[
            Token,
            Meant(
                "Đầu chuỗi mới nhất mà trục đã ký, dạng JWS (RFC 7515).",
                "The newest head that the gateway has signed, as JWS (RFC 7515).",
            ),
        ]
        | None
    ) = None
    TheHe: (
        Annotated[
            Whole,
            Meant(
                "Thế hệ của cơ sở dữ liệu, có từ lần khôi phục đầu tiên; mỗi lần khôi phục là một số lớn hơn.",
                "The generation of the database, from its first restore on; each restore has a greater number.",
            ),
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MucStructure(AnswerType):
    """Một mục của hộp thư. / One entry of an inbox."""

    ViTri: Annotated[Long, Meant("Vị trí trong hộp thư: 1, 2, 3, …", "Position in the inbox: 1, 2, 3, …")]
    SoTiepNhan: Token
    MaThongDiep: Token
    LoaiThongDiep: Token
    ThanPhan: Token
    NoiGui: Token
    MaHoSo: Token | None = None
    TrangThai: Whole | None = None
    TrangThaiGoc: Text | None = None
    ThoiDiemGhiNhan: Moment
    BamNoiDung: Token
    DuongDan: Address
    DanhSachLoi: list[LoiStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrangCapNhatStructure(AnswerType):
    """Một trang hộp thư của bên gọi. / A page of the caller's own inbox."""

    Sau: Long
    ViTriCuoi: Annotated[Long, Meant("Lần sau hỏi từ vị trí này.", "Ask after this one next.")]
    MoiNhat: Annotated[Long, Meant("Vị trí mới nhất đang có.", "The newest position there is.")]
    DauNhatKy: DauNhatKyStructure | None = None
    DanhSachMuc: list[MucStructure]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiDungThongDiepStructure(AnswerType):
    """Thông điệp đúng từng byte như bên gửi đã ký. / A message exactly as its sender signed it."""

    BamNoiDung: Token
    KieuNoiDung: Token
    NoiDung: Octets


@dataclass(frozen=True, slots=True, kw_only=True)
class HopThuStructure(AnswerType):
    """Chỗ trong hộp thư của một bên. / A place in a party's inbox."""

    NoiNhan: Token
    ViTri: Long


@dataclass(frozen=True, slots=True, kw_only=True)
class MucKiemStructure(AnswerType):
    """Một mục kiểm chữ ký (Phụ lục II Thông tư 15/2025/TT-BKHCN). / An item of the signature's checklist (its Annex II)."""

    Muc: Token
    NoiDung: Text
    NoiDungTiengAnh: Text
    KetLuan: Annotated[Token, Meant("passed, failed, undetermined, not-applicable", "the same words")]
    MaLyDo: Token
    LyDo: Text
    LyDoTiengAnh: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class LanThuStructure(AnswerType):
    """Một lần thử giao. / One try of a delivery."""

    SoThuTu: Whole
    Viec: Token
    BatDau: Moment
    KetThuc: Moment
    KetQuaThu: Annotated[
        Token,
        Meant("Bên nhận trả lời thế nào, xem docs/vi/states.md.", "What the receiver answered, see docs/en/states.md."),
    ]
    SoThamChieu: Text | None = None
    DanhSachLoi: list[LoiStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiaoNhanStructure(AnswerType):
    """Việc giao một thông điệp cho một bên nhận đẩy. / The delivery of a message to a party that is pushed to."""

    MaGiaoNhan: Token
    NoiNhan: Token
    TrangThaiGiaoNhan: Annotated[
        Token,
        Meant(
            "queued, sending, unknown, delivered, refused, dead, skipped; xem docs/vi/states.md.",
            "queued, sending, unknown, delivered, refused, dead, skipped; see docs/en/states.md.",
        ),
    ]
    SoLanThu: Whole
    ThuLaiLuc: Moment | None = None
    DanhSachLanThu: list[LanThuStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThongTinThongDiepStructure(AnswerType):
    """Kết quả xử lý một thông điệp. / The fate of a message."""

    KetQua: KetQuaXuLyType
    SoTiepNhan: Token
    MaThongDiep: Token | None = None
    LoaiThongDiep: Token | None = None
    ThanPhan: Token | None = None
    PhienBan: Token | None = None
    MaHoSo: Token | None = None
    NoiGui: Token
    CanCu: (
        Annotated[
            Token,
            Meant(
                "Tin theo chữ ký, do trục lập thay, hay theo kênh: signature, composed, channel.",
                "On whose word it is believed: signature, composed, channel.",
            ),
        ]
        | None
    ) = None
    ThoiDiemNhan: Moment
    ThoiDiemGhiNhan: Moment
    BamNoiDung: Token
    SoByte: (
        Annotated[
            Long,
            Meant(
                "Không có khi thông điệp quá dài và không ai đếm hết.",
                "Not there where a message was too long to be counted.",
            ),
        ]
        | None
    ) = None
    CoBienNhan: Flag
    DanhSachHopThu: list[HopThuStructure] | None = None
    DanhSachLoi: list[LoiStructure] | None = None
    DanhSachGiaoNhan: list[GiaoNhanStructure] | None = None
    DanhSachMucKiem: (
        Annotated[
            list[MucKiemStructure],
            Meant("Các mục kiểm chữ ký; chỉ bên gửi thấy.", "The signature's checklist; only the sender sees it."),
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NgayHenTraStructure(AnswerType):
    """Một lần hẹn trả. / One appointment."""

    DatLuc: Moment | None = None
    NgayHenTra: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuKienStructure(AnswerType):
    """Một sự kiện của hồ sơ. / One event of a dossier."""

    ThoiDiem: Moment
    NhanLuc: Moment
    LoaiThongDiep: Token
    ThanPhan: Token
    NoiGui: Token
    MaThongDiep: Token
    ThuTu: Whole | None = None
    TrangThaiGoc: Text | None = None
    TrangThaiNeu: Whole | None = None
    TuTrangThai: Whole | None = None
    DenTrangThai: Whole | None = None
    TenTrangThai: Text | None = None
    KetQua: Token
    DienGiai: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoiGianStructure(AnswerType):
    """Thời gian ở một trạng thái. / Time in one state."""

    TrangThai: Whole
    TenTrangThai: Text | None = None
    SoGiay: Long


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoiHanStructure(AnswerType):
    """Một thời hạn. / One deadline."""

    Loai: Token
    Ten: Text
    Han: Moment
    HoanThanh: Moment | None = None
    Tre: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class ThanhToanStructure(AnswerType):
    """Một khoản phải nộp. / Money that is owed."""

    ThamChieu: Text | None = None
    SoTien: Amount
    DaTra: Amount
    TrangThaiThanhToan: Token
    HanNop: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChuyenStructure(AnswerType):
    """Một lần chuyển hồ sơ. / One transfer."""

    DonViNhan: Token
    NgayChuyen: Moment
    HanXuLy: Moment | None = None
    NgayTraLoi: Moment | None = None
    TrangThai: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoSoStructure(AnswerType):
    """Diễn biến một hồ sơ. / The timeline of a dossier."""

    MaHoSo: Token
    MaTTHC: Token | None = None
    CongDichVu: Token | None = None
    CoQuanXuLy: Token | None = None
    DanhSachCoQuanKhac: list[Token] | None = None
    TrangThai: Whole | None = None
    TenTrangThai: Text | None = None
    TrangThaiGoc: Text | None = None
    DanhSachCoTheChuyen: list[Whole] | None = None
    NgayNopHoSo: Moment | None = None
    NgayTiepNhan: Moment | None = None
    NgayHenTra: Moment | None = None
    DanhSachNgayHenTra: list[NgayHenTraStructure] | None = None
    NgayKetThucXuLy: Moment | None = None
    NgayTra: Moment | None = None
    SoLanBoSung: Whole
    DaRut: Flag
    DanhSachSuKien: list[SuKienStructure] | None = None
    DanhSachThoiGian: list[ThoiGianStructure] | None = None
    DanhSachThoiHan: list[ThoiHanStructure] | None = None
    DanhSachThanhToan: list[ThanhToanStructure] | None = None
    DanhSachChuyen: list[ChuyenStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaGoiStructure(AnswerType):
    """Kết quả của một gói. / What one packet came to."""

    SoThuTu: Annotated[
        Whole, Meant("Thứ tự của gói trong yêu cầu, từ 1.", "Place of the packet in the request, from 1.")
    ]
    KetQua: KetQuaXuLyType | None = None
    SoTiepNhan: Token | None = None
    MaThongDiep: Token | None = None
    BamNoiDung: Token | None = None
    ThoiDiemGhiNhan: Moment | None = None
    LapLai: Flag | None = None
    BienNhan: Octets | None = None
    DanhSachLoi: list[LoiStructure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaNopGoiStructure(AnswerType):
    """Kết quả nộp các gói. / What packets came to."""

    DanhSachKetQuaGoi: list[KetQuaGoiStructure]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoiXuLyStructure(AnswerType):
    """Vì sao bị từ chối. / Why it was refused."""

    MaTraCuu: Annotated[Token, Meant("Mã tra cứu cho đơn vị vận hành.", "Reference for the operators.")]
    KetQua: KetQuaXuLyType | None = None
    SoTiepNhan: Token | None = None
    MaThongDiep: Token | None = None
    BamNoiDung: Token | None = None
    BienNhan: Octets | None = None
    DanhSachLoi: list[LoiStructure]


# -- answers that only REST gives, and in words of HTTP ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BaoCaoStructure(AnswerType):
    """Số liệu của một kỳ; cột của mỗi dòng tùy cách nhóm (by). / Counts of a period; the columns of a row go with ``by``."""

    Tu: Moment
    Den: Moment
    DanhSachDong: list[Columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaGuiTepStructure(AnswerType):
    """Tệp đã nhận, và cách thông điệp dẫn tới tệp. / A file that was taken, and how a message names it."""

    BamSHA256: Annotated[Token, Meant("SHA-256 của tệp.", "SHA-256 of the file.")]
    SoByte: Long
    LoaiTep: Annotated[Token, Meant("Kiểu nội dung, xét theo các byte.", "Media type, by its bytes.")]
    DuongDan: Annotated[Token, Meant("Ghi vào DinhKem/DuongDan.", "To be written into DinhKem/DuongDan.")]
    KetQuaQuet: Annotated[
        Token, Meant("Kết quả quét mã độc: clean, unknown, off.", "What the scanner said: clean, unknown, off.")
    ]
    ThoiDiemNhan: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(AnswerType):
    """Cùng một câu bằng hai ngôn ngữ. / The same words in both languages."""

    vi: Text
    en: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow(AnswerType):
    """Một vấn đề. / One problem."""

    code: Annotated[Token, Meant("Mã để tra cứu, ví dụ XSD-013.", "What a person looks up, for example XSD-013.")]
    token: Annotated[Token, Meant("Lớp lỗi ổn định cho chương trình.", "What a program switches on.")]
    outcome: KetLuanType
    side: BenXuLyType
    retry: Annotated[
        Flag, Meant("Có thể thành công khi gửi lại đúng các byte đó.", "The same bytes may succeed later.")
    ]
    message: Words
    remedy: Words
    line: Whole | None = None
    column: Whole | None = None
    xpath: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDocument(AnswerType):
    """RFC 9457; tiêu đề theo Accept-Language. / RFC 9457; the title in the language of Accept-Language."""

    type: Annotated[Token, Meant("urn:lienthong:problem: và mã.", "urn:lienthong:problem: and the code.")]
    title: Text
    status: Whole
    detail: Text
    instance: Token | None = None
    correlation_id: Annotated[Token, Meant("Mã tra cứu.", "Reference.")] | None = None
    outcome: KetQuaXuLyType | None = None
    message_id: Annotated[Token, Meant("Số tiếp nhận.", "The gateway's own number.")] | None = None
    MaThongDiep: Token | None = None
    digest: Annotated[Token, Meant("SHA-256 của nội dung đã nhận.", "SHA-256 of what was received.")] | None = None
    retry: Flag
    titles: Words
    details: Words
    problems: list[ProblemRow]
    receipt: Annotated[Octets, Meant("BienNhan có chữ ký.", "The signed BienNhan.")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(AnswerType):
    """Tiến trình còn chạy. / The process is alive."""

    status: Token
    node: Annotated[Token, Meant("Mã định danh của trục.", "The gateway's identifier.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessProbe(AnswerType):
    """Một điều trục phụ thuộc vào. / One thing that the gateway depends on."""

    name: Token
    ok: Flag
    last_success_age_s: Annotated[Real | None, Nullable()]
    why: Annotated[Token, Meant("Điều gì đang cản, một từ.", "What stands in the way, in a word.")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness(AnswerType):
    """Sẵn sàng phục vụ hay chưa. / Whether it can serve."""

    status: Token
    failing: Annotated[Token, Meant("Điều đầu tiên không được.", "The first thing that fails.")] | None = None
    probes: list[ReadinessProbe]


BY_SOAP: tuple[type[AnswerType], ...] = (
    LoiStructure,
    KetQuaGuiThongDiepStructure,
    KetQuaKiemTraStructure,
    DauNhatKyStructure,
    MucStructure,
    TrangCapNhatStructure,
    NoiDungThongDiepStructure,
    KetQuaGuiTepStructure,
    HopThuStructure,
    MucKiemStructure,
    LanThuStructure,
    GiaoNhanStructure,
    ThongTinThongDiepStructure,
    NgayHenTraStructure,
    SuKienStructure,
    ThoiGianStructure,
    ThoiHanStructure,
    ThanhToanStructure,
    ChuyenStructure,
    HoSoStructure,
    KetQuaGoiStructure,
    KetQuaNopGoiStructure,
    LoiXuLyStructure,
)
BY_REST: tuple[type[AnswerType], ...] = (
    *(one for one in BY_SOAP if one not in (NoiDungThongDiepStructure, LoiXuLyStructure)),
    BaoCaoStructure,
    Words,
    ProblemRow,
    ProblemDocument,
    Health,
    ReadinessProbe,
    Readiness,
)


# -- written -----------------------------------------------------------------------------------------------------------


def as_values(value: Any) -> Any:
    """A value as JSON has it; what is not there is left out, unless its type says that it stands there as ``null``."""
    if isinstance(value, AnswerType):
        return {
            key: as_values(inner)
            for key, nullable in fields_of(type(value)).items()
            if (inner := getattr(value, key)) is not None or nullable
        }
    if isinstance(value, Mapping):
        return {key: as_values(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [as_values(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return scalar(value)


def fields_of(kind: type[AnswerType]) -> Mapping[str, bool]:
    """The fields of a type in their order, and whether each stands there without a value."""
    found = _FIELDS.get(kind.__name__)
    if found is None:
        hints = get_type_hints(kind, include_extras=True)
        found = {name: any(isinstance(one, Nullable) for one in get_args(hint)) for name, hint in hints.items()}
        _FIELDS[kind.__name__] = found
    return found


_FIELDS: dict[str, Mapping[str, bool]] = {}


def scalar(value: Any) -> str:
    """A single value as text, the same in JSON, XML and SOAP."""
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.astimezone(HANOI).isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
