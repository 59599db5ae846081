"""Lives of children, for parents in tests: a child finds its life by the name of the module that it stands in."""

import os
import signal
import time

from gateway.core.problems import Problem, Stopped
from gateway.web.crashes import Crashes
from gateway.web.keeper import ALIVE, READY, cannot_begin


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


def counted(folder, line):
    """One that is fine, and is named while it is; when it leaves it notes how many have been ready by then."""
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    (folder / f"{os.getpid()}.ready").touch()
    line.send_bytes(READY)
    while not over and not line.poll(0.05):
        line.send_bytes(ALIVE)
    (folder / f"{os.getpid()}.left").write_text(str(len([*folder.glob("*.ready")])))


def counted_until_changed(folder, line):
    """The same, as long as the settings are what they were; who comes later cannot begin."""
    if (folder / "changed").exists():
        line.send_bytes(cannot_begin(Stopped(Problem("SYS-037"))))
        os._exit(1)
    counted(folder, line)


def crashes_at_first(folder, line):
    """The first comes up and crashes while it reads something; the second is fine."""
    if (folder / "crashing").exists():
        steady(folder, line)
        return
    (folder / "crashing").touch()
    with Crashes(folder).reading("0" * 64):
        line.send_bytes(READY)
        while not (folder / "heard").exists():
            time.sleep(0.01)
        os.abort()


def deaf_at_first(folder, line):
    """The first hears no SIGTERM, whoever sends it; the others are fine."""
    if (folder / "deaf").exists():
        counted(folder, line)
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "deaf").write_text(str(os.getpid()))
    line.send_bytes(READY)
    while True:
        time.sleep(0.05)
        line.send_bytes(ALIVE)
