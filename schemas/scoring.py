"""The lint: what of a dossier, as the national portal is told of it, costs its agency points in the index of Decision 766.

A rule looks at the packet DongBoHoSoMC, in canonical values, and tells where it is weak. It changes nothing, and nothing is
ever changed for it. The formula of the Decision was not found: every rule comes from public code that reproduces the index,
and says so. The same rules may be asked at the door (settings ``rules.severity``), where none is on by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lxml import etree

from gateway.core.lifecycle import (
    DA_TRA_KET_QUA,
    DA_XU_LY_XONG,
    DUOC_TIEP_NHAN,
    KHONG_TIEP_NHAN,
    MOI_DANG_KY,
    YEU_CAU_RUT,
)
from gateway.core.problems import Location, Problem
from schemas.names import local

Packet = Mapping[str, Any]  # field -> text, or a list of such mappings
Flaw = Mapping[str, Any]  # facts of the problem; "place" is where in the packet

SOURCE_EN = "seen in integration code; the Decision's formula was not found"
SOURCE_VI = "thấy trong mã tích hợp; chưa tìm được công thức của Quyết định 766/QĐ-TTg"
SOURCE = f"{SOURCE_VI} / {SOURCE_EN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintRule:
    """One rule. ``code`` refuses at the door where a setting says so; ``note`` remarks, and is what the lint tells."""

    id: str  # in settings, in documentation, in reports
    code: str
    vi: str
    en: str
    look: Callable[[Packet], Iterable[Flaw]]
    types: tuple[str, ...] = ("HS01",)  # of which it may be asked at the door: those that say what it looks at
    source: str = SOURCE

    @property
    def note(self) -> str:
        """The code of the same sentence as a remark."""
        return f"XSD-{int(self.code.removeprefix('XSD-')) + 100}"


def flaws(packet: Packet) -> Iterator[tuple[LintRule, Problem]]:
    """Everything that is weak in a packet, as remarks. No fact quotes a person's data: fields, dates, states, counts."""
    for one in LINT:
        for flaw in one.look(packet):
            yield one, Problem(one.note, facts_of(flaw), Location(xpath=str(flaw["place"])))


def facts_of(flaw: Flaw) -> dict[str, Any]:
    """What the problem's sentence needs of a flaw."""
    return {name: value for name, value in flaw.items() if name != "place"}


# A message's payload says the same in other names.
_LISTS = {"DanhSachTaiLieuNop": "TaiLieuNop", "DanhSachDinhDanhCHS": "DinhDanhCHS"}
_ITEMS = {ours: theirs for theirs, ours in _LISTS.items()}


def packet_in(payload: etree._Element, loai: str) -> dict[str, Any]:
    """What a message says of a dossier, as a packet: all of it (HS01), or that it was received (HS03) or ended (HS11).

    Files inside the message stay visible as MaDinhKem.
    """
    said = {_LISTS.get(name := local(child.tag), name): _value(child) for child in payload if _says(child)}
    if loai == "HS11" and "LyDo" in said:
        said["ThongTinTra"] = said["LyDo"]
    return {**said, **_STATES.get(loai, {})}


_STATES: Mapping[str, Mapping[str, str]] = {
    "HS03": {"TrangThaiHoSo": str(DUOC_TIEP_NHAN)},
    "HS11": {"TrangThaiHoSo": str(DA_XU_LY_XONG)},
}


def _value(element: etree._Element) -> Any:
    if not len(element):
        return (element.text or "").strip()
    return [{local(child.tag): _value(child) for child in row if _says(child)} for row in element]


def _says(element: etree._Element) -> bool:
    return len(element) > 0 or bool((element.text or "").strip())


def place_in(payload: etree._Element, place: str) -> etree._Element:
    """The element of a payload that a flaw's place means: as much of it as is there."""
    at = payload
    for step in place.split("/"):
        name, _, number = step.partition("[")
        found = [one for one in at if local(one.tag) in (name, _ITEMS.get(name, name))]
        if not found:
            break
        if local(found[0].tag) != name and number:  # a list that the packet has no container for
            found = list(found[0])
        at = found[int(number.rstrip("]")) - 1 if number else 0]
    return at


# --- what is looked at ------------------------------------------------------------------------------------------------


def _state(packet: Packet) -> int:
    value = str(packet.get("TrangThaiHoSo", ""))
    return int(value) if value.isdigit() else 0


def _finished(packet: Packet) -> bool:
    return _state(packet) in (DA_XU_LY_XONG, DA_TRA_KET_QUA)


def _received(packet: Packet) -> bool:
    """Whether the desk has taken it in: every state but new, refused and (not known) a withdrawal."""
    state = _state(packet)
    return state not in (0, MOI_DANG_KY, KHONG_TIEP_NHAN) and not (
        state == YEU_CAU_RUT and "NgayTiepNhan" not in packet
    )


