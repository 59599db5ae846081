"""Messages that must be accepted: three of every type, and one for every honest way of writing and signing.

The dossiers of the small, full and bound forms each live one life, so that the same files can be sent over the door in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recipes import payloads as p
from recipes import payloads_life as life
from recipes import payloads_queries as queries
from recipes.envelopes import envelope
from recipes.people import PORTAL, TRUC, TU_PHAP, XAY_DUNG, Office, attachment, message_id, moment
from recipes.sample import ACCEPTED, Expected, Sample
from recipes.xmltext import Node, Value

NHO, DAY_DU, BIEN = "H19.901-260115-0001", "H19.901-260115-0002", "000.99.01.H19-20260115-0000003"
FORMS = ((p.SMALL, "toi-thieu", NHO), (p.FULL, "day-du", DAY_DU), (p.BOUND, "bien", BIEN))
WORDS = {
    p.SMALL: ("chỉ các trường bắt buộc", "mandatory fields only"),
    p.FULL: ("đủ mọi trường không bắt buộc", "every optional field"),
    p.BOUND: ("giá trị ở giới hạn, đủ chữ cái tiếng Việt", "values at their limits, every Vietnamese letter"),
}

WORD_OF = {form: word for form, word, _ in FORMS}
HERE = Path(__file__).resolve().parents[1]


def _sample(
    name: str,
    form: str,
    title: str,
    loai: str,
    goc: str,
    payload: Callable[[], p.Payload],
    sender: Office,
    to: Sequence[Office],
    at: str,
    *,
    after: Sequence[str] = (),
    files: Callable[[], Sequence[Value]] = list,
    thu_tu: int | None = None,
    tra_loi: str | None = None,
    phien_ban: str = "1.0",
    header_ma_ho_so: bool = True,
    **more: object,
) -> Sample:
    vi, en = WORDS[form]

    def root() -> Node:
        content = payload()
        ma = content.get("MaHoSo") or content.get("MaHoSoGoc")
        return envelope(
            name,
            loai,
            goc,
            content,
            sender=sender,
            to=to,
            at=at,
            ma_ho_so=ma if header_ma_ho_so and isinstance(ma, str) else None,
            thu_tu=thu_tu,
            tra_loi=tra_loi,
            phien_ban=phien_ban,
            dinh_kem=files(),
            full=form == p.FULL,
            bound=form == p.BOUND,
        )

    return Sample(
        name=name,
        outcome=ACCEPTED,
        sender=sender,
        why_vi=f"{title}: {vi}.",
        why_en=f"{loai} {goc}: {en}.",
        root=root,
        signer=sender.key,
        after=after,
        at=at,
        **more,  # type: ignore[arg-type]
    )


def _of_each(
    word: str,
    title: str,
    loai: str,
    goc: str,
    payload: Callable[[str, str], p.Payload],
    sender: Office,
    to: Office,
    at: str,
    after: str | Sequence[str] = (),
    **more: object,
) -> list[Sample]:
    """The three forms of one payload; ``after`` names samples without their form."""
    names = [after] if isinstance(after, str) else after
    return [
        _sample(
            f"{loai}-{word}-{form_word}",
            form,
            title,
            loai,
            goc,
            lambda form=form, ma=ma: payload(form, ma),
            sender,
            [to],
            at,
            after=[f"{name}-{form_word}" for name in names],
            **{key: value(form) if callable(value) else value for key, value in more.items()},  # type: ignore[arg-type]
        )
        for form, form_word, ma in FORMS
    ]


def _filed() -> list[Sample]:
    """HS01 from the portal, and its technical receipts."""
    found = _of_each(
        "nop-ho-so",
        "Nộp hồ sơ",
        "HS01",
        "NopHoSo",
        lambda form, ma: p.nop_ho_so(form, ma, "2026-01-15"),
        PORTAL,
        TU_PHAP,
        moment("2026-01-15", "08:16:00"),
        files=lambda form: lambda: p.files_of_nop_ho_so(form),
        problems=lambda form: (TO_KHAI,) if form == p.FULL else (),
    )
    for form, word, _ in FORMS:
        answered = message_id(f"HS01-nop-ho-so-{word}")
        found.append(
            _sample(
                f"HS02-bien-nhan-{word}",
                form,
                "Biên nhận kỹ thuật",
                "HS02",
                "BienNhan",
                lambda form=form, answered=answered: p.bien_nhan(form, answered, moment("2026-01-15", "08:17:00")),
                TU_PHAP,
                [TRUC],
                moment("2026-01-15", "08:17:00"),
                tra_loi=answered,
                after=[f"HS01-nop-ho-so-{word}"],
            )
        )
    return found


TO_KHAI = Expected("XSD-053", path="ThanPhan/NopHoSo/ToKhai/ToKhaiHoKinhDoanh")


def _opened(word: str, number: int, state: str) -> list[Sample]:
    """Small dossiers for lives that end early: filed at the counter and synchronised by the agency in this state."""

    def payload(ma: str) -> p.Payload:
        if state == "1":
            return p.nop_ho_so(p.SMALL, ma, "2026-01-15")
        base = dict(p.nop_ho_so(p.SMALL, ma, "2026-01-15"))
        received: p.Payload = {
            "NgayTiepNhan": moment("2026-01-15", "09:00:00"),
            "TrangThaiHoSo": state,
            "HinhThuc": "0",
            "DonViXuLy": TU_PHAP.ten,
            "NgayNopHoSo": base.pop("NgayNopHoSo"),
        }
        return {key: value for key, value in base.items() if key not in received} | received

    return [
        _sample(
            f"HS01-mo-{word}-{form_word}",
            p.SMALL,
            "Hồ sơ cho một đời ngắn",
            "HS01",
            "NopHoSo",
            lambda ma=f"H19.901-260115-{number + place:04d}": payload(ma),
            PORTAL if state == "1" else TU_PHAP,
            [TU_PHAP if state == "1" else PORTAL],
            moment("2026-01-15", "09:05:00"),
        )
        for place, (_, form_word, _) in enumerate(FORMS)
    ]


def _synchronised() -> list[Sample]:
    """Dossiers that the agency synchronises after their end: what only a finished, or only a refused, dossier can say."""

    def finished() -> p.Payload:
        ma = "H19.901-260115-0131"
        full = dict(p.nop_ho_so(p.FULL, ma, "2026-01-15"))
        full["TrangThaiHoSo"], full["NgayHenTra"] = "10", moment("2026-01-22", "17:00:00")
        supplement: p.Payload = {
            "HoSoBoSungId": "1",
            "NguoiYeuCauBoSung": "Lê Đỗ Phượng Vỹ",
            "NoiDungBoSung": "Bổ sung bản sao căn cước công dân.",
            "NgayBoSung": moment("2026-01-16"),
            "NguoiTiepNhanBoSung": "Phạm Nguyễn Quỳnh Như",
            "ThongTinTiepNhan": "Nộp trực tuyến",
            "NgayTiepNhanBoSung": moment("2026-01-17"),
            "TrangThaiBoSung": "true",
            "DanhSachGiayToBoSung": {
                "GiayToBoSung": [
                    {"MaThanhPhanHoSo": "TP-02", "TenGiayTo": "Bản sao căn cước", "LyDo": "Không đọc được."}
                ]
            },
            "DanhSachLePhiBoSung": {"LePhiBoSung": [p.LE_PHI_BUU_CHINH]},
            "NgayHenTraTruoc": moment("2026-01-20", "17:00:00"),
            "NgayHenTraMoi": moment("2026-01-22", "17:00:00"),
        }
        papers = p.tra_ket_qua(p.FULL, ma, moment("2026-01-19"))["DanhSachGiayToKetQua"]
        rows: p.Payload = {}
        for key, value in full.items():
            rows[key] = value
            if key == "TrangThaiHoSo":
                rows["NgayTra"] = moment("2026-01-19", "16:00:00")
            elif key == "HinhThuc":
                rows["NgayKetThucXuLy"] = moment("2026-01-19", "15:00:00")
            elif key == "DanhSachTepDinhKemKhac":
                rows["DanhSachHoSoBoSung"] = {"HoSoBoSung": [supplement]}
                rows["DanhSachGiayToKetQua"] = papers
        del rows["ToKhai"]
        return rows

    def refused() -> p.Payload:
        made = dict(p.nop_ho_so(p.SMALL, "H19.901-260115-0132", "2026-01-15"))
        return made | {"TrangThaiHoSo": "3", "KenhThucHien": "1", "NgayTuChoi": moment("2026-01-16")}

    at = moment("2026-01-20", "08:00:00")
    files = [*p.files_of_nop_ho_so(p.FULL), *p.files_of_tra_ket_qua(p.FULL)]
    return [
        _sample(
            "HS01-dong-bo-da-tra-ket-qua",
            p.FULL,
            "Đồng bộ hồ sơ đã trả kết quả",
            "HS01",
            "NopHoSo",
            finished,
            TU_PHAP,
            [PORTAL],
            at,
            files=lambda: files,
        ),
        _sample(
            "HS01-dong-bo-tu-choi",
            p.FULL,
            "Đồng bộ hồ sơ không được tiếp nhận",
            "HS01",
            "NopHoSo",
            refused,
            TU_PHAP,
            [PORTAL],
            at,
        ),
    ]


def _number(form: str, first: int) -> str:
    return f"H19.901-260115-{first + [name for name, _, _ in FORMS].index(form):04d}"


def _main_line() -> list[Sample]:
    """What follows HS01 in the main lives, in order."""

    def kept(form: str) -> bytes:
        word = WORD_OF[form]
        return (HERE / "accepted" / f"HS01-nop-ho-so-{word}.xml").read_bytes()

    def copy(form: str, ma: str) -> p.Payload:
        word = WORD_OF[form]
        if form == p.SMALL:
            return life.chuyen_ho_so(form, ma)
        return life.chuyen_ho_so(form, ma, kept(form), message_id(f"HS01-nop-ho-so-{word}"), PORTAL.ma)

    def original(form: str) -> Sequence[Value]:
        return [] if form == p.SMALL else [attachment("ban-goc", "ban-goc.xml", "application/xml", kept(form))]

    def recalled(form: str, ma: str) -> p.Payload:
        word = WORD_OF[form]
        return queries.thu_hoi(form, ma, message_id(f"HS16-gia-han-{word}"))

    def day(number: int, clock: str = "09:00:00") -> str:
        return moment(f"2026-01-{number:02d}", clock)

    papers = {"files": lambda form: lambda: life.files_of_van_ban(form)}
    return [
        *_of_each(
            "tiep-nhan", "Tiếp nhận và hẹn trả", "HS03", "TiepNhanHoSo",
            lambda form, ma: p.tiep_nhan(form, ma, "2026-01-15"), TU_PHAP, PORTAL, day(15, "09:01:00"), "HS01-nop-ho-so",
        ),
        *_of_each(
            "tien-do", "Cập nhật tiến độ", "HS05", "CapNhatTienDo",
            lambda form, ma: p.tien_do(form, ma, day(15, "14:00:00"), "4", 1), TU_PHAP, PORTAL, day(15, "14:00:05"),
            "HS03-tiep-nhan", thu_tu=lambda form: None if form == p.SMALL else 1,
        ),
        *_of_each(
            "yeu-cau-bo-sung", "Yêu cầu bổ sung", "HS06", "YeuCauBoSung",
            lambda form, ma: life.yeu_cau_bo_sung(form, ma, day(16)), TU_PHAP, PORTAL, day(16, "09:00:10"),
            "HS05-tien-do", **papers,
        ),
        *_of_each(
            "nop-bo-sung", "Nộp bổ sung", "HS07", "NopBoSung",
            lambda form, ma: life.nop_bo_sung(form, ma, day(17)), PORTAL, TU_PHAP, day(17, "09:00:10"),
            "HS06-yeu-cau-bo-sung", **papers,
        ),
        *_of_each(
            "xac-nhan-bo-sung", "Xác nhận bổ sung đủ", "HS08", "XacNhanBoSung",
            lambda form, ma: life.xac_nhan_bo_sung(form, ma, day(17, "10:00:00")), TU_PHAP, PORTAL, day(17, "10:00:10"),
            "HS07-nop-bo-sung",
        ),
        *_of_each(
            "yeu-cau-thanh-toan", "Yêu cầu thanh toán", "HS09", "YeuCauThanhToan",
            life.yeu_cau_thanh_toan, TU_PHAP, PORTAL, day(17, "11:00:00"),
            "HS08-xac-nhan-bo-sung",
        ),
        *_of_each(
            "ket-qua-thanh-toan", "Kết quả thanh toán", "HS10", "KetQuaThanhToan",
            lambda form, ma: life.ket_qua_thanh_toan(form, ma, day(17, "12:00:00")), PORTAL, TU_PHAP, day(17, "12:00:10"),
            "HS09-yeu-cau-thanh-toan", **papers,
        ),
        *_of_each(
            "chuyen-ho-so", "Chuyển bản sao hồ sơ", "HS14", "ChuyenHoSo",
            copy, TU_PHAP, XAY_DUNG, day(18, "08:00:00"), "HS10-ket-qua-thanh-toan",
            files=lambda form: lambda: original(form),
        ),
        *_of_each(
            "ket-qua-chuyen", "Kết quả phối hợp", "HS15", "KetQuaChuyen",
            lambda form, ma: life.ket_qua_chuyen(form, ma, day(18, "16:00:00")), XAY_DUNG, TU_PHAP, day(18, "16:00:10"),
            "HS14-chuyen-ho-so", **papers,
        ),
        *_of_each(
            "gia-han", "Gia hạn và xin lỗi", "HS16", "GiaHan",
            lambda form, ma: life.gia_han(form, ma, day(18, "17:00:00")), TU_PHAP, PORTAL, day(18, "17:00:10"),
            "HS15-ket-qua-chuyen", **papers,
        ),
        *_of_each(
            "thu-hoi", "Thu hồi thông điệp gửi nhầm", "HS20", "ThuHoiThongDiep",
            recalled, TU_PHAP, PORTAL, day(18, "17:30:00"), "HS16-gia-han",
        ),
        *_of_each(
            "tra-ket-qua", "Trả kết quả", "HS11", "TraKetQua",
            lambda form, ma: p.tra_ket_qua(form, ma, day(19, "15:00:00"), day(19, "16:00:00")), TU_PHAP, PORTAL,
            day(19, "16:00:10"), "HS16-gia-han", files=lambda form: lambda: p.files_of_tra_ket_qua(form),
        ),
        *_of_each(
            "danh-gia", "Đánh giá của người dân", "HS21", "DanhGia",
            lambda form, ma: life.danh_gia(form, ma, day(20)), PORTAL, TU_PHAP, day(20, "09:00:10"), "HS11-tra-ket-qua",
        ),
    ]  # fmt: skip


def _short_lives() -> list[Sample]:
    """Refusal, withdrawal, stop and resume: each on dossiers of their own."""

    def at(day: int) -> str:
        return moment(f"2026-01-{day:02d}")

    papers = {"files": lambda form: lambda: life.files_of_van_ban(form)}
    return [
        *_opened("tu-choi", 101, "1"),
        *_opened("rut", 111, "4"),
        *_opened("dung", 121, "4"),
        *_of_each(
            "tu-choi", "Từ chối tiếp nhận", "HS04", "TuChoiTiepNhan",
            lambda form, _: life.tu_choi(form, _number(form, 101), at(16)), TU_PHAP, PORTAL, at(16), "HS01-mo-tu-choi",
            **papers,
        ),
        *_of_each(
            "rut-ho-so", "Xin rút hồ sơ", "HS12", "RutHoSo",
            lambda form, _: life.rut_ho_so(form, _number(form, 111), at(16)), PORTAL, TU_PHAP, at(16), "HS01-mo-rut",
        ),
        *_of_each(
            "dong-y-rut", "Quyết định về việc rút", "HS12", "DongYRutHoSo",
            lambda form, _: life.dong_y_rut(form, _number(form, 111), at(17)), TU_PHAP, PORTAL, at(17), "HS12-rut-ho-so",
        ),
        *_of_each(
            "dung-xu-ly", "Dừng xử lý", "HS13", "DungXuLy",
            lambda form, _: life.dung_xu_ly(form, _number(form, 121), at(16)), TU_PHAP, PORTAL, at(16), "HS01-mo-dung",
            **papers,
        ),
        *_of_each(
            "tiep-tuc", "Tiếp tục xử lý", "HS13", "TiepTucXuLy",
            lambda form, _: life.tiep_tuc(form, _number(form, 121), at(17)), TU_PHAP, PORTAL, at(17), "HS13-dung-xu-ly",
        ),
    ]  # fmt: skip


def _asked() -> list[Sample]:
    """Queries and their answers."""
    at = moment("2026-01-20", "10:00:00")
    later = moment("2026-01-20", "10:00:30")

    def answered(name: str) -> dict[str, object]:
        return {"tra_loi": lambda form: message_id(f"{name}-{WORD_OF[form]}")}

    return [
        *_of_each(
            "tra-cuu", "Tra cứu hồ sơ", "HS17", "TraCuuHoSo", queries.tra_cuu, PORTAL, TU_PHAP, at, "HS11-tra-ket-qua",
        ),
        *_of_each(
            "tra-loi-tra-cuu", "Trả lời tra cứu", "HS17", "TraLoiTraCuu", queries.tra_loi_tra_cuu, TU_PHAP, PORTAL, later,
            "HS17-tra-cuu", header_ma_ho_so=False, **answered("HS17-tra-cuu"),
        ),
        *_of_each(
            "lay-danh-muc", "Hỏi danh mục", "HS18", "LayDanhMuc", lambda form, _: queries.lay_danh_muc(form),
            PORTAL, TU_PHAP, at,
        ),
        *_of_each(
            "danh-muc", "Gửi danh mục", "HS18", "DanhMuc", lambda form, _: queries.danh_muc(form), TU_PHAP, PORTAL, later,
            "HS18-lay-danh-muc", **answered("HS18-lay-danh-muc"),
        ),
        *_of_each(
            "doi-soat", "Đối soát", "HS19", "DoiSoat", lambda form, _: queries.doi_soat(form), PORTAL, TU_PHAP, at,
        ),
        *_of_each(
            "ket-qua-doi-soat", "Kết quả đối soát", "HS19", "KetQuaDoiSoat", lambda form, _: queries.ket_qua_doi_soat(form),
            TU_PHAP, PORTAL, later, "HS19-doi-soat", **answered("HS19-doi-soat"),
        ),
    ]  # fmt: skip


def accepted_types() -> list[Sample]:
    """Three of every payload."""
    return [*_filed(), *_synchronised(), *_main_line(), *_short_lives(), *_asked()]
