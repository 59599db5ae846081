"""report, deadlines, alerts, catalogue: what the record says of a period, of time limits, of what needs a person."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta

import letters
import openpyxl
import pki
import pytest

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import Fate
from gateway.services.forecast import appointments_ahead
from gateway.settings import load
from gateway.sheets import Sheet, csv_text
from gateway.wiring import registry_of, renewed
from gateway.workbook import workbook

HS01, HS03 = "accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS03-tiep-nhan-toi-thieu"
HO_SO = "H19.901-260115-0001"
COQUAN = "Ma,Ten,BiDanh\nH19.901,Sở Tư pháp,000.99.01.H19\n"


@pytest.fixture
def dossier(office):
    """A dossier filed and taken in."""
    office.receive(HS01)
    office.receive(HS03, "so-tu-phap")
    return HO_SO


def cells_of(line):
    return next(csv.reader([line]))


def table(text):
    """A CSV as header, rows, and its last line, the total."""
    header, *rows, whole = csv.reader(io.StringIO(text))
    return header, [dict(zip(header, row, strict=True)) for row in rows], dict(zip(header, whole, strict=True))


def pages(content):
    """The cells of each sheet of an XLSX file by its name, and how many of them are formulas."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    found = {}
    for page in book.worksheets:
        cells = [cell for row in page.iter_rows() for cell in row if cell.value is not None]
        found[page.title] = [cell.value for cell in cells], sum(cell.data_type == "f" for cell in cells)
    return found


def test_a_period_is_counted_by_agency_as_table_json_and_csv(cli, office, dossier):
    (row,) = cli("report", "--from", "2026-01-01", "--by", "co-quan", "--json").rows
    assert (row["co-quan"], row["filed"], row["received"], row["open"]) == ("so-tu-phap", 1, 1, 1)
    assert row["ten-co-quan"] == "Sở Tư pháp (thử nghiệm)"
    out = cli("report", "--from", "2026-01-01", "--by", "co-quan").out
    assert "so-tu-phap" in out
    assert "Sở Tư pháp" in re.sub(r"\s+", " ", out)
    header, (line,), whole = table(cli("report", "--from", "2026-01-01", "--csv").out)
    assert header[:3] == ["Mã dịch vụ", "Tên dịch vụ", "Nộp"]
    assert (line["Mã dịch vụ"], line["Nộp"], line["Đang xử lý, quá hạn"], line["Nộp (kỳ trước)"]) == (
        "2.000488",
        "1",
        "1",
        "0",
    )
    assert (whole["Mã dịch vụ"], whole["Nộp"]) == ("Tổng", "1")
    assert cli("report", "--from", "2025-01-01", "--to", "2025-02-01", "--json").rows == []
    english, _, _ = table(cli("report", "--from", "2026-01-01", "--csv", "--lang", "en").out)
    assert english[:3] == ["Service code", "Service", "Filed"]


def test_finished_dossiers_are_early_on_time_late_or_without_an_appointment(cli, office, dossier):
    """Form and words of offices; one that nobody gave an appointment is not on time."""
    office.receive("accepted/HS11-tra-ket-qua-toi-thieu", "so-tu-phap")
    (row,) = cli("report", "--from", "2026-01-01", "--json").rows
    assert (row["finished"], row["early"] + row["on_time"] + row["late"] + row["undated"], row["open"]) == (1, 1, 0)
    header, _, _ = table(cli("report", "--from", "2026-01-01", "--csv").out)
    assert {"Xong trước hạn", "Xong đúng hạn", "Xong quá hạn", "Xong, chưa có hẹn"} <= set(header)


def test_the_period_before_stands_beside_this_one(cli, office, dossier):
    (row,) = cli("report", "--from", "2026-02-01", "--to", "2026-03-01", "--json").rows
    assert (row["filed"], row["ky_truoc"]["filed"], row["open"], row["ky_truoc"]["open"]) == (0, 1, 1, 1)
    out = cli("report", "--from", "2026-02-01", "--to", "2026-03-01").out
    assert "0 (-1)" in out
    (line,) = table(cli("report", "--from", "2026-02-01", "--to", "2026-03-01", "--csv").out)[1]
    assert (line["Nộp"], line["Nộp (kỳ trước)"]) == ("0", "1")


