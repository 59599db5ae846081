"""Typed submissions: packets of QCVN 120 from systems that cannot sign, by JSON, XML and SOAP."""

import base64
import hashlib
import json
from dataclasses import replace

import mail
import pytest
from lxml import etree
from test_soap import Client, call, enveloped, fault

from gateway.core.parties import Role, SignatureDemand, SignaturePolicy
from gateway.web import answers

XA = "ubnd-xa-thu-nghiem"
PROGRESS = "/v1/submissions/CapNhatTienDoHoSoMC"
SYNC = "/v1/submissions/DongBoHoSoMC"
NS = answers.NAMESPACE


@pytest.fixture
def door(open_door, with_party):
    """A door where the commune may send unsigned packets."""
    policy = SignaturePolicy(by_type={"HS05": SignatureDemand.ACCEPTED, "HS01": SignatureDemand.OFF})
    return open_door(parties=with_party(XA, typed_submissions=True, signature=policy))


@pytest.fixture
def code(door):
    """A dossier that the commune has received."""
    made = mail.ma_ho_so()
    assert door.send(mail.nop(made), "cong-dvc").status == 201
    assert door.send(mail.tiep_nhan(made), XA).status == 201
    return made


def progress(code, state=4, at="20260116080000", **more):
    return {"MaHoSo": code, "NguoiXuLy": "Lê Đỗ Phượng Vỹ", "ThoiDiemXuLy": at, "TrangThai": str(state), **more}


def dossier(code):
    return {
        "MaHoSo": code,
        "MaTTHC": "2.000815.01",
        "TenTTHC": "Chứng thực bản sao từ bản chính",
        "MaLinhVuc": "TP-CT",
        "TenLinhVuc": "Chứng thực",
        "LoaiDoiTuong": "1",
        "NgayTiepNhan": "20260115080000",
        "TrangThaiHoSo": "2",
        "HinhThuc": "0",
        "DonViXuLy": "UBND xã Thử Nghiệm",
    }


