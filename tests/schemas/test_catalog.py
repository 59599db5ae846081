"""The register: every kind has a schema, a reader and rights; a new kind costs one XSD and one reader."""

import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from patience import PATIENCE_S

from gateway.core.effects import Notes
from gateway.core.problems import Stopped
from gateway.core.rights import TABLE
from gateway.documents import Kind
from schemas import catalog as module
from schemas.catalog import Catalog, PayloadReader, bundled, reader, registered
from schemas.names import XSD_FOLDER
from schemas.strictness import RuleSettings

ROOTS = {
    "HS01": {"NopHoSo"}, "HS02": {"BienNhan"}, "HS03": {"TiepNhanHoSo"}, "HS04": {"TuChoiTiepNhan"}, "HS05": {"CapNhatTienDo"},
    "HS06": {"YeuCauBoSung"}, "HS07": {"NopBoSung"}, "HS08": {"XacNhanBoSung"}, "HS09": {"YeuCauThanhToan"},
    "HS10": {"KetQuaThanhToan"}, "HS11": {"TraKetQua"}, "HS12": {"RutHoSo", "DongYRutHoSo"}, "HS13": {"DungXuLy", "TiepTucXuLy"},
    "HS14": {"ChuyenHoSo"}, "HS15": {"KetQuaChuyen"}, "HS16": {"GiaHan"}, "HS17": {"TraCuuHoSo", "TraLoiTraCuu"},
    "HS18": {"LayDanhMuc", "DanhMuc"}, "HS19": {"DoiSoat", "KetQuaDoiSoat"}, "HS20": {"ThuHoiThongDiep"}, "HS21": {"DanhGia"},
}  # fmt: skip


def test_every_message_of_the_catalogue_is_there_with_its_roots(catalog):
    found = {}
    for kind in catalog.kinds():
        found.setdefault(kind.loai, set()).add(kind.goc)
    assert found == ROOTS


def test_every_schema_of_a_payload_has_a_reader(catalog):
    declared = {(f.parent.name, f.stem) for f in (XSD_FOLDER / "hoso").glob("*/*.xsd")} - {("1.0", "KieuHoSo")}
    assert declared == {(kind.phien_ban, kind.goc) for kind in catalog.kinds()}


def test_versions_are_served_side_by_side(catalog, codes, hs05):
    lie_there = sorted(file.parent.name for file in XSD_FOLDER.glob("hoso/*/CapNhatTienDo.xsd"))
    assert list(catalog.versions("HS05", "CapNhatTienDo")) == lie_there >= ["1.0", "1.1"]
    newer = "<hs:TrangThai>4</hs:TrangThai><hs:LyDo>chờ ý kiến</hs:LyDo><hs:NoiXuLy>H19.902.01</hs:NoiXuLy>"
    body = hs05.replace("<hs:TrangThai>4</hs:TrangThai>", newer)
    assert codes(body) == ["XSD-011", "XSD-011"]
    assert codes(body.replace("<lt:PhienBan>1.0", "<lt:PhienBan>1.1")) == []
    assert codes(hs05.replace("<lt:PhienBan>1.0", "<lt:PhienBan>1.1")) == []


def test_every_kind_has_the_rights_of_the_table(catalog):
    for kind in catalog.kinds():
        assert catalog.rights(kind) == TABLE[kind.loai, kind.goc]
    assert {(kind.loai, kind.goc) for kind in catalog.kinds()} == set(TABLE)


def test_a_kind_that_nobody_may_say_has_no_reader():
    with pytest.raises(ValueError, match="HS97 Thu: it is not in the table of rights"):
        reader("HS97", "Thu", "1.0")


def test_the_schema_documents_of_the_package_are_read_once_and_other_settings_stay_apart():
    first, second = bundled(), bundled(rules=RuleSettings(window_past_days=7))
    kind = first.kinds()[0]
    assert first.schema(kind) is second.schema(kind)
    assert first.rules != second.rules
    assert bundled().rules == first.rules


def test_each_thread_has_its_own_compiled_schema(catalog):
    kind = Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.0")
    here, found = catalog.schema(kind), []
    thread = threading.Thread(target=lambda: found.append(catalog.schema(kind)))
    thread.start()
    thread.join(PATIENCE_S)
    assert catalog.schema(kind) is here
    assert found
    assert found[0] is not here


