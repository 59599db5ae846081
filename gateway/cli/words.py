"""What click says of wrong arguments, in Vietnamese; it has no translations of its own."""

from __future__ import annotations

import re

_SENTENCES = (
    (r"(.+) is not one of (.+)\.", r"\1 không nằm trong: \2."),
    (r"(.+) is not in the range (.+)\.", r"\1 nằm ngoài khoảng \2."),
    (r"(.+) is not a valid (?:integer|float)(?: range)?\.", r"\1 không phải là số."),
    (r"(?:File|Path) '(.+)' is a directory\.", r"“\1” là thư mục, không phải tệp."),
    (r"Directory '(.+)' is a file\.", r"“\1” là tệp, không phải thư mục."),
    (r"(?:File|Path|Directory) '(.+)' does not exist\.", r"không có “\1”."),
    (r"(?:File|Path|Directory) '(.+)' is not readable\.", r"không được đọc “\1”."),
    (r"Got unexpected extra arguments? \((.+)\)", r"Thừa: \1."),
    (r"Option '(.+)' requires (?:an argument|\d+ arguments)\.", r"Thiếu giá trị cho \1."),
    (r"Option '(.+)' does not take a value\.", r"\1 không nhận giá trị."),
)


def click_in_vietnamese(sentence: str) -> str:
    """The same sentence in Vietnamese; as it is where it is none of those known here."""
    for pattern, said in _SENTENCES:
        match = re.fullmatch(pattern, sentence, re.DOTALL)
        if match is not None:
            return match.expand(said)
    return sentence
