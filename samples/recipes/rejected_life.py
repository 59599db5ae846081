"""Rejected messages of the types after filing: HS04, HS06–HS10, HS12–HS21; each breaks one rule of its own schema or life."""

from __future__ import annotations

from recipes.envelopes import fill
from recipes.people import message_id, moment
from recipes.rejected_xsd import at, case
from recipes.sample import Expected, Sample
from recipes.xmltext import Edit, Node, add, all_of, drop, element, nil, put

Row = tuple[str, Edit, str, str, tuple[Expected, ...]]  # name, what is done, why (vi, en), what must be said
FUTURE = moment("2999-01-01")


def _all(loai: str, base: str, rows: list[Row]) -> list[Sample]:
    """Cases of one payload: named after the type."""
    return [case(f"{loai}-{name}", base, edit, vi, en, *expected) for name, edit, vi, en, expected in rows]


def _tu_choi() -> list[Sample]:
    n = "ThanPhan/TuChoiTiepNhan"
    return _all("HS04", "HS04-tu-choi-day-du", [
        ("XSD-010-thieu-ly-do", drop(f"{n}/LyDo"), "Từ chối mà không nêu lý do.", "A refusal without a reason.", (at("XSD-010", n),)),
        ("XSD-024-ly-do-rong", put(f"{n}/LyDo", ""), "Lý do để rỗng.", "The reason is empty.", (at("XSD-024", f"{n}/LyDo"),)),
        ("XSD-034-ly-do-toan-dau-cach", put(f"{n}/LyDo", " \t "), "Lý do chỉ gồm dấu cách.", "The reason is all white space.", (at("XSD-034", f"{n}/LyDo"),)),
        ("XSD-023-ly-do-20001", put(f"{n}/LyDo", fill(20001)), "Lý do 20001 ký tự.", "A reason of 20001 characters.", (at("XSD-023", f"{n}/LyDo"),)),
        ("XSD-123-van-ban-khong-kem", drop("DanhSachDinhKem"), "Văn bản từ chối không kèm theo.", "The document of refusal is not there.", (at("XSD-123", f"{n}/VanBan/MaDinhKem"),)),
        ("XSD-132-tuong-lai", put(f"{n}/NgayTuChoi", FUTURE), "Từ chối ở tương lai.", "Refused in the future.", (at("XSD-132", f"{n}/NgayTuChoi"),)),
        ("XSD-025-ngay-ban-hanh", put(f"{n}/VanBan/NgayBanHanh", "2027-02-29"), "Văn bản ban hành ngày không có thật.", "Issued on a day that does not exist.", (at("XSD-025", f"{n}/VanBan/NgayBanHanh"),)),
    ])  # fmt: skip


