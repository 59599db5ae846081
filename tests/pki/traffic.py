"""Partners of a gateway who keep books: senders of whole lives, readers of feeds, and what they know in the end.

Each sender sends the seven messages of a dossier in order, and each again until it is answered, as an honest sender does; now and
then once more after it was answered, or to two doors at the same time. Each reader asks its feed from where it stands.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import letters
import nodes
from agency import Agency
from books import Books, SeenEntry, SentMessage
from patience import PATIENCE_S, eventually

PUSHED, PULLING, PORTAL = "so-tu-phap", "ubnd-xa-thu-nghiem", "cong-dvc"
READERS = (PORTAL, PULLING)
AGAIN = (429, 503)  # try later


@dataclass
class Traffic:
    """Everybody outside. ``doors``: the nodes that all of them may turn to."""

    doors: Sequence[nodes.Node]
    there: Agency
    chance: random.Random
    senders: int = 3
    pause_s: float = 0.3  # at most, between two messages of a sender
    twice: float = 0.08  # how often something is sent once more
    on_conflict: Callable[[Traffic, str, nodes.Answer], None] | None = (
        None  # a reader is told that its position is none
    )
    books: Books = field(default_factory=lambda: Books(pushed=frozenset({PUSHED})))
    letters: dict[str, letters.Letter] = field(default_factory=dict)
    resent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)  # senders: finish what is begun
    over: threading.Event = field(default_factory=threading.Event)  # readers: stop
    going: threading.Event = field(default_factory=threading.Event)  # senders may send
    at_rest: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _sending: list[threading.Thread] = field(default_factory=list)
    _reading: list[threading.Thread] = field(default_factory=list)

    # --- what a storm or a drill does with them

    def begin(self) -> None:
        """Everybody sets to work."""
        for agency in (PUSHED, PULLING):
            letters.life(0, agency)  # keys are written and loaded before several threads ask for them
        self.going.set()
        for _ in range(self.senders):
            seed = self.chance.random()
            self._sending.append(
                threading.Thread(target=self._watched, args=(self._send, random.Random(seed)), daemon=True)
            )
        for reader in READERS:
            self.books.feeds[reader] = []
            self._reading.append(threading.Thread(target=self._watched, args=(self._read, reader), daemon=True))
        for thread in (*self._sending, *self._reading):
            thread.start()

    def answered(self) -> int:
        """How many messages have their receipt."""
        return len(self.books.receipts)

    def finish(self) -> None:
        """Senders end the lives that they have begun, and stop."""
        self.ending.set()
        for thread in self._sending:
            thread.join(PATIENCE_S)
            if thread.is_alive():
                self.wrong("a sender did not get its answers")

    def wrong(self, what: str) -> None:
        """Note what must not be."""
        with self.lock:
            self.books.told.append(what)

    # --- sending

    def _watched(self, what: Callable[..., None], *arguments: object) -> None:
        """A partner whose own error is no reason to believe that all was well."""
        try:
            what(*arguments)
        except Exception as error:  # noqa: BLE001 - told in the report
            self.wrong(f"{what.__name__} ended: {type(error).__name__}: {error}")

    def _send(self, chance: random.Random) -> None:
        while not self.ending.is_set():
            agency = chance.choice((PUSHED, PULLING))
            for letter in letters.life(next(self._numbers), agency, chance.choice(tuple(letters.LIVES))):
                self.rest_if_told()
                with self.lock:
                    self.letters[letter.id] = letter
                    self.books.sent.append(sent(letter))
                if chance.random() < self.twice / 2:
                    self._at_once(letter, chance)
                self.hand_in(letter, chance)
                if chance.random() < self.twice / 2:
                    self.hand_in(letter, chance)
                time.sleep(chance.uniform(0, self.pause_s))

    def rest_if_told(self) -> None:
        """Wait while nobody may send."""
        if not self.going.is_set():
            self.at_rest.release()
            self.going.wait(PATIENCE_S)

    def _at_once(self, letter: letters.Letter, chance: random.Random) -> None:
        """The same message from two hands."""
        other = threading.Thread(
            target=self._watched, args=(self.hand_in, letter, random.Random(chance.random())), daemon=True
        )
        other.start()
        self.hand_in(letter, chance)
        other.join(PATIENCE_S)

    def hand_in(self, letter: letters.Letter, chance: random.Random) -> int:
        """Send until there is an answer; the status. Nobody is believed who does not know what became of it."""
        until, tries = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < until:
            tries += 1
            with contextlib.suppress(OSError, HTTPException):
                answer = chance.choice(self.doors).post(letter.body, letter.sender)
                if answer.status in (200, 201):
                    with self.lock:
                        self.books.receipts.setdefault(letter.id, []).append(base64.b64decode(answer.json["BienNhan"]))
                        self.resent += tries > 1
                    return answer.status
                if answer.status not in AGAIN:
                    self.wrong(f"{letter.id} ({letter.loai}) was answered {answer.status}: {answer.body[:400]!r}")
                    return answer.status
            self.rest_if_told()
            time.sleep(chance.uniform(0.02, 0.3))
        self.wrong(f"{letter.id} ({letter.loai}) was sent {tries} times and never answered")
        return 0

    # --- reading

    def _read(self, reader: str) -> None:
        chance, feed = random.Random(self.chance.random()), self.books.feeds[reader]
        while not self.over.is_set():
            with contextlib.suppress(OSError, HTTPException):
                after = feed[-1].position if feed else 0
                page = chance.choice(self.doors).call("GET", f"/v1/inbox?after={after}&limit=50&wait=1", party=reader)
                if page.status == 200:
                    feed += [seen(row) for row in page.json["DanhSachMuc"]]
                    continue
                if page.status == 409 and self.on_conflict is not None:
                    self.on_conflict(self, reader, page)
                elif page.status not in AGAIN:
                    self.wrong(f"feed of {reader} after {after} was answered {page.status}: {page.body[:400]!r}")
                    return
            self.over.wait(chance.uniform(0.05, 0.3))

    # --- the end of the story

    def settle(self) -> None:
        """Wait until everything has come to where it is owed; then collect what all doors say of it."""
        self.there.fault = lambda: ""
        books = self.books
        pushed = [one for one in books.sent if one.receiver == PUSHED]
        eventually(lambda: len(self.there.taken) >= len(pushed))
        for reader in READERS:
            owed = sum(one.receiver == reader for one in books.sent)
            eventually(lambda reader=reader, owed=owed: len(books.feeds[reader]) >= owed)
        eventually(lambda: self._all_delivered(pushed))
        self.over.set()
        for thread in self._reading:
            thread.join(PATIENCE_S)
        for number, reader in enumerate(READERS):
            door = self.doors[number % len(self.doors)]
            books.last[reader] = [seen(row) for row in door.inbox(reader)]
        books.took = [(name, hashlib.sha256(body).hexdigest()) for name, body in self.there.taken.items()]
        books.told += self.there.wrong
        for number, ma_ho_so in enumerate(dict.fromkeys(one.ma_ho_so for one in books.sent)):
            door = self.doors[number % len(self.doors)]
            found = door.call("GET", f"/v1/dossiers/{ma_ho_so}", party=PORTAL)
            rows = found.json.get("DanhSachSuKien") or []
            books.timelines[ma_ho_so] = (found.json.get("TrangThai"), [row["MaThongDiep"] for row in rows])

    def ask_again(self) -> None:
        """Send everything once more: whoever sends again gets the first receipt, and nothing happens."""
        for letter in self.letters.values():
            status = self.hand_in(letter, self.chance)
            if status == 201:
                self.wrong(f"{letter.id} ({letter.loai}) was taken as new when it was sent again")

    def _all_delivered(self, pushed: Sequence[SentMessage]) -> bool:
        for one in pushed:
            if self.books.deliveries.get(one.id) == ["delivered"]:
                continue
            with contextlib.suppress(OSError, HTTPException):
                found = self.doors[0].call("GET", f"/v1/messages/{one.id}", party=one.sender)
                rows = found.json.get("DanhSachGiaoNhan") or []
                self.books.deliveries[one.id] = [row["TrangThaiGiaoNhan"] for row in rows]
        return all(self.books.deliveries.get(one.id) == ["delivered"] for one in pushed)


def sent(letter: letters.Letter) -> SentMessage:
    """A letter as the model knows it."""
    digest = hashlib.sha256(letter.body).hexdigest()
    return SentMessage(letter.id, letter.ma_ho_so, letter.loai, letter.sender, letter.receiver, digest)


def seen(row: Mapping[str, Any]) -> SeenEntry:
    """An entry of a feed as the model knows it."""
    state = row.get("TrangThai")
    return SeenEntry(int(row["ViTri"]), row["MaThongDiep"], row["MaHoSo"], state, row["BamNoiDung"])
