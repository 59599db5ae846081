"""Files over SOAP: one MTOM part that goes to the disk as it comes, and whatever can be wrong with a package on its way."""

import base64
import hashlib
import socket

import mail
import pki
import pytest
from lxml import etree
from patience import PATIENCE_S, eventually
from test_files import on_disk, pdf, sha256
from test_soap import DV, S11, S12, b64, enveloped, fault, operation

from gateway.core.parties import Credentials

NEXT = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <tep@x>"
INCLUDE = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:tep@x"/>'


@pytest.fixture
def door(file_door):
    """The door that the tests of this module share."""
    return file_door


def package(content, *, version=S11, head=NEXT, more=(), root=None, boundary="ranh-gioi", end=True, header="", **sent):
    """A package whose one part is a file, and its Content-Type."""
    kind = "text/xml" if version == S11 else "application/soap+xml"
    root = root or enveloped(operation("GuiTep", NoiDung=INCLUDE, **sent), version, header)
    parts = [(f'Content-Type: application/xop+xml; charset=UTF-8; type="{kind}"\r\nContent-ID: <goc@x>', root)]
    parts += [(head, content)] if content is not None else []
    mark = f"--{boundary}".encode()
    body = b"".join(mark + b"\r\n" + top.encode() + b"\r\n\r\n" + data + b"\r\n" for top, data in [*parts, *more])
    said = f'multipart/related; boundary="{boundary}"; type="application/xop+xml"; start="<goc@x>"; start-info="{kind}"'
    return body + (mark + b"--\r\n" if end else b""), said if version == S11 else f'{said}; action="GuiTep"'


def bring(door, content, by="cong-dvc", action="GuiTep", **changes):
    body, kind = package(content, **changes)
    headers = {"Content-Type": kind} | ({"SOAPAction": f'"{action}"'} if action else {})
    return door.ask("POST", "/soap", body, by=by, headers=headers)


def told(answer, name):
    assert answer.status == 200, answer
    return etree.fromstring(answer.body).findtext(f".//{DV}{name}")


def left(door):
    """What lies in the folder of files under no digest: pieces of uploads."""
    return [path for path in on_disk(door) if len(path.name) != 64]


@pytest.mark.parametrize("version", [S11, S12])
def test_a_file_as_a_part_is_the_same_file(door, version):
    content = pdf(1_200_000, version)
    answer = bring(
        door, content, version=version, action="GuiTep" if version == S11 else None, BamSHA256=sha256(content)
    )
    assert told(answer, "DuongDan") == f"lienthong:sha256:{sha256(content)}"
    assert (told(answer, "SoByte"), told(answer, "LoaiTep")) == ("1200000", "application/pdf")
    assert door.get(f"/v1/files/{sha256(content)}", "cong-dvc").body == content
    assert door.send(mail.nop(files=[mail.named(content)]), "cong-dvc").status == 201


@pytest.mark.parametrize(
    "written",
    [
        b"\r\n--ranh-gio" * 9000,  # nearly the mark, over and over, so that it falls on every joint
        b"\r\n" * 100_000,
        b"-" * 70_000 + b"\r\n-",
        b"",
    ],
)
def test_bytes_that_look_like_the_end_of_a_part_are_its_own(door, written):
    content = b"%PDF-1.7\n" + written
    assert told(bring(door, content), "BamSHA256") == sha256(content)
    assert door.get(f"/v1/files/{sha256(content)}", "cong-dvc").body == content


def test_a_part_may_come_in_base64_and_a_small_file_inline(door):
    by_part, inline = pdf(300_001, "base64"), pdf(900, "inline")
    head = NEXT.replace("binary", "base64")
    assert told(bring(door, base64.encodebytes(by_part), head=head), "BamSHA256") == sha256(by_part)
    root = enveloped(operation("GuiTep", NoiDung=b64(inline)))
    assert told(bring(door, None, root=root), "BamSHA256") == sha256(inline)  # what .NET makes of a small one
    plain = door.ask("POST", "/soap", root, by="cong-dvc", headers={"Content-Type": "text/xml; charset=utf-8"})
    assert told(plain, "BamSHA256") == sha256(inline)
    unnamed = pdf(2000, "no action")
    assert told(bring(door, unnamed, action=None), "BamSHA256") == sha256(unnamed)


PART = NEXT.replace("tep@x", "khac@x")


