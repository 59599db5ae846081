"""Asking a malware scanner about a file: a command of this machine, or clamd by its socket (INSTREAM)."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.core.stored_files import FileScan

_BLOCK = 128 * 1024
_MOST_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scanner said: the name of what it found, or why it could not tell."""

    scan: FileScan
    finding: str | None = None


class FileScanner(Protocol):
    """Who can be asked about a file."""

    def scan(self, path: Path) -> ScanResult:
        """What it says of this file. Never raises: what goes wrong is "could not tell"."""


@dataclass(frozen=True, slots=True)
class Clamd:
    """clamd by its socket: ``/path/to/clamd.ctl``, or ``host:port``. The bytes are sent: it needs no right to read them."""

    address: str
    timeout_s: float

    def scan(self, path: Path) -> ScanResult:
        """What it says of this file."""
        until = time.monotonic() + self.timeout_s
        try:
            with self._connected() as wire, path.open("rb") as stream:
                try:
                    _send(wire, b"zINSTREAM\0", until)
                    while block := stream.read(_BLOCK):
                        _send(wire, struct.pack("!L", len(block)) + block, until)
                    _send(wire, struct.pack("!L", 0), until)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it has heard enough: StreamMaxLength, or it has found something; its answer says which
                return _said(_answer(wire, until))
        except (OSError, ValueError) as error:
            return ScanResult(FileScan.UNKNOWN, f"clamd: {type(error).__name__}")

    def _connected(self) -> socket.socket:
        if "/" in self.address:
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            wire.settimeout(self.timeout_s)
            try:
                wire.connect(self.address)
            except OSError:
                wire.close()
                raise
            return wire
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), self.timeout_s)


def _send(wire: socket.socket, data: bytes, until: float) -> None:
    wire.settimeout(_left(until))
    wire.sendall(data)


def _left(until: float) -> float:
    """How long there is to wait. Raises TimeoutError: one that takes a byte a minute does not take for ever."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _answer(wire: socket.socket, until: float) -> str:
    """The line that it answers, without its end."""
    found = b""
    while b"\0" not in found and len(found) < _MOST_ANSWER:
        wire.settimeout(_left(until))
        piece = wire.recv(_MOST_ANSWER)
        if not piece:
            break
        found += piece
    return found.partition(b"\0")[0].decode("utf-8", "replace").strip()


def _said(line: str) -> ScanResult:
    """clamd(8): ``stream: OK``, ``stream: <name> FOUND``; everything else is an error of its own."""
    if line == "stream: OK":
        return ScanResult(FileScan.CLEAN)
    if line.startswith("stream: ") and line.endswith(" FOUND"):
        return ScanResult(FileScan.INFECTED, _plain(line[len("stream: ") : -len(" FOUND")]))
    return ScanResult(FileScan.UNKNOWN, _plain(line) or "clamd: –")


@dataclass(frozen=True, slots=True)
class ScanCommand:
    """A command that is given the file's path last, and says by its status: 0 clean, 1 infected, else it cannot tell."""

    command: Sequence[str]
    timeout_s: float

    def scan(self, path: Path) -> ScanResult:
        """What it says of this file; the first line that it writes names what it found."""
        try:
            done = subprocess.run(  # the operator's own command; the path is made of hex digits
                [*self.command, str(path.resolve())],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout_s,
                check=False,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return ScanResult(FileScan.UNKNOWN, type(error).__name__)
        words = done.stdout[:_MOST_ANSWER].decode("utf-8", "replace").replace(str(path), "").strip().splitlines()
        said = _plain(words[0].strip(": ")) if words else None
        if done.returncode == 0:
            return ScanResult(FileScan.CLEAN)
        if done.returncode == 1:
            return ScanResult(FileScan.INFECTED, said or "?")
        return ScanResult(FileScan.UNKNOWN, said or f"exit {done.returncode}")


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:120]