def _bo_sung() -> list[Sample]:
    n, m, k = "ThanPhan/YeuCauBoSung", "ThanPhan/NopBoSung", "ThanPhan/XacNhanBoSung"
    paper = f"{n}/DanhSachGiayToBoSung/GiayToBoSung"
    return [
        *_all("HS06", "HS06-yeu-cau-bo-sung-day-du", [
            ("XSD-010-thieu-thoi-han", drop(f"{n}/ThoiHanBoSung"), "Không nêu thời hạn bổ sung.", "No time limit for the supplement.", (at("XSD-010", n),)),
            ("XSD-010-thieu-noi-dung", drop(f"{n}/NoiDungBoSung"), "Không nêu phải bổ sung gì.", "Does not say what is missing.", (at("XSD-010", n),)),
            ("XSD-010-giay-to-khong-ten", drop(f"{paper}/TenGiayTo"), "Một giấy tờ không có tên.", "A paper without a name.", (at("XSD-010", paper),)),
            ("XSD-025-thoi-han-co-gio", put(f"{n}/ThoiHanBoSung", "2026-02-15T17:00:00+07:00"), "Thời hạn là ngày, không kèm giờ.", "The limit is a date, not a moment.", (at("XSD-025", f"{n}/ThoiHanBoSung"),)),
            ("XSD-020-so-lan-bang-chu", put(f"{n}/HoSoBoSungId", "một"), "Số lần bổ sung viết bằng chữ.", "The supplement's number in words.", (at("XSD-020", f"{n}/HoSoBoSungId"),)),
            ("XSD-027-phi-am", put(f"{n}/DanhSachLePhiBoSung/LePhiBoSung/Gia", "-1"), "Phí bổ sung âm.", "A negative fee.", (at("XSD-027", f"{n}/DanhSachLePhiBoSung/LePhiBoSung/Gia"),)),
            ("XSD-132-tuong-lai", put(f"{n}/NgayBoSung", FUTURE), "Yêu cầu ở tương lai.", "Asked in the future.", (at("XSD-132", f"{n}/NgayBoSung"),)),
        ]),
        *_all("HS07", "HS07-nop-bo-sung-day-du", [
            ("XSD-010-thieu-lan", drop(f"{m}/HoSoBoSungId"), "Không nêu bổ sung cho yêu cầu nào.", "Does not say which request it answers.", (at("XSD-010", m),)),
            ("XSD-010-thieu-ngay", drop(f"{m}/NgayNop"), "Không nêu ngày nộp.", "No date.", (at("XSD-010", m),)),
            ("XSD-026-thieu-mui-gio", put(f"{m}/NgayNop", "2026-01-17T09:00:00"), "Ngày nộp thiếu múi giờ.", "The moment lacks its offset.", (at("XSD-026", f"{m}/NgayNop"),)),
            ("XSD-021-duong-dan-file", put(f"{m}/DanhSachTaiLieuNop/TaiLieuNop/DuongDanTaiTepTin", "file:///C:/can-cuoc.pdf"), "Đường dẫn tệp trên máy người gửi.", "A path on the sender's own machine.", (at("XSD-021", f"{m}/DanhSachTaiLieuNop/TaiLieuNop/DuongDanTaiTepTin"),)),
            ("XSD-022-duoc-so-hoa-2", put(f"{m}/DanhSachTaiLieuNop/TaiLieuNop/DuocSoHoa", "2"), "DuocSoHoa chỉ là 0 hoặc 1.", "DuocSoHoa is 0 or 1.", (at("XSD-022", f"{m}/DanhSachTaiLieuNop/TaiLieuNop/DuocSoHoa"),)),
            ("XSD-123-thieu-tep", drop("DanhSachDinhKem"), "Tài liệu trỏ tới tệp không kèm theo.", "A paper points to a file that is not there.", (at("XSD-123", f"{m}/DanhSachTaiLieuNop/TaiLieuNop/MaDinhKem"),)),
            ("XSD-132-tuong-lai", put(f"{m}/NgayNop", FUTURE), "Nộp ở tương lai.", "Supplied in the future.", (at("XSD-132", f"{m}/NgayNop"),)),
        ]),
        *_all("HS08", "HS08-xac-nhan-bo-sung-day-du", [
            ("XSD-010-thieu-ngay", drop(f"{k}/NgayTiepNhanBoSung"), "Không nêu ngày nhận bổ sung.", "No date of receipt.", (at("XSD-010", k),)),
            ("XSD-131-hen-moi-truoc-hen-cu", put(f"{k}/NgayHenTraMoi", moment("2026-01-18")), "Hẹn mới sớm hơn hẹn cũ.", "The new appointment is earlier than the old.", (at("XSD-131", f"{k}/NgayHenTraMoi"),)),
            ("XSD-032-trong-khong-ly-do", nil(f"{k}/NgayHenTraMoi", None), "Để trống hẹn mới mà không nêu lý do.", "Absent without a reason.", (at("XSD-032", f"{k}/NgayHenTraMoi"),)),
            ("XSD-025-14-chu-so", put(f"{k}/NgayTiepNhanBoSung", "20260117100000"), "Ngày giờ kiểu yyyyMMddHHmmss.", "A moment in the form yyyyMMddHHmmss.", (at("XSD-025", f"{k}/NgayTiepNhanBoSung"),)),
            ("XSD-017-hai-hen", add(k, element("NgayHenTraMoi", moment("2026-01-23"), "hs")), "Hai ngày hẹn mới.", "Two new appointments.", (at("XSD-017", f"{k}/NgayHenTraMoi[2]"),)),
            ("XSD-132-tuong-lai", put(f"{k}/NgayTiepNhanBoSung", FUTURE), "Nhận bổ sung ở tương lai.", "Received in the future.", (at("XSD-132", f"{k}/NgayTiepNhanBoSung"),)),
        ]),
    ]  # fmt: skip