def test_rejected_messages_and_drift_are_told_by_agency(cli, office, dossier):
    """R59: what an agency's messages were refused for, and of how many of its dossiers somebody does not know the newest."""
    office.receive("-", "so-tu-phap", body=b"<x/>")
    (row,) = cli("report", "--from", "2026-01-01", "--by", "co-quan", "--json").rows
    assert (row["rejected"], row["drift"]) == (1, 1)
    assert "× 1" in row["codes"]
    out = cli("report", "--from", "2026-01-01").out
    assert "Thông điệp bị từ chối" in out
    sheets = pages(exported(cli))
    assert row["codes"] in sheets["Bên gửi"][0]


def test_dossiers_that_cost_points_are_counted_by_agency_in_the_report(cli, office, dossier):
    from gateway.services.lint import lint
    from gateway.wiring import registry_of

    period = (datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC))
    wanted = lint(office.store, registry_of(office.store), *period).by_agency()["so-tu-phap"]
    cells, _ = pages(exported(cli, "--lint"))["Soi 766"]
    assert (wanted.dossiers, cells[cells.index("so-tu-phap") + 2 :][:2]) == (1, [1, wanted.weak])
    *_, row = cli("report", "--from", "2026-01-01", "--lint", "--json").rows
    assert (row["Mã cơ quan"], row["Bị giảm điểm"]) == ("so-tu-phap", wanted.weak)
    assert "công thức của Quyết định chưa tìm được" in cli("report", "--from", "2026-01-01", "--lint").out


def exported(cli, *more, name="bao-cao.xlsx"):
    file = cli.folder / name
    result = cli("report", "--from", "2026-01-01", "--by", "co-quan", "--xlsx", str(file), *more)
    assert result.code == 0, result.err
    return file.read_bytes()


def test_a_workbook_is_in_one_language_and_holds_no_formula(cli, office, dossier):
    made = pages(exported(cli))
    assert [formulas for _, formulas in made.values()] == [0, 0, 0]
    summary = made["Tổng hợp"][0]
    assert {"Báo cáo tình hình giải quyết hồ sơ", "Xong trước hạn", "so-tu-phap", "Tổng"} <= set(summary)
    english = [str(cell) for cells, _ in pages(exported(cli, "--lang", "en")).values() for cell in cells]
    assert "Finished early" in english
    words = [cell for cell in english if re.search("[ạảãấầẩẫậắằẳẵặẹẻẽếềểễệịỉĩọỏõốồổỗộớờởỡợụủũứừửữựỳỵỷỹđ]", cell)]
    assert set(words) <= {"Sở Tư pháp (thử nghiệm)"}  # a name


def test_what_begins_like_a_formula_is_text_in_csv_and_workbook():
    """Names come from catalogues and profiles that others write."""
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "https://example.com"]
    sheet = Sheet(name="x", title="=1+1", header=["=h"], rows=[[cell] for cell in evil], total=[-5])
    lines = csv_text(sheet).decode().splitlines()
    assert [cells_of(line)[0][:1] for line in lines] == ["'"] * 6 + ["h", "-"]
    book = workbook([sheet], datetime(2026, 3, 1, tzinfo=UTC))
    ((cells, formulas),) = pages(book).values()
    assert (cells, formulas) == (["=1+1", "=h", *evil, -5], 0)
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        assert [name for name in parts.namelist() if b"hyperlink" in parts.read(name)] == []
    assert csv_text(sheet, for_excel=True).startswith(b"\xef\xbb\xbf")


def test_forms_say_what_is_not_known_and_quote_nothing(cli, office, dossier):
    register = cli("report", "--form", "07", "--from", "2026-01-01", "--csv").out
    (row,) = csv.DictReader(io.StringIO(register))
    assert (row["Mã hồ sơ"], row["Mã cơ quan"], row["Kênh nộp"]) == (HO_SO, "so-tu-phap", "trực tiếp")
    for form in (["--form", "07", "--from", "2026-01-01"], ["--form", "06", "--dossier", HO_SO]):
        out = cli("report", *form).out
        assert "Chưa có văn bản của mẫu" in out
        assert "không lưu ngoài thông điệp" in out
    (_, received) = cli("report", "--form", "06", "--dossier", HO_SO, "--json").rows
    assert (received["Việc"], received["Trạng thái sau đó"]) == ("HS03 TiepNhanHoSo", "2 Được tiếp nhận")
    assert "Sở Tư pháp (thử nghiệm)" in received["Cơ quan, đơn vị"]
    assert "SYS-042" in cli("report", "--form", "06", "--dossier", "x").err
    for wrong in (["--form", "06"], ["--form", "07"], ["--dossier", "x", "--from", "2026-01-01"], []):
        assert cli("report", *wrong).code == 2
    nowhere = cli.folder / "nowhere" / "x.xlsx"
    assert "SYS-038" in cli("report", "--form", "07", "--from", "2026-01-01", "--xlsx", str(nowhere)).err


