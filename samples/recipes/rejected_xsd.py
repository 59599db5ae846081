"""Well-signed messages that do not fit their schema or a rule beyond it (stations 3 and 5): one rule broken each.

Each starts from an accepted message, so what differs is the flaw alone.
"""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Callable

from recipes.accepted import accepted_types
from recipes.envelopes import everything, fill
from recipes.people import PNG, attachment, message_id, moment, pdf
from recipes.sample import REJECTED, Expected, Sample
from recipes.xmltext import (
    HS,
    PB,
    XSI,
    Edit,
    Node,
    add,
    all_of,
    drop,
    element,
    mark,
    nil,
    put,
    rename,
    swap,
)

NHO, DAY_DU = "HS01-nop-ho-so-toi-thieu", "HS01-nop-ho-so-day-du"
N = "ThanPhan/NopHoSo"
BASES = {sample.name: sample for sample in accepted_types()}


def case(
    name: str,
    base: str,
    edit: Edit,
    why_vi: str,
    why_en: str,
    *problems: Expected,
    finish: Callable[[bytes], bytes] | None = None,
    after: tuple[str, ...] = (),
    alone: str | None = None,
) -> Sample:
    """An accepted message with something done to it before it is signed."""
    start = BASES[base]
    drops_declaration = base == DAY_DU and "ToKhai" not in why_vi  # without it no remark about the declaration is due

    def root() -> Node:
        assert start.root is not None
        made = start.root()
        put("MaThongDiep", message_id(name))(made)
        if drops_declaration:
            drop(f"{N}/ToKhai")(made)
        edit(made)
        if any("xsi:nil" in node.attributes for node in everything(made)):
            made.attributes["xmlns:xsi"] = XSI
        return made

    return start.but(
        name=name,
        outcome=REJECTED,
        why_vi=why_vi,
        why_en=why_en,
        root=root,
        problems=problems,
        placed_in_body=True,
        finish=finish,
        after=after,
        alone=alone,
        folder=None,
    )


def at(code: str, path: str, attribute: str | None = None) -> Expected:
    """A problem at an element of the tree; with an attribute, at its name."""
    return Expected(code, path=path, attribute=attribute)


NOTHING = all_of()


def _kinds() -> list[Sample]:
    """What kind of document it claims to be."""

    def other_namespace(made: Node) -> None:
        made.attributes["xmlns:lt"] = PB.replace("1.0", "2.0")

    def other_payload_namespace(made: Node) -> None:
        made.at(N).attributes["xmlns:hs"] = HS.replace("1.0", "9.0")

    return [
        case(
            "XSD-001-goc-la",
            NHO,
            rename("", "lt:ThongDep"),
            "Phần tử gốc không phải ThongDiep.",
            "The root is not ThongDiep.",
            at("XSD-001", ""),
            finish=None,
        ).but(signer=None),
        case(
            "XSD-002-khong-gian-ten-2.0",
            NHO,
            other_namespace,
            "Phong bì ở không gian tên 2.0.",
            "The envelope is in namespace 2.0.",
            at("XSD-002", ""),
        ).but(signer=None),
        case(
            "XSD-003-loai-hs99",
            NHO,
            put("LoaiThongDiep", "HS99"),
            "Không có loại HS99.",
            "There is no type HS99.",
            at("XSD-003", "LoaiThongDiep"),
        ),
        case(
            "XSD-004-phien-ban-9.0",
            NHO,
            put("PhienBan", "9.0"),
            "Không có phiên bản 9.0 của NopHoSo.",
            "There is no version 9.0 of NopHoSo.",
            at("XSD-004", "PhienBan"),
        ),
        case(
            "XSD-005-than-khac-loai",
            NHO,
            put("LoaiThongDiep", "HS05"),
            "Loại nói HS05, thân là NopHoSo.",
            "The type says HS05, the payload is NopHoSo.",
            at("XSD-005", N),
        ),
        case(
            "XSD-006-than-khac-khong-gian-ten",
            NHO,
            other_payload_namespace,
            "Thân ở không gian tên 9.0.",
            "The payload is in namespace 9.0.",
            at("XSD-006", N),
        ),
        case(
            "XSD-018-khong-co-than",
            NHO,
            drop(N),
            "ThanPhan rỗng.",
            "ThanPhan is empty.",
            at("XSD-018", "ThanPhan"),
        ),
        case(
            "XSD-018-hai-than",
            NHO,
            lambda made: made.at("ThanPhan").children.append(copy.deepcopy(made.at(N))),
            "Hai thân trong một thông điệp.",
            "Two payloads in one message.",
            at("XSD-018", f"{N}[2]"),
        ),
    ]


