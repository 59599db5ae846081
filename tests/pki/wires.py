"""A wire between us and a server that can be cut, led elsewhere, or left standing while nobody says anything any more."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress


class Wire:
    """Listens on loopback and hands on what comes. ``to``: a port, or the path of a Unix socket; it may be changed."""

    def __init__(self, to):
        self.to = to
        self._silent = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs = {}
        self._looking = selectors.DefaultSelector()
        self._looking.register(self._listener, selectors.EVENT_READ)
        self._bell, self._ear = socket.socketpair()
        self._looking.register(self._ear, selectors.EVENT_READ)
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def silence(self, silent=True):
        """From now on nothing is handed on, and nothing is closed: as when the far host vanished behind a firewall."""
        self._silent = silent
        self._bell.send(b"!")

    def close(self):
        """Cuts everything."""
        self._ending = True
        self._bell.send(b"!")
        self._thread.join()

    def _run(self):
        while not self._ending:
            for key, _ in self._looking.select():
                if key.fileobj is self._ear:
                    self._ear.recv(100)
                    self._heed()
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._hand_on(key.fileobj)
        for sock in [*self._pairs, self._listener, self._bell, self._ear]:
            sock.close()

    def _heed(self):
        """Stop reading while silent; what came meanwhile was never said, so its connections end when the wire speaks again."""
        if self._silent:
            for sock in self._pairs:
                with suppress(KeyError):
                    self._looking.unregister(sock)
            return
        for sock in list(self._pairs):
            self._end(sock)

    def _accept(self):
        near, _ = self._listener.accept()
        if self._silent:
            self._pairs[near] = near
            return
        family = socket.AF_INET if isinstance(self.to, int) else socket.AF_UNIX
        far = socket.socket(family)
        try:
            far.connect(("127.0.0.1", self.to) if isinstance(self.to, int) else self.to)
        except OSError:
            near.close()
            far.close()
            return
        for one, other in ((near, far), (far, near)):
            self._pairs[one] = other
            self._looking.register(one, selectors.EVENT_READ)

    def _hand_on(self, sock):
        if sock not in self._pairs:
            return
        try:
            said = sock.recv(65536)
            if said:
                self._pairs[sock].sendall(said)
                return
        except OSError:
            pass
        self._end(sock)

    def _end(self, sock):
        for one in {sock, self._pairs.pop(sock, sock)}:
            self._pairs.pop(one, None)
            with suppress(KeyError, ValueError):
                self._looking.unregister(one)
            one.close()
