"""What integrators take with them, and the page that says what the gateway would say."""

import io
import json
import re
import urllib.parse
import zipfile

import doors
import mail
import pki
import pytest
from lxml import etree

from gateway.web import docs
from schemas.names import XSD_FOLDER


@pytest.fixture(scope="module")
def open_page(bare_gate, sample_settings):
    """A door that no test here writes through."""
    door = doors.Door(bare_gate, sample_settings)
    yield door
    door.stop()


# -- schemas, samples, calls --


class Served(etree.Resolver):
    """Takes schemas from the door, each once."""

    def __init__(self, door):
        self.door, self.taken = door, {}

    def resolve(self, address, _, context):
        place = urllib.parse.urlsplit(address).path
        if place not in self.taken:
            self.taken[place] = self.door.get(place)
        assert self.taken[place].status == 200, place
        return self.resolve_string(self.taken[place].body, context, base_url=address)


def test_the_schemas_are_served_and_find_each_other(open_page):
    served = Served(open_page)
    parser = etree.XMLParser()
    parser.resolvers.add(served)
    base = f"http://127.0.0.1:{open_page.port}/schemas/lienthong-1.0.xsd"
    schema = etree.XMLSchema(etree.parse(base, parser))
    assert schema.validate(etree.fromstring(pki.SAMPLES.joinpath("accepted/HS01-mo-dung-toi-thieu.xml").read_bytes()))
    assert len(served.taken) > 20, "each schema was found from the one that it is named by"
    for file in sorted(XSD_FOLDER.rglob("*.xsd")):
        address = f"/schemas/{file.relative_to(XSD_FOLDER).as_posix()}"
        answer = served.taken.get(address) or open_page.get(address)
        assert (answer.status, answer.body) == (200, file.read_bytes())
    assert open_page.get(address, **{"If-None-Match": answer.headers["ETag"]}).status == 304
    for nowhere in ("/schemas/khac.xsd", "/schemas/hoso/1.0/..%2F..%2Fx.xsd", "/schemas/hoso/9.9/NopHoSo.xsd"):
        assert open_page.get(nowhere).status == 404


def test_the_package_of_samples_has_a_valid_message_of_each_type(open_page, bare_gate):
    answer = open_page.get("/samples.zip")
    assert answer.headers["Content-Type"] == "application/zip"
    assert open_page.get("/samples.zip", **{"If-None-Match": answer.headers["ETag"]}).status == 304
    package = zipfile.ZipFile(io.BytesIO(answer.body))
    assert package.testzip() is None
    messages = [name for name in package.namelist() if name.startswith("thong-diep/")]
    assert {name.split("/")[1][:4] for name in messages} == {kind.loai for kind in bare_gate.catalog.kinds()}
    schema = etree.XMLSchema(etree.parse(XSD_FOLDER / "lienthong-1.0.xsd"))
    for name in messages:
        if "-1.1" not in name:
            schema.assertValid(etree.fromstring(package.read(name)).getroottree())
    assert {"lienthong.wsdl", "openapi.json", "README.txt", "schemas/phongbi/1.0/ThongDiep.xsd"} <= set(
        package.namelist()
    )
    assert json.loads(package.read("lienthong.postman_collection.json")) == open_page.get("/postman.json").json


def test_the_collection_has_every_operation_and_nothing_else(open_page):
    collection = open_page.get("/postman.json").json
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    calls = [(folder["name"], call) for folder in collection["item"] for call in folder["item"]]
    described = {
        (o["tags"][0], o["operationId"], method.upper(), address.replace("{", ":").replace("}", ""))
        for address, methods in docs.openapi()["paths"].items()
        for method, o in methods.items()
    }
    found = {
        (tag, one["name"], one["request"]["method"], one["request"]["url"]["raw"].removeprefix("{{baseUrl}}"))
        for tag, one in calls
    }
    assert found == described
    by_name = {one["name"]: one["request"] for _, one in calls}
    assert by_name["guiThongDiep"]["body"]["mode"] == "file", "a signed message is not retyped"
    assert by_name["healthz"]["auth"] == {"type": "noauth"}
    asked = open_page.ask(  # one of them as Postman would send it
        "GET", by_name["layCapNhat"]["url"]["raw"].removeprefix("{{baseUrl}}"), headers={"Accept": "application/json"}
    )
    assert asked.codes == ["AUT-101"]


