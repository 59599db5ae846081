"""Our verdict on public XML-signature vectors beside xmlsec1's, every difference with its reason.

    python tools/vectors.py FOLDER                 print the table
    python tools/vectors.py FOLDER --write docs    write it as the pages docs/vi/vectors.md and docs/en/vectors.md

The vectors are of their time: other documents than ours, DSA and SHA-1, HMAC, detached and enveloping references, XSLT.
Under our profile they must all be refused, and each row says by which codes. So that "refused" is not mistaken for "cannot
compute", a third column asks our canonicalisation and signxml for the bare mathematics, with every limit of the profile off.

Neither program is allowed to fetch anything: references to the network count as refused.
"""

from __future__ import annotations

import argparse
import atexit
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from gateway.core.problems import Lang, Problem, Stopped, catalogue
from gateway.documents import parse_bytes
from signing.certificates import Unreadable, read_certificate
from signing.engine import canonical
from signing.structure import survey
from signing.uris import C14N_10, DS

SECRETS = (b"secret", b"testkey", b"test", b"02468ace13579bdf")
SECONDS = 30


@dataclass(frozen=True)
class Row:
    """One vector."""

    name: str
    codes: tuple[str, ...]  # why our profile refuses it; empty: it would not
    mathematics: str
    xmlsec1: str


def rows(folder: Path) -> Iterator[Row]:
    """Every file below the folder that holds a Signature, in order of name."""
    for path in sorted(folder.rglob("*.xml")):
        body = path.read_bytes()
        if DS.encode() in body:
            yield Row(str(path.relative_to(folder)), profile(body), mathematics(body, path.parent), by_xmlsec1(path))


def profile(body: bytes) -> tuple[str, ...]:
    """The codes by which a document is refused, all that can be told from its shape."""
    try:
        root = parse_bytes(body)
    except Stopped as stop:
        return _once(stop.problems)
    return _once(survey(root))


def _once(problems: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problem.code for problem in problems))


class _Bare(XMLVerifier):
    """signxml with our canonicalisation and nothing else of ours."""

    def _c14n(self, nodes: Any, algorithm: Any, inclusive_ns_prefixes: Any = None) -> bytes:
        if algorithm.value.endswith("WithComments"):
            return super()._c14n(nodes, algorithm, inclusive_ns_prefixes)  # type: ignore[no-any-return]
        return canonical(nodes, algorithm.value, inclusive_ns_prefixes)


def mathematics(body: bytes, folder: Path) -> str:
    """Whether digests and signature match, whatever one may think of the algorithms: "match", "no match", or why not tried."""
    config = SignatureConfiguration(
        require_x509=False,
        expect_references=True,
        signature_methods=frozenset(SignatureMethod),
        digest_algorithms=frozenset(DigestAlgorithm),
        default_reference_c14n_method=CanonicalizationMethod(C14N_10),
    )
    tries: list[dict[str, Any]] = [{}] if b"hmac-" not in body else [{"hmac_key": secret} for secret in SECRETS]
    if b"X509Certificate" in body:
        tries = [{"x509_cert": _certificate(body)}]
        config = SignatureConfiguration(
            **{
                **config.__dict__,
                "require_x509": True,
                "verification_time": None if tries[0]["x509_cert"] is None else _middle(tries[0]["x509_cert"]),
            }
        )
    if "hmac_key" in tries[0]:
        methods = frozenset(method for method in SignatureMethod if method.name.startswith("HMAC_"))
        config = SignatureConfiguration(**{**config.__dict__, "signature_methods": methods})
    answer = "not tried"
    for keys in tries:
        try:
            _Bare().verify(
                body, expect_config=config, uri_resolver=lambda uri: _beside(folder, uri), validate_schema=False, **keys
            )
        except (InvalidSignature, InvalidDigest):
            answer = "no match"
        except Exception as error:  # noqa: BLE001 - a name, an element or an encoding that signxml does not know
            answer = f"not tried ({type(error).__name__})"
        else:
            return "match"
    return answer


def _is_certificate(der: bytes) -> bool:
    try:
        read_certificate(der)
    except Unreadable:
        return False
    return True


def _certificate(body: bytes) -> Any:
    for element in etree.fromstring(body).iter(f"{{{DS}}}X509Certificate"):
        try:
            return read_certificate(base64.b64decode(element.text or "")).x509
        except (Unreadable, ValueError):
            continue
    return None


