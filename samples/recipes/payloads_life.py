"""Payloads of a dossier's life after its filing: HS04, HS06–HS10, HS12–HS16, HS21. Forms as in ``recipes.payloads``."""

from __future__ import annotations

from recipes.envelopes import fill
from recipes.payloads import (
    BOUND,
    FULL,
    LE_PHI,
    LE_PHI_BIEN,
    LE_PHI_BUU_CHINH,
    SMALL,
    Payload,
)
from recipes.people import LY_LICH, TU_PHAP, XAY_DUNG, attachment, moment, pdf
from recipes.xmltext import Nil, Value


def van_ban(form: str, ma: str = "van-ban") -> Payload:
    """A document that goes with a decision."""
    if form == FULL:
        return {
            "SoKyHieu": "15/TB-STP",
            "NgayBanHanh": "2026-01-16",
            "CoQuanBanHanh": TU_PHAP.ten,
            "NguoiKy": "Trần Thị Bưởi",
            "TrichYeu": "Thông báo kết quả thẩm định",
            "MaDinhKem": ma,
        }
    return {
        "SoKyHieu": "Ặ" * 100,
        "NgayBanHanh": "2024-02-29",
        "CoQuanBanHanh": fill(500),
        "NguoiKy": fill(500),
        "TrichYeu": fill(1000),
        "MaDinhKem": ma,
    }


def files_of_van_ban(form: str) -> list[Value]:
    """The manifest that goes with it."""
    if form == FULL:
        return [attachment("van-ban", "thong-bao.pdf", "application/pdf", pdf("Thong bao"), mo_ta="Văn bản")]
    if form == BOUND:
        return [attachment("van-ban", "v", "text/plain", "Ặ\n".encode())]
    return []


