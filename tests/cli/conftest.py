"""A node from nothing, and the command line run in this process or as one of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.cli import main

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("LIENTHONG_", "LC_", "LANG"))}


@dataclass
class Result:
    """What a run printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self):
        """Standard output as JSON, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Cli:
    """Runs commands as a person would, in this process: click, our error handling and exit codes included."""

    capsys: object
    monkeypatch: object
    folder: Path
    variables: dict = field(default_factory=dict)

    def __call__(self, *arguments, folder=None):
        self.monkeypatch.chdir(folder or self.folder)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        return Result(end.value.code, out, err)


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """The command line in this process, in an empty folder, in Vietnamese."""
    for name in list(os.environ):
        if name.startswith(("LIENTHONG_", "LC_")) and not name.startswith("LIENTHONG_TEST"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "vi_VN.UTF-8")
    return Cli(capsys, monkeypatch, tmp_path)


@pytest.fixture
def node(cli, tmp_path):
    """A fresh node with its database."""
    folder = tmp_path / "nut"
    assert cli("init", folder, "--port", "8399").code == 0
    assert cli("db", "upgrade", folder=folder).code == 0
    cli.folder = folder
    return folder


@pytest.fixture
def process():
    """Runs ``lienthong`` as a process of its own and gives its result."""

    def run(*arguments, folder=None, timeout=60, stdin=b"", **variables):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, arguments)],
            cwd=folder,
            env={**ENVIRONMENT, "LANG": "vi_VN.UTF-8", **variables},
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
