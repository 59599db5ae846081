"""Messages that must be accepted: three of every type, and one for every honest way of writing and signing.

The dossiers of the small, full and bound forms each live one life, so that the same files can be sent over the door in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recipes import payloads as p
from recipes.envelopes import envelope
from recipes.people import PORTAL, TRUC, TU_PHAP, Office, message_id, moment
from recipes.sample import ACCEPTED, Expected, Sample
from recipes.xmltext import Node, Value

NHO, DAY_DU, BIEN = "H19.901-260115-0001", "H19.901-260115-0002", "000.99.01.H19-20260115-0000003"
FORMS = ((p.SMALL, "toi-thieu", NHO), (p.FULL, "day-du", DAY_DU), (p.BOUND, "bien", BIEN))
WORDS = {
    p.SMALL: ("chỉ các trường bắt buộc", "mandatory fields only"),
    p.FULL: ("đủ mọi trường không bắt buộc", "every optional field"),
    p.BOUND: ("giá trị ở giới hạn, đủ chữ cái tiếng Việt", "values at their limits, every Vietnamese letter"),
}

Build = Callable[..., Node]


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
    files: Sequence[Value] = (),
    thu_tu: int | None = None,
    tra_loi: str | None = None,
    phien_ban: str = "1.0",
    header_ma_ho_so: bool = True,
    **more: object,
) -> Sample:
    vi, en = WORDS[form]

    def root() -> Node:
        content = payload()
        ma = content.get("MaHoSo")
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
            dinh_kem=files,
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


def _nop_ho_so() -> list[Sample]:
    found = []
    for form, word, ma in FORMS:
        found.append(
            _sample(
                f"HS01-nop-ho-so-{word}",
                form,
                "Nộp hồ sơ",
                "HS01",
                "NopHoSo",
                lambda form=form, ma=ma: p.nop_ho_so(form, ma, "2026-01-15"),
                PORTAL,
                [TU_PHAP],
                moment("2026-01-15", "08:16:00"),
                files=p.files_of_nop_ho_so(form),
                problems=(Expected("XSD-053", path="ThanPhan/NopHoSo/ToKhai/ToKhaiHoKinhDoanh"),)
                if form == p.FULL
                else (),
            )
        )
    return found


def _bien_nhan() -> list[Sample]:
    found = []
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


def _tiep_nhan() -> list[Sample]:
    return [
        _sample(
            f"HS03-tiep-nhan-{word}",
            form,
            "Tiếp nhận và hẹn trả",
            "HS03",
            "TiepNhanHoSo",
            lambda form=form, ma=ma: p.tiep_nhan(form, ma, "2026-01-15"),
            TU_PHAP,
            [PORTAL],
            moment("2026-01-15", "09:01:00"),
            after=[f"HS01-nop-ho-so-{word}"],
        )
        for form, word, ma in FORMS
    ]


def _tien_do() -> list[Sample]:
    return [
        _sample(
            f"HS05-tien-do-{word}",
            form,
            "Cập nhật tiến độ",
            "HS05",
            "CapNhatTienDo",
            lambda form=form, ma=ma: p.tien_do(form, ma, moment("2026-01-15", "14:00:00"), "4", 1),
            TU_PHAP,
            [PORTAL],
            moment("2026-01-15", "14:00:05"),
            after=[f"HS03-tiep-nhan-{word}"],
            thu_tu=None if form == p.SMALL else 1,
        )
        for form, word, ma in FORMS
    ]


def _tra_ket_qua() -> list[Sample]:
    return [
        _sample(
            f"HS11-tra-ket-qua-{word}",
            form,
            "Trả kết quả",
            "HS11",
            "TraKetQua",
            lambda form=form, ma=ma: p.tra_ket_qua(form, ma, moment("2026-01-19", "15:00:00")),
            TU_PHAP,
            [PORTAL],
            moment("2026-01-19", "15:05:00"),
            after=[f"HS05-tien-do-{word}"],
            files=p.files_of_tra_ket_qua(form),
        )
        for form, word, ma in FORMS
    ]


def accepted() -> list[Sample]:
    """All of them."""
    return [*_nop_ho_so(), *_bien_nhan(), *_tiep_nhan(), *_tien_do(), *_tra_ket_qua()]
