"""The operator's page: every command in it exists with its options, every command is in it."""

import re
import shlex
from pathlib import Path

import click
import pytest

from gateway.cli import COMMANDS, lienthong
from gateway.core.operators import OperatorRole
from gateway.core.problems import catalogue
from gateway.settings import Settings, leaves

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / lang / name for lang in ("vi", "en") for name in ("operate.md", "integrate.md")]
TEXTS = [(ROOT / "docs" / lang / "operate.md").read_text("utf-8") for lang in ("vi", "en")]


def commands(text):
    """Command lines in fenced blocks and in single back quotes."""
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("lienthong "):
                yield command.split(" > ")[0].split(" | ")[0].split(" # ")[0].rstrip("& ")
    yield from (found for found in re.findall(r"`(lienthong [^`]+)`", text) if "…" not in found)


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page.read_text("utf-8"))}))
def test_a_command_shown_to_people_is_one(line, tmp_path, monkeypatch):
    arguments = shlex.split(line)[1:]
    monkeypatch.chdir(tmp_path)
    for name in arguments:
        if re.fullmatch(r"[a-z0-9-]+\.(csv|xlsx|toml|xml|xsd|zip|pem)", name):  # a file that the reader will have
            (tmp_path / name).touch()
    ctx = lienthong.make_context("lienthong", list(arguments), resilient_parsing=False)
    group, rest = lienthong, [*ctx._protected_args, *ctx.args]
    while isinstance(group, click.Group) and rest:
        name, command, rest = group.resolve_command(ctx, rest)
        ctx = command.make_context(name, list(rest), parent=ctx)
        group, rest = command, [*ctx._protected_args, *ctx.args] if isinstance(command, click.Group) else []
    assert not isinstance(group, click.Group)


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_command_is_on_the_operator_s_page_or_the_integrator_s(lang):
    whole = "\n".join(page.read_text("utf-8") for page in PAGES if page.parent.name == lang)
    missing = [
        name
        for name in COMMANDS
        if name != "demo" and not re.search(rf"lienthong (--config \S+ )?{name}\b|`{name}", whole)
    ]
    assert missing == []


@pytest.mark.parametrize("text", TEXTS, ids=["vi", "en"])
def test_every_role_is_explained(text):
    for role in OperatorRole:
        assert f"| `{role}` |" in text


@pytest.mark.parametrize("text", TEXTS, ids=["vi", "en"])
def test_every_code_that_is_named_is_in_the_catalogue(text):
    for code in set(re.findall(r"\b(?!SHA-)[A-Z]{3}-\d{3}\b", text)):
        assert code in catalogue(), code


@pytest.mark.parametrize("text", TEXTS, ids=["vi", "en"])
def test_every_setting_that_is_named_exists(text):
    known = {key for key, _, _ in leaves(Settings())}
    sections = {key.partition(".")[0] for key in known}
    for key in set(re.findall(r"`([a-z]+\.[a-z_]+)`", text)):
        if key.partition(".")[0] in sections:
            assert key in known, key
