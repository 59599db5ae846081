"""Output that cannot be shown is replaced, a reader who goes is no fault, and what a command does it does all the same."""

import io
import json
import os
import subprocess
import sys
from importlib import import_module

import pytest
from patience import PATIENCE_S

from gateway.cli import lienthong, main
from gateway.cli.command import Group
from gateway.cli.show import REPLACED, Screen, show_all
from gateway.core.problems import Lang, Problem

LIENTHONG = (sys.executable, "-m", "gateway")


def commands(group=lienthong, path=()):
    """The words of every command."""
    for name, entry in group.entries.items():
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, Group):
            yield from commands(command, (*path, name))
        yield (*path, name)


class Terminal:
    """One that knows a few letters."""

    def __init__(self, encoding):
        self.out, self.err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in "12")

    def run(self, monkeypatch, *words):
        """Exit code, and what came out."""
        monkeypatch.setattr(sys, "stdout", self.out)
        monkeypatch.setattr(sys, "stderr", self.err)
        with pytest.raises(SystemExit) as end:
            main([*words])
        return end.value.code, self.out.buffer.getvalue(), self.err.buffer.getvalue()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_every_command_explains_itself_on_a_terminal_without_vietnamese(encoding, monkeypatch):
    for words in commands():
        code, out, err = Terminal(encoding).run(monkeypatch, "--lang", "vi", *words, "--help")
        assert (code, err) == (0, b""), words
        assert out.strip(), words


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_every_command_tells_a_wrong_word_on_a_terminal_without_vietnamese(encoding, monkeypatch):
    for words in commands():
        code, _, err = Terminal(encoding).run(monkeypatch, "--lang", "vi", *words, "--không-có")
        assert code == 2, (words, err)
        assert err.strip(), words


@pytest.mark.hostile
def test_letters_lose_their_marks_and_json_loses_nothing():
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    show_all(out)
    assert out.errors == REPLACED
    screen = Screen(Lang.VI, out=out, err=out)
    screen.line("Đã nhận “hồ sơ” của Sở Tư pháp → ✓ … 好")
    screen.row({"ten": "Nguyễn 好 😀"})
    text, line = out.buffer.getvalue().decode("latin-1").splitlines()
    assert text == 'Dã nhan "ho so" cua So Tu pháp -> + ... \\u597d'  # what Latin-1 has stays
    assert json.loads(line) == {"ten": "Nguyễn 好 😀"}


@pytest.mark.hostile
def test_a_problem_is_told_on_a_terminal_without_vietnamese_in_either_form():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_all(out)
    for as_json in (False, True):
        Screen(Lang.VI, as_json=as_json, out=out, err=out).problem(Problem("SYS-001", {"id": "ă"}))
    rows = out.buffer.getvalue().decode("ascii").splitlines()
    assert json.loads(rows[-1])["facts"] == {"id": "ă"}


def run(folder, *words, err=None):
    """A command whose standard output nobody reads."""
    theirs, ours = os.pipe()
    os.close(theirs)
    with os.fdopen(ours, "wb") as unread:
        return subprocess.run(
            [*LIENTHONG, *words],
            cwd=folder,
            stdout=unread,
            stderr=unread if err is None else err,
            timeout=PATIENCE_S,
            env=os.environ | {"PYTHONIOENCODING": "latin-1", "LIENTHONG_LANG": "vi"},
            check=False,
        )


@pytest.mark.hostile
def test_where_the_reader_has_gone_an_act_is_done_all_the_same_and_a_list_ends_without_a_word(tmp_path):
    """`lienthong init nut | true`, `lienthong doctor --all | head -1`, `lienthong db upgrade >&- 2>&-`."""
    assert run(tmp_path, "init", "nut").returncode == 0
    nut = tmp_path / "nut"
    command = " ".join([*LIENTHONG, "db", "upgrade"])
    assert subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], cwd=nut, timeout=PATIENCE_S, check=False).returncode == 0
    assert (nut / "lienthong.sqlite3").stat().st_size > 0
    done = run(nut, "doctor", "--all", err=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
