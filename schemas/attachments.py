"""The attachments of a letter: what its manifest says, and what the bytes really are."""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass

from lxml import etree

from gateway.core.model import DinhKem
from gateway.core.problems import Location, Problem
from gateway.documents import xpath_of
from schemas.names import pb

UNKNOWN = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Nature:
    """What bytes are, by looking at them."""

    media_type: str
    macros: bool = False  # an office file with code in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One row of the manifest with its decoded content.

    ``content`` is None where it lies elsewhere or is not base64.
    """

    row: DinhKem
    element: etree._Element
    content: bytes | None
    legible: bool = True  # False: NoiDung is not base64
    digest: str = ""  # SHA-256 of the content
    nature: Nature = Nature(UNKNOWN)


def attachments(root: etree._Element, problems: list[Problem]) -> tuple[Attachment, ...]:
    """The attachments in the order of the manifest."""
    manifest = root.find(_MANIFEST)
    if manifest is None:
        return ()
    return tuple(_attachment(element, problems) for element in manifest.iterchildren(_ROW))


def _attachment(element: etree._Element, problems: list[Problem]) -> Attachment:
    noi_dung = element.find(_NOI_DUNG)
    content: bytes | None = None
    legible = True
    if noi_dung is not None:
        content = decode_base64(noi_dung.text or "")
        legible = content is not None
    so_byte = _code(element, _SO_BYTE)
    try:
        size = int(so_byte)
    except ValueError:
        problems.append(Problem("XSD-029", {"element": "SoByte"}, Location(xpath=xpath_of(element))))
        size = 0
    row = DinhKem(
        id=_code(element, _MA),
        ten=element.findtext(_TEN) or "",
        loai=_code(element, _LOAI),
        so_byte=size,
        sha256=_code(element, _BAM),
        duong_dan=_code(element, _DUONG_DAN) or None,
    )
    if content is None:
        return Attachment(row=row, element=element, content=None, legible=legible)
    return Attachment(row=row, element=element, content=content, digest=digest(content), nature=nature(content))


def _code(element: etree._Element, tag: str) -> str:
    return " ".join((element.findtext(tag) or "").split())


_WHITE = str.maketrans("", "", " \t\r\n")


def decode_base64(text: str) -> bytes | None:
    """The bytes of base64 text with any white space between, or None where it is not strictly base64 (RFC 4648,
    with padding).
    """
    try:  # most senders put no white space in it
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        pass
    try:
        return binascii.a2b_base64(text.translate(_WHITE).encode("ascii"), strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def digest(content: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


# --- what the bytes are -----------------------------------------------------------------------------------------------

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),  # old binary office files
    (0, b"MZ", "application/x-dosexec"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"#!", "text/x-script"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x1f\x8b", "application/gzip"),
)

_OOXML = (
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_MOST_ENTRIES = 5_000  # of a zip's directory that are looked at


def nature(content: bytes) -> Nature:
    """The nature of a content by its bytes alone; a name proves nothing.

    Nothing is unpacked but a zip's directory.
    """
    if content.startswith(b"PK\x03\x04"):
        return _zip(content)
    for offset, magic, media_type in _MAGIC:
        if content[offset : offset + len(magic)] == magic and (
            media_type != "image/webp" or content.startswith(b"RIFF")
        ):
            return Nature(media_type)
    return Nature(_textual(content))


def _zip(content: bytes) -> Nature:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.namelist()[:_MOST_ENTRIES]
            macros = any(entry.lower().endswith("vbaproject.bin") or entry.startswith("Basic/") for entry in entries)
            if entries and entries[0] == "mimetype" and archive.getinfo("mimetype").file_size <= 100:
                return Nature(archive.read("mimetype").decode("ascii", "replace").strip(), macros)
            if "[Content_Types].xml" in entries:
                for folder, media_type in _OOXML:
                    if any(entry.startswith(folder) for entry in entries):
                        return Nature(media_type, macros)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
        return Nature("application/zip")
    return Nature("application/zip")


def _textual(content: bytes) -> str:
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return UNKNOWN
    if re.search("[\x00-\x08\x0e-\x1f]", text):
        return UNKNOWN
    start = text.lstrip()[:400].lower()
    if re.match(r"<(!doctype html|html[\s>]|script[\s>])", start):
        return "text/html"
    if re.match(r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<svg[\s>]", start, re.DOTALL):
        return "image/svg+xml"
    if re.match(r"<\?xml\s|<[a-z_][\w.\-]*(:[\w.\-]+)?[\s/>]", start):
        return "application/xml"
    return "text/plain"


# Declared types that may stand for what the bytes are: text has many names, and bytes cannot tell them apart.
SAME: dict[str, frozenset[str]] = {
    "text/plain": frozenset({"text/plain", "text/csv", "application/json", "text/markdown"}),
    "application/xml": frozenset({"application/xml", "text/xml", "text/plain"}),
    "application/rtf": frozenset({"application/rtf", "text/rtf"}),
}


def declared_fits(declared: str, real: str) -> bool:
    """Whether a declared media type can be what the bytes are."""
    return declared in SAME.get(real, frozenset({real})) or (real == "application/xml" and declared.endswith("+xml"))


_MANIFEST = pb("DanhSachDinhKem")
_ROW = pb("DinhKem")
_NOI_DUNG = pb("NoiDung")
_DUONG_DAN = pb("DuongDan")
_SO_BYTE = pb("SoByte")
_MA = pb("MaDinhKem")
_TEN = pb("TenTep")
_LOAI = pb("LoaiTep")
_BAM = pb("BamSHA256")
