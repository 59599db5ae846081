"""From our record to what a portal is told: pure functions, and a portal that believes whatever came last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parcels import parcel, party

from connectors.dialect import Outward
from connectors.qcvn120 import Load, packets_told
from gateway.core import lifecycle
from gateway.core.lifecycle import LifeRules, follow
from gateway.core.model import Dossier, MaHoSo, PartyId
from gateway.core.problems import Stopped
from gateway.core.told import DossierLetters, EventLetter, Told, packet_digest
from gateway.documents import parse_bytes
from schemas import names
from schemas.catalog import bundled
from schemas.fields import Fields
from schemas.fresh import Size, fresh
from schemas.record import record_of

CODE = MaHoSo("H19.901-260115-0001")
START = datetime(2026, 1, 15, 1, tzinfo=UTC)
AGENCY, PORTAL = PartyId("so-tu-phap"), PartyId("cong-dvc")


@cache  # the same few letters come again and again
def letter(loai: str, goc: str, hours: float, thu_tu: int | None = None, **values: Any) -> SimpleNamespace:
    """A message as the counter reads it, with its bytes."""
    at = START + timedelta(hours=hours)
    body = fresh(loai, goc=goc, ma_ho_so=CODE, at=at, size=Size.SMALL, values=values, seed=int(hours * 10))
    root = parse_bytes(body)
    payload = root.find(names.THAN_PHAN)[0]
    content = bundled().reader(bundled().kind_of(root)).read(Fields(payload, [], names.HO_SO))
    return SimpleNamespace(
        content=content,
        effects=content.effects,
        thoi_diem_tao=at,
        ma_thong_diep=root.findtext(names.pb("MaThongDiep")),
        loai=loai,
        goc=goc,
        thu_tu=thu_tu,
        body=body,
    )


def step(hours: float, trang_thai: int, thu_tu: int) -> SimpleNamespace:
    at = START + timedelta(hours=hours)
    return letter(
        "HS05", "CapNhatTienDo", hours, thu_tu, TrangThai=trang_thai, ThoiDiemXuLy=at, NoiDungXuLy=f"bước {thu_tu}"
    )


@st.composite
def lives(draw: st.DrawFn) -> list[SimpleNamespace]:
    """Legal lives of an agency that numbers its events: steps through the table, supplements, fees, new appointments."""
    found, state, memory, hours = [], 1, [], 0
    for number in range(1, draw(st.integers(2, 6))):
        hours += 1
        beside = draw(st.sampled_from(["step", "step", "step", "HS09", "HS16"]))
        if beside == "HS09":
            found.append(letter("HS09", "YeuCauThanhToan", hours, number))
            continue
        if beside == "HS16":
            due = START + timedelta(days=10 + number)
            found.append(
                letter("HS16", "GiaHan", hours, number, NgayHenTraMoi=due, NgayQuyetDinh=START + timedelta(hours=hours))
            )
            continue
        ways = [m for m in lifecycle.MOVES[state] if m.guards[0] in {lifecycle.Guard.NONE, lifecycle.Guard.REASON}]
        ways += [
            m
            for m in lifecycle.MOVES[state]
            if lifecycle.Guard.REMEMBERED in m.guards and memory and memory[-1] == m.to
        ]
        if not ways:
            break
        way = draw(st.sampled_from(ways))
        if way.to in lifecycle.REMEMBERS:
            memory.append(state)
        elif state in lifecycle.REMEMBERS:
            memory = memory[:-1] if lifecycle.Guard.REMEMBERED in way.guards else []
        elif way.to in lifecycle.FINISHED_STATES or way.to == lifecycle.DUNG_XU_LY:
            memory = []
        state = way.to
        found.append(step(hours, state, number))
    return found


class Believing:
    """A portal that takes everything and shows the state that it was told last."""

    def __init__(self) -> None:
        self.dossier: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []
        self.state: str | None = None

    def take(self, load: Load) -> None:
        """In the order in which the connector tells."""
        self._steps(load.rows[: load.late])
        if load.sends_dossier and load.dossier is not None:
            self.dossier = dict(load.dossier)
            self.state = self.dossier["TrangThaiHoSo"]
        self._steps(load.rows[load.late :])

    def _steps(self, rows: Any) -> None:
        for row in rows:
            self.rows.append(dict(row))
            self.state = row["TrangThai"]


def lived(letters: list[SimpleNamespace], portal: Believing | None = None) -> DossierLetters:
    """The dossier after these arrivals; the portal is told after each."""
    opening = letter("HS01", "NopHoSo", 0, TrangThaiHoSo=1)
    dossier = Dossier(ma_ho_so=CODE, ma_tthc=None, portal=PORTAL, agency=AGENCY)
    known: tuple[EventLetter, ...] = ()
    told = Told(party=party().id, ma_ho_so=CODE)
    for number, one in enumerate([opening, *letters]):
        sender = PORTAL if one.loai == "HS01" else AGENCY
        try:
            # a letter here has what follow() asks of a ThongDiep, and no more
            followed = follow(one, dossier, sender, LifeRules(), message=f"m{number}", now=one.thoi_diem_tao)  # type: ignore[arg-type]
        except Stopped:
            continue  # the counter refuses it, whoever is told of it
        dossier = followed.dossier
        known = (*known, EventLetter(change=followed.change, body=one.body))
        found = DossierLetters(dossier=dossier, rules=LifeRules(), letters=known)
        if portal is None:
            continue
        what = replace(parcel(number), record=found, told=told)
        load = packets_told(record_of(found), what, Outward(what.party))
        portal.take(load)
        told = told.after(load.whole_news(), START, what.id, 1)
    if portal is not None:  # and nothing is left to tell
        assert packets_told(record_of(found), replace(what, told=told), Outward(what.party)).nothing
    return DossierLetters(dossier=dossier, rules=LifeRules(), letters=known)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_of_arrival_of_a_legal_life_ends_at_the_portal_as_on_record(data: st.DataObject) -> None:
    letters = data.draw(lives())
    shuffled = data.draw(st.permutations(letters))
    portal = Believing()
    record = record_of(lived(shuffled, portal))
    assert record.whole is not None
    assert portal.dossier == record.whole
    assert portal.state == record.whole["TrangThaiHoSo"] == str(record.trace.trang_thai)
    assert sorted(map(packet_digest, portal.rows)) == sorted(map(packet_digest, record.rows))


def test_a_step_that_comes_late_is_told_before_the_dossier() -> None:
    """A portal that believes what came last would otherwise go back to an older state."""
    portal = Believing()
    lived([step(1, 2, 1), step(4, 4, 4), step(2, 5, 2), step(3, 2, 3)], portal)
    assert [row["TrangThai"] for row in portal.rows][-2:] == ["5", "2"]
    assert portal.state == "4"


def test_a_field_of_which_nobody_knows_is_not_in_the_packet() -> None:
    record = record_of(lived([]))
    assert record.whole is not None
    assert not {"NgayTiepNhan", "NgayTra", "NgayTuChoi", "DanhSachGiayToKetQua"} & set(record.whole)


def test_without_the_letter_that_opened_a_dossier_only_its_steps_are_told() -> None:
    found = lived([step(1, 2, 1)])
    erased = replace(found.letters[0], body=None)
    load = packets_told(
        record_of(replace(found, letters=(erased, *found.letters[1:]))),
        replace(parcel(), record=found),
        Outward(party()),
    )
    assert (load.dossier, [row["TrangThai"] for row in load.rows]) == (None, ["2"])
