"""The model that a storm is judged by: what each sender was answered, and what each receiver must have then.

Nothing here knows the gateway. :func:`audit` compares what was seen at all doors with what follows from what was sent, in a few
lines that a reader can hold in the head, and says each fact that is broken.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

STATES = {"HS01": 1, "HS03": 2, "HS05": 4, "HS06": 5, "HS11": 10, "HS13": 8}
"""The state of a dossier after a message. HS08 leads back to where HS06 was said; HS07 and HS21 leave it where it is."""


@dataclass(frozen=True)
class SentMessage:
    """A message as its sender sent it."""

    id: str
    ma_ho_so: str
    loai: str
    sender: str
    receiver: str
    digest: str  # SHA-256 of its bytes, hexadecimal


@dataclass(frozen=True)
class SeenEntry:
    """An entry of a feed as its reader got it."""

    position: int
    id: str
    ma_ho_so: str
    state: int | None
    digest: str


@dataclass
class Books:
    """Everything that partners of the gateway know. Per dossier, ``sent`` is in the order of sending."""

    pushed: frozenset[str] = frozenset()  # parties that are pushed to; all others read feeds
    sent: list[SentMessage] = field(default_factory=list)
    receipts: dict[str, list[bytes]] = field(default_factory=dict)  # id -> every receipt that its sender got
    feeds: dict[str, list[SeenEntry]] = field(default_factory=dict)  # reader -> what it took in, in order
    last: dict[str, list[SeenEntry]] = field(default_factory=dict)  # reader -> its whole feed, read again in the end
    took: list[tuple[str, str]] = field(default_factory=list)  # what the pushed party took, in order: id, digest
    deliveries: dict[str, list[str]] = field(default_factory=dict)  # id -> states of its deliveries
    timelines: dict[str, tuple[int | None, list[str]]] = field(default_factory=dict)  # MaHoSo -> state, ids
    told: list[str] = field(default_factory=list)  # what was wrong while it went on

    def as_text(self) -> str:
        """All of it, for whoever looks for the cause."""
        rows = asdict(self) | {"pushed": sorted(self.pushed)}
        rows["receipts"] = {
            name: [one.decode("utf-8", "replace") for one in all_] for name, all_ in self.receipts.items()
        }
        return json.dumps(rows, ensure_ascii=False, indent=1)


def states_after(messages: Sequence[SentMessage]) -> list[int]:
    """The state of one dossier after each of its messages."""
    found: list[int] = []
    before = 0  # where HS08 leads back to
    for message in messages:
        now = found[-1] if found else 0
        if message.loai == "HS06":
            before = now
        found.append(before if message.loai == "HS08" else STATES.get(message.loai, now))
    return found


def audit(books: Books) -> list[str]:
    """Each fact that is broken, the ones nearest to a cause first; nothing where all is as it must be."""
    lives: dict[str, list[SentMessage]] = defaultdict(list)
    for message in books.sent:
        lives[message.ma_ho_so].append(message)
    return [
        *books.told,
        *_answers(books),
        *(fact for reader in sorted(_readers(books)) for fact in _feed(books, reader, lives)),
        *_pushed(books, lives),
        *_timelines(books, lives),
    ]


def _readers(books: Books) -> set[str]:
    return {message.receiver for message in books.sent} - books.pushed | books.feeds.keys()


def _answers(books: Books) -> Iterator[str]:
    for message in books.sent:
        got = books.receipts.get(message.id, [])
        if not got:
            yield f"{message.id} ({message.loai}) was never answered"
        elif len(set(got)) > 1:
            yield f"{message.id} ({message.loai}) was answered with {len(set(got))} different receipts"
        elif message.id.encode() not in got[0]:
            yield f"{message.id} ({message.loai}) was answered with the receipt of another message"
    for stranger in books.receipts.keys() - {message.id for message in books.sent}:
        yield f"a receipt for {stranger}, which nobody sent"


def _feed(books: Books, reader: str, lives: dict[str, list[SentMessage]]) -> Iterator[str]:
    took, last = books.feeds.get(reader, []), books.last.get(reader, [])
    if [one.position for one in took] != list(range(1, len(took) + 1)):
        gap = next(n for n, one in enumerate(took, 1) if one.position != n)
        yield f"feed of {reader}: position {took[gap - 1].position} came where {gap} was due"
    if took != last:
        at = next(
            (n for n, (one, other) in enumerate(zip(took, last, strict=False)) if one != other),
            min(len(took), len(last)),
        )
        yield f"feed of {reader}: read again it is another one, from its entry {at + 1} on ({len(took)} and {len(last)} entries)"
    wanted = {message.id: message for message in books.sent if message.receiver == reader}
    yield from _same(f"feed of {reader}", [(one.id, one.digest) for one in took], wanted)
    yield from _in_order(f"feed of {reader}", [one.id for one in took], wanted)
    states = {
        message.id: state
        for life in lives.values()
        for message, state in zip(life, states_after(life), strict=True)
        if message.receiver == reader
    }
    for one in took:
        if one.id in states and one.state != states[one.id]:
            yield f"feed of {reader}: {one.id} came with state {one.state}, and it was {states[one.id]}"


def _pushed(books: Books, lives: dict[str, list[SentMessage]]) -> Iterator[str]:
    wanted = {message.id: message for message in books.sent if message.receiver in books.pushed}
    yield from _same("pushed", books.took, wanted)
    yield from _in_order("pushed", [name for name, _ in books.took], wanted)
    for name, message in wanted.items():
        if books.deliveries.get(name) != ["delivered"]:
            yield f"pushed: {name} ({message.loai}) has deliveries {books.deliveries.get(name)}, not one that is delivered"


def _same(where: str, came: Sequence[tuple[str, str]], wanted: dict[str, SentMessage]) -> Iterator[str]:
    """Each message once, with its own bytes, and no other."""
    times = Counter(name for name, _ in came)
    for name, message in wanted.items():
        if times[name] != 1:
            yield f"{where}: {name} ({message.loai} of {message.ma_ho_so}) is there {times[name]} times"
    for name, digest in came:
        if name not in wanted:
            yield f"{where}: {name} is there, and was not sent to it"
        elif digest != wanted[name].digest:
            yield f"{where}: {name} has other bytes than were sent"


def _in_order(where: str, came: Sequence[str], wanted: dict[str, SentMessage]) -> Iterator[str]:
    """Per dossier as they were sent."""
    lanes: dict[str, list[str]] = defaultdict(list)
    for name in came:
        if name in wanted:
            lanes[wanted[name].ma_ho_so].append(name)
    sent: dict[str, list[str]] = defaultdict(list)
    for name, message in wanted.items():
        sent[message.ma_ho_so].append(name)
    for ma_ho_so, lane in lanes.items():
        due = [name for name in sent[ma_ho_so] if name in lane]
        if [*dict.fromkeys(lane)] != due:
            loai = [wanted[name].loai for name in lane]
            yield f"{where}: {ma_ho_so} came in the order {', '.join(loai)}"


def _timelines(books: Books, lives: dict[str, list[SentMessage]]) -> Iterator[str]:
    for ma_ho_so, life in lives.items():
        state, ids = books.timelines.get(ma_ho_so, (None, []))
        due = states_after(life)[-1]
        if state != due:
            yield f"dossier {ma_ho_so} is in state {state}, and it must be {due}"
        if [*dict.fromkeys(ids)] != [message.id for message in life]:
            yield f"dossier {ma_ho_so} has {len(set(ids))} of its {len(life)} messages, or in another order"


# What a gateway that is wrong would leave behind. ``tests/journeys/test_books.py`` shows that each is noticed.


def _lost_delivery(books: Books) -> None:
    del books.took[len(books.took) // 2]


def _doubled_entry(books: Books) -> None:
    for feed in (*books.feeds.values(), *books.last.values()):
        again = feed[len(feed) // 2]
        feed.append(SeenEntry(len(feed) + 1, again.id, again.ma_ho_so, again.state, again.digest))


def _swapped(books: Books) -> None:
    """Two messages of one dossier, one before the other."""
    receivers = {message.id: message for message in books.sent}
    lane = receivers[books.took[0][0]].ma_ho_so
    first, second, *_ = (n for n, (name, _) in enumerate(books.took) if receivers[name].ma_ho_so == lane)
    books.took[first], books.took[second] = books.took[second], books.took[first]


def _gap(books: Books) -> None:
    for feed in (*books.feeds.values(), *books.last.values()):
        feed[len(feed) // 2 :] = [
            SeenEntry(one.position + 1, one.id, one.ma_ho_so, one.state, one.digest) for one in feed[len(feed) // 2 :]
        ]


def _lost_entry(books: Books) -> None:
    for feed in (*books.feeds.values(), *books.last.values()):
        kept = feed[: len(feed) // 2] + feed[len(feed) // 2 + 1 :]
        feed[:] = [SeenEntry(n, one.id, one.ma_ho_so, one.state, one.digest) for n, one in enumerate(kept, 1)]


def _second_receipt(books: Books) -> None:
    message = books.sent[len(books.sent) // 2]
    books.receipts[message.id].append(books.receipts[message.id][0] + b" ")


def _others_receipt(books: Books) -> None:
    books.receipts[books.sent[0].id] = books.receipts[books.sent[1].id]


def _no_answer(books: Books) -> None:
    del books.receipts[books.sent[-1].id]


def _other_bytes(books: Books) -> None:
    books.took[0] = (books.took[0][0], "0" * 64)


def _other_state(books: Books) -> None:
    ma_ho_so, (_, ids) = next(iter(books.timelines.items()))
    books.timelines[ma_ho_so] = (4, ids)


def _two_deliveries(books: Books) -> None:
    books.deliveries[books.took[0][0]].append("queued")


def _another_feed(books: Books) -> None:
    feed = next(iter(books.last.values()))
    feed.pop()


def _stranger(books: Books) -> None:
    books.took.append(("00000000-0000-4000-8000-000000000000", "0" * 64))


def _short_timeline(books: Books) -> None:
    next(iter(books.timelines.values()))[1].pop(0)


def _entry_with_another_state(books: Books) -> None:
    for feed in (*books.feeds.values(), *books.last.values()):
        one = feed[0]
        feed[0] = SeenEntry(one.position, one.id, one.ma_ho_so, (one.state or 0) + 1, one.digest)


LIES: dict[str, Callable[[Books], None]] = {
    "lost-delivery": _lost_delivery,
    "lost-entry": _lost_entry,
    "doubled-entry": _doubled_entry,
    "swapped": _swapped,
    "gap": _gap,
    "second-receipt": _second_receipt,
    "others-receipt": _others_receipt,
    "no-answer": _no_answer,
    "other-bytes": _other_bytes,
    "other-state": _other_state,
    "entry-with-another-state": _entry_with_another_state,
    "two-deliveries": _two_deliveries,
    "another-feed": _another_feed,
    "stranger": _stranger,
    "short-timeline": _short_timeline,
}