def submit(door, body, path=PROGRESS, by=XA, kind="application/json", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return door.ask("POST", path, data, by=by, headers={"Content-Type": kind, "Accept": "application/json", **headers})


def test_a_packet_for_nobody_is_told_so(open_door, with_party):
    """Every portal is locked: there is nobody whom the packet could be for."""
    there = with_party(XA, typed_submissions=True, signature=SignaturePolicy(default=SignatureDemand.ACCEPTED))
    parties = type(there)([replace(one, enabled=one.enabled and one.role is not Role.PORTAL) for one in there])
    answer = submit(open_door(parties=parties), progress(mail.ma_ho_so()))
    assert (answer.status, answer.codes) == (422, ["AUT-015"])


def state_of(door, code):
    return door.get(f"/v1/dossiers/{code}", XA).json["TrangThai"]


def test_one_packet_moves_the_dossier_and_the_portal_gets_a_signed_message(door, code):
    answer = submit(door, progress(code))
    assert answer.status == 201, answer
    assert etree.fromstring(base64.b64decode(answer.json["BienNhan"])).findtext(".//{*}KetQua") == "CHAP_NHAN"
    assert state_of(door, code) == 4
    news = door.get("/v1/inbox?after=1", "cong-dvc").json["DanhSachMuc"]
    assert [(e["LoaiThongDiep"], e["TrangThai"]) for e in news] == [("HS05", 4)]
    letter = etree.fromstring(door.get(news[0]["DuongDan"], "cong-dvc").body)
    assert letter.find("{http://www.w3.org/2000/09/xmldsig#}Signature") is not None
    assert letter.find("{*}LapThay") is not None
    fate = door.get(f"/v1/messages/{answer.json['SoTiepNhan']}", XA).json
    assert fate["CanCu"] == "composed"


def test_the_callers_own_bytes_stay_the_original(door, code):
    body = json.dumps(progress(code), ensure_ascii=False, indent=2).encode()
    answer = submit(door, body)
    original = door.get(f"/v1/messages/{answer.json['SoTiepNhan']}/original", XA)
    assert (original.body, original.headers["Content-Type"]) == (body, "application/json")
    assert answer.json["BamNoiDung"] == hashlib.sha256(body).hexdigest()


BOM = b"\xef\xbb\xbf"


def test_a_byte_order_mark_before_json_harms_nobody_and_stays_among_the_original_bytes(door, code):
    body = BOM + json.dumps(progress(code)).encode()
    answer = submit(door, body)
    assert answer.status == 201, answer
    assert door.get(f"/v1/messages/{answer.json['SoTiepNhan']}/original", XA).body == body
    rows = [progress(code, 9, "20260117080000"), {"MaHoSo": code, "TrangThai": "x"}]
    several = submit(door, BOM + json.dumps({"DanhSachGoi": rows}).encode())
    assert [r["KetQua"] for r in several.json["DanhSachKetQuaGoi"]] == ["accepted", "rejected"]


def test_the_same_packet_again_has_no_second_effect_with_and_without_a_key(door, code):
    first = submit(door, progress(code))
    again = submit(door, progress(code))
    assert (first.status, again.status, again.json["LapLai"]) == (201, 200, True)
    assert first.json["BienNhan"] == again.json["BienNhan"]
    keyed = submit(door, progress(code, 9, "20260117080000"), **{"Idempotency-Key": "don-1"})
    assert keyed.status == 201
    assert submit(door, progress(code, 9, "20260117080000"), **{"Idempotency-Key": "don-1"}).status == 200
    other = submit(door, progress(code, 10, "20260118080000"), **{"Idempotency-Key": "don-1"})
    assert (other.status, other.codes) == (409, ["DUP-010"])


def test_in_a_batch_each_packet_has_its_own_result_and_a_wrong_one_hurts_no_other(door, code):
    rows = [
        progress(code),
        {"MaHoSo": code, "TrangThai": "x"},
        progress(code, 10, "20260118080000"),  # not possible from 4
        progress(code, 9, "20260117080000"),
    ]
    answer = submit(door, rows)
    assert answer.status == 200
    results = answer.json["DanhSachKetQuaGoi"]
    assert [r["SoThuTu"] for r in results] == [1, 2, 3, 4]
    assert [r["KetQua"] for r in results] == ["accepted", "rejected", "rejected", "accepted"]
    assert results[2]["DanhSachLoi"][0]["MaChiTiet"] == "DOS-010"
    assert state_of(door, code) == 9
    repeated = submit(door, rows).json["DanhSachKetQuaGoi"]
    assert [r["LapLai"] for r in repeated] == [True, False, False, True]


def test_a_batch_may_carry_a_key_for_each_packet(door, code):
    body = {
        "DanhSachGoi": [
            {"MaGui": "k1", "Goi": progress(code)},
            {"MaGui": "k2", "Goi": progress(code, 9, "20260117080000")},
        ]
    }
    assert [r["KetQua"] for r in submit(door, body).json["DanhSachKetQuaGoi"]] == ["accepted", "accepted"]
    body["DanhSachGoi"].reverse()
    assert [r["LapLai"] for r in submit(door, body).json["DanhSachKetQuaGoi"]] == [True, True]


def test_the_form_of_the_regulations_own_services_is_taken(door, code):
    assert submit(door, {"data": [progress(code)]}).status == 201
    many = submit(door, {"data": [progress(code, 9, "20260117080000"), progress(code, 10, "20260118080000")]})
    assert [r["KetQua"] for r in many.json["DanhSachKetQuaGoi"]] == ["accepted", "accepted"]


def test_a_dossier_filed_at_the_counter_is_synchronised(door):
    made = mail.ma_ho_so()
    assert submit(door, dossier(made), SYNC).status == 201
    assert state_of(door, made) == 2
    by_xml = mail.ma_ho_so()
    xml = "".join(f"<{k}>{v}</{k}>" for k, v in dossier(by_xml).items())
    assert submit(door, f"<DongBoHoSoMC>{xml}</DongBoHoSoMC>".encode(), SYNC, kind="application/xml").status == 201
    assert state_of(door, by_xml) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[", b"null", b"1", b'"x"', b"[[]]", b"{}", b'{"data":{}}', b'{"data":[]}', b"[]", b"\xff", b"[1,2", b"<a/>", b"{" * 5000, b"[" * 5000,
     b'{"MaHoSo":"a","MaHoSo":"b"}', b'[{"Goi":1,"Khac":2}]', b'{"DanhSachGoi":[{"MaGui":"\\u0000","Goi":{}}]}'],
)  # fmt: skip
def test_json_that_is_no_packet_is_a_4xx_and_never_a_500(door, body):
    answer = submit(door, body)
    assert answer.status in (200, 400, 413, 422), answer
    if answer.status == 200:
        assert all(r["KetQua"] == "rejected" for r in answer.json["DanhSachKetQuaGoi"])


def test_too_many_packets_at_once_are_refused_before_any_is_taken(door, code):
    answer = submit(door, [progress(code)] * 101)
    assert (answer.status, answer.codes) == (400, ["SYS-125"])
    assert state_of(door, code) == 2


def test_whoever_must_sign_may_not_send_packets(open_door, with_party, door, code):
    for party in ("so-xay-dung", "cong-dvc"):
        answer = submit(door, progress(code), by=party)
        assert (answer.status, answer.codes) == (403, ["AUT-040"])
    strict = open_door(parties=with_party(XA, typed_submissions=True))
    assert submit(strict, progress(code)).codes == ["AUT-040"]


def test_other_names_types_and_keys_are_refused(door, code):
    assert submit(door, progress(code), "/v1/submissions/KhacMC").status == 404
    assert submit(door, progress(code), kind="text/plain").status == 415
    answer = submit(door, progress(code), **{"Idempotency-Key": "x" * 201})
    assert (answer.status, answer.codes) == (400, ["SYS-109"])


# -- the same by SOAP --


def test_packets_go_by_soap_with_a_result_for_each(door, code):
    client = Client(door, XA)
    rows = [
        {"MaGui": "a", **progress(code)},
        {"MaGui": "b", **progress(code, 10, "20260118080000")},
        {"MaGui": "c", **progress(code, 9, "20260117080000", NoiDungXuLy="a < b & c")},
    ]
    told = client.CapNhatTienDoHoSoMC(Goi=rows).DanhSachKetQuaGoi.KetQuaGoi
    assert [row.KetQua for row in told] == ["accepted", "rejected", "accepted"]
    assert told[1].DanhSachLoi.Loi[0].MaChiTiet == "DOS-010"
    assert told[0].BienNhan
    again = client.CapNhatTienDoHoSoMC(Goi=rows[0]).DanhSachKetQuaGoi.KetQuaGoi
    assert (again[0].LapLai, again[0].BienNhan) == (True, told[0].BienNhan)
    made = mail.ma_ho_so()
    full = {**dossier(made), "TaiLieuNop": [{"TenTepDinhKem": "a.pdf"}, {"TenTepDinhKem": "b.pdf"}]}
    (row,) = client.DongBoHoSoMC(Goi=full).DanhSachKetQuaGoi.KetQuaGoi
    assert row.KetQua == "accepted", row
    assert state_of(door, made) == 2
    client.close()


def test_fields_that_net_leaves_out_with_nil_are_left_out(door, code):
    fields = "".join(f"<{k}>{v}</{k}>" for k, v in progress(code).items())
    nil = '<ChucDanh xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    fields = fields.replace("<ThoiDiemXuLy>", nil + "<ThoiDiemXuLy>")
    answer = call(door, enveloped(f'<CapNhatTienDoHoSoMC xmlns="{NS}"><Goi>{fields}</Goi></CapNhatTienDoHoSoMC>'), XA)
    assert etree.fromstring(answer.body).findtext(f".//{{{NS}}}KetQua") == "accepted", answer


def test_an_operation_without_packets_or_with_too_many_is_a_fault(door):
    for inner in ("", "<Goi/>" * 101, "<Khac/>"):
        answer = call(door, enveloped(f'<CapNhatTienDoHoSoMC xmlns="{NS}">{inner}</CapNhatTienDoHoSoMC>'), XA)
        assert fault(answer)[1] == ["SYS-136"]


def test_what_xml_cannot_hold_is_replaced_with_a_remark_and_kept_in_the_original(door, code):
    packet = progress(code, NoiDungXuLy="a\x1bb\ufffec 😀")
    answer = submit(door, packet)
    assert answer.status == 201
    (note,) = [problem for problem in answer.json["DanhSachLoi"] if problem["MaChiTiet"] == "XSD-409"]
    assert (note["MucDo"], "2" in note["MoTa"]) == ("CANH_BAO", True)
    (entry,) = [e for e in door.get("/v1/inbox", "cong-dvc").json["DanhSachMuc"] if e["LoaiThongDiep"] == "HS05"]
    composed = etree.fromstring(door.get(entry["DuongDan"], "cong-dvc").body)
    assert composed.findtext(".//{*}NoiDungXuLy") == "a\ufffdb\ufffdc 😀"
    original = door.get(f"/v1/messages/{answer.json['SoTiepNhan']}/original", XA).body
    assert json.loads(original)["NoiDungXuLy"] == packet["NoiDungXuLy"]
