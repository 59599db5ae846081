"""What integrators read: the OpenAPI description of the REST door, and a page of it that needs no internet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from gateway.core.problems import Lang, Problem, catalogue
from gateway.web import manual
from gateway.web.exchange import Exchange
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience
from schemas.names import XSD_FOLDER

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@cache
def openapi() -> dict[str, Any]:
    """The description as it lies beside this module, kept by hand."""
    found: dict[str, Any] = json.loads((resources.files(__package__) / "openapi.json").read_text("utf-8"))
    return found


async def get_openapi(exchange: Exchange) -> WholeAnswer:
    """The description, with the address of the settings; without one it is relative to where it was fetched from."""
    exchange.query()
    configured = exchange.door.settings.web.public_url
    described = {**openapi(), "servers": [{"url": configured.rstrip("/") if configured else "/"}]}
    body = json.dumps(described, ensure_ascii=False, indent=1).encode()
    return exchange.kept(body, "application/json", {"Cache-Control": "no-cache"})


async def get_page(exchange: Exchange) -> WholeAnswer:
    """The description as a page for people: one document, no script, nothing fetched from anywhere."""
    exchange.query()
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return exchange.kept(docs_page(manual.links()).encode(), "text/html; charset=utf-8", headers)


@cache
def docs_page(to_site: str) -> str:
    """The page. Made once from the description and the catalogue of problems; ``to_site`` leads to the documentation."""
    described = openapi()
    info = described["info"]
    parts = [
        f'<!doctype html><html lang="vi"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"{to_site}<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1><p>{escape(info['summary'])}</p>",
        *(f"<p>{escape(line)}</p>" for line in info["description"].split("\n\n")),
        f"<p>{_LINKS}</p><p>{' · '.join(_schema_links())}</p><nav><ul>",
        *(
            f'<li><a href="#{escape(o["operationId"])}"><b>{method.upper()}</b> {escape(address)}</a> '
            f"{escape(o['summary'])}</li>"
            for address, method, o in _operations(described)
        ),
        "</ul></nav>",
        *(_operation(address, method, o) for address, method, o in _operations(described)),
        "<h2>Kiểu dữ liệu / Types</h2>",
        *(_type(name, schema) for name, schema in described["components"]["schemas"].items()),
        "<h2>Mã lỗi / Problem codes</h2><table><tr><th>Mã</th><th>Lớp</th><th></th><th></th></tr>",
        *(_code(code) for code in sorted(catalogue())),
        "</table></body></html>",
    ]
    return "".join(parts)


_LINKS = (
    '<a href="/openapi.json">/openapi.json</a> · <a href="/soap?wsdl">/soap?wsdl</a> · <a href="/samples.zip">/samples.zip</a> · '
    '<a href="/postman.json">/postman.json</a> · <a href="/docs/check">kiểm tra một tệp / check a file</a>'
)


def _schema_links() -> Iterator[str]:
    for file in sorted(XSD_FOLDER.rglob("*.xsd")):
        name = file.relative_to(XSD_FOLDER).as_posix()
        yield f'<a href="/schemas/{name}">{name}</a>'


def _operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for address, methods in described["paths"].items():
        for method, operation in methods.items():
            yield address, method, operation


def _operation(address: str, method: str, operation: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td><td>{_shape(p['schema'])}</td>"
        f"<td>{escape(p.get('description', ''))}</td></tr>"
        for p in operation["parameters"]
    ]
    parts = [
        f'<section id="{escape(operation["operationId"])}"><h2><b>{method.upper()}</b> <code>{escape(address)}</code></h2>',
        f"<p>{escape(operation['summary'])}</p><p>{escape(operation['description'])}</p>",
    ]
    if rows:
        parts.append(f"<table><tr><th>Tham số</th><th></th><th></th><th></th></tr>{''.join(rows)}</table>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>→ <code>{escape(kind)}</code> {_shape(content['schema'])}</p>{_example(content)}")
    parts.append("<table><tr><th>HTTP</th><th></th><th>Nội dung</th><th>Mã lỗi</th></tr>")
    for status, response in operation["responses"].items():
        contents = "<br>".join(
            f"<code>{escape(kind)}</code> {_shape(content['schema'])}{_example(content)}"
            for kind, content in response.get("content", {}).items()
        )
        codes = " ".join(f'<a href="#{escape(c)}">{escape(c)}</a>' for c in response.get("x-problem-codes", ()))
        parts.append(
            f"<tr><td>{escape(status)}</td><td>{escape(response['description'])}</td><td>{contents}</td><td>{codes}</td></tr>"
        )
    return "".join([*parts, "</table></section>"])


def _type(name: str, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code>{'' if key in required else '?'}</td><td>{_shape(value)}</td>"
        f"<td>{escape(str(value.get('description', '')))}</td></tr>"
        for key, value in schema.get("properties", {}).items()
    )
    head = (
        f'<h3 id="type-{escape(name)}"><code>{escape(name)}</code></h3><p>{escape(schema.get("description", ""))}</p>'
    )
    return f"{head}<table>{rows}</table>" if rows else f"{head}<p>{_shape(schema)}</p>"


def _shape(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " | ".join(_shape(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"{_shape(schema.get('items', {}))}[]"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "")
    words = [" | ".join(kind) if isinstance(kind, list) else str(kind)]
    words += [
        f"{key}={schema[key]}" for key in ("format", "minimum", "maximum", "default", "maxLength") if key in schema
    ]
    return escape(" ".join(words))


def _example(content: Mapping[str, Any]) -> str:
    if "example" not in content:
        return ""
    example = content["example"]
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=1)
    return f"<pre>{escape(text)}</pre>"


def _code(code: str) -> str:
    entry, problem = catalogue()[code], Problem(code)
    return (
        f'<tr id="{code}"><td>{code}</td><td><code>{escape(entry.token)}</code></td><td>{escape(problem.message(Lang.VI))}'
        f"<br><i>→ {escape(problem.remedy(Lang.VI))}</i></td><td>{escape(problem.message(Lang.EN))}"
        f"<br><i>→ {escape(problem.remedy(Lang.EN))}</i></td></tr>"
    )


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{border:1px solid #ccc;padding:.3rem .5rem;"
    "vertical-align:top;text-align:left}code,pre{font-family:monospace;background:#f4f4f4}pre{padding:.5rem;overflow:auto}"
    "section{border-top:2px solid #ddd;margin-top:2rem}b{color:#06c}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code,pre{background:#282828}"
    "td,th{border-color:#444}a{color:#8bf}b{color:#8bf}}"
)

ROUTES = (
    Route(method="GET", address="/openapi.json", who=RouteAudience.ANYONE, handler=get_openapi),
    Route(method="GET", address="/docs", who=RouteAudience.ANYONE, handler=get_page),
)
