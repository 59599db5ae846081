"""report, deadlines, alerts, catalogue: what the record says of a period, of time limits, of what needs a person."""

import pytest

HS01, HS03 = "accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS03-tiep-nhan-toi-thieu"
HO_SO = "H19.901-260115-0001"
COQUAN = "Ma,Ten,BiDanh\nH19.901,Sở Tư pháp,000.99.01.H19\n"


@pytest.fixture
def dossier(office):
    """A dossier filed and taken in."""
    office.receive(HS01)
    office.receive(HS03, "so-tu-phap")
    return HO_SO


def test_a_period_is_counted_by_agency_as_table_json_and_csv(cli, office, dossier):
    (row,) = cli("report", "--from", "2026-01-01", "--by", "co-quan", "--json").rows
    assert (row["co-quan"], row["filed"], row["received"], row["open"]) == ("so-tu-phap", 1, 1, 1)
    assert "so-tu-phap" in cli("report", "--from", "2026-01-01", "--by", "co-quan").out
    header, line = cli("report", "--from", "2026-01-01", "--csv").out.splitlines()
    assert (header.split(",")[:2], line.split(",")[1]) == (["dich-vu", "filed"], "1")
    assert cli("report", "--from", "2025-01-01", "--to", "2025-02-01", "--json").rows == []


def test_what_is_late_is_listed_and_told_by_the_exit_code(cli, office, dossier):
    result = cli("deadlines", "--json")
    assert result.code == 1
    assert {(row["MaHoSo"], row["loai"], row["qua_han"]) for row in result.rows} == {
        (HO_SO, "ket-qua", True),
        (HO_SO, "chuyen-xu-ly", True),
    }
    assert cli("deadlines", "--agency", "ubnd-xa-thu-nghiem").code == 0


def test_a_held_lane_is_an_alert(cli, office):
    assert cli("alerts").code == 0
    office.receive(HS01)
    office.refused()
    result = cli("alerts", "--json")
    assert (result.code, [(row["alarm"], row["subject"]) for row in result.rows]) == (1, [("lane-held", HO_SO)])


def test_a_catalogue_is_shown_before_it_is_recorded_and_stays_readable(cli, office, tmp_path):
    file = tmp_path / "co-quan.csv"
    file.write_text(COQUAN, "utf-8")
    first = cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.1", "--json").rows
    assert (first[0]["added"], first[0]["recorded"]) == (["H19.901"], False)
    assert cli("catalogue", "show", "CoQuan").code == 1
    assert cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.1", "--yes", "--reason", "đầu").code == 0
    file.write_text(COQUAN.replace("Tư pháp", "Tư pháp mới"), "utf-8")
    refused = cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.1", "--yes", "--reason", "x")
    assert (refused.code, "CAT-011" in refused.out + refused.err) == (1, True)
    cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.2", "--yes", "--reason", "đổi tên")
    names = [
        cli("catalogue", "show", "CoQuan", *extra, "--json").rows[0]["Ten"] for extra in ((), ("--version", "2026.1"))
    ]
    assert names == ["Sở Tư pháp mới", "Sở Tư pháp"]


def test_a_catalogue_with_faults_is_refused_line_by_line(cli, office, tmp_path):
    file = tmp_path / "hong.csv"
    file.write_text("Ma,Ten\nA,Một\nA,Hai\n,Ba\n", "utf-8")
    result = cli("catalogue", "import", "CoQuan", str(file), "--version", "1")
    assert result.code == 1
    assert "CAT-006" in result.out + result.err
    assert "CAT-005" in result.out + result.err
