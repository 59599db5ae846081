"""Keeps table milestone in step with the events: what the log has told since is read, and its dossiers' rows are made anew.

Not in the transaction that takes a message: a counter of a million dossiers a year is not slowed down for the sake of its reports
(docs/decisions). Whoever asks, brings it up to date first; `lienthong work` does so every minute, so that little is left to do.
"""

from __future__ import annotations

from itertools import islice

from gateway.core.lifecycle import trace
from gateway.core.milestones import Milestone, milestones
from gateway.core.model import MaHoSo
from gateway.store.store import Store
from gateway.store.view import LifeRulesOf

PAGE = 2000  # lines of the log at a time: a writer waits for a page's rows, some tens of milliseconds on SQLite
LIVES = 100  # dossiers whose whole history is held at a time; what a page touches may be some megabytes of them


def bring_up_to_date(store: Store, rules: LifeRulesOf, *, anew: bool = False, page: int = PAGE) -> int:
    """How many dossiers' rows were made anew; ``anew``: all of them, by the rules of today.

    Any number of processes may be at it: who comes second with a page leaves it.
    """
    if anew:
        with store.begin() as tx:
            tx.forget_milestones()
    done = 0
    while True:
        with store.read() as view:
            after, head = view.milestones_upto(), view.log_head().number
            if after >= head:
                return done
            upto = min(head, after + page)
            codes = view.touched(after, upto)
            made: dict[MaHoSo, list[Milestone]] = {}
            left = iter(codes)
            while some := list(islice(left, LIVES)):
                made |= {
                    one.ma_ho_so: milestones(one, trace(one.changes, rules(one.agency)))
                    for one in view.dossiers_named(some, history=True)
                }
        with store.begin() as tx:
            if tx.put_milestones({code: made.get(code, []) for code in codes}, after=after, upto=upto):
                done += len(codes)