def tu_choi(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS04."""
    base: Payload = {"MaHoSo": ma_ho_so, "NgayTuChoi": at}
    if form == SMALL:
        return base | {"LyDo": "Thành phần hồ sơ không hợp lệ."}
    return base | {
        "LyDo": "Hồ sơ không thuộc thẩm quyền giải quyết." if form == FULL else fill(20000),
        "NguoiTuChoi": "Phạm Nguyễn Quỳnh Như" if form == FULL else fill(500),
        "VanBan": van_ban(form),
    }


def yeu_cau_bo_sung(form: str, ma_ho_so: str, at: str, lan: str = "1") -> Payload:
    """HS06."""
    base: Payload = {"MaHoSo": ma_ho_so, "HoSoBoSungId": lan}
    if form == SMALL:
        return base | {
            "NguoiYeuCauBoSung": "Lê Đỗ Phượng Vỹ",
            "NoiDungBoSung": "Bổ sung bản sao căn cước công dân.",
            "NgayBoSung": at,
            "ThoiHanBoSung": "2026-02-15",
        }
    if form == FULL:
        return base | {
            "NguoiYeuCauBoSung": "Lê Đỗ Phượng Vỹ",
            "NoiDungBoSung": "Bổ sung giấy tờ theo danh sách kèm theo.",
            "NgayBoSung": at,
            "ThoiHanBoSung": "2026-02-15",
            "DanhSachGiayToBoSung": {
                "GiayToBoSung": [
                    {
                        "MaThanhPhanHoSo": "TP-02",
                        "TenGiayTo": "Bản sao căn cước công dân",
                        "LyDo": "Bản cũ không đọc được.",
                    },
                    {"TenGiayTo": "Giấy xác nhận nơi cư trú"},
                ]
            },
            "DanhSachLePhiBoSung": {"LePhiBoSung": [LE_PHI_BUU_CHINH | {"HinhThucThu": "2"}]},
            "VanBan": van_ban(form),
        }
    return {
        "MaHoSo": ma_ho_so,
        "HoSoBoSungId": "2147483647",
        "NguoiYeuCauBoSung": fill(500),
        "NoiDungBoSung": fill(20000),
        "NgayBoSung": at,
        "ThoiHanBoSung": "2028-02-29",
        "DanhSachGiayToBoSung": {
            "GiayToBoSung": [{"MaThanhPhanHoSo": "M" * 50, "TenGiayTo": fill(2000), "LyDo": fill(2000)}]
        },
        "DanhSachLePhiBoSung": {"LePhiBoSung": LE_PHI_BIEN},
        "VanBan": van_ban(form),
    }


def nop_bo_sung(form: str, ma_ho_so: str, at: str, lan: str = "1") -> Payload:
    """HS07."""
    base: Payload = {"MaHoSo": ma_ho_so, "HoSoBoSungId": "2147483647" if form == BOUND else lan, "NgayNop": at}
    if form == SMALL:
        return base
    if form == FULL:
        return base | {
            "DanhSachTaiLieuNop": {
                "TaiLieuNop": [
                    {
                        "TepDinhKemId": "TEP-3",
                        "TenTepDinhKem": "can-cuoc.pdf",
                        "IsDeleted": "false",
                        "MaThanhPhanHoSo": "TP-02",
                        "DuongDanTaiTepTin": "https://portal.example.com/tep/can-cuoc-2",
                        "DuocSoHoa": "1",
                        "DuocTaiSuDung": "1",
                        "DuocLayTuKhoDMQG": "0",
                        "MaKetQuaThayThe": "KQ-CCCD",
                        "LoaiBan": "1",
                        "MaDinhKem": "van-ban",
                    }
                ]
            },
            "ThongTinTiepNhan": "Nộp trực tuyến",
        }
    return base | {
        "DanhSachTaiLieuNop": {
            "TaiLieuNop": [
                {"TenTepDinhKem": fill(4000), "MaDinhKem": "van-ban"},
                *({"TenTepDinhKem": f"Trang {n}"} for n in range(2, 12)),
            ]
        },
        "ThongTinTiepNhan": fill(20000),
    }


def xac_nhan_bo_sung(form: str, ma_ho_so: str, at: str, lan: str = "1") -> Payload:
    """HS08."""
    base: Payload = {
        "MaHoSo": ma_ho_so,
        "HoSoBoSungId": "2147483647" if form == BOUND else lan,
        "NgayTiepNhanBoSung": at,
    }
    if form == SMALL:
        return base
    if form == FULL:
        return base | {
            "NguoiTiepNhanBoSung": "Phạm Nguyễn Quỳnh Như",
            "NgayHenTraTruoc": moment("2026-01-20", "17:00:00"),
            "NgayHenTraMoi": moment("2026-01-22", "17:00:00"),
        }
    return base | {
        "NguoiTiepNhanBoSung": fill(500),
        "NgayHenTraTruoc": Nil("CHUA_XAC_DINH"),
        "NgayHenTraMoi": Nil("KHONG_CO"),
    }


def yeu_cau_thanh_toan(form: str, ma_ho_so: str) -> Payload:
    """HS09."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {
            "DanhSachLePhi": {"LePhi": [{"TenPhiLePhi": "Phí cung cấp thông tin lý lịch tư pháp", "Gia": "200000"}]},
            "NoiDungThanhToan": f"Nộp phí hồ sơ {ma_ho_so}",
        }
    thue: Payload = {
        "SoQD": "12/QĐ-CT",
        "NgayQD": "2026-01-16",
        "MaCoQuanQD": "CT-DN",
        "KhoBac": "Kho bạc Nhà nước khu vực (thử nghiệm)",
        "TaiKhoanThuNSNN": "7111",
    }
    if form == FULL:
        return base | {
            "MaYeuCauThanhToan": "YC-2026-0002",
            "DanhSachLePhi": {"LePhi": [LE_PHI, LE_PHI_BUU_CHINH]},
            "TongTien": "230000",
            "TKThuHuong": "0000000000001",
            "MaNHThuHuong": "NHTN",
            "TenTKThuHuong": TU_PHAP.ten,
            "NoiDungThanhToan": f"Nộp phí hồ sơ {ma_ho_so}",
            "HanNop": moment("2026-02-15", "17:00:00"),
            "NghiaVuThue": thue,
        }
    return base | {
        "MaYeuCauThanhToan": "Y" * 50,
        "DanhSachLePhi": {"LePhi": LE_PHI_BIEN},
        "TongTien": "1000000000000.25",
        "TKThuHuong": "T" * 50,
        "MaNHThuHuong": "N" * 50,
        "TenTKThuHuong": fill(500),
        "NoiDungThanhToan": fill(1000),
        "HanNop": "2028-02-29T16:59:59.123Z",
        "NghiaVuThue": {"SoQD": "Q" * 100, "NgayQD": "2024-02-29", "MaCoQuanQD": "C" * 50, "KhoBac": fill(500)},
    }


def ket_qua_thanh_toan(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS10."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {
            "MaTraCuuTT": "TT-2026-0001",
            "SoTien": "200000",
            "ThoiGianThanhToan": at,
            "TrangThaiThanhToan": "1",
        }
    if form == FULL:
        return base | {
            "MaYeuCauThanhToan": "YC-2026-0002",
            "MaTraCuuTT": "TT-2026-0002",
            "SoTien": "230000",
            "ThoiGianThanhToan": at,
            "TrangThaiThanhToan": "1",
            "BienLai": van_ban(form),
            "HoTenNguoiNop": "Nguyễn Văn Ánh",
            "KenhThanhToan": "2",
        }
    return base | {
        "MaYeuCauThanhToan": "Y" * 50,
        "MaTraCuuTT": "T" * 50,
        "SoTien": "9999999999999.99",
        "ThoiGianThanhToan": at,
        "TrangThaiThanhToan": "0",
        "BienLai": van_ban(form),
        "HoTenNguoiNop": fill(500),
        "KenhThanhToan": "3",
    }