def _thanh_toan() -> list[Sample]:
    n, m = "ThanPhan/YeuCauThanhToan", "ThanPhan/KetQuaThanhToan"
    return [
        *_all("HS09", "HS09-yeu-cau-thanh-toan-day-du", [
            ("XSD-134-tong-sai", put(f"{n}/TongTien", "200000"), "Tổng tiền không bằng tổng các khoản.", "The total is not the sum of the fees.", (at("XSD-134", f"{n}/TongTien"),)),
            ("XSD-027-gia-am", all_of(put(f"{n}/DanhSachLePhi/LePhi/Gia", "-1"), drop(f"{n}/TongTien")), "Khoản tiền âm.", "A negative amount.", (at("XSD-027", f"{n}/DanhSachLePhi/LePhi/Gia"),)),
            ("XSD-010-khong-khoan-nao", drop(f"{n}/DanhSachLePhi"), "Không có khoản nào.", "No fee at all.", (at("XSD-010", n),)),
            ("XSD-010-thieu-so-quyet-dinh", drop(f"{n}/NghiaVuThue/SoQD"), "Nghĩa vụ thuế không có số quyết định.", "A tax duty without its decision.", (at("XSD-010", f"{n}/NghiaVuThue"),)),
            ("XSD-022-hinh-thuc-thu-3", put(f"{n}/DanhSachLePhi/LePhi/HinhThucThu", "3"), "Hình thức thu ngoài bảng mã.", "HinhThucThu is not in its list.", (at("XSD-022", f"{n}/DanhSachLePhi/LePhi/HinhThucThu"),)),
            ("XSD-020-gia-co-dau-cham", put(f"{n}/DanhSachLePhi/LePhi/Gia", "200.000 đồng"), "Số tiền viết kèm đơn vị.", "An amount written with its unit.", (at("XSD-020", f"{n}/DanhSachLePhi/LePhi/Gia"),)),
            ("XSD-023-noi-dung-1001", put(f"{n}/NoiDungThanhToan", fill(1001)), "Nội dung thanh toán 1001 ký tự.", "A text of 1001 characters.", (at("XSD-023", f"{n}/NoiDungThanhToan"),)),
        ]),
        *_all("HS10", "HS10-ket-qua-thanh-toan-day-du", [
            ("XSD-010-thieu-ma-tra-cuu", drop(f"{m}/MaTraCuuTT"), "Không có mã tra cứu.", "No code of the payment.", (at("XSD-010", m),)),
            ("XSD-022-trang-thai-2", put(f"{m}/TrangThaiThanhToan", "2"), "Trạng thái thanh toán ngoài bảng mã.", "The state is not in its list.", (at("XSD-022", f"{m}/TrangThaiThanhToan"),)),
            ("XSD-027-so-tien-am", put(f"{m}/SoTien", "-230000"), "Số tiền âm.", "A negative amount.", (at("XSD-027", f"{m}/SoTien"),)),
            ("XSD-022-kenh-9", put(f"{m}/KenhThanhToan", "9"), "Kênh thanh toán ngoài bảng mã.", "The channel is not in its list.", (at("XSD-022", f"{m}/KenhThanhToan"),)),
            ("XSD-132-tuong-lai", put(f"{m}/ThoiGianThanhToan", FUTURE), "Trả tiền ở tương lai.", "Paid in the future.", (at("XSD-132", f"{m}/ThoiGianThanhToan"),)),
            ("XSD-123-thieu-bien-lai", drop("DanhSachDinhKem"), "Biên lai không kèm theo.", "The receipt is not there.", (at("XSD-123", f"{m}/BienLai/MaDinhKem"),)),
            ("XSD-021-ma-tra-cuu-co-dau-cach", put(f"{m}/MaTraCuuTT", "TT 2026 0002"), "Mã tra cứu có dấu cách.", "A code with spaces.", (at("XSD-021", f"{m}/MaTraCuuTT"),)),
        ]),
    ]  # fmt: skip