def _rows(packet: Packet, name: str) -> list[Mapping[str, Any]]:
    found = packet.get(name)
    return list(found) if isinstance(found, list) else []


def _has_file(row: Mapping[str, Any], address: str) -> bool:
    return bool(row.get(address) or row.get("MaDinhKem"))


def _moment(value: object) -> datetime | None:
    """A moment of the packet (yyyyMMddHHmmss at home), or one of a message (ISO 8601 with offset)."""
    text = str(value)
    try:
        if re.fullmatch(r"[0-9]{14}", text):
            return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC) - timedelta(hours=7)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else None


def _shown(moment: datetime) -> str:
    return (moment.astimezone(UTC) + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%S+07:00")


def _order(packet: Packet, earlier: str, later: str) -> Iterator[Flaw]:
    """A flaw where the later moment is before the earlier one."""
    start, end = _moment(packet.get(earlier, "")), _moment(packet.get(later, ""))
    if start is not None and end is not None and end < start:
        facts = {"element": later, "other": earlier, "value": _shown(end), "limit": _shown(start)}
        yield {**facts, "place": later}


# --- the rules --------------------------------------------------------------------------------------------------------


def _channel(packet: Packet) -> Iterator[Flaw]:
    if not packet.get("KenhThucHien"):
        yield {"place": "KenhThucHien"}


def _supplements(packet: Packet) -> Iterator[Flaw]:
    rows = _rows(packet, "DanhSachHoSoBoSung")
    if len(rows) > 1:
        yield {"found": len(rows), "place": "DanhSachHoSoBoSung/HoSoBoSung[2]"}


def _supplement_open(packet: Packet) -> Iterator[Flaw]:
    if _finished(packet):
        for number, row in enumerate(_rows(packet, "DanhSachHoSoBoSung"), 1):
            if not row.get("NgayTiepNhanBoSung"):
                yield {"number": number, "place": f"DanhSachHoSoBoSung/HoSoBoSung[{number}]"}


def _late(packet: Packet) -> Iterator[Flaw]:
    end, due = _moment(packet.get("NgayKetThucXuLy", "")), _moment(packet.get("NgayHenTra", ""))
    if end is not None and due is not None and end > due:
        yield {"value": _shown(end), "limit": _shown(due), "place": "NgayKetThucXuLy"}


def _no_result(packet: Packet) -> Iterator[Flaw]:
    """Finished without a result. One that was sent back (ThongTinTra says why) has none to show."""
    if _finished(packet) and not _rows(packet, "DanhSachGiayToKetQua") and not packet.get("ThongTinTra"):
        yield {"state": str(_state(packet)), "place": "TrangThaiHoSo"}


def _result_files(packet: Packet) -> Iterator[Flaw]:
    for number, row in enumerate(_rows(packet, "DanhSachGiayToKetQua"), 1):
        if not _has_file(row, "DuongDanTepTinKetQua"):
            yield {"number": number, "place": f"DanhSachGiayToKetQua/GiayToKetQua[{number}]"}


def _paper_files(packet: Packet) -> Iterator[Flaw]:
    for number, row in enumerate(_rows(packet, "TaiLieuNop"), 1):
        if not _has_file(row, "DuongDanTaiTepTin") and str(row.get("IsDeleted", "")) not in ("true", "1"):
            yield {"number": number, "place": f"TaiLieuNop[{number}]"}


def _appointment(packet: Packet) -> Iterator[Flaw]:
    if _received(packet) and _state(packet) != YEU_CAU_RUT and not packet.get("NgayHenTra"):
        yield {"state": str(_state(packet)), "place": "NgayHenTra"}


def _dates(packet: Packet) -> Iterator[Flaw]:
    state, needed = _state(packet), []
    if _received(packet):
        needed.append("NgayTiepNhan")
    if state in (DA_XU_LY_XONG, DA_TRA_KET_QUA):
        needed.append("NgayKetThucXuLy")
    if state == DA_TRA_KET_QUA:
        needed.append("NgayTra")
    if state == KHONG_TIEP_NHAN:
        needed.append("NgayTuChoi")
    if state == MOI_DANG_KY or packet.get("KenhThucHien") == "2":
        needed.append("NgayNopHoSo")
    for name in needed:
        if not packet.get(name):
            yield {"element": name, "state": str(state), "place": name}


def _order_of_dates(packet: Packet) -> Iterator[Flaw]:
    yield from _order(packet, "NgayNopHoSo", "NgayTiepNhan")
    yield from _order(packet, "NgayTiepNhan", "NgayHenTra")
    yield from _order(packet, "NgayTiepNhan", "NgayKetThucXuLy")
    yield from _order(packet, "NgayKetThucXuLy", "NgayTra")


def _payment(packet: Packet) -> Iterator[Flaw]:
    if _finished(packet) and not packet.get("DuocThanhToanTrucTuyen"):
        due = [row for row in _rows(packet, "DanhSachLePhi") if re.search(r"[1-9]", str(row.get("Gia", "")))]
        if due:
            yield {"found": len(due), "place": "DanhSachLePhi"}


def _digitised(packet: Packet) -> Iterator[Flaw]:
    if not _received(packet):
        return
    if packet.get("HoSoCoThanhPhanSoHoa") != "1":
        yield {"element": "HoSoCoThanhPhanSoHoa", "found": 1, "place": "HoSoCoThanhPhanSoHoa"}
    papers = [number for number, row in enumerate(_rows(packet, "TaiLieuNop"), 1) if row.get("DuocSoHoa") != "1"]
    if papers:
        yield {"element": "DuocSoHoa", "found": len(papers), "place": f"TaiLieuNop[{papers[0]}]"}


_RUNS = "01234567890123456789 98765432109876543210"  # counted up or down


def is_filler(number: str) -> bool:
    """Whether an identity number is one that is filled in for want of another: one digit again and again, or counted."""
    digits = re.sub(r"[\s.-]", "", number)
    return (
        len(digits) >= 6
        and digits.isdigit()
        and (
            re.fullmatch(r"0{6,}[0-9]{1,3}|(\d)\1{5,}|(\d{1,3})\2{2,}", digits) is not None
            or digits in _RUNS
            or digits == "123456789012"
        )
    )


def _fillers(packet: Packet) -> Iterator[Flaw]:
    if is_filler(str(packet.get("SoGiayToChuHoSo", ""))):
        yield {"element": "SoGiayToChuHoSo", "place": "SoGiayToChuHoSo"}
    for number, row in enumerate(_rows(packet, "DinhDanhCHS"), 1):
        if is_filler(str(row.get("SoDinhDanh", ""))):
            yield {"element": "SoDinhDanh", "place": f"DinhDanhCHS[{number}]/SoDinhDanh"}


#: All of them, in the order in which they are told.
LINT: tuple[LintRule, ...] = (
    LintRule(
        id="cham-diem-thieu-ngay",
        code="XSD-153",
        vi="Thiếu ngày mà trạng thái cần có",
        en="A date that the state needs is missing",
        look=_dates,
    ),
    LintRule(
        id="cham-diem-hen-tra",
        code="XSD-146",
        vi="Đã tiếp nhận, không có ngày hẹn trả",
        en="Received, without an appointment",
        look=_appointment,
        types=("HS01", "HS03"),
    ),
    LintRule(
        id="cham-diem-ngay-nguoc",
        code="XSD-154",
        vi="Ngày ngược: hẹn trả hoặc xong trước tiếp nhận, trả trước khi xong",
        en="Dates run backwards: appointment or end before receipt, delivery before the end",
        look=_order_of_dates,
        types=("HS01", "HS03", "HS11"),
    ),
    LintRule(id="cham-diem-tre-hen", code="XSD-142", vi="Xong sau ngày hẹn trả", en="Finished late", look=_late),
    LintRule(
        id="cham-diem-ket-qua",
        code="XSD-143",
        vi="Đã xong, không có giấy tờ kết quả",
        en="Finished, without a result",
        look=_no_result,
        types=("HS01", "HS11"),
    ),
    LintRule(
        id="cham-diem-tep-ket-qua",
        code="XSD-147",
        vi="Giấy tờ kết quả không có tệp",
        en="A result without its file",
        look=_result_files,
        types=("HS01", "HS11"),
    ),
    LintRule(
        id="cham-diem-so-hoa",
        code="XSD-151",
        vi="Thành phần hồ sơ chưa ghi là đã số hóa",
        en="Parts that are not said to be digitised",
        look=_digitised,
    ),
    LintRule(
        id="cham-diem-tep-nop",
        code="XSD-152",
        vi="Tài liệu nộp không có tệp",
        en="A paper handed in without its file",
        look=_paper_files,
    ),
    LintRule(
        id="cham-diem-thanh-toan",
        code="XSD-148",
        vi="Có lệ phí, không ghi cách thanh toán",
        en="Fees due, without how they were paid",
        look=_payment,
    ),
    LintRule(
        id="cham-diem-kenh", code="XSD-140", vi="Không ghi kênh nộp", en="Without its channel of filing", look=_channel
    ),
    LintRule(
        id="cham-diem-bo-sung",
        code="XSD-141",
        vi="Yêu cầu bổ sung quá một lần",
        en="Supplements asked for more than once",
        look=_supplements,
    ),
    LintRule(
        id="cham-diem-bo-sung-do",
        code="XSD-149",
        vi="Đã xong, lần bổ sung không có ngày tiếp nhận bổ sung",
        en="Finished, with a supplement that was never taken in",
        look=_supplement_open,
    ),
    LintRule(
        id="cham-diem-so-gia",
        code="XSD-155",
        vi="Số định danh điền cho có",
        en="An identity number that is a filler",
        look=_fillers,
    ),
)
