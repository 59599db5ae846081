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
from collections.abc import Callable, Mapping, Sequence
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

_OWN: Final = frozenset(vars(logging.LogRecord("", logging.INFO, "", 0, "", None, None))) | {"message", "asctime"}
_PLAIN: Final = re.compile("[!#-<>-~]*")  # what needs neither quotes nor anything else
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
    handler = LineWriter(Wording(as_json=form == "json"))
    root.handlers[:] = [handler]
    # What no line shows is not looked up for each (Python's logging HOWTO, "Optimization").
    logging._srcfile = None  # noqa: SLF001 - the way that the HOWTO gives
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler


class NotedLine:
    """Lines of level INFO of one kind, as ``log.info(event, extra=…)`` makes them, for whoever writes one all the time.

    Call it with what there is to say, in the order of ``names``. A :class:`LineWriter` is handed no more than that and the time:
    most of what a record of logging costs is looking up what no line shows.
    """

    def __init__(self, log: logging.Logger, event: str, *names: str) -> None:
        self.log = log
        self.names, self.begins = names, {"level": "info", "logger": log.name, "event": event}
        # All of a line for people but the time and what is said.
        begins = " ".join([f"{name}={_inert(_quoted(word)).replace('%', '%%')}" for name, word in self.begins.items()])
        self.pattern = f"timestamp=%s {begins} {_pairs(names)}"

    def __call__(self, *said: object) -> None:
        """Writes one, where such lines are wanted."""
        at: logging.Logger | None = self.log
        if not self.log.isEnabledFor(logging.INFO):
            return
        now = time.time()
        while at is not None:  # as logging itself finds who is to write a line
            for handler in at.handlers:
                if isinstance(handler, LineWriter):
                    handler.put((self, now, said))
                elif handler.level <= logging.INFO:
                    handler.handle(self._record(now, said))
            at = at.parent if at.propagate else None

    def _record(self, at: float, said: Sequence[object]) -> logging.LogRecord:
        """The same line as a record, for a handler of another kind."""
        more = dict(zip(self.names, said, strict=True))
        record = self.log.makeRecord(self.log.name, logging.INFO, "", 0, self.begins["event"], (), None, extra=more)
        record.created, record.msecs = at, at % 1 * 1000
        return record


_Noted = tuple[NotedLine, float, Sequence[object]]  # whose line it is, when, what it says


class Wording(logging.Formatter):
    """A line as ``key=value`` pairs for people, or as JSON for machines. What it quotes can do nothing to a terminal."""

    def __init__(self, *, as_json: bool) -> None:
        """In one of the two forms."""
        super().__init__()
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and event first, then what was said beside it."""
        said: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return _as_json(said) if self._json else _filled(_pairs(tuple(said)), list(said.values()))

    def noted(self, notes: NotedLine, at: float, said: Sequence[object]) -> str:
        """The same of a line that came without a record."""
        if self._json:
            return _as_json({"timestamp": _timestamp(at), **notes.begins, **dict(zip(notes.names, said, strict=True))})
        return _filled(notes.pattern, (_timestamp(at), *said))


def _as_json(said: Mapping[str, object]) -> str:
    inert = {name: _inert(value) if isinstance(value, str) else value for name, value in said.items()}
    return json.dumps(inert, ensure_ascii=False, default=str)


def _filled(pattern: str, said: Sequence[object]) -> str:
    words = [value if type(value) is str else _text(value) for value in said]
    if _PLAIN.fullmatch("".join(words)) is None:  # most lines hold nothing to be quoted
        words = [_inert(_quoted(word)) for word in words]
    return pattern % tuple(words)


def _timestamp(moment: float) -> str:
    second = int(moment)
    micros = int((moment - second) * 1_000_000 + 0.5)
    if micros == 1_000_000:
        second, micros = second + 1, 0
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
    return str(value).lower() if value is True or value is False else str(value)


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

    def __init__(self, wording: Wording, write: Callable[[bytes], int] | None = None, most: int = MOST) -> None:
        """``write`` writes some of the bytes and says how many; to standard error where none is given."""
        super().__init__()
        self._wording = wording
        self._write = write or _to_standard_error
        self._most = most
        self._waiting: deque[logging.LogRecord | _Noted] = deque()
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
        if record.args:  # what they name may be another thing by the time it is worded
            record.msg, record.args = record.getMessage(), None
        self.put(record)

    def put(self, line: logging.LogRecord | _Noted) -> None:
        """Puts down a line of which nothing will change any more."""
        if len(self._waiting) >= self._most:
            self._dropped += 1
            return
        self._waiting.append(line)
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

    def _worded(self, line: logging.LogRecord | _Noted) -> str:
        try:
            return (self._wording.noted(*line) if isinstance(line, tuple) else self._wording.format(line)) + "\n"
        except Exception as error:  # noqa: BLE001 - a line that cannot be worded is told of, and costs nothing else
            name = line[0].log.name if isinstance(line, tuple) else line.name
            return f"a line of {name} cannot be worded: {type(error).__name__}\n"

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
