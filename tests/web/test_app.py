"""The door's limits and patience: slow, silent and greedy clients, and a graceful stop."""

import socket
import threading
import time

import mail
import pki
import pytest
from patience import PATIENCE_S, eventually

AUTH = f"Authorization: Bearer {pki.token('cong-dvc')}\r\n".encode()
HEAD = (
    b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
    + AUTH
    + b"Content-Type: application/xml\r\nAccept: application/json\r\n"
)


def is_closed(sock, seconds=PATIENCE_S):
    """Whether the other end closes it, within so many seconds."""
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def connect(door):
    return socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S)


def test_a_silent_connection_is_closed(open_door):
    door = open_door(idle_s=1.0)
    with connect(door) as sock:
        assert is_closed(sock)


def test_half_a_header_is_not_waited_for_longer_than_a_silent_connection_is(open_door):
    door = open_door(header_s=0.5, idle_s=60)
    with connect(door) as sock:
        sock.sendall(b"POST /v1/messages HTTP/1.1\r\nHost:")
        assert is_closed(sock)


def test_a_header_that_comes_byte_by_byte_is_cut_off(open_door):
    door = open_door(header_s=0.5, idle_s=60)
    with connect(door) as sock:

        def cut_off():
            try:
                sock.sendall(b"G")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        assert eventually(cut_off, every_s=0.05)


def test_a_body_that_stops_on_the_way_is_answered_and_leaves_nothing(open_door):
    door = open_door(body_grace_s=0.5, idle_s=60)
    answer, closed = door.raw(HEAD + b"Content-Length: 1000\r\n\r\n<a>")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"SYS-110" in answer
    assert closed
    with door.gate.store.read() as view:
        assert view.messages() == []


def test_a_body_that_drips_is_cut_off_by_its_average(open_door):
    door = open_door(body_grace_s=0.5, body_bytes_per_s=10_000, linger_s=0.2)
    with connect(door) as sock:
        sock.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        said = b""
        sock.settimeout(0.05)

        def answered():
            nonlocal said
            try:
                sock.sendall(b"x")
                said += sock.recv(65536)
            except TimeoutError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True
            return said

        assert eventually(answered, every_s=0.0)
        assert said.startswith(b"HTTP/1.1 408")


def test_a_slow_but_steady_body_is_taken(open_door):
    door = open_door(body_grace_s=0.4, body_bytes_per_s=100)
    body = mail.nop()
    with connect(door) as sock:
        sock.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
        step = len(body) // 6 + 1
        for start in range(0, len(body), step):
            sock.sendall(body[start : start + step])
            time.sleep(0.2)
        sock.settimeout(PATIENCE_S)
        assert sock.recv(100).startswith(b"HTTP/1.1 201")


def test_a_client_that_does_not_read_its_answer_is_let_go(open_door):
    door = open_door(exchange_s=1.0)
    code = mail.ma_ho_so()
    sent = door.send(mail.nop(code), "cong-dvc")
    assert sent.status == 201
    ask = b"GET /v1/messages/%s/original HTTP/1.1\r\nHost: x\r\n%s\r\n" % (sent.json["MaThongDiep"].encode(), AUTH)
    with connect(door) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.2)

        def let_go():
            try:
                sock.send(ask * 10)
            except TimeoutError:
                return False  # nobody reads at the other end either: it waits for us to take its answers
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        assert eventually(let_go, every_s=0.0)
    assert door.get("/healthz").status == 200


def test_at_the_bound_the_longest_idle_connection_makes_room(open_door):
    door = open_door(connections=5, idle_s=60)
    held = []
    for number in range(1, 6):
        held.append(connect(door))
        door.holds(number)  # the order in which they were taken is the order in which they idle
    assert door.get("/healthz").status == 200
    assert is_closed(held[0])
    assert not is_closed(held[4], 0.2)
    for sock in held:
        sock.close()


def test_a_body_over_the_limit_is_recorded_cut_with_the_digest_of_what_was_read(open_door):
    door = open_door(limits={"body_bytes": 2048})
    body = b"<a>" + b"x" * 5000 + b"</a>"
    answer = door.send(body, "cong-dvc")
    assert answer.status == 413
    assert answer.json["outcome"] == "rejected"
    with door.gate.store.read() as view:
        (message,) = view.messages()
        kept = view.body(message.id, message.digest)
    assert message.party == "cong-dvc"
    assert message.total_bytes > 2048
    assert len(kept) == 2048
    assert body.startswith(kept)


def test_a_huge_declared_body_is_not_waited_for(open_door):
    door = open_door(limits={"body_bytes": 2048}, linger_s=0.2)
    answer, closed = door.raw(HEAD + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 100_000)
    assert answer.startswith(b"HTTP/1.1 413")
    assert closed


def test_an_endless_chunked_body_is_cut_at_the_limit(open_door):
    door = open_door(limits={"body_bytes": 2048}, linger_s=0.2)
    answer, closed = door.raw(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n",
        *[b"400\r\n" + b"x" * 1024 + b"\r\n"] * 50,
    )
    assert answer.startswith(b"HTTP/1.1 413")
    assert closed


def test_nobody_reads_the_body_of_a_stranger(open_door):
    door = open_door(linger_s=0.2)
    stranger = HEAD.replace(AUTH, b"")
    answer, closed = door.raw(stranger + b"Content-Length: 1000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")
    assert closed


def test_a_stop_answers_what_is_under_way_and_takes_nothing_new(open_door):
    door = open_door(wait_s=10 * PATIENCE_S, exchange_s=20 * PATIENCE_S)  # who waited to the end would fail below
    answers = []

    def waiter():
        answers.append(door.get(f"/v1/inbox?wait={10 * PATIENCE_S:.0f}", "cong-dvc"))

    waiting = threading.Thread(target=waiter, daemon=True)
    waiting.start()
    door.is_waited_at()
    with connect(door) as idle:
        door.holds(2)
        door.stop()
        assert is_closed(idle)
    waiting.join(PATIENCE_S)
    assert [answer.status for answer in answers] == [200]
    with pytest.raises(ConnectionRefusedError):
        connect(door)


def test_a_message_half_way_in_is_answered_before_the_stop(open_door):
    door = open_door()
    body = mail.nop()
    with connect(door) as sock:
        sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:500])
        door.is_at_work()
        stopping = threading.Thread(target=door.stop)
        stopping.start()
        assert eventually(door.app.door.stopping.is_set)
        sock.sendall(body[500:])
        sock.settimeout(PATIENCE_S)
        said = sock.recv(65536)
        assert said.startswith(b"HTTP/1.1 201")
        assert b"connection: close" in said.lower()
        stopping.join(PATIENCE_S)
