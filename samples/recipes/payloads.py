"""The payload of every message type in three forms: small (what is mandatory), full (every optional field), bound (limits).

Each function gives plain values in the order of the schema; ``recipes.accepted`` puts them into envelopes.
"""

from __future__ import annotations

from collections.abc import Mapping

from recipes.envelopes import fill
from recipes.people import (
    HO_KINH_DOANH,
    KHAI_SINH,
    LY_LICH,
    PNG,
    TU_PHAP,
    attachment,
    moment,
    pdf,
)
from recipes.xmltext import Nil, Node, Value

Payload = dict[str, Value]

SMALL, FULL, BOUND = "small", "full", "bound"

LE_PHI: Payload = {
    "TenPhiLePhi": "Phí cung cấp thông tin lý lịch tư pháp",
    "MaPhiLePhi": "LP-LLTP",
    "HinhThucThu": "1",
    "Gia": "200000",
    "LoaiPhiLePhi": "PHI",
}
LE_PHI_BUU_CHINH: Payload = {
    "TenPhiLePhi": "Cước chuyển phát kết quả",
    "MaPhiLePhi": "CUOC-BC",
    "HinhThucThu": "4",
    "Gia": "30000",
    "LoaiPhiLePhi": "CUOC",
}
LE_PHI_BIEN: list[Value] = [
    {"TenPhiLePhi": "Miễn phí", "Gia": "0"},
    {"TenPhiLePhi": "Một đồng", "Gia": "1"},
    {
        "TenPhiLePhi": fill(500),
        "MaPhiLePhi": "M" * 50,
        "HinhThucThu": "2",
        "Gia": "999999999999",
        "LoaiPhiLePhi": "L" * 50,
    },
    {"TenPhiLePhi": "Có phần lẻ", "Gia": "0.25"},
]


def to_khai() -> Node:
    """A declaration in a namespace of its own; a schema for it is the procedure's matter."""
    ns = "http://www.dongnai.gov.vn/lienthong/tokhai/ho-kinh-doanh/1.0"
    return Node(
        "hs:ToKhai",
        children=[
            Node(
                "tk:ToKhaiHoKinhDoanh",
                {"xmlns:tk": ns},
                [
                    Node("tk:TenHoKinhDoanh", text="Hộ kinh doanh Bưởi Tân Triều Thử Nghiệm"),
                    Node("tk:NganhNghe", text="Bán lẻ trái cây"),
                    Node("tk:VonKinhDoanh", text="150000000"),
                ],
            )
        ],
    )


