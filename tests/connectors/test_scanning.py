"""clamd by its socket: what it says of a file, and what is made of one that does not do what clamd(8) says."""

import socket
import struct
import threading
from contextlib import contextmanager, suppress

import pytest
from patience import PATIENCE_S

from connectors.scanning import Clamd
from gateway.core.stored_files import FileScan

MARK = b"X5-DAU-HIEU-THU"


def heard(wire):
    """The bytes of one INSTREAM, as clamd reads them: sizes in network order, the last one is 0."""

    def exactly(count):
        found = b""
        while len(found) < count:
            piece = wire.recv(count - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found

    assert exactly(len(b"zINSTREAM\0")) == b"zINSTREAM\0"
    whole = b""
    while size := struct.unpack("!L", exactly(4))[0]:
        whole += exactly(size)
    return whole


def says(answer):
    """Takes the whole stream, then answers."""

    def act(wire):
        whole = heard(wire)
        wire.sendall(answer(whole) if callable(answer) else answer)

    return act


def dribbles(wire):
    heard(wire)
    for _ in range(200):
        wire.sendall(b".")
        if gone.wait(0.05):
            return


def waits(wire):
    gone.wait(PATIENCE_S)


def closes(wire):
    wire.recv(4)


gone = threading.Event()


@contextmanager
def clamd(act, address):
    """A clamd that behaves like this, at a path or a port."""
    gone.clear()
    kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as listening:
        listening.bind(address)
        listening.listen()

        def serve():
            wire, _ = listening.accept()
            with wire, suppress(OSError):
                act(wire)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield listening.getsockname()
        gone.set()


@pytest.fixture
def file(tmp_path):
    """A file of some blocks with the mark in its last one."""
    path = tmp_path / "tep"
    path.write_bytes(b"0123456789abcdef" * 40_000 + MARK)
    return path


@pytest.mark.parametrize(
    ("answer", "scan", "finding"),
    [
        (lambda whole: b"stream: Thu.Dau FOUND\0" if whole.endswith(MARK) else b"stream: OK\0", "infected", "Thu.Dau"),
        (b"stream: OK\0", "clean", None),
        (b"stream: OK", "clean", None),  # its end was lost with the connection, its word was not
        (b"INSTREAM size limit exceeded. ERROR\0", "unknown", "INSTREAM size limit exceeded. ERROR"),
        (b"stream: \x1b[31mX FOUND\0", "infected", "?[31mX"),
        (b"OK\0", "unknown", "OK"),
        (b"", "unknown", "clamd: –"),
        (b"A" * 100_000, "unknown", "A" * 120),
    ],
)
def test_what_it_says_is_taken_as_clamd_means_it(tmp_path, file, answer, scan, finding):
    with clamd(says(answer), str(tmp_path / "ctl")) as address:
        found = Clamd(address, 20.0).scan(file)
    assert (found.scan, found.finding) == (FileScan(scan), finding)


def test_it_may_be_at_a_port(file):
    with clamd(says(b"stream: OK\0"), ("127.0.0.1", 0)) as (host, port):
        assert Clamd(f"{host}:{port}", 20.0).scan(file).scan is FileScan.CLEAN


@pytest.mark.parametrize("act", [dribbles, waits, closes])
def test_one_that_misbehaves_could_not_tell_and_is_waited_for_with_an_end(tmp_path, file, act):
    with clamd(act, str(tmp_path / "ctl")) as address:
        found = Clamd(address, 0.5).scan(file)
    assert found.scan is FileScan.UNKNOWN


@pytest.mark.parametrize("address", ["/khong/co/o/day", "127.0.0.1:1", "127.0.0.1:x", "khong-co-cong"])
def test_one_that_is_not_there_could_not_tell(file, address):
    assert Clamd(address, 5.0).scan(file).scan is FileScan.UNKNOWN
