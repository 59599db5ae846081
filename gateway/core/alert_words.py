"""What alarms and their urgency are called, in both languages: on the screen, in the console and in notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ALARMS: Final[Mapping[str, tuple[str, str]]] = {
    "lane-held": ("Hàng đợi hồ sơ bị tạm giữ", "Lane held"),
    "uncertain": ("Chưa rõ kết quả gửi", "Outcome unknown"),
    "party-silent": ("Bên nhận không phản hồi", "Party silent"),
    "inbox-unread": ("Hộp thư chưa được đọc", "Inbox unread"),
    "event-waiting": ("Sự kiện chờ sự kiện trước", "Event waiting"),
    "message-held": ("Thông điệp đang tạm giữ", "Message held"),
    "drift": ("Dữ liệu ở bên nhận chưa khớp", "Party not told yet, or believes otherwise"),
    "ending": ("Sắp hoặc đã hết hiệu lực", "Ends, or has ended"),
    "registry-flawed": (
        "Hồ sơ đăng ký không dùng được, bên không kết nối được",
        "Profile cannot be built, its party is shut out",
    ),
    "status-missing": ("Chưa có trạng thái chứng thư", "Certificate status missing"),
    "allowance": ("Sắp dùng hết hoặc đã dùng hết hạn mức gửi trong ngày", "A day's allowance used up, or nearly"),
    "backup": (
        "Sao lưu quá hạn, không thành công hoặc không đọc được",
        "A backup is overdue, failed or cannot be read",
    ),
    "log-flawed": ("Nhật ký hoặc các bảng không còn như đã ghi", "The log or the tables are not what was written"),
    "archive-broken": ("Tệp lưu trữ bị thiếu hoặc không nguyên vẹn", "An archive is missing or not whole"),
    "body-changed": (
        "Nội dung thông điệp không còn đúng mã băm đã ghi, không được giao",
        "A message on record is not what it was, and is not sent",
    ),
    "file-changed": ("Tệp đã lưu không còn đúng mã băm", "A stored file is not what it was"),
    "receipt-unproven": ("Không chứng minh được xác nhận tiếp nhận của bên nhận", "Receiver's receipts prove nothing"),
    "approval": ("Đợt chờ người thứ hai duyệt", "Batch waits for a second person"),
    "channel-dead": ("Kênh báo tin không gửi được", "Notice channel cannot send"),
}
SEVERITIES: Final[Mapping[str, tuple[str, str]]] = {
    "now": ("NGAY", "NOW"),
    "today": ("hôm nay", "today"),
    "later": ("sau", "later"),
}