def _shape() -> list[Sample]:
    """Elements and attributes where they do not belong."""

    def moved(body: bytes) -> bytes:
        start, end = body.index(b"<ds:Signature "), body.index(b"</ds:Signature>") + len(b"</ds:Signature>")
        signature, rest = body[start:end], body[:start] + body[end:]
        return rest.replace(b"  <lt:ThanPhan>", signature + b"<lt:ThanPhan>")

    return [
        case(
            "XSD-010-thieu-ma-tthc", NHO, drop(f"{N}/MaTTHC"), "Thiếu MaTTHC.", "MaTTHC is missing.", at("XSD-010", N)
        ),
        case(
            "XSD-010-thieu-noi-nhan",
            NHO,
            drop("DanhSachNoiNhan"),
            "Không nêu nơi nhận.",
            "No receiver is named.",
            at("XSD-010", ""),
        ),
        case(
            "XSD-011-phan-tu-la",
            NHO,
            add(N, element("QuocTich", "VN", "hs"), 6),
            "Phần tử không có trong lược đồ.",
            "An element that the schema does not know.",
            at("XSD-011", f"{N}/QuocTich"),
        ),
        case(
            "XSD-012-viet-sai-ten",
            NHO,
            rename(f"{N}/TenLinhVuc", "hs:TenLinhvuc"),
            "Tên phần tử viết sai chữ hoa.",
            "An element's name in the wrong case.",
            at("XSD-012", f"{N}/TenLinhvuc"),
        ),
        case(
            "XSD-013-sai-thu-tu",
            NHO,
            swap(f"{N}/MaLinhVuc", f"{N}/TenLinhVuc"),
            "Hai phần tử đổi chỗ.",
            "Two elements in the wrong order.",
            at("XSD-013", f"{N}/TenLinhVuc"),
        ),
        case(
            "XSD-014-sai-khong-gian-ten",
            NHO,
            rename(f"{N}/TenTTHC", "lt:TenTTHC"),
            "Phần tử đúng tên, sai không gian tên.",
            "The right name in the wrong namespace.",
            at("XSD-014", f"{N}/TenTTHC"),
        ),
        case(
            "XSD-015-chu-giua-cac-phan-tu",
            NHO,
            lambda made: setattr(made.at("NoiGui"), "raw", "<lt:MaDinhDanh>H19.909</lt:MaDinhDanh>kính gửi"),
            "Chữ nằm giữa các phần tử con.",
            "Text between child elements.",
            at("XSD-015", "NoiGui"),
        ),
        case(
            "XSD-016-thuoc-tinh-la",
            NHO,
            mark(f"{N}/MaHoSo", loai="noi-bo"),
            "Thuộc tính không có trong lược đồ.",
            "An attribute that the schema does not know.",
            at("XSD-016", f"{N}/MaHoSo", "loai"),
        ),
        case(
            "XSD-017-hai-lan",
            NHO,
            add(N, element("MaTTHC", "1.001193", "hs"), 2),
            "Một phần tử viết hai lần.",
            "An element written twice.",
            at("XSD-017", f"{N}/MaTTHC[2]"),
        ),
        case(
            "XSD-019-chu-ky-sai-cho",
            NHO,
            NOTHING,
            "Chữ ký đứng trước ThanPhan.",
            "The signature stands before ThanPhan.",
            Expected("XSD-019", xpath="/lt:ThongDiep/ds:Signature[1]"),
            finish=moved,
        ),
        case(
            "XSD-040-trung-ma-dinh-kem",
            DAY_DU,
            put("DanhSachDinhKem/DinhKem[2]/MaDinhKem", "giay-de-nghi"),
            "Hai tệp đính kèm cùng một mã.",
            "Two attachments of one id.",
            at("XSD-040", "DanhSachDinhKem/DinhKem[2]"),
        ),
        case(
            "XSD-041-id-sai",
            NHO,
            mark("", Id="1 sai"),
            "Thuộc tính Id không phải NCName.",
            "The attribute Id is not an NCName.",
            at("XSD-041", "", "Id"),
        ),
        case(
            "XSD-022-ly-do-trong-la",
            "HS01-nop-ho-so-bien",
            mark(f"{N}/Fax", LyDoTrong="KHONG_BIET"),
            "Lý do trống không có trong bảng mã.",
            "A reason of absence that is not in the list.",
            at("XSD-022", f"{N}/Fax", "LyDoTrong"),
        ),
    ]


