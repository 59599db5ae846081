"""Commands that go on, as processes of their own, and what is asked of them by HTTP."""

import json
import os
import selectors
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

from patience import PATIENCE_S

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}


@contextmanager
def running(folder, *arguments, said="ready"):
    """A process that goes on; gives it and this word of what it said when it was ready. Told to stop at the end."""
    errors = (folder / f"{arguments[0]}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments, "--json"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE_S), (folder / f"{arguments[0]}.log").read_text()
        line = process.stdout.readline()
        assert line, (folder / f"{arguments[0]}.log").read_text()
        yield process, json.loads(line)[said]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        errors.close()


def ask(method, url, body=None, token=None):
    headers = {"Content-Type": "application/xml"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
