"""The technical log, written beside the work: whoever logs puts a line down and goes on; a thread words and writes it.

Standard error may be a pipe that nobody reads. Then lines wait, up to a number, and are dropped beyond it; how many is
counted, and said in the log as soon as it is taken again.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

MOST: Final = 10_000  # lines that wait at most
NOISY: Final = (
    "signxml",
    "zeep",
    "urllib3",
    "aiohttp",
    "xmlschema",
    "asyncio",
    "pyhanko",
    "pyhanko_certvalidator",
    "alembic",
)
_GATHER_S: Final = 0.02  # what comes meanwhile is written in one go
_LAST_S: Final = 2.0  # how long a process that ends tries to write what is left

_BLANK: Final = vars(logging.LogRecord("", logging.INFO, "", 0, "", None, None))
_OWN: Final = frozenset(_BLANK) | {"message", "asctime"}
# What would move a terminal's cursor, or turn its writing round.
_ODD: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def start_logging(form: str, level: str) -> LineWriter:
    """The technical log on standard error, in the form "text" or "json". What others log is kept quiet: they quote documents.

    Gives what writes it, which may be asked what was dropped.
    """
    root = logging.getLogger()
    for before in root.handlers:
        if isinstance(before, LineWriter):
            before.close()
    handler = LineWriter()
    handler.setFormatter(Wording(as_json=form == "json"))
    root.handlers[:] = [handler]
    # What no line shows is not looked up for each (Python's logging HOWTO, "Optimization").
    logging._srcfile = None  # noqa: SLF001 - the way that the HOWTO gives
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler


def note(log: logging.Logger, event: str, **said: object) -> None:
    """A line of level INFO, as ``log.info(event, extra=said)`` makes it, without what no line shows of where it was written.

    For whoever writes one all the time: half of what a record costs is looking such things up.
    """
    log.handle(_Noted(log.name, event, said))


class _Noted(logging.LogRecord):
    """A record that knows what it says beside its event: nobody need look for that among what every record holds."""

    __slots__ = ("said",)

    def __init__(self, name: str, event: str, said: dict[str, object]) -> None:
        now = time.time()
        self.__dict__ = own = _BLANK.copy()
        own.update(said, name=name, msg=event, created=now, msecs=now % 1 * 1000)
        self.said = said


class Wording(logging.Formatter):
    """A line as ``key=value`` pairs for people, or as JSON for machines. What it quotes can do nothing to a terminal."""

    def __init__(self, *, as_json: bool) -> None:
        """In one of the two forms."""
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and event first, then what was said beside it."""
        said: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if isinstance(record, _Noted):
            said |= record.said
        else:
            said |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        if self._as_json:
            inert = {name: _inert(value) if isinstance(value, str) else value for name, value in said.items()}
            return json.dumps(inert, ensure_ascii=False, default=str)
        words = [value if type(value) is str else _text(value) for value in said.values()]
        names = tuple(said)
        line = _pairs(names) % tuple(words)
        if line.count(" ") >= len(names) or line.count("=") > len(names) or '"' in line or "\n" in line:
            line = _pairs(names) % tuple([_quoted(word) for word in words])  # most lines hold nothing to be quoted
        return _inert(line)


def _timestamp(moment: float) -> str:
    second, micros = divmod(round(moment * 1_000_000), 1_000_000)
    return f"{_second(second)}.{micros:06}Z" if micros else f"{_second(second)}Z"


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    """All lines of a second begin alike, and writing a time costs as much as the rest of a line."""
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


@lru_cache(maxsize=512)
def _pairs(names: tuple[str, ...]) -> str:
    """Where the values of these names go: most lines are of a few kinds."""
    return " ".join([f"{name.replace('%', '%%')}=%s" for name in names])


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    """A value of ``key=value``: in quotes where it would not be one word."""
    parts = " " in text or "=" in text or '"' in text
    if parts:
        text = text.replace("\\", "\\\\")
    text = text.replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"' if parts else text


def _inert(text: str) -> str:
    return text if text.isascii() and text.isprintable() else _ODD.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


class LineWriter(logging.Handler):
    """Takes lines without ever waiting for whoever reads them."""

    def __init__(self, write: Callable[[bytes], int] | None = None, most: int = MOST) -> None:
        """``write`` writes some of the bytes and says how many; to standard error where none is given."""
        super().__init__()
        self._write = write or _to_standard_error
        self._most = most
        self._waiting: deque[logging.LogRecord] = deque()
        self._some = threading.Event()
        self._ending = False
        self._dropped = 0
        self._told = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that nobody will read, so far."""
        return self._dropped

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock that other handlers need: putting a line down needs none."""
        kept = self.filter(record) if self.filters else True
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Puts a line down."""
        if len(self._waiting) >= self._most:
            self._dropped += 1
            return
        if record.args:  # what they name may be another thing by the time it is worded
            record.msg, record.args = record.getMessage(), None
        self._waiting.append(record)
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Waits until what was put down is written, for a while."""
        until = time.monotonic() + _LAST_S
        while self._some.is_set() and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)

    def close(self) -> None:
        """Writes what is left, as far as somebody takes it."""
        self._ending = True
        self._some.set()
        self._thread.join(_LAST_S)
        super().close()

    def _run(self) -> None:
        while not self._ending or self._waiting:
            self._some.wait()
            if not self._ending:
                time.sleep(_GATHER_S)
            lines = []
            while self._waiting:
                lines.append(self._worded(self._waiting.popleft()))
            self._put("".join(lines))
            if not self._waiting and (dropped := self._dropped) > self._told:
                self._put(self._worded(_missing(dropped - self._told)))
                self._told = dropped
            self._some.clear()
            if self._waiting:  # it came before that
                self._some.set()

    def _worded(self, record: logging.LogRecord) -> str:
        try:
            return f"{self.format(record)}\n"
        except Exception as error:  # noqa: BLE001 - a line that cannot be worded is told of, and costs nothing else
            return f"a line of {record.name} cannot be worded: {type(error).__name__}\n"

    def _put(self, text: str) -> None:
        rest = text.encode(getattr(sys.stderr, "encoding", None) or "utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[self._write(rest) :]
        except OSError:
            self._dropped += rest.count(b"\n")  # the reader is gone


def _to_standard_error(content: bytes) -> int:
    try:
        return os.write(2, content)
    except BlockingIOError:  # somebody made it non-blocking
        time.sleep(0.05)
        return 0


def _missing(number: int) -> logging.LogRecord:
    said = f"{number} lines of this log were dropped: nobody took them"
    return logging.LogRecord("lienthong.log", logging.WARNING, "", 0, said, None, None)