def _rut_va_dung() -> list[Sample]:
    n, m, d, t = "ThanPhan/RutHoSo", "ThanPhan/DongYRutHoSo", "ThanPhan/DungXuLy", "ThanPhan/TiepTucXuLy"
    return [
        *_all("HS12", "HS12-rut-ho-so-day-du", [
            ("XSD-010-rut-khong-ly-do", drop(f"{n}/LyDo"), "Xin rút mà không nêu lý do.", "A withdrawal without a reason.", (at("XSD-010", n),)),
            ("XSD-023-ly-do-2001", put(f"{n}/LyDo", fill(2001)), "Lý do 2001 ký tự.", "A reason of 2001 characters.", (at("XSD-023", f"{n}/LyDo"),)),
            ("XSD-132-tuong-lai", put(f"{n}/NgayYeuCau", FUTURE), "Xin rút ở tương lai.", "Asked in the future.", (at("XSD-132", f"{n}/NgayYeuCau"),)),
        ]),
        *_all("HS12", "HS12-dong-y-rut-day-du", [
            ("XSD-022-quyet-dinh-la", put(f"{m}/KetQua", "CHAP_THUAN"), "Quyết định ngoài bảng mã.", "The decision is not in its list.", (at("XSD-022", f"{m}/KetQua"),)),
            ("XSD-133-khong-dong-y-khong-ly-do", all_of(put(f"{m}/KetQua", "KHONG_DONG_Y"), drop(f"{m}/LyDo")), "Không đồng ý mà không nêu lý do.", "Refused without a reason.", (at("XSD-133", f"{m}/KetQua"),)),
            ("XSD-010-thieu-ket-qua", drop(f"{m}/KetQua"), "Không nêu quyết định.", "No decision.", (at("XSD-010", m),)),
            ("XSD-025-ngay-quyet-dinh", put(f"{m}/NgayQuyetDinh", "17/01/2026"), "Ngày quyết định viết kiểu 17/01/2026.", "A date written 17/01/2026.", (at("XSD-025", f"{m}/NgayQuyetDinh"),)),
        ]),
        *_all("HS13", "HS13-dung-xu-ly-day-du", [
            ("XSD-010-dung-khong-ly-do", drop(f"{d}/LyDo"), "Dừng mà không nêu lý do.", "Stopped without a reason.", (at("XSD-010", d),)),
            ("XSD-034-ly-do-toan-dau-cach", put(f"{d}/LyDo", "   "), "Lý do chỉ gồm dấu cách.", "The reason is all white space.", (at("XSD-034", f"{d}/LyDo"),)),
            ("XSD-132-tuong-lai", put(f"{d}/NgayDung", FUTURE), "Dừng ở tương lai.", "Stopped in the future.", (at("XSD-132", f"{d}/NgayDung"),)),
            ("XSD-122-van-ban-bi-thay", put("DanhSachDinhKem/DinhKem/BamSHA256", "0" * 64), "Giá trị băm của văn bản sai.", "The document's digest is wrong.", (at("XSD-122", "DanhSachDinhKem/DinhKem/BamSHA256"),)),
        ]),
        *_all("HS13", "HS13-tiep-tuc-day-du", [
            ("XSD-010-thieu-ngay-tiep-tuc", drop(f"{t}/NgayTiepTuc"), "Không nêu ngày tiếp tục.", "No date.", (at("XSD-010", t),)),
            ("XSD-026-thieu-mui-gio", put(f"{t}/NgayHenTraMoi", "2026-01-30T17:00:00"), "Ngày hẹn thiếu múi giờ.", "The appointment lacks its offset.", (at("XSD-026", f"{t}/NgayHenTraMoi"),)),
            ("XSD-132-tiep-tuc-tuong-lai", put(f"{t}/NgayTiepTuc", FUTURE), "Tiếp tục ở tương lai.", "Went on in the future.", (at("XSD-132", f"{t}/NgayTiepTuc"),)),
        ]),
    ]  # fmt: skip


