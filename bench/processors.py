"""What several processes at once get of this machine, over one: ``python bench/processors.py``.

Each does the floor's work on messages of its own, in a loop: parse, schema, digest, signature check, signature. They share no file,
no lock and no connection; so what is missing to as many times as there are processes is the machine's: a processor that is half of
a core, caches and memory that all use. No program that does such work takes more messages with two workers than this.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests" / "pki")]

SECONDS = 3.0


def work(seconds: float, first: int) -> float:
    """Messages a second of one process, from the moment that a line comes on standard input."""
    import documents  # noqa: PLC0415 - the parent needs none of it
    import floor  # noqa: PLC0415
    import pki  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from lxml import etree  # noqa: PLC0415

    from schemas.catalog import bundled  # noqa: PLC0415

    key = pki.signer("gateway").key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    kind = next(kind for kind in bundled().kinds() if (kind.loai, kind.goc) == ("HS01", "NopHoSo"))
    schema, parser = bundled().schema(kind), etree.XMLParser(resolve_entities=False, no_network=True)

    def one(body: bytes) -> None:
        root = etree.fromstring(body, parser)
        if not schema.validate(root):
            raise AssertionError(schema.error_log)
        hashlib.sha256(body).hexdigest()
        floor._verify(root)  # noqa: SLF001 - the same work
        key.sign(body[:2048], ec.ECDSA(hashes.SHA256()))

    bodies = cycle(documents.dossiers(100, 4096, first=first))
    for body in islice(bodies, 500):
        one(body)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began, done = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        for body in islice(bodies, 20):
            one(body)
        done += 20
    return done / (time.perf_counter() - began)


def together(processes: int, seconds: float = SECONDS) -> float:
    """Messages a second of so many processes at once, all together."""
    command = [sys.executable, str(HERE / "processors.py"), "--seconds", str(seconds), "--work"]
    running = [
        subprocess.Popen([*command, str(1000 * number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        if one.stdout.readline() != "ready\n":
            raise SystemExit("a process of the benchmark failed")
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return sum([float(one.communicate(timeout=60 + seconds)[0]) for one in running])


def over_one(processes: int, rounds: int) -> list[float]:
    """How many times as many as one, a value a round, in turn."""
    return [together(processes) / together(1) for _ in range(rounds)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="What several processes at once get of this machine, over one.")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        sys.stdout.write(f"{work(given.seconds, given.work)}\n")
        return
    found = over_one(given.processes, given.rounds)
    each = ", ".join(f"{value:.2f}" for value in found)
    sys.stdout.write(f"{given.processes} processes do {statistics.median(found):.2f} times as much as one ({each}).\n")


if __name__ == "__main__":
    main()