def _values() -> list[Sample]:
    """Values that their types do not allow."""
    return [
        case(
            "XSD-020-khong-phai-logic",
            DAY_DU,
            put(f"{N}/DanhSachTaiLieuNop/TaiLieuNop/IsDeleted", "không"),
            "Giá trị lô-gic viết bằng chữ.",
            "A boolean written in words.",
            at("XSD-020", f"{N}/DanhSachTaiLieuNop/TaiLieuNop/IsDeleted"),
        ),
        case(
            "XSD-021-ma-ho-so-sai-mau",
            NHO,
            put(f"{N}/MaHoSo", "H19-26011-1"),
            "Mã hồ sơ sai độ dài.",
            "A dossier code of the wrong lengths.",
            at("XSD-021", f"{N}/MaHoSo"),
        ),
        case(
            "XSD-021-ma-thong-diep-chu-hoa",
            NHO,
            put("MaThongDiep", "A23E4567-E89B-12D3-A456-426614174000"),
            "UUID viết hoa.",
            "A UUID in upper case.",
            at("XSD-021", "MaThongDiep"),
        ),
        case(
            "XSD-021-ma-dinh-danh-chu-thuong",
            NHO,
            put("NoiGui/MaDinhDanh", "h19.909"),
            "Mã định danh viết thường.",
            "An agency identifier in lower case.",
            at("XSD-021", "NoiGui/MaDinhDanh"),
        ),
        case(
            "XSD-022-loai-doi-tuong-9",
            NHO,
            put(f"{N}/LoaiDoiTuong", "9"),
            "Mã không có trong bảng mã.",
            "A code that is not in its list.",
            at("XSD-022", f"{N}/LoaiDoiTuong"),
        ),
        case(
            "XSD-023-trich-yeu-1001",
            NHO,
            add(N, element("TrichYeuHoSo", fill(1001), "hs"), 6),
            "Trích yếu 1001 ký tự.",
            "A summary of 1001 characters.",
            at("XSD-023", f"{N}/TrichYeuHoSo"),
        ),
        case(
            "XSD-024-ten-tthc-rong",
            NHO,
            put(f"{N}/TenTTHC", ""),
            "Tên thủ tục để rỗng.",
            "The procedure's name is empty.",
            at("XSD-024", f"{N}/TenTTHC"),
        ),
        case(
            "XSD-025-29-02-2027",
            NHO,
            put(f"{N}/NgayNopHoSo", "2027-02-29T08:00:00+07:00"),
            "Ngày 29/02 của năm không nhuận.",
            "29 February of a common year.",
            at("XSD-025", f"{N}/NgayNopHoSo"),
        ),
        case(
            "XSD-025-24-gio",
            NHO,
            put(f"{N}/NgayNopHoSo", "2026-01-15T24:00:00+07:00"),
            "24:00:00, hợp lệ trong XML Schema nhưng hai phần mềm đọc hai ngày.",
            "24:00:00, which XML Schema allows and programs read as two different days.",
            at("XSD-025", f"{N}/NgayNopHoSo"),
        ),
        case(
            "XSD-025-14-chu-so",
            NHO,
            put(f"{N}/NgayNopHoSo", "20260115081500"),
            "Ngày giờ kiểu yyyyMMddHHmmss.",
            "A moment in the form yyyyMMddHHmmss.",
            at("XSD-025", f"{N}/NgayNopHoSo"),
        ),
        case(
            "XSD-026-thieu-mui-gio",
            NHO,
            put(f"{N}/NgayNopHoSo", "2026-01-15T08:15:00"),
            "Ngày giờ thiếu múi giờ.",
            "A moment without its offset.",
            at("XSD-026", f"{N}/NgayNopHoSo"),
        ),
        case(
            "XSD-027-gia-am",
            DAY_DU,
            put(f"{N}/DanhSachLePhi/LePhi/Gia", "-1"),
            "Phí âm.",
            "A negative fee.",
            at("XSD-027", f"{N}/DanhSachLePhi/LePhi/Gia"),
        ),
        case(
            "XSD-028-gia-qua-nhieu-chu-so",
            DAY_DU,
            put(f"{N}/DanhSachLePhi/LePhi/Gia", "1000000000000000"),
            "Số tiền 16 chữ số.",
            "An amount of 16 digits.",
            at("XSD-028", f"{N}/DanhSachLePhi/LePhi/Gia"),
        ),
        case(
            "XSD-030-khong-duoc-trong",
            "HS01-nop-ho-so-bien",
            nil(f"{N}/TenTTHC", None, "Đăng ký khai sinh"),
            "xsi:nil ở trường bắt buộc có giá trị.",
            "xsi:nil where a value is demanded.",
            at("XSD-030", f"{N}/TenTTHC"),
        ),
        case(
            "XSD-031-trong-ma-co-gia-tri",
            "HS01-nop-ho-so-bien",
            lambda made: setattr(made.at(f"{N}/Fax"), "text", "0000000003"),
            "xsi:nil mà vẫn có giá trị.",
            "xsi:nil beside a value.",
            at("XSD-031", f"{N}/Fax"),
        ),
        case(
            "XSD-032-thieu-ly-do-trong",
            "HS01-nop-ho-so-bien",
            lambda made: made.at(f"{N}/Fax").attributes.pop("LyDoTrong") and None,
            "Để trống mà không nêu lý do.",
            "Absent without a reason.",
            at("XSD-032", f"{N}/Fax"),
        ),
        case(
            "XSD-033-ly-do-thua",
            DAY_DU,
            mark(f"{N}/Email", LyDoTrong="KHONG_CO"),
            "Có giá trị mà vẫn nêu lý do trống.",
            "A value beside a reason of absence.",
            at("XSD-033", f"{N}/Email"),
        ),
        case(
            "XSD-034-toan-dau-cach",
            "HS05-tien-do-toi-thieu",
            put("ThanPhan/CapNhatTienDo/NguoiXuLy", "   "),
            "Tên người xử lý chỉ gồm dấu cách.",
            "An officer's name that is all white space.",
            at("XSD-034", "ThanPhan/CapNhatTienDo/NguoiXuLy"),
        ),
        case(
            "XSD-nhieu-loi-trong-mot-tep",
            NHO,
            all_of(
                put("NoiGui/MaDinhDanh", "h19.909"),
                drop(f"{N}/MaTTHC"),
                put(f"{N}/TenTTHC", ""),
                put(f"{N}/LoaiDoiTuong", "9"),
                add(N, element("QuocTich", "VN", "hs"), 5),
                put(f"{N}/NgayNopHoSo", "2026-01-15T08:15:00"),
            ),
            "Sáu lỗi trong một tệp, phải báo đủ cả sáu.",
            "Six faults in one file; all six must be reported.",
            at("XSD-021", "NoiGui/MaDinhDanh"),
            at("XSD-010", N),
            at("XSD-024", f"{N}/TenTTHC"),
            at("XSD-022", f"{N}/LoaiDoiTuong"),
            at("XSD-011", f"{N}/QuocTich"),
            at("XSD-026", f"{N}/NgayNopHoSo"),
        ),
    ]


