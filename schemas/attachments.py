"""The attachments of a letter: what its manifest says, and what the bytes really are."""

from __future__ import annotations

import binascii
import codecs
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from lxml import etree

from gateway.core.model import DinhKem
from gateway.core.problems import Location, Problem
from gateway.core.stored_files import FILE_SCHEME, StoredFile, named_file
from gateway.documents import first_child, xpath_of
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
    stored: StoredFile | None = None  # the file at the gateway that it names, where that is the sender's to name

    @property
    def seen(self) -> Nature | None:
        """What its bytes are, where the gateway has them; None where nobody here has seen any."""
        if self.content is None and self.stored is not None:
            return Nature(self.stored.media_type, self.stored.macros)
        return None if self.content is None else self.nature

    @property
    def size(self) -> int | None:
        """How many bytes there are, where the gateway has them."""
        if self.content is None and self.stored is not None:
            return self.stored.size
        return None if self.content is None else len(self.content)

    @property
    def found_digest(self) -> str | None:
        """The SHA-256 of its bytes, where the gateway has them, or of what it names there."""
        return self.digest if self.content is not None else named_file(self.row)


def attachments(
    root: etree._Element, problems: list[Problem], stored: Mapping[str, StoredFile] = MappingProxyType({})
) -> tuple[Attachment, ...]:
    """The attachments in the order of the manifest. ``stored``: files at the gateway that the sender may name, by digest."""
    manifest = first_child(root, _MANIFEST)
    if manifest is None:
        return ()
    return tuple(_attachment(element, problems, stored) for element in manifest.iterchildren(_ROW))


def named_files(root: etree._Element) -> frozenset[str]:
    """The digests of the files at the gateway that a message names."""
    manifest = first_child(root, _MANIFEST)
    found = () if manifest is None else manifest.iterfind(f"{_ROW}/{_DUONG_DAN}")
    addresses = (" ".join((element.text or "").split()) for element in found)
    return frozenset(address.removeprefix(FILE_SCHEME) for address in addresses if address.startswith(FILE_SCHEME))


def _attachment(element: etree._Element, problems: list[Problem], stored: Mapping[str, StoredFile]) -> Attachment:
    said = {str(child.tag): child.text or "" for child in element.iterchildren(reversed=True)}  # of two, the first
    content: bytes | None = None
    legible = True
    if _NOI_DUNG in said:
        content = decode_base64(said[_NOI_DUNG])
        legible = content is not None
    try:
        size = int(_code(said, _SO_BYTE))
    except ValueError:
        problems.append(Problem("XSD-029", {"element": "SoByte"}, Location(xpath=xpath_of(element))))
        size = 0
    row = DinhKem(
        id=_code(said, _MA),
        ten=said.get(_TEN, ""),
        loai=_code(said, _LOAI),
        so_byte=size,
        sha256=_code(said, _BAM),
        duong_dan=_code(said, _DUONG_DAN) or None,
    )
    if content is None:
        there = stored.get(named_file(row) or "")
        return Attachment(row=row, element=element, content=None, legible=legible, stored=there)
    return Attachment(row=row, element=element, content=content, digest=digest(content), nature=nature(content))


def _code(said: Mapping[str, str], tag: str) -> str:
    return " ".join(said.get(tag, "").split())


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
_MOST_DIRECTORY = 4 * 1024 * 1024  # bytes of a zip's directory; it is read as a whole, so one that claims more is not
_MOST_START = 64 * 1024  # of a long file that is looked at
_DIRECTORY_END, _LOCATOR_64, _END_64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


def nature(content: bytes) -> Nature:
    """The nature of a content by its bytes alone; a name proves nothing.

    Nothing is unpacked but a zip's directory.
    """
    if content.startswith(b"PK\x03\x04"):
        return _zip(io.BytesIO(content))
    return _by_beginning(content)


def nature_of_file(path: Path) -> Nature:
    """The nature of a file on disk by its bytes alone. Of a long one the beginning is read, and of a zip its directory.

    Raises OSError.
    """
    with path.open("rb") as stream:
        start = stream.read(_MOST_START)
        if start.startswith(b"PK\x03\x04"):
            return _zip(stream)
    return _by_beginning(_whole_characters(start) if len(start) == _MOST_START else start)


def _whole_characters(start: bytes) -> bytes:
    """Without the beginning of a character that was cut in two: it is no sign of anything."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(start)
    except UnicodeDecodeError:
        return start
    return start[: len(start) - len(decoder.getstate()[0])]


def _by_beginning(content: bytes) -> Nature:
    for offset, magic, media_type in _MAGIC:
        if content[offset : offset + len(magic)] == magic and (
            media_type != "image/webp" or content.startswith(b"RIFF")
        ):
            return Nature(media_type)
    return Nature(_textual(content))


def _zip(content: BinaryIO) -> Nature:
    if not _modest(content):
        return Nature("application/zip")
    try:
        with zipfile.ZipFile(content) as archive:
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


def _modest(content: BinaryIO) -> bool:
    """Whether a zip's directory, by its own words (APPNOTE 4.3.14, 4.3.16), is one that may be read into memory."""
    length = content.seek(0, io.SEEK_END)
    content.seek(max(length - 66_000, 0))
    end = content.read()
    at = end.rfind(_DIRECTORY_END)
    if at < 0:
        return False
    sizes = [end[at + 12 : at + 16]]
    locator = at - 20
    if locator >= 0 and end[locator : locator + 4] == _LOCATOR_64:  # its own size of the directory is what counts then
        if end[max(locator - 56, 0) : locator][:4] != _END_64:
            return False
        sizes = [end[locator - 16 : locator - 8]]
    return all(size and int.from_bytes(size, "little") <= _MOST_DIRECTORY for size in sizes)


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