def rut_ho_so(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS12, the wish. It has no optional field; ``full`` differs in its header alone."""
    return {"MaHoSo": ma_ho_so, "LyDo": fill(2000) if form == BOUND else "Nộp nhầm thủ tục.", "NgayYeuCau": at}


def dong_y_rut(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS12, the decision."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {"KetQua": "DONG_Y"}
    return base | {
        "KetQua": "DONG_Y" if form == FULL else "KHONG_DONG_Y",
        "LyDo": "Đồng ý theo đề nghị." if form == FULL else fill(2000),
        "NgayQuyetDinh": at,
    }


def dung_xu_ly(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS13, the stop."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {"LyDo": "Chờ kết quả xác minh.", "NgayDung": at}
    return base | {
        "LyDo": "Không đủ điều kiện giải quyết." if form == FULL else fill(20000),
        "NgayDung": at,
        "VanBan": van_ban(form),
    }


def tiep_tuc(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS13, the going on."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {"NgayTiepTuc": at}
    return base | {
        "LyDo": "Đã có kết quả xác minh." if form == FULL else fill(2000),
        "NgayTiepTuc": at,
        "NgayHenTraMoi": moment("2026-01-30", "17:00:00") if form == FULL else moment("2028-02-29", "23:59:59"),
    }


def chuyen_ho_so(form: str, ma_ho_so: str, original: bytes = b"", original_id: str = "", sender: str = "") -> Payload:
    """HS14. ``original`` is the message that the copy was taken from, kept whole with its signature."""
    ho_so: Payload = {
        "MaHoSo": ma_ho_so,
        **LY_LICH,
        "LoaiDoiTuong": "1",
        "NgayTiepNhan": moment("2026-01-15", "09:00:00"),
        "TrangThaiHoSo": "4",
        "HinhThuc": "0",
        "DonViXuLy": TU_PHAP.ten,
    }
    base: Payload = {"MaHoSoGoc": ma_ho_so, "HoSo": ho_so, "DonViChuyen": TU_PHAP.ma, "DonViNhan": XAY_DUNG.ma}
    if form == SMALL:
        return base | {"NoiDungXuLy": "Cho ý kiến về địa điểm kinh doanh."}
    row = attachment("ban-goc", "ban-goc.xml", "application/xml", original)
    assert isinstance(row, dict)
    return base | {
        "NoiDungXuLy": "Cho ý kiến về địa điểm kinh doanh." if form == FULL else fill(20000),
        "HanXuLy": moment("2026-01-19", "17:00:00") if form == FULL else moment("2028-02-29", "23:59:59"),
        "NgayChuyen": moment("2026-01-18", "08:00:00"),
        "BanGoc": {
            "MaThongDiepGoc": original_id,
            "NoiGuiGoc": sender,
            "BamNoiDung": row["BamSHA256"],
            "MaDinhKem": "ban-goc",
        },
    }


def ket_qua_chuyen(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS15."""
    base: Payload = {"MaHoSoGoc": ma_ho_so, "TrangThai": "9"}
    if form == SMALL:
        return base | {"KetQua": "DONG_Y"}
    paper: Payload = {
        "TenGiayTo": "Văn bản cho ý kiến",
        "MaThanhPhanHoSo": "YK-01",
        "GiayToId": "GT-2026-0007",
        "MaGiayToKetQua": "KQ.YK",
        "SoKyHieu": "7/SXD-QH",
        "NgayBanHanh": "2026-01-18",
        "CoQuanBanHanh": XAY_DUNG.ten,
        "NguoiKy": "Lê Đỗ Phượng Vỹ",
        "LoaiBan": "2",
        "DuongDanTepTinKetQua": "https://motcua.example.com/y-kien/7",
        "MaDinhKem": "van-ban",
    }
    return base | {
        "KetQua": "DONG_Y" if form == FULL else "TRA_LAI",
        "LyDo": "Phù hợp quy hoạch." if form == FULL else fill(20000),
        "DanhSachGiayToKetQua": {"GiayToKetQua": [paper if form == FULL else paper | {"TenGiayTo": fill(2000)}]},
        "ThoiDiemXuLy": at,
    }


def gia_han(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS16."""
    base: Payload = {
        "MaHoSo": ma_ho_so,
        "NgayHenTraTruoc": moment("2026-01-22", "17:00:00"),
        "NgayHenTraMoi": moment("2026-01-30", "17:00:00"),
    }
    if form == SMALL:
        return base | {"LyDo": "Chờ ý kiến phối hợp."}
    return base | {
        "LyDo": "Chờ ý kiến phối hợp." if form == FULL else fill(20000),
        "SoVanBanXinLoi": "16/XL-STP" if form == FULL else "Ữ" * 100,
        "NgayQuyetDinh": at,
        "VanBan": van_ban(form),
    }


def danh_gia(form: str, ma_ho_so: str, at: str) -> Payload:
    """HS21."""
    base: Payload = {"MaHoSo": ma_ho_so}
    if form == SMALL:
        return base | {"Diem": "5"}
    return base | {
        "Diem": "4" if form == FULL else "1",
        "NoiDung": "Trả kết quả sớm hơn hẹn." if form == FULL else fill(4000),
        "NgayDanhGia": at,
    }
