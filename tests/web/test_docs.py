"""The OpenAPI description and its page: complete, true, and property-tested against the running door."""

import html.parser
import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path

import hypothesis
import jsonschema_rs
import mail
import pki
import pytest
import served
from lxml import etree
from patience import PATIENCE_S

from gateway.core.problems import catalogue
from gateway.web import docs
from gateway.web.answers import NAMESPACE
from gateway.web.routes import RouteAudience
from gateway.web.soap import SOAP11

ROOT = Path(__file__).parents[2]
METHODS = ("get", "post", "put", "delete", "patch")


def described():
    return {
        (method.upper(), address): operation
        for address, methods in docs.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_of_the_rest_door_is_described_and_nothing_else(door):
    routes = {(r.method, r.address) for r in door.app.routes if not served.UNDESCRIBED.match(r.address)}
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


@pytest.fixture(scope="module")
def contract():
    """tools/contract.py."""
    spec = importlib.util.spec_from_file_location("contract", ROOT / "tools" / "contract.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_descriptions_say_what_the_types_of_answers_say(contract):
    for file, made in contract.MADE.items():
        before = file.read_text("utf-8")
        assert made(before).splitlines() == before.splitlines(), f"{file}: run `make docs`"


def test_a_description_that_is_not_current_is_noticed(contract, tmp_path, monkeypatch, capsys):
    stale = tmp_path / "openapi.json"
    stale.write_text(contract.OPENAPI.read_text("utf-8").replace('"SoLanBoSung"', '"SoLanKhac"'), "utf-8")
    monkeypatch.setattr(contract, "ROOT", tmp_path)
    monkeypatch.setattr(contract, "MADE", {stale: contract.openapi_text})
    assert contract.main(["--check"]) == 1
    assert "openapi.json" in capsys.readouterr().out
    assert contract.main([]) == 0
    assert contract.main(["--check"]) == 0


def test_a_generated_client_decodes_json_and_takes_xml_for_bytes():
    """Clients take the first form that is described; a message or receipt read as text would lose its signature."""
    for (method, address), operation in described().items():
        contents = [r["content"] for r in operation["responses"].values() if "content" in r]
        for content in contents:
            forms = list(content)
            if any(form.endswith("json") for form in forms) and not address.endswith("/original"):
                assert forms[0].endswith("json"), (method, address, forms)
        for content in [*contents, operation.get("requestBody", {}).get("content", {})]:
            for form, described_ in content.items():
                if form.endswith("xml"):
                    schema = described_["schema"]
                    assert schema.get("format") == "binary" or "$ref" in schema, (method, address, form)


def test_a_form_is_not_described_beside_bytes():
    """openapi-generator's Java client of such an operation does not compile: it imports a type that it does not make."""
    for address, methods in docs.openapi()["paths"].items():
        for method, operation in methods.items():
            forms = operation.get("requestBody", {}).get("content", {})
            assert "multipart/form-data" not in forms or len(forms) == 1, (method, address)


def test_no_answer_is_closed_against_what_comes_later():
    """A generated client that is told of no further members refuses an answer that has one (docs/en/versions.md)."""
    assert '"additionalProperties": false' not in json.dumps(docs.openapi()["components"]["schemas"]["HoSo"])
    for name in ("KetQuaGuiThongDiep", "TrangCapNhat", "Muc", "Loi", "Problem", "ProblemRow", "ThongTinThongDiep"):
        assert "additionalProperties" not in docs.openapi()["components"]["schemas"][name]


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
        if link.startswith("/"):
            assert door.get(link).status == 200, link
        else:
            assert link.removeprefix("#") in links.ids
    for operation in described().values():
        assert operation["operationId"] in links.ids


@pytest.fixture(scope="module")
def generator():
    """Makes requests of an operation, and holds answers against the description. Loaded by the worker that uses it: it is large."""
    import schemathesis
    from schemathesis.specs.openapi import checks

    schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
    held = (checks.content_type_conformance, checks.response_schema_conformance, checks.status_code_conformance)
    return schemathesis.openapi.from_dict(docs.openapi()), held


@pytest.mark.parametrize("operation", [f"{m} {a}" for m, a in sorted(described())])
def test_the_door_answers_as_described_whatever_is_asked(door, operation, generator):
    """Generated requests, valid and not, by a registered party: never a 5xx of ours, always what the description says."""
    method, address = operation.split(" ", 1)
    base = f"http://127.0.0.1:{door.port}"
    described_as, checks = generator
    strategy = described_as[address][method].as_strategy()

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
        case.validate_response(response, checks=checks)

    ask()


def test_an_answer_with_a_member_that_is_not_described_would_be_noticed():
    """What holds every answer of these tests against the descriptions is not asleep."""
    answer = {"status": "alive", "node": "H19.900"}
    kind = {"Content-Type": "application/json"}
    served.check("GET", "/healthz", 200, kind, json.dumps(answer).encode())
    for changed, status, media in (
        ({**answer, "khac": 1}, 200, kind),
        ({"status": "alive"}, 200, kind),
        (answer, 201, kind),
        (answer, 200, {"Content-Type": "text/plain"}),
    ):
        with pytest.raises(AssertionError):
            served.check("GET", "/healthz", status, media, json.dumps(changed).encode())
    fault = f'<LoiXuLy xmlns="{NAMESPACE}"><MaTraCuu>x</MaTraCuu><DanhSachLoi/>%s</LoiXuLy>'
    envelope = (
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><s:Fault><detail>{fault}</detail></s:Fault></s:Body></s:Envelope>'
    )
    served.check("POST", "/soap", 500, {"Content-Type": "text/xml"}, (envelope % "").encode())
    with pytest.raises(etree.DocumentInvalid):
        served.check("POST", "/soap", 500, {"Content-Type": "text/xml"}, (envelope % "<Khac/>").encode())


def test_real_answers_fit_their_schemas(door):
    """The generator seldom makes a signed message; here are the real ones."""

    def fits(name, value):
        schema = {"$ref": f"#/components/schemas/{name}", "components": served.components()}
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
