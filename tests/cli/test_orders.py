"""parties pause | resume | lock | unlock: one party stands still, or is shut out, whatever its file says."""

import pytest

from gateway.core.model import Fate
from gateway.core.operators import OperatorRole
from gateway.settings import load
from gateway.wiring import build, registry_of

WHY = ("--reason", "khóa bị lộ", "--as", "Lan", "--yes")


def judged_by(office):
    """The office's gate as a process that has taken over the registry in force has it."""
    office.gate = build(load(office.folder / "lienthong.toml", {}).settings, office.store)


@pytest.mark.threat("T-FROZEN")
def test_who_is_locked_by_the_desk_is_refused_and_stays_so_when_files_are_applied(cli, office):
    name = "so-tu-phap"
    assert cli("parties", "lock", name, *WHY).code == 0
    judged_by(office)
    ack = office.receive("accepted/HS01-nop-ho-so-toi-thieu")
    assert (ack.fate, [problem.code for problem in ack.problems]) == (Fate.REJECTED, ["AUT-011"])
    profile = office.folder / "parties" / f"{name}.toml"
    profile.write_text(profile.read_text("utf-8").replace('contact = "', 'contact = "Phòng Một cửa, '), "utf-8")
    applied = cli("parties", "apply", "--yes", "--reason", "đầu mối mới")
    assert (applied.code, "desk" in applied.out) == (0, False)
    party = registry_of(office.store).get(name)
    assert (party.open, party.desk.locked, party.contact.startswith("Phòng Một cửa")) == (False, "khóa bị lộ", True)
    assert "Không khác" in cli("--lang", "vi", "parties", "check").out
    again = cli("parties", "lock", name, *WHY)
    assert (again.code, "SYS-173" in again.err) == (1, True)
    assert cli("parties", "unlock", name, *WHY).code == 0
    judged_by(office)
    after = office.receive("accepted/HS01-mo-dung-day-du", "so-tu-phap")
    assert [problem.code for problem in after.problems] == []
    acts = [(row["what"], row["facts"]["reason"]) for row in cli("log", "show", "--what", "party.", "--json").rows]
    assert [act for act in acts if act[0] != "party.applied"] == [
        ("party.locked", "khóa bị lộ"),
        ("party.unlocked", "khóa bị lộ"),
    ]


def test_what_makes_no_sense_is_told_with_how_the_party_stands(cli, office):
    for order, party, why in (
        ("pause", "cong-dvc", "tự lấy hộp thư"),
        ("resume", "so-tu-phap", "không bị tạm dừng"),
        ("unlock", "so-tu-phap", "không bị khóa"),
        ("unlock", "don-vi-bi-khoa", "enabled = false"),
        ("lock", "don-vi-bi-khoa", "đã bị khóa"),
    ):
        result = cli("--lang", "vi", "parties", order, party, *WHY)
        assert (result.code, "SYS-173" in result.err, why in result.err) == (1, True, True), result.err
    assert "SYS-042" in cli("parties", "lock", "khong-co", *WHY).err


def test_an_operator_closes_and_an_administrator_alone_opens(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace('"administrator"', f'"{OperatorRole.OPERATOR}"'), "utf-8")
    assert cli("parties", "lock", "so-tu-phap", *WHY).code == 0
    result = cli("parties", "unlock", "so-tu-phap", *WHY)
    assert (result.code, "SYS-040" in result.err) == (1, True)
    assert not registry_of(office.store).get("so-tu-phap").open
