"""Whole lives of dossiers: the messages in order of arrival, and what must have come of them.

What is expected is written down here by hand from the rules of docs/en/states.md, never taken from the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recipes import payloads as p
from recipes import payloads_life as life
from recipes.envelopes import envelope
from recipes.people import PORTAL, TU_PHAP, XA, XA_2, XAY_DUNG, Office, attachment, moment, pdf
from recipes.sample import ACCEPTED, Expected, Sample
from recipes.xmltext import Node, Value


@dataclass(frozen=True)
class Line:
    """One line of the timeline: what one effect of a message came to when the whole life is read."""

    at: str
    reading: str  # applied, same, noted, waiting, late
    before: int | None
    after: int


@dataclass(frozen=True)
class Step:
    """One message of a life."""

    what: str  # part of the file's name
    loai: str
    goc: str
    payload: p.Payload
    sender: Office
    to: Sequence[Office]
    at: str
    lines: Sequence[Line]
    state: int  # of the dossier once this message has been taken
    files: Sequence[Value] = ()
    thu_tu: int | None = None
    problems: Sequence[Expected] = ()


@dataclass(frozen=True)
class Journey:
    """A life and its expected end."""

    name: str
    title_vi: str
    title_en: str
    ma_ho_so: str
    ma_tthc: str
    steps: Sequence[Step]
    dossier: Mapping[str, object]  # fields of the dossier as GET /v1/dossiers gives them
    statistics: Mapping[str, int]  # counts that are not 0
    hours: Mapping[int, float] = field(default_factory=dict)  # mean hours in the states that were left
    payments: Sequence[Mapping[str, str]] = ()
    transfers: Sequence[Mapping[str, object]] = ()


def day(number: int, clock: str = "09:00:00") -> str:
    """A moment of February 2026."""
    return moment(f"2026-02-{number:02d}", clock)


def filed(ma: str, tthc: str, ten: str, agency: Office, *, level: str = "2", day_: int = 2) -> Step:
    """HS01, online."""
    payload = dict(p.nop_ho_so(p.SMALL, ma, f"2026-02-{day_:02d}"))
    payload |= {"MaTTHC": tthc, "TenTTHC": ten, "MaLinhVuc": "LV-01", "TenLinhVuc": "Lĩnh vực thử nghiệm"}
    payload["KenhThucHien"] = level
    at = day(day_, "08:16:00")
    return Step("nop-ho-so", "HS01", "NopHoSo", payload, PORTAL, [agency], at, [Line(at, "applied", None, 1)], 1)


def received(ma: str, agency: Office, due: str, *, thu_tu: int | None = None, day_: int = 2) -> Step:
    """HS03."""
    at = day(day_)
    payload: p.Payload = {
        "MaHoSo": ma,
        "NgayTiepNhan": at,
        "NgayHenTra": due,
        "CanBoTiepNhan": "Phạm Nguyễn Quỳnh Như",
        "DonViXuLy": agency.ten,
    }
    return Step(
        "tiep-nhan", "HS03", "TiepNhanHoSo", payload, agency, [PORTAL], day(day_, "09:01:00"),
        [Line(at, "applied", 1, 2)], 2, thu_tu=thu_tu,
    )  # fmt: skip


def progress(
    ma: str, agency: Office, at: str, before: int, to: int, *, thu_tu: int | None = None, state: int | None = None,
    problems: Sequence[Expected] = (),
) -> Step:  # fmt: skip
    """HS05."""
    payload = dict(p.tien_do(p.SMALL, ma, at, str(to)))
    if thu_tu is not None:
        payload["ThuTu"] = str(thu_tu)
    return Step(
        f"trang-thai-{to}", "HS05", "CapNhatTienDo", payload, agency, [PORTAL], at, [Line(at, "applied", before, to)],
        state if state is not None else to, thu_tu=thu_tu, problems=problems,
    )  # fmt: skip


def result(
    ma: str, agency: Office, done: str, handed: str, *, before: int = 4, by_post: bool = False,
) -> Step:  # fmt: skip
    """HS11 with a paper."""
    data = pdf(f"Ket qua {ma}")
    payload: p.Payload = {
        "MaHoSo": ma,
        "NgayKetThucXuLy": done,
        "NgayTra": handed,
        "DanhSachGiayToKetQua": {
            "GiayToKetQua": [{"TenGiayTo": "Giấy tờ kết quả", "SoKyHieu": "1/KQ", "MaDinhKem": "ket-qua"}]
        },
        "HinhThuc": "1" if by_post else "0",
    }
    return Step(
        "tra-ket-qua", "HS11", "TraKetQua", payload, agency, [PORTAL], handed,
        [Line(done, "applied", before, 9), Line(handed, "applied", 9, 10)], 10,
        files=[attachment("ket-qua", "ket-qua.pdf", "application/pdf", data)],
    )  # fmt: skip


def _muc_do_3() -> Journey:
    ma, tthc = "H19.901-260202-0001", "2.000488"
    return Journey(
        name="muc-do-3",
        title_vi="Mức độ 3: nộp trực tuyến, nhận kết quả trực tiếp",
        title_en="Level 3: filed online, result handed over at the desk",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Cấp phiếu lý lịch tư pháp", TU_PHAP),
            received(ma, TU_PHAP, day(13, "17:00:00")),
            progress(ma, TU_PHAP, day(2, "14:00:00"), 2, 4),
            result(ma, TU_PHAP, day(12, "10:00:00"), day(13, "10:00:00")),
            Step(
                "danh-gia", "HS21", "DanhGia", {"MaHoSo": ma, "Diem": "5", "NgayDanhGia": day(13, "11:00:00")},
                PORTAL, [TU_PHAP], day(13, "11:00:05"), [Line(day(13, "11:00:00"), "noted", 10, 10)], 10,
            ),
        ],
        dossier={
            "TrangThai": 10, "NgayTiepNhan": day(2), "NgayHenTra": day(13, "17:00:00"),
            "NgayKetThucXuLy": day(12, "10:00:00"), "NgayTra": day(13, "10:00:00"), "SoLanBoSung": 0, "DaRut": False,
        },
        statistics={
            "filed": 1, "online": 1, "received": 1, "finished": 1, "delivered": 1, "early": 1, "events": 5,
            "rated": 1, "diem_5": 1,
        },
        hours={1: 0.73, 2: 5.0, 4: 236.0, 9: 24.0},
    )  # fmt: skip


def _muc_do_4() -> Journey:
    ma, tthc = "H19.901-260202-0002", "1.001612"
    owed: p.Payload = {
        "MaHoSo": ma,
        "MaYeuCauThanhToan": "YC-0002",
        "DanhSachLePhi": {"LePhi": [{"TenPhiLePhi": "Lệ phí đăng ký hộ kinh doanh", "Gia": "100000"}]},
        "TongTien": "100000",
        "NoiDungThanhToan": f"Lệ phí hồ sơ {ma}",
        "HanNop": day(10, "17:00:00"),
    }
    paid: p.Payload = {
        "MaHoSo": ma,
        "MaYeuCauThanhToan": "YC-0002",
        "MaTraCuuTT": "TT-0002",
        "SoTien": "100000",
        "ThoiGianThanhToan": day(4, "10:00:00"),
        "TrangThaiThanhToan": "1",
        "KenhThanhToan": "1",
    }
    return Journey(
        name="muc-do-4-co-thanh-toan",
        title_vi="Mức độ 4: nộp trực tuyến, nộp lệ phí trực tuyến, trả qua bưu chính",
        title_en="Level 4: filed online, fee paid online, result by post",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Đăng ký thành lập hộ kinh doanh", TU_PHAP),
            received(ma, TU_PHAP, day(9, "17:00:00")),
            progress(ma, TU_PHAP, day(2, "14:00:00"), 2, 4, thu_tu=1),
            progress(ma, TU_PHAP, day(4, "08:00:00"), 4, 6, thu_tu=2),
            Step(
                "yeu-cau-thanh-toan", "HS09", "YeuCauThanhToan", owed, TU_PHAP, [PORTAL], day(4, "08:05:00"),
                [Line(day(4, "08:05:00"), "noted", 6, 6)], 6,
            ),
            Step(
                "ket-qua-thanh-toan", "HS10", "KetQuaThanhToan", paid, PORTAL, [TU_PHAP], day(4, "10:00:05"),
                [Line(day(4, "10:00:00"), "noted", 6, 6)], 6,
            ),
            progress(ma, TU_PHAP, day(4, "10:30:00"), 6, 4, thu_tu=3),
            result(ma, TU_PHAP, day(6, "10:00:00"), day(9, "08:00:00"), by_post=True),
        ],
        dossier={
            "TrangThai": 10, "NgayTiepNhan": day(2), "NgayHenTra": day(9, "17:00:00"),
            "NgayKetThucXuLy": day(6, "10:00:00"), "NgayTra": day(9, "08:00:00"), "SoLanBoSung": 0, "DaRut": False,
        },
        statistics={
            "filed": 1, "online": 1, "received": 1, "finished": 1, "delivered": 1, "early": 1, "events": 8,
        },
        hours={1: 0.73, 2: 5.0, 4: 89.5, 6: 2.5, 9: 70.0},
        payments=[{"ThamChieu": "YC-0002", "SoTien": "100000", "DaTra": "100000", "TrangThaiThanhToan": "DA_THANH_TOAN"}],
    )  # fmt: skip


def _bo_sung_hai_lan() -> Journey:
    ma, tthc = "H19.902.01-260202-0003", "1.001193"

    def asked(number: str, at: str, before: int) -> Step:
        payload = life.yeu_cau_bo_sung(p.SMALL, ma, at, number) | {"ThoiHanBoSung": "2026-02-28"}
        return Step(
            f"yeu-cau-bo-sung-{number}", "HS06", "YeuCauBoSung", payload, XA, [PORTAL], at,
            [Line(at, "applied", before, 5)], 5,
        )  # fmt: skip

    def supplied(number: str, at: str) -> Step:
        return Step(
            f"nop-bo-sung-{number}", "HS07", "NopBoSung", life.nop_bo_sung(p.SMALL, ma, at, number), PORTAL, [XA], at,
            [Line(at, "noted", 5, 5)], 5,
        )  # fmt: skip

    confirmed: p.Payload = {
        **life.xac_nhan_bo_sung(p.SMALL, ma, day(6), "2"),
        "NgayHenTraTruoc": day(7, "17:00:00"),
        "NgayHenTraMoi": day(10, "17:00:00"),
    }
    return Journey(
        name="bo-sung-hai-lan",
        title_vi="Bổ sung hai lần: hẹn trả dời theo thời gian chờ, rồi hẹn lại",
        title_en="Two supplements: the appointment moves by the waiting time, then is set anew",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Đăng ký khai sinh", XA),
            received(ma, XA, day(6, "17:00:00")),
            asked("1", day(3), 2),
            supplied("1", day(3, "15:00:00")),
            Step(
                "xac-nhan-bo-sung-1", "HS08", "XacNhanBoSung", life.xac_nhan_bo_sung(p.SMALL, ma, day(4), "1"), XA,
                [PORTAL], day(4), [Line(day(4), "applied", 5, 2)], 2,
            ),
            progress(ma, XA, day(4, "11:00:00"), 2, 4),
            asked("2", day(5), 4),
            supplied("2", day(5, "15:00:00")),
            Step(
                "xac-nhan-bo-sung-2", "HS08", "XacNhanBoSung", confirmed, XA, [PORTAL], day(6),
                [Line(day(6), "applied", 5, 4), Line(day(6), "noted", 4, 4)], 4,
            ),
            result(ma, XA, day(9, "10:00:00"), day(9, "11:00:00")),
        ],
        dossier={
            "TrangThai": 10, "NgayTiepNhan": day(2), "NgayHenTra": day(10, "17:00:00"),
            "NgayKetThucXuLy": day(9, "10:00:00"), "NgayTra": day(9, "11:00:00"), "SoLanBoSung": 2, "DaRut": False,
        },
        statistics={
            "filed": 1, "online": 1, "received": 1, "finished": 1, "delivered": 1, "early": 1, "supplemented": 1,
            "supplemented_twice": 1, "events": 10,
        },
        hours={1: 0.73, 2: 26.0, 4: 95.0, 5: 48.0, 9: 1.0},
    )  # fmt: skip


def _tu_choi() -> Journey:
    ma, tthc = "H19.901-260202-0004", "2.000806"
    return Journey(
        name="tu-choi",
        title_vi="Từ chối tiếp nhận, có văn bản nêu lý do",
        title_en="Refused at receipt, with a document that states the reason",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Đăng ký kết hôn có yếu tố nước ngoài", TU_PHAP),
            Step(
                "tu-choi", "HS04", "TuChoiTiepNhan", life.tu_choi(p.FULL, ma, day(3)), TU_PHAP, [PORTAL], day(3),
                [Line(day(3), "applied", 1, 3)], 3, files=life.files_of_van_ban(p.FULL),
            ),
        ],
        dossier={"TrangThai": 3, "SoLanBoSung": 0, "DaRut": False},
        statistics={"filed": 1, "online": 1, "refused": 1, "events": 2},
        hours={1: 24.73},
    )  # fmt: skip


def _rut() -> Journey:
    ma, tthc = "H19.901-260202-0005", "1.000656"
    return Journey(
        name="rut-ho-so",
        title_vi="Người dân xin rút, cơ quan đồng ý",
        title_en="The applicant withdraws, the agency agrees",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Đăng ký khai tử", TU_PHAP),
            received(ma, TU_PHAP, day(10, "17:00:00")),
            progress(ma, TU_PHAP, day(2, "14:00:00"), 2, 4),
            Step(
                "rut-ho-so", "HS12", "RutHoSo", life.rut_ho_so(p.SMALL, ma, day(3)), PORTAL, [TU_PHAP], day(3),
                [Line(day(3), "applied", 4, 7)], 7,
            ),
            Step(
                "dong-y-rut", "HS12", "DongYRutHoSo", life.dong_y_rut(p.FULL, ma, day(4)), TU_PHAP, [PORTAL], day(4),
                [Line(day(4), "applied", 7, 8)], 8,
            ),
        ],
        dossier={"TrangThai": 8, "NgayTiepNhan": day(2), "NgayHenTra": day(10, "17:00:00"), "SoLanBoSung": 0, "DaRut": True},
        statistics={"filed": 1, "online": 1, "received": 1, "withdrawn": 1, "events": 5},
        hours={1: 0.73, 2: 5.0, 4: 19.0, 7: 24.0},
    )  # fmt: skip


def _hai_co_quan() -> Journey:
    ma, tthc = "H19.901-260202-0006", "2.001263"
    first = filed(ma, tthc, "Đăng ký việc nuôi con nuôi trong nước", TU_PHAP)
    copied = life.chuyen_ho_so(p.SMALL, ma)
    ho_so = dict(copied["HoSo"]) | {"MaTTHC": tthc, "NgayTiepNhan": day(2)}  # type: ignore[call-overload]
    moved: p.Payload = {
        **copied,
        "HoSo": ho_so,
        "NoiDungXuLy": "Xác minh điều kiện nhà ở.",
        "HanXuLy": day(6, "17:00:00"),
        "NgayChuyen": day(3),
    }
    answered = life.ket_qua_chuyen(p.SMALL, ma, day(5)) | {"ThoiDiemXuLy": day(5)}
    return Journey(
        name="hai-co-quan",
        title_vi="Hai cơ quan: cơ quan chủ trì chuyển bản sao, nhận trả lời, trả kết quả",
        title_en="Two agencies: the lead sends a copy, gets an answer, delivers the result",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            first,
            received(ma, TU_PHAP, day(20, "17:00:00")),
            progress(ma, TU_PHAP, day(2, "14:00:00"), 2, 4),
            Step(
                "chuyen-ho-so", "HS14", "ChuyenHoSo", moved, TU_PHAP, [XAY_DUNG], day(3),
                [Line(day(3), "noted", 4, 4)], 4,
            ),
            Step(
                "ket-qua-chuyen", "HS15", "KetQuaChuyen", answered, XAY_DUNG, [TU_PHAP], day(5),
                [Line(day(5), "noted", 4, 4)], 4,
            ),
            result(ma, TU_PHAP, day(10, "10:00:00"), day(11, "10:00:00")),
        ],
        dossier={
            "TrangThai": 10, "NgayTiepNhan": day(2), "NgayHenTra": day(20, "17:00:00"),
            "NgayKetThucXuLy": day(10, "10:00:00"), "NgayTra": day(11, "10:00:00"), "SoLanBoSung": 0, "DaRut": False,
            "DanhSachCoQuanKhac": ["so-xay-dung"],
        },
        statistics={
            "filed": 1, "online": 1, "received": 1, "finished": 1, "delivered": 1, "early": 1, "events": 6,
        },
        hours={1: 0.73, 2: 5.0, 4: 188.0, 9: 24.0},
        transfers=[
            {"DonViNhan": "H19.903", "NgayChuyen": day(3), "HanXuLy": day(6, "17:00:00"), "NgayTraLoi": day(5), "TrangThai": 9}
        ],
    )  # fmt: skip


def _phi_dia_gioi() -> Journey:
    ma, tthc = "H19.902.01-260202-0007", "2.000815"
    base = dict(p.nop_ho_so(p.SMALL, ma, "2026-02-02"))
    base.pop("NgayNopHoSo")
    at = day(2, "08:20:00")
    payload: p.Payload = {
        **{key: value for key, value in base.items() if key not in ("TrangThaiHoSo", "HinhThuc")},
        "MaTTHC": "2.000815.01",
        "TenTTHC": "Chứng thực bản sao từ bản chính",
        "NgayTiepNhan": day(2, "08:15:00"),
        "NgayHenTra": day(3, "17:00:00"),
        "TrangThaiHoSo": "2",
        "HinhThuc": "0",
        "DonViXuLy": XA_2.ten,
        "NgayNopHoSo": day(2, "08:10:00"),
        "KenhThucHien": "1",
    }
    return Journey(
        name="nop-o-xa-a-giai-quyet-o-xa-b",
        title_vi="Phi địa giới: nộp tại xã A, xã B giải quyết",
        title_en="Filed at commune A, handled at commune B",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            Step("nop-ho-so", "HS01", "NopHoSo", payload, XA, [XA_2, PORTAL], at, [Line(at, "applied", None, 2)], 2),
            progress(ma, XA_2, day(2, "10:00:00"), 2, 4),
            result(ma, XA_2, day(3, "10:00:00"), day(3, "15:00:00")),
        ],
        dossier={
            "TrangThai": 10, "CoQuanXuLy": "ubnd-xa-thu-nghiem-2", "DanhSachCoQuanKhac": ["ubnd-xa-thu-nghiem"],
            "NgayTiepNhan": day(2, "08:15:00"), "NgayHenTra": day(3, "17:00:00"), "NgayKetThucXuLy": day(3, "10:00:00"),
            "NgayTra": day(3, "15:00:00"), "SoLanBoSung": 0, "DaRut": False,
        },
        statistics={"filed": 1, "received": 1, "finished": 1, "delivered": 1, "on_time": 1, "events": 3},
        hours={2: 1.67, 4: 24.0, 9: 5.0},
    )  # fmt: skip


def _dung_va_tiep_tuc() -> Journey:
    ma, tthc = "H19.901-260202-0008", "1.000419"
    return Journey(
        name="dung-va-tiep-tuc",
        title_vi="Dừng rồi tiếp tục ở cơ quan coi trạng thái 8 là tạm dừng; trả trễ hẹn",
        title_en="Stopped and resumed where state 8 is a pause; delivered late",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Đăng ký khai tử lưu động", TU_PHAP),
            received(ma, TU_PHAP, day(6, "17:00:00")),
            progress(ma, TU_PHAP, day(2, "14:00:00"), 2, 4),
            Step(
                "dung-xu-ly", "HS13", "DungXuLy", life.dung_xu_ly(p.SMALL, ma, day(4)), TU_PHAP, [PORTAL], day(4),
                [Line(day(4), "applied", 4, 8)], 8,
            ),
            Step(
                "tiep-tuc", "HS13", "TiepTucXuLy", life.tiep_tuc(p.SMALL, ma, day(6)), TU_PHAP, [PORTAL], day(6),
                [Line(day(6), "applied", 8, 4)], 4,
            ),
            result(ma, TU_PHAP, day(9, "10:00:00"), day(9, "11:00:00")),
        ],
        dossier={
            # two days of pause are added to the appointment; finished after it all the same
            "TrangThai": 10, "NgayTiepNhan": day(2), "NgayHenTra": day(8, "17:00:00"),
            "NgayKetThucXuLy": day(9, "10:00:00"), "NgayTra": day(9, "11:00:00"), "SoLanBoSung": 0, "DaRut": False,
        },
        statistics={
            "filed": 1, "online": 1, "received": 1, "finished": 1, "delivered": 1, "late": 1, "events": 6,
        },
        hours={1: 0.73, 2: 5.0, 4: 116.0, 8: 48.0, 9: 1.0},
    )  # fmt: skip


def _lon_xon() -> Journey:
    ma, tthc = "H19.901-260202-0009", "1.005129"
    early = progress(
        ma,
        TU_PHAP,
        day(6),
        9,
        10,
        thu_tu=4,
        state=4,
        problems=[Expected("DOS-020", path="ThuTu", on_record=True)],
    )
    return Journey(
        name="den-lon-xon",
        title_vi="Tin đến lộn xộn: bước 4 đến trước bước 3, cuối cùng vẫn đúng thứ tự",
        title_en="News out of order: step 4 arrives before step 3, and the history is right in the end",
        ma_ho_so=ma,
        ma_tthc=tthc,
        steps=[
            filed(ma, tthc, "Thủ tục thử nghiệm", TU_PHAP),
            received(ma, TU_PHAP, day(6, "17:00:00"), thu_tu=1),
            progress(ma, TU_PHAP, day(2, "14:00:00"), 2, 4, thu_tu=2),
            early,
            progress(ma, TU_PHAP, day(5), 4, 9, thu_tu=3, state=10),
        ],
        dossier={
            "TrangThai": 10, "NgayTiepNhan": day(2), "NgayHenTra": day(6, "17:00:00"), "NgayKetThucXuLy": day(5),
            "NgayTra": day(6), "SoLanBoSung": 0, "DaRut": False,
        },
        statistics={
            "filed": 1, "online": 1, "received": 1, "finished": 1, "delivered": 1, "early": 1, "events": 5,
        },
        hours={1: 0.73, 2: 5.0, 4: 67.0, 9: 24.0},
    )  # fmt: skip


def journeys() -> list[Journey]:
    """All of them."""
    return [
        _muc_do_3(), _muc_do_4(), _bo_sung_hai_lan(), _tu_choi(), _rut(), _hai_co_quan(), _phi_dia_gioi(),
        _dung_va_tiep_tuc(), _lon_xon(),
    ]  # fmt: skip


def file_of(journey: Journey, number: int) -> str:
    """The stem of a step's file, below journeys/."""
    step = journey.steps[number]
    return f"{journey.name}/{number + 1:02d}-{step.loai}-{step.what}"