def _middle(certificate: Any) -> Any:
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_before_utc + span / 2


def _beside(folder: Path, uri: str) -> Any:
    """A file beside the signature, by its last name; nothing else is ever opened."""
    path = folder / uri.rsplit("/", 1)[-1]
    return path.read_bytes() if path.is_file() else None


def by_xmlsec1(path: Path) -> str:
    """What the xmlsec1 program says: "accepts", "refuses", or "–" where there is none."""
    program = shutil.which("xmlsec1")
    if program is None:
        return "–"
    base = [program, "--verify", "--insecure", "--enabled-reference-uris", "empty,same-doc,local"]
    for kind in ("ID", "Id", "id"):
        base += [f"--id-attr:{kind}", "Object"]
    for file in sorted((*path.parent.rglob("*.der"), *path.parent.rglob("*.crt"))):
        if _is_certificate(file.read_bytes()):
            base += ["--untrusted-der", str(file)]
    keys: list[list[str]] = [[]]
    if b"hmac-" in path.read_bytes():
        keys = []
        for number, secret in enumerate(SECRETS):
            file = _scratch() / f"secret-{number}.bin"
            file.write_bytes(secret)
            keys.append(["--hmackey", str(file)])
    for more in keys:
        done = subprocess.run(
            [*base, *more, path.name],
            cwd=path.parent,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "http_proxy": "http://127.0.0.1:9", "XML_CATALOG_FILES": ""},
        )
        if done.returncode == 0:
            return "accepts"
    return "refuses"


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="lienthong-vectors-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# What the pages say, Vietnamese first.
SAID: Final = {
    "match": ("khớp", "match"),
    "no match": ("không khớp", "no match"),
    "accepts": ("nhận", "accepts"),
    "refuses": ("từ chối", "refuses"),
    "refused: ": ("từ chối: ", "refused: "),
    "in profile": ("trong hồ sơ", "in profile"),
    "differs": ("khác", "differs"),
    "not tried": ("không thử", "not tried"),
    "liên thông": ("liên thông", "this project"),
    "Thông tư": ("Thông tư", "Circular"),
    "Phụ lục": ("Phụ lục", "Annex"),
}
ROW_HEAD: Final = (
    ("Mẫu", "Liên Thông", "Tính toán", "xmlsec1", ""),
    ("Vector", "Liên Thông", "Mathematics", "xmlsec1", ""),
)
CODE_HEAD: Final = (("Mã", "Vì sao bị từ chối", "Nguồn"), ("Code", "Why it is refused", "Source"))
SUMMARY_HEAD: Final = (
    ("Nhóm mẫu", "Số mẫu", "Trong hồ sơ kỹ thuật", "Tính toán khớp", "xmlsec1 nhận", "Khác biệt được giải thích"),
    ("Family", "Vectors", "In our profile", "Mathematics match", "xmlsec1 accepts", "Explained differences"),
)


def said(text: str, lang: Lang) -> str:
    """The text with the words of the tables in the language."""
    for word in sorted(SAID, key=len, reverse=True):
        if text.startswith(word) or word[0].isupper() or word == "liên thông":
            text = text.replace(word, SAID[word][lang is Lang.EN])
    return text


def headed(head: Iterable[str]) -> list[str]:
    """The first two lines of a table."""
    head = list(head)
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]


def table(found: list[Row], lang: Lang) -> str:
    """The rows as Markdown, then what each code means."""
    lines = headed(ROW_HEAD[lang is Lang.EN])
    lines += [
        f"| `{row.name}` | {said('refused: ', lang) + ' '.join(row.codes) if row.codes else said('in profile', lang)} "
        f"| {said(row.mathematics, lang)} | {said(row.xmlsec1, lang)} | {said('differs', lang) if differs(row) else ''} |"
        for row in found
    ]
    used = sorted({code for row in found for code in row.codes})
    lines += ["", *headed(CODE_HEAD[lang is Lang.EN])]
    for code in used:
        text = Problem(code).message(lang).replace("|", "\\|").replace("<", "&lt;")
        source = re.sub(r"docs/([a-z]+)\.md", r"[\1.md](\1.md)", said(catalogue()[code].source, lang))
        lines.append(f"| {code} | {text} | {source} |")
    return "\n".join(lines)


