"""A receiver that reads only an older minor version gets that one, and is told what it cannot carry."""

from datetime import UTC, datetime

import pytest
from lxml import etree

from gateway.documents import Kind, parse_bytes
from schemas.versions import older, readable
from schemas.write import LapThay, thong_diep

NOW = datetime(2026, 1, 15, 1, 0, tzinfo=UTC)
MARK = LapThay(ma_dinh_danh="H19.900", thoi_diem=NOW, bam_noi_dung="a" * 64)
NEWER = Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.1")
FIELDS = {"MaHoSo": "H19.901-260115-0001", "NguoiXuLy": "A", "ThoiDiemXuLy": NOW, "TrangThai": 4}


@pytest.mark.parametrize(
    ("known", "sent"),
    [((), "1.1"), (("1.0", "1.1"), "1.1"), (("1.1",), "1.1"), (("1.0",), "1.0"), (("0.9",), None), (("2.0",), None)],
)
def test_the_newest_version_that_the_receiver_reads_is_sent(catalog, known, sent):
    assert readable(NEWER, known, catalog) == sent


def test_an_older_version_is_never_made_newer(catalog):
    assert readable(Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.0"), ("1.1",), catalog) is None


def test_what_is_newer_is_left_out_and_told_and_the_rest_is_kept(letter, checked, catalog, header):
    body = thong_diep(header(phien_ban="1.1"), "CapNhatTienDo", {**FIELDS, "LyDo": "Chờ", "NoiXuLy": "H19.902.01"})
    root = parse_bytes(body)
    made = older(root, NEWER, "1.0", MARK, catalog)
    assert checked(made.body).kind.phien_ban == "1.0"
    assert [path.rpartition("/")[2] for path in made.left_out] == ["hs:LyDo[1]", "hs:NoiXuLy[1]"]
    again = parse_bytes(made.body)
    assert [child.text for child in again.find("{*}ThanPhan")[0]] == [
        child.text for child in root.find("{*}ThanPhan")[0]
    ][:4]
    assert again.find("{*}LapThay/{*}MaDinhDanh").text == "H19.900"
    assert etree.tostring(root) == etree.tostring(parse_bytes(body))  # the original stays what it is


def test_a_signature_of_the_sender_does_not_stay_on_what_it_did_not_sign(catalog, header):
    body = thong_diep(header(phien_ban="1.1"), "CapNhatTienDo", FIELDS)
    root = parse_bytes(
        body.replace(
            b"</lt:ThongDiep>", b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></lt:ThongDiep>'
        )
    )
    made = older(root, NEWER, "1.0", MARK, catalog)
    assert b"Signature" not in made.body
    assert made.left_out == ()
