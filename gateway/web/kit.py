"""What integrators take with them: schemas, a package of samples, a collection of calls; all made from what is in force."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from gateway.web.docs import openapi
from gateway.web.exchange import Exchange
from gateway.web.refusals import refuse
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience
from gateway.web.soap import wsdl
from schemas.catalog import bundled
from schemas.fresh import fresh
from schemas.names import XSD_FOLDER

_KEPT = {"Cache-Control": "no-cache"}
_SAMPLED = datetime(2026, 1, 15, 1, 0, tzinfo=UTC)  # the same samples each time, so that an ETag says something
_README = """Mẫu thông điệp (chưa ký, nội dung hư cấu), lược đồ, WSDL, OpenAPI và bộ lời gọi Postman của trục liên thông.
Messages to look at (unsigned, invented content), schemas, WSDL, OpenAPI and a Postman collection of the gateway.
"""


# -- schemas -------------------------------------------------------------------------------------------------------------


@cache
def schema_files() -> Mapping[str, bytes]:
    """The schemas by their paths, as their imports name them."""
    return {p.relative_to(XSD_FOLDER).as_posix(): p.read_bytes() for p in sorted(Path(XSD_FOLDER).rglob("*.xsd"))}


async def get_schema(exchange: Exchange) -> WholeAnswer:
    """One schema; what it imports lies beside it under the same address."""
    exchange.query()
    body = schema_files().get("/".join(exchange.variables.values()))
    if body is None:
        raise refuse("SYS-112")
    return exchange.kept(body, "application/xml; charset=utf-8", _KEPT)


# -- a collection of calls -----------------------------------------------------------------------------------------------


@cache
def collection() -> dict[str, Any]:
    """Every operation of openapi.json as a call of Postman (v2.1; Bruno and Insomnia import it too)."""
    described = openapi()
    folders: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in described["tags"]}
    for address, methods in described["paths"].items():
        for method, operation in methods.items():
            folders[operation["tags"][0]].append(_call(address, method, operation))
    words = {tag["name"]: tag["description"] for tag in described["tags"]}
    return {
        "info": {
            "name": described["info"]["title"],
            "description": described["info"]["summary"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:8310"},
            {"key": "token", "value": ""},
        ],
        "item": [{"name": name, "description": words[name], "item": calls} for name, calls in folders.items() if calls],
    }


def _call(address: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    query = [p for p in parameters if p["in"] == "query"]
    headers: list[dict[str, Any]] = [{"key": "Accept", "value": "application/json"}]
    headers += [
        {"key": p["name"], "value": "", "disabled": True, "description": p.get("description", "")}
        for p in parameters
        if p["in"] == "header"
    ]
    request: dict[str, Any] = {
        "method": method.upper(),
        "description": f"{operation['summary']}\n\n{operation['description']}",
        "header": headers,
        "url": {
            "raw": "{{baseUrl}}" + address.replace("{", ":").replace("}", ""),
            "host": ["{{baseUrl}}"],
            "path": [part.replace("{", ":").replace("}", "") for part in address[1:].split("/")],
            "query": [
                {"key": p["name"], "value": str(p["schema"].get("default", "")), "disabled": not p.get("required")}
                for p in query
            ],
            "variable": [{"key": p["name"], "value": _first(p["schema"])} for p in parameters if p["in"] == "path"],
        },
    }
    for kind in list(operation.get("requestBody", {}).get("content", {}))[:1]:
        content = operation["requestBody"]["content"][kind]
        headers.append({"key": "Content-Type", "value": kind})
        example = content.get("example", next(iter(content["schema"].get("examples", [])), ""))
        raw = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=1)
        # A signed message goes as a file: an editor that mends its white space would break the signature.
        request["body"] = {"mode": "file", "file": {}} if kind.endswith("xml") else {"mode": "raw", "raw": raw}
    if operation.get("security") == []:
        request["auth"] = {"type": "noauth"}
    return {"name": operation["operationId"], "request": request}


def _first(schema: Mapping[str, Any]) -> str:
    return str(next(iter(schema.get("enum", schema.get("examples", []))), ""))


def _collection_bytes() -> bytes:
    return json.dumps(collection(), ensure_ascii=False, indent=1).encode()


async def get_collection(exchange: Exchange) -> WholeAnswer:
    """The collection; where the gateway is, is a variable of it."""
    exchange.query()
    return exchange.kept(_collection_bytes(), "application/json", _KEPT)


# -- samples -------------------------------------------------------------------------------------------------------------


@cache
def samples_zip() -> bytes:
    """A valid message of each type and version, with all that describes them. The same bytes for the same program."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        for name, body in _sampled():
            package.writestr(zipfile.ZipInfo(name, (2026, 1, 15, 8, 0, 0)), body, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _sampled() -> Iterator[tuple[str, bytes]]:
    yield "README.txt", _README.encode()
    for kind in sorted(bundled().kinds(), key=lambda one: (one.loai, one.goc, one.phien_ban)):
        message = fresh(kind.loai, kind.phien_ban, goc=kind.goc, at=_SAMPLED)
        yield f"thong-diep/{kind.loai}-{kind.goc}-{kind.phien_ban}.xml", message
    for name, body in schema_files().items():
        yield f"schemas/{name}", body
    yield "lienthong.wsdl", wsdl().encode()
    yield "openapi.json", json.dumps(openapi(), ensure_ascii=False, indent=1).encode()
    yield "lienthong.postman_collection.json", _collection_bytes()


async def get_samples(exchange: Exchange) -> WholeAnswer:
    """The package of samples."""
    exchange.query()
    body = await exchange.door.read(samples_zip)  # in a thread: the first one takes a moment
    headers = {**_KEPT, "Content-Disposition": "attachment; filename=lienthong-samples.zip"}
    return exchange.kept(body, "application/zip", headers)


ROUTES = (
    Route(method="GET", address="/schemas/{mien}", who=RouteAudience.ANYONE, handler=get_schema),
    Route(method="GET", address="/schemas/{mien}/{phien_ban}/{tep}", who=RouteAudience.ANYONE, handler=get_schema),
    Route(method="GET", address="/samples.zip", who=RouteAudience.ANYONE, handler=get_samples),
    Route(method="GET", address="/postman.json", who=RouteAudience.ANYONE, handler=get_collection),
)
