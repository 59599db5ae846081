"""Gives every attack document to the gateway's whole judgement and measures each: ``make attacks``.

    python tools/attacks.py [--minutes 10] [--skip 80] [--samples 3]

From every accepted, signed sample the attack documents of tests/signing/attacks.py are made (some 290 each) and judged one
by one. What must never happen: one is accepted, an exception escapes, one is refused with other codes than its own (or, where
the schema sees it first, the schema's), one costs as much CPU as 200 of the honest message it was made from (that is a second
where one takes 5 ms) or over 200 MB, or anything is asked of a network. The memory is what the process grew by at its highest
while it judged that document (Linux only: /proc). The end is a small table, for docs/en/threats.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "pki"), str(ROOT / "tests" / "signing")]

from fuzz import TIMES, Judge, cost  # noqa: E402 - of this folder; the path is set above

if TYPE_CHECKING:
    import attacks

MEMORY: Final = 200 * 2**20
TRAP: Final = "http://127.0.0.1:9/bay"
SIGNERS: Final = ("so-tu-phap", "so-tu-phap-2", "cong-dvc", "ubnd-xa-thu-nghiem", "so-xay-dung", "gateway-rsa")


@dataclass
class Seen:
    """What judging came to, over all documents."""

    honest_s: float = 1.0  # CPU seconds of the honest message whose attacks are seen now
    seconds: list[float] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "–")
    largest: tuple[int, str] = (0, "–")
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, outcome: tuple[object, ...], wanted: frozenset[str], seconds: float, grown: int) -> None:
        """One document, with the codes that it should get."""
        self.seconds.append(seconds)
        self.slowest = max(self.slowest, (seconds, name))
        self.largest = max(self.largest, (grown, name))
        accepted, *codes = outcome
        if accepted:
            self.wrong.append(f"{name}: accepted")
        by_schema = codes and all(str(code).startswith("XSD-") for code in codes)
        if not by_schema and set(codes) != wanted:
            self.wrong.append(f"{name}: answered {codes}")
        if seconds > TIMES * self.honest_s:
            self.wrong.append(f"{name}: as dear as {seconds / self.honest_s:.0f} honest messages")
        if grown > MEMORY:
            self.wrong.append(f"{name}: {grown / 2**20:.0f} MB")


class Memory:
    """How much a process grew at its highest. Zero where the system does not tell."""

    def __init__(self) -> None:
        self.told = Path("/proc/self/clear_refs").exists()
        self._before = 0

    def begin(self) -> None:
        """Forget the highest so far."""
        if self.told:
            Path("/proc/self/clear_refs").write_text("5", "ascii")
            self._before = self._read("VmRSS")

    def grown(self) -> int:
        """Bytes at the highest since then, beyond what there was."""
        return max(self._read("VmHWM") - self._before, 0) if self.told else 0

    @staticmethod
    def _read(name: str) -> int:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        return 0


def seeds(judge: Judge, skip: int, most: int | None) -> Iterator[tuple[str, str, list[attacks.Attack], bytes]]:
    """(sample, its sender, its attack documents, itself) for every accepted sample that is signed."""
    import attacks  # noqa: PLC0415 - of tests/signing; the path is set above
    import paper  # noqa: PLC0415
    import pki  # noqa: PLC0415
    import sampling  # noqa: PLC0415

    by_certificate = {pki.signer(name).fingerprint: name for name in SIGNERS}
    count = 0
    for one in sampling.samples("accepted"):
        finding = judge.finding(one.body, one.sender)
        if finding.signed_bytes is None or finding.thong_diep is None or finding.thong_diep.signer is None:
            continue
        name = by_certificate.get(finding.thong_diep.signer.fingerprint)
        if name is None:
            continue
        count += 1
        if count <= skip:
            continue
        if most is not None and count > skip + most:
            return
        seed = attacks.Seed(one.body, paper.key(name), paper.key("stranger"), TRAP)
        yield one.name, one.sender, attacks.attacks(seed), one.body


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--skip", type=int, default=0, help="leave out so many samples, those of an earlier run")
    parser.add_argument("--samples", type=int, default=None, help="only so many samples")
    parser.add_argument("--minutes", type=float, default=None, help="begin no sample after so many minutes")
    given = parser.parse_args()
    judge, memory, seen = Judge(), Memory(), Seen()
    began, samples = time.monotonic(), 0
    for sample, sender, made, honest in seeds(judge, given.skip, given.samples):
        if not samples:
            for attack in made:  # what is loaded with the first document of a kind is not that document's own cost
                judge.whole(attack.body, sender)
        if given.minutes is not None and time.monotonic() - began > given.minutes * 60:
            print("the time is over; samples are left")
            break
        samples += 1
        judge.whole(honest, sender)
        seen.honest_s = cost(partial(judge.whole, honest, sender))
        for attack in made:
            memory.begin()
            before = time.process_time()
            try:
                outcome, _ = judge.whole(attack.body, sender)
            except Exception as error:  # noqa: BLE001 - exactly what is looked for
                outcome = (False, f"escaped {type(error).__name__}")
            spent = time.process_time() - before
            seen.add(f"{sample}: {attack.name}", outcome, attack.codes, spent, memory.grown())
    if judge.asked:
        seen.wrong.append(f"asked the network: {judge.asked}")
    ordered = sorted(seen.seconds)
    print(f"samples            {samples}")
    print(f"attack documents   {len(ordered)}, {time.monotonic() - began:.0f} s in all")
    if ordered:
        middle, high = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        print(f"CPU per document   median {middle * 1000:.1f} ms, 99 % {high * 1000:.1f} ms")
        print(f"slowest            {seen.slowest[0] * 1000:.0f} ms  {seen.slowest[1]}")
        size = f"{seen.largest[0] / 2**20:.1f} MB  {seen.largest[1]}" if memory.told else "not measured here"
        print(f"most memory        {size}")
    for sentence in seen.wrong[:50]:
        print(f"WRONG  {sentence}")
    print("something is wrong" if seen.wrong or not ordered else "all refused, within time and memory")
    return 1 if seen.wrong or not ordered else 0


if __name__ == "__main__":
    sys.exit(main())
