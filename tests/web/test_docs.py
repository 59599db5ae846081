"""The OpenAPI description and its page: complete, true, and property-tested against the running door."""

import html.parser
import json
import re
from dataclasses import replace

import hypothesis
import mail
import pki
import pytest
import schemathesis
from patience import PATIENCE_S
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.core.problems import catalogue
from gateway.web import docs
from gateway.web.routes import RouteAudience

METHODS = ("get", "post", "put", "delete", "patch")


def described():
    return {
        (method.upper(), address): operation
        for address, methods in docs.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_of_the_rest_door_is_described_and_nothing_else(door):
    routes = {(r.method, r.address) for r in door.app.routes if r.address not in ("/soap", "/openapi.json", "/docs")}
    assert set(described()) == routes


def test_what_is_open_is_described_as_open(door):
    for route in door.app.routes:
        operation = described().get((route.method, route.address))
        if operation is not None:
            assert (operation.get("security") == []) == (route.who is RouteAudience.ANYONE)


def test_every_code_named_exists_and_leads_to_the_status_it_stands_under():
    for (method, address), operation in described().items():
        for status, response in operation["responses"].items():
            for code in response.get("x-problem-codes", ()):
                entry = catalogue()[code]
                if status.isdigit() and entry.status is not None:
                    assert entry.status == int(status), (method, address, status, code)


def test_every_code_of_the_door_is_named_somewhere():
    named = {
        code
        for operation in described().values()
        for response in operation["responses"].values()
        for code in response.get("x-problem-codes", ())
    }
    rest = {code for code in catalogue() if re.fullmatch("SYS-1[012][0-9]|AUT-1[0-9][0-9]", code)}
    soap_only = {"SYS-113", "SYS-107", "SYS-101"}  # any address at all, or no address
    assert rest - named <= soap_only


def test_the_description_names_the_public_address_and_without_one_is_relative(open_door, door, sample_settings):
    answer = door.get("/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    assert answer.json["servers"] == [{"url": "/"}]
    public = replace(sample_settings, web=replace(sample_settings.web, public_url="https://truc.example/lt/"))
    assert open_door(settings=public).get("/openapi.json").json["servers"] == [{"url": "https://truc.example/lt"}]


class _Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.ids, self.tags = [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.found.append(value)
            if name == "id":
                self.ids.add(value)


def test_the_page_needs_nothing_from_anywhere_and_its_links_lead_somewhere(door):
    answer = door.get("/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    links = _Links()
    links.feed(answer.body.decode())
    assert not links.tags & {"script", "img", "link", "iframe"}
    for link in links.found:
        assert link in ("/openapi.json", "/soap?wsdl") or link.removeprefix("#") in links.ids
    for operation in described().values():
        assert operation["operationId"] in links.ids


SCHEMA = schemathesis.openapi.from_dict(docs.openapi())
CHECKS = (content_type_conformance, response_schema_conformance, status_code_conformance)


@pytest.mark.parametrize("operation", [f"{m} {a}" for m, a in sorted(described())])
def test_the_door_answers_as_described_whatever_is_asked(door, operation):
    """Generated requests, valid and not, by a registered party: never a 5xx of ours, always what the description says."""
    method, address = operation.split(" ", 1)
    base = f"http://127.0.0.1:{door.port}"
    strategy = SCHEMA[address][method].as_strategy()

    @hypothesis.given(case=strategy)
    @hypothesis.settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
        database=None,
    )
    def ask(case):
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        response = case.call(
            base_url=base, headers={"Authorization": f"Bearer {pki.token('cong-dvc')}"}, timeout=PATIENCE_S
        )
        assert response.status_code < 500, response.content[:500]
        case.validate_response(response, checks=CHECKS)

    ask()


def test_real_answers_fit_their_schemas(door):
    """The generator seldom makes a signed message; here are the real ones."""
    import jsonschema_rs

    components = docs.openapi()["components"]

    def fits(name, value):
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema_rs.validator_for(schema).validate(value)

    code = mail.ma_ho_so("so-tu-phap")
    sent = door.send(mail.nop(code, to="so-tu-phap"), "cong-dvc")
    fits("KetQuaGuiThongDiep", sent.json)
    fits("KetQuaKiemTra", door.send(mail.nop(), "cong-dvc", path="/v1/messages/check").json)
    fits("Problem", door.send(b"<a/>", "cong-dvc").json)
    fits("ThongTinThongDiep", door.get(f"/v1/messages/{sent.json['SoTiepNhan']}", "cong-dvc").json)
    fits("HoSo", door.get(f"/v1/dossiers/{code}", "cong-dvc").json)
    door.send(mail.nop(), "cong-dvc")
    page = door.get("/v1/inbox", "ubnd-xa-thu-nghiem").json
    assert page["DanhSachMuc"]
    fits("TrangCapNhat", page)
    fits("Readiness", door.get("/readyz").json)
    assert json.dumps(components)
