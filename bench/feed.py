"""An inbox page under a hundred readers: a node whose feeds fill while each of a hundred portals reads its own, without a gap.

    python bench/feed.py [--messages 300] [--readers 100]

Every message goes to half of the portals (fifty receivers is the most that one may name), in turn. While messages come in, each
portal asks after its own position over a connection of its own and confirms with every page what it has read; an empty page is
followed by half a second's pause. Afterwards all read everything once more, with nothing coming in: that is the CPU of a page.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "pki")]

import documents  # noqa: E402
import load as generator  # noqa: E402
import nodes  # noqa: E402
import pki  # noqa: E402
import run  # noqa: E402

from gateway.cli.parties import read_all  # noqa: E402
from gateway.core.parties import Party  # noqa: E402
from gateway.services import profiles  # noqa: E402
from gateway.settings import database_url, load  # noqa: E402
from gateway.store import Store, open_engine  # noqa: E402

AT_ONCE = 50  # receivers of a message


@dataclass(frozen=True)
class FeedFigures:
    """What a hundred readers got of it."""

    readers: int
    pages_per_s: float  # while messages came in
    delivered_per_s: float  # messages that readers were given, all together
    p50_ms: float  # of a page, while messages came in
    p99_ms: float
    page_us: float  # server CPU of a page of a hundred entries, nothing coming in
    over_http: float  # that over the floor's bare handler, under the same readers' kind of load
    put_off: int  # answers 503: the database was busy, ask again
    wrong: int  # gaps, repeats, places out of order: must be none


def portals(node: Any, number: int, first: int) -> list[str]:
    """So many portals more on a node that does not run yet; their tokens. ``first`` keeps them apart from earlier ones."""
    settings = load(node.folder / "lienthong.toml", {}).settings
    known = {party.id: party for party in read_all(settings)}
    made: list[Party] = []
    for place in range(number):
        name = f"cong-{first}-{place:03}"
        credentials = replace(known[documents.RECEIVER].credentials, token_sha256=(_digest(pki.token(name)),))
        own = {"id": name, "name": name, "identifiers": (_identifier(first, place),), "certificates": ()}
        made.append(replace(known[documents.RECEIVER], credentials=credentials, **own))
    engine = open_engine(database_url(settings))
    with Store(engine).begin() as tx:
        texts = {party.id: profiles.to_text(party) for party in made}
        tx.apply_parties(texts, who="operator:bench", reason="bench", now=datetime.now(UTC))
    engine.dispose()
    return [pki.token(party.id) for party in made]


def measure(
    folder: Path,
    *,
    messages: int,
    readers: int,
    workers: int,
    http_us: float,
    database: str = "sqlite:///node.sqlite3",
    first: int = 1,
) -> FeedFigures:
    """One node, filled and read. ``http_us``: the floor of a request; ``first``: the number of the first document."""
    halves = [range(place, min(place + AT_ONCE, readers)) for place in range(0, readers, AT_ONCE)]
    each = messages // len(halves)
    bodies: list[bytes] = []
    for number, half in enumerate(halves):
        to = [_identifier(first, place) for place in half]
        bodies += documents.dossiers(each, 4096, first=first + number * each, receivers=to)
    bodies = [bodies[half * each + place] for place in range(each) for half in range(len(halves))]
    warm, rest = folder.with_suffix(".warm"), folder.with_suffix(".feed")
    generator.write_bodies(warm, bodies[: 2 * len(halves)])
    generator.write_bodies(rest, bodies[2 * len(halves) :])
    with nodes.node(folder, database=database, settings={"log": {"level": "INFO"}}) as node:
        tokens = folder.with_suffix(".tokens")
        tokens.write_text("\n".join(portals(node, readers, first)), "utf-8")
        server = node.serve(workers)
        sender = {"token": pki.token(documents.SENDER)}
        run.generate(warm, node.port, 8, **sender)
        run.settle(server.pid)
        reading = _reading(node.port, tokens, each)
        try:
            sent = run.generate(rest, node.port, 8, **sender)
            if sent["statuses"] != {"201": len(bodies) - 2 * len(halves)}:
                raise SystemExit(f"answers {sent['statuses']}")
            filled = _told(reading)
        finally:
            reading.kill()
        run.settle(server.pid)
        before = run.cpu_of(server.pid)
        again = _told(_reading(node.port, tokens, each))
        spent = run.cpu_of(server.pid) - before
    if filled["messages"] != each * readers or again["messages"] != each * readers:
        raise SystemExit(f"{filled['messages']} and {again['messages']} messages read instead of {each * readers}")
    page = 1e6 * spent / again["pages"]
    return FeedFigures(
        readers=readers,
        pages_per_s=filled["pages"] / filled["elapsed_s"],
        delivered_per_s=filled["messages"] / filled["elapsed_s"],
        p50_ms=filled["p50_ms"],
        p99_ms=filled["p99_ms"],
        page_us=page,
        over_http=page / http_us,
        put_off=filled["put_off"] + again["put_off"],
        wrong=filled["wrong"] + again["wrong"],
    )


def _reading(port: int, tokens: Path, until: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "pull.py"), "--port", str(port), "--tokens", str(tokens)]
    return subprocess.Popen([*command, "--until", str(until)], stdout=subprocess.PIPE)


def _told(reading: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, _ = reading.communicate(timeout=900)
    if reading.returncode:
        raise SystemExit("the readers failed")
    found: dict[str, Any] = json.loads(out)
    return found


def _identifier(first: int, place: int) -> str:
    return f"H19.{first}.{place:03}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def in_words(found: FeedFigures) -> str:
    """What was measured, as a line of the report."""
    return (
        f"* Feed under {found.readers} readers, each with its own position: {found.pages_per_s:,.0f} pages/s, "
        f"{found.delivered_per_s:,.0f} messages/s given out while they came in; a page p50 {found.p50_ms:.0f}, p99 "
        f"{found.p99_ms:.0f} ms; server CPU of a page read again {found.page_us:,.0f} µs, {found.over_http:.1f} times the bare "
        f"handler; asked to come again (503): {found.put_off}; gaps or repeats: {found.wrong}."
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="A hundred portals read while their feeds fill.")
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() or 1))
    parser.add_argument("--database", default="sqlite:///node.sqlite3")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lienthong-feed-") as name:
        bodies = Path(name) / "floor.bin"
        generator.write_bodies(bodies, documents.dossiers(1, 4096) * 500)
        options = {"readers": given.readers, "workers": given.workers, "database": given.database}
        http = run.http_floor(bodies, 64)
        found = measure(Path(name) / "node", messages=given.messages, http_us=http, **options)
    sys.stdout.write(f"{in_words(found)}\n")
    if found.wrong:
        raise SystemExit("a reader had a gap or a repeat")


if __name__ == "__main__":
    main()