def _envelope_rules() -> list[Sample]:
    """Rules beyond the schema about the envelope."""
    return [
        case(
            "XSD-101-ngay-trong-ma-ho-so",
            NHO,
            all_of(put("MaHoSo", "H19.901-261332-0001"), put(f"{N}/MaHoSo", "H19.901-261332-0001")),
            "Ngày trong mã hồ sơ không có thật.",
            "The date inside the dossier code does not exist.",
            at("XSD-101", "MaHoSo"),
            at("XSD-101", f"{N}/MaHoSo"),
        ),
        case(
            "XSD-102-hai-ma-ho-so",
            NHO,
            put("MaHoSo", "H19.901-260115-0999"),
            "Phong bì và thân nói hai hồ sơ.",
            "Envelope and payload name two dossiers.",
            at("XSD-102", "MaHoSo"),
        ),
        case(
            "XSD-104-lap-trong-tuong-lai",
            NHO,
            put("ThoiDiemTao", moment("2999-01-01")),
            "Thông điệp lập ở tương lai.",
            "A message made in the future.",
            at("XSD-104", "ThoiDiemTao"),
        ),
        case(
            "XSD-105-lap-qua-lau",
            NHO,
            put("ThoiDiemTao", moment("1900-01-01")),
            "Thông điệp lập quá lâu.",
            "A message made too long ago.",
            at("XSD-105", "ThoiDiemTao"),
        ),
        case(
            "XSD-106-het-han",
            DAY_DU,
            put("ThoiHan", moment("2026-01-16")),
            "Đã quá thời hạn của thông điệp.",
            "The message is past its time limit.",
            at("XSD-106", "ThoiHan"),
        ),
        case(
            "XSD-107-han-truoc-luc-lap",
            DAY_DU,
            put("ThoiHan", moment("2026-01-01")),
            "Thời hạn trước lúc lập.",
            "The time limit lies before the making.",
            at("XSD-107", "ThoiHan"),
            at("XSD-106", "ThoiHan"),
        ),
        case(
            "XSD-108-noi-nhan-hai-lan",
            NHO,
            add("DanhSachNoiNhan", element("NoiNhan", {"MaDinhDanh": "H19.901"}, "lt")),
            "Một nơi nhận nêu hai lần.",
            "A receiver named twice.",
            at("XSD-108", "DanhSachNoiNhan/NoiNhan[2]/MaDinhDanh"),
        ),
    ]