def test_what_is_late_is_listed_and_told_by_the_exit_code(cli, office, dossier):
    result = cli("deadlines", "--json")
    assert result.code == 1
    assert {(row["MaHoSo"], row["loai"], row["qua_han"]) for row in result.rows} == {
        (HO_SO, "ket-qua", True),
        (HO_SO, "chuyen-xu-ly", True),
    }
    assert cli("deadlines", "--agency", "ubnd-xa-thu-nghiem").code == 0


def test_a_held_lane_is_an_alert(cli, office):
    before = {row["id"] for row in cli("alerts", "--json").rows}
    office.receive(HS01)
    office.refused()
    result = cli("alerts", "--json")
    news = [(row["alarm"], row["subject"]) for row in result.rows if row["id"] not in before]
    assert (result.code, news) == (1, [("lane-held", HO_SO)])


def test_a_certificate_of_unknown_status_is_an_alert_that_says_what_is_missing_and_what_to_do(cli, office):
    """An authority of the samples publishes no list: nothing said so, while every message of its agency was held."""
    (row,) = cli("alerts", "--json").rows
    assert (row["alarm"], row["party"], row["cause"]) == ("status-missing", "don-vi-loi", "SYS-070")
    out = cli("alerts").out
    assert "SYS-070" in out
    assert "crl_urls" in out
    assert "SYS-070" in cli("doctor").out
    (missing,) = [row["missing"] for row in cli("trust", "show", "--json").rows if row["missing"]]
    assert [one["code"] for one in missing] == ["SYS-070"]


def test_alerts_are_grouped_by_party_and_cause_with_what_the_party_said(cli, office):
    for number in range(3):
        office.receive(HS01, body=letters.dossier(number).body)
        office.refused()
    row = next(row for row in cli("alerts", "--json").rows if row["alarm"] == "lane-held")
    assert (row["alarm"], row["count"], row["cause"], row["severity"]) == ("lane-held", 3, "DLV-031", "now")
    assert row["facts"] == {"codes": ["TTHC"]}
    assert [r["id"] for r in cli("alerts", "list", "--each", "--json").rows].count(row["id"]) == 3
    told = cli("alerts").out
    assert "NGAY 3 × Hàng đợi hồ sơ bị tạm giữ · so-tu-phap (Sở Tư pháp (thử nghiệm)) · DLV-031" in told
    assert "TTHC" in told  # the commonest fact, and no “…”
    assert "lienthong lanes --held --party so-tu-phap" in told
    assert "TTHC" in cli("lanes").out
    assert "… còn 1 nữa." in cli("lanes", "--limit", "2").out


def test_an_alert_that_somebody_took_on_is_no_news_until_its_time_or_its_end(cli, office):
    office.receive(HS01)
    delivery = office.refused()
    row, other = sorted(cli("alerts", "--json").rows, key=lambda row: row["alarm"])
    assert cli("alerts", "ack", other["id"], "--note", "mẫu", "--yes").code == 0
    assert "SYS-041" in cli("alerts", "ack", row["id"]).err
    assert "SYS-042" in cli("alerts", "ack", "none", "--note", "x", "--yes").err
    assert "SYS-082" in cli("alerts", "ack", row["id"], "--note", "x", "--until", "2020-01-01", "--yes").err
    assert cli("alerts", "ack", row["id"], "--note", "Sở đang sửa", "--until", "2999-01-01", "--yes").code == 0
    result = cli("alerts")
    assert (result.code, "Sở đang sửa" in result.out) == (0, True)
    *_, line = [row for row in cli("log", "export", "--json").rows if row["what"] == "alert.acknowledged"]
    assert (line["facts"]["reason"], line["facts"]["party"]) == ("Sở đang sửa", "so-tu-phap")
    with office.store.begin() as tx:  # its time has come
        tx.acknowledge(row["id"], who="x", note="y", until=datetime.now(UTC), now=datetime.now(UTC))
    assert cli("alerts").code == 1
    assert cli("skip", delivery.id, "--yes", "--reason", "x").code == 0
    assert cli("alerts").code == 0


def test_a_viewer_takes_no_alert_on(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace('"administrator"', '"viewer"'))
    assert "SYS-040" in cli("alerts", "ack", "x", "--note", "x").err


