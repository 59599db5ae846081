"""Payloads of queries and their answers: HS17–HS20. Forms as in ``recipes.payloads``."""

from __future__ import annotations

from recipes.envelopes import fill
from recipes.payloads import BOUND, FULL, SMALL, Payload, nop_ho_so
from recipes.people import moment


def tra_cuu(form: str, ma_ho_so: str) -> Payload:
    """HS17, the question: by code, or by person and procedure."""
    if form == FULL:
        return {"SoDinhDanh": "075990000002", "MaTTHC": "1.001612"}
    if form == BOUND:
        return {"SoDinhDanh": "A" * 20, "MaTTHC": "1.001612.01.000.00.00.H19.01"}
    return {"MaHoSo": ma_ho_so}


def tra_loi_tra_cuu(form: str, ma_ho_so: str) -> Payload:
    """HS17, the answer."""
    if form == SMALL:
        return {"SoKetQua": "0"}
    step: Payload = {
        "ThoiDiemXuLy": moment("2026-01-15", "14:00:00"),
        "TrangThai": "4",
        "TrangThaiGoc": "DANG_THAM_DINH",
        "LoaiThongDiep": "HS05",
        "PhongBanXuLy": "Phòng Hành chính tư pháp",
        "NoiDungXuLy": "Thẩm định hồ sơ",
    }
    if form == FULL:
        whole = nop_ho_so(SMALL, ma_ho_so, "2026-01-15")
        return {
            "SoKetQua": "1",
            "DanhSachHoSoTraCuu": {
                "HoSoTraCuu": [
                    {
                        "MaHoSo": ma_ho_so,
                        "MaTTHC": "1.001612",
                        "TrangThaiHoSo": "4",
                        "TrangThaiGoc": "DANG_THAM_DINH",
                        "NgayNopHoSo": moment("2026-01-15", "08:15:00"),
                        "NgayTiepNhan": moment("2026-01-15", "09:00:00"),
                        "NgayHenTra": moment("2026-01-20", "17:00:00"),
                        "NgayKetThucXuLy": moment("2026-01-19", "15:00:00"),
                        "HoSo": whole,
                        "DanhSachTienDo": {"TienDo": [step]},
                    }
                ]
            },
        }
    long = step | {
        "TrangThaiGoc": "Ỹ" * 50,
        "LoaiThongDiep": "L" * 50,
        "PhongBanXuLy": fill(500),
        "NoiDungXuLy": fill(20000),
    }
    return {
        "SoKetQua": "2147483647",
        "DanhSachHoSoTraCuu": {
            "HoSoTraCuu": [
                {"MaHoSo": ma_ho_so, "TrangThaiHoSo": "10", "DanhSachTienDo": {"TienDo": [long, *([step] * 10)]}},
                *({"MaHoSo": f"H19.901-260115-{n:07d}", "TrangThaiHoSo": str(n % 10 + 1)} for n in range(1, 30)),
            ]
        },
    }


def lay_danh_muc(form: str) -> Payload:
    """HS18, the question."""
    if form == SMALL:
        return {"TenDanhMuc": "ThuTuc"}
    if form == FULL:
        return {"TenDanhMuc": "DichVu", "PhienBanDanhMuc": "2026.1", "NgayHieuLuc": "2026-01-01"}
    return {"TenDanhMuc": "TinhTrangHonNhan", "PhienBanDanhMuc": "P" * 50, "NgayHieuLuc": "2028-02-29"}


ITEMS = (  # the items of Art. 4.1.b as the schema orders them
    "TrinhTuThucHien", "CachThucThucHien", "ThanhPhanHoSo", "ThoiHanGiaiQuyet", "DoiTuongThucHien", "CoQuanThucHien",
    "KetQuaThucHien", "PhiLePhi", "MauDonToKhai", "YeuCauDieuKien", "CanCuPhapLy", "ThoiDiemSuDung", "ThongTinDangKy",
    "HuongDanSuDung",
)  # fmt: skip
SHORT = {
    "ThoiHanGiaiQuyet": 2000,
    "DoiTuongThucHien": 2000,
    "CoQuanThucHien": 2000,
    "KetQuaThucHien": 2000,
    "ThoiDiemSuDung": 500,
}
SAID = {
    "TrinhTuThucHien": "Nộp hồ sơ trực tuyến; nhận kết quả tại bộ phận một cửa.",
    "CachThucThucHien": "Trực tuyến, trực tiếp hoặc qua bưu chính.",
    "ThanhPhanHoSo": "01 tờ khai; 01 bản sao căn cước công dân.",
    "ThoiHanGiaiQuyet": "10 ngày làm việc",
    "DoiTuongThucHien": "Công dân Việt Nam",
    "CoQuanThucHien": "Sở Tư pháp (thử nghiệm)",
    "KetQuaThucHien": "Phiếu lý lịch tư pháp số 1",
    "PhiLePhi": "200.000 đồng",
    "MauDonToKhai": "Tờ khai yêu cầu cấp phiếu lý lịch tư pháp",
    "YeuCauDieuKien": "Không",
    "CanCuPhapLy": "Luật Lý lịch tư pháp",
    "ThoiDiemSuDung": "01/01/2026",
    "ThongTinDangKy": "https://portal.example.com/dich-vu/2.000488",
    "HuongDanSuDung": "https://portal.example.com/huong-dan/2.000488",
}


