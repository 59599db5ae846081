"""lint: what of the dossiers, as the national portal is told of them, costs their agencies points, by agency and week."""

import csv
import io
import re
from datetime import UTC, datetime

import openpyxl
import pki
import pytest

from gateway.services import lint as service
from gateway.wiring import registry_of

FILED, TAKEN = "accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS03-tiep-nhan-toi-thieu"
DONE = "accepted/HS01-dong-bo-da-tra-ket-qua"
FIRST = "H19.901-260115-0001"
WEEK = "2026-W03"
PERIOD = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
SINCE = ("lint", "--from", "2026-01-01", "--to", "2026-02-01")


@pytest.fixture
def dossiers(office):
    """One that was taken in, one that was synchronised when it was over."""
    office.receive(FILED)
    office.receive(TAKEN, "so-tu-phap")
    office.receive(DONE, "so-tu-phap")
    return office


def test_what_costs_points_is_counted_by_agency_and_week_and_listed_by_dossier(cli, dossiers):
    result = cli(*SINCE, "--json")
    (week,) = [row for row in result.rows if row["dong"] == "tuan"]
    assert (week["co_quan"], week["ten"], week["tuan"]) == ("so-tu-phap", "Sở Tư pháp (thử nghiệm)", WEEK)
    assert (week["ho_so"], week["co_loi"]) == (2, 2)
    found = {(row["MaHoSo"], row["quy_tac"], row["ma"]) for row in result.rows if row["dong"] == "ho-so"}
    assert (FIRST, "cham-diem-kenh", "XSD-240") in found
    assert {name for _, name, _ in found} == set(week["quy_tac"])
    assert [row for row in result.rows if row["dong"] == "tong"] == [
        {"dong": "tong", "ho_so": 2, "co_loi": 2, "con_lai": 0, "khong_doc_duoc": 0}
    ]
    assert result.code == 1


def test_people_read_counts_first_and_hear_what_was_left_out_and_whence_the_rules_come(cli, dossiers):
    out = cli(*SINCE, "--limit", "1").out
    assert re.search(rf"so-tu-phap +Sở Tư pháp \(thử nghiệm\) +{WEEK} +2 +2", out), out
    assert "chưa tìm được công thức" in out
    assert "… còn 3 nữa." in out
    assert out.index("Cơ quan") < out.index("Quy tắc") < out.index("H19.901")
    assert "formula was not found" in cli(*SINCE, "--lang", "en").out


def test_a_table_has_a_line_for_each_agency_week_and_rule_and_no_form_tells_a_persons_data(cli, dossiers):
    letters = "".join((pki.SAMPLES / f"{name}.xml").read_text("utf-8") for name in (FILED, DONE))
    theirs = set(re.findall(r"<hs:(?:ChuHoSo|SoDinhDanh|SoGiayToChuHoSo|Email|SoDienThoai|HoTen)>([^<]+)<", letters))
    table, told = cli(*SINCE, "--csv").out, cli(*SINCE, "--json").out + cli(*SINCE).out
    assert (len(theirs) > 3, [one for one in theirs if one in table + told]) == (True, [])
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["Cơ quan"], row["Tuần"], row["Hồ sơ bị lưu ý"], row["Trong số"]) for row in rows
            if row["Quy tắc"] == "cham-diem-so-hoa"] == [("so-tu-phap", WEEK, "2", "2")]  # fmt: skip


def test_a_workbook_has_the_counts_and_the_dossiers(cli, dossiers, tmp_path):
    file = tmp_path / "soi.xlsx"
    assert cli(*SINCE, "--xlsx", file).code == 1
    counts, listed = openpyxl.load_workbook(file).worksheets
    assert (counts.title, listed.title) == ("Soi 766", "Rà soát 766 - hồ sơ")
    assert any("chưa tìm được công thức" in str(row[0].value) for row in counts.iter_rows())
    assert FIRST in {cell.value for row in listed.iter_rows() for cell in row}


def test_a_period_an_agency_or_a_rule_can_be_asked_for_alone(cli, dossiers):
    assert cli("lint", "--from", "2025-01-01", "--to", "2026-01-01").code == 0
    assert cli("lint").code == 0  # since Monday of last week
    assert cli(*SINCE, "--agency", "ubnd-xa-thu-nghiem").code == 0
    rows = cli(*SINCE, "--rule", "cham-diem-kenh", "--json").rows
    assert [row["MaHoSo"] for row in rows if row["dong"] == "ho-so"] == [FIRST]
    wrong = cli(*SINCE, "--rule", "cham-diem-gi")
    assert (wrong.code, "cham-diem-kenh" in wrong.err) == (2, True)


def test_pages_add_up_and_one_dossier_can_be_asked_for(dossiers, monkeypatch):
    parties = registry_of(dossiers.store)
    whole = service.lint(dossiers.store, parties, *PERIOD, most=100)
    monkeypatch.setattr(service, "PAGE", 1)
    seen = []
    paged = service.lint(dossiers.store, parties, *PERIOD, most=100, seen=seen.append)
    assert (paged, seen) == (whole, [1, 2])
    alone = service.lint_of(dossiers.store, parties, FIRST)
    assert alone == tuple(one for one in whole.findings if one.ma_ho_so == FIRST)
    (added,) = whole.by_agency().values()
    assert (added.dossiers, added.weak, added.by_rule) == (2, 2, dict(whole.weeks[0].by_rule))
    assert whole.by_rule()["cham-diem-so-hoa"] == 2
    with pytest.raises(KeyError):
        service.lint_of(dossiers.store, parties, "H19.901-260115-9999")
