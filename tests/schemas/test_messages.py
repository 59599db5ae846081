"""What each message does to a dossier: its effects, and when it happened."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway.core.catalogues import DICH_VU_ITEMS
from gateway.core.effects import (
    Acknowledges,
    Answers,
    Asks,
    Files,
    KetQua,
    Moves,
    Notes,
    Owes,
    Pays,
    Publishes,
    Recalls,
    Redates,
    Returns,
    Transfers,
)  # fmt: skip
from schemas.fresh import Size, fresh
from schemas.write import Trong, thong_diep

MA = "H19.901-260115-0001"
GOC = "1b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90"
A = datetime(2026, 1, 14, 1, 0, tzinfo=UTC)
B = datetime(2026, 1, 15, 1, 0, tzinfo=UTC)
C = datetime(2026, 1, 20, 1, 0, tzinfo=UTC)
D = datetime(2026, 1, 27, 1, 0, tzinfo=UTC)
HO_SO = {"MaHoSo": MA, "MaTTHC": "1.001193", "TenTTHC": "Đăng ký khai sinh", "MaLinhVuc": "TP01", "TenLinhVuc": "Hộ tịch",
         "LoaiDoiTuong": 1}  # fmt: skip
PHI = {"LePhi": [{"TenPhiLePhi": "Lệ phí", "Gia": "8000"}, {"TenPhiLePhi": "Phí", "Gia": "50000"}]}

EFFECTS = [
    pytest.param("HS01", "NopHoSo", {**HO_SO, "TrangThaiHoSo": 1, "HinhThuc": 0, "NgayNopHoSo": A, "KenhThucHien": 2, "TrangThaiGoc": "MOI"}, A,
                 [Files(trang_thai=1, ma_tthc="1.001193", goc="MOI", ten_tthc="Đăng ký khai sinh", kenh_thuc_hien="2", ngay_nop=A)],
                 id="HS01 filed online"),
    pytest.param("HS01", "NopHoSo", {**HO_SO, "NgayTiepNhan": A, "NgayHenTra": C, "TrangThaiHoSo": 2, "HinhThuc": 0, "DonViXuLy": "X"}, A,
                 [Files(trang_thai=2, ma_tthc="1.001193", ten_tthc="Đăng ký khai sinh", ngay_tiep_nhan=A, ngay_hen_tra=C)],
                 id="HS01 filed at the counter"),
    pytest.param("HS01", "NopHoSo", {**HO_SO, "NgayTiepNhan": A, "TrangThaiHoSo": 4, "HinhThuc": 0, "DonViXuLy": "X"}, None,
                 [Files(trang_thai=4, ma_tthc="1.001193", ten_tthc="Đăng ký khai sinh", ngay_tiep_nhan=A)],
                 id="HS01 in processing: nobody says since when"),
    pytest.param("HS01", "NopHoSo", {**HO_SO, "NgayTiepNhan": A, "TrangThaiHoSo": 10, "NgayTra": B, "HinhThuc": 0, "NgayKetThucXuLy": A,
                                     "DonViXuLy": "X"}, B,
                 [Files(trang_thai=10, ma_tthc="1.001193", ten_tthc="Đăng ký khai sinh", ngay_tiep_nhan=A, ngay_ket_thuc=A, ngay_tra=B)],
                 id="HS01 delivered"),
    pytest.param("HS02", "BienNhan", {"MaThongDiepGoc": GOC, "KetQua": "CHAP_NHAN", "ThoiDiem": B}, B,
                 [Acknowledges(ma_thong_diep_goc=GOC, ket_qua=KetQua.CHAP_NHAN)], id="HS02"),
    pytest.param("HS03", "TiepNhanHoSo", {"MaHoSo": MA, "NgayTiepNhan": B, "NgayHenTra": C, "CanBoTiepNhan": "A", "DonViXuLy": "X"}, B,
                 [Moves(to=2, at=B, ngay_tiep_nhan=B, ngay_hen_tra=C, nguoi_xu_ly="A", phong_ban="X")], id="HS03"),
    pytest.param("HS03", "TiepNhanHoSo", {"MaHoSo": MA, "NgayTiepNhan": B, "NgayHenTra": Trong("KHONG_CO"), "CanBoTiepNhan": "A",
                                          "DonViXuLy": "X"}, B,
                 [Moves(to=2, at=B, ngay_tiep_nhan=B, nguoi_xu_ly="A", phong_ban="X")], id="HS03 without appointment"),
    pytest.param("HS04", "TuChoiTiepNhan", {"MaHoSo": MA, "NgayTuChoi": B, "LyDo": "Thiếu giấy tờ"}, B,
                 [Moves(to=3, at=B, ly_do=True)], id="HS04"),
    pytest.param("HS05", "CapNhatTienDo", {"MaHoSo": MA, "NguoiXuLy": "A", "ThoiDiemXuLy": B, "PhongBanXuLy": "P", "TrangThai": 4,
                                           "TrangThaiGoc": "DANG"}, B,
                 [Moves(to=4, goc="DANG", at=B, nguoi_xu_ly="A", phong_ban="P")], id="HS05"),
    pytest.param("HS05", "CapNhatTienDo", {"MaHoSo": MA, "NguoiXuLy": "A", "ThoiDiemXuLy": B, "NoiDungXuLy": "Dừng vì…", "TrangThai": 8}, B,
                 [Moves(to=8, at=B, ly_do=True, nguoi_xu_ly="A")], id="HS05 with a reason"),
    pytest.param("HS05", "CapNhatTienDo", {"MaHoSo": MA, "NguoiXuLy": "A", "ThoiDiemXuLy": B, "TrangThai": 9}, B,
                 [Moves(to=9, at=B, nguoi_xu_ly="A", ngay_ket_thuc=B)], id="HS05 finished"),
    pytest.param("HS05", "CapNhatTienDo", {"MaHoSo": MA, "NguoiXuLy": "A", "ThoiDiemXuLy": B, "TrangThai": 10}, B,
                 [Moves(to=10, at=B, nguoi_xu_ly="A", ngay_tra=B)], id="HS05 delivered"),
    pytest.param("HS06", "YeuCauBoSung", {"MaHoSo": MA, "HoSoBoSungId": 1, "NguoiYeuCauBoSung": "A", "NoiDungBoSung": "Bản sao",
                                          "NgayBoSung": B, "ThoiHanBoSung": date(2026, 1, 30)}, B,
                 [Moves(to=5, at=B, ly_do=True, han=datetime(2026, 1, 30, 17, 0, tzinfo=UTC), nguoi_xu_ly="A")],
                 id="HS06: the limit is the end of its last day at home"),
    pytest.param("HS07", "NopBoSung", {"MaHoSo": MA, "HoSoBoSungId": 1, "NgayNop": B}, B, [Notes(what="bo-sung-da-nop", ref="1")], id="HS07"),
    pytest.param("HS08", "XacNhanBoSung", {"MaHoSo": MA, "HoSoBoSungId": 1, "NgayTiepNhanBoSung": B, "NgayHenTraTruoc": C,
                                           "NgayHenTraMoi": D}, B,
                 [Moves(to=None, at=B), Redates(ngay_hen_tra=D)], id="HS08"),
    pytest.param("HS08", "XacNhanBoSung", {"MaHoSo": MA, "HoSoBoSungId": 1, "NgayTiepNhanBoSung": B}, B, [Moves(to=None, at=B)],
                 id="HS08 without a new appointment"),
    pytest.param("HS09", "YeuCauThanhToan", {"MaHoSo": MA, "MaYeuCauThanhToan": "TT1", "DanhSachLePhi": PHI, "NoiDungThanhToan": "Nộp",
                                             "HanNop": C}, None,
                 [Owes(so_tien=Decimal(58000), han_nop=C, ref="TT1")], id="HS09"),
    pytest.param("HS10", "KetQuaThanhToan", {"MaHoSo": MA, "MaTraCuuTT": "G1", "SoTien": 58000, "ThoiGianThanhToan": B,
                                             "TrangThaiThanhToan": 1}, B,
                 [Pays(so_tien=Decimal(58000), ma_tra_cuu="G1", thoi_gian=B)], id="HS10"),
    pytest.param("HS10", "KetQuaThanhToan", {"MaHoSo": MA, "MaTraCuuTT": "G1", "SoTien": 0, "ThoiGianThanhToan": B, "TrangThaiThanhToan": 0}, B,
                 [Pays(so_tien=Decimal(0), da_thanh_toan=False, ma_tra_cuu="G1", thoi_gian=B)], id="HS10 failed"),
    pytest.param("HS11", "TraKetQua", {"MaHoSo": MA, "NgayKetThucXuLy": A, "HinhThuc": 0}, A, [Moves(to=9, at=A, ngay_ket_thuc=A)], id="HS11"),
    pytest.param("HS11", "TraKetQua", {"MaHoSo": MA, "NgayKetThucXuLy": A, "NgayTra": B, "HinhThuc": 1}, B,
                 [Moves(to=9, at=A, ngay_ket_thuc=A), Moves(to=10, at=B, ngay_tra=B)], id="HS11 handed over"),
    pytest.param("HS11", "TraKetQua", {"MaHoSo": MA, "NgayKetThucXuLy": A, "HinhThuc": 0, "LoaiKetQua": "TRA_LAI", "LyDo": "Xin rút"}, A,
                 [Moves(to=9, at=A, ngay_ket_thuc=A, ly_do=True, result_kind="tra-lai")], id="HS11 returned"),
    pytest.param("HS12", "RutHoSo", {"MaHoSo": MA, "LyDo": "Đổi ý", "NgayYeuCau": B}, B, [Moves(to=7, at=B, ly_do=True)], id="HS12 asked"),
    pytest.param("HS12", "DongYRutHoSo", {"MaHoSo": MA, "KetQua": "DONG_Y", "NgayQuyetDinh": B}, B, [Moves(to=8, at=B, answers=True)],
                 id="HS12 granted"),
    pytest.param("HS12", "DongYRutHoSo", {"MaHoSo": MA, "KetQua": "KHONG_DONG_Y", "LyDo": "Đã xong"}, None,
                 [Moves(to=None, ly_do=True, answers=True)], id="HS12 refused"),
    pytest.param("HS13", "DungXuLy", {"MaHoSo": MA, "LyDo": "Tranh chấp", "NgayDung": B}, B, [Moves(to=8, at=B, ly_do=True)], id="HS13 stop"),
    pytest.param("HS13", "TiepTucXuLy", {"MaHoSo": MA, "NgayTiepTuc": B, "NgayHenTraMoi": D}, B, [Moves(to=4, at=B), Redates(ngay_hen_tra=D)],
                 id="HS13 resume"),
    pytest.param("HS14", "ChuyenHoSo", {"MaHoSoGoc": MA, "HoSo": {**HO_SO, "NgayTiepNhan": A, "TrangThaiHoSo": 4, "HinhThuc": 0, "DonViXuLy": "X"},
                                        "DonViChuyen": "H19.901", "DonViNhan": "H19.902.01", "NoiDungXuLy": "Xác minh", "HanXuLy": C}, None,
                 [Transfers(don_vi_nhan="H19.902.01", han_xu_ly=C, ma_ho_so_goc=MA)], id="HS14"),
    pytest.param("HS15", "KetQuaChuyen", {"MaHoSoGoc": MA, "TrangThai": 9, "KetQua": "DONG_Y", "ThoiDiemXuLy": B}, B,
                 [Returns(ket_qua="DONG_Y", trang_thai=9)], id="HS15"),
    pytest.param("HS16", "GiaHan", {"MaHoSo": MA, "NgayHenTraTruoc": C, "NgayHenTraMoi": D, "LyDo": "Chờ ý kiến", "NgayQuyetDinh": B}, B,
                 [Redates(ngay_hen_tra=D)], id="HS16"),
    pytest.param("HS17", "TraCuuHoSo", {"MaHoSo": MA}, None, [Asks(what="ho-so", key={"MaHoSo": MA})], id="HS17 by code"),
    pytest.param("HS17", "TraCuuHoSo", {"SoDinhDanh": "075990000002", "MaTTHC": "1.001193"}, None,
                 [Asks(what="ho-so", key={"MaTTHC": "1.001193"})], id="HS17 by person: no identity number in the effect"),
    pytest.param("HS17", "TraLoiTraCuu", {"SoKetQua": 0}, None, [Answers(what="ho-so")], id="HS17 answer"),
    pytest.param("HS18", "LayDanhMuc", {"TenDanhMuc": "DichVu", "NgayHieuLuc": date(2026, 1, 1)}, None,
                 [Asks(what="danh-muc", key={"TenDanhMuc": "DichVu", "NgayHieuLuc": "2026-01-01"})], id="HS18 ask"),
    pytest.param("HS18", "DanhMuc", {"TenDanhMuc": "DichVu", "PhienBanDanhMuc": "2026.1"}, None,
                 [Publishes(danh_muc="DichVu", phien_ban="2026.1")], id="HS18 publish"),
    pytest.param("HS19", "DoiSoat", {"KyTu": A, "KyDen": B, "MaDinhDanh": "H19.901"}, None,
                 [Asks(what="doi-soat", key={"KyTu": A.isoformat(), "KyDen": B.isoformat(), "MaDinhDanh": "H19.901"})], id="HS19 ask"),
    pytest.param("HS19", "KetQuaDoiSoat", {"KyTu": A, "KyDen": B, "MaDinhDanh": "H19.901", "SoHoSo": 2, "SoKhop": 2}, None,
                 [Answers(what="doi-soat")], id="HS19 answer"),
    pytest.param("HS20", "ThuHoiThongDiep", {"MaThongDiepGoc": GOC, "MaHoSo": MA, "LyDo": "Gửi nhầm"}, None,
                 [Recalls(ma_thong_diep_goc=GOC)], id="HS20"),
    pytest.param("HS21", "DanhGia", {"MaHoSo": MA, "Diem": 5, "NgayDanhGia": B}, B, [Notes(what="danh-gia", value="5")], id="HS21"),
]  # fmt: skip
ABOUT_NONE = {"BienNhan", "TraLoiTraCuu", "LayDanhMuc", "DanhMuc", "DoiSoat", "KetQuaDoiSoat"}


@pytest.mark.parametrize(("loai", "goc", "fields", "occurred_at", "effects"), EFFECTS)
def test_a_message_does_this_to_a_dossier(letter, header, loai, goc, fields, occurred_at, effects):
    of_a_dossier = goc not in ABOUT_NONE and "SoDinhDanh" not in fields
    read = letter(thong_diep(header(loai=loai, ma_ho_so=None), goc, fields))
    assert (read.content.occurred_at, list(read.content.effects)) == (occurred_at, effects)
    assert read.content.ma_ho_so == (MA if of_a_dossier else None)
    assert read.ma_ho_so == read.content.ma_ho_so


def test_every_kind_has_its_effects_shown_here(catalog):
    shown = {(p.values[0], p.values[1]) for p in EFFECTS}
    assert shown == {(kind.loai, kind.goc) for kind in catalog.kinds()}


def test_version_1_1_of_hs05_brings_a_reason_and_a_place(letter, header):
    fields = {
        "MaHoSo": MA,
        "NguoiXuLy": "A",
        "ThoiDiemXuLy": B,
        "TrangThai": 8,
        "LyDo": "Tranh chấp",
        "NoiXuLy": "H19.902.01",
    }
    content = letter(thong_diep(header(phien_ban="1.1"), "CapNhatTienDo", fields)).content
    assert (content.ly_do, content.noi_xu_ly) == ("Tranh chấp", "H19.902.01")
    assert content.effects[0].ly_do


def test_a_catalogue_entry_keeps_all_seventeen_items_and_more(letter, header):
    items = {name: f"nội dung {name}" for name in DICH_VU_ITEMS if name not in ("TenDichVu", "MucDo")}
    muc = {
        "Ma": "DV1",
        "Ten": "Khai sinh trực tuyến",
        "HieuLucTu": date(2026, 1, 1),
        "HieuLucDen": date(2026, 12, 31),
        "MaThayThe": "DV2",
    }
    order = ("LinhVuc", "MucDo", "TrinhTuThucHien", "CachThucThucHien", "ThanhPhanHoSo", "ThoiHanGiaiQuyet", "DoiTuongThucHien",
             "CoQuanThucHien", "KetQuaThucHien", "PhiLePhi", "MauDonToKhai", "YeuCauDieuKien", "CanCuPhapLy", "ThoiDiemSuDung",
             "ThongTinDangKy", "HuongDanSuDung")  # fmt: skip
    given = {**muc, "MaTTHC": "1.001193", **{name: {**items, "MucDo": "4"}[name] for name in order}}
    given["ThuocTinh"] = [{"TenThuocTinh": "GhiChuRieng", "GiaTri": "mở rộng"}]
    fields = {"TenDanhMuc": "DichVu", "PhienBanDanhMuc": "1", "DanhSachMuc": {"Muc": [given]}}
    (read,) = letter(thong_diep(header(loai="HS18", ma_ho_so=None), "DanhMuc", fields)).content.muc
    assert (read.ma, read.ten, read.hieu_luc_tu, read.hieu_luc_den, read.ma_thay_the) == (
        "DV1", "Khai sinh trực tuyến", date(2026, 1, 1), date(2026, 12, 31), "DV2",
    )  # fmt: skip
    assert dict(read.fields) == {"MaTTHC": "1.001193", **items, "MucDo": "4", "GhiChuRieng": "mở rộng"}


def test_a_transfer_carries_the_original_with_its_digest(letter, catalog, at):
    content = letter(fresh("HS14", at=at, size=Size.FULL, catalog=catalog)).content
    assert content.ban_goc.ma_dinh_kem.startswith("tep-")
    assert content.ho_so.ma_ho_so == content.ma_ho_so


def test_lists_of_a_query_and_a_reconciliation_are_read(letter, header):
    found = {
        "MaHoSo": MA,
        "TrangThaiHoSo": 4,
        "DanhSachTienDo": {"TienDo": [{"ThoiDiemXuLy": B, "TrangThai": 2}, {"ThoiDiemXuLy": B, "TrangThai": 4}]},
    }
    answer = letter(
        thong_diep(
            header(loai="HS17", ma_ho_so=None),
            "TraLoiTraCuu",
            {"SoKetQua": 1, "DanhSachHoSoTraCuu": {"HoSoTraCuu": [found]}},
        )
    )
    assert [(h.ma_ho_so, h.trang_thai, h.so_buoc) for h in answer.content.ho_so] == [(MA, 4, 2)]
    asked = {
        "KyTu": A,
        "KyDen": B,
        "MaDinhDanh": "H19.901",
        "DanhSachDoiSoat": {"DongDoiSoat": [{"MaHoSo": MA, "TrangThai": 4, "ThoiDiem": A}]},
    }
    rows = letter(thong_diep(header(loai="HS19", ma_ho_so=None), "DoiSoat", asked)).content.dong
    assert [(r.ma_ho_so, r.trang_thai, r.thoi_diem) for r in rows] == [(MA, 4, A)]
    differences = {
        "ChenhLech": [{"MaHoSo": MA, "LoaiLech": "KHAC_TRANG_THAI", "TrangThaiBenHoi": 4, "TrangThaiBenTraLoi": 9}]
    }
    told = {"KyTu": A, "KyDen": B, "MaDinhDanh": "H19.901", "SoHoSo": 1, "SoKhop": 0, "DanhSachChenhLech": differences}
    (row,) = letter(thong_diep(header(loai="HS19", ma_ho_so=None), "KetQuaDoiSoat", told)).content.chenh_lech
    assert (row.loai, row.ben_hoi, row.ben_tra_loi) == ("KHAC_TRANG_THAI", 4, 9)
