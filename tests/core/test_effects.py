"""What a message did to a dossier is read back from the record, years later too."""

import typing
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.core.effects import Acknowledges, Effect, Files, KetQua, Moves, Owes, Pays, Redates, from_dict, to_dict

NOON = datetime(2026, 1, 20, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "effect",
    [
        Moves(to=None, at=NOON, ly_do=True),
        Redates(ngay_hen_tra=NOON),
        Owes(so_tien=Decimal("150000.5"), han_nop=NOON),
        Acknowledges(ma_thong_diep_goc="a", ket_qua=KetQua.TRUNG_LAP),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_an_effect_survives_the_record(effect):
    assert from_dict(to_dict(effect)) == effect


def test_what_an_earlier_version_kept_of_an_effect_is_left_out():
    kept = {"effect": "Redates", "ngay_hen_tra": NOON.isoformat(), "truoc": NOON.isoformat(), "xin_loi": True}
    assert from_dict(kept) == Redates(ngay_hen_tra=NOON)


def test_an_effect_that_is_not_on_the_list_is_refused():
    assert "Abolishes" not in {kind.__name__ for kind in typing.get_args(Effect)}
    with pytest.raises(KeyError):
        from_dict({"effect": "Abolishes"})


def test_what_is_not_said_is_neither_reason_nor_answer_nor_privilege():
    assert Moves(to=4) == Moves(to=4, ly_do=False, answers=False, privileged=False)
    assert Files(trang_thai=1, ma_tthc="1") == Files(trang_thai=1, ma_tthc="1", moves=True)
    assert Pays(so_tien=Decimal(1)) == Pays(so_tien=Decimal(1), da_thanh_toan=True)