def _lien_thong() -> list[Sample]:
    n, m, g = "ThanPhan/ChuyenHoSo", "ThanPhan/KetQuaChuyen", "ThanPhan/GiaHan"
    return [
        *_all("HS14", "HS14-chuyen-ho-so-day-du", [
            ("XSD-139-ban-goc-khac", put(f"{n}/BanGoc/BamNoiDung", "0" * 64), "Giá trị băm không phải của bản gốc kèm theo.", "The digest is not that of the original that comes with it.", (at("XSD-139", f"{n}/BanGoc"),)),
            ("XSD-123-thieu-ban-goc", drop("DanhSachDinhKem"), "Bản gốc không kèm theo.", "The original is not there.", (at("XSD-123", f"{n}/BanGoc/MaDinhKem"),)),
            ("XSD-010-thieu-noi-dung", drop(f"{n}/NoiDungXuLy"), "Không nêu việc nhờ xử lý.", "Does not say what is asked.", (at("XSD-010", n),)),
            ("XSD-021-don-vi-nhan", put(f"{n}/DonViNhan", "Sở Xây dựng"), "Đơn vị nhận viết bằng tên.", "The receiver written by name.", (at("XSD-021", f"{n}/DonViNhan"),)),
            ("XSD-130-thieu-ngay-tiep-nhan", drop(f"{n}/HoSo/NgayTiepNhan"), "Hồ sơ ở trạng thái 4 mà không có ngày tiếp nhận.", "A dossier in state 4 without its receipt.", (at("XSD-130", f"{n}/HoSo"),)),
            ("XSD-102-hai-ma-ho-so", put("MaHoSo", "H19.901-260115-0999"), "Phong bì và thân nói hai hồ sơ.", "Envelope and payload name two dossiers.", (at("XSD-102", "MaHoSo"),)),
            ("XSD-010-thieu-ma-tthc", drop(f"{n}/HoSo/MaTTHC"), "Bản sao hồ sơ thiếu mã thủ tục.", "The copy lacks its procedure.", (at("XSD-010", f"{n}/HoSo"),)),
        ]),
        *_all("HS15", "HS15-ket-qua-chuyen-day-du", [
            ("XSD-010-thieu-ma-goc", drop(f"{m}/MaHoSoGoc"), "Không nêu hồ sơ gốc.", "Does not name the dossier.", (at("XSD-010", m),)),
            ("XSD-022-ket-qua-la", put(f"{m}/KetQua", "OK"), "Kết quả ngoài bảng mã.", "The result is not in its list.", (at("XSD-022", f"{m}/KetQua"),)),
            ("XSD-022-trang-thai-0", put(f"{m}/TrangThai", "0"), "Không có trạng thái 0.", "There is no state 0.", (at("XSD-022", f"{m}/TrangThai"),)),
            ("XSD-101-ngay-khong-co-that", all_of(put(f"{m}/MaHoSoGoc", "H19.901-260230-0002"), drop("MaHoSo")), "Ngày trong mã hồ sơ không có thật.", "The date inside the code does not exist.", (at("XSD-101", f"{m}/MaHoSoGoc"),)),
            ("XSD-010-giay-to-khong-ten", drop(f"{m}/DanhSachGiayToKetQua/GiayToKetQua/TenGiayTo"), "Giấy tờ không có tên.", "A paper without a name.", (at("XSD-010", f"{m}/DanhSachGiayToKetQua/GiayToKetQua"),)),
            ("XSD-132-tuong-lai", put(f"{m}/ThoiDiemXuLy", FUTURE), "Xử lý ở tương lai.", "Done in the future.", (at("XSD-132", f"{m}/ThoiDiemXuLy"),)),
        ]),
        *_all("HS16", "HS16-gia-han-day-du", [
            ("XSD-131-hen-moi-truoc-hen-cu", put(f"{g}/NgayHenTraMoi", moment("2026-01-01")), "Gia hạn về trước.", "The new appointment is earlier than the old.", (at("XSD-131", f"{g}/NgayHenTraMoi"),)),
            ("XSD-010-thieu-ly-do", drop(f"{g}/LyDo"), "Gia hạn mà không nêu lý do.", "Without a reason.", (at("XSD-010", g),)),
            ("XSD-010-thieu-hen-cu", drop(f"{g}/NgayHenTraTruoc"), "Không nêu hẹn cũ.", "The old appointment is missing.", (at("XSD-010", g),)),
            ("XSD-025-30-02", put(f"{g}/NgayHenTraMoi", "2026-02-30T17:00:00+07:00"), "Hẹn vào ngày 30/02.", "An appointment on 30 February.", (at("XSD-025", f"{g}/NgayHenTraMoi"),)),
            ("XSD-024-so-van-ban-rong", put(f"{g}/SoVanBanXinLoi", ""), "Số văn bản xin lỗi để rỗng.", "The number of the apology is empty.", (at("XSD-024", f"{g}/SoVanBanXinLoi"),)),
            ("XSD-132-quyet-dinh-tuong-lai", put(f"{g}/NgayQuyetDinh", FUTURE), "Quyết định ở tương lai.", "Decided in the future.", (at("XSD-132", f"{g}/NgayQuyetDinh"),)),
        ]),
    ]  # fmt: skip


