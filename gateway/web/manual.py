"""The documentation as a site, where it was built (``make site``) and came with the program: /docs/vi/ and /docs/en/.

Without it these addresses are not found, and /docs is a page by itself. Only what was found when it was first asked for is
served, by its name: an address is looked up, never made into a path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from gateway.core.problems import Lang
from gateway.web.exchange import Exchange
from gateway.web.refusals import refuse
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience

BUILT: Final = Path(__file__).parent / "site"  # a folder for each language
NAMES: Final = {Lang.VI: "Tiếng Việt", Lang.EN: "English"}
FIRST: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
# Its own script, style and pictures, and nothing else; its search reads its own pages.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@cache
def files(built: Path) -> Mapping[str, Path]:
    """What of a built site is served, by the end of its address (``vi/problems/SIG.html``); empty where none was built."""
    root = built.resolve()
    found = {
        file.relative_to(built).as_posix(): file
        for lang in NAMES
        for file in sorted((built / lang).rglob("*"))
        if file.suffix in _TYPES and file.is_file() and file.resolve().is_relative_to(root)
    }
    return found if all(f"{lang}/{FIRST}" in found for lang in NAMES) else {}


async def get_site_file(exchange: Exchange) -> WholeAnswer:
    """One file of the site. Raises Refusal (404) for what is none."""
    name = exchange.path.removeprefix("/docs/")
    file = files(BUILT).get(name)
    if file is None:
        raise refuse("SYS-112")
    try:
        body = await asyncio.to_thread(file.read_bytes)
    except OSError as error:  # built anew or taken away meanwhile
        raise refuse("SYS-112") from error
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return exchange.kept(body, _TYPES[file.suffix], headers)


async def get_first_page(exchange: Exchange) -> WholeAnswer:
    """Leads to the first page of a language, relative to what was asked for. Raises Refusal (404) without a site."""
    lang = exchange.path.removeprefix("/docs/").rstrip("/")
    if f"{lang}/{FIRST}" not in files(BUILT):
        raise refuse("SYS-112")
    there = FIRST if exchange.path.endswith("/") else f"{lang}/{FIRST}"
    return exchange.response(302, b"", "text/plain", {"Location": there})


def links() -> str:
    """Links to the first pages, Vietnamese first; nothing without a site."""
    found = [f'<a href="/docs/{lang}/{FIRST}" lang="{lang}">{name}</a>' for lang, name in NAMES.items()]
    return f"<p>Tài liệu / Documentation: {' · '.join(found)}</p>" if files(BUILT) else ""


ROUTES = tuple(
    Route(method="GET", address=f"/docs/{lang}{rest}", who=RouteAudience.ANYONE, handler=handler)
    for lang in NAMES
    for rest, handler in (
        ("", get_first_page),
        ("/", get_first_page),
        ("/{tep}", get_site_file),
        ("/{muc}/{tep}", get_site_file),
    )
)