def nop_ho_so(form: str, ma_ho_so: str, day: str) -> Payload:
    """HS01 in state 1, filed online."""
    if form == SMALL:
        return {
            "MaHoSo": ma_ho_so,
            **LY_LICH,
            "LoaiDoiTuong": "1",
            "TrangThaiHoSo": "1",
            "HinhThuc": "0",
            "NgayNopHoSo": moment(day, "08:15:00"),
        }
    if form == FULL:
        return {
            "MaHoSo": ma_ho_so,
            **HO_KINH_DOANH,
            "ChuHoSo": "Trần Thị Bưởi",
            "LoaiDoiTuong": "1",
            "MaDoiTuong": "TECH-0000000002",
            "ThongTinKhac": "Nộp thay theo giấy ủy quyền.",
            "Email": "tran.thi.buoi@example.com",
            "Fax": "0000000003",
            "SoDienThoai": "0000000002",
            "TrichYeuHoSo": "Đăng ký thành lập hộ kinh doanh Bưởi Tân Triều Thử Nghiệm",
            "NgayTiepNhan": moment(day, "09:00:00"),
            "NgayHenTra": moment("2026-01-20", "17:00:00"),
            "TrangThaiHoSo": "2",
            "ThongTinTra": "Trả qua bưu chính công ích",
            "HinhThuc": "1",
            "DonViXuLy": TU_PHAP.ten,
            "GhiChu": "Hồ sơ mẫu, dữ liệu hư cấu",
            "DanhSachTaiLieuNop": {
                "TaiLieuNop": [
                    {
                        "TepDinhKemId": "TEP-1",
                        "TenTepDinhKem": "giay-de-nghi.pdf",
                        "IsDeleted": "false",
                        "MaThanhPhanHoSo": "TP-01",
                        "DuocSoHoa": "1",
                        "DuocTaiSuDung": "0",
                        "DuocLayTuKhoDMQG": "0",
                        "LoaiBan": "2",
                        "MaDinhKem": "giay-de-nghi",
                    },
                    {
                        "TenTepDinhKem": "can-cuoc-mat-truoc.png",
                        "MaThanhPhanHoSo": "TP-02",
                        "DuongDanTaiTepTin": "https://portal.example.com/tep/can-cuoc",
                        "DuocLayTuKhoDMQG": "1",
                        "MaKetQuaThayThe": "KQ-CCCD",
                        "LoaiBan": "1",
                        "MaDinhKem": "can-cuoc",
                    },
                ]
            },
            "DanhSachLePhi": {"LePhi": [LE_PHI, LE_PHI_BUU_CHINH]},
            "DanhSachTepDinhKemKhac": {
                "TepDinhKemKhac": [
                    {"TenGiayTo": "Giấy ủy quyền", "SoLuong": "1", "LoaiGiayTo": "2", "MaDinhKem": "uy-quyen"}
                ]
            },
            "NgayNopHoSo": moment(day, "08:15:00"),
            "KenhThucHien": "2",
            "NguoiNop": {
                "HoTen": "Nguyễn Văn Ánh",
                "SoDinhDanh": "075990000001",
                "LoaiDinhDanh": "1",
                "NgaySinh": "1990-02-28",
                "DienThoai": "0000000001",
                "Email": "nguyen.van.anh@example.com",
                "DiaChi": {"MaTinh": "75", "MaHuyen": "731", "MaXa": "26068", "ChiTiet": "Số 1, đường Thử Nghiệm"},
                "UyQuyen": "true",
            },
            "SoGiayToChuHoSo": "075990000002",
            "DanhSachDinhDanhCHS": {
                "DinhDanhCHS": [
                    {"LoaiDinhDanh": "1", "SoDinhDanh": "075990000002"},
                    {"LoaiDinhDanh": "2", "SoDinhDanh": "270000002"},
                ]
            },
            "NoiNopHoSo": "2",
            "HoSoCoThanhPhanSoHoa": "1",
            "TaiKhoanDuocXacThucVoiVNeID": "1",
            "DuocThanhToanTrucTuyen": "2",
            "DanhSachKetNoiCSDL": {"KetNoiCSDL": [{"MaCSDL": "CSDLQG-DANCU"}, {"MaCSDL": "CSDLQG-DKKD"}]},
            "TrangThaiGoc": "DA_TIEP_NHAN",
            "ToKhai": to_khai(),
        }
    return {
        "MaHoSo": ma_ho_so,
        "MaTTHC": "1.001193.000.00.00.H19",
        "TenTTHC": fill(2000, KHAI_SINH["TenTTHC"] + " "),
        "MaLinhVuc": "L" * 50,
        "TenLinhVuc": fill(500),
        "ChuHoSo": fill(500, "Lê Đỗ Phượng Vỹ "),
        "LoaiDoiTuong": "4",
        "MaDoiTuong": Nil("CHUA_XAC_DINH"),
        "ThongTinKhac": fill(20000),
        "Email": "a" * 88 + "@example.com",
        "Fax": Nil("KHONG_CO"),
        "SoDienThoai": "+84 (000) 000-000.1" + "0" * 31,
        "TrichYeuHoSo": fill(1000),
        "NgayHenTra": Nil("CHUA_XAC_DINH"),
        "TrangThaiHoSo": "1",
        "HinhThuc": "1",
        "GhiChu": fill(500),
        "DanhSachTaiLieuNop": {
            "TaiLieuNop": [
                {"TenTepDinhKem": fill(4000), "DuocTaiSuDung": "2", "MaDinhKem": "T" * 64},
                {"TenTepDinhKem": "x", "IsDeleted": "1"},
            ]
        },
        "DanhSachLePhi": {"LePhi": LE_PHI_BIEN},
        "DanhSachTepDinhKemKhac": {
            "TepDinhKemKhac": [{"TenGiayTo": fill(2000), "SoLuong": "2147483647", "LoaiGiayTo": "-1"}]
        },
        "NgayNopHoSo": moment(day, "23:59:59.999999999"),
        "KenhThucHien": "3",
        "NguoiNop": {
            "HoTen": "Y Ưng Niê Kđăm",
            "SoDinhDanh": Nil("KHONG_DUOC_CHIA_SE"),
            "NgaySinh": Nil("KHONG_DAY_DU"),
            "DienThoai": Nil("KHONG_CO"),
            "Email": Nil("KHONG_CO"),
            "DiaChi": Nil("KHONG_DUOC_CHIA_SE"),
            "UyQuyen": "0",
        },
        "SoGiayToChuHoSo": Nil("KHONG_DUOC_CHIA_SE"),
        "DanhSachDinhDanhCHS": {"DinhDanhCHS": [{"LoaiDinhDanh": "2", "SoDinhDanh": Nil("KHONG_DUOC_CHIA_SE")}]},
        "NoiNopHoSo": "N" * 50,
        "TrangThaiGoc": "Ặ" * 50,
    }


