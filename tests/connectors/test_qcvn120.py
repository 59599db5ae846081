from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cong_quoc_gia import CongQuocGia, ma_ho_so, nop_ho_so, settings, tien_do
from false_agency import Agency, Fault, run
from parcels import parcel, party

from connectors.http import HttpLine
from connectors.outcomes import Answered, NotThere, Parcel, Receipt, Refused, Uncertain, Unreachable
from connectors.qcvn120 import load_of, qcvn120
from gateway.core.date_forms import date_form
from gateway.core.model import Address, MaHoSo
from gateway.core.told import Told, ToldNews
from schemas.fresh import Size, fresh
from schemas.write import Header, thong_diep

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)


def after(*news: ToldNews | None) -> Told:
    """What they were told by earlier tries of the same delivery."""
    told = Told(party=party().id, ma_ho_so=MaHoSo(ma_ho_so(1)))
    for one in news:
        told = told.after(one, NOW, parcel().delivery.id, 1) if one is not None else told
    return told


class Side:
    """The connector with its far side."""

    def __init__(
        self, agency: Agency, cong: CongQuocGia, line: HttpLine, table: dict[str, Any], profile: dict[str, Any]
    ) -> None:
        self.agency, self.cong = agency, cong
        self._configured = qcvn120.configure({"private_addresses": True, "timeout_s": 60.0, **table})
        self._http = line.http(self._configured.common)
        self.party = replace(party("qcvn120"), **profile)

    def parcel(self, body: bytes, told: Told | None = None, loai: str = "HS05") -> Parcel:
        """What the outbox hands over."""
        return replace(parcel(body=body, loai=loai), party=self.party, told=told)

    async def send(self, body: bytes, told: Told | None = None) -> Receipt:
        receipt = await qcvn120.deliver(self.parcel(body, told), self._configured.settings, self._http)
        assert isinstance(receipt, Receipt)
        return receipt

    async def ask(self, body: bytes, told: Told | None = None) -> Receipt | NotThere | None:
        return await qcvn120.ask(self.parcel(body, told), self._configured.settings, self._http)

    @property
    def updating(self) -> list[str]:
        """What we said of each dossier: create or update."""
        return [call["isUpdating"] for call in self.cong.calls if call["service"] == "DongBoHoSoMC"]


