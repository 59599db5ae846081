"""Words of the pages that tools/pages.py makes and that the code has in one language only, with the other language beside them.

A source names texts of law and standards, sometimes a remark; what a move of a dossier does is a short remark. Both are for
readers of the pages alone, so their second language stands here and not in the core. What has no words here is an error.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.lifecycle import MOVES
from gateway.core.problems import Lang
from schemas.scoring import SOURCE, SOURCE_EN, SOURCE_VI

Pair = tuple[str, str]  # Vietnamese, English


def of(lang: Lang, pair: Pair) -> str:
    """The one of the two that is asked for."""
    return pair[0] if lang is Lang.VI else pair[1]


# Remarks, whole, before single words; a longer one before one that it contains.
SOURCES: Final[tuple[Pair, ...]] = (
    (SOURCE_VI, SOURCE_EN),
    ("ngày trong mã hồ sơ là ngày có thật", "the date inside a dossier code is a calendar date"),
    (
        "không ai được lấy trước mã của các ngày sắp tới; chừa một ngày cho chênh lệch đồng hồ và múi giờ",
        "nobody takes the codes of days to come; a day is left for clocks and time zones",
    ),
    ("MaHoSo của phong bì là MaHoSo của thân", "the envelope's MaHoSo is the payload's"),
    ("MaThongDiepGoc của phong bì là MaThongDiepGoc của thân", "the envelope's MaThongDiepGoc is the payload's"),
    ("ThuTu của phong bì và của thân như nhau", "ThuTu of envelope and payload agree"),
    ("ThoiDiemTao sớm hơn giờ nhận tối đa năm phút", "ThoiDiemTao at most five minutes ahead"),
    ("ThoiDiemTao nằm trong khoảng thời gian được nhận", "ThoiDiemTao inside the window"),
    ("thông điệp đã quá ThoiHan thì không còn hiệu lực", "what is past its ThoiHan has no effect"),
    ("ThoiHan sau ThoiDiemTao", "ThoiHan after ThoiDiemTao"),
    ("mỗi bên nhận được nêu một lần", "a receiver is named once"),
    ("chỉ trục lập thông điệp thay bên khác", "only the gateway composes on behalf of others"),
    ("kích thước trong bảng kê tệp", "size in the manifest"),
    ("SHA-256 trong bảng kê tệp", "SHA-256 in the manifest"),
    ("tệp mà thân trỏ tới có trong bảng kê tệp", "what the payload points to is in the manifest"),
    ("tệp trong bảng kê được thân dùng tới", "what the manifest lists is used by the payload"),
    (
        "kiểu nội dung theo nội dung thật của tệp, không theo tên tệp",
        "the media type is what the bytes are, whatever the name says",
    ),
    ("bên gọi địa chỉ này phải tới đúng nơi đã ghi, ở bên ngoài", "who follows it must end where it says, outside"),
    ("không có tệp nào mang các giá trị băm này", "no file is known by these digests"),
    ("không có mã lệnh trong văn bản", "no code in documents"),
    ("trường mà từng trạng thái cần có", "what each state needs"),
    ("thời điểm kết thúc không trước thời điểm bắt đầu", "an end is not before its start"),
    ("sự việc được báo là sự việc đã xảy ra", "what happened has happened"),
    ("tổng các khoản thu đúng bằng tổng tiền", "the fees sum up"),
    ("thủ tục có trong danh mục", "the procedure is in the catalogue"),
    ("Luật Căn cước 2023: 12 chữ số; CMND: 9 chữ số", "Luật Căn cước 2023: 12 digits; CMND: 9"),
    (
        "giá trị không có được ghi theo cách riêng, không điền số giả",
        "absence has its own form, no filler numbers",
    ),
    ("ngày sinh không ở tương lai", "no birth date in the future"),
    ("bản gốc của bản sao được giữ nguyên từng byte", "the copy's original is kept byte for byte"),
    ("một kỳ báo cáo có ngày kết thúc", "a report has an end"),
    ("một văn bản có nội dung", "a text says something"),
    ("TLS từ 1.2", "TLS 1.2 or newer"),
    ("tên viết UpperCamelCase", "names in UpperCamelCase"),
    ("múi giờ +07:00", "offset +07:00"),
    ("bảng kê tệp", "file manifest"),
    ("bảng mã", "code lists"),
    ("tốc độ: hồ sơ của bên", "rate: party profile"),
    ("hạn mức:", "allowance:"),
    ("giới hạn:", "limits:"),
    ("mức tối đa:", "limit:"),
    ("định mức:", "quota:"),
    ("từ chối:", "refusal:"),
    ("quy tắc:", "rule:"),
    ("căn cứ của Quyết định", "basis of Decision"),
    ("sửa đổi", "amendment"),
    ("Quyết định", "Decision"),
    ("Thông tư", "Circular"),
    ("Bộ luật Lao động 2019", "Labour Code 2019"),
    ("Luật Căn cước 2023", "Law 2023 on Identification"),
    ("Luật", "Law"),
    ("Phụ lục", "Annex"),
    ("Điều", "Article"),
    ("mục", "section"),
    ("mục", "sections"),
    ("phần", "part"),
    (" và ", " and "),
    ("Liên Thông", "liên thông"),
)
ENGLISH: Final = re.compile(r"\b(?:the|is|are|of|an?|and|what|no|with|has|in|on|after|only|who|must|section|rule)\b")
DIACRITICS: Final = re.compile(r"[À-ɏ̀-ͯḀ-ỿ]")
NAMES: Final = re.compile(
    r"Liên Thông|Namespaces in XML|Đồng Nai|\d[\w/]*/[\w-]*Đ[\w-]*|\]\([^)]*\)"
)  # a number of a text: 766/QĐ-TTg


def source(text: str, lang: Lang) -> str:
    """A source in one language. Ends the program where a remark has no words in it."""
    said = text.replace(SOURCE, SOURCE_VI)
    for pair in SOURCES:
        other, own = (pair[1], pair[0]) if lang is Lang.VI else pair
        said = re.sub(rf"(?<!\w){re.escape(other)}(?!\w)" if other[0].isalpha() else re.escape(other), own, said)
    said = said.replace("liên thông", "Liên Thông")
    bare = NAMES.sub("", said)
    if (ENGLISH if lang is Lang.VI else DIACRITICS).search(bare):
        raise SystemExit(f"tools/page_words.py: SOURCES has no words for “{text}” ({lang}: {said})")
    return said


EFFECTS: Final[dict[str, str]] = {
    "sets NgayTiepNhan, NgayHenTra": "ghi NgayTiepNhan, NgayHenTra",
    "sets NgayTuChoi": "ghi NgayTuChoi",
    "sets NgayKetThucXuLy": "ghi NgayKetThucXuLy",
    "sets NgayTra": "ghi NgayTra",
    "state remembered": "ghi nhớ trạng thái",
    "state remembered; clock paused": "ghi nhớ trạng thái; tạm dừng tính thời hạn",
    "closed as returned or withdrawn; open payments cancelled": (
        "kết thúc do trả lại hoặc xin rút; hủy các khoản chưa thanh toán"
    ),
    "hand-over to the specialised office (6 hours, R27)": "chuyển bộ phận chuyên môn (6 giờ, R27)",
    "written reason (R33, R34)": "nêu lý do bằng văn bản (R33, R34)",
    "projection of an open payment request": "suy ra từ yêu cầu thanh toán chưa hoàn thành",
    "step back; reason; logged": "lùi trạng thái; có lý do; được ghi nhật ký",
    "back to the state before; NgayHenTra extended by the waiting time, or by decree counted again from receipt": (
        "về trạng thái trước đó; NgayHenTra được cộng thời gian chờ, hoặc theo quy định được tính lại từ lúc nhận"
    ),
    "full time limit counted again from receipt": "toàn bộ thời hạn được tính lại từ lúc nhận",
    "payment confirmed": "đã xác nhận thanh toán",
    "withdrawal confirmed; open payments cancelled": "đồng ý cho rút; hủy các khoản chưa thanh toán",
    "withdrawal refused; back to the state before": "không đồng ý cho rút; về trạng thái trước đó",
    "resume; NgayHenTra extended where 8 is a pause": "tiếp tục xử lý; NgayHenTra được lùi khi trạng thái 8 là tạm dừng",
    "recall of a delivered result; reason; logged": "thu hồi kết quả đã trả; có lý do; được ghi nhật ký",
}


def effect(text: str, lang: Lang) -> str:
    """What a move of a dossier does, in one language."""
    return EFFECTS[text] if lang is Lang.VI else text


if missing := {move.effect for row in MOVES.values() for move in row} - EFFECTS.keys():
    raise SystemExit(f"tools/page_words.py: EFFECTS has no words for {sorted(missing)}")
