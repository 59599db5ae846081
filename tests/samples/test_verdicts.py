"""Every sample gets exactly the outcome, codes, lines, columns and XPaths of its side-car: judged, checked, and over HTTP."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import nodes
import pytest
import sampling
from sampling import Expected, Sample

from gateway import settings, wiring
from gateway.cli import main
from gateway.core.model import Caller, Channel, Envelope, Fate, MessageId, PartyId
from gateway.documents import DocumentLimits, parse_bytes
from gateway.services.intake import Gate, expected, judge
from gateway.web.answers import NAMESPACE

OUTCOMES = {Fate.ACCEPTED: "accepted", Fate.REJECTED: "rejected", Fate.HELD: "undetermined"}


def sorted_(problems: Iterable[Expected]) -> list[str]:
    return sorted(str(problem) for problem in problems)


def rows(problems: Iterable[dict[str, Any]]) -> list[str]:
    """Problems as JSON gives them."""
    return sorted_(Expected(p["code"], p.get("line"), p.get("column"), p.get("xpath")) for p in problems)


def envelope(body: bytes, sender: str, now: datetime) -> Envelope:
    caller = Caller(party=PartyId(sender), by="token")
    return Envelope.of(body, id=MessageId("m"), caller=caller, channel=Channel.REST, received_at=now)


@pytest.mark.parametrize("sample", sampling.samples(), ids=lambda s: s.name)
def test_a_sample_is_judged_as_its_side_car_says(sample: Sample, gate: Gate, now: datetime) -> None:
    finding = judge(envelope(sample.body, sample.sender, now), gate)
    found = [Expected(p.code, p.at and p.at.line, p.at and p.at.column, p.at and p.at.xpath) for p in finding.problems]
    assert OUTCOMES[expected(finding)] == sample.alone, found
    assert sorted_(found) == sorted_(sample.without_records)


def test_the_samples_mean_the_same_ten_years_from_now(now: datetime) -> None:
    later = now.replace(year=now.year + 10, month=3, day=1)
    loaded = settings.load(sampling.SAMPLES / "lienthong.toml", env={})
    gate = wiring.build(loaded.settings)
    changed = []
    for sample in sampling.samples():
        finding = judge(envelope(sample.body, sample.sender, later), gate)
        found = sorted(problem.code for problem in finding.problems)
        if (OUTCOMES[expected(finding)], found) != (sample.alone, sorted(p.code for p in sample.without_records)):
            changed.append((sample.name, found))
    assert changed == []


@pytest.mark.parametrize("sender", sorted({sample.sender for sample in sampling.samples()}))
def test_check_says_of_each_file_what_its_side_car_says(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lienthong check --json` from the samples' own folder; in this process, which has compiled what explains refusals."""
    for name in [name for name in os.environ if name.startswith("LIENTHONG_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(sampling.SAMPLES)
    wanted = {sample.name: sample for sample in sampling.samples() if sample.sender == sender}
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as end:
        main(["--json", "check", "--party", sender, *wanted])
    assert end.value.code in (0, 1, 3)
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {row["file"] for row in found} == wanted.keys()
    for row in found:
        sample = wanted[row["file"]]
        outcome = {"held": "undetermined"}.get(row["outcome"], row["outcome"])
        assert (row["file"], outcome) == (row["file"], sample.alone)
        assert (row["file"], rows(row["problems"])) == (row["file"], sorted_(sample.without_records))


def over_http(answer: nodes.Answer) -> tuple[str, list[str]]:
    """Outcome and problems of an answer of POST /v1/messages."""
    said = answer.json
    if answer.status >= 300:
        return "rejected", rows(said["problems"])
    outcome = {"accepted": "accepted", "held": "undetermined"}[said["KetQua"]]
    told = said.get("DanhSachLoi") or []
    return outcome, sorted_(Expected(p["MaChiTiet"], p.get("Dong"), p.get("Cot"), p.get("ViTri")) for p in told)


@pytest.fixture(scope="module")
def send(node: nodes.Node) -> Callable[[Sample], nodes.Answer]:
    """Hands a sample in over REST once, after what must be there before it; gives its first answer."""
    sent: dict[str, nodes.Answer] = {}

    def first(sample: Sample) -> nodes.Answer:
        if sample.name not in sent:
            for earlier in sampling.before(sample):
                first(earlier)
            sent[sample.name] = node.post(sample.body, sample.sender)
        return sent[sample.name]

    return first


def test_every_sample_gets_the_same_verdict_over_http_and_is_on_record(
    node: nodes.Node, send: Callable[[Sample], nodes.Answer]
) -> None:
    wrong = []
    for sample in sampling.samples():
        outcome, problems = over_http(send(sample))
        if (outcome, problems) != (sample.outcome, sorted_(sample.problems)):
            wrong.append((sample.name, sample.outcome, sorted_(sample.problems), outcome, problems))
    assert wrong == []
    # Whatever its fate, each is visible to the operator, with its codes.
    known = {row["digest"]: row for row in node.rows("messages", "--limit", "10000")}
    for sample in sampling.samples():
        digest = send(sample).headers["etag"].strip('"')
        state = known[digest]["state"]
        assert {"held": "undetermined"}.get(state, state) == sample.outcome


def over_soap(answer: nodes.Answer) -> tuple[str, list[str], str | None]:
    """Outcome, problems and receipt of an answer or a fault of GuiThongDiep."""
    root = parse_bytes(answer.body)

    def value(above: Any, name: str) -> str | None:
        found = above.find(f".//{{{NAMESPACE}}}{name}")
        return None if found is None else found.text

    told = [
        Expected(
            str(value(row, "MaChiTiet")),
            int(value(row, "Dong") or 0) or None,
            int(value(row, "Cot") or 0) or None,
            value(row, "ViTri"),
        )
        for row in root.iter(f"{{{NAMESPACE}}}Loi")
    ]
    return str(value(root, "KetQua")), sorted_(told), value(root, "BienNhan")


def test_every_sample_gets_the_same_answer_over_soap(node: nodes.Node, send: Callable[[Sample], nodes.Answer]) -> None:
    wrong = []
    for sample in sampling.samples():
        by_rest = send(sample)
        outcome, problems, receipt = over_soap(node.soap(sample.body, sample.sender))
        told = {"held": "undetermined"}.get(outcome, outcome)
        if (told, problems) != over_http(by_rest):
            wrong.append((sample.name, told, problems))
        if sample.outcome == "accepted" and receipt != by_rest.json["BienNhan"]:
            wrong.append((sample.name, "another receipt", []))
    assert wrong == []


def test_the_same_bytes_again_get_the_first_receipt(node: nodes.Node) -> None:
    sample = sampling.sample("accepted/HS01-nop-ho-so-toi-thieu")
    first = node.post(sample.body, sample.sender)
    again = node.post(sample.body, sample.sender)
    assert again.status == 200
    assert again.json["LapLai"] is True
    assert base64.b64decode(again.json["BienNhan"]) == base64.b64decode(first.json["BienNhan"])


def test_a_message_over_the_limit_is_refused_with_its_size(node: nodes.Node) -> None:
    body = sampling.sample("accepted/HS01-nop-ho-so-toi-thieu").body
    too_long = body + b" " * (DocumentLimits().body_bytes - len(body) + 1)
    answer = node.post(too_long, "cong-dvc")
    assert answer.status == 413
    assert [problem["code"] for problem in answer.json["problems"]] == ["XML-002"]
