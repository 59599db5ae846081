"""The model that the storm is judged by finds nothing in true books, and each lie in false ones."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import letters
import pytest
import soak
from books import LIES, Books, SeenEntry, SentMessage, audit, states_after
from patience import PATIENCE_S

numbers = itertools.count(1)
LIFE = (("HS01", ">"), ("HS03", "<"), ("HS05", "<"), ("HS06", "<"), ("HS07", ">"), ("HS08", "<"), ("HS11", "<"))
AFTER = (1, 2, 4, 5, 5, 4, 10)  # what the law of states says of these, written down by hand
PORTAL, PUSHED, PULLING = "cong-dvc", "so-tu-phap", "ubnd-xa-thu-nghiem"


def true_books() -> Books:
    """What partners know after four lives with a gateway that does what it must."""
    books = Books(pushed=frozenset({PUSHED}), feeds={PORTAL: [], PULLING: []})
    for number, party in enumerate((PUSHED, PULLING, PUSHED, PULLING)):
        ma_ho_so = f"H19.901-260115-{number:04d}"
        for (loai, way), state in zip(LIFE, AFTER, strict=True):
            identity = f"00000000-0000-4000-8000-{next(numbers):012d}"
            receiver = party if way == ">" else PORTAL
            digest = hashlib.sha256(identity.encode()).hexdigest()
            books.sent.append(SentMessage(identity, ma_ho_so, loai, PORTAL if way == ">" else party, receiver, digest))
            books.receipts[identity] = [f"<BienNhan>{identity}</BienNhan>".encode()] * 2
            if receiver == PUSHED:
                books.took.append((identity, digest))
                books.deliveries[identity] = ["delivered"]
            else:
                feed = books.feeds[receiver]
                feed.append(SeenEntry(len(feed) + 1, identity, ma_ho_so, state, digest))
            books.timelines.setdefault(ma_ho_so, (None, []))[1].append(identity)
        books.timelines[ma_ho_so] = (10, [*books.timelines[ma_ho_so][1], books.timelines[ma_ho_so][1][-1]])
    books.last = {reader: list(feed) for reader, feed in books.feeds.items()}
    return books


def test_true_books_have_no_broken_fact() -> None:
    books = true_books()
    assert audit(books) == []
    assert tuple(states_after(books.sent[:7])) == AFTER
    assert len(json.loads(books.as_text())["sent"]) == 28


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_noticed(lie: str) -> None:
    books = true_books()
    LIES[lie](books)
    assert audit(books) != []


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ("lost-delivery", "is there 0 times"),
        ("doubled-entry", "is there 2 times"),
        ("swapped", "came in the order HS07, HS01"),
        ("gap", "came where"),
        ("second-receipt", "2 different receipts"),
        ("other-state", "in state 4, and it must be 10"),
        ("no-answer", "was never answered"),
    ],
)
def test_the_first_broken_fact_says_what_it_is(lie: str, said: str) -> None:
    books = true_books()
    LIES[lie](books)
    assert said in audit(books)[0]


def test_two_messages_that_change_places_between_dossiers_are_no_fault() -> None:
    """Order is owed per dossier alone."""
    books = true_books()
    first, other = books.took[0], books.took[2]
    books.took = [other, first, *(one for one in books.took if one not in (first, other))]
    assert audit(books) == []


def soaked(
    turns: list[float], memory: list[float], descriptors: list[int], beyond: list[int], owed: list[int]
) -> soak.Soak:
    """What a run of ten tenths measured: the machine became three times as slow, for the new node, too."""
    found = soak.Soak(3.0, rate=10.0)
    found.turns = [soak.Turn(0.030 * ratio, 0.030) for ratio in turns]
    for tenth in range(soak.TENTHS):
        found.latencies += [(tenth, (0.010 + tenth / 500) * (0.9 + n / 100)) for n in range(21)]
        found.samples.append(soak.Sample(tenth, "serve: process 1", memory[tenth], descriptors[tenth], 40 * tenth))
        found.beyond.append((tenth, beyond[tenth]))
        found.owed.append((tenth, owed[tenth]))
    return found


SAME, STILL = [1.3, 0.7, 1.2, 1.4, 0.9, 1.0, 1.2, 1.6, 1.1, 1.3], [20] * 10
LEVEL = [100.0, 104, 120, 112, 109, 109, 109, 110, 109, 110]


@pytest.mark.parametrize(
    ("turns", "memory", "descriptors", "beyond", "owed", "said"),
    [
        (SAME, LEVEL, STILL, STILL, STILL, ""),  # and ever more connections, as many as callers have
        (
            [1.01, 1.02, 1.05, 1.03, 1.09, 1.3, 1.2, 1.02, 1.01, 1.2],
            LEVEL,
            STILL,
            STILL,
            [20, 20, 90, 400, 90, 20, 20, 20, 20, 39],
            "",
        ),  # busy for a while
        ([1.02, 1.4, 1.2, 1.3, 1.5, 1.05, 1.2, 1.3, 1.2, 1.1], LEVEL, STILL, STILL, STILL, "latency has grown"),
        (SAME[1:], LEVEL, STILL, STILL, STILL, "only 9 of 10 pairs of turns"),
        (
            SAME,
            [100.0, 110, 112, 113, 113, 113, 114, 113, 114, 113],
            STILL,
            STILL,
            STILL,
            "memory of serve: process 1 grows",
        ),
        (SAME, LEVEL, [20 + 5 * n for n in range(10)], STILL, STILL, "descriptors of serve: process 1 grow"),
        (SAME, LEVEL, STILL, [20 + 5 * n for n in range(10)], STILL, "connections stay open that nobody has"),
        (SAME, LEVEL, STILL, STILL, [20 + 5 * n for n in range(10)], "what is owed to receivers grows"),
    ],
)
def test_what_grows_fails_a_soak_and_a_machine_that_became_slow_does_not(
    turns: list[float], memory: list[float], descriptors: list[int], beyond: list[int], owed: list[int], said: str
) -> None:
    measured = soaked(turns, memory, descriptors, beyond, owed)
    found = soak.judged(measured)
    assert [one for one in found if said not in one] == []
    assert bool(found) == bool(said)
    told = soak.report(measured)
    assert told["p50, ms: first tenth, last, ratio"] == [10.0, 28.0, 2.8]
    assert told["owed to receivers, by tenth, the most"] == owed
    assert told["serve: process 1: MB by tenth"] == [round(one) for one in memory]


def test_a_letter_without_an_answer_is_not_one_that_was_never_sent() -> None:
    """Whoever makes the letters stands still after two; those two meet a door that closes on them."""

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def run(measured: soak.Soak, pool: ThreadPoolExecutor) -> None:
        server = await asyncio.start_server(closes, "127.0.0.1", 0)
        sender = soak.Sender(measured, server.sockets[0].getsockname()[1], pool)
        sender.ready += [[letters.life(n, PUSHED)[0]] for n in (1, 2)]
        async with server, aiohttp.ClientSession() as session, soak.beside(sender.make()):
            assert await sender.steadily(session, 0.5) == []

    measured, goes_on = soak.Soak(0.01, rate=20.0), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(goes_on.wait, PATIENCE_S)
        pool.submit(goes_on.wait, PATIENCE_S)
        asyncio.run(run(measured, pool))
        goes_on.set()
    assert (measured.unanswered, measured.unsent, measured.statuses) == ({"ServerDisconnectedError": 2}, 8, {})
    assert len(soak.judged(measured)) == 3


def test_cpu_a_message_is_counted_from_the_end_of_a_tenth_to_the_end_of_the_next() -> None:
    """A process that was replaced counts from when it was first seen; another's is not the node's."""
    measured = soak.Soak(3.0)
    for tenth in range(3):
        measured.latencies += [(tenth, 0.01)] * 100
        for half in (0.0, 0.5):
            measured.samples.append(soak.Sample(tenth, "serve: process 1", 1.0, 1, cpu_s=7.0 + tenth + half))
            measured.samples.append(soak.Sample(tenth, soak.MAKER, 1.0, 1, cpu_s=100.0 * tenth))
    measured.samples.append(soak.Sample(2, "serve: process 2", 1.0, 1, cpu_s=3.0))
    measured.samples.append(soak.Sample(2, "serve: process 2", 1.0, 1, cpu_s=3.25))
    assert soak.cpu_by_tenth(measured, soak.NODE) == [5.0, 10.0, 12.5]