def _attachments() -> list[Sample]:
    """Rules about attachments."""
    first = "DanhSachDinhKem/DinhKem"

    def replaced(data: bytes, loai: str, ten: str) -> Edit:
        def edit(made: Node) -> None:
            row = element("DinhKem", attachment("giay-de-nghi", ten, loai, data), "lt")
            made.at("DanhSachDinhKem").children[0] = row

        return edit

    def office_with_macro() -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, text in (
                ("[Content_Types].xml", "<Types/>"),
                ("word/document.xml", "<w/>"),
                ("word/vbaProject.bin", "x"),
            ):
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 15, 8, 0, 0)), text)
        return out.getvalue()

    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    return [
        case(
            "XSD-120-khong-phai-base64",
            DAY_DU,
            put(f"{first}/NoiDung", "không phải base64!"),
            "Nội dung tệp không phải base64.",
            "A file's content is not base64.",
            at("XSD-120", f"{first}/NoiDung"),
        ),
        case(
            "XSD-121-sai-kich-thuoc",
            DAY_DU,
            put(f"{first}/SoByte", "1"),
            "Kích thước khai sai.",
            "A wrong size.",
            at("XSD-121", f"{first}/SoByte"),
        ),
        case(
            "XSD-122-sai-bam",
            DAY_DU,
            put(f"{first}/BamSHA256", "0" * 64),
            "Giá trị băm khai sai.",
            "A wrong digest.",
            at("XSD-122", f"{first}/BamSHA256"),
        ),
        case(
            "XSD-123-tro-toi-tep-khong-co",
            DAY_DU,
            put(f"{N}/DanhSachTaiLieuNop/TaiLieuNop/MaDinhKem", "khong-co"),
            "Thân trỏ tới tệp không có trong bảng kê.",
            "The payload points to a file that is not listed.",
            at("XSD-123", f"{N}/DanhSachTaiLieuNop/TaiLieuNop/MaDinhKem"),
            at("XSD-124", f"{first}/MaDinhKem"),
        ),
        case(
            "XSD-124-tep-khong-dung",
            DAY_DU,
            add("DanhSachDinhKem", element("DinhKem", attachment("thua", "thua.txt", "text/plain", b"x\n"), "lt")),
            "Bảng kê có tệp mà thân không dùng.",
            "A file is listed that the payload does not use.",
            at("XSD-124", f"{first}[4]/MaDinhKem"),
        ),
        case(
            "XSD-125-png-gia-pdf",
            DAY_DU,
            replaced(PNG, "application/pdf", "giay-de-nghi.pdf"),
            "Khai PDF mà nội dung là ảnh PNG.",
            "Declared PDF, the content is a PNG image.",
            at("XSD-125", f"{first}/LoaiTep"),
        ),
        case(
            "XSD-126-tep-chay-duoc",
            DAY_DU,
            replaced(b"MZ\x90\x00" + b"\0" * 60, "application/x-dosexec", "giay-de-nghi.exe"),
            "Tệp chạy được.",
            "An executable.",
            at("XSD-126", f"{first}/LoaiTep"),
        ),
        case(
            "XSD-128-co-macro",
            DAY_DU,
            replaced(office_with_macro(), word, "giay-de-nghi.docx"),
            "Tài liệu có mã macro.",
            "A document with macro code.",
            at("XSD-128", f"{first}/LoaiTep"),
        ),
    ]


