"""The door and HTTP alone, over aiohttp's no-op: a worker's own application whose tray answers at once (docs/en/performance.md).

    python bench/door.py                     no-op, door without a line for each request, door with it, in turn
    python bench/door.py --profile           where the door's CPU goes, by cProfile

Both sides read the same body, which they are sent over the same 64 connections with the same head, and answer 201 with one and the
same number of bytes. The no-op is an application of aiohttp with one route, without an access log, whose answer's head has four
fields. The door's side is all that a small accepted message costs beside its judgement: who calls, what he may send, the digest, the
envelope, an answer's head of eleven fields, counters as `serve` keeps them, the line. Nothing is judged and nothing recorded: the
tray answers with the same acknowledgement each time. What was loaded is set apart from the search for garbage on both sides, as
`serve` does. CPU is the server process's, from the operating system; the generator is another process.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import os
import pstats
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "pki")]

SIDES = ("noop", "door", "line")
RECEIPT = b"<BienNhan>" + b"x" * 4400 + b"</BienNhan>"  # about as long as one


async def _serve(folder: Path) -> None:
    """The application of one worker until SIGTERM, its tray answering at once. Prints its port."""
    from gateway import opening, wiring  # noqa: PLC0415 - after the folder of the counters is known
    from gateway.core.model import Acknowledgement, Envelope, Fate, MaThongDiep  # noqa: PLC0415
    from gateway.services.intake import new_message_id  # noqa: PLC0415
    from gateway.services.lines import start_logging  # noqa: PLC0415
    from gateway.settings import load  # noqa: PLC0415
    from gateway.web.app import App  # noqa: PLC0415

    loaded = load(folder / "lienthong.toml", {})
    lines = start_logging(loaded.settings.log.form, loaded.settings.log.level)
    store = opening.open_store(loaded)
    shared = folder / "shared"
    shared.mkdir(exist_ok=True)
    app = App(wiring.build(loaded.settings, store), loaded.settings, shared=shared, clock=wiring.node_clock(store))
    answer = Acknowledgement(
        message=new_message_id(datetime.now(UTC)),
        fate=Fate.ACCEPTED,
        recorded_at=datetime.now(UTC),
        digest="0" * 64,
        ma_thong_diep=MaThongDiep("11111111-1111-4111-8111-111111111111"),
        receipt=RECEIPT,
    )

    async def lay(_: Envelope) -> Acknowledgement:
        return answer

    app.door.tray.lay = lay  # type: ignore[method-assign] - what is measured is all that lies round it
    await app.start(sock=socket.create_server(("127.0.0.1", 0)))
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    gc.collect()
    gc.freeze()
    sys.stdout.write(f"{app.port}\n")
    sys.stdout.flush()
    await leave.wait()
    await app.stop()
    lines.close()


def serve(folder: Path, profile: Path | None) -> None:
    """A process of its own, as `serve` runs one."""
    import uvloop  # noqa: PLC0415

    if profile is None:
        uvloop.run(_serve(folder))
        return
    watch = cProfile.Profile()
    watch.runcall(uvloop.run, _serve(folder))
    watch.dump_stats(profile)


def begun(side: str, folder: Path, profile: Path | None = None) -> subprocess.Popen[bytes]:
    """A server of one side, whose first line is its port."""
    if side == "noop":
        command = [sys.executable, str(HERE / "noop.py"), str(len(RECEIPT))]
    else:
        command = [sys.executable, str(HERE / "door.py"), "--serve", str(folder / side)]
        command += ["--profile-into", str(profile)] if profile is not None else []
    counters = folder / f"counters-{side}"
    counters.mkdir(exist_ok=True)
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(counters)}
    with (folder / f"{side}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True, env=environment)


def measure(messages: int, rounds: int, connections: int = 64, profile: Path | None = None) -> dict[str, list[float]]:
    """µs of server CPU a request of each side, a value a round, the sides in turn over servers that stay up."""
    import documents  # noqa: PLC0415
    import load  # noqa: PLC0415
    import nodes  # noqa: PLC0415
    import pki  # noqa: PLC0415
    import run  # noqa: PLC0415

    sides = SIDES if profile is None else ("line",)
    found: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="lienthong-door-") as name:
        folder = Path(name)
        allowance = {"messages_per_s": 1e6, "burst": 10**6}  # one party sends all, faster than one may
        for side, level in (("door", "WARNING"), ("line", "INFO")):
            nodes.Node(folder / side, settings={"log": {"level": level}, "allowance": allowance}).prepare()
        bodies = folder / "bodies.bin"
        load.write_bodies(bodies, documents.dossiers(1, 4096) * messages)
        given: dict[str, Any] = {"token": pki.token(documents.SENDER)}
        servers: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
        try:
            for side in sides:
                server = begun(side, folder, profile)
                assert server.stdout is not None
                told = server.stdout.readline()
                if not told:
                    raise SystemExit((folder / f"{side}.log").read_text())
                servers[side] = server, int(told)
            for turn in range(rounds + 1):  # the first warms up
                for side, (server, port) in servers.items():
                    before = run.cpu_of(server.pid)
                    told = run.generate(bodies, port, connections, **given)
                    if told["statuses"] != {"201": messages}:
                        raise SystemExit(f"answers {told['statuses']}")
                    if turn:
                        found[side].append(1e6 * (run.cpu_of(server.pid) - before) / messages)
        finally:
            for server, _ in servers.values():
                server.terminate() if profile is not None else server.kill()
                with suppress(subprocess.TimeoutExpired):
                    server.wait(20)
    return found


def over_noop(found: dict[str, list[float]]) -> dict[str, list[float]]:
    """Each round's CPU over the no-op's of the same round."""
    pairs = {side: zip(found[side], found["noop"], strict=True) for side in ("door", "line")}
    return {side: [own / bare for own, bare in pair] for side, pair in pairs.items()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="The door and HTTP alone, over aiohttp's no-op; read the ratio.")
    parser.add_argument("--messages", type=int, default=10_000)  # CPU is told in hundredths of a second
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="where the door's CPU goes instead")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profile-into", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve, given.profile_into)
        return
    if given.profile:
        with tempfile.TemporaryDirectory(prefix="lienthong-door-profile-") as folder:
            path = Path(folder) / "door.prof"
            measure(given.messages, 1, profile=path)
            stats = pstats.Stats(str(path))
            stats.sort_stats("tottime").print_stats(60)
        return
    found = measure(given.messages, given.rounds)
    ratios = over_noop(found)
    if given.json:
        sys.stdout.write(json.dumps(found | {"over": ratios}) + "\n")
        return
    sys.stdout.write("| | µs a request, median (least) | over no-op |\n|---|---|---|\n")
    for side, name in (("noop", "aiohttp's no-op"), ("door", "the door"), ("line", "the door, a line for each")):
        cell = f"{statistics.median(found[side]):.0f} ({min(found[side]):.0f})"
        ratio = f"{statistics.median(ratios[side]):.2f} ({min(ratios[side]):.2f})" if side in ratios else "1"
        sys.stdout.write(f"| {name} | {cell} | {ratio} |\n")
    sys.stdout.write(f"Load average at the end {os.getloadavg()[0]:.1f}.\n")


if __name__ == "__main__":
    main()
