"""The packets of QCVN 120: XML and JSON, to and from HS01 and HS05, nothing lost in silence."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.model import PartyId
from gateway.core.parties import Party, Role
from gateway.core.problems import Lang, Location, ProblemOutcome, Stopped
from gateway.documents import DocumentLimits, parse_bytes
from schemas import names
from schemas.fresh import Size, fresh
from schemas.names import local
from schemas.qcvn120 import FORMS, QCVN, Dialect, compose_packet, moment_of, packet_of, read_json, read_xml

STEP = {
    "MaHoSo": "H19.901-260115-0001",
    "NguoiXuLy": "Trần Thị Bưởi",
    "ThoiDiemXuLy": "20260115083000",
    "TrangThai": "4",
}
DOSSIER = {"MaHoSo": "H19.901-260115-0001", "MaTTHC": "1.001193", "TenTTHC": "Đăng ký khai sinh", "MaLinhVuc": "TP01", "TenLinhVuc": "Hộ tịch",
           "LoaiDoiTuong": "1", "NgayTiepNhan": "20260114080000", "TrangThaiHoSo": "4", "HinhThuc": "0", "DonViXuLy": "Một cửa"}  # fmt: skip
MC, TD = "DongBoHoSoMC", "CapNhatTienDoHoSoMC"


def as_json(fields, name=TD):
    return json.dumps({name: fields}, ensure_ascii=False).encode()


def as_xml(fields, name=TD, space=QCVN):
    inside = "\n".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
    return f'<{name} xmlns="{space}">\n{inside}\n</{name}>'.encode()


def stopped_by(read, *given, **more):
    with pytest.raises(Stopped) as stopped:
        read(*given, **more)
    return stopped.value.problems


def codes(problems):
    return [problem.code for problem in problems]


def test_the_packets_have_the_fields_of_the_regulation():
    from schemas.describe import root_of
    from schemas.qcvn120 import FOLDER

    nine = [f.name for f in root_of(FOLDER / f"{TD}.xsd", TD).children]
    assert nine == [
        "MaHoSo",
        "NguoiXuLy",
        "ChucDanh",
        "ThoiDiemXuLy",
        "PhongBanXuLy",
        "NoiDungXuLy",
        "TrangThai",
        "NgayBatDau",
        "NgayKetThucTheoQuyDinh",
    ]
    fields = root_of(FOLDER / f"{MC}.xsd", MC).children
    numbered = [f.name for f in fields if f.text[Lang.VI].split(".")[0].isdigit()]
    assert len(numbered) == 27
    assert (numbered[0], numbered[22], numbered[26]) == ("MaHoSo", "TaiLieuNop", "DanhSachGiayToKetQua")


def test_xml_and_json_say_the_same():
    from_json = read_json(as_json(STEP), TD)
    assert from_json.fields == read_xml(as_xml(STEP), TD).fields == read_xml(as_xml(STEP, space=""), TD).fields == STEP
    assert read_json(from_json.json(), TD) == read_xml(from_json.xml(), TD) == from_json


@pytest.mark.parametrize(
    "body",
    [
        {**STEP, "TrangThai": 4},
        {TD: STEP},
        {"session": "x", "madonvi": "H19", "service": TD, "isUpdating": "True", "data": [STEP]},
        [STEP],
        {"data": [{TD: STEP}["CapNhatTienDoHoSoMC"]]},
    ],
)
def test_the_shapes_of_json_that_are_met_in_the_wild(body):
    packet = read_json(json.dumps(body).encode(), TD)
    assert (packet.fields, packet.notes) == (STEP, ())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "XSD-401"),
        (b"", "XSD-401"),
        (b"\xff", "XSD-401"),
        (b'{"a": NaN}', "XSD-401"),
        (b"[" * 100_000, "XSD-401"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "XSD-401"),
        (b'{"MaHoSo": "a", "MaHoSo": "b"}', "XSD-407"),
        (b"[]", "XSD-402"),
        (b'"x"', "XSD-402"),
        (b'{"data": [{}, {}]}', "XSD-402"),
    ],
)
def test_what_is_no_packet_of_json_is_told(body, code):
    assert codes(stopped_by(read_json, body, TD)) == [code]


def test_broken_json_is_located():
    (found,) = stopped_by(read_json, b'{"MaHoSo": "a",\n  x}', TD)
    assert found.at == Location(2, 3)


def test_a_packet_over_the_limit_is_not_read():
    assert codes(stopped_by(read_json, as_json(STEP), TD, limits=DocumentLimits(body_bytes=10))) == ["XML-002"]


def test_the_xml_of_another_packet_is_told():
    (found,) = stopped_by(read_xml, as_xml(STEP), MC)
    assert (found.code, found.at.line) == ("XSD-402", 1)
    assert codes(stopped_by(read_xml, as_xml(STEP, space="urn:khac"), TD)) == ["XSD-402"]


def test_every_fault_of_a_packet_is_told_in_the_words_of_the_schema():
    wrong = {**STEP, "TrangThai": "12", "NguoiXuLy": "x" * 51, "ThoiDiemXuLy": "20260230083000"}
    del wrong["MaHoSo"]
    found = stopped_by(read_json, as_json(wrong), TD)
    assert {(p.code, p.at.xpath) for p in found} == {
        ("XSD-010", f"/{TD}"), ("XSD-022", f"/{TD}/TrangThai"), ("XSD-023", f"/{TD}/NguoiXuLy"), ("XSD-405", f"/{TD}/ThoiDiemXuLy"),
    }  # fmt: skip
    located = stopped_by(read_xml, as_xml(wrong), TD)
    assert [(p.code, p.at.line) for p in located] == [("XSD-010", 1), ("XSD-023", 2), ("XSD-405", 3), ("XSD-022", 4)]


def test_an_unknown_field_is_a_remark_and_never_lost_in_silence():
    (note,) = read_json(as_json({**STEP, "MauSac": "đỏ"}), TD).notes
    assert (note.code, note.facts["element"], note.outcome) == ("XSD-403", "MauSac", ProblemOutcome.NOTE)
    (note,) = read_xml(as_xml({**STEP, "MauSac": "đỏ"}), TD).notes
    assert (note.code, note.at.line) == ("XSD-403", 6)
    rows = {**DOSSIER, "TaiLieuNop": [{"TenTepDinhKem": "Đơn", "Khac": 1}]}
    (note,) = read_json(as_json(rows, MC), MC).notes
    assert note.at.xpath == f"/{MC}/TaiLieuNop[1]"


def test_an_empty_optional_field_says_nothing_and_an_empty_mandatory_one_is_a_fault():
    assert "ChucDanh" not in read_json(as_json({**STEP, "ChucDanh": "", "NgayBatDau": None}), TD).fields
    assert codes(stopped_by(read_json, as_json({**STEP, "NguoiXuLy": ""}), TD)) == ["XSD-024"]


# --- a party's dialect ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "value"),
    [("dd/MM/yyyy HH:mm", "15/01/2026 08:30"), ("yyyy-MM-dd HH:mm:ss", "2026-01-15 08:30:00"), ("MM-dd-yyyy HH:mm", "01-15-2026 08:30"),
     ("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-15T10:30:00+09:00"), ("yyyyMMddHHmmssSSS", "20260115083000000")],
)  # fmt: skip
def test_a_declared_date_form_is_the_only_one_understood(form, value):
    dialect = Dialect(formats={"ThoiDiemXuLy": form})
    assert read_json(as_json({**STEP, "ThoiDiemXuLy": value}), TD, dialect).fields["ThoiDiemXuLy"] == "20260115083000"
    (found,) = stopped_by(read_json, as_json({**STEP, "ThoiDiemXuLy": "15.01.2026"}), TD, dialect)
    assert (found.code, found.facts["form"]) == ("XSD-405", form)


def test_without_a_declared_form_the_wire_form_and_iso_with_offset_are_understood():
    assert (
        compose_step("20260115083000")
        == compose_step("2026-01-15T08:30:00+07:00")
        == compose_step("2026-01-15T01:30:00Z")
    )
    assert codes(stopped_by(read_json, as_json({**STEP, "ThoiDiemXuLy": "15/01/2026"}), TD)) == ["XSD-021"]


def compose_step(value):
    return moment_of(read_json(as_json({**STEP, "ThoiDiemXuLy": value}), TD).fields["ThoiDiemXuLy"])


def test_codes_are_mapped_and_an_unmapped_one_is_judged_as_it_is():
    dialect = Dialect(maps={"TrangThai": {"processing": "4", "11": "3"}})
    assert read_json(as_json({**STEP, "TrangThai": "processing"}), TD, dialect).fields["TrangThai"] == "4"
    assert read_json(as_json({**STEP, "TrangThai": 11}), TD, dialect).fields["TrangThai"] == "3"
    assert codes(stopped_by(read_json, as_json({**STEP, "TrangThai": "closed"}), TD, dialect)) == ["XSD-022"]


def test_a_text_over_a_declared_limit_is_cut_with_a_record():
    packet = read_json(as_json({**STEP, "NguoiXuLy": "x" * 60}), TD, Dialect(limits={"NguoiXuLy": 50}))
    assert packet.fields["NguoiXuLy"] == "x" * 50
    assert [(n.code, n.facts["found"], n.facts["most"]) for n in packet.notes] == [("XSD-406", 60, 50)]


def test_the_dialect_is_the_partys_profile():
    party = Party(
        id=PartyId("a"),
        name="A",
        role=Role.ONE_STOP,
        identifiers=("H19.901",),
        formats={"NgayTra": "yyyyMMdd"},
        limits={"GhiChu": 9},
    )
    assert Dialect.of(party) == Dialect(formats={"NgayTra": "yyyyMMdd"}, limits={"GhiChu": 9})


# --- to messages and back ---------------------------------------------------------------------------------------------


def test_a_step_becomes_an_hs05_that_passes_every_station(letter, header):
    made = compose_packet(read_json(as_json({**STEP, "NoiDungXuLy": "Thẩm định"}), TD), header(loai="", ma_ho_so=None))
    read = letter(made.body)
    assert (read.loai, read.ma_ho_so, made.ma_ho_so) == ("HS05", STEP["MaHoSo"], STEP["MaHoSo"])
    assert (read.content.trang_thai, read.content.noi_dung) == (4, "Thẩm định")


def test_a_dossier_becomes_an_hs01_that_passes_every_station(letter, header):
    rows = {
        **DOSSIER,
        "TaiLieuNop": [{"TenTepDinhKem": "Đơn", "TepDinhKemId": 12, "IsDeleted": False}],
        "DanhSachLePhi": [{"TenPhiLePhi": "Lệ phí", "Gia": 8000}],
        "DanhSachHoSoBoSung": [
            {"HoSoBoSungId": 1, "NgayBoSung": "20260114100000", "DanhSachGiayToBoSung": [{"TenGiayTo": "CCCD"}]}
        ],
        "DinhDanhCHS": [{"LoaiDinhDanh": "1", "SoDinhDanh": "075990000002"}],
        "DSKetNoiCSDL": [{"MaCSDL": "DC"}],
    }
    made = compose_packet(read_json(as_json(rows, MC), MC), header(loai="", ma_ho_so=None))
    read = letter(made.body)
    assert (read.loai, read.goc, read.content.ho_so.le_phi[0].ten, made.notes) == ("HS01", "NopHoSo", "Lệ phí", ())
    assert b"<hs:DanhSachDinhDanhCHS><hs:DinhDanhCHS>" in made.body
    assert packet_of(parse_bytes(made.body)).fields == read_json(as_json(rows, MC), MC).fields


def test_addresses_joined_by_signs_become_papers_of_their_own(letter, header):
    rows = {
        **DOSSIER,
        "TaiLieuNop": [{"TenTepDinhKem": "Đơn", "DuongDanTaiTepTin": "https://a.example/1##https://a.example/2"}],
    }
    made = compose_packet(read_json(as_json(rows, MC), MC), header(loai="", ma_ho_so=None))
    assert made.body.count(b"<hs:TaiLieuNop>") == 2
    assert codes(made.notes) == ["XSD-408"]
    letter(made.body)


LOSSLESS = {"DongBoHoSoMC": ("HS01", "NopHoSo"), "CapNhatTienDoHoSoMC": ("HS05", "CapNhatTienDo")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FORMS)),
    seed=st.integers(0, 10**6),
    size=st.sampled_from([Size.SMALL, Size.RANDOM, Size.FULL]),
)
def test_a_packet_survives_the_way_to_a_message_and_back_in_xml_and_in_json(
    catalog, at, header, letter, name, seed, size
):
    loai, _ = LOSSLESS[name]
    values = {"TrangThaiHoSo": "4", "NgayTiepNhan": at, "DonViXuLy": "Một cửa"} if loai == "HS01" else {}
    root = parse_bytes(fresh(loai, "1.0", seed=seed, at=at, size=size, values=values, catalog=catalog))
    packet = packet_of(root)
    for again in (read_xml(packet.xml(), name), read_json(packet.json(), name)):
        assert again.fields == packet.fields
        made = compose_packet(again, header(loai="", ma_ho_so=None))
        letter(made.body)
        assert packet_of(parse_bytes(made.body)).fields == packet.fields
        assert made.notes == ()
    # What coincides is equal in the message too; what the packet cannot carry is named by a note.
    told = {note.facts["element"].partition("/")[0].partition(" ")[0] for note in packet.notes}
    before, after = flat(root.find(names.THAN_PHAN)[0]), flat(parse_bytes(made.body).find(names.THAN_PHAN)[0])
    lost = {path for path in before if path not in after}
    assert {path for path in after if path not in before} == set()
    assert all(set(path.split("/")) & told for path in lost), (lost, told)
    for path in before.keys() & after.keys():
        assert before[path] == after[path], path


def flat(element, path=""):
    """Every leaf of a payload by its path, values as they are."""
    out, seen = {}, {}
    for child in element:
        name = local(child.tag)
        seen[name] = seen.get(name, 0) + 1
        here = f"{path}/{name}" + (f"/{seen[name]}" if name in REPEATED else "")
        out |= flat(child, here) if len(child) else {here: (child.text or "").strip()}
    return out


REPEATED = {
    "TaiLieuNop",
    "LePhi",
    "TepDinhKemKhac",
    "HoSoBoSung",
    "GiayToKetQua",
    "GiayToBoSung",
    "LePhiBoSung",
    "DinhDanhCHS",
    "KetNoiCSDL",
}


def test_what_a_packet_cannot_carry_is_noted(catalog, at):
    root = parse_bytes(fresh("HS01", at=at, size=Size.BOUNDARY, values={"TrangThaiHoSo": "4"}, catalog=catalog))
    notes = packet_of(root).notes
    assert {note.code for note in notes} == {"XSD-404"}
    assert {"NguoiNop", "TrangThaiGoc", "MaDinhKem", "NgayHenTra/@LyDoTrong"} <= {
        note.facts["element"] for note in notes
    }


def test_part_of_a_second_is_noted_when_the_wire_form_drops_it(hs05):
    root = parse_bytes(hs05.replace("2026-01-15T08:30:00+07:00</hs:", "2026-01-15T08:30:00.5+07:00</hs:").encode())
    packet = packet_of(root)
    assert (packet.fields["ThoiDiemXuLy"], codes(packet.notes)) == ("20260115083000", ["XSD-404"])


def test_a_message_that_is_no_packet_is_told(catalog, at):
    assert codes(stopped_by(packet_of, parse_bytes(fresh("HS03", at=at, catalog=catalog)))) == ["XSD-402"]


def test_a_message_without_what_a_packet_demands_is_told(catalog, at):
    root = parse_bytes(fresh("HS01", at=at, size=Size.SMALL, values={"TrangThaiHoSo": "1"}, catalog=catalog))
    assert codes(stopped_by(packet_of, root)) == ["XSD-010", "XSD-010"]  # NgayTiepNhan, DonViXuLy
