"""Proving the log: from its first line, or from the newest signed head up to which it was proven before.

Ten years of lines take hours to walk; what was walked once and stands under a signed head of ours needs no second walk each
night. The head is remembered with its signature, so that nobody without the key can move the beginning to a head that never was.
What changed before it is found by the whole walk alone, which several processes share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from typing import Final

from gateway.core import chain
from gateway.core.problems import Stopped
from gateway.store import Store, open_engine
from gateway.store.view import PROVEN
from signing.heads import HEAD, Heads, SignedHead, read_head

PART: Final = 100_000  # lines of one process's turn: what is shorter in all is walked by one


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkedPart:
    """What walking some lines came to."""

    checked: chain.ChainCheck
    heads: tuple[chain.LogEntry, ...]  # the lines that hold signed heads


def proven_before(store: Store, heads: Heads, mark: str = PROVEN) -> SignedHead | None:
    """The newest head up to which the log was proven (COMPARED: the tables were compared), by its signature.

    None where none holds.
    """
    with store.read() as view:
        kept = view.proven(mark)
    if kept is None:
        return None
    try:
        return read_head(kept, heads.certificates)
    except Stopped:
        return None  # another key, or another hand: everything is walked


def remember(
    store: Store, heads: Heads, now: datetime, *, since: chain.Head | None, marks: Sequence[str] = (PROVEN,)
) -> None:
    """Begins there the next time, where the newest head of this walk is one that holds.

    ``since``: where the walk began. One that began behind what was come to before has left out what lies between, and moves
    nothing.
    """
    if heads.newest is None or heads.newest_text is None:
        return
    joined = []
    for mark in sorted(marks):
        before = proven_before(store, heads, mark)
        if since is None or (before is not None and since.number <= before.number):
            joined.append(mark)
    if not joined:
        return
    with store.begin() as tx:
        for mark in joined:
            tx.note_proven(mark, heads.newest.number, heads.newest_text, now)


def prove_log(
    store: Store,
    heads: Heads,
    *,
    since: chain.Head | None = None,
    witnesses: Mapping[int, str],
    processes: int | None = None,
    part: int = PART,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> chain.ChainCheck:
    """Walks the chain from this head, which somebody vouches for, or from its first line.

    ``heads`` reads the signed heads on the way. ``processes``: as many as there are processors where it is long.
    """
    with store.read() as view:
        last = view.log_head().number
        start = chain.GENESIS if since is None else view.line_before(since.number)
    known = dict(witnesses)
    if since is not None and since.number:
        known.setdefault(since.number, since.hash)
    parts = -(-(last - start.number) // part)
    workers = min(processes or os.cpu_count() or 1, parts)
    if workers < 2:
        told = _told(store.log_entries(after=start.number), last - start.number, tell)
        return chain.verify_chain(heads.through(told), start=start, witnesses=known)
    return _shared(store, heads, start, last, known, (workers, part), tell)


def _shared(
    store: Store,
    heads: Heads,
    start: chain.Head,
    last: int,
    witnesses: Mapping[int, str],
    shared: tuple[int, int],
    tell: Callable[[int, int], None],
) -> chain.ChainCheck:
    """Each part begins with the hash that the line before it says, which the part before has to come to."""
    workers, part = shared
    url = store.engine.url.render_as_string(hide_password=False)
    firsts = range(start.number, last, part)
    ends = [min(first + part, last) for first in firsts]
    head, done = start, 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        seen = [
            {n: h for n, h in witnesses.items() if first < n <= end} for first, end in zip(firsts, ends, strict=True)
        ]
        walked = pool.map(walk_part, [url] * len(ends), firsts, ends, seen)
        for end, one in zip(ends, walked, strict=True):
            if one.checked.flaw is not None:
                pool.shutdown(cancel_futures=True)
                return one.checked
            for line in one.heads:
                heads.read(line, lambda number: _hash_of(store, number))
            head, done = one.checked.head, end - start.number
            tell(done, last - start.number)
    beyond = [number for number in witnesses if number > head.number]
    if beyond:
        return chain.ChainCheck(head=head, flaw=chain.Flaw.CUT, number=min(beyond))
    return chain.ChainCheck(head=head)


def walk_part(url: str, first: int, last: int, witnesses: Mapping[int, str]) -> WalkedPart:
    """Some lines of the log, in a process of its own."""
    store = Store(open_engine(url))
    found: list[chain.LogEntry] = []
    try:
        with store.read() as view:
            start = view.line_before(first + 1)

        def lines() -> Iterator[chain.LogEntry]:
            for entry in store.log_entries(after=first, upto=last):
                if entry.what == HEAD:
                    found.append(entry)
                yield entry

        checked = chain.verify_chain(lines(), start=start, witnesses=witnesses)
    finally:
        store.dispose()
    if checked.whole and checked.head.number != last:
        checked = chain.ChainCheck(head=checked.head, flaw=chain.Flaw.GAP, number=checked.head.number + 1)
    return WalkedPart(checked=checked, heads=tuple(found))


def _hash_of(store: Store, number: int) -> str | None:
    with store.read() as view:
        found = view.line_before(number + 1)
    return found.hash if found.number == number else None


def _told(entries: Iterator[chain.LogEntry], number: int, tell: Callable[[int, int], None]) -> Iterator[chain.LogEntry]:
    for done, entry in enumerate(entries, 1):
        if done % 1000 == 0:
            tell(done, max(number, done))
        yield entry
