"""Mutates signed messages and gives them to the gateway's judgement, for as long as you like: ``make fuzz MINUTES=10``.

    python tools/fuzz.py --minutes 10 --workers 2 --seed 1

What must never happen: the process dies, an exception escapes, a judgement costs as much as 200 honest messages do (that is
a second of CPU where one takes 5 ms), anything is asked of a network, a message is accepted whose signed content is not that
of one of the seeds, or a signature of a known shape is judged otherwise than by the long way. Mutants that lead to an outcome not
seen before (another set of codes, another place) join the seeds, so the run walks into the corners. Whatever goes wrong is
written to the folder of findings, with the seed of the run; the same seed makes the same run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from lxml import etree

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "pki"), str(ROOT / "tests" / "signing")]

TIMES: Final = 200  # what one judgement may cost, in honest messages judged by the same process
MEMORY: Final = 3 * 2**30  # of a worker; one that wants more is a finding
FAMILIES: Final = ("XML-", "XSD-", "SIG-", "AUT-", "DOS-", "DUP-")
CORPUS: Final = 4000

WORDS: Final = [
    b"<!-- -->",
    b"<?x?>",
    b"<!DOCTYPE a>",
    b"]]>",
    b"<![CDATA[",
    b"&#0;",
    b"&#13;",
    b"&amp;",
    b"&e;",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b' Id="x"',
    b' ID="x"',
    b' xml:id="x"',
    b' xml:base="http://a.invalid/"',
    b' xml:lang="vi"',
    b' xmlns=""',
    b' xmlns:a="urn:a"',
    b' xmlns:ds="urn:a"',
    b' xsi:type="a"',
    b' URI=""',
    b' URI="#x"',
    b"#WithComments",
    b"http://www.w3.org/2000/09/xmldsig#",
    b"http://www.w3.org/2001/10/xml-exc-c14n#",
    b"http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    b"http://www.w3.org/2000/09/xmldsig#sha1",
    b"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    b"http://www.w3.org/TR/1999/REC-xslt-19991116",
    b"<ds:Signature>",
    b"</ds:Signature>",
    b"<ds:Object/>",
    b"AAAA",
    b"==",
    b"2099-01-01T00:00:00Z",
]


@dataclass
class Corpus:
    """What is mutated, and what of it is known to be honestly signed."""

    bodies: list[bytes]
    signed: frozenset[str]  # SHA-256 of the canonical bytes that seeds really signed
    seen: set[tuple[Any, ...]] = field(default_factory=set)
    honest_s: float = 0.0  # CPU seconds that a seed costs, the middle one of them


def mutate(body: bytes, corpus: Corpus, chance: random.Random) -> bytes:
    """One to four changes, on the bytes or on the tree."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        body = chance.choice(MUTATORS)(body, corpus, chance)[: 2**20]
    return body


def _place(body: bytes, chance: random.Random) -> int:
    """A place to change: anywhere, or just where the signature is."""
    if chance.random() < 0.5 and (at := body.find(b"Signature")) > 0:
        return chance.randrange(at, len(body) + 1)
    return chance.randrange(len(body) + 1)


def _flip(body: bytes, _: Corpus, chance: random.Random) -> bytes:
    if not body:
        return body
    changed = bytearray(body)
    at = min(_place(body, chance), len(body) - 1)
    changed[at] = chance.choice(
        (changed[at] ^ 1 << chance.randrange(8), chance.randrange(256), chance.choice(b"<>&\"'/ =#"))
    )
    return bytes(changed)


def _insert(body: bytes, _: Corpus, chance: random.Random) -> bytes:
    at = _place(body, chance)
    return body[:at] + chance.choice(WORDS) * chance.choice((1, 1, 1, 2, 50)) + body[at:]


def _delete(body: bytes, _: Corpus, chance: random.Random) -> bytes:
    at = _place(body, chance)
    return body[:at] + body[at + chance.choice((1, 1, 2, 8, 40, 300)) :]


def _copy(body: bytes, _: Corpus, chance: random.Random) -> bytes:
    start, at, length = _place(body, chance), _place(body, chance), chance.choice((1, 10, 80, 600))
    return body[:at] + body[start : start + length] + body[at:]


def _splice(body: bytes, corpus: Corpus, chance: random.Random) -> bytes:
    other = chance.choice(corpus.bodies)
    start = _place(other, chance)
    at = _place(body, chance)
    return body[:at] + other[start : start + chance.choice((5, 60, 400, 3000))] + body[at:]


def _replace_word(body: bytes, _: Corpus, chance: random.Random) -> bytes:
    quoted = [at for at in range(len(body)) if body[at : at + 1] == b'"']
    if len(quoted) < 2:
        return body
    number = chance.randrange(len(quoted) - 1)
    return body[: quoted[number] + 1] + chance.choice(WORDS).strip(b' "') + body[quoted[number + 1] :]


def _on_tree(
    change: Callable[[etree._Element, random.Random], None],
) -> Callable[[bytes, Corpus, random.Random], bytes]:
    def mutator(body: bytes, _: Corpus, chance: random.Random) -> bytes:
        try:
            root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
            change(root, chance)
            return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
        except (etree.XMLSyntaxError, ValueError, TypeError, IndexError, etree.SerialisationError):
            return body

    return mutator


