"""Column types that mean the same on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

#: Grows by itself. SQLite numbers rows by itself only in a column declared INTEGER, which holds 64 bits there.
Serial = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Refuses naive values going in; comes out aware, in UTC. SQLite keeps it as sortable text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """As text on SQLite, with its zone on PostgreSQL."""
        if dialect.name == "sqlite":
            return _as_text

        def as_utc(value: datetime | None) -> datetime | None:
            return None if value is None else _utc(value).replace(tzinfo=UTC)

        return as_utc

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """Restores the zone."""
        if dialect.name == "sqlite":

            def from_text(value: str | None) -> datetime | None:
                return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)

            return from_text

        def from_zone(value: datetime | None) -> datetime | None:
            return None if value is None else value.astimezone(UTC)

        return from_zone


@lru_cache(maxsize=1024)  # a tray says the same few instants hundreds of times
def _as_text(value: datetime | None) -> str | None:
    return None if value is None else _utc(value).isoformat(" ", "microseconds")


def _utc(value: datetime) -> datetime:
    """The instant in UTC, without its zone."""
    zone = value.tzinfo
    if zone is UTC:
        return value.replace(tzinfo=None)
    if zone is None or value.utcoffset() is None:
        raise ValueError("a time without a zone cannot be stored")
    return value.astimezone(UTC).replace(tzinfo=None)


#: JSON values as the bytes of their text.
encode_json = msgspec.json.Encoder(enc_hook=str).encode
#: The same with sorted keys: what chain.digest_of() hashes, of values that hold no fractions and have text as keys.
encode_sorted = msgspec.json.Encoder(enc_hook=str, order="sorted").encode
#: The reverse.
decode_json = msgspec.json.Decoder().decode


def encoded(value: Any) -> msgspec.Raw:
    """A JSON value as its text, which encode_json() takes as it is: for what is written in several places."""
    return msgspec.Raw(encode_json(value))


class Json(TypeDecorator[Any]):
    """Plain JSON values as text: kept exactly, never interpreted by the database. Unknown kinds become their text."""

    impl = Text()
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """As text."""

        def as_text(value: Any) -> str | None:
            return None if value is None else encode_json(value).decode()

        return as_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """As values."""

        def from_text(value: str | None) -> Any:
            return None if value is None else decode_json(value)

        return from_text


class Vnd(TypeDecorator[Decimal]):
    """An amount of money as a whole number of ten-thousandths, so that every database can add it up exactly."""

    impl = BigInteger()
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Rounded to ten-thousandths; the exact amount stands in the change it comes from."""
        return None if value is None else int(self.kept(value) * 10_000)

    @staticmethod
    def kept(value: Decimal) -> Decimal:
        """The amount as it is read back."""
        return (value * 10_000).to_integral_value(ROUND_HALF_EVEN) / 10_000

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """The amount."""
        return None if value is None else Decimal(value) / 10_000
