"""What the caller would like to read: XML or JSON, Vietnamese or English."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from gateway.core.problems import Lang


class Media(StrEnum):
    """The two forms in which everything can be had."""

    XML = "xml"
    JSON = "json"


_TYPES = {
    Media.XML: ("application/problem+xml", "application/xml", "text/xml"),
    Media.JSON: ("application/problem+json", "application/json"),
}


@lru_cache(maxsize=512)
def media(accept: str, default: Media) -> Media:
    """The form the Accept header prefers; the default where it prefers neither.

    Generated clients list all that an operation may answer and state no weights, the first being what they decode: of
    forms of one weight the one listed first is meant, and one that is named goes before one that ``*/*`` only lets in.

    Never a refusal: a caller that accepts neither gets the default (RFC 9110 section 12.5.1 allows that), since an
    answer in the other form serves a sender better than none.
    """
    ranges = _ranges(accept)
    if not ranges:
        return default
    weight = {form: _weight(names, ranges) for form, names in _TYPES.items()}
    if weight[Media.XML] != weight[Media.JSON]:
        return max(weight, key=lambda form: weight[form])
    named = [form for name in ranges for form, names in _TYPES.items() if name in names]
    return named[0] if named and weight[named[0]] > 0 else default


@lru_cache(maxsize=512)
def language(accept_language: str) -> Lang:
    """The language of titles and sentences: Vietnamese unless English is preferred."""
    weight = {Lang.VI: 0.0, Lang.EN: 0.0}
    for name, quality in _ranges(accept_language).items():
        for lang, known in weight.items():
            if name.split("-", 1)[0] == lang:
                weight[lang] = max(known, quality)
    return Lang.EN if weight[Lang.EN] > weight[Lang.VI] else Lang.VI


def _ranges(header: str) -> dict[str, float]:
    """Each range with its weight. Whatever is not understood is left out: this header only states a wish."""
    found: dict[str, float] = {}
    for part in header[:1000].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if not name:
            continue
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        found[name] = max(found.get(name, 0.0), quality if quality == quality else 0.0)  # noqa: PLR0124 - not NaN
    return found


def _weight(names: tuple[str, ...], ranges: dict[str, float]) -> float:
    """The weight of one form: the most specific ranges that fit one of its media types decide."""
    mains = {f"{name.split('/', 1)[0]}/*" for name in names}
    for candidates in (names, sorted(mains), ("*/*",)):
        named = [ranges[candidate] for candidate in candidates if candidate in ranges]
        if named:
            return max(named)
    return 0.0
