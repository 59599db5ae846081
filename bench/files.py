"""What large files cost a node: the memory of a worker, and the patience of other senders.

    python bench/files.py                 100 MB each way, ten at once; some minutes
    python bench/files.py --mb 10         to see that it works

In: a file whole, in parts (tus), by SOAP MTOM, one and then ten at once, to a node with one worker over SQLite. Out: one and
ten at once by each connector, from a process that does nothing else, to a receiver that counts bytes. Memory is the highest
resident size meanwhile (VmHWM, reset before) beyond what the process had before. Last, small messages at a steady rate, without and
with ten files on their way in: their latencies.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("pki", "connectors")), str(ROOT / "bench")]

import pki  # noqa: E402
from cong_quoc_gia import nop_ho_so  # noqa: E402
from documents import SENDER, dossiers  # noqa: E402
from load import write_bodies  # noqa: E402
from lxml import etree  # noqa: E402
from nodes import node  # noqa: E402
from parcels import parcel, party  # noqa: E402

from connectors.folder import folder  # noqa: E402
from connectors.http import HttpLine  # noqa: E402
from connectors.outcomes import Parcel, ParcelFile  # noqa: E402
from connectors.rest import rest  # noqa: E402
from connectors.soap import soap  # noqa: E402
from connectors.templated import templated  # noqa: E402

MB = 1_000_000
PART = 8 * MB
DV = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0"
WAYS_IN = ("whole", "parts", "mtom")
WAYS_OUT = ("rest", "soap", "http", "folder")


# Memory of a process


def _memory(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) * 1024


def _descendants(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        yield int(child)
        yield from _descendants(int(child))


class Growth:
    """By how much the largest of some processes grows at most."""

    def __init__(self, pids: list[int]) -> None:
        self._before = {}
        for pid in pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")
            self._before[pid] = _memory(pid, "VmRSS")

    def mb(self) -> float:
        """Since it was made."""
        return max((_memory(pid, "VmHWM") - was) / MB for pid, was in self._before.items())


# In


def made(path: Path, size: int, seed: int) -> Path:
    """A file of its own that looks like a PDF."""
    block = hashlib.shake_256(str(seed).encode()).digest(MB)
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")
        for _ in range(size // MB):
            file.write(block)
    return path


def ask(port: int, method: str, path: str, body: Any, headers: dict[str, str]) -> dict[str, str]:
    """One request; what its answer says of itself. Raises AssertionError unless it is a yes."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    wire.request(method, path, body=body, headers={"Authorization": f"Bearer {pki.token(SENDER)}", **headers})
    answer = wire.getresponse()
    said = answer.read()
    assert answer.status in (200, 201, 204), (answer.status, said[:500])
    wire.close()
    return {name.lower(): value for name, value in answer.getheaders()}