def test_what_is_late_is_counted_by_agency_first(cli, office, dossier):
    out = cli("deadlines", "--limit", "1").out
    assert re.search(r"so-tu-phap \(Sở Tư pháp \(thử nghiệm\)\) +2 +0 *\n", out), out
    assert "… còn 1 nữa." in out


def test_a_catalogue_is_shown_before_it_is_recorded_and_stays_readable(cli, office, tmp_path):
    file = tmp_path / "co-quan.csv"
    file.write_text(COQUAN, "utf-8")
    first = cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.1", "--dry-run", "--json").rows
    assert (first[0]["added"], first[0]["recorded"]) == (["H19.901"], False)
    assert cli("catalogue", "show", "CoQuan").code == 1
    assert cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.1", "--yes", "--reason", "đầu").code == 0
    file.write_text(COQUAN.replace("Tư pháp", "Tư pháp mới"), "utf-8")
    refused = cli("catalogue", "import", "CoQuan", str(file), "--version", "2026.1", "--yes", "--reason", "x")
    assert (refused.code, "CAT-011" in refused.out + refused.err) == (1, True)
    old = tmp_path / "cu.csv"
    old.write_bytes(COQUAN.encode("utf-16"))
    unread = cli("catalogue", "import", "CoQuan", str(old), "--version", "2026.2")
    assert (unread.code, "CAT-012" in unread.out + unread.err) == (1, True)
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


def test_working_hours_and_the_calendar_of_the_node_count_for_the_dossier_and_for_what_is_late(cli, office, dossier):
    def due():
        (limit,) = [row for row in cli("dossier", HO_SO, "--json").rows[0]["ThoiHan"] if row["loai"] == "chuyen-xu-ly"]
        (listed,) = [row for row in cli("deadlines", "--json").rows if row["loai"] == "chuyen-xu-ly"]
        assert datetime.fromisoformat(listed["han"]) == datetime.fromisoformat(limit["han"])
        return datetime.fromisoformat(limit["han"])

    taken_in = datetime.fromisoformat(cli("dossier", HO_SO, "--json").rows[0]["NgayTiepNhan"])
    assert due() == taken_in + timedelta(hours=6)
    file = office.folder / "lienthong.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace('#hand_over_in = "elapsed"', 'hand_over_in = "working"'), "utf-8")
    assert (taken_in.astimezone(GIO_VIET_NAM).hour, due() - taken_in) == (
        9,
        timedelta(hours=8),
    )  # a break of two at noon
    (office.folder / "lich.toml").write_text("holidays = [2026-01-15]\n", "utf-8")
    file.write_text(file.read_text("utf-8").replace("#calendar = …", 'calendar = "lich.toml"'), "utf-8")
    assert due().astimezone(GIO_VIET_NAM).isoformat() == "2026-01-16T15:30:00+07:00"
    (office.folder / "lich.toml").write_text("holidays = [2020-01-15]\n", "utf-8")
    assert "SYS-049" in cli("doctor").out  # a calendar without a day off of this year
    (office.folder / "lich.toml").write_text("holiday = [2026-01-15]\n", "utf-8")
    result = cli("deadlines")
    assert ("SYS-012" in result.out + result.err, "holidays" in result.out + result.err) == (True, True)


def test_satisfaction_queries_and_recalls_are_counted(cli, office, dossier):
    office.receive("accepted/HS21-danh-gia-toi-thieu")
    office.receive("accepted/HS17-tra-cuu-toi-thieu")
    office.receive("accepted/HS20-thu-hoi-toi-thieu", "so-tu-phap")  # names no dossier
    row, nobody = sorted(cli("report", "--from", "2026-01-01", "--json").rows, key=lambda row: row["dich-vu"])
    assert (nobody["dich-vu"], nobody["recalled"], "diem_tb" in nobody) == ("–", 1, False)
    assert (row["rated"], row["diem_tb"], row["diem_5"], row["diem_1"], row["asked"]) == (1, 5.0, 1, 0, 1)
    _, (cells, _), whole = table(cli("report", "--from", "2026-01-01", "--csv").out)
    told = [cells[name] for name in ("Được đánh giá", "Điểm trung bình", "Chấm 5 điểm", "Lượt tra cứu")]
    assert (told, whole["Thu hồi"]) == (["1", "5.0", "1", "1"], "1")
    assert "5.0" in cli("report", "--from", "2026-01-01").out
    (own,) = cli("report", "--from", "2026-01-01", "--agency", "so-tu-phap", "--json").rows
    assert (own["dich-vu"], own["recalled"]) == ("2.000488", 0)


