"""What was asked for by a name that nothing has: said in the reader's language, with the command that lists what there is."""

from __future__ import annotations

from gateway.core.problems import Problem

_LISTED = {
    "message": ("thông điệp", "message", "lienthong messages"),
    "delivery": ("lượt gửi", "delivery", "lienthong lanes"),
    "dossier": ("hồ sơ", "dossier", "lienthong messages"),
    "archive": ("tệp lưu trữ", "archive", "lienthong archive list"),
    "body": ("nội dung", "body", "lienthong messages --json"),
    "alert": ("nhóm cảnh báo", "group of alerts", "lienthong alerts"),
    "operator": ("người trực", "operator", "lienthong operator list"),
    "party": ("bên", "party", "lienthong parties list"),
    "batch": ("đợt", "batch", "lienthong batches"),
    "channel": ("kênh báo tin", "notice channel", "lienthong notify list"),
    "samples": ("bộ mẫu", "folder of samples", "lienthong demo --help"),
}


def unknown(what: str, value: str) -> Problem:
    """SYS-042 for a kind of thing (message, delivery, dossier, party, …) and the name it was asked for by."""
    vi, en, listing = _LISTED[what]
    return Problem("SYS-042", {"what": what, "what_vi": vi, "what_en": en, "value": value[:200], "listing": listing})
