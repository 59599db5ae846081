"""Answers that take too long for a request: somebody asks, `work` makes them, and they are kept with the time they are of.

An answer says up to which number of the log everything is in it. What comes later (a message that speaks of a past month, an
erasure, a judgement anew) is a line of the log, so an answer is known to be of today's record or not to be: none is ever taken
for newer than it is. One that is not, is made anew when somebody looks, at most so often that the making costs a fiftieth
of the time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.store import Store, StoreError

FRESH: Final = timedelta(minutes=10)  # one that is younger is not made anew by itself
SHARE: Final = 50  # an answer that took a second is not made anew within so many
LEASE: Final = timedelta(minutes=5)
UNSEEN: Final = timedelta(days=30)  # what nobody has looked at for so long goes
MOST_WAITING: Final = 20

log = logging.getLogger("lienthong.prepared")

Tell = Callable[[int], None]
Maker = Callable[[str, Tell], bytes]


class Interrupted(Exception):
    """The making is broken off; another turn, or another process, begins it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is known of an answer."""

    answer: bytes | None  # None: it was never made
    made_at: datetime | None
    news: int  # lines of the log that came after it
    wanted: bool  # it is being made, or will be
    done: int  # things that its maker has looked at so far
    refused: bool = False  # too many others wait


def look_up_prepared(
    store: Store, question: str, now: datetime, *, again: bool = False, most_waiting: int = MOST_WAITING
) -> Prepared:
    """The answer as it is kept. Where there is none, or it is old (``again``: in any case), it is to be made.

    Whoever cannot write looks all the same.
    """
    with store.read() as view:
        kept, head, waiting = view.prepared(question), view.log_head().number, view.prepared_wanted()
    news = 0 if kept is None or kept.line is None else head - kept.line
    old = (
        kept is None
        or kept.made_at is None
        or (news > 0 and now - kept.made_at >= max(FRESH, timedelta(seconds=SHARE * (kept.took_s or 0))))
    )
    wanted, refused = kept is not None and kept.wanted_at is not None, False
    try:
        if (old or again) and not wanted:
            refused = waiting >= most_waiting
            if not refused:
                with store.begin() as tx:
                    tx.want_prepared(question, now)
                wanted = True
        elif kept is not None and now - kept.looked_at > timedelta(days=1):
            with store.begin() as tx:
                tx.look_at_prepared(question, now)
    except StoreError as error:
        log.warning("an answer is not asked for: %s", error)
    return Prepared(
        answer=kept.answer if kept is not None else None,
        made_at=kept.made_at if kept is not None else None,
        news=news,
        wanted=wanted,
        done=kept.done if kept is not None and kept.lease_until is not None else 0,
        refused=refused,
    )


def make_prepared(store: Store, make: Maker, now: Callable[[], datetime], stopping: Callable[[], bool]) -> int:
    """Answers what is wanted, one question after another; gives how many. One that a process left is begun anew."""
    made = 0
    while not stopping():
        begun = now()
        with store.read() as view:
            head, waiting = view.log_head().number, view.prepared_wanted()
        if not waiting:
            break
        with store.begin() as tx:
            question = tx.take_prepared(begun, begun + LEASE)
        if question is None:
            break

        def tell(done: int, question: str = question) -> None:
            if stopping():
                raise Interrupted
            with store.begin() as tx:
                tx.hold_prepared(question, done, now() + LEASE)

        try:
            answer = make(question, tell)
        except Interrupted:
            with store.begin() as tx:
                tx.hold_prepared(question, 0, begun)
            break
        with store.begin() as tx:
            tx.put_prepared(question, answer, line=head, begun=begun, now=now())
        made += 1
    if made:
        with store.begin() as tx:
            tx.drop_prepared(now() - UNSEEN)
    return made
