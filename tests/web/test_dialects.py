"""What a party's profile says of it holds at the door: its codes, its date forms, its lengths, its privileges."""

import json
from datetime import datetime

import mail
import pytest
from recipes import payloads
from recipes import payloads_life as life

from gateway.core.parties import SignatureDemand, SignaturePolicy

XA = "ubnd-xa-thu-nghiem"
PROGRESS = "/v1/submissions/CapNhatTienDoHoSoMC"


def opened(door, *, state=None):
    """A dossier that the commune has received, and moved on to a state."""
    code = mail.ma_ho_so()
    messages = [(mail.nop(code), "cong-dvc"), (mail.tiep_nhan(code), XA)]
    steps = {None: (), 9: (4, 9), 10: (4, 9, 10)}[state]
    messages += [(mail.tien_do(code, to, at=f"2026-01-16T{10 + to:02d}:00:00+07:00"), XA) for to in steps]
    for message, party in messages:
        assert door.send(message, party).status == 201
    return code


def seen(door, code):
    """The dossier as its agency sees it."""
    return door.get(f"/v1/dossiers/{code}", XA).json


def packet(door, **fields):
    """A packet of progress in the commune's own words."""
    body = json.dumps({"NguoiXuLy": "Lê Đỗ Phượng Vỹ", **fields}, ensure_ascii=False).encode()
    return door.ask(
        "POST", PROGRESS, body, by=XA, headers={"Content-Type": "application/json", "Accept": "application/json"}
    )


@pytest.fixture
def door(open_door, with_party):
    """Opens a door where the commune may send packets, and is as told."""

    def made(**profile):
        policy = SignaturePolicy(by_type={"HS05": SignatureDemand.ACCEPTED})
        return open_door(parties=with_party(XA, typed_submissions=True, signature=policy, **profile))

    return made


def test_its_codes_and_date_forms_are_understood_and_what_it_said_is_kept_beside(door):
    there = door(maps={"TrangThai": {"DXL": "4"}}, formats={"ThoiDiemXuLy": "dd/MM/yyyy HH:mm:ss"})
    code = opened(there)
    assert packet(there, MaHoSo=code, TrangThai="DXL", ThoiDiemXuLy="16/01/2026 08:00:00").status == 201
    told = seen(there, code)
    step = told["DanhSachSuKien"][-1]
    assert (told["TrangThai"], told["TrangThaiGoc"], step["TrangThaiGoc"]) == (4, "DXL", "DXL")
    assert datetime.fromisoformat(step["ThoiDiem"]) == datetime.fromisoformat("2026-01-16T08:00:00+07:00")


def test_a_date_in_another_form_than_declared_is_refused_and_not_guessed(door):
    there = door(formats={"ThoiDiemXuLy": "dd/MM/yyyy HH:mm:ss"})
    code = opened(there)
    assert packet(there, MaHoSo=code, TrangThai="4", ThoiDiemXuLy="20260116080000").codes == ["XSD-405"]
    assert seen(there, code)["TrangThai"] == 2


def test_without_a_profile_the_forms_of_the_regulation_count_and_a_strange_code_is_refused(door):
    there = door()
    code = opened(there)
    assert "XSD-022" in packet(there, MaHoSo=code, TrangThai="DXL", ThoiDiemXuLy="20260116080000").codes
    assert packet(there, MaHoSo=code, TrangThai="4", ThoiDiemXuLy="20260116080000").status == 201
    assert seen(there, code)["TrangThai"] == 4


def test_a_delivered_result_is_recalled_by_privilege_only(door):
    back = {"at": "2026-01-17T08:00:00+07:00"}
    without = door()
    code = opened(without, state=10)
    assert without.send(mail.tien_do(code, 9, **back), XA).codes == ["DOS-013"]
    assert seen(without, code)["TrangThai"] == 10
    granted = door(privileges=frozenset({"recall-result"}))
    code = opened(granted, state=10)
    reasoned = payloads.tien_do("small", code, back["at"], "9")
    where = list(reasoned).index("TrangThai")
    reasoned = dict([*list(reasoned.items())[:where], ("NoiDungXuLy", "Trả nhầm"), *list(reasoned.items())[where:]])
    assert granted.send(mail._signed("HS05", "CapNhatTienDo", reasoned, code, XA, "cong-dvc", None), XA).status == 201
    assert seen(granted, code)["TrangThai"] == 9


@pytest.mark.parametrize("privileges", [(), ("by-decree",)], ids=["extended", "by decree"])
def test_after_a_supplement_the_limit_is_extended_or_by_decree_counted_again(door, privileges):
    there = door(privileges=frozenset(privileges))
    code = opened(there)
    before = seen(there, code)
    limit = datetime.fromisoformat(before["NgayHenTra"]) - datetime.fromisoformat(before["NgayTiepNhan"])
    for loai, goc, payload in (
        ("HS06", "YeuCauBoSung", life.yeu_cau_bo_sung("small", code, "2026-01-16T08:00:00+07:00")),
        ("HS08", "XacNhanBoSung", life.xac_nhan_bo_sung("small", code, "2026-01-18T08:00:00+07:00")),
    ):
        assert there.send(mail._signed(loai, goc, payload, code, XA, "cong-dvc", None), XA).status == 201
    told = seen(there, code)
    back = datetime.fromisoformat("2026-01-18T08:00:00+07:00")
    waited = datetime.fromisoformat(before["NgayHenTra"]) + (back - datetime.fromisoformat("2026-01-16T08:00:00+07:00"))
    assert datetime.fromisoformat(told["NgayHenTra"]) == (back + limit if privileges else waited)
