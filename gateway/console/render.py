"""Pages as HTML: one template, everything escaped, no script but one file of our own, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from gateway.cli.show import inert
from gateway.console.parts import Link
from gateway.console.room import BASE, DeskCall, Shown
from gateway.core.operators import joined_roles
from gateway.core.problems import Lang, Problem

STYLE: Final = "ban-truc.css"
SCRIPT: Final = "ban-truc.js"
_TEMPLATES: Final = resources.files("gateway.console") / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """A page that the menu names."""

    path: str
    vi: str
    en: str


def asset(name: str) -> bytes:
    """A file that goes out as it is."""
    return (_TEMPLATES / name).read_bytes()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(lambda name: (_TEMPLATES / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["inert"] = inert
    made.tests["link"] = lambda cell: isinstance(cell, Link)
    return made


def page_html(call: DeskCall, shown: Shown, menu: Sequence[MenuEntry], node: str) -> bytes:
    """The whole page."""
    values: Mapping[str, Any] = {
        "t": call.text,
        "lang": call.lang.value,
        "other": (Lang.EN if call.lang is Lang.VI else Lang.VI).value,
        "base": BASE,
        "path": call.path,
        "here": here(call, menu),
        "menu": [] if call.person is None else menu,
        "node": node,
        "shown": shown,
        "token": call.form_token,
        "person": call.person.operator if call.person is not None else None,
        "roles": joined_roles(call.person.operator.roles) if call.person is not None else "",
        "told": lambda problem: told(problem, call.lang),
        "style": f"{BASE}/tinh/{STYLE}",
        "script": f"{BASE}/tinh/{SCRIPT}",
    }
    return _environment().get_template("page.html").render(values).encode("utf-8", "replace")


def here(call: DeskCall, menu: Sequence[MenuEntry]) -> str:
    """The menu's entry that the page belongs to: the longest that its address begins with."""
    fitting = [one.path for one in menu if call.path == one.path or call.path.startswith(f"{one.path}/")]
    return max(fitting, key=len, default="")


def told(problem: Problem, lang: Lang) -> dict[str, str]:
    """A problem as people read it: code, sentence, place, remedy."""
    at = problem.at
    line = None if at is None or at.line is None else ("dòng" if lang is Lang.VI else "line") + f" {at.line}"
    place = " · ".join(part for part in (line, at.xpath if at is not None else None) if part)
    return {
        "code": problem.code,
        "message": inert(problem.message(lang)),
        "remedy": inert(problem.remedy(lang)),
        "place": inert(place),
    }