@pytest.mark.threat("T-FILE-FLOOD")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"content": None}, "SYS-138"),
        ({"head": PART}, "SYS-138"),
        ({"head": "Content-Type: application/pdf"}, "SYS-138"),
        ({"more": [(NEXT, b"%PDF-1.7 again")]}, "SYS-138"),
        ({"more": [(PART, b"%PDF-1.7 another")]}, "SYS-138"),
        ({"head": NEXT.replace("binary", "x-gzip")}, "SYS-137"),
        ({"head": NEXT.replace("binary", "base64"), "content": b"%%%%"}, "SYS-137"),
        ({"head": NEXT.replace("binary", "base64"), "content": b"QUJD\r\nQQ"}, "SYS-137"),
        ({"head": NEXT.replace("binary", "base64"), "content": b"QQ==\r\nQUJD"}, "SYS-137"),
        ({"head": NEXT.replace("application/pdf", "multipart/mixed; boundary=y")}, "SYS-137"),
        ({"head": NEXT + "\r\nX-Dai: " + "x" * 100_000}, "SYS-137"),
        ({"head": NEXT + "\r\n" + NEXT}, "SYS-137"),
        ({"content": b"%PDF-1.7\r\n--ranh-gioi khac\r\n"}, "SYS-137"),
        ({"end": False}, "SYS-137"),
        ({"boundary": "sai\\x00"}, "SYS-137"),
        ({"root": b"<a>" + b"x" * 70_000 + b"</a>"}, "SYS-137"),
        ({"root": b"<a/>"}, "SYS-130"),
        ({"root": b"<a"}, "XML-129"),
        ({"root": enveloped(operation("GuiTep", NoiDung="<b/>"))}, "SYS-136"),
        ({"root": enveloped(operation("GuiTep", NoiDung=INCLUDE.replace("cid:", "http://evil.example/")))}, "SYS-138"),
        ({"root": enveloped(operation("GuiTep", BamSHA256="ab" * 32))}, "SYS-136"),
        ({"root": enveloped(operation("LayCapNhat"))}, "SYS-134"),
        ({"BamSHA256": "../../etc/passwd"}, "SYS-136"),
        ({"BamSHA256": "ab" * 32}, "FIL-001"),
        ({"content": pdf(3_000_001)}, "FIL-002"),
        ({"header": '<x xmlns="urn:x" s:mustUnderstand="1"/>'}, "SYS-132"),
        ({"header": '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'}, "SYS-139"),
    ],
)
def test_a_package_that_is_no_good_is_a_fault_with_its_code_and_leaves_nothing_behind(door, changes, code):
    before = on_disk(door)
    answer = bring(door, **{"content": pdf(5000, code), **changes})
    assert answer.status == 500
    assert fault(answer)[1] == [code], answer
    assert eventually(lambda: on_disk(door) == before)


def test_a_fault_of_a_file_says_why_in_the_language_that_is_asked_for(door):
    body, kind = package(pdf(5000), BamSHA256="ab" * 32)
    for lang, word in (("vi", "Tệp đã gửi có SHA-256"), ("en", "The file that came has SHA-256")):
        headers = {"Content-Type": kind, "SOAPAction": "GuiTep", "Accept-Language": lang}
        answer = door.ask("POST", "/soap", body, by="cong-dvc", headers=headers)
        assert word in etree.fromstring(answer.body).findtext(".//faultstring")


@pytest.mark.threat("T-FILE-FLOOD")
def test_a_part_without_an_end_is_cut_at_the_limit_and_a_cut_wire_leaves_nothing(door):
    body, kind = package(pdf(1_000_000, "cut"))
    head = (
        f"POST /soap HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pki.token('cong-dvc')}\r\nSOAPAction: GuiTep\r\n"
        f"Content-Type: {kind}\r\n"
    ).encode()
    before = on_disk(door)
    chunk = b"%x\r\n%s\r\n"
    chunks = [chunk % (len(body[:-20]), body[:-20]), *[chunk % (1_000_000, bytes(1_000_000))] * 4]
    said, closed = door.raw(head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    assert b"FIL-002" in said and said.startswith(b"HTTP/1.1 500 ") and closed
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as wire:
        wire.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:600_000])
        assert eventually(lambda: left(door))
    assert eventually(lambda: on_disk(door) == before)
    assert told(bring(door, pdf(1_000_000, "cut")), "BamSHA256") == sha256(pdf(1_000_000, "cut"))


def test_who_brings_a_file_may_stand_in_the_envelope_and_nobody_brings_none(
    open_door, with_party, file_settings, tmp_path
):
    digest = hashlib.sha256(b"xa:mat khau").hexdigest()
    parties = with_party("ubnd-xa-thu-nghiem", credentials=Credentials(basic={"xa": digest}))
    door = open_door(parties=parties, settings=file_settings(tmp_path / "tep", quota_mb=1))

    def user(password):
        space = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
        name = f"<w:UsernameToken><w:Username>xa</w:Username><w:Password>{password}</w:Password></w:UsernameToken>"
        return f'<w:Security xmlns:w="{space}">{name}</w:Security>'

    content = pdf(600_000)
    assert fault(bring(door, content, by=None))[1] == ["AUT-101"]
    assert fault(bring(door, content, by=None, header=user("sai")))[1] == ["AUT-102"]
    assert on_disk(door) == []
    assert told(bring(door, content, by=None, header=user("mat khau")), "BamSHA256") == sha256(content)
    assert fault(bring(door, pdf(600_000, 2), by=None, header=user("mat khau")))[1] == ["FIL-003"]