def _hoi_dap() -> list[Sample]:
    q, a = "ThanPhan/TraCuuHoSo", "ThanPhan/TraLoiTraCuu"
    lay, dm = "ThanPhan/LayDanhMuc", "ThanPhan/DanhMuc"
    ds, kq = "ThanPhan/DoiSoat", "ThanPhan/KetQuaDoiSoat"
    row = f"{a}/DanhSachHoSoTraCuu/HoSoTraCuu"
    return [
        *_all("HS17", "HS17-tra-cuu-day-du", [
            ("XSD-010-thieu-thu-tuc", drop(f"{q}/MaTTHC"), "Hỏi theo người mà không nêu thủ tục.", "Asks by person without a procedure.", (at("XSD-010", q),)),
            ("XSD-021-so-dinh-danh-ngan", put(f"{q}/SoDinhDanh", "0759"), "Số định danh quá ngắn.", "An identity number that is too short.", (at("XSD-021", f"{q}/SoDinhDanh"),)),
            ("XSD-021-ma-tthc", put(f"{q}/MaTTHC", "1001612"), "Mã thủ tục sai mẫu.", "A procedure code of the wrong form.", (at("XSD-021", f"{q}/MaTTHC"),)),
            ("XSD-137-so-dinh-danh-gia", put(f"{q}/SoDinhDanh", "000000001"), "Số định danh điền cho có.", "A filler identity number.", (at("XSD-137", f"{q}/SoDinhDanh"),)),
        ]),
        *_all("HS17", "HS17-tra-loi-tra-cuu-day-du", [
            ("XSD-027-so-ket-qua-am", put(f"{a}/SoKetQua", "-1"), "Số kết quả âm.", "A negative count.", (at("XSD-027", f"{a}/SoKetQua"),)),
            ("XSD-010-thieu-trang-thai", drop(f"{row}/TrangThaiHoSo"), "Hồ sơ không có trạng thái.", "A dossier without its state.", (at("XSD-010", row),)),
            ("XSD-010-buoc-khong-thoi-diem", drop(f"{row}/DanhSachTienDo/TienDo/ThoiDiemXuLy"), "Một bước không có thời điểm.", "A step without its moment.", (at("XSD-010", f"{row}/DanhSachTienDo/TienDo"),)),
        ]),
        *_all("HS18", "HS18-lay-danh-muc-day-du", [
            ("XSD-022-danh-muc-la", put(f"{lay}/TenDanhMuc", "MuaSam"), "Danh mục không có.", "There is no such catalogue.", (at("XSD-022", f"{lay}/TenDanhMuc"),)),
            ("XSD-025-ngay-hieu-luc", put(f"{lay}/NgayHieuLuc", "2026-13-01"), "Tháng 13.", "Month 13.", (at("XSD-025", f"{lay}/NgayHieuLuc"),)),
        ]),
        *_all("HS18", "HS18-danh-muc-day-du", [
            ("XSD-010-thieu-phien-ban", drop(f"{dm}/PhienBanDanhMuc"), "Danh mục không có phiên bản.", "A catalogue without its version.", (at("XSD-010", dm),)),
            ("XSD-010-muc-khong-ten", drop(f"{dm}/DanhSachMuc/Muc[2]/Ten"), "Một mục không có tên.", "An entry without a name.", (at("XSD-010", f"{dm}/DanhSachMuc/Muc[2]"),)),
            ("XSD-131-het-truoc-khi-bat-dau", put(f"{dm}/DanhSachMuc/Muc/HieuLucDen", "2025-01-01"), "Hết hiệu lực trước khi có hiệu lực.", "Ends before it begins.", (at("XSD-131", f"{dm}/DanhSachMuc/Muc/HieuLucDen"),)),
            ("XSD-022-muc-do-5", put(f"{dm}/DanhSachMuc/Muc/MucDo", "5"), "Không có mức độ 5.", "There is no level 5.", (at("XSD-022", f"{dm}/DanhSachMuc/Muc/MucDo"),)),
        ]),
        *_all("HS19", "HS19-doi-soat-day-du", [
            ("XSD-131-ky-nguoc", put(f"{ds}/KyDen", moment("2025-12-31")), "Kỳ kết thúc trước khi bắt đầu.", "The period ends before it begins.", (at("XSD-131", f"{ds}/KyDen"),)),
            ("XSD-010-thieu-ma-dinh-danh", drop(f"{ds}/MaDinhDanh"), "Không nêu hồ sơ của cơ quan nào.", "Does not say whose dossiers.", (at("XSD-010", ds),)),
            ("XSD-021-bam-ngan", put(f"{ds}/DanhSachDoiSoat/DongDoiSoat/BamNoiDung", "abc"), "Giá trị băm quá ngắn.", "A digest that is too short.", (at("XSD-021", f"{ds}/DanhSachDoiSoat/DongDoiSoat/BamNoiDung"),)),
        ]),
        *_all("HS19", "HS19-ket-qua-doi-soat-day-du", [
            ("XSD-022-loai-lech-la", put(f"{kq}/DanhSachChenhLech/ChenhLech/LoaiLech", "KHAC"), "Loại lệch ngoài bảng mã.", "The kind of difference is not in its list.", (at("XSD-022", f"{kq}/DanhSachChenhLech/ChenhLech/LoaiLech"),)),
            ("XSD-010-thieu-so-khop", drop(f"{kq}/SoKhop"), "Không nêu số hồ sơ khớp.", "Does not say how many agree.", (at("XSD-010", kq),)),
            ("XSD-022-trang-thai-11", put(f"{kq}/DanhSachChenhLech/ChenhLech/TrangThaiBenHoi", "11"), "Không có trạng thái 11.", "There is no state 11.", (at("XSD-022", f"{kq}/DanhSachChenhLech/ChenhLech/TrangThaiBenHoi"),)),
        ]),
    ]  # fmt: skip