def _dossier_rules() -> list[Sample]:
    """Rules about the dossier of HS01."""
    return [
        case(
            "XSD-130-thieu-ngay-nop",
            NHO,
            drop(f"{N}/NgayNopHoSo"),
            "Trạng thái 1 mà không có ngày nộp.",
            "State 1 without the date of filing.",
            at("XSD-130", N),
        ),
        case(
            "XSD-131-hen-tra-truoc-tiep-nhan",
            DAY_DU,
            put(f"{N}/NgayHenTra", moment("2026-01-14")),
            "Hẹn trả trước ngày tiếp nhận.",
            "The appointment lies before the receipt.",
            at("XSD-131", f"{N}/NgayHenTra"),
        ),
        case(
            "XSD-132-nop-trong-tuong-lai",
            NHO,
            put(f"{N}/NgayNopHoSo", moment("2999-01-01")),
            "Ngày nộp ở tương lai.",
            "Filed in the future.",
            at("XSD-132", f"{N}/NgayNopHoSo"),
        ),
        case(
            "XSD-136-so-dinh-danh-11-so",
            DAY_DU,
            put(f"{N}/NguoiNop/SoDinhDanh", "07599000000"),
            "Số định danh 11 chữ số.",
            "An identity number of 11 digits.",
            at("XSD-136", f"{N}/NguoiNop/SoDinhDanh"),
        ),
        case(
            "XSD-137-so-dinh-danh-gia",
            DAY_DU,
            put(f"{N}/DanhSachDinhDanhCHS/DinhDanhCHS[2]/SoDinhDanh", "000000001"),
            "Số định danh điền cho có.",
            "A filler identity number.",
            at("XSD-137", f"{N}/DanhSachDinhDanhCHS/DinhDanhCHS[2]/SoDinhDanh"),
        ),
        case(
            "XSD-138-sinh-trong-tuong-lai",
            DAY_DU,
            put(f"{N}/NguoiNop/NgaySinh", "2999-01-01"),
            "Ngày sinh ở tương lai.",
            "A birth date in the future.",
            at("XSD-138", f"{N}/NguoiNop/NgaySinh"),
        ),
        case(
            "XSD-052-to-khai-la-phong-bi",
            DAY_DU,
            all_of(
                lambda made: made.at(f"{N}/ToKhai").children.clear(),
                add(f"{N}/ToKhai", Node("lt:MaHoSo", text="H19.901-260115-0999")),
            ),
            "ToKhai mang phần tử của phong bì.",
            "A declaration with an element of the envelope.",
            at("XSD-052", f"{N}/ToKhai/MaHoSo"),
        ),
    ]


def _bien_nhan() -> list[Sample]:
    base, node = "HS02-bien-nhan-day-du", "ThanPhan/BienNhan"
    loi = f"{node}/DanhSachLoi/Loi"
    return [
        case(
            "HS02-XSD-010-thieu-thoi-diem",
            base,
            drop(f"{node}/ThoiDiem"),
            "Biên nhận không có thời điểm.",
            "A receipt without its moment.",
            at("XSD-010", node),
        ),
        case(
            "HS02-XSD-022-ket-qua-la",
            base,
            put(f"{node}/KetQua", "OK"),
            "KetQua ngoài bảng mã.",
            "KetQua is not in its list.",
            at("XSD-022", f"{node}/KetQua"),
        ),
        case(
            "HS02-XSD-021-ma-goc-khong-phai-uuid",
            base,
            put(f"{node}/MaThongDiepGoc", "42"),
            "MaThongDiepGoc không phải UUID.",
            "MaThongDiepGoc is no UUID.",
            at("XSD-021", f"{node}/MaThongDiepGoc"),
        ),
        case(
            "HS02-XSD-109-hai-ma-goc",
            base,
            put(f"{node}/MaThongDiepGoc", "a23e4567-e89b-12d3-a456-426614174000"),
            "Phong bì và thân trả lời hai thông điệp.",
            "Envelope and payload answer two messages.",
            at("XSD-109", f"{node}/MaThongDiepGoc"),
        ),
        case(
            "HS02-XSD-010-loi-khong-ma",
            base,
            drop(f"{loi}/Ma"),
            "Một lỗi không có mã.",
            "An error without its code.",
            at("XSD-010", loi),
        ),
        case(
            "HS02-XSD-022-muc-do-la",
            base,
            put(f"{loi}[2]/MucDo", "NGHIEM_TRONG"),
            "MucDo ngoài bảng mã.",
            "MucDo is not in its list.",
            at("XSD-022", f"{loi}[2]/MucDo"),
        ),
        case(
            "HS02-XSD-021-bam-viet-hoa",
            base,
            put(f"{node}/BamNoiDung", "0123456789ABCDEF" * 4),
            "Giá trị băm viết hoa.",
            "A digest in upper case.",
            at("XSD-021", f"{node}/BamNoiDung"),
        ),
    ]


