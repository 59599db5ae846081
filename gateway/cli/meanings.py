"""Words that people try who know other systems, or who think in Vietnamese: where what they mean is here."""

from __future__ import annotations

_PLACES = (
    (
        ("status", "health", "config", "settings", "diagnose", "info", "tinh-trang", "cau-hinh"),
        "Tình trạng của máy: lienthong doctor.",
        "The state of the node: lienthong doctor.",
    ),
    (
        ("users", "user", "operators", "accounts", "roles", "nguoi-dung", "tai-khoan", "phan-quyen", "nguoi-truc"),
        "Người của bàn trực: lienthong operator. Quyền ở dòng lệnh: mục [operators] của lienthong.toml.",
        "Persons of the console: lienthong operator. Who may do what at the command line: [operators] in lienthong.toml.",
    ),
    (
        ("web", "ui", "dashboard", "gui", "browser", "desk", "ban-truc"),
        "Các trang cho người trực: lienthong console.",
        "Pages for persons: lienthong console.",
    ),
    (
        ("metrics", "prometheus", "monitor", "so-do"),
        "Số đo: địa chỉ /metrics của serve. Thống kê hồ sơ: lienthong report.",
        "Metrics: the address /metrics of serve. Counts of dossiers: lienthong report.",
    ),
    (
        ("statistics", "stats", "thong-ke", "bao-cao"),
        "Thống kê một kỳ: lienthong report.",
        "The counts of a period: lienthong report.",
    ),
    (
        ("queue", "queues", "backlog", "outbox", "deliveries", "hang-doi"),
        "Hàng đợi gửi đi: lienthong lanes.",
        "What waits to be delivered: lienthong lanes.",
    ),
    (
        ("retry", "resend", "requeue", "redeliver", "gui-lai"),
        "Gửi lại: lienthong replay.",
        "To deliver again: lienthong replay.",
    ),
    (
        ("find", "search", "list", "ls", "tim", "thong-diep"),
        "Tìm thông điệp: lienthong messages. Một hồ sơ: lienthong dossier.",
        "To find messages: lienthong messages. One dossier: lienthong dossier.",
    ),
    (
        ("errors", "failures", "problems", "causes", "loi", "nguyen-nhan"),
        "Lỗi theo nguyên nhân: lienthong messages --causes; của việc gửi: lienthong lanes.",
        "Failures by cause: lienthong messages --causes; of deliveries: lienthong lanes.",
    ),
    (
        ("history", "timeline", "ho-so", "lich-su"),
        "Dòng thời gian của một hồ sơ: lienthong dossier. Các phiên bản sổ đăng ký: lienthong parties versions.",
        "The timeline of a dossier: lienthong dossier. Versions of the registry: lienthong parties versions.",
    ),
    (
        ("start", "run", "up", "server", "chay"),
        "Hai tiến trình của máy: lienthong serve và lienthong work.",
        "The two processes of a node: lienthong serve and lienthong work.",
    ),
    (
        ("stop", "restart", "reload", "dung"),
        "Dừng: gửi SIGTERM cho tiến trình; nạp lại cấu hình, khóa: SIGHUP cho lienthong serve và lienthong work.",
        "To stop: SIGTERM to the process; new settings or keys: SIGHUP to lienthong serve and lienthong work.",
    ),
    (
        ("migrate", "upgrade", "migration", "nang-cap"),
        "Nâng cấp cơ sở dữ liệu: lienthong db upgrade.",
        "To bring the database up: lienthong db upgrade.",
    ),
    (("audit", "who", "journal", "nhat-ky"), "Nhật ký móc xích: lienthong log.", "The chained log: lienthong log."),
    (
        ("delete", "remove", "purge", "forget", "xoa"),
        "Xóa nội dung hết hạn lưu trữ: lienthong erase. Giải phóng một mã hồ sơ: lienthong dossier release.",
        "To erase what retention no longer keeps: lienthong erase. An occupied code: lienthong dossier release.",
    ),
    (
        ("certificates", "certs", "certificate", "crl", "ocsp", "chung-thu"),
        "Chứng thư và bằng chứng của chúng: lienthong trust show.",
        "Certificates and what is known of them: lienthong trust show.",
    ),
    (
        ("keys", "keygen", "rotate", "khoa"),
        "Khóa ký mới của trục: lienthong key new.",
        "A new signing key of the gateway: lienthong key new.",
    ),
    (
        ("agencies", "partners", "party", "co-quan", "cac-ben"),
        "Các bên: lienthong parties list.",
        "The parties: lienthong parties list.",
    ),
    (("late", "overdue", "qua-han", "tre-han"), "Hồ sơ quá hạn: lienthong deadlines.", "Late dossiers: lienthong deadlines."),
    (
        ("validate", "kiem-tra", "kiem"),
        "Kiểm tra một tệp như khi tiếp nhận: lienthong check. Kiểm tra hồ sơ các bên: lienthong parties check.",
        "To judge a file as on arrival: lienthong check. The parties' profiles: lienthong parties check.",
    ),
    (
        ("test", "try", "playground", "thu"),
        "Trục thử nghiệm: lienthong sandbox. Bộ kiểm tra hợp chuẩn: lienthong conformance.",
        "A gateway of your own to try: lienthong sandbox. The conformance kit: lienthong conformance.",
    ),
)  # fmt: skip

#: The word -> a sentence in Vietnamese and one in English, with the commands that are meant.
MEANINGS = {word: (vi, en) for words, vi, en in _PLACES for word in words}
