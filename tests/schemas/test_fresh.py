"""Fresh messages are valid, deterministic, and invented."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.model import Address
from schemas.fresh import Size, fresh


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 26), seed=st.integers(0, 10**9), size=st.sampled_from(Size))
def test_every_fresh_message_passes_every_station(letter, catalog, at, which, seed, size):
    kind = catalog.kinds()[which]
    body = fresh(kind.loai, kind.phien_ban, goc=kind.goc, seed=seed, at=at, size=size, catalog=catalog)
    assert {note.code for note in letter(body).notes} <= {"XSD-250"}  # a file outside was not seen


def test_the_same_arguments_give_the_same_bytes_and_other_seeds_others(catalog, at):
    assert fresh("HS01", seed=1, at=at, catalog=catalog) == fresh("HS01", seed=1, at=at, catalog=catalog)
    assert fresh("HS01", seed=1, at=at, catalog=catalog) != fresh("HS01", seed=2, at=at, catalog=catalog)


def test_the_newest_version_and_the_first_root_are_the_default(letter, catalog, at):
    assert letter(fresh("HS05", at=at, catalog=catalog)).phien_ban == catalog.versions("HS05", "CapNhatTienDo")[-1]
    assert letter(fresh("HS12", at=at, catalog=catalog)).goc == "RutHoSo"
    assert letter(fresh("HS05", "1.0", at=at, catalog=catalog)).phien_ban == "1.0"


@pytest.mark.parametrize("asked", [("HS99", None), ("HS05", "9.9"), ("HS12", "1.1")])
def test_what_is_not_known_is_told(catalog, at, asked):
    with pytest.raises(KeyError):
        fresh(asked[0], asked[1], at=at, catalog=catalog)


def test_a_dossier_its_parties_and_its_fields_can_be_fixed(letter, catalog, at):
    read = letter(
        fresh(
            "HS05",
            ma_ho_so="H19.902.01-260115-0007",
            at=at,
            noi_gui=Address(ma_dinh_danh="H19.902.01"),
            noi_nhan=(Address(ma_dinh_danh="H19.909"), Address(ma_dinh_danh="H19.901")),
            values={"TrangThai": 8, "ThoiDiemXuLy": datetime(2026, 1, 14, tzinfo=UTC)},
            thu_tu=5,
            catalog=catalog,
            size=Size.SMALL,
        )
    )
    assert (read.ma_ho_so, read.noi_gui.ma_dinh_danh, len(read.noi_nhan), read.thu_tu) == (
        "H19.902.01-260115-0007",
        "H19.902.01",
        2,
        5,
    )
    assert (read.content.trang_thai, read.content.occurred_at) == (8, datetime(2026, 1, 14, tzinfo=UTC))


@pytest.mark.parametrize("state", range(1, 11))
def test_a_dossier_can_be_made_in_any_state(letter, catalog, at, state):
    read = letter(fresh("HS01", at=at, values={"TrangThaiHoSo": str(state)}, catalog=catalog))
    assert read.content.effects[0].trang_thai == state


@pytest.mark.parametrize(
    "fixed",
    [
        ("HS11", {"LoaiKetQua": "TRA_LAI"}),
        ("HS12", {"KetQua": "KHONG_DONG_Y"}),
        ("HS17", {"SoDinhDanh": "075990000002"}),
    ],
)
def test_what_a_choice_demands_comes_with_it(letter, catalog, at, fixed):
    loai, values = fixed
    goc = "DongYRutHoSo" if loai == "HS12" else None
    assert letter(fresh(loai, goc=goc, at=at, size=Size.SMALL, values=values, catalog=catalog)).notes == ()


def test_without_a_time_it_is_made_now(letter, catalog):
    body = fresh("HS05", catalog=catalog)
    assert letter(body, at=datetime.now(UTC)).notes == ()


def test_identity_numbers_belong_to_nobody(catalog, at):
    body = fresh("HS01", at=at, size=Size.FULL, catalog=catalog).decode()
    start = body.index("<hs:SoDinhDanh>") + len("<hs:SoDinhDanh>")
    assert body[start : start + 4] == "0759"  # a century digit that no living person has (domain section 15)
    assert "@example.com" in body