def files_of_nop_ho_so(form: str) -> list[Value]:
    """The manifest that goes with it."""
    if form == FULL:
        return [
            attachment(
                "giay-de-nghi",
                "giay-de-nghi.pdf",
                "application/pdf",
                pdf("Giay de nghi"),
                mo_ta="Giấy đề nghị",
                more=True,
            ),
            attachment(
                "can-cuoc", "can-cuoc-mat-truoc.png", "image/png", PNG, url="https://portal.example.com/tep/can-cuoc"
            ),
            attachment("uy-quyen", "uy-quyen.txt", "text/plain", "Giấy ủy quyền (mẫu)\n".encode()),
        ]
    if form == BOUND:
        return [attachment("T" * 64, "Đ" * 251 + ".txt", "text/plain", b"\n")]
    return []


def bien_nhan(form: str, tra_loi: str, at: str) -> Payload:
    """HS02."""
    if form == SMALL:
        return {"MaThongDiepGoc": tra_loi, "KetQua": "CHAP_NHAN", "ThoiDiem": at}
    loi: Payload = {
        "Ma": "TEP_KHONG_HOP_LE",
        "MaChiTiet": "NOI-BO-17",
        "MoTa": "Tệp giay-de-nghi.pdf không mở được.",
        "CachXuLy": "Gửi lại tệp ở dạng PDF/A.",
        "ViTri": "/lt:ThongDiep/lt:DanhSachDinhKem[1]/lt:DinhKem[1]",
        "Dong": "42",
        "Cot": "5",
        "MucDo": "LOI",
    }
    if form == FULL:
        return {
            "MaThongDiepGoc": tra_loi,
            "KetQua": "TU_CHOI",
            "DanhSachLoi": {"Loi": [loi, {"Ma": "LOI_HE_THONG", "MoTa": "Thử lại sau.", "MucDo": "CHUA_XAC_DINH"}]},
            "ThoiDiem": at,
            "BamNoiDung": "0123456789abcdef" * 4,
            "SoTiepNhan": "MC-2026-000017",
        }
    biggest: Payload = {
        "Ma": "M" * 50,
        "MaChiTiet": "C" * 50,
        "MoTa": fill(4000),
        "CachXuLy": fill(4000),
        "ViTri": "/" + "a" * 1999,
        "Dong": "2147483647",
        "Cot": "1",
        "MucDo": "CANH_BAO",
    }
    return {
        "MaThongDiepGoc": tra_loi,
        "KetQua": "TRUNG_LAP",
        "DanhSachLoi": {"Loi": [biggest, *({**loi, "Dong": str(n)} for n in range(1, 100))]},
        "ThoiDiem": at,
        "BamNoiDung": "f" * 64,
        "SoTiepNhan": "S" * 50,
    }


