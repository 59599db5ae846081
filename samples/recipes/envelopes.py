"""The envelope of a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recipes.people import DIACRITICS, Office, message_id, moment
from recipes.xmltext import HS, PB, XSI, Node, Value, element


def fill(length: int, start: str = "") -> str:
    """Text of exactly this many characters, holding every Vietnamese letter when it is long enough."""
    text = start
    while len(text) < length:
        text += (" " if text else "") + DIACRITICS
    text = text[:length]
    return text[:-1] + "Ặ" if text.endswith(" ") else text


def envelope(
    name: str,
    loai: str,
    goc: str,
    payload: Mapping[str, Value],
    *,
    sender: Office,
    to: Sequence[Office],
    at: str,
    ma_ho_so: str | None = None,
    thu_tu: int | None = None,
    phien_ban: str = "1.0",
    dinh_kem: Sequence[Value] = (),
    tra_loi: str | None = None,
    tuong_quan: str | None = None,
    thoi_han: str | None = None,
    full: bool = False,
    bound: bool = False,
    ma_thong_diep: str | None = None,
    root_id: str | None = None,
) -> Node:
    """A ThongDiep. ``full``: with every optional header element; ``bound``: header values at their limits."""
    inner = element(goc, dict(payload), "hs")
    inner.attributes = {"xmlns:hs": HS} | inner.attributes
    header: dict[str, Value] = {
        "MaThongDiep": ma_thong_diep or message_id(name),
        "LoaiThongDiep": loai,
        "PhienBan": phien_ban,
        "NoiGui": sender.address(full=full),
        "DanhSachNoiNhan": {"NoiNhan": [office.address(full=full) for office in to]},
    }
    if tra_loi:
        header["MaThongDiepGoc"] = tra_loi
    if tuong_quan or full or bound:
        header["MaTuongQuan"] = tuong_quan or ("A" * 99 + "z" if bound else f"vu-viec:{ma_ho_so or goc}")
    if ma_ho_so:
        header["MaHoSo"] = ma_ho_so
    if thu_tu is not None:
        header["ThuTu"] = str(thu_tu)
    header["ThoiDiemTao"] = at
    if thoi_han or full or bound:
        header["ThoiHan"] = thoi_han or moment("2046-12-31", "23:59:59")
    if full or bound:
        header["DanhSachDauVet"] = {"DauVet": [{"MaDinhDanh": sender.ma, "ThoiDiem": at}]}
        header["SieuDuLieu"] = {
            "TieuDe": fill(1000) if bound else f"{goc} {ma_ho_so or ''}".strip(),
            "NguoiTao": fill(500) if bound else sender.ten,
            "Ngay": at[:10],
            "DinhDanh": "Đ" * 100 if bound else f"{loai}/2026",
            "NgonNgu": "vi-VN" if bound else "vi",
            "DinhDang": "application/xml",
            "ChuDe": [f"chủ đề {n}" for n in range(1, 21)] if bound else ["hồ sơ", "một cửa"],
        }
    root = element("ThongDiep", header, "lt")
    root.attributes = {"xmlns:lt": PB} | ({"Id": root_id} if root_id else {})
    root.children.append(Node("lt:ThanPhan", children=[inner]))
    if dinh_kem:
        root.children.append(element("DanhSachDinhKem", {"DinhKem": list(dinh_kem)}, "lt"))
    if any("xsi:nil" in node.attributes for node in everything(root)):
        root.attributes["xmlns:xsi"] = XSI
    return root


def everything(node: Node) -> list[Node]:
    """The element and all below it."""
    return [node, *(found for child in node.children for found in everything(child))]