def test_a_kind_cannot_have_two_readers():
    @reader("HS97", "Thu", "1.0", rights=TABLE["HS21", "DanhGia"])
    def one(row):
        return row

    try:
        with pytest.raises(ValueError, match=r"HS97 Thu 1\.0 has two readers"):

            @reader("HS97", "Thu", "1.0", rights=TABLE["HS21", "DanhGia"])
            def two(row):
                return row

    finally:
        del module._REGISTER[Kind(loai="HS97", goc="Thu", phien_ban="1.0")]


def test_a_kind_cannot_stand_twice_in_a_catalogue():
    entries = list(registered().values())
    with pytest.raises(ValueError, match="stands twice"):
        Catalog([*entries, entries[0]])


@dataclass(frozen=True, kw_only=True)
class Chao:
    """A content of the new type below."""

    ma_ho_so: str
    occurred_at: datetime | None = None

    @property
    def effects(self):
        return (Notes(what="chao"),)


def test_a_new_message_type_costs_one_schema_and_one_small_reader(tmp_path, letter, hs05):
    common = (XSD_FOLDER / "chung" / "1.0" / "KieuChung.xsd").read_bytes()
    (tmp_path / "chung").mkdir()
    (tmp_path / "hoso" / "1.0").mkdir(parents=True)
    xsd = tmp_path / "hoso" / "1.0" / "Chao.xsd"
    xsd.write_text(
        f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:hs="http://www.dongnai.gov.vn/lienthong/hoso/1.0"
          xmlns:c="http://www.dongnai.gov.vn/lienthong/chung/1.0" elementFormDefault="qualified" blockDefault="#all"
          targetNamespace="http://www.dongnai.gov.vn/lienthong/hoso/1.0">
          <xs:import namespace="http://www.dongnai.gov.vn/lienthong/chung/1.0"
                     schemaLocation="{Path(XSD_FOLDER / "chung" / "1.0" / "KieuChung.xsd").as_posix()}"/>
          <xs:element name="Chao"><xs:complexType><xs:sequence>
            <xs:element name="MaHoSo" type="c:MaHoSoType"/>
          </xs:sequence></xs:complexType></xs:element>
        </xs:schema>""",
        "utf-8",
    )
    assert common

    def read_chao(row):
        return Chao(ma_ho_so=row.ma_ho_so())

    entry = PayloadReader(
        kind=Kind(loai="HS98", goc="Chao", phien_ban="1.0"),
        read=read_chao,
        rights=TABLE["HS21", "DanhGia"],
        xsd=xsd,
    )
    with_it = Catalog([*registered().values(), entry])
    start, end = hs05.index("<hs:CapNhatTienDo"), hs05.index("</lt:ThanPhan>")
    tag = hs05[start : hs05.index(">", start) + 1].replace("CapNhatTienDo", "Chao")  # with the namespaces it declares
    body = hs05[:start] + tag + "<hs:MaHoSo>H19.901-260115-0001</hs:MaHoSo></hs:Chao>" + hs05[end:]
    read = letter(body.replace(">HS05<", ">HS98<"), with_it)
    assert (read.loai, read.content.effects) == ("HS98", (Notes(what="chao"),))
    with pytest.raises(Stopped):
        letter(body.replace(">HS05<", ">HS98<").replace("-0001</hs", "-1</hs"), with_it)


def test_warming_compiles_everything_once(catalog):
    catalog.warm()
    kinds = catalog.kinds()
    assert {id(catalog.judge(kind)) for kind in kinds if kind.phien_ban == "1.0"} == {id(catalog.judge(kinds[0]))}
    assert catalog.judge(Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.1")) is not catalog.judge(kinds[0])


def test_importing_every_message_file_fills_the_register():
    payloads = {
        (file.stem, file.parent.name) for file in XSD_FOLDER.glob("hoso/*/*.xsd") if not file.stem.startswith("Kieu")
    }
    assert {(kind.goc, kind.phien_ban) for kind in bundled().kinds()} == payloads
