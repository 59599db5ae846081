"""Holds every answer of a door against what the door itself serves as its description: openapi.json and the WSDL.

What is described leaves room for more (docs/en/versions.md); here nothing may be there that is not described.
"""

import json
import re
from functools import cache

import jsonschema_rs
from lxml import etree

from gateway.web import docs, soap
from gateway.web.answers import NAMESPACE

UNDESCRIBED = re.compile(r"/(soap|openapi\.json|postman\.json|docs|schemas|samples\.zip)(/|\?|$)")
XS = "http://www.w3.org/2001/XMLSchema"
ENVELOPES = (soap.SOAP11, soap.SOAP12)


@cache
def operations():
    """Each described operation with a pattern for its address; the longest first, so that /check is no {id}."""
    found = [
        (method.upper(), re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(address)) + "$"), address, operation)
        for address, methods in docs.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(found, key=lambda one: one[2].count("{"))


def closed(schema):
    """A schema that allows no member it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(inner) for name, inner in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


@cache
def components():
    return closed(docs.openapi()["components"])


@cache
def validator(address, method, status, media):
    """What checks a JSON answer; None where none is described."""
    response = docs.openapi()["paths"][address][method.lower()]["responses"][status]
    schema = response["content"][media].get("schema")
    if schema is None:
        return None
    return jsonschema_rs.validator_for({**closed(schema), "components": components()})


@cache
def xml_schema():
    """The WSDL's types, each answer that REST gives as XML being an element too."""
    types = etree.fromstring(soap.wsdl().encode()).find(f".//{{{XS}}}schema")
    for one in types.findall(f"{{{XS}}}complexType"):
        name = one.get("name").removesuffix("Structure")
        if types.find(f"{{{XS}}}element[@name='{name}']") is None:
            etree.SubElement(types, f"{{{XS}}}element", name=name, type=f"tns:{one.get('name')}")
    for wildcard in list(types.iter(f"{{{XS}}}any")):
        wildcard.getparent().remove(wildcard)
    return etree.XMLSchema(etree.fromstring(etree.tostring(types)))


def check(method, path, status, headers, body):
    """Fails unless the answer is described: its status, its media type, every member."""
    media = headers.get("Content-Type", "").partition(";")[0]
    if path.startswith("/soap"):
        check_envelope(body, media)
        return
    if UNDESCRIBED.match(path):
        return
    found = next((one for one in operations() if one[0] == method and one[1].match(path.partition("?")[0])), None)
    if found is None:
        return
    _, _, address, operation = found
    name = str(status) if str(status) in operation["responses"] else "default"
    assert name in operation["responses"], f"{method} {address} answers {status}, which is not described"
    content = operation["responses"][name].get("content", {})
    if not body:
        return
    if "*/*" in content:  # a file of whatever type it is
        return
    assert media in content, f"{method} {address} answers {status} as {media}; described: {', '.join(content)}"
    if media.endswith("json") and content[media]["schema"].get("format") != "binary":
        try:
            validator(address, method, name, media).validate(json.loads(body))
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{method} {address} {status}: {error}\n{body[:1000]!r}") from error
    elif media == "application/xml" and address not in ("/v1/report", "/v1/messages/{id}/original"):
        root = etree.fromstring(body)
        if etree.QName(root).namespace == NAMESPACE:
            xml_schema().assertValid(etree.ElementTree(root))


def check_envelope(body, media):
    """Fails unless what an envelope of ours holds is described by the WSDL."""
    if not media.endswith("xml") or b"Envelope" not in body[:300]:
        return
    root = etree.fromstring(body)
    inner = root[-1][0]
    if etree.QName(inner).localname == "Fault":
        inner = inner.find(f".//{{{NAMESPACE}}}LoiXuLy")
    xml_schema().assertValid(etree.ElementTree(etree.fromstring(etree.tostring(inner))))