def _tiep_nhan() -> list[Sample]:
    base, node = "HS03-tiep-nhan-day-du", "ThanPhan/TiepNhanHoSo"
    return [
        case(
            "HS03-XSD-010-thieu-hen-tra",
            base,
            drop(f"{node}/NgayHenTra"),
            "Không có ngày hẹn trả.",
            "No appointment.",
            at("XSD-010", node),
        ),
        case(
            "HS03-XSD-032-khong-hen-khong-ly-do",
            base,
            nil(f"{node}/NgayHenTra", None),
            "Để trống ngày hẹn mà không nêu lý do.",
            "The appointment is absent without a reason.",
            at("XSD-032", f"{node}/NgayHenTra"),
        ),
        case(
            "HS03-XSD-131-hen-tra-truoc",
            base,
            put(f"{node}/NgayHenTra", moment("2026-01-14")),
            "Hẹn trả trước ngày tiếp nhận.",
            "The appointment lies before the receipt.",
            at("XSD-131", f"{node}/NgayHenTra"),
        ),
        case(
            "HS03-XSD-024-can-bo-rong",
            base,
            put(f"{node}/CanBoTiepNhan", ""),
            "Không nêu cán bộ tiếp nhận.",
            "No officer is named.",
            at("XSD-024", f"{node}/CanBoTiepNhan"),
        ),
        case(
            "HS03-XSD-027-phi-am",
            base,
            put(f"{node}/DanhSachLePhi/LePhi[2]/Gia", "-30000"),
            "Phí âm.",
            "A negative fee.",
            at("XSD-027", f"{node}/DanhSachLePhi/LePhi[2]/Gia"),
        ),
        case(
            "HS03-XSD-132-tiep-nhan-tuong-lai",
            base,
            all_of(put(f"{node}/NgayTiepNhan", moment("2999-01-01")), put(f"{node}/NgayHenTra", moment("2999-01-10"))),
            "Tiếp nhận ở tương lai.",
            "Received in the future.",
            at("XSD-132", f"{node}/NgayTiepNhan"),
        ),
        case(
            "HS03-XSD-010-danh-sach-phi-rong",
            base,
            lambda made: made.at(f"{node}/DanhSachLePhi").children.clear(),
            "Danh sách phí rỗng.",
            "An empty list of fees.",
            at("XSD-010", f"{node}/DanhSachLePhi"),
        ),
    ]


def _tien_do() -> list[Sample]:
    base, node = "HS05-tien-do-day-du", "ThanPhan/CapNhatTienDo"
    return [
        case(
            "HS05-XSD-022-trang-thai-11",
            base,
            put(f"{node}/TrangThai", "11"),
            "Không có trạng thái 11.",
            "There is no state 11.",
            at("XSD-022", f"{node}/TrangThai"),
        ),
        case(
            "HS05-XSD-023-nguoi-xu-ly-51",
            base,
            put(f"{node}/NguoiXuLy", fill(51)),
            "Tên người xử lý 51 ký tự.",
            "An officer's name of 51 characters.",
            at("XSD-023", f"{node}/NguoiXuLy"),
        ),
        case(
            "HS05-XSD-010-thieu-thoi-diem",
            base,
            drop(f"{node}/ThoiDiemXuLy"),
            "Không nêu thời điểm xử lý.",
            "No moment of the step.",
            at("XSD-010", node),
        ),
        case(
            "HS05-XSD-026-thieu-mui-gio",
            base,
            put(f"{node}/ThoiDiemXuLy", "2026-01-15T14:00:00"),
            "Thời điểm xử lý thiếu múi giờ.",
            "The moment lacks its offset.",
            at("XSD-026", f"{node}/ThoiDiemXuLy"),
        ),
        case(
            "HS05-XSD-027-thu-tu-0",
            base,
            put(f"{node}/ThuTu", "0"),
            "Số thứ tự 0; đếm từ 1.",
            "Sequence number 0; it counts from 1.",
            at("XSD-027", f"{node}/ThuTu"),
        ),
        case(
            "HS05-XSD-103-hai-thu-tu",
            base,
            put(f"{node}/ThuTu", "2"),
            "Phong bì và thân đếm khác nhau.",
            "Envelope and payload count differently.",
            at("XSD-103", f"{node}/ThuTu"),
        ),
        case(
            "HS05-XSD-133-dung-khong-ly-do",
            base,
            all_of(put(f"{node}/TrangThai", "8"), drop(f"{node}/NoiDungXuLy")),
            "Dừng xử lý mà không nêu lý do.",
            "Stopped without a reason.",
            at("XSD-133", f"{node}/TrangThai"),
        ),
        case(
            "HS05-XSD-011-truong-cua-1.1",
            base,
            add(node, element("LyDo", "Chờ xác minh", "hs")),
            "Trường của phiên bản 1.1 trong thông điệp 1.0.",
            "A field of version 1.1 in a message of 1.0.",
            at("XSD-011", f"{node}/LyDo"),
        ),
        case(
            "HS05-XSD-131-han-truoc-luc-bat-dau",
            base,
            put(f"{node}/NgayKetThucTheoQuyDinh", moment("2026-01-01")),
            "Hạn của bước trước lúc bắt đầu.",
            "The step's limit lies before its start.",
            at("XSD-131", f"{node}/NgayKetThucTheoQuyDinh"),
        ),
    ]


