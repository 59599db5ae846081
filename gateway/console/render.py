"""Pages as HTML: one template, everything escaped, no script but one file of our own, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.cli.show import inert
from gateway.console.parts import Cell, Link, Table
from gateway.console.room import BASE, DeskCall, Shown
from gateway.console.words import said_roles
from gateway.core.problems import Lang, Problem

_BELONGS: Final = {"/canh-bao/": "", "/luot-gui/": "/thong-diep"}  # pages below another page than their address says
STYLE: Final = "ban-truc.css"
SCRIPT: Final = "ban-truc.js"
_WHOLE: Final = re.compile(r"\b[A-Z]{2,4}-[0-9]{3}\b|\b[0-9]{2}/[0-9]{2}/[0-9]{4}( [0-9]{2}:[0-9]{2}(:[0-9]{2})?)?\b")
_NUMBER: Final = re.compile(r"[0-9]+( \([+-][0-9.]+\))?|[0-9]+(\.[0-9]+)? (s|ms|%|min|h|d|giây|phút|giờ|ngày)")
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
    made.filters |= {"inert": inert, "coded": _coded, "numeric": _numeric}
    made.tests["link"] = lambda cell: isinstance(cell, Link)
    return made


def _coded(text: object) -> Markup:
    """Inert text; problem codes, ids and moments in it are not broken at their hyphens and blanks."""
    return Markup(_WHOLE.sub(r'<span class="whole">\g<0></span>', str(escape(inert(text)))))  # noqa: S704 - escaped before


def _numeric(table: Table) -> frozenset[int]:
    """The columns that hold numbers and nothing else: they stand to the right. The first names its row and stays."""
    columns = enumerate(zip(*table.rows, strict=True))
    return frozenset(place for place, cells in columns if place and _are_numbers(cells))


def _are_numbers(cells: Sequence[Cell]) -> bool:
    said = [cell.text if isinstance(cell, Link) else cell for cell in cells if cell not in (None, "", "–")]
    return bool(said) and all(isinstance(one, int) or (isinstance(one, str) and _NUMBER.fullmatch(one)) for one in said)


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
        "roles": said_roles(call, call.person.operator.roles) if call.person is not None else "",
        "told": lambda problem: told(problem, call.lang),
        "style": f"{BASE}/tinh/{STYLE}",
        "script": f"{BASE}/tinh/{SCRIPT}",
    }
    return _environment().get_template("page.html").render(values).encode("utf-8", "replace")


def here(call: DeskCall, menu: Sequence[MenuEntry]) -> str:
    """The menu's entry that the page belongs to; empty for a page of none, as the plan of an act."""
    path = next(
        (f"{BASE}{to}" for begins, to in _BELONGS.items() if call.path.startswith(f"{BASE}{begins}")), call.path
    )
    within = (one.path for one in menu if one.path != BASE and path.startswith(f"{one.path}/"))
    return next((one.path for one in menu if one.path == path), next(within, ""))


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