def test_the_report_of_a_past_period_tells_how_things_stood_at_its_end(cli, office, dossier):
    before = cli("report", "--from", "2026-01-01", "--to", "2026-01-17", "--json").rows
    assert (before[0]["open"], before[0]["finished"]) == (1, 0)
    office.receive("accepted/HS11-tra-ket-qua-toi-thieu", "so-tu-phap")
    assert cli("report", "--from", "2026-01-01", "--to", "2026-01-17", "--json").rows == before
    (now,) = cli("report", "--from", "2026-01-01", "--json").rows
    assert (now["open"], now["finished"]) == (0, 1)


def test_what_ends_within_a_month_is_among_the_alerts(cli, office):
    soon = (datetime.now(UTC) + timedelta(days=10)).replace(microsecond=0)
    config = office.folder / "lienthong.toml"
    config.write_text(
        config.read_text().replace('name = "chinh-phu"', f'name = "chinh-phu"\nvalid_to = {soon.isoformat()}')
    )
    result = cli("alerts", "--json")
    (row,) = [row for row in result.rows if row["alarm"] == "ending"]
    assert (result.code, *(row["facts"][name] for name in ("kind", "tree", "days"))) == (1, "tree", "chinh-phu", 9)
    assert "Sắp hoặc đã hết hiệu lực" in cli("alerts").out


def test_importing_agencies_shows_which_identifier_will_lead_to_whom(cli, office, tmp_path):
    file = tmp_path / "co-quan.csv"
    rows = "H19.901,Sở Tư pháp,000.01.H19,,\nH19.77,Đơn vị cũ,000.77.H19,2025-06-30,H19.901\n"
    file.write_text(f"Ma,Ten,BiDanh,HieuLucDen,MaThayThe\n{rows}", "utf-8")
    (plan,) = cli("catalogue", "import", "CoQuan", str(file), "--version", "1", "--dry-run", "--json").rows
    assert plan["leads_to"] == dict.fromkeys(("000.01.H19", "000.77.H19", "H19.77"), "so-tu-phap")
    cli("catalogue", "import", "CoQuan", str(file), "--version", "0", "--yes", "--reason", "thử")
    (party,) = [row for row in cli("parties", "list", "--json").rows if row["party"] == "so-tu-phap"]
    assert party["aliases"] == ["000.01.H19", "000.77.H19", "H19.77"]
    assert "(000.77.H19)" in cli("parties", "list").out
    assert "000.77.H19 → so-tu-phap" in cli("catalogue", "import", "CoQuan", str(file), "--version", "1").out
    file.write_text("Ma,Ten,BiDanh\nH19.901,Một,000.01.H19\nH19.902,Hai,000.01.h19\n", "utf-8")
    result = cli("catalogue", "import", "CoQuan", str(file), "--version", "1")
    assert (result.code, "CAT-013" in result.err) == (1, True)


SAMPLES = sorted((pki.SAMPLES / "catalogues").glob("*.csv"))


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_every_sample_of_a_catalogue_is_good(cli, file):
    danh_muc = file.stem.partition("-")[0]
    (row,) = cli("catalogue", "check", danh_muc, str(file), "--json").rows
    assert (row["ok"], row["muc"] > 1, row["problems"]) == (True, True, [])


def test_a_catalogue_that_is_wrong_is_told_with_file_line_and_nearest_name_and_needs_no_node(cli, tmp_path):
    wrong, vague = tmp_path / "sai.csv", tmp_path / "mo-ho.csv"
    text = (pki.SAMPLES / "catalogues" / "DichVu.csv").read_text("utf-8")
    wrong.write_text(text.replace("1 ngay-lam-viec", "1 ngay-lam-viêc"), "utf-8")
    vague.write_text(text.replace("1 ngay-lam-viec", ""), "utf-8")
    result = cli("catalogue", "check", "DichVu", str(wrong), str(vague))
    assert result.code == 1
    assert re.search(r"sai\.csv:3.*CAT-015|CAT-015.*sai\.csv:3", result.out), result.out
    assert "gần nhất: 1 ngay-lam-viec" in result.out
    assert "CAT-018" in result.out


