"""Names of the standards: namespaces, Clark names, algorithm URIs. Constants only."""

from __future__ import annotations

DS = "http://www.w3.org/2000/09/xmldsig#"
DS11 = "http://www.w3.org/2009/xmldsig11#"
DS_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
DS_MORE_2007 = "http://www.w3.org/2007/05/xmldsig-more#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
XADES_141 = "http://uri.etsi.org/01903/v1.4.1#"
XML = "http://www.w3.org/XML/1998/namespace"
PHONG_BI = "http://www.dongnai.gov.vn/lienthong/phongbi/1.0"

EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
C14N_10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_11 = "http://www.w3.org/2006/12/xml-c14n11"
CANONICALISATIONS = frozenset({EXC_C14N, C14N_10, C14N_11})

ENVELOPED = DS + "enveloped-signature"

SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384 = DS_MORE + "sha384"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
DIGESTS = {SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}

RSA_PSS = DS_MORE_2007 + "rsa-pss"  # RFC 9231 2.3.9, parameters beside it; what JDK 17 calls RSA_PSS

# method URI -> (family of key, bits of the hash)
SIGNATURE_METHODS: dict[str, tuple[str, int]] = {
    DS_MORE + "rsa-sha256": ("rsa", 256),
    DS_MORE + "rsa-sha384": ("rsa", 384),
    DS_MORE + "rsa-sha512": ("rsa", 512),
    DS_MORE_2007 + "sha256-rsa-MGF1": ("pss", 256),
    DS_MORE_2007 + "sha384-rsa-MGF1": ("pss", 384),
    DS_MORE_2007 + "sha512-rsa-MGF1": ("pss", 512),
    RSA_PSS: ("pss", 0),  # the bits stand in its parameters
    DS_MORE + "ecdsa-sha256": ("ecdsa", 256),
    DS_MORE + "ecdsa-sha384": ("ecdsa", 384),
    DS_MORE + "ecdsa-sha512": ("ecdsa", 512),
}

SIGNED_PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"

CURVES = {  # name in cryptography -> (OID as NamedCurve writes it, bits)
    "secp256r1": ("urn:oid:1.2.840.10045.3.1.7", 256),
    "secp384r1": ("urn:oid:1.3.132.0.34", 384),
    "secp521r1": ("urn:oid:1.3.132.0.35", 521),
}


def ds(name: str) -> str:
    """The Clark name of an XML-DSig element."""
    return f"{{{DS}}}{name}"


def xades(name: str) -> str:
    """The Clark name of a XAdES 1.3.2 element."""
    return f"{{{XADES}}}{name}"