def danh_muc(form: str) -> Payload:
    """HS18, the catalogue."""
    if form == SMALL:
        return {"TenDanhMuc": "LinhVuc", "PhienBanDanhMuc": "2026.1"}
    first: Payload = {
        "Ma": "2.000488",
        "Ten": "Cấp phiếu lý lịch tư pháp",
        "HieuLucTu": "2026-01-01",
        "HieuLucDen": "2026-12-31",
        "MaThayThe": "2.000489",
        "BiDanh": "2.000488.H19; LLTP",
        "MaTTHC": "2.000488",
        "MaLinhVuc": "TP-LLTP",
        "LinhVuc": "Lý lịch tư pháp",
        "MucDo": "4",
        **SAID,
        "ThuocTinh": [{"TenThuocTinh": "SoLuongHoSo", "GiaTri": "01"}, {"TenThuocTinh": "GhiChu", "GiaTri": "Mẫu"}],
    }
    if form == FULL:
        return {
            "TenDanhMuc": "DichVu",
            "PhienBanDanhMuc": "2026.1",
            "NgayHieuLuc": "2026-01-01",
            "DanhSachMuc": {"Muc": [first, {"Ma": "1.001193", "Ten": "Đăng ký khai sinh"}]},
        }
    longest: Payload = {
        "Ma": "Đ" * 50,
        "Ten": fill(2000),
        "HieuLucTu": "1900-01-01",
        "HieuLucDen": "2999-12-31",
        "MaThayThe": "T" * 50,
        "BiDanh": fill(1000),
        "LinhVuc": fill(500),
        "MucDo": "MOT_PHAN",
        **{item: fill(SHORT.get(item, 1000)) for item in ITEMS},
        "ThuocTinh": [{"TenThuocTinh": f"T{n}", "GiaTri": f"{n}"} for n in range(50)],
    }
    return {
        "TenDanhMuc": "DichVu",
        "PhienBanDanhMuc": "P" * 50,
        "DanhSachMuc": {"Muc": [longest, *({"Ma": f"M{n}", "Ten": f"Mục {n}"} for n in range(200))]},
    }


def doi_soat(form: str) -> Payload:
    """HS19, the question."""
    base: Payload = {
        "KyTu": moment("2026-01-01", "00:00:00"),
        "KyDen": moment("2026-01-31", "23:59:59"),
        "MaDinhDanh": "H19.901",
    }
    if form == SMALL:
        return base
    if form == FULL:
        row: Payload = {
            "MaHoSo": "H19.901-260115-0002",
            "TrangThai": "9",
            "ThoiDiem": moment("2026-01-19", "15:00:00"),
            "BamNoiDung": "0123456789abcdef" * 4,
        }
        return base | {"DanhSachDoiSoat": {"DongDoiSoat": [row, {"MaHoSo": "H19.901-260115-0001", "TrangThai": "4"}]}}
    return {
        "KyTu": "2024-02-29T00:00:00Z",
        "KyDen": "2024-02-29T00:00:00Z",
        "MaDinhDanh": "000.99.01.H19",
        "DanhSachDoiSoat": {
            "DongDoiSoat": [{"MaHoSo": f"H19.901-260115-{n:07d}", "TrangThai": str(n % 10 + 1)} for n in range(500)]
        },
    }


def ket_qua_doi_soat(form: str) -> Payload:
    """HS19, the answer."""
    base = doi_soat(SMALL)
    if form == SMALL:
        return base | {"SoHoSo": "2", "SoKhop": "2"}
    kinds = ("THIEU_O_BEN_HOI", "THIEU_O_BEN_TRA_LOI", "KHAC_TRANG_THAI", "KHAC_THOI_DIEM", "KHAC_NOI_DUNG")
    if form == FULL:
        row: Payload = {
            "MaHoSo": "H19.901-260115-0001",
            "LoaiLech": "KHAC_TRANG_THAI",
            "TrangThaiBenHoi": "4",
            "TrangThaiBenTraLoi": "9",
            "ThoiDiemBenHoi": moment("2026-01-15", "14:00:00"),
            "ThoiDiemBenTraLoi": moment("2026-01-19", "15:00:00"),
        }
        return base | {"SoHoSo": "2", "SoKhop": "1", "DanhSachChenhLech": {"ChenhLech": [row]}}
    rows = [{"MaHoSo": f"H19.901-260115-{n:07d}", "LoaiLech": kinds[n % 5]} for n in range(500)]
    return base | {"SoHoSo": "2147483647", "SoKhop": "0", "DanhSachChenhLech": {"ChenhLech": rows}}


def thu_hoi(form: str, ma_ho_so: str, goc: str) -> Payload:
    """HS20."""
    if form == SMALL:
        return {"MaThongDiepGoc": goc, "LyDo": "Gửi nhầm."}
    return {"MaThongDiepGoc": goc, "MaHoSo": ma_ho_so, "LyDo": "Sai ngày hẹn trả." if form == FULL else fill(2000)}