def _thu_hoi_va_danh_gia() -> list[Sample]:
    n, g = "ThanPhan/ThuHoiThongDiep", "ThanPhan/DanhGia"
    return [
        *_all("HS20", "HS20-thu-hoi-day-du", [
            ("XSD-010-thieu-ma-goc", drop(f"{n}/MaThongDiepGoc"), "Không nêu thu hồi thông điệp nào.", "Does not say which message.", (at("XSD-010", n),)),
            ("XSD-021-ma-goc-khong-phai-uuid", put(f"{n}/MaThongDiepGoc", "HS16/2026"), "Mã gốc không phải UUID.", "The id is no UUID.", (at("XSD-021", f"{n}/MaThongDiepGoc"),)),
            ("XSD-010-thieu-ly-do", drop(f"{n}/LyDo"), "Thu hồi mà không nêu lý do.", "Without a reason.", (at("XSD-010", n),)),
            ("XSD-024-ly-do-rong", put(f"{n}/LyDo", ""), "Lý do để rỗng.", "The reason is empty.", (at("XSD-024", f"{n}/LyDo"),)),
            ("XSD-102-hai-ma-ho-so", put("MaHoSo", "H19.901-260115-0999"), "Phong bì và thân nói hai hồ sơ.", "Envelope and payload name two dossiers.", (at("XSD-102", "MaHoSo"),)),
            ("XSD-109-hai-ma-goc", _answers(message_id("mot-thong-diep-khac")), "Phong bì và thân nói hai thông điệp.", "Envelope and payload name two messages.", (at("XSD-109", f"{n}/MaThongDiepGoc"),)),
        ]),
        *_all("HS21", "HS21-danh-gia-day-du", [
            ("XSD-027-diem-0", put(f"{g}/Diem", "0"), "Điểm 0; thang điểm từ 1 đến 5.", "Score 0; the scale is 1 to 5.", (at("XSD-027", f"{g}/Diem"),)),
            ("XSD-027-diem-6", put(f"{g}/Diem", "6"), "Điểm 6.", "Score 6.", (at("XSD-027", f"{g}/Diem"),)),
            ("XSD-020-diem-bang-chu", put(f"{g}/Diem", "tốt"), "Điểm viết bằng chữ.", "A score in words.", (at("XSD-020", f"{g}/Diem"),)),
            ("XSD-010-thieu-diem", drop(f"{g}/Diem"), "Không có điểm.", "No score.", (at("XSD-010", g),)),
            ("XSD-023-noi-dung-4001", put(f"{g}/NoiDung", fill(4001)), "Nội dung 4001 ký tự.", "A text of 4001 characters.", (at("XSD-023", f"{g}/NoiDung"),)),
            ("XSD-030-noi-dung-trong", nil(f"{g}/NoiDung", None, "tốt"), "xsi:nil ở trường không cho để trống.", "xsi:nil where it is not allowed.", (at("XSD-030", f"{g}/NoiDung"),)),
        ]),
    ]  # fmt: skip


def _answers(other: str) -> Edit:
    """A MaThongDiepGoc in the envelope."""

    def edit(made: Node) -> None:
        place = [child.local for child in made.children].index("DanhSachNoiNhan") + 1
        made.children.insert(place, element("MaThongDiepGoc", other, "lt"))

    return edit


def rejected_life() -> list[Sample]:
    """All of them."""
    return [
        *_tu_choi(),
        *_bo_sung(),
        *_thanh_toan(),
        *_rut_va_dung(),
        *_lien_thong(),
        *_hoi_dap(),
        *_thu_hoi_va_danh_gia(),
    ]