def test_an_imported_catalogue_is_held_against_what_arrives_from_then_on(cli, office, tmp_path):
    """The remark stands in the receipt and in the receiver's inbox, with its place."""
    file = tmp_path / "dich-vu.csv"
    text = (pki.SAMPLES / "catalogues" / "DichVu.csv").read_text("utf-8")
    file.write_text(text.replace(",10 ngày làm việc,", ",9 ngày làm việc,"), "utf-8")
    assert cli("catalogue", "import", "DichVu", file, "--version", "1", "--yes", "--reason", "đầu").code == 0
    office.gate = renewed(office.gate, load(office.folder / "lienthong.toml", {}).settings)
    assert office.receive(HS01).problems == ()
    taken = office.receive(HS03, "so-tu-phap")
    (remark,) = taken.problems
    assert (taken.fate, remark.code, remark.at.line is not None) == (Fate.ACCEPTED, "CAT-043", True)
    assert remark.at.xpath.endswith("/hs:NgayHenTra[1]")
    assert b"CAT-043" in taken.receipt
    with office.store.read() as view:
        (entry,) = [one for one in view.inbox_after("cong-dvc", 0, 10) if one.loai == "HS03"]
    assert [problem.code for problem in entry.problems] == ["CAT-043"]


HS06 = "accepted/HS06-yeu-cau-bo-sung-toi-thieu"


def test_the_forecast_counts_by_agency_and_day_what_will_be_late_unless_it_is_finished(cli, office, dossier):
    """Appointment: 29 January, 17:00. The days are those of home."""
    parties = registry_of(office.store)

    def at(day, days=3, **more):
        return appointments_ahead(office.store, parties, datetime(2026, 1, day, 1, tzinfo=UTC), days, **more)

    (agency,) = at(27).agencies
    assert (agency.agency, agency.overdue, agency.by_day) == ("so-tu-phap", 0, (0, 0, 1))
    assert [(one.ma_ho_so, one.due.day) for one in at(27).dossiers] == [(HO_SO, 29)]
    assert [at(day).agencies for day in (26, 20)] == [(), ()]
    (today,) = at(29, days=1).agencies
    assert (today.by_day, at(29, most=0).left_out) == ((1,), 1)
    (late,) = at(30).agencies
    assert (late.overdue, late.coming, at(30).dossiers) == (1, 0, ())
    assert at(27, agency="ubnd-xa-thu-nghiem").agencies == ()
    assert office.receive(HS06, "so-tu-phap").fate is Fate.ACCEPTED  # from now on it waits for the applicant
    assert at(27).agencies == ()


def test_a_report_that_is_too_wide_for_80_columns_is_several_tables_that_each_name_their_rows(cli, office, dossier):
    by = [word for name in ("dich-vu", "co-quan", "kenh") for word in ("--by", name)]
    for columns, lang, heads, note in (
        (80, "vi", ("Mã dịch vụ", "Mã cơ quan"), r"Bảng được chia làm (\d) phần"),
        (100, "en", ("Service code", "Agency code"), r"The table stands in (\d) parts"),
    ):
        cli.monkeypatch.setenv("COLUMNS", str(columns))
        lines = cli("report", "--from", "2026-01-01", *by, "--lang", lang).out.splitlines()
        (told,) = [number for number, line in enumerate(lines) if re.match(note, line)]
        rules = [number for number, line in enumerate(lines[:told]) if line.startswith("───")]
        assert len(rules) == int(re.match(note, lines[told])[1]) > 1
        assert max(map(len, lines)) <= columns
        for number in rules:
            assert all(head in lines[number - 1] for head in heads), lines[number - 1]
            assert re.match(r"2\.000488 .*so-tu-phap", lines[number + 1]), lines[number + 1]
    cli.monkeypatch.setenv("COLUMNS", "400")
    whole = cli("report", "--from", "2026-01-01", "--by", "co-quan").out
    assert "phần cho vừa" not in whole
    assert cli("report", "--from", "2026-01-01", "--form", "07").out.count("───") > 0


def test_the_forecast_is_a_table_and_rows_and_says_what_it_needs(cli, office, dossier):
    cli.monkeypatch.setenv("COLUMNS", "80")
    result = cli("deadlines", "--forecast", "--days", "6")
    assert (result.code, "Quá hạn" in result.out) == (1, True)
    assert re.search(r"so-tu-phap +Sở Tư pháp.* +1 +0 +0", result.out), result.out
    assert max(map(len, result.out.splitlines())) <= 80
    rows = cli("deadlines", "--forecast", "--json").rows
    assert [(row["dong"], row["qua_han"]) for row in rows] == [("co-quan", 1), ("tong", 1)]
    assert len(rows[0]["theo_ngay"]) == 3
    assert cli("deadlines", "--days", "2").code == 2