def bring(port: int, way: str, path: Path) -> None:
    """One file into the node."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if way == "whole":
            ask(port, "POST", "/v1/files", file, {"Content-Length": str(size)})
        elif way == "mtom":
            before, after, kind = package()
            headers = {"Content-Type": kind, "SOAPAction": f"{DV}/GuiTep"}
            headers["Content-Length"] = str(len(before) + size + len(after))
            ask(port, "POST", "/soap", _pieces(before, file, after), headers)
        else:
            place = ask(port, "POST", "/v1/files", None, {"Upload-Length": str(size)})["location"]
            while (at := file.tell()) < size:
                kind = "application/offset+octet-stream"
                ask(port, "PATCH", place, file.read(PART), {"Upload-Offset": str(at), "Content-Type": kind})


def package() -> tuple[bytes, bytes, str]:
    """What stands before a file and after it in a call of GuiTep by MTOM."""
    include = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:tep"/>'
    root = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<GuiTep xmlns="{DV}"><NoiDung>{include}</NoiDung></GuiTep></s:Body></s:Envelope>'
    )
    before = (
        '--ranh\r\nContent-Type: application/xop+xml; charset=UTF-8; type="text/xml"\r\nContent-ID: <goc>\r\n\r\n'
        f"{root}\r\n--ranh\r\nContent-Type: application/pdf\r\nContent-ID: <tep>\r\n\r\n"
    )
    kind = 'multipart/related; boundary="ranh"; type="application/xop+xml"; start="<goc>"; start-info="text/xml"'
    return before.encode(), b"\r\n--ranh--\r\n", kind


def _pieces(before: bytes, file: BinaryIO, after: bytes) -> Iterator[bytes]:
    yield before
    while block := file.read(64 * 1024):
        yield block
    yield after


def at_once(count: int, what: Callable[[int], None]) -> None:
    """So many at the same time."""
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(what, range(count)))


# Out


async def receive(announce: Callable[[int], None]) -> None:
    """A receiver that counts what comes and takes everything."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                left, digest = int((re.findall(r"(?i)content-length: (\d+)", head) or ["0"])[0]), ""
                while left:
                    block = await reader.read(min(left, 256 * 1024))
                    left -= len(block)
                    digest = digest or next(iter(re.findall("BamSHA256>([0-9a-f]{64})<", block.decode("latin-1"))), "")
                writer.write(_answer(head, digest))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _answer(head: str, digest: str) -> bytes:
    status, kind, body = "200 x", "application/json", '{"code": "1"}'
    if head.startswith("HEAD"):
        status, body = "404 x", ""
    elif head.startswith("POST /soap"):
        name, inner = ("GuiTep", f"<BamSHA256>{digest}</BamSHA256>") if digest else ("GuiThongDiep", "")
        kind = "text/xml"
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<{name}Response xmlns="{DV}"><TraLoi>{inner}</TraLoi></{name}Response></s:Body></s:Envelope>'
        )
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def naming(digest: str) -> bytes:
    """A dossier that names a file."""
    root = etree.fromstring(nop_ho_so(1))
    space = etree.QName(root).namespace
    for manifest in root.findall(f"{{{space}}}DanhSachDinhKem"):
        root.remove(manifest)
    row = etree.SubElement(etree.SubElement(root, f"{{{space}}}DanhSachDinhKem"), f"{{{space}}}DinhKem")
    said = {
        "MaDinhKem": "T1",
        "TenTep": "t.pdf",
        "LoaiTep": "application/pdf",
        "DuongDan": f"lienthong:sha256:{digest}",
    }
    for name, value in said.items():
        etree.SubElement(row, f"{{{space}}}{name}").text = value
    return etree.tostring(root)