def tiep_nhan(form: str, ma_ho_so: str, day: str) -> Payload:
    """HS03."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {
            "NgayTiepNhan": moment(day, "09:00:00"),
            "NgayHenTra": moment("2026-01-29", "17:00:00"),
            "CanBoTiepNhan": "Phạm Nguyễn Quỳnh Như",
            "DonViXuLy": TU_PHAP.ten,
        }
    if form == FULL:
        return base | {
            "SoBienNhan": "000.99.01.H19-BN-2026-0002",
            "NgayTiepNhan": moment(day, "09:00:00"),
            "NgayHenTra": moment("2026-01-20", "17:00:00"),
            "CanBoTiepNhan": "Phạm Nguyễn Quỳnh Như",
            "DonViXuLy": "Phòng Hành chính tư pháp",
            "YeuCauMangTheo": "Bản chính căn cước công dân để đối chiếu khi nhận kết quả.",
            "DanhSachLePhi": {"LePhi": [LE_PHI, LE_PHI_BUU_CHINH]},
        }
    return base | {
        "SoBienNhan": "số biên nhận " + "Ữ" * 87,
        "NgayTiepNhan": f"{day}T02:00:00.5Z",
        "NgayHenTra": Nil("CHUA_XAC_DINH"),
        "CanBoTiepNhan": fill(500),
        "DonViXuLy": fill(500),
        "YeuCauMangTheo": fill(20000),
        "DanhSachLePhi": {"LePhi": LE_PHI_BIEN},
    }


def tien_do(form: str, ma_ho_so: str, at: str, trang_thai: str, thu_tu: int | None = None) -> Payload:
    """HS05 1.0; ``full`` is 1.1 with its two additions."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {"NguoiXuLy": "Lê Đỗ Phượng Vỹ", "ThoiDiemXuLy": at, "TrangThai": trang_thai}
    if form == FULL:
        return base | {
            "NguoiXuLy": "Lê Đỗ Phượng Vỹ",
            "ChucDanh": "Chuyên viên",
            "ThoiDiemXuLy": at,
            "PhongBanXuLy": "Phòng Hành chính tư pháp",
            "NoiDungXuLy": "Thẩm định hồ sơ",
            "TrangThai": trang_thai,
            "NgayBatDau": at,
            "NgayKetThucTheoQuyDinh": moment("2026-01-19", "17:00:00"),
            **({"ThuTu": str(thu_tu)} if thu_tu else {}),
            "TrangThaiGoc": "DANG_THAM_DINH",
        }
    return base | {
        "NguoiXuLy": fill(50),
        "ChucDanh": fill(500),
        "ThoiDiemXuLy": at,
        "PhongBanXuLy": fill(500),
        "NoiDungXuLy": fill(20000),
        "TrangThai": trang_thai,
        "NgayBatDau": at,
        "NgayKetThucTheoQuyDinh": moment("2028-02-29", "23:59:59"),
        **({"ThuTu": str(thu_tu)} if thu_tu else {}),
        "TrangThaiGoc": "Ỹ" * 50,
    }


def tra_ket_qua(form: str, ma_ho_so: str, done: str, handed: str | None = None) -> Payload:
    """HS11."""
    base: Payload = {"MaHoSo": ma_ho_so, "NgayKetThucXuLy": done}
    if form == SMALL:
        return base | {"HinhThuc": "0"}
    if form == FULL:
        return base | {
            **({"NgayTra": handed} if handed else {}),
            "DanhSachGiayToKetQua": {
                "GiayToKetQua": [
                    {
                        "TenGiayTo": "Giấy chứng nhận đăng ký hộ kinh doanh",
                        "MaThanhPhanHoSo": "KQ-01",
                        "GiayToId": "GT-2026-0002",
                        "MaGiayToKetQua": "KQ.G14.000201",
                        "SoKyHieu": "41A8000002",
                        "NgayBanHanh": "2026-01-19",
                        "CoQuanBanHanh": TU_PHAP.ten,
                        "NguoiKy": "Trần Thị Bưởi",
                        "LoaiBan": "2",
                        "DuongDanTepTinKetQua": "https://motcua.example.com/ket-qua/41A8000002",
                        "MaDinhKem": "giay-chung-nhan",
                    }
                ]
            },
            "HinhThuc": "1",
            "LoaiKetQua": "CAP_KET_QUA",
            "LyDo": "Đủ điều kiện theo quy định.",
        }
    return base | {
        **({"NgayTra": handed} if handed else {}),
        "DanhSachGiayToKetQua": {
            "GiayToKetQua": [
                {"TenGiayTo": fill(2000), "SoKyHieu": "Đ" * 100, "NguoiKy": fill(500), "MaDinhKem": "a"},
                *({"TenGiayTo": f"Giấy tờ thứ {n}", "LoaiBan": str(n % 3)} for n in range(2, 12)),
            ]
        },
        "HinhThuc": "0",
        "LyDo": fill(2000),
    }


def files_of_tra_ket_qua(form: str) -> list[Value]:
    """The manifest that goes with it."""
    if form == FULL:
        data = pdf("Giay chung nhan dang ky ho kinh doanh", kilobytes=4)
        return [attachment("giay-chung-nhan", "giay-chung-nhan.pdf", "application/pdf", data, mo_ta="Bản điện tử")]
    if form == BOUND:
        return [attachment("a", "x", "text/plain", b"")]
    return []


Forms = Mapping[str, Payload]
