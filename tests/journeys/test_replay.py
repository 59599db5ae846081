"""Every life in samples/journeys, replayed through the public door, ends exactly as its journey.toml says, on both databases."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import agency
import nodes
import pytest
import sampling

pytestmark = pytest.mark.journey

JOURNEYS = sorted(path.parent for path in (sampling.SAMPLES / "journeys").glob("*/journey.toml"))


def expected(journey: Path) -> dict[str, Any]:
    return tomllib.loads((journey / "journey.toml").read_text("utf-8"))


def same(told: Any, wanted: Any) -> bool:
    """Equal; moments however they are written."""
    if isinstance(wanted, str) and "T" in wanted and wanted[:2] == "20":
        return datetime.fromisoformat(told).astimezone(UTC) == datetime.fromisoformat(wanted).astimezone(UTC)
    return bool(told == wanted)


def only(row: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """The fields that are expected, as expected where they are the same moment; what differs stays as told."""
    return {key: wanted if key in row and same(row[key], wanted) else row.get(key) for key, wanted in like.items()}


def identity(file: Path) -> str:
    body = file.read_bytes()
    start = body.index(b"<lt:MaThongDiep>") + len(b"<lt:MaThongDiep>")
    return body[start : start + 36].decode()


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda path: path.name)
def test_a_journey_ends_as_written(journey: Path, node: nodes.Node, so_tu_phap: agency.Agency) -> None:
    node.keep("serve", "work")
    wanted = expected(journey)
    ids = {name: identity(journey / name) for name in wanted["files"]}
    for name in wanted["files"]:
        sample = sampling.sample(f"journeys/{journey.name}/{name}")
        answer = node.post(sample.body, sample.sender)
        assert answer.status == 201, (name, answer.body)
        told = [problem["MaChiTiet"] for problem in answer.json.get("DanhSachLoi") or []]
        assert told == [problem.code for problem in sample.problems], name

    seen = node.call("GET", f"/v1/dossiers/{wanted['ma_ho_so']}", party="cong-dvc").json
    assert only(seen, wanted["dossier"]) == wanted["dossier"]
    lines = [row | {"file": name_of(ids, row["MaThongDiep"])} for row in seen["DanhSachSuKien"]]
    assert [only(row, like) for row, like in zip(lines, wanted["timeline"], strict=True)] == wanted["timeline"]
    for field, rows in (("DanhSachThanhToan", "payments"), ("DanhSachChuyen", "transfers")):
        there, like = seen.get(field) or [], wanted.get(rows, [])
        assert [only(row, one) for row, one in zip(there, like, strict=True)] == like

    for party in {row["party"] for row in wanted["feed"]}:
        feed = [row for row in wanted["feed"] if row["party"] == party]
        if party == "so-tu-phap":
            so_tu_phap.wait_for(len(so_tu_phap.taken.keys() | {ids[row["file"]] for row in feed}))
            arrived = [name for name, _ in so_tu_phap.arrivals if name in ids.values()]
            # on a busy machine an answer may come too late, and the same message once more
            assert [*dict.fromkeys(arrived)] == [ids[row["file"]] for row in feed]
            continue
        entries = [entry for entry in node.inbox(party) if entry["MaHoSo"] == wanted["ma_ho_so"]]
        told_feed = [(entry["MaThongDiep"], entry["TrangThai"]) for entry in entries]
        assert told_feed == [(ids[row["file"]], row["TrangThai"]) for row in feed]

    rows = node.rows("report", "--from", "2026-01-01", "--by", "dich-vu")
    row = next(row for row in rows if row["dich-vu"] == wanted["ma_tthc"])
    counts = {
        key: value for key, value in row.items() if isinstance(value, int) and value and not key.startswith("gio_tb_")
    }
    assert counts == wanted["statistics"]
    hours = {key.removeprefix("gio_tb_"): value for key, value in row.items() if key.startswith("gio_tb_")}
    assert {state: round(float(hours[state]), 2) for state in wanted["hours"]} == wanted["hours"]


def name_of(ids: dict[str, str], identity_: str) -> str:
    """The file that holds this message."""
    return next(name for name, known in ids.items() if known == identity_)


def test_every_feed_is_free_of_gaps_after_all_journeys(node: nodes.Node) -> None:
    for party in ("cong-dvc", "ubnd-xa-thu-nghiem", "ubnd-xa-thu-nghiem-2", "so-xay-dung"):
        entries = node.inbox(party)
        assert [entry["ViTri"] for entry in entries] == list(range(1, len(entries) + 1))
    node.run("log", "verify")