def samples_of(journey: Journey) -> list[Sample]:
    """The messages of a journey as samples; the first needs nothing, each other the one before it."""
    found = []
    for number, step in enumerate(journey.steps):
        name = file_of(journey, number)

        def root(step: Step = step, name: str = name) -> Node:
            return envelope(
                name, step.loai, step.goc, step.payload, sender=step.sender, to=step.to, at=step.at,
                ma_ho_so=journey.ma_ho_so, thu_tu=step.thu_tu, dinh_kem=step.files,
            )  # fmt: skip

        found.append(
            Sample(
                name=name,
                outcome=ACCEPTED,
                folder="journeys",
                sender=step.sender,
                why_vi=f"{journey.title_vi}: bước {number + 1}.",
                why_en=f"{journey.title_en}: step {number + 1}.",
                root=root,
                signer=step.sender.key,
                at=step.at,
                problems=step.problems,
                after=[file_of(journey, number - 1)] if number else (),
                placed_in_body=True,
            )
        )
    return found


def expected_of(journey: Journey) -> str:
    """journey.toml: what must have come of it."""
    lines = [
        "# Tệp này do samples/make.py viết ra; sửa ở samples/recipes/journeys.py. / Written by samples/make.py.",
        f"title_vi = {_toml(journey.title_vi)}",
        f"title_en = {_toml(journey.title_en)}",
        f"ma_ho_so = {_toml(journey.ma_ho_so)}",
        f"ma_tthc = {_toml(journey.ma_tthc)}",
        f"files = {_toml([file_of(journey, n).partition('/')[2] + '.xml' for n in range(len(journey.steps))])}",
        "",
        "[dossier] # như GET /v1/dossiers trả lời / as GET /v1/dossiers answers",
        *(f"{key} = {_toml(value)}" for key, value in journey.dossier.items()),
        "",
        "[statistics] # số đếm khác 0 của dịch vụ này / counts of this service that are not 0",
        *(f"{key} = {value}" for key, value in journey.statistics.items()),
        "",
        "[hours] # số giờ trung bình ở các trạng thái đã qua / mean hours in the states that were left",
        *(f"{key} = {value}" for key, value in journey.hours.items()),
    ]
    told = [(line, step, number) for number, step in enumerate(journey.steps) for line in step.lines]
    for line, step, number in sorted(told, key=lambda row: (row[0].before is not None, row[0].at)):
        lines += [
            "",
            "[[timeline]]",
            f"file = {_toml(file_of(journey, number).partition('/')[2] + '.xml')}",
            f"ThoiDiem = {_toml(line.at)}",
            f"LoaiThongDiep = {_toml(step.loai)}",
            f"NoiGui = {_toml(step.sender.id)}",
            f"KetQua = {_toml(line.reading)}",
            *([f"TuTrangThai = {line.before}"] if line.before is not None else []),
            f"DenTrangThai = {line.after}",
        ]
    for number, step in enumerate(journey.steps):
        for office in step.to:
            lines += [
                "",
                "[[feed]]",
                f"party = {_toml(office.id)}",
                f"file = {_toml(file_of(journey, number).partition('/')[2] + '.xml')}",
                f"TrangThai = {step.state}",
            ]
    for name, rows in (("payments", journey.payments), ("transfers", journey.transfers)):
        for row in rows:
            lines += ["", f"[[{name}]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return '"' + value.replace('"', '\\"') + '"' if isinstance(value, str) else str(value)