def differs(row: Row) -> bool:
    """Whether the two programs disagree."""
    return row.xmlsec1 == "accepts" and bool(row.codes)


def summary(found: list[Row], lang: Lang) -> str:
    """Figures for each family."""
    lines = headed(SUMMARY_HEAD[lang is Lang.EN])
    for family in dict.fromkeys(row.name.split("/")[0] for row in found):
        own = [row for row in found if row.name.split("/")[0] == family]
        figures = (
            len(own),
            sum(not row.codes for row in own),
            sum(row.mathematics == "match" for row in own),
            sum(row.xmlsec1 == "accepts" for row in own),
            sum(differs(row) for row in own),
        )
        lines.append(f"| {family} | " + " | ".join(map(str, figures)) + " |")
    return "\n".join(lines)


PAGES: Final = {
    Lang.VI: """# Bộ mẫu chữ ký công khai

Trục và `xmlsec1` kết luận gì về các bộ mẫu chữ ký XML công khai (merlin, phaos, xmldsig11, exc-c14n). Trang này do
`make vectors VECTORS=folder` lập; bản thân các mẫu không thuộc dự án.

Các tệp này không phải thông điệp của trục: gốc khác, tham chiếu bao ngoài và tách rời, DSA, SHA-1, HMAC, XSLT. **Hồ sơ kỹ thuật
từ chối mọi mẫu, và phải từ chối**; bảng thứ hai cho biết nghĩa của từng mã, nên mọi khác biệt với `xmlsec1` được giải thích bằng
một quy tắc chứ không phải vì không tính được. Cột *Tính toán* cho thấy điều sau: signxml với phép chuẩn hóa của dự án và mọi giới
hạn được bỏ. *không thử* nêu những gì signxml không biết (KeyName không kèm khóa, RetrievalMethod, tham số đường cong ghi tường
minh, dạng khóa RFC 4050, XPointer); không thứ nào có trong hồ sơ kỹ thuật. *khớp* ở cột đó không chứng minh gì hơn ngoài phép
tính: signxml bỏ qua XSLT, XPath và manifest, vì vậy hồ sơ kỹ thuật từ chối đích danh các thứ này. `xmlsec1` chạy không có mạng và không xét chuỗi
chứng thư, với các khóa mà ghi chú của từng nhóm mẫu cung cấp.

{summary}

## Từng mẫu

{table}
""",
    Lang.EN: """# Public signature vectors

What the gateway and `xmlsec1` say about public XML-signature test vectors (merlin, phaos, xmldsig11, exc-c14n). Made by
`make vectors VECTORS=folder`; the vectors themselves are not part of this project.

These files are not messages of ours: other roots, enveloping and detached references, DSA, SHA-1, HMAC, XSLT. **The profile
refuses every one of them, and must**; the second table says what each code means, so every difference from `xmlsec1` is
explained by a rule and not by a failure to compute. The column *Mathematics* shows the latter: signxml with our
canonicalisation and all limits off. *not tried* names what signxml does not know (KeyName without a key, RetrievalMethod,
explicit curve parameters, the RFC 4050 key format, XPointer); none of it is in the profile. A *match* there is no proof of
more than the mathematics: signxml passes over XSLT, XPath and manifests, which is why the profile refuses them by name.
`xmlsec1` runs without network and without judging certificate chains, with the keys that the families' notes give.

{summary}

## One by one

{table}
""",
}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path, metavar="DOCS")
    given = parser.parse_args()
    if not given.folder.is_dir():
        print(f"{given.folder}: no such folder", file=sys.stderr)
        return 2
    found = list(rows(given.folder))
    if not found:
        print(f"{given.folder}: no file with a Signature in it", file=sys.stderr)
        return 2
    pages = {lang: PAGES[lang].format(summary=summary(found, lang), table=table(found, lang)) for lang in Lang}
    if given.write is not None:
        for lang, page in pages.items():
            (given.write / lang.value / "vectors.md").write_text(page, encoding="utf-8")
        print(summary(found, Lang.VI))
    else:
        print(pages[Lang.VI])
    return 1 if any(not row.codes and row.xmlsec1 == "refuses" for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