def _any(root: etree._Element, chance: random.Random) -> etree._Element:
    found = [element for element in root.iter() if isinstance(element.tag, str)]
    inside = [element for element in found if "xmldsig" in str(element.tag) or "01903" in str(element.tag)]
    return chance.choice(inside if inside and chance.random() < 0.6 else found)


def _tree_move(root: etree._Element, chance: random.Random) -> None:
    moved, where = _any(root, chance), _any(root, chance)
    if moved is not root and moved not in where.iterancestors() and moved is not where:
        where.insert(chance.randrange(len(where) + 1), moved)


def _tree_copy(root: etree._Element, chance: random.Random) -> None:
    copied, where = etree.fromstring(etree.tostring(_any(root, chance), with_tail=False)), _any(root, chance)
    where.insert(chance.randrange(len(where) + 1), copied)


def _tree_remove(root: etree._Element, chance: random.Random) -> None:
    gone = _any(root, chance)
    parent = gone.getparent()
    if parent is not None:
        parent.remove(gone)


def _tree_wrap(root: etree._Element, chance: random.Random) -> None:
    wrapped = _any(root, chance)
    parent = wrapped.getparent()
    if parent is not None:
        around = etree.SubElement(parent, chance.choice((wrapped.tag, "{urn:a}a", root.tag)))
        around.append(wrapped)


def _tree_attribute(root: etree._Element, chance: random.Random) -> None:
    one, other = _any(root, chance), _any(root, chance)
    names = [*other.attrib, "Id", "ID", "URI", "Type", "Target", "Algorithm"]
    one.set(chance.choice(names), chance.choice([*other.attrib.values(), "", "#x", "x"]))


def _tree_text(root: etree._Element, chance: random.Random) -> None:
    one, other = _any(root, chance), _any(root, chance)
    one.text = chance.choice((other.text, "", " ", "x", (one.text or "") + "x", (one.text or "")[:-1]))


def _tree_rename(root: etree._Element, chance: random.Random) -> None:
    _any(root, chance).tag = chance.choice((_any(root, chance).tag, "{urn:a}a"))


MUTATORS: Final = (
    _flip,
    _flip,
    _insert,
    _delete,
    _copy,
    _splice,
    _replace_word,
    *map(
        _on_tree,
        (_tree_move, _tree_copy, _tree_remove, _tree_wrap, _tree_attribute, _tree_attribute, _tree_text, _tree_rename),
    ),
)


class Judge:
    """The gateway's judgement over the samples' parties, without a database."""

    def __init__(self) -> None:
        from gateway import settings, wiring  # noqa: PLC0415 - the parent process needs none of this

        loaded = settings.load(ROOT / "samples" / "lienthong.toml", env={})
        self.gate = wiring.build(loaded.settings)
        self.at = datetime.now(UTC)
        self.asked: list[Any] = []

        def connect(_: socket.socket, address: Any) -> None:
            self.asked.append(address)
            raise OSError("no network here")

        socket.socket.connect = connect  # type: ignore[method-assign, assignment]

    def envelope(self, body: bytes, sender: str) -> Any:
        """The body as it arrives."""
        from gateway.core.model import Caller, Channel, Envelope, MessageId, PartyId  # noqa: PLC0415

        caller = Caller(party=PartyId(sender), by="token")
        return Envelope.of(body, id=MessageId("fuzz"), caller=caller, channel=Channel.REST, received_at=self.at)

    def finding(self, body: bytes, sender: str) -> Any:
        """What the whole judgement comes to."""
        from gateway.services.intake import judge  # noqa: PLC0415

        return judge(self.envelope(body, sender), self.gate)

    def whole(self, body: bytes, sender: str) -> tuple[tuple[Any, ...], bytes | None]:
        """(outcome, signed bytes when accepted) of the whole judgement."""
        finding = self.finding(body, sender)
        outcome = tuple(dict.fromkeys(problem.code for problem in finding.problems))
        accepted = finding.thong_diep is not None
        return (accepted, *outcome), finding.signed_bytes if accepted else None

    def signature(self, body: bytes, sender: str) -> tuple[tuple[Any, ...], bytes | None]:
        """The same of the signature alone: more of them in the same time."""
        from gateway.core.problems import Stopped  # noqa: PLC0415
        from gateway.documents import Checked, Kind, header_claims, parse  # noqa: PLC0415
        from signing.verify import verify  # noqa: PLC0415

        try:
            document = parse(self.envelope(body, sender), self.gate.limits)
            kind = Kind(loai=header_claims(document.root).loai or "", goc="", phien_ban="")
            attested = verify(Checked(document=document, kind=kind), self.gate.trust, self.gate.parties, self.at)
        except Stopped as stop:
            return (False, *dict.fromkeys(problem.code for problem in stop.problems)), None
        return (True, *(problem.code for problem in attested.doubts)), attested.signed_bytes


