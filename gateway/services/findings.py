"""What verifying the log and the archives found, on record: beside a timer nobody sits, so what it finds must tell of itself.

A line of the log says what was found, and another that a later run was good; what is open between the two is an alert, a figure
and a rule of Prometheus. When the last good run was is a row beside the log: a line for each would be news to sign every night.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.core.alerts import Alarm, Alert
from gateway.core.chain import LogEntry
from gateway.core.ledger import LogLine
from gateway.core.model import PartyId
from gateway.core.problems import Problem
from gateway.store import Store, StoreError, View
from gateway.store.filefolder import FILES_SUFFIX

log = logging.getLogger("lienthong.findings")

LOG_VERIFIED: Final = "log.verified"  # what lines of the log say
LOG_FLAWED: Final = "log.flawed"
ARCHIVE_VERIFIED: Final = "archive.verified"
ARCHIVE_FLAWED: Final = "archive.flawed"
OF_LOG, OF_ARCHIVES = "log", "archives"
IN_TABLES: Final = "SYS-058"  # found by comparing the tables
SEEN_ANYHOW: Final = ["missing"]  # an archive which is told of while it is away, verified or not
_NAMED = 5  # flaws of an archive that its line names


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """Something that a verification of the log found, and no later one has found mended."""

    problem: Problem
    subject: str  # the first row or entry that is not what it was
    after: int  # the entries after this one were looked at
    tables: bool  # it was found by comparing the tables
    at: datetime

    def mended_by(self, after: int, *, tables: bool) -> bool:
        """Whether a good run from there looked at all that this was found in."""
        return after <= self.after and (tables or not self.tables)

    def row(self) -> dict[str, Any]:
        """The form in which it stands in a line."""
        return {
            "code": self.problem.code,
            "problem": dict(self.problem.facts),
            "subject": self.subject,
            "after": self.after,
            "tables": self.tables,
            "at": self.at.isoformat(),
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> LogFinding:
        """The reverse of :meth:`row`."""
        return cls(
            problem=Problem(row["code"], row["problem"]),
            subject=row["subject"],
            after=row["after"],
            tables=row["tables"],
            at=datetime.fromisoformat(row["at"]),
        )


def log_findings(view: View) -> list[LogFinding]:
    """What is open of the log."""
    line = _newest(view, LOG_FLAWED, LOG_VERIFIED)
    return [] if line is None else [LogFinding.of(row) for row in line.facts["open"]]


def archive_findings(view: View) -> dict[str, LogEntry]:
    """The archives that were found not to be whole, each with the line that says so."""
    line = _newest(view, ARCHIVE_FLAWED, ARCHIVE_VERIFIED)
    return {} if line is None else dict.fromkeys(line.facts["open"], line)


def finding_alerts(store: Store, party: PartyId) -> Iterator[Alert]:
    """What is open. An archive that is not there, or not as long as it was, is told of without anybody having verified it."""
    with store.read() as view:
        of_log, of_archives = log_findings(view), archive_findings(view)
        records, of_files = view.archives(), view.file_archives()
    for one in of_log:
        facts = {"code": one.problem.code, "problem": dict(one.problem.facts)}
        yield Alert(alarm=Alarm.LOG_FLAWED, party=party, subject=one.subject, since=one.at, facts=facts)
    there = {one.name for one in records if store.archives.ailing(one) is None}
    there |= {f"{one.name}{FILES_SUFFIX}" for one in of_files if store.archives.ailing_files(one) is None}
    for name in of_archives.keys() & there:
        line = of_archives[name]
        facts = {"code": "SYS-197", "problem": {"archive": name, "reason": ", ".join(line.facts["open"][name])}}
        yield Alert(alarm=Alarm.ARCHIVE_BROKEN, party=party, subject=name, since=line.at, facts=facts)


def note_log_verified(
    store: Store, found: tuple[Problem, str] | None, *, after: int, tables: bool, who: str, now: datetime
) -> None:
    """Puts on record what a verification of the log from there came to: what is wrong and where, or nothing."""
    with store.read() as view:
        known = log_findings(view)
    in_tables = tables if found is None else found[0].code == IN_TABLES  # a broken chain ends a run before its tables
    over = [one for one in known if one.mended_by(after, tables=in_tables)]
    kept = [one for one in known if one not in over]
    if found is not None:
        problem, subject = found
        since = min((one.at for one in over if one.problem.code == problem.code), default=now)
        kept.append(LogFinding(problem=problem, subject=subject, after=after, tables=in_tables, at=since))
    facts = {"after": after, "tables": tables, "open": [one.row() for one in kept]}
    what = LOG_VERIFIED if found is None else LOG_FLAWED
    _note(store, OF_LOG if found is None and tables else None, what if kept != known else None, facts, who, now)


def note_archives_verified(
    store: Store, looked_at: Mapping[str, Sequence[str]], *, everything: bool, who: str, now: datetime
) -> None:
    """Puts on record what is wrong with the archives that were looked at, by their names; nothing: they are whole."""
    with store.read() as view:
        known = {name: line.facts["open"][name] for name, line in archive_findings(view).items()}
    away = {name for name, flaws in looked_at.items() if flaws == SEEN_ANYHOW}
    found = {name: list(flaws[:_NAMED]) for name, flaws in looked_at.items() if flaws and name not in away}
    kept = {n: flaws for n, flaws in known.items() if n in away or not (everything or n in looked_at)}
    flawed = {**kept, **found}
    what = ARCHIVE_FLAWED if found else ARCHIVE_VERIFIED
    good = everything and not any(looked_at.values())
    _note(store, OF_ARCHIVES if good else None, what if flawed != known else None, {"open": flawed}, who, now)


def _note(
    store: Store, verified: str | None, what: str | None, facts: Mapping[str, Any], who: str, now: datetime
) -> None:
    """Where the database takes it. Where it does not, what the command says and how it ends is all there is."""
    if verified is None and what is None:
        return
    try:
        with store.begin() as tx:
            if verified is not None:
                tx.note_verified(verified, now)
            if what is not None:
                tx.note(LogLine(what=what, who=who, facts=facts), now)
    except StoreError as error:
        # whoever may only read verifies as well; that a finding is nowhere but here is for whoever reads standard error
        log.log(logging.INFO if what is None else logging.WARNING, "what was verified is not on record: %s", error)


def _newest(view: View, *kinds: str) -> LogEntry | None:
    lines: Iterable[LogEntry | None] = (view.last_act(kind) for kind in kinds)
    return max((line for line in lines if line is not None), key=lambda line: line.number, default=None)
