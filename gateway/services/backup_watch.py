"""Whether there is a backup to go back to: the last one is young enough, did not fail, and can be read.

Apart from making one (gateway.services.backups), which loads all that signs: this is asked each minute, and by look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.core import chain
from gateway.core.alerts import Alarm, Alert
from gateway.core.ledger import LogLine
from gateway.core.model import PartyId
from gateway.core.problems import Lang, Stopped
from gateway.store import Store, StoreError

BACKED_UP: Final = "backup"  # what lines of the log say
BACKUP_FAILED: Final = "backup.failed"
Read = Callable[[Path], object]
"""Reads what a backup says of itself. Raises Stopped where its signature proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastBackup:
    """What the log says of backups."""

    made: chain.LogEntry | None
    failed: chain.LogEntry | None  # where it is newer than the last one that was made


def last_backup(store: Store) -> LastBackup:
    """The newest backup, and the failure after it."""
    with store.read() as view:
        made, failed = view.last_act(BACKED_UP), view.last_act(BACKUP_FAILED)
    if failed is not None and made is not None and failed.number < made.number:
        failed = None
    return LastBackup(made=made, failed=failed)


def note_backup_failed(store: Store, stop: Stopped, who: str, now: datetime) -> None:
    """Leaves a line in the log about a backup that came to nothing, where the database takes one."""
    problem = stop.problems[0]
    facts = {"code": problem.code, "reason": str(problem.facts.get("reason", problem.message(Lang.EN)))}
    try:
        with store.begin() as tx:
            tx.note(LogLine(what=BACKUP_FAILED, who=who, facts=facts), now)
    except StoreError:
        return  # what the command says is all there is: the database itself is ill, which is told elsewhere


def backup_alerts(
    store: Store,
    every_hours: int | None,
    folder: Path,
    read: Read,
    party: PartyId,
    now: datetime,
) -> Iterator[Alert]:
    """What is wrong with backups, by its code. ``every_hours``: how old the last one may be; None: only that one failed."""
    last = last_backup(store)

    def alert(cause: str, since: datetime, **problem: object) -> Alert:
        facts = {"code": cause, "problem": problem}
        return Alert(alarm=Alarm.BACKUP, party=party, subject=cause, since=since, facts=facts)

    if last.failed is not None:
        at, said = last.failed.at, last.failed.facts
        yield alert("BAK-013", at, at=at.isoformat(timespec="seconds"), code=said["code"], reason=said["reason"])
    if every_hours is None:
        return
    every = timedelta(hours=every_hours)
    if last.made is None:
        first = next(iter(store.log_entries(after=0, upto=1)), None)
        if first is not None and now - first.at > every:
            yield alert("BAK-012", first.at + every, last="–", every_hours=every_hours)
        return
    if now - last.made.at > every:
        shown = last.made.at.isoformat(timespec="seconds")
        yield alert("BAK-012", last.made.at + every, last=shown, every_hours=every_hours)
    code = _unreadable(last.made, folder, read)
    if code is not None:
        yield alert("BAK-014", last.made.at, path=str(folder / last.made.facts["file"]), code=code)


def _unreadable(made: chain.LogEntry, folder: Path, read: Read) -> str | None:
    """Why the newest backup of the folder cannot be used, at first sight: its length and the signature of its manifest."""
    size = made.facts.get("size")  # says only one that went into backup.folder
    if size is None:
        return None
    path = folder / made.facts["file"]
    try:
        if path.stat().st_size != size:
            return "BAK-004"
        read(path)
    except OSError:
        return "BAK-001"
    except Stopped as stop:
        return stop.problems[0].code
    return None