def seeds(judge: Judge) -> tuple[Corpus, dict[int, str]]:
    """All signed samples that are accepted, and senders by their place in the corpus."""
    import sampling  # noqa: PLC0415

    bodies: list[bytes] = []
    signed: set[str] = set()
    senders: dict[int, str] = {}
    for one in sampling.samples("accepted"):
        (accepted, *_), covered = judge.whole(one.body, one.sender)
        if accepted and covered is not None and len(one.body) < 40_000:
            senders[len(bodies)] = one.sender
            bodies.append(one.body)
            signed.add(hashlib.sha256(covered).hexdigest())
    if not bodies:
        raise SystemExit("no accepted, signed sample to begin with")
    costs = sorted(cost(partial(judge.whole, body, senders[at])) for at, body in enumerate(bodies))
    return Corpus(bodies=bodies, signed=frozenset(signed), honest_s=costs[len(costs) // 2]), senders


def cost(judgement: Callable[[], object]) -> float:
    """CPU seconds of a judgement that has been made once before, so that what a first one loads is not counted."""
    before = time.process_time()
    judgement()
    return time.process_time() - before


def work(minutes: float, seed: int, findings: Path, tries: int | None = None) -> int:
    """One worker's run. Writes every mutant to a file before it is judged, so that a death leaves its cause behind."""
    from signing import known  # noqa: PLC0415 - as above

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    judge = Judge()
    corpus, senders = seeds(judge)
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    current = findings / f"current-{seed}.bin"
    end = time.monotonic() + minutes * 60
    tried = found = 0
    while time.monotonic() < end and (tries is None or tried < tries):
        number = chance.randrange(len(corpus.bodies))
        body = mutate(corpus.bodies[number], corpus, chance)
        sender = senders.get(number, "so-tu-phap")
        current.write_bytes(body)
        way = judge.whole if chance.random() < 0.25 else judge.signature
        before = time.process_time()
        try:
            outcome, covered = way(body, sender)
            wrong = _wrong(outcome, covered, corpus, judge)
            with known.suspended():
                if (referee := way(body, sender)) != (outcome, covered):
                    wrong = f"the long way says {referee[0]}, the quick one {outcome}"
        except Exception as error:  # noqa: BLE001 - exactly what is looked for
            outcome, wrong = ("escaped", type(error).__name__), f"escaped: {type(error).__name__}: {error}"
        if time.process_time() - before > TIMES * corpus.honest_s:
            times = cost(partial(way, body, sender)) / corpus.honest_s
            wrong = wrong or (f"cost {times:.0f} honest messages" if times > TIMES else None)
        tried += 1
        outcomes[" ".join(map(str, outcome[:3]))] += 1
        if wrong is not None:
            found += 1
            name = hashlib.sha256(body).hexdigest()[:16]
            (findings / f"{name}.xml").write_bytes(body)
            (findings / f"{name}.txt").write_text(f"{wrong}\nsender {sender}, run {seed}, number {tried}\n", "utf-8")
        elif outcome not in corpus.seen and len(corpus.bodies) < CORPUS:
            corpus.seen.add(outcome)
            senders[len(corpus.bodies)] = sender
            corpus.bodies.append(body)
    current.unlink()
    print(
        json.dumps({"tried": tried, "found": found, "outcomes": len(outcomes), "top": outcomes.most_common(8)}),
        flush=True,
    )
    return 1 if found else 0


def _wrong(outcome: tuple[Any, ...], covered: bytes | None, corpus: Corpus, judge: Judge) -> str | None:
    if judge.asked:
        return f"asked the network: {judge.asked.pop()}"
    accepted, *codes = outcome
    if any(not code.startswith(FAMILIES) for code in codes):
        return f"answered {codes}"
    if accepted and covered is not None and hashlib.sha256(covered).hexdigest() not in corpus.signed:
        return "accepted content that no seed signed"
    if accepted and covered is None:
        return "accepted without a signature"
    return None


def main() -> int:
    """The command: starts the workers, waits, and tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--tries", type=int, default=None, help="end after so many mutants of each worker")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None, help="a number; the same makes the same run")
    parser.add_argument("--findings", type=Path, default=None, help="folder for what goes wrong")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**31)
    folder = given.findings or Path(tempfile.mkdtemp(prefix="lienthong-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    if given.worker:
        return work(given.minutes, seed, folder, given.tries)
    print(f"seed {seed}, {given.workers} workers, {given.minutes:g} minutes, findings in {folder}", flush=True)
    base = [sys.executable, __file__, "--worker", "--minutes", str(given.minutes), "--findings", str(folder)]
    base += ["--tries", str(given.tries)] if given.tries is not None else []
    running = [
        subprocess.Popen([*base, "--seed", str(seed + number)], stdout=subprocess.PIPE, text=True)
        for number in range(given.workers)
    ]
    bad = False
    for number, process in enumerate(running):
        said, _ = process.communicate()
        print(said.strip(), flush=True)
        if process.returncode not in (0, 1):
            print(f"a worker died ({process.returncode}) on {folder / f'current-{seed + number}.bin'}", flush=True)
        bad = bad or process.returncode != 0
    print("something was found" if bad else "nothing was found", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