def _tra_ket_qua() -> list[Sample]:
    base, node = "HS11-tra-ket-qua-day-du", "ThanPhan/TraKetQua"
    paper = f"{node}/DanhSachGiayToKetQua/GiayToKetQua"
    first = "DanhSachDinhKem/DinhKem"
    late = pdf("Giay chung nhan sua", kilobytes=1)

    def other_content(made: Node) -> None:
        row = attachment("giay-chung-nhan", "giay-chung-nhan.pdf", "application/pdf", late)
        assert isinstance(row, dict)
        made.at(f"{first}/NoiDung").text = str(row["NoiDung"])
        made.at(f"{first}/SoByte").text = str(row["SoByte"])

    return [
        case(
            "HS11-XSD-022-hinh-thuc-2",
            base,
            put(f"{node}/HinhThuc", "2"),
            "Hình thức trả ngoài bảng mã.",
            "HinhThuc is not in its list.",
            at("XSD-022", f"{node}/HinhThuc"),
        ),
        case(
            "HS11-XSD-010-thieu-ngay-ket-thuc",
            base,
            drop(f"{node}/NgayKetThucXuLy"),
            "Không nêu ngày kết thúc xử lý.",
            "No end of processing.",
            at("XSD-010", node),
        ),
        case(
            "HS11-XSD-131-tra-truoc-khi-xong",
            base,
            put(f"{node}/NgayTra", moment("2026-01-18")),
            "Trả kết quả trước khi xử lý xong.",
            "Delivered before it was finished.",
            at("XSD-131", f"{node}/NgayTra"),
        ),
        case(
            "HS11-XSD-133-tra-lai-khong-ly-do",
            base,
            all_of(put(f"{node}/LoaiKetQua", "TRA_LAI"), drop(f"{node}/LyDo")),
            "Trả lại hồ sơ mà không nêu lý do.",
            "Returned without a reason.",
            at("XSD-133", f"{node}/LoaiKetQua"),
        ),
        case(
            "HS11-XSD-122-tep-bi-thay",
            base,
            other_content,
            "Tệp kết quả bị thay, giá trị băm là của tệp cũ.",
            "The result file was replaced; the digest is the old one's.",
            at("XSD-122", f"{first}/BamSHA256"),
        ),
        case(
            "HS11-XSD-123-thieu-tep",
            base,
            drop("DanhSachDinhKem"),
            "Kết quả trỏ tới tệp không kèm theo.",
            "The result points to a file that is not there.",
            at("XSD-123", f"{paper}/MaDinhKem"),
        ),
        case(
            "HS11-XSD-025-ngay-ban-hanh",
            base,
            put(f"{paper}/NgayBanHanh", "19/01/2026"),
            "Ngày ban hành viết kiểu 19/01/2026.",
            "A date of issue written 19/01/2026.",
            at("XSD-025", f"{paper}/NgayBanHanh"),
        ),
        case(
            "HS11-XSD-023-ten-giay-to-2001",
            base,
            put(f"{paper}/TenGiayTo", fill(2001)),
            "Tên giấy tờ 2001 ký tự.",
            "A paper's name of 2001 characters.",
            at("XSD-023", f"{paper}/TenGiayTo"),
        ),
    ]


def rejected_xsd() -> list[Sample]:
    """All of them."""
    return [
        *_kinds(),
        *_shape(),
        *_values(),
        *_envelope_rules(),
        *_attachments(),
        *_dossier_rules(),
        *_bien_nhan(),
        *_tiep_nhan(),
        *_tien_do(),
        *_tra_ket_qua(),
    ]
