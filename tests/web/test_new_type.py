"""A message type that nobody has heard of costs one schema and one small reader, and goes through every door like the others."""

import json
import shutil
import sys
from pathlib import Path

import nodes
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import mail

ROOT = Path(__file__).resolve().parents[2]
XA = "ubnd-xa-thu-nghiem"
READER = '''"""HS98 XinYKien: the portal asks the agency something about a dossier."""

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Notes
from gateway.core.model import MaHoSo
from gateway.core.parties import Role
from gateway.core.rights import NO_STATE, Pair, Rights, Standing
from schemas.catalog import reader

ASKED = Rights((Pair(sender=Role.PORTAL, receiver=Role.ONE_STOP, may={Standing.PORTAL: NO_STATE}),))


@dataclass(frozen=True, slots=True, kw_only=True)
class XinYKien:
    ma_ho_so: MaHoSo
    lan: int
    occurred_at: datetime | None = None

    @property
    def effects(self):
        return (Notes(what="xin-y-kien", value=str(self.lan)),)


@reader("HS98", "XinYKien", "1.0", rights=ASKED)
def read_xin_y_kien(row):
    return XinYKien(ma_ho_so=row.ma_ho_so(), lan=row.whole("Lan"))
'''
SCHEMA = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:hs="http://www.dongnai.gov.vn/lienthong/hoso/1.0"
  xmlns:c="http://www.dongnai.gov.vn/lienthong/chung/1.0" targetNamespace="http://www.dongnai.gov.vn/lienthong/hoso/1.0"
  elementFormDefault="qualified" version="1.0">
  <xs:import namespace="http://www.dongnai.gov.vn/lienthong/chung/1.0" schemaLocation="../../chung/1.0/KieuChung.xsd"/>
  <xs:element name="XinYKien" type="hs:XinYKienStructure"/>
  <xs:complexType name="XinYKienStructure"><xs:sequence>
    <xs:element name="MaHoSo" type="c:MaHoSoType"/><xs:element name="Lan" type="hs:LanYKienType"/>
  </xs:sequence></xs:complexType>
  <xs:simpleType name="LanYKienType"><xs:restriction base="xs:int">
    <xs:minInclusive value="1"/><xs:maxInclusive value="9"/></xs:restriction></xs:simpleType>
</xs:schema>"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node that runs a copy of the program with two more files in it."""
    folder = tmp_path_factory.mktemp("new-type") / "node"
    for package in ("gateway", "schemas", "signing", "connectors"):  # found first: commands run in this folder
        shutil.copytree(ROOT / package, folder / package)
    (folder / "schemas" / "messages" / "hs98.py").write_text(READER, "utf-8")
    (folder / "schemas" / "xsd" / "hoso" / "1.0" / "XinYKien.xsd").write_text(SCHEMA, "utf-8")
    with nodes.node(folder) as made:
        made.serve(workers=1)
        yield made


def asked(code, times="1", *, sender="cong-dvc", to=XA):
    """HS98, signed."""
    return mail._signed("HS98", "XinYKien", {"MaHoSo": code, "Lan": times}, code, sender, to, None)


def test_it_is_taken_recorded_and_reaches_its_receiver(node):
    code = mail.ma_ho_so()
    assert node.post(mail.nop(code), "cong-dvc").status == 201
    answer = node.post(asked(code), "cong-dvc")
    assert (answer.status, "BienNhan" in answer.json) == (201, True)
    assert [entry["LoaiThongDiep"] for entry in node.inbox(XA)] == ["HS01", "HS98"]
    told = node.call("GET", f"/v1/dossiers/{code}", party=XA).json
    assert [event["LoaiThongDiep"] for event in told["DanhSachSuKien"]] == ["HS01", "HS98"]


def test_it_is_refused_with_place_and_reason_like_any_other(node):
    refused = node.post(asked(mail.ma_ho_so(), "10"), "cong-dvc").json["problems"]
    assert [(one["code"], one["xpath"].rpartition("/")[2]) for one in refused] == [("XSD-027", "hs:Lan[1]")]
    code = mail.ma_ho_so()
    told = node.post(asked(code, sender=XA, to="cong-dvc"), XA).json["problems"]
    assert {one["code"] for one in told} == {"AUT-004", "AUT-012"}


def test_the_command_line_checks_it_and_makes_samples_of_it(node):
    file = node.folder / "hs98.xml"
    file.write_bytes(asked("H19.902.01-260115-0001"))
    row = json.loads(node.run("--json", "check", str(file)).stdout)
    assert (row["outcome"], row["loai"]) == ("accepted", "HS98")
    assert b"<hs:XinYKien" in node.run("sample", "HS98").stdout
