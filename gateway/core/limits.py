"""How large and how deep a document may be: one value, which is the settings table ``limits`` and travels with each document.

Nobody else makes one (tests/architecture/test_one_parser.py), so that no later parse goes by other numbers than the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.core.written import setting

LONGEST_TEXT: Final = 10_000_000  # bytes; libxml2 reads no longer one unless it is told to trust its input


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """Budgets of one XML document; going over any is refused with its own XML code."""

    body_bytes: int = setting(
        4 * 2**20,
        at_least=1024,
        at_most=2**27,
        vi="Độ dài tối đa của một thông điệp, byte.",
        en="The longest message, bytes.",
    )
    depth: int = setting(  # elements above and including the innermost; lxml's own limit is 256
        40, at_least=8, at_most=250, vi="Độ sâu lồng nhau tối đa.", en="The deepest nesting."
    )
    elements: int = setting(20_000, at_least=100, at_most=500_000, vi="Số phần tử tối đa.", en="The most elements.")
    attributes: int = setting(  # declarations of namespaces not counted
        32,
        at_least=8,
        at_most=1000,
        vi="Số thuộc tính tối đa của một phần tử.",
        en="The most attributes of one element.",
    )
    namespaces: int = setting(  # inclusive C14N is cubic in them
        64,
        at_least=8,
        at_most=256,
        vi="Số không gian tên tối đa có hiệu lực tại một phần tử.",
        en="The most namespaces in scope at one element.",
    )
    name_bytes: int = setting(  # lxml never forgets a name
        128 * 2**10,
        at_least=1024,
        at_most=2**23,
        vi="Tổng độ dài tối đa của các tên phần tử và thuộc tính khác nhau, byte.",
        en="The most bytes of different names of elements and attributes.",
    )
    text_bytes: int = setting(  # from the start of one tag to the start of the next
        3 * 2**20,
        at_least=1024,
        at_most=LONGEST_TEXT,
        vi="Độ dài tối đa của một đoạn văn bản (kể cả base64), byte.",
        en="The longest single text (base64 included), bytes.",
    )

    def for_bytes(self, most: int) -> DocumentLimits:
        """The same shape, where something else says how many bytes there may be."""
        return replace(self, body_bytes=most, text_bytes=most)


DEFAULT_LIMITS: Final = DocumentLimits()
#: The most that any node can be set to. What is on record, or one's own, was let in by some node's limits and is read by
#: these: a limit that was lowered since, or that another machine has, makes no evidence unreadable.
CEILING: Final = DocumentLimits(
    body_bytes=2**27,
    depth=250,
    elements=500_000,
    attributes=1000,
    namespaces=256,
    name_bytes=2**23,
    text_bytes=LONGEST_TEXT,
)
