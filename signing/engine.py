"""The mathematics: signxml, driven strictly, with canonicalisation as the standard says.

signxml 5.2 canonicalises SignedInfo where it stands; lxml's inclusive C14N of an inner element then forgets the
inherited default namespace, so that genuine signatures of the JDK and of .NET fail (threats section 2, fact 2). The
remedy overrides a private method: the version is pinned, and tests/signing/test_engine.py fails when that method
changes.
"""

from __future__ import annotations

import copy
import logging
import threading
from datetime import datetime
from importlib import resources
from typing import Any, NamedTuple

from cryptography import x509
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from signing.structure import ROOT, Signature
from signing.uris import C14N_10, DIGESTS, DS, DS_MORE_2007, EXC_C14N, RSA_PSS, SIGNATURE_METHODS

logging.getLogger("signxml").setLevel(logging.WARNING)  # at DEBUG it logs whole documents

_METHODS = frozenset(SignatureMethod(uri) for uri in SIGNATURE_METHODS if uri != RSA_PSS)
_DIGESTS = frozenset(DigestAlgorithm(uri) for uri in DIGESTS)
# RFC 9231 2.3.9 in SignatureMethod; exc-c14n 4 in CanonicalizationMethod, where the schema's wildcard is strict.
_UNKNOWN_TO_SCHEMA = (
    f"{{{DS_MORE_2007}}}RSAPSSParams",
    f"{{{EXC_C14N}}}InclusiveNamespaces",
    f"{{{DS}}}SignatureProperties",
)
_local = threading.local()


class Proven(NamedTuple):
    """What a signature was proven to cover."""

    envelope: bytes  # canonical; the Signature is not in it
    properties: bytes | None  # SignedProperties, canonical
    claim: bytes | None = None  # what holds the time of plain XML-DSig, canonical


def prove(body: bytes, signature: Signature, certificate: x509.Certificate, at: datetime) -> Proven:
    """The canonical bytes under a signature, when certificate's key made it.

    Raises anything at all when not (threats fact 8).
    """
    verifier = (_ParametersVerifier if signature.method == RSA_PSS else _Verifier)(signature)
    results: Any = verifier.verify(
        body,
        x509_cert=certificate,
        validate_schema=True,
        parser=_parser(),
        id_attribute="Id",
        expect_config=SignatureConfiguration(
            require_x509=True,
            location="./",
            expect_references=signature.references,
            signature_methods=_METHODS,
            digest_algorithms=_DIGESTS,
            ignore_ambiguous_key_info=True,  # KeyValue was compared by policy.key_findings, PSS included
            verification_time=at,
            default_reference_c14n_method=CanonicalizationMethod(C14N_10),
        ),
    )
    found = results if isinstance(results, list) else [results]
    at_properties, at_claim = signature.properties_reference, signature.claim_reference
    return Proven(
        envelope=found[signature.envelope_reference].signed_data,
        properties=None if at_properties is None else found[at_properties].signed_data,
        claim=None if at_claim is None else found[at_claim].signed_data,
    )


def canonical(
    node: etree._Element, algorithm: str, prefixes: list[str] | None = None, inherited: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """The canonical form of an element with all it inherits.

    That is: the namespaces in scope, and for the inclusive forms xml:lang and xml:space of ``inherited``.
    """
    exclusive = algorithm == EXC_C14N
    if node.getparent() is not None:
        node = _again(node)
    if not exclusive and inherited and node.tag != ROOT:
        for name, value in inherited:
            if node.get(name) is None:
                node.set(name, value)
    return etree.tostring(node, method="c14n", exclusive=exclusive, with_comments=False, inclusive_ns_prefixes=prefixes)


def _again(node: etree._Element) -> etree._Element:
    """The element as the root of a document of its own, with the namespaces that were in scope.

    Bytes of ours, already parsed once.
    """
    again: etree._Element = etree.fromstring(etree.tostring(node, encoding="UTF-8", with_tail=False), _parser())
    return again


def _parser() -> Any:
    parser = getattr(_local, "parser", None)
    if parser is None:
        parser = _local.parser = XMLVerifier().parser
    return parser


class _Verifier(XMLVerifier):
    id_attributes = ("Id",)

    def __init__(self, signature: Signature) -> None:
        self._inherited = signature.inherited
        self._bits = signature.bits
        self._parser = None

    def _c14n(self, nodes: Any, algorithm: CanonicalizationMethod, inclusive_ns_prefixes: Any = None) -> bytes:
        return canonical(nodes, algorithm.value, inclusive_ns_prefixes, self._inherited)

    def _tostring(self, xml_node: Any, **_: Any) -> bytes:
        # Without the tail, which is not the node's; and not in ASCII, which turns Vietnamese into character references.
        return etree.tostring(xml_node, encoding="UTF-8", with_tail=False)

    def _get_inclusive_ns_prefixes(self, transform_node: Any) -> list[str] | None:
        prefixes: list[str] | None = super()._get_inclusive_ns_prefixes(transform_node)  # type: ignore[no-untyped-call]
        return None if prefixes is None else " ".join(prefixes).split()

    def validate_schema(self, signature: Any) -> None:
        """Like signxml's, without the elements its schemas do not know; structure.py has read them.

        SignatureProperty is open to other namespaces there, and programs write SigningTime in none, or in that of XML-DSig.
        """
        if any(True for _ in signature.iter(*_UNKNOWN_TO_SCHEMA)):
            signature = copy.deepcopy(signature)
            for element in list(signature.iter(*_UNKNOWN_TO_SCHEMA)):
                element.getparent().remove(element)
        super().validate_schema(signature)  # type: ignore[no-untyped-call]

    @classmethod
    def schemas(cls) -> Any:
        """The schema of Signature, one per thread: a compiled schema shares its error log."""
        held = getattr(_local, "schemas", None)
        if held is None:
            held = _local.schemas = [_compile(name) for name in cls.schema_files]
        return held


class _ParametersVerifier(_Verifier):
    """For RSASSA-PSS with parameters, a name that signxml and its schema do not know."""

    def _find(self, element: Any, query: str, require: bool = True, xpath: str = "") -> Any:
        found = super()._find(element, query, require=require, xpath=xpath)  # type: ignore[no-untyped-call]
        if query == "SignatureMethod" and found is not None and found.get("Algorithm") == RSA_PSS:
            # structure.py has read the parameters and let through only those that say the same as this name does. The
            # signed bytes are made from the element that stands in the document.
            named = etree.Element(f"{{{DS}}}SignatureMethod")
            named.set("Algorithm", f"{DS_MORE_2007}sha{self._bits}-rsa-MGF1")
            return named
        return found


def _compile(name: str) -> etree.XMLSchema:
    with resources.as_file(resources.files("signxml.schemas").joinpath(name)) as path:
        return etree.XMLSchema(file=str(path))
