"""Shapes of dossier codes of centralised systems (MauMaHoSo): parts between slashes, as 00000/0000/00000."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeShape:
    """The shape of the dossier codes of one centralised system, and the agency that bears them."""

    pattern: re.Pattern[str]
    owner: str  # agency identifier


def is_code_shape(shape: str) -> bool:
    """Whether a text is the shape of a code: parts between slashes, 0 for a digit, A for a letter or digit, 'BHXH' as it is."""
    return re.fullmatch(r"(?:[0A]{1,20}|'[0-9A-Z]{1,20}')(?:/(?:[0A]{1,20}|'[0-9A-Z]{1,20}')){1,3}", shape) is not None


def code_pattern(shape: str) -> re.Pattern[str]:
    """The codes of a shape. Raises ValueError for a text that is none."""
    if not is_code_shape(shape):
        raise ValueError(f"no shape of a dossier code: {shape}")
    parts = [part.strip("'") if part.startswith("'") else _classes(part) for part in shape.split("/")]
    return re.compile("/".join(parts), re.ASCII)


def _classes(part: str) -> str:
    return "".join("[0-9]" if letter == "0" else "[0-9A-Z]" for letter in part)
