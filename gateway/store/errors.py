"""What can go wrong between us and the database. Nothing of SQLAlchemy's own leaves the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from sqlalchemy import exc

from gateway.store.engine import Trouble, driver_errors, hindrance_of, trouble_of


class StoreError(Exception):
    """The database did not do what was asked; nothing of the transaction was kept.

    But for a commit that nobody answered: it may still come, and the same again is then a repeat.
    """

    def __init__(self, *args: object, why: str = "") -> None:
        super().__init__(*args)
        #: What stands in the way, in a word: lock, disk-full, read-only, file-replaced, schema, connection …; empty: none.
        self.why = why


OTHER_SCHEMA = "schema"  # why nothing is written: the database was brought to another revision under a running program


class Busy(StoreError):
    """Others held the locks for too long, or a deadlock was broken at our cost. The same again may succeed at once."""


class Unavailable(StoreError):
    """No connection, no disk, no permission: nothing will succeed until that is mended."""


class NotAtHand(StoreError):
    """Bytes that lie in an archive whose file is not there, or broken: it concerns whoever asks for them, and nobody beside."""

    code: ClassVar = "SYS-205"
    undelivered: ClassVar = "DLV-076"  # the same, of a delivery

    def __init__(self, archive: str, reason: object) -> None:
        """Which archive, and what is wrong with it."""
        super().__init__(f"archive {archive}: {reason}")
        self.archive = archive
        self.reason = str(reason)

    @property
    def facts(self) -> dict[str, str]:
        """What the two say of it."""
        return {"archive": self.archive, "reason": self.reason}


class Garbled(NotAtHand):
    """Bytes in the database that cannot be unpacked: their pattern is not on record, or somebody changed one of the two."""

    code: ClassVar = "SYS-209"
    undelivered: ClassVar = "DLV-079"

    def __init__(self, digest: str, reason: object) -> None:
        """Which, by the digest under which they are on record, and what is wrong with them."""
        StoreError.__init__(self, f"body {digest}: {reason}")
        self.digest = digest

    @property
    def facts(self) -> dict[str, str]:
        """What the two say of it."""
        return {"digest": self.digest}


class Conflict(StoreError):
    """What is asked for contradicts what is on record: it was moved on by somebody else, or exists already."""


class Unstorable(StoreError):
    """A value that no column can hold (a NUL or half a surrogate in a text, a number beyond 64 bits, a time without a zone)."""


class SchemaMismatch(StoreError):
    """The database is not of the revision that this program was written for."""

    def __init__(self, found: str | None, expected: str) -> None:
        if found is None:
            hint = "it is empty: run `lienthong db upgrade`"
        elif found < expected:
            hint = "it is older: run `lienthong db upgrade`"
        else:
            hint = "it is newer than this program: install the version that made it, or one after it"
        super().__init__(f"the database is of revision {found or 'none'}, this program of {expected}; {hint}")
        self.found = found
        self.expected = expected


_KINDS: dict[Trouble, type[StoreError]] = {
    Trouble.BUSY: Busy,
    Trouble.UNAVAILABLE: Unavailable,
    Trouble.CONFLICT: Conflict,
    Trouble.UNSTORABLE: Unstorable,
    Trouble.OTHER: StoreError,
}


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the database layer raises into the errors above. Messages name no values: a value may be personal data."""
    try:
        yield
    except exc.DBAPIError as error:
        kind = Unavailable if error.connection_invalidated else _KINDS[trouble_of(error.orig)]
        raise kind(_first_line(error.orig), why=hindrance_of(error.orig)) from error
    except driver_errors() as error:
        raise _KINDS[trouble_of(error)](_first_line(error), why=hindrance_of(error)) from error
    except exc.StatementError as error:  # a value was refused before it reached the database
        raise Unstorable(_first_line(error.orig)) from error
    except exc.TimeoutError as error:  # every connection of the pool is taken
        raise Busy(type(error).__name__, why="connections") from error
    except exc.SQLAlchemyError as error:
        raise StoreError(type(error).__name__) from error
    except (UnicodeError, OverflowError) as error:  # the drivers let these through as they are
        raise Unstorable(type(error).__name__) from error


def _first_line(error: BaseException | None) -> str:
    """PostgreSQL puts the values of a violated key into the lines after the first."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no details'}"
