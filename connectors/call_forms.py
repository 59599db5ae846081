"""What a profile may say of a party that is called by HTTP: its log-in, its calls, and what its answers mean."""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connectors.reading import Reads
from connectors.table import Secret
from gateway.core.model import BodyForm
from gateway.core.written import setting

EVERY = "*"  # in ``send``: every message type that has no row of its own


class Grant(StrEnum):
    """How we prove who we are."""

    CLIENT_CREDENTIALS = "client_credentials"  # OAuth 2.0
    PASSWORD = "password"  # noqa: S105 - the name of a grant of OAuth 2.0
    SESSION = "session"  # a log-in of the party's own


class ClientIn(StrEnum):
    """Where the client's name and secret stand in a request for a token."""

    FORM = "form"
    BASIC = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerLogin:
    """How a token or session is got."""

    grant: Grant = setting(
        vi="client_credentials, password hoặc session.", en="client_credentials, password or session."
    )
    url: str = setting(
        pattern=r"https?://\S+", vi="Địa chỉ lấy mã truy cập hoặc đăng nhập.", en="Where the token is got."
    )
    client_id: str | None = setting(None, vi="client_id.", en="client_id.")
    client_secret: str | None = setting(None, vi="Tên của bí mật trong secrets.", en="Its name among secrets.")
    client_in: ClientIn = setting(
        ClientIn.FORM,
        vi="client_id và bí mật nằm trong form hay tiêu đề Authorization (basic).",
        en="Whether client_id and secret stand in the form, or in the header Authorization (basic).",
    )
    username: str | None = setting(None, vi="Tên đăng nhập (password).", en="User name (password).")
    password: str | None = setting(None, vi="Tên của mật khẩu trong secrets.", en="The password's name among secrets.")
    scope: str | None = setting(None, vi="scope.", en="scope.")
    form: Mapping[str, str] = setting({}, vi="Trường gửi thêm (mẫu).", en="Further fields of the form (templates).")
    headers: Mapping[str, str] = setting({}, vi="Tiêu đề gửi kèm (mẫu).", en="Headers (templates).")
    body: str | None = setting(
        None, vi="Tên mẫu của nội dung đăng nhập (session).", en="The template of the log-in's body (session)."
    )
    reads: Reads = setting(Reads.JSON, vi="Dạng trả lời: json, xml, text.", en="The answer's form: json, xml, text.")
    token: str = setting(
        "access_token", vi="Đường dẫn tới mã truy cập trong trả lời.", en="Path to the token in the answer."
    )
    lasts: str = setting(
        "expires_in",
        vi="Đường dẫn tới thời hạn (giây); nếu không có, dùng lasts_s.",
        en="Path to its life, in seconds.",
    )
    lasts_s: float = setting(
        3600.0, at_least=1, at_most=864_000, vi="Thời hạn khi trả lời không ghi.", en="Its life where none is told."
    )
    early_s: float = setting(
        60.0,
        at_least=0,
        at_most=86_400,
        vi="Số giây lấy mã truy cập mới trước khi hết hạn.",
        en="Renewed so many seconds early.",
    )
    then: str | None = setting(
        None,
        vi="Lời gọi thực hiện ngay sau khi có mã truy cập (lấy phiên); giá trị got.… của lời gọi này dùng cùng mã truy cập.",
        en="A call made with each new token (to get a session); its got.… are kept with the token.",
    )
    bearer: bool = setting(
        True,
        vi="Tự gửi Authorization: Bearer (với session: không).",
        en="Whether Authorization: Bearer is sent by itself (never for session).",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """What the answers to a call mean. Codes are compared as written; an answer without its code is unreadable."""

    reads: Reads = setting(
        Reads.JSON,
        vi="Dạng trả lời: json, xml, text, hoặc nothing (mã HTTP là đủ).",
        en="The answer's form: json, xml, text, or nothing (its HTTP status is enough).",
    )
    within: str | None = setting(
        None,
        vi="Đường dẫn tới phần tử chứa trả lời thật dạng chữ (JSON hoặc XML nằm trong XML).",
        en="Path to the text in which the real answer lies (JSON or XML inside XML).",
    )
    code: str | None = setting(
        None,
        vi='Đường dẫn tới mã kết quả, ví dụ error_code hoặc Body/TraLoi/Ma; "" là cả câu trả lời; không khai: 2xx là đủ.',
        en='Path to the result code: error_code, Body/TraLoi/Ma; "" is the whole answer; without it a 2xx is enough.',
    )
    delivered: tuple[str, ...] = setting((), vi="Các mã nghĩa là đã nhận.", en="Codes that mean: taken.")
    passing: tuple[str, ...] = setting((), vi="Lỗi tạm thời, chưa nhận.", en="A passing fault, not taken.")
    refused: tuple[str, ...] = setting((), vi="Từ chối; bỏ trống: mọi mã khác.", en="Refused; empty: every other code.")
    expired: tuple[str, ...] = setting((), vi="Mã truy cập hoặc phiên đã hết hạn.", en="The token or session is over.")
    exists: tuple[str, ...] = setting((), vi="Hồ sơ đã có.", en="The dossier is there already.")
    missing: tuple[str, ...] = setting((), vi="Hồ sơ không có.", en="The dossier is not there.")
    rows: str | None = setting(
        None, vi="Đường dẫn tới mảng kết quả của từng dòng.", en="Path to the array with each row's own outcome."
    )
    row_code: str | None = setting(
        None, vi="Đường dẫn tới mã kết quả trong mỗi dòng.", en="Path to the result code in a row."
    )
    reference: str | None = setting(
        None, vi="Đường dẫn tới số tiếp nhận của bên nhận.", en="Path to the receiver's own number."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUpload:
    """A file in a request: a field of a multipart/form-data, or the whole body."""

    field: str = setting(
        "",
        vi="Tên trường; rỗng: nội dung yêu cầu là chính tệp.",
        en="The field's name; empty: the body is the file itself.",
    )
    content: str = setting(
        "row.base64",
        vi="Biểu thức cho nội dung, base64. Dòng của dinh_kem dẫn tới tệp đã gửi lên trục thì tệp đó được đọc dần từ đĩa.",
        en="TemplateExpression for its content, base64. Where a row of dinh_kem names a file that was brought to the gateway, "
        "that file is read from the disk as it leaves.",
    )
    name: str = setting("row.ten", vi="Biểu thức cho tên tệp.", en="TemplateExpression for its name.")
    type: str = setting("row.loai", vi="Biểu thức cho kiểu nội dung.", en="TemplateExpression for its media type.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerCall:
    """One request, and what its answer means."""

    method: str = setting("POST", among=("GET", "POST", "PUT", "PATCH"), vi="Phương thức.", en="The method.")
    path: str = setting(
        "",
        vi="Phần sau url, hoặc một địa chỉ đầy đủ; mẫu: mỗi giá trị thành một đoạn đường dẫn.",
        en="What follows url, or a whole address; a template: each value becomes a segment.",
    )
    query: Mapping[str, str] = setting(
        {},
        vi="Tham số sau dấu ? (mẫu); giá trị rỗng thì bỏ.",
        en="Query parameters (templates); empty ones are left out.",
    )
    headers: Mapping[str, str] = setting({}, vi="Tiêu đề (mẫu).", en="Headers (templates).")
    body: str | None = setting(
        None,
        vi="Tệp mẫu của nội dung, cạnh tệp hồ sơ: .json, .xml hoặc .txt.",
        en="The body's template, a file beside the profile: .json, .xml or .txt.",
    )
    form: Mapping[str, str] = setting({}, vi="Các trường của form (mẫu).", en="Fields of a form (templates).")
    upload: FileUpload | None = setting(None, vi="Tệp gửi kèm (multipart).", en="A file that is uploaded (multipart).")
    content_type: str | None = setting(
        None,
        vi="Kiểu nội dung, khi khác đuôi tệp mẫu.",
        en="The media type, where the template's name does not say it.",
    )
    empty: bool = setting(
        True, vi="false: bỏ các trường JSON không có giá trị.", en="false: JSON members without a value are left out."
    )
    when: str | None = setting(None, vi="Chỉ gọi khi biểu thức này đúng.", en="Called only when this expression is so.")
    each: str | None = setting(
        None,
        vi="Gọi cho từng nhóm dòng của danh sách này (tien_do, dinh_kem, …): rows, row.",
        en="Called for each chunk of this list (tien_do, dinh_kem, …): rows, row.",
    )
    chunk: int = setting(1, at_least=1, at_most=1000, vi="Số dòng mỗi lần gọi.", en="Rows in one call.")
    answer: AnswerRules = setting(AnswerRules(), vi="Ý nghĩa của trả lời.", en="What the answer means.")
    take: Mapping[str, str] = setting(
        {}, vi="Giá trị lấy cho các lần gọi sau: got.<tên>.", en="Values for the calls after it: got.<name>."
    )
    remember: Mapping[str, str] = setting(
        {}, vi="Giá trị lưu theo hồ sơ: remembered.<tên>.", en="Values remembered for the dossier: remembered.<name>."
    )
    if_exists: str | None = setting(
        None, vi="Lần gọi thay khi trả lời “đã có”.", en="The call to make instead where the answer is “exists”."
    )
    if_missing: str | None = setting(
        None, vi="Lần gọi thay khi trả lời “không có”.", en="The call to make instead where the answer is “missing”."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerLookUp:
    """How the party is asked what it has."""

    call: str = setting(
        vi="Tên lần gọi tra cứu; answer.missing nghĩa là không có.", en="The call; its codes missing: not there."
    )
    agrees: str = setting(
        vi="Biểu thức: dữ liệu của bên nhận cho thấy đã nhận thông điệp này.",
        en="TemplateExpression: what they have shows that they took this message.",
    )
    believes: Mapping[str, str] = setting(
        {},
        vi="Dữ liệu bên nhận đang có, dùng cho drift --ask và reconcile: trường (TrangThaiHoSo, …) -> biểu thức trên answer. "
        "Chỉ dùng mã hồ sơ và giá trị đã lưu để tra cứu.",
        en="What they have, for drift --ask and reconcile: field (TrangThaiHoSo, …) -> expression on answer. Only the "
        "dossier's code and what is remembered of it go into the question.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerFetch:
    """How messages are fetched from a party that cannot push."""

    call: str = setting(vi="Tên lần gọi lấy danh sách.", en="The call that gives them.")
    items: str = setting("", vi="Đường dẫn tới mảng trong trả lời.", en="Path to the array in the answer.")
    form: BodyForm = setting(
        BodyForm.THONG_DIEP,
        vi="Dạng: ThongDiep, DongBoHoSoMC hay CapNhatTienDoHoSoMC.",
        en="What each is: ThongDiep, DongBoHoSoMC or CapNhatTienDoHoSoMC.",
    )
    body: str | None = setting(
        None,
        vi="Mẫu làm ra gói từ mỗi phần tử (row); nếu không có, dùng message.",
        en="The template that makes the packet of each item (row); without it, message.",
    )
    message: str = setting(
        "row", vi="Biểu thức cho nội dung của thông điệp.", en="TemplateExpression for the message's text."
    )
    base64: bool = setting(False, vi="Nội dung ở dạng base64.", en="Whether that text is base64.")
    confirm: str | None = setting(
        None, vi="Lần gọi báo đã ghi nhận phần tử (row).", en="The call that says an item (row) is on record."
    )


@dataclass(frozen=True, kw_only=True)
class HttpTable:
    """Where the party listens, its words, and which calls each message becomes."""

    url: str = setting(
        pattern=r"https?://\S+", vi="Địa chỉ chung của các lần gọi.", en="What all calls' addresses begin with."
    )
    secrets: Mapping[str, Secret] = setting(
        {}, vi="Bí mật theo tên: file:… hoặc env:…; trong mẫu là secret.<tên>.", en="Secrets by name: secret.<name>."
    )
    values: Mapping[str, str] = setting({}, vi="Giá trị cố định: values.<tên>.", en="Fixed values: values.<name>.")
    headers: Mapping[str, str] = setting(
        {}, vi="Tiêu đề của mọi lần gọi (mẫu).", en="Headers of every call (templates)."
    )
    login: PartnerLogin | None = setting(
        None, vi="Cách lấy mã truy cập hoặc phiên.", en="How a token or session is got."
    )
    calls: Mapping[str, PartnerCall] = setting(vi="Các lần gọi theo tên.", en="Calls by name.")
    send: Mapping[str, tuple[str, ...]] = setting(
        {},
        vi='Loại thông điệp = các lần gọi theo thứ tự; "*": các loại còn lại.',
        en='Message type = its calls, in order; "*": all other types.',
    )
    look_up: PartnerLookUp | None = setting(None, vi="Cách tra cứu.", en="How to look up.")
    fetch: PartnerFetch | None = setting(None, vi="Cách lấy thông điệp.", en="How messages are fetched.")
    request_bytes: int = setting(
        32 << 20, at_least=1000, at_most=1 << 28, vi="Yêu cầu dài nhất, byte.", en="The longest request, bytes."
    )
    texts: Mapping[str, str] = setting(
        {},
        vi="Mẫu theo tên; mẫu nằm trong tệp được đưa vào đây khi đọc hồ sơ.",
        en="Templates by name; those in files are put here when the profile is read.",
    )
