"""A dialect that cannot lie: whatever the check of a profile passes, the connectors write, and the far side can read it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cong_quoc_gia import SAMPLES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from parcels import parcel
from shapes import PARTNERS

from connectors.call_writing import write_request
from connectors.data import data_of
from connectors.dialect import Outward
from connectors.outcomes import Refused
from connectors.qcvn120 import load_of
from connectors.registry import installed
from connectors.templates import Kept
from gateway.core.date_forms import KNOWN, date_form
from gateway.core.problems import Stopped
from gateway.services.profiles import read_file
from schemas.dialect_fields import FieldNature, dialect_fields


def carried(loai: str, body: bytes) -> bool:
    """Whether the national portal has a word for it at all: an absence with a reason has none."""
    try:
        load_of(parcel(1, body, loai=loai))
    except Refused:
        return False
    return True


@cache
def letters() -> list[tuple[str, bytes]]:
    """The samples that it has a word for; looked for when they are needed, not by every worker that collects."""
    return [
        (file.name[:4], file.read_bytes())
        for file in sorted(SAMPLES.glob("HS0[135]-*.xml"))
        if carried(file.name[:4], file.read_bytes())
    ]


FIELDS = dialect_fields()
names = st.sampled_from(sorted(FIELDS)) | st.text("abcNgayTiepNhan", max_size=12)
forms = st.lists(st.sampled_from([*KNOWN, "'T'", "'Z'", "-", "/", " ", ":", ".", "YYYY", "x", "'"]), max_size=9).map(
    "".join
)
good = st.sampled_from(
    ["dd/MM/yyyy HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.SSS", "unix", "unix-ms", "yyyy-MM-dd'T'HH:mm:ssXXX", "d/M/yyyy"]
)
codes = st.sampled_from(["0", "1", "2", "4", "9", "10", "11", "", "X", "Đã trả"])


def moments(row: Any) -> Any:
    """Every field of a packet that a format may speak of, at any depth."""
    for name, value in row.items():
        if isinstance(value, list):
            for each in value:
                yield from moments(each)
        elif name in FIELDS and FIELDS[name].nature is FieldNature.MOMENT:
            yield name, value


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(
    formats=st.dictionaries(names, forms | good, max_size=3),
    maps=st.dictionaries(names, st.dictionaries(codes, codes, max_size=3), max_size=2),
    limits=st.dictionaries(names, st.integers(-1, 5000), max_size=2),
    letter=st.deferred(lambda: st.sampled_from(letters())),
)
@example(formats={"ThoiDiemXuLy": "yyyy-MM-dd'T'HH:mm:ss.SSS"}, maps={}, limits={}, letter=None)
def test_whatever_the_check_passes_is_written_and_can_be_read(
    tmp_path_factory: pytest.TempPathFactory,
    formats: dict[str, str],
    maps: dict[str, dict[str, str]],
    limits: dict[str, int],
    letter: tuple[str, bytes] | None,
) -> None:
    shape = PARTNERS / "cong-quoc-gia-lgsp"
    folder = tmp_path_factory.mktemp("ho-so")
    for file in shape.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    text = (shape / f"{shape.name}.toml").read_text("utf-8")
    tables = {"formats": formats, "maps": maps, "limits": limits}
    lines = [f"{name} = {toml(table)}" for name, table in tables.items()]
    file = folder / f"{shape.name}.toml"
    file.write_text(text.replace("[connector]", "\n".join([*lines, "", "[connector]"]), 1), "utf-8")
    try:
        party = read_file(file, None, installed())
    except Stopped as stop:
        assert all(problem.at is not None and problem.at.line for problem in stop.problems)
        return
    loai, body = letter or letters()[-1]
    what = replace(parcel(1, body, party, loai=loai), party=party)
    load = load_of(what)  # qcvn120: no exception
    for row in [load.dossier] if load.dossier is not None else load.rows:
        check_row(row, party.formats)
    plan = installed()["http"].configure(party.connector_settings).settings
    data, _ = data_of(what)
    data |= {"values": plan.values, "secret": dict.fromkeys(plan.secrets, "x"), "token": "t"}
    data |= {"got": Kept(phien="p"), "remembered": Kept(), "rows": data["tien_do"], "row": None}
    name = "tao-moi" if loai == "HS01" else "tien-do"
    said = json.loads(write_request(plan.plan.calls[name], data, plan, Outward(party)).body)
    for row in said["data"]:
        check_row(row, party.formats)


def check_row(row: Any, formats: Any) -> None:
    for name, value in moments(row):
        date_form(formats.get(name, "yyyyMMddHHmmss")).read(value)


def toml(value: Any) -> str:
    """A table in TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def test_a_date_form_in_a_registry_of_before_refuses_its_message_and_nothing_else() -> None:
    """Profiles that were applied before forms were checked are still in force."""
    party = replace(read_file(PARTNERS / "thue" / "thue.toml", None, installed()), formats={"ThoiDiemXuLy": "YYYY"})
    body = (SAMPLES / "HS05-tien-do-day-du.xml").read_bytes()
    what = replace(parcel(1, body, party), party=party)
    with pytest.raises(Refused) as caught:
        load_of(what)
    assert (caught.value.problem.code, caught.value.problem.facts["field"]) == ("DLV-034", "formats")
