"""The names of our documents: namespaces, Clark names, and the patterns of their codes (the same as in the
schemas; a test compares).
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

AUTHORITY = "http://www.dongnai.gov.vn/lienthong"
PHONG_BI = f"{AUTHORITY}/phongbi/1.0"  # the envelope
HO_SO = f"{AUTHORITY}/hoso/1.0"  # the payloads
DANH_MUC = f"{AUTHORITY}/danhmuc/1.0"  # code lists
CHUNG = f"{AUTHORITY}/chung/1.0"  # shared simple types
OURS = frozenset({PHONG_BI, HO_SO, DANH_MUC, CHUNG})
DS = "http://www.w3.org/2000/09/xmldsig#"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XS = "http://www.w3.org/2001/XMLSchema"
XML = "http://www.w3.org/XML/1998/namespace"

XSD_FOLDER = Path(__file__).parent / "xsd"
ENVELOPE_XSD = XSD_FOLDER / "phongbi" / "1.0" / "ThongDiep.xsd"


@functools.lru_cache(maxsize=1024)
def pb(name: str) -> str:
    """The Clark name of an envelope element."""
    return f"{{{PHONG_BI}}}{name}"


@functools.lru_cache(maxsize=1024)
def hs(name: str) -> str:
    """The Clark name of a payload element."""
    return f"{{{HO_SO}}}{name}"


def local(tag: object) -> str:
    """The local part of a Clark name, or of an element's tag."""
    return str(tag).rpartition("}")[2]


def namespace(tag: object) -> str:
    """The namespace of a Clark name, or of an element's tag; empty when it has none."""
    name = str(tag)
    return name[1:].partition("}")[0] if name.startswith("{") else ""


THONG_DIEP = pb("ThongDiep")
THAN_PHAN = pb("ThanPhan")
NIL = f"{{{XSI}}}nil"
LY_DO_TRONG = "LyDoTrong"

_OLD_STYLE = r"[0-9A-Z]{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[A-Y][0-9]{2}"  # 000.00.00.H19
_NEW_STYLE = r"[A-Y][0-9]{2}(\.[0-9A-Z]{1,6}){0,5}"  # H19.901
_SEQUENCE = r"-([0-9]{6}|[0-9]{8})-[0-9]{4,7}"
_CENTRAL = r"[0-9A-Z]{1,20}(/[0-9A-Z]{1,20}){1,3}"  # 03706/2026/07906

MA_DINH_DANH = re.compile(f"{_OLD_STYLE}|{_NEW_STYLE}")
MA_HO_SO = re.compile(f"({_OLD_STYLE}){_SEQUENCE}|({_NEW_STYLE}){_SEQUENCE}|{_CENTRAL}")
MA_THONG_DIEP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MA_TTHC = re.compile(r"[0-9]\.[0-9]{6}(\.[0-9]{2})?(\.(000\.00\.00\.)?[A-Y][0-9]{2}(\.[0-9]{2})?)?")
PHIEN_BAN = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
THOI_DIEM = re.compile(
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+\-][0-9]{2}:[0-9]{2})"
)

STEM = 8  # characters of a procedure code that name the national procedure