# -- the page that checks --


def form(message, token, *, boundary="x0x0", name="tep"):
    """What a browser sends."""
    parts = []
    if token is not None:
        parts.append(b'Content-Disposition: form-data; name="ma-truy-cap"\r\n\r\n' + token.encode())
    head = f'Content-Disposition: form-data; name="{name}"; filename="a.xml"\r\nContent-Type: text/xml\r\n\r\n'
    parts.append(head.encode() + message)
    edge = b"--" + boundary.encode()
    body = b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def checked(door, message, token, **more):
    body, headers = form(message, token, **more)
    return door.ask("POST", "/docs/check", body, headers=headers)


def test_the_page_needs_no_script_and_sends_nothing_elsewhere(open_page):
    page = open_page.get("/docs/check")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert b"<script" not in page.body
    assert page.body.index(b'name="ma-truy-cap"') < page.body.index(b'name="tep"'), "who asks is known before the file"
    assert page.headers["Cache-Control"] == "no-store"


def test_a_file_is_judged_as_if_it_were_sent_and_nothing_is_kept(door):
    token = pki.token("cong-dvc")
    good = mail.nop()
    page = checked(door, good, token)
    assert (page.status, b'id="ket-luan" class="accepted"' in page.body) == (200, True)
    bad = good.replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>7<")
    page = checked(door, bad, token)
    told = [problem["code"] for problem in door.send(bad, "cong-dvc", path="/v1/messages/check").json["problems"]]
    assert re.findall(rb'<h3><a href="/docs#([A-Z0-9-]+)"', page.body) == [code.encode() for code in told]
    assert b'class="rejected"' in page.body
    assert token.encode() not in page.body
    with door.gate.store.read() as view:
        assert view.messages(limit=10) == []
    assert door.send(good, "cong-dvc").status == 201
    assert "đã được ghi nhận".encode() in checked(door, good, token).body


@pytest.mark.parametrize(
    ("message", "token", "status", "code"),
    [
        (b"<a/>", "sai" * 10, 401, b"AUT-102"),
        (b"<a/>", None, 401, b"AUT-101"),
        (b"<a/>", "", 401, b"AUT-101"),
        (b"<a/>", "TEST-ONLY-don-vi-bi-khoa", 403, b"AUT-105"),
        (b"x" * 50_000, None, 401, b"AUT-101"),
        (b"<script>alert(1)</script>", "TEST-ONLY-cong-dvc", 200, b"XSD-001"),
        (b"", "TEST-ONLY-cong-dvc", 200, b"XML-"),
    ],
)
def test_what_is_wrong_stands_on_the_page(door, message, token, status, code):
    page = checked(door, message, token)
    assert (page.status, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert code in page.body
    assert b"<script" not in page.body


def test_a_file_over_the_limit_and_what_is_no_form_are_refused_on_the_page(open_door):
    door = open_door(limits={"body_bytes": 20_000})
    token = pki.token("cong-dvc")
    assert b"XML-002" in checked(door, b"<a>" + b"x" * 21_000 + b"</a>", token).body
    page = checked(door, b"<a>" + b"x" * 90_000 + b"</a>", token)
    assert (page.status, b"SYS-101" in page.body) == (413, True)
    body, headers = form(b"<a/>", token)
    assert b"SYS-137" in door.ask("POST", "/docs/check", body[:-8], headers=headers).body
    answer = door.ask("POST", "/docs/check", b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, b"SYS-102" in answer.body) == (415, True)
