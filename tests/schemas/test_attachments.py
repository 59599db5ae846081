"""What attached bytes really are; base64 as the standard says."""

import base64
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.severity import Severity
from schemas.attachments import declared_fits, decode_base64, digest, nature, nature_of_file
from schemas.strictness import RuleSettings
from schemas.write import Tep, thong_diep

ODT = "application/vnd.oasis.opendocument.text"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def archive(*entries, mimetype=None):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as out:
        if mimetype is not None:
            out.writestr(zipfile.ZipInfo("mimetype"), mimetype)
        for name in entries:
            out.writestr(name, b"x")
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"II*\x00....", "image/tiff"),
        (b"RIFF....WEBP", "image/webp"),
        (b"XXXX....WEBP", "text/plain"),
        (b"{\\rtf1 a}", "application/rtf"),
        (b"MZ\x90\x00", "application/x-dosexec"),
        (b"\x7fELF\x02", "application/x-executable"),
        (b"#!/bin/sh\n", "text/x-script"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        ("Đơn đề nghị\n".encode(), "text/plain"),
        (b"\xef\xbb\xbfa,b\n", "text/plain"),
        (b"<?xml version='1.0'?><a/>", "application/xml"),
        (b"<lt:a xmlns:lt='u'/>", "application/xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"<script>alert(1)</script>", "text/html"),
        (b"\x00\x01\x02", "application/octet-stream"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        (b"", "text/plain"),
        (archive(mimetype=ODT), ODT),
        (archive("[Content_Types].xml", "word/document.xml"), DOCX),
        (archive("a.txt"), "application/zip"),
        (b"PK\x03\x04 broken", "application/zip"),
    ],
)  # fmt: skip
def test_the_nature_of_bytes_is_told_by_the_bytes(content, media_type):
    assert nature(content).media_type == media_type


@pytest.mark.parametrize("name", ["word/vbaProject.bin", "Basic/Standard/Module1.xml"])
def test_code_in_a_document_is_seen(name):
    assert nature(archive("[Content_Types].xml", "word/document.xml", name)).macros
    assert not nature(archive("[Content_Types].xml", "word/document.xml")).macros


@given(st.binary(max_size=200))
def test_looking_never_raises(content):
    assert nature(content).media_type
    assert nature(b"PK\x03\x04" + content).media_type


@given(st.binary(max_size=300))
def test_decoding_gives_back_what_was_encoded_with_any_line_breaks(content):
    text = base64.encodebytes(content).decode().replace("\n", "\r\n")
    assert decode_base64(text) == content


@pytest.mark.parametrize(
    "text", ["a", "aGk", "aGk=aGk=", "aGk*", "data:;base64,aGk=", "aGk==", "=aGk", "_-__", "aGkế", "aGk=\u00a0"]
)
def test_what_is_not_strictly_base64_is_none(text):
    assert decode_base64(text) is None


def test_text_has_many_names_but_a_picture_has_one():
    assert declared_fits("text/csv", "text/plain")
    assert declared_fits("application/xades+xml", "application/xml")
    assert not declared_fits("image/png", "image/jpeg")
    assert not declared_fits("application/pdf", "text/plain")


@pytest.fixture
def with_file(header, at):
    """An HS11 with one result paper."""

    def make(**file):
        fields = {
            "MaHoSo": "H19.901-260115-0001",
            "NgayKetThucXuLy": at,
            "DanhSachGiayToKetQua": {"GiayToKetQua": [{"TenGiayTo": "Quyết định", "MaDinhKem": "a"}]},
            "HinhThuc": 0,
        }
        return thong_diep(header(loai="HS11"), "TraKetQua", fields, [Tep(**{"ma": "a", "ten": "a", **file})]).decode()

    return make


def test_a_program_with_an_innocent_name_is_refused_twice(codes, with_file):
    assert codes(with_file(ten="ket-qua.pdf", loai="application/pdf", noi_dung=b"MZ\x90\x00")) == ["XSD-125", "XSD-126"]


def test_a_document_with_code_is_refused_or_remarked(codes, letter, catalog, with_file):
    body = with_file(
        ten="a.docx", loai=DOCX, noi_dung=archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin")
    )
    assert codes(body) == ["XSD-128"]
    warn = catalog.replace(rules=RuleSettings(severity={"dinh-kem-khong-macro": Severity.WARN}))
    assert [p.code for p in letter(body, warn).notes] == ["XSD-228"]


def test_the_formats_taken_are_a_setting(codes, catalog, with_file):
    body = with_file(ten="a.svg", loai="image/svg+xml", noi_dung=b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert codes(body) == ["XSD-126"]
    assert codes(body, catalog.replace(rules=RuleSettings(open_formats=("image/svg+xml",)))) == []


def test_white_space_in_base64_is_no_fault(codes, with_file):
    body = with_file(loai="application/pdf", noi_dung=b"%PDF-1.7" + b"x" * 100)
    start = body.index("<lt:NoiDung>") + 12
    assert codes(f"{body[:start]}\n  {body[start : start + 20]}\r\n\t{body[start + 20 :]}") == []


def test_an_unlisted_size_is_the_original_files_size(codes, with_file):
    content = b"%PDF-1.7"
    body = with_file(loai="application/pdf", noi_dung=content)
    assert f"<lt:SoByte>{len(content)}</lt:SoByte>" in body
    assert digest(content) in body
    assert codes(body) == []


def test_a_fetched_attachment_is_judged_by_what_is_declared(letter, with_file):
    read = letter(
        with_file(loai="application/pdf", duong_dan="https://tep.example.com/a.pdf", so_byte=10, sha256="ab" * 32)
    )
    assert read.dinh_kem[0].duong_dan == "https://tep.example.com/a.pdf"


def test_content_and_address_together_are_refused_by_the_schema(codes, with_file):
    body = with_file(loai="application/pdf", noi_dung=b"%PDF-1.7")
    assert codes(body.replace("</lt:NoiDung>", "</lt:NoiDung><lt:DuongDan>https://a.example/a</lt:DuongDan>")) == [
        "XSD-017"
    ]


# -- files on disk --


def on_disk(folder, content):
    path = folder / "tep"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n" + bytes(200_000),
        archive("word/document.xml", "[Content_Types].xml"),
        archive("content.xml", mimetype=ODT),
        ("ồ" * 70_000).encode(),
        ("x" + "ồ" * 70_000).encode(),
        ("xx" + "ồ" * 70_000).encode(),
        b"x" * 65_536 + b"\xff",
        b"",
    ],
    ids=["pdf", "docx", "odt", "text", "text+1", "text+2", "broken later", "empty"],
)
def test_a_file_on_disk_is_what_its_bytes_are(tmp_path, content):
    expected = (
        "text/plain" if content.endswith(b"\xff") else nature(content).media_type
    )  # of a long one the beginning is read
    assert nature_of_file(on_disk(tmp_path, content)).media_type == expected


@pytest.mark.threat("T-FILE-BOMB")
def test_a_zip_that_claims_a_huge_directory_is_not_read(tmp_path, monkeypatch):
    """zipfile reads a directory of any size into memory, as large as the file says that it is."""
    honest = archive("word/document.xml", "[Content_Types].xml")
    end = honest.rindex(b"PK\x05\x06")
    huge = (2**30).to_bytes(8, "little")
    older = honest[: end + 12] + huge[:4] + honest[end + 16 :]
    record = b"PK\x06\x06" + bytes(36) + huge + bytes(8)
    newer = honest[:end] + record + b"PK\x06\x07" + bytes(16) + honest[end:]
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    for content in (older, newer, honest[:end]):
        assert nature_of_file(on_disk(tmp_path, content)).media_type == "application/zip"
        assert nature(content).media_type == "application/zip"