@asynccontextmanager
async def side(folder: Path, profile: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[Side]:
    cong = CongQuocGia()
    async with Agency(cong) as agency, HttpLine() as line:
        yield Side(agency, cong, line, {**settings(agency.url, folder), **more}, profile or {})


def hasty(fault: Fault) -> dict[str, Any]:
    """Who keeps silent is not waited for as patiently as who is slow."""
    return {"timeout_s": 2.0} if fault is Fault.SILENT else {}


def steps(count: int) -> bytes:
    """An answer that lists so many steps of one dossier."""
    rows = [
        {"ThoiDiemXuLy": NOW.replace(hour=n // 60, minute=n % 60), "TrangThai": 4, "NoiDungXuLy": f"bước {n + 1}"}
        for n in range(count)
    ]
    found = {"MaHoSo": ma_ho_so(1), "TrangThaiHoSo": 4, "DanhSachTienDo": {"TienDo": rows}}
    header = Header(
        ma_thong_diep=parcel().ma_thong_diep,
        loai="HS17",
        noi_gui=Address(ma_dinh_danh="H19.901", ten_co_quan="Sở Tư pháp (thử nghiệm)"),
        noi_nhan=(Address(ma_dinh_danh="H19.909"),),
        thoi_diem_tao=NOW,
    )
    return thong_diep(header, "TraLoiTraCuu", {"SoKetQua": 1, "DanhSachHoSoTraCuu": {"HoSoTraCuu": [found]}})


# Logging in


def test_one_log_in_serves_many_deliveries(tmp_path: Path) -> None:
    async def story() -> tuple[int, set[str], set[str]]:
        async with side(tmp_path) as s:
            for number in range(1, 6):
                await s.send(nop_ho_so(number))
            return s.cong.logins, {c["session"] for c in s.cong.calls}, {c["madonvi"] for c in s.cong.calls}

    assert run(story()) == (1, {"S1"}, {"H19.900"})


def test_a_session_that_is_over_is_renewed_once(tmp_path: Path) -> None:
    async def story() -> tuple[int, dict[str, Any]]:
        async with side(tmp_path) as s:
            await s.send(nop_ho_so(1))
            s.cong.session = "forgotten"
            await s.send(nop_ho_so(2))
            return s.cong.logins, s.cong.dossiers

    logins, dossiers = run(story())
    assert logins == 2
    assert len(dossiers) == 2


def test_a_log_in_that_is_refused_has_sent_nothing(tmp_path: Path) -> None:
    async def story() -> tuple[Answered, list[Any]]:
        async with side(tmp_path) as s:
            (tmp_path / "mat-khau").write_text("sai")
            with pytest.raises(Unreachable) as caught:
                await s.send(nop_ho_so(1))
            return caught.value, s.cong.calls

    error, calls = run(story())
    assert (error.problem.code, error.problem.facts["why"]) == ("DLV-009", "E8")
    assert calls == []


def test_a_portal_that_says_both_there_and_not_there_is_told_so(tmp_path: Path) -> None:
    async def story() -> tuple[Answered, list[str]]:
        async with side(tmp_path) as s:
            s.cong._dong_bo = lambda said: s.cong._say("E2" if said["isUpdating"] == "True" else "E1")
            with pytest.raises(Refused) as caught:
                await s.send(nop_ho_so(1))
            return caught.value, s.updating

    error, updating = run(story())
    assert (error.problem.code, updating) == ("DLV-047", ["False", "True"])


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.ERROR, Fault.GARBAGE, Fault.CUT_BEFORE_ANSWER, Fault.LOGIN_PAGE])
def test_a_log_in_without_a_clear_answer_has_sent_nothing(tmp_path: Path, fault: Fault) -> None:
    async def story() -> tuple[Answered, list[Any]]:
        async with side(tmp_path, **hasty(fault)) as s:
            s.agency.fault = fault
            with pytest.raises(Unreachable) as caught:
                await s.send(nop_ho_so(1))
            return caught.value, s.cong.calls

    error, calls = run(story())
    assert error.problem.code == "DLV-009"
    assert error.answer is None
    assert calls == []


# Create or update


def test_what_they_took_before_is_updated_and_what_they_never_saw_is_created(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with side(tmp_path) as s:
            first = await s.send(nop_ho_so(1))
            changed = nop_ho_so(1).replace("Đăng ký".encode(), "Xin đăng ký".encode())
            await s.send(changed, after(first.told))
            return s.updating

    assert run(story()) == ["False", "True"]


def test_where_nothing_is_remembered_they_are_asked_before_a_dossier_is_created(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with side(tmp_path, look_first=True) as s:
            s.cong.dossiers[ma_ho_so(1)] = {"TrangThaiHoSo": "1"}
            await s.send(nop_ho_so(1))
            await s.send(nop_ho_so(2))
            return s.updating

    assert run(story()) == ["True", "False"]


def test_their_code_corrects_a_wrong_memory_and_no_text_does(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with side(tmp_path) as s:
            await s.send(nop_ho_so(1), after(ToldNews(taken="x")))  # they lost it
            await s.send(nop_ho_so(1))  # we lost our memory
            return s.updating

    assert run(story()) == ["True", "False", "False", "True"]


def test_without_such_codes_their_no_is_a_no_whatever_its_text_says(tmp_path: Path) -> None:
    async def story() -> tuple[Answered, list[str]]:
        async with side(tmp_path, codes={"delivered": ["0", "00"]}) as s:
            await s.send(nop_ho_so(1))
            with pytest.raises(Refused) as caught:
                await s.send(nop_ho_so(1))
            return caught.value, s.updating

    error, updating = run(story())
    assert error.problem.facts["code"] == "E1"
    assert updating == ["False", "False"]


def test_a_dossier_comes_over_with_all_fields_of_the_packet_in_their_forms(tmp_path: Path) -> None:
    profile = {
        "maps": {"TrangThaiHoSo": {"11": "2"}, "LoaiDoiTuong": {"0": "1"}},
        "formats": {"NgayTiepNhan": "yyyy-MM-dd HH:mm:ss"},
        "limits": {"TrichYeuHoSo": 10},
    }

    async def story() -> tuple[dict[str, Any], Receipt]:
        async with side(tmp_path, profile) as s:
            receipt = await s.send(nop_ho_so(1))
            return s.cong.dossiers[ma_ho_so(1)], receipt

    row, receipt = run(story())
    assert row["MaHoSo"] == ma_ho_so(1)
    assert row["ChuHoSo"] == "Trần Thị Bưởi"
    assert (row["TrangThaiHoSo"], row["LoaiDoiTuong"], row["HinhThuc"]) == ("11", "0", "1")
    assert row["NgayTiepNhan"] == "2026-01-15 09:00:00"
    assert row["NgayHenTra"] == "20260120170000"
    assert row["TrichYeuHoSo"] == "Đăng ký th"
    assert len(row["TaiLieuNop"]) == 2
    lost, cut = receipt.notes
    assert (cut.code, cut.facts["element"]) == ("XSD-406", "TrichYeuHoSo")
    assert (lost.code, {"NguoiNop", "MaDinhKem"} <= set(lost.facts["element"])) == ("XSD-404", True)
    assert receipt.reference == "11"
    assert receipt.told is not None
    assert receipt.told.facts["TrangThaiHoSo"] == "2"  # on record in our own words


# Rows of progress


def test_a_step_is_a_row_with_its_nine_fields(tmp_path: Path) -> None:
    async def story() -> list[dict[str, Any]]:
        async with side(tmp_path) as s:
            await s.send(tien_do(1))
            return s.cong.rows

    (row,) = run(story())
    assert row == {
        "MaHoSo": ma_ho_so(1),
        "NguoiXuLy": "Lê Đỗ Phượng Vỹ",
        "ChucDanh": "Chuyên viên",
        "ThoiDiemXuLy": "20260115140000",
        "PhongBanXuLy": "Phòng Hành chính tư pháp",
        "NoiDungXuLy": "Thẩm định hồ sơ",
        "TrangThai": "4",
        "NgayBatDau": "20260115140000",
        "NgayKetThucTheoQuyDinh": "20260119170000",
    }


@pytest.mark.parametrize(
    ("loai", "goc", "trang_thai"),
    [
        ("HS03", "TiepNhanHoSo", "2"),
        ("HS04", "TuChoiTiepNhan", "3"),
        ("HS06", "YeuCauBoSung", "5"),
        ("HS11", "TraKetQua", None),
        ("HS13", "DungXuLy", "8"),
    ],
)
def test_whatever_moves_a_dossier_is_a_row_of_progress(loai: str, goc: str, trang_thai: str | None) -> None:
    body = fresh(loai, goc=goc, ma_ho_so=ma_ho_so(1), at=NOW, size=Size.FULL)
    load = load_of(parcel(body=body))
    assert load.dossier is None
    assert {row["MaHoSo"] for row in load.rows} == {ma_ho_so(1)}
    assert all(row["NguoiXuLy"] and len(row["NguoiXuLy"]) <= 50 and row["ThoiDiemXuLy"].isdigit() for row in load.rows)
    assert trang_thai is None or [row["TrangThai"] for row in load.rows] == [trang_thai]


def test_what_a_row_of_progress_leaves_out_is_told_once_with_every_element() -> None:
    load = load_of(parcel(body=fresh("HS11", goc="TraKetQua", ma_ho_so=ma_ho_so(1), at=NOW, size=Size.FULL)))
    (lost,) = [note for note in load.notes if note.code == "XSD-404"]
    assert "DanhSachGiayToKetQua" in lost.facts["element"]
    assert not {"MaHoSo", "NgayKetThucXuLy"} & set(lost.facts["element"])


@pytest.mark.parametrize(("loai", "goc"), [("HS09", "YeuCauThanhToan"), ("HS21", "DanhGia"), ("HS08", "XacNhanBoSung")])
def test_a_message_by_itself_for_which_they_have_no_word_comes_to_nothing(loai: str, goc: str) -> None:
    load = load_of(parcel(body=fresh(loai, goc=goc, ma_ho_so=ma_ho_so(1), at=NOW), loai=loai))
    assert (load.nothing, load.notes) == (True, ())


@pytest.mark.parametrize("body", [b"<a", b"<a/>", b"<!DOCTYPE a><a/>", b""])
def test_bytes_that_are_no_message_are_refused_by_us(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        load_of(parcel(body=body))
    assert caught.value.problem.code == "DLV-034"


def test_many_rows_go_in_chunks_of_ten(tmp_path: Path) -> None:
    async def story() -> tuple[list[int], int, Receipt]:
        async with side(tmp_path) as s:
            receipt = await s.send(steps(25))
            return [len(c["data"]) for c in s.cong.calls], len(s.cong.rows), receipt

    chunks, rows, receipt = run(story())
    assert (chunks, rows) == ([10, 10, 5], 25)
    assert receipt.told is not None
    assert len(receipt.told.rows) == 25


def test_a_row_that_they_refuse_costs_the_others_nothing_and_a_replay_sends_only_what_is_missing(
    tmp_path: Path,
) -> None:
    async def story() -> tuple[Answered, list[list[str]], Receipt]:
        async with side(tmp_path) as s:
            s.cong.row_codes = {"bước 3": "17", "bước 14": "18"}
            with pytest.raises(Refused) as caught:
                await s.send(steps(25))
            first = len(s.cong.calls)
            s.cong.row_codes = {}
            receipt = await s.send(steps(25), after(caught.value.told))
            assert len(s.cong.rows) == 25
            return caught.value, [[r["NoiDungXuLy"] for r in c["data"]] for c in s.cong.calls[first:]], receipt

    error, again, receipt = run(story())
    assert error.problem.code == "DLV-036"
    assert error.problem.facts == {"count": 2, "rows": [3, 14], "codes": ["17", "18"]}
    assert error.told is not None
    assert (len(error.told.rows), len(error.told.refused)) == (23, 2)
    assert again == [["bước 3", "bước 14"]]
    assert receipt.told is not None
    assert set(receipt.told.rows) == set(error.told.refused)


def test_rows_that_met_a_passing_fault_are_sent_again_alone(tmp_path: Path) -> None:
    async def story() -> tuple[Answered, int]:
        async with side(tmp_path) as s:
            s.cong.row_codes = {"bước 2": "99"}
            with pytest.raises(Uncertain) as caught:
                await s.send(steps(5))
            s.cong.row_codes = {}
            await s.send(steps(5), after(caught.value.told))
            return caught.value, len(s.cong.rows)

    error, rows = run(story())
    assert error.problem.code == "DLV-010"
    assert rows == 5


def test_one_code_for_a_whole_chunk_is_every_rows_code(tmp_path: Path) -> None:
    async def story() -> tuple[ToldNews | None, Answered]:
        async with side(tmp_path) as s:
            s.cong.per_row = False
            taken = (await s.send(steps(3))).told
            s.cong.row_codes = {"bước 1": "17"}
            with pytest.raises(Refused) as caught:
                await s.send(steps(3))
            return taken, caught.value

    taken, error = run(story())
    assert taken is not None
    assert len(taken.rows) == 3
    assert error.problem.code == "DLV-033"


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.CUT_BEFORE_ANSWER, Fault.BUSY])
def test_a_wire_cut_between_chunks_keeps_what_is_known_of_the_chunks_before(tmp_path: Path, fault: Fault) -> None:
    async def story() -> tuple[Answered, list[int]]:
        async with side(tmp_path, **hasty(fault)) as s:
            await s.send(nop_ho_so(9))
            s.agency.keeps = False
            real = s.cong.answer
            seen = []

            def answer(request: Any) -> Any:
                seen.append(1)
                if len(seen) == 1:
                    s.agency.fault, s.agency.times = fault, 1
                return real(request)

            s.cong.answer = answer  # type: ignore[method-assign]
            with pytest.raises(Uncertain) as caught:  # never Unreachable: half of it is there
                await s.send(steps(25))
            await s.send(steps(25), after(caught.value.told))
            rows = [len(c["data"]) for c in s.cong.calls if c["service"] == "CapNhatTienDoHoSoMC"]
            assert len(s.cong.rows) == 25
            return caught.value, rows

    error, rows = run(story())
    assert error.told is not None
    assert len(error.told.rows) == 10
    assert rows == [10, 10, 5]


# Asking


@pytest.mark.parametrize("lists_rows", [True, False])
def test_a_row_that_is_there_is_not_sent_again(tmp_path: Path, lists_rows: bool) -> None:
    async def story() -> tuple[Any, Any]:
        async with side(tmp_path) as s:
            s.cong.lists_rows = lists_rows
            before = await s.ask(tien_do(1))
            await s.send(tien_do(1))
            return before, await s.ask(tien_do(1))

    before, then = run(story())
    assert before == NotThere(told=ToldNews(believed={}))
    assert isinstance(then, Receipt)
    assert then.told is not None
    assert (len(then.told.rows), then.told.believed) == (1, {"TrangThaiHoSo": "4"})


def test_a_dossier_in_another_state_over_there_did_not_take_the_update(tmp_path: Path) -> None:
    async def story() -> tuple[Any, Any]:
        async with side(tmp_path) as s:
            s.cong.dossiers[ma_ho_so(1)] = {"TrangThaiHoSo": "1"}
            old = await s.ask(nop_ho_so(1))
            s.cong.dossiers[ma_ho_so(1)] = {"TrangThaiHoSo": "2"}
            return old, await s.ask(nop_ho_so(1))

    old, new = run(story())
    assert old == NotThere(told=ToldNews(believed={"TrangThaiHoSo": "1"}))
    assert isinstance(new, Receipt)


def test_a_dossier_with_another_appointment_over_there_did_not_take_the_update(tmp_path: Path) -> None:
    async def story() -> tuple[Any, Any]:
        async with side(tmp_path) as s:
            s.cong.dossiers[ma_ho_so(1)] = {"TrangThaiHoSo": "2", "NgayHenTra": "20260119170000"}
            old = await s.ask(nop_ho_so(1))
            s.cong.dossiers[ma_ho_so(1)] = {"TrangThaiHoSo": "2", "NgayHenTra": "20260120170000"}
            return old, await s.ask(nop_ho_so(1))

    old, new = run(story())
    assert isinstance(old, NotThere)
    assert isinstance(new, Receipt)


def test_who_has_no_look_up_is_not_asked(tmp_path: Path) -> None:
    async def story() -> Any:
        cong = CongQuocGia()
        async with Agency(cong) as agency, HttpLine() as line:
            table = settings(agency.url, tmp_path)
            del table["tra_cuu"]
            s = Side(agency, cong, line, table, {})
            return await s.ask(tien_do(1))

    assert run(story()) is None


# Forms


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yyyyMMddHHmmss", "20260115153005"),
        ("yyyy/MM/dd HH:mm:ss", "2026/01/15 15:30:05"),
        ("MM-dd-yyyy", "01-15-2026"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-15T15:30:05+07:00"),
    ],
)
def test_moments_are_written_at_home_in_the_declared_form(form: str, text: str) -> None:
    assert date_form(form).write(datetime(2026, 1, 15, 8, 30, 5, tzinfo=UTC)) == text
