"""Lives of children, for parents in tests: a child finds its life by the name of the module that it stands in."""

import os
import signal
import time

from gateway.web.keeper import ALIVE, READY


def late(folder, line):
    """One is there at once; others end twice, once that one is there, before they come up."""
    try:
        os.close(os.open(folder / "first", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        while not (folder / "there").exists():
            time.sleep(0.01)
        for name in "ab":
            if not (folder / name).exists():
                (folder / name).touch()
                os._exit(1)
    line.send_bytes(READY)
    (folder / "there").touch()
    while not line.poll(0.1):  # until the parent is gone
        line.send_bytes(ALIVE)


def killed_at_first(folder, line):
    """Two are killed before they come up, as one that needs more memory than there is; the third comes up."""
    for name in "ab":
        if not (folder / name).exists():
            (folder / name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    line.send_bytes(READY)
    while not line.poll(0.1):
        line.send_bytes(ALIVE)


def steady(folder, line):
    """One that is fine."""
    (folder / "child").write_text(str(os.getpid()))
    line.send_bytes(READY)
    while not line.poll(0.2):
        line.send_bytes(ALIVE)


def killed(folder, line):
    """None comes up."""
    os.kill(os.getpid(), signal.SIGKILL)