def known(path: Path) -> ParcelFile:
    """A file as the outbox has it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ParcelFile(digest=digest, size=path.stat().st_size, media_type="application/pdf", path=path)


async def hand_over(way: str, port: int, files: list[ParcelFile], place: Path) -> None:
    """Each file with a message of its own, all at once."""
    url = f"http://127.0.0.1:{port}"
    connector, table = {
        "rest": (rest, {"url": f"{url}/m", "files_url": f"{url}/f"}),
        "soap": (soap, {"url": f"{url}/soap", "files": {}, "port": "TrucLienThongSoap11"}),
        "folder": (folder, {"path": str(place)}),
        "http": (
            templated,
            {
                "url": url,
                "calls": {"tep": {"path": "/h", "each": "dinh_kem", "upload": {"field": "tep"}}},
                "send": {"*": ["tep"]},
            },
        ),
    }[way]

    async def one(number: int, file: ParcelFile, line: HttpLine) -> None:
        configured = connector.configure({**table, "timeout_s": 600})  # type: ignore[attr-defined]  # of five classes
        to = party(way, **table)
        what: Parcel = replace(parcel(number, naming(file.digest), to, loai="HS01"), files=(file,))
        await connector.deliver(what, configured.settings, line.http(configured.common))  # type: ignore[attr-defined]  # the same

    async with HttpLine(private_addresses=True) as line:
        await asyncio.gather(*(one(n, file, line) for n, file in enumerate(files)))


def outward(port: int, place: Path, files: list[ParcelFile], warm: ParcelFile) -> None:
    """Memory of this process for each connector; one JSON object."""
    said = {}
    for way in WAYS_OUT:
        asyncio.run(hand_over(way, port, [warm], place))
        for left in place.iterdir():
            left.unlink()
        for count in (1, len(files)):
            growth = Growth([os.getpid()])
            asyncio.run(hand_over(way, port, files[:count], place))
            said[f"{way} {count}"] = growth.mb()
            for left in place.iterdir():
                left.unlink()
    print(json.dumps(said))


# Other senders


def small_ones(port: int, folder_: Path, first: int, count: int, rate: float) -> dict[str, Any]:
    """Latencies of small messages at a steady rate."""
    bodies = folder_ / f"{first}.bin"
    write_bodies(bodies, dossiers(count, 6000, first=first))
    command = [sys.executable, str(ROOT / "bench" / "load.py"), "--port", str(port), "--token", pki.token(SENDER)]
    command += ["--rate", str(rate), "--connections", "16", "--bodies", str(bodies), "--timeout-s", "900"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description="What large files cost a node.")
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.receive:
        asyncio.run(receive(lambda port: print(port, flush=True)))
        return
    if given.out:
        place = Path(given.out[1])
        files = [known(path) for path in sorted(place.parent.glob("tep-*"))]
        outward(int(given.out[0]), place, files, known(place.parent / "nho"))
        return
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), given)


def measure(place: Path, given: argparse.Namespace) -> None:
    """Prints each figure."""
    print(f"Load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, files of {given.mb} MB")
    files = [made(place / f"tep-{n}", given.mb * MB, n) for n in range(10)]
    warm = made(place / "nho", 10 * MB, 99)
    settings = {"files": {"folder": "tep", "quota_mb": 100_000}, "limits": {}}
    with node(place / "nut", settings=settings, database=f"sqlite:///{place}/nut.db") as one:
        process = one.serve()
        small_ones(one.port, place, 1, 50, given.rate)  # a worker loads what it needs in its first seconds
        time.sleep(5)
        pids = [process.pid, *_descendants(process.pid)]
        for way in WAYS_IN:
            bring(one.port, way, warm)
            for count in (1, 10):
                growth = Growth(pids)
                at_once(count, lambda n, way=way: bring(one.port, way, files[n]))  # type: ignore[misc]  # a default in a lambda
                print(f"in, {way}, {count}: worker grew by {growth.mb():.1f} MB", flush=True)
        alone = small_ones(one.port, place, 1_001, given.messages, given.rate)
        stop, brought = threading.Event(), []

        def endless(number: int) -> None:
            while not stop.is_set():
                bring(one.port, WAYS_IN[number % 3], files[number])
                brought.append(number)

        with ThreadPoolExecutor(10) as threads:
            running = [threads.submit(endless, n) for n in range(10)]
            beside = small_ones(one.port, place, 100_001, given.messages, given.rate)
            stop.set()
            for each in running:
                each.result()
        for text, found in (("alone", alone), (f"beside {len(brought)} files", beside)):
            times = ", ".join(f"{key} {found[f'{key}_ms']:.0f} ms" for key in ("p50", "p95", "p99"))
            print(f"messages at {given.rate:g}/s {text}: {times}; {found['statuses']}", flush=True)
    command = [sys.executable, str(Path(__file__).resolve())]
    out = place / "ra"
    out.mkdir()
    with subprocess.Popen([*command, "--receive"], stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        port = receiver.stdout.readline().strip()
        done = subprocess.run([*command, "--out", port, str(out)], check=True, stdout=subprocess.PIPE, text=True)
        receiver.kill()
    for name, grew in json.loads(done.stdout).items():
        print(f"out, {name}: grew by {grew:.1f} MB")
    print(f"Load average at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
