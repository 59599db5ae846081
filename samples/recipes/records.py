"""Messages whose verdict depends on what is on record: repeated ids, impossible moves, other people's dossiers, late events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recipes import payloads as p
from recipes import payloads_life as life
from recipes.envelopes import envelope
from recipes.people import KHAI_SINH, PORTAL, TU_PHAP, XA, XAY_DUNG, Office, message_id, moment
from recipes.sample import ACCEPTED, REJECTED, Expected, Sample
from recipes.xmltext import Edit, Node, put

FILED = "H19.901-260115-0201"  # state 1
MOVING = "H19.901-260115-0202"  # state 4
WAITING = "H19.901-260115-0203"  # state 4, events of it out of order


def _told(
    name: str,
    why_vi: str,
    why_en: str,
    loai: str,
    goc: str,
    payload: Callable[[], p.Payload],
    sender: Office,
    to: Office,
    at: str,
    *problems: Expected,
    after: Sequence[str] = (),
    outcome: str = REJECTED,
    thu_tu: int | None = None,
    ma_thong_diep: str | None = None,
    edit: Edit | None = None,
) -> Sample:
    def root() -> Node:
        content = payload()
        ma = content.get("MaHoSo") or content.get("MaHoSoGoc")
        assert isinstance(ma, str)
        made = envelope(
            name,
            loai,
            goc,
            content,
            sender=sender,
            to=[to],
            at=at,
            ma_ho_so=ma,
            thu_tu=thu_tu,
            ma_thong_diep=ma_thong_diep,
        )
        if edit is not None:
            edit(made)
        return made

    return Sample(
        name=name,
        outcome=outcome,
        alone=ACCEPTED if outcome != ACCEPTED else None,
        sender=sender,
        why_vi=why_vi,
        why_en=why_en,
        root=root,
        signer=sender.key,
        at=at,
        problems=problems,
        after=after,
        placed_in_body=True,
    )


def on(code: str, path: str) -> Expected:
    """A problem that only the records show."""
    return Expected(code, path=path, on_record=True)


def _filed(name: str, ma: str, state: str = "1") -> Sample:
    at = moment("2026-01-15", "08:20:00")

    def payload() -> p.Payload:
        made = dict(p.nop_ho_so(p.SMALL, ma, "2026-01-15"))
        if state == "1":
            return made
        filed = made.pop("NgayNopHoSo")
        return {
            **{key: value for key, value in made.items() if key not in ("TrangThaiHoSo", "HinhThuc")},
            "NgayTiepNhan": moment("2026-01-15", "09:00:00"),
            "TrangThaiHoSo": state,
            "HinhThuc": "0",
            "DonViXuLy": TU_PHAP.ten,
            "NgayNopHoSo": filed,
        }

    sender, to = (PORTAL, TU_PHAP) if state == "1" else (TU_PHAP, PORTAL)
    return _told(
        name,
        f"Hồ sơ ở trạng thái {state}, để thử các bước sau.",
        f"A dossier in state {state}, for the steps that follow.",
        "HS01",
        "NopHoSo",
        payload,
        sender,
        to,
        at,
        outcome=ACCEPTED,
    )


def _moves() -> list[Sample]:
    """What the life of a dossier forbids."""
    at = moment("2026-01-16")

    def step(ma: str, state: str, when: str = at, thu_tu: int | None = None) -> Callable[[], p.Payload]:
        def payload() -> p.Payload:
            made = dict(p.tien_do(p.SMALL, ma, when, state))
            rows = {}
            for key, value in made.items():
                if key == "TrangThai" and state in ("3", "8"):
                    rows["NoiDungXuLy"] = "Chờ xác minh."
                rows[key] = value
            if thu_tu is not None:
                rows["ThuTu"] = str(thu_tu)
            return rows

        return payload

    def told(
        name: str, vi: str, en: str, ma: str, state: str, *problems: Expected, after: str, **more: object
    ) -> Sample:
        return _told(
            name, vi, en, "HS05", "CapNhatTienDo", step(ma, state), TU_PHAP, PORTAL, at, *problems, after=[after],
            **more,  # type: ignore[arg-type]
        )  # fmt: skip

    trang_thai, step_of = "ThanPhan/CapNhatTienDo/TrangThai", "ThanPhan/CapNhatTienDo"
    return [
        _filed("HS01-mo-ghi-nhan-1", FILED),
        _filed("HS01-mo-ghi-nhan-2", MOVING, "4"),
        _filed("HS01-mo-ghi-nhan-3", WAITING, "4"),
        _told(
            "DOS-001-ho-so-chua-co", "Cập nhật một hồ sơ chưa ai nộp.", "Progress of a dossier that nobody filed.",
            "HS05", "CapNhatTienDo", step("H19.901-260115-0299", "4"), TU_PHAP, PORTAL, at, on("DOS-001", f"{step_of}/MaHoSo"),
        ),
        _told(
            "DOS-002-thu-tuc-khac", "Nộp lại cùng mã hồ sơ cho thủ tục khác.", "The same dossier code for another procedure.",
            "HS01", "NopHoSo", lambda: dict(p.nop_ho_so(p.SMALL, FILED, "2026-01-15")) | KHAI_SINH, PORTAL, TU_PHAP, at,
            on("DOS-002", "ThanPhan/NopHoSo/MaTTHC"), after=["HS01-mo-ghi-nhan-1"],
        ),
        told(
            "DOS-010-tu-1-sang-10", "Từ mới đăng ký nhảy thẳng sang đã trả kết quả.", "From newly filed straight to delivered.",
            FILED, "10", on("DOS-010", trang_thai), after="HS01-mo-ghi-nhan-1",
        ),
        told(
            "DOS-010-tu-4-sang-10", "Từ đang xử lý sang đã trả kết quả mà chưa xử lý xong.", "Delivered before it was finished.",
            MOVING, "10", on("DOS-010", trang_thai), after="HS01-mo-ghi-nhan-2",
        ),
        told(
            "DOS-010-tu-4-sang-3", "Từ chối tiếp nhận một hồ sơ đang xử lý.", "Refusal at receipt of a dossier in processing.",
            MOVING, "3", on("DOS-010", trang_thai), after="HS01-mo-ghi-nhan-2",
        ),
        _told(
            "DOS-011-xong-truoc-khi-tiep-nhan", "Kết thúc bằng kết quả khi hồ sơ chưa được tiếp nhận.",
            "Finished with a result before the dossier was received.",
            "HS11", "TraKetQua", lambda: p.tra_ket_qua(p.SMALL, FILED, at), TU_PHAP, PORTAL, at,
            on("DOS-011", "ThanPhan/TraKetQua"), after=["HS01-mo-ghi-nhan-1"],
        ),
        _told(
            "DOS-013-lui-khong-quyen", "Lùi trạng thái mà không có quyền.", "A step back without the privilege.",
            "HS05", "CapNhatTienDo", lambda: _of_xa("2"), XA, PORTAL, at,
            on("DOS-013", trang_thai), after=["HS01-mo-ghi-nhan-4"],
        ),
        _xa("HS01-mo-ghi-nhan-4"),
    ]  # fmt: skip


XA_DOSSIER = "H19.902.01-260115-0201"


def _of_xa(state: str) -> p.Payload:
    return dict(p.tien_do(p.SMALL, XA_DOSSIER, moment("2026-01-16"), state))


def _xa(name: str) -> Sample:
    made = _filed(name, XA_DOSSIER, "4")

    def root() -> Node:
        assert made.root is not None
        tree = made.root()
        put("NoiGui/MaDinhDanh", XA.ma)(tree)
        return tree

    return made.but(sender=XA, signer=XA.key, root=root)


def _ids_and_people() -> list[Sample]:
    at = moment("2026-01-15", "08:16:00")
    first = "HS01-nop-ho-so-toi-thieu"
    return [
        _told(
            "DUP-010-cung-ma-khac-noi-dung", "Cùng mã thông điệp, nội dung khác lần trước.",
            "The same message id with other content than the first time.",
            "HS01", "NopHoSo", lambda: dict(p.nop_ho_so(p.SMALL, "H19.901-260115-0001", "2026-01-15")) | {"LoaiDoiTuong": "2"},
            PORTAL, TU_PHAP, at, on("DUP-010", "MaThongDiep"), after=[first], ma_thong_diep=message_id(first),
        ),
        _told(
            "AUT-020-ho-so-cua-co-quan-khac", "Cập nhật hồ sơ của cơ quan khác.", "Progress of another agency's dossier.",
            "HS05", "CapNhatTienDo", lambda: p.tien_do(p.SMALL, FILED, moment("2026-01-16"), "2"), XAY_DUNG, PORTAL,
            moment("2026-01-16"), on("AUT-020", "ThanPhan/CapNhatTienDo/MaHoSo"), after=["HS01-mo-ghi-nhan-1"],
        ),
        _told(
            "AUT-021-ma-cua-co-quan-khac", "Mở hồ sơ mang mã của cơ quan khác.", "Opens a dossier under another agency's code.",
            "HS01", "NopHoSo",
            lambda: p.nop_ho_so(p.SMALL, "H19.901-260115-0298", "2026-01-15"),
            XAY_DUNG, PORTAL, at, on("AUT-021", "ThanPhan/NopHoSo/MaHoSo"),
        ),
    ]  # fmt: skip


def _out_of_order() -> list[Sample]:
    """Accepted with a remark: events are kept, whatever order they come in."""

    def told(
        name: str, vi: str, en: str, state: str, when: str, thu_tu: int, *problems: Expected, after: Sequence[str]
    ) -> Sample:
        payload = dict(p.tien_do(p.SMALL, WAITING, when, state)) | {"ThuTu": str(thu_tu)}
        return _told(
            name, vi, en, "HS05", "CapNhatTienDo", lambda: payload, TU_PHAP, PORTAL, when, *problems, after=after,
            outcome=ACCEPTED, thu_tu=thu_tu,
        )  # fmt: skip

    step = "ThanPhan/CapNhatTienDo"
    return [
        told(
            "DOS-020-den-truoc-buoc-truoc", "Đến trước bước trước nó (thiếu ThuTu 1): được giữ, chưa có tác dụng.",
            "Arrived before the step before it (ThuTu 1 is missing): kept, without effect yet.",
            "10", moment("2026-01-18"), 2, on("DOS-020", "ThuTu"), after=["HS01-mo-ghi-nhan-3"],
        ),
        told(
            "DOS-020-buoc-truoc-den-sau", "Bước còn thiếu đến sau: cả hai có tác dụng theo đúng thứ tự.",
            "The missing step arrives later: both take effect in their order.",
            "9", moment("2026-01-17"), 1, after=["DOS-020-den-truoc-buoc-truoc"],
        ),
        told(
            "DOS-021-chuyen-cu-den-muon", "Một việc cũ đến muộn: vào lịch sử, không đổi trạng thái.",
            "An old event that comes late: it enters the history and moves nothing.",
            "5", moment("2026-01-17", "18:00:00"), 3, on("DOS-021", f"{step}/ThoiDiemXuLy"),
            after=["DOS-020-buoc-truoc-den-sau"],
        ),
        _told(
            "DOS-022-tra-loi-truoc-cau-hoi", "Quyết định về việc rút đến trước đơn xin rút: được giữ, chờ đơn.",
            "The decision on a withdrawal arrives before the request: kept until that comes.",
            "HS12", "DongYRutHoSo", lambda: life.dong_y_rut(p.FULL, MOVING, moment("2026-01-20")) | {"KetQua": "KHONG_DONG_Y"},
            TU_PHAP, PORTAL, moment("2026-01-20"), on("DOS-022", "ThanPhan/DongYRutHoSo"), after=["HS01-mo-ghi-nhan-2"],
            outcome=ACCEPTED,
        ),
    ]  # fmt: skip


def records() -> list[Sample]:
    """All of them."""
    return [*_moves(), *_ids_and_people(), *_out_of_order()]
