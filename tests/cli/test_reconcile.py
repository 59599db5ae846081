"""reconcile: what differs between our record and a party's, as a table, as JSON and as CSV."""

import csv
import io
import uuid
from datetime import UTC, datetime

import pki
import pytest

from gateway.core.model import Address, Attempt, AttemptOutcome, DeliveryState
from gateway.documents import parse_bytes
from gateway.services import inquiries
from schemas import write
from signing.sign import SigningKey, sign

CODE = "H19.901-260202-0001"  # of the journey below
MAP = """[columns]
MaHoSo = "Ma"
TrangThaiHoSo = "TT"
NgayTiepNhan = "Nhan"

[formats]
NgayTiepNhan = "dd/MM/yyyy"
"""


@pytest.fixture
def export(office):
    """A dossier on record, and what the portal exported of it."""
    office.receive("journeys/muc-do-3/01-HS01-nop-ho-so")
    office.receive("journeys/muc-do-3/02-HS03-tiep-nhan", "so-tu-phap")
    (office.folder / "cot.toml").write_text(MAP, "utf-8")

    def written(*rows):
        (office.folder / "xuat.csv").write_text("\n".join(["Ma,TT,Nhan", *rows]), "utf-8")
        return [
            "reconcile",
            "--party",
            "cong-dvc",
            "--from",
            "2026-01-01",
            "--file",
            "xuat.csv",
            "--columns",
            "cot.toml",
        ]

    return written


def test_sides_that_are_at_one_are_said_to_be_and_end_with_0(cli, export):
    done = cli(*export(f"{CODE},2,02/02/2026"))
    assert (done.code, "khớp 1" in done.out, "Không có hồ sơ nào khác nhau" in done.out) == (0, True, True), done.out


def test_what_differs_is_a_table_in_80_columns_json_and_csv(cli, export, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command = export(f"{CODE},1,03/02/2026", "H19.901-260202-7777,2,", "H19.901-260202-7778,2,", "x;y", "A B,2,")
    shown = cli(*command)
    assert shown.code == 1
    table = shown.out.splitlines()
    table = table[next(n for n, line in enumerate(table) if line.startswith("Hồ sơ")) :]
    assert max(map(len, table)) <= 80, shown.out
    for said in ("xuat.csv:5 REC-004", "xuat.csv:6 REC-005", CODE, "chưa báo cho", "bên nhận"):
        assert said in shown.out, shown.out

    rows = cli(*command, "--json").rows
    assert [row["code"] for row in rows[:2]] == ["REC-004", "REC-005"]
    first, second, third, total = rows[2:]
    assert (first["ma_ho_so"], first["kind"], first["fields"]["TrangThaiHoSo"]) == (
        CODE,
        "state",
        {"theirs": "1", "ours": "2"},
    )
    assert [(row["kind"], row["cause"], row["turn"], row["line"]) for row in (second, third)] == [
        ("missing-here", "never-sent", "party", 3),
        ("missing-here", "never-sent", "party", 4),
    ]
    assert (total["ours"], total["theirs"], total["agree"], total["not_shown"]) == (1, 3, 0, 0)
    assert total["problems"] == {"REC-004": 1, "REC-005": 1}

    cut = cli(*command, "--csv", "--limit", "2")
    table = list(csv.DictReader(io.StringIO(cut.out)))
    assert [(row["ma_ho_so"], row["kind"]) for row in table] == [
        (CODE, "state"),
        ("H19.901-260202-7777", "missing-here"),
    ]
    assert ("1 hồ sơ không hiển thị" in cut.err, "REC-004" in cut.err) == (True, True)
    assert "1 nữa" in cli(*command, "--limit", "2").out


def test_a_formula_in_a_code_is_text_in_the_csv(cli, export):
    assert "'=cmd()" in cli(*export("=cmd(),2,"), "--csv").out


def test_what_cannot_be_compared_is_told_and_nothing_is_compared(cli, export, office):
    command = export(f"{CODE},2,02/02/2026")
    (office.folder / "cot.toml").write_text(MAP.replace('"TT"', '"Trạng thái"'), "utf-8")
    wrong = cli(*command)
    assert (wrong.code, "REC-002" in wrong.err, wrong.out) == (1, True, "")
    assert "SYS-042" in cli(*command[:2], "khong-co", *command[3:]).err
    assert cli(*command, "--to", "2025-01-01").code == 2


# By letter


def answer_to(body):
    """The portal's answer to our HS19: it has the dossier in another state, and one that we do not know."""
    root = parse_bytes(body)
    header = write.Header(
        ma_thong_diep=str(uuid.uuid4()),
        loai="HS19",
        noi_gui=Address(ma_dinh_danh="H19.909"),
        noi_nhan=(Address(ma_dinh_danh=root.findtext("{*}NoiGui/{*}MaDinhDanh")),),
        thoi_diem_tao=datetime.now(UTC),
        ma_thong_diep_goc=root.findtext("{*}MaThongDiep"),
    )
    asked = root.find(".//{*}DoiSoat")
    rows = [
        {"MaHoSo": CODE, "LoaiLech": "KHAC_TRANG_THAI", "TrangThaiBenHoi": 2, "TrangThaiBenTraLoi": 1},
        {"MaHoSo": "H19.901-260202-7777", "LoaiLech": "THIEU_O_BEN_HOI", "TrangThaiBenTraLoi": 4},
    ]
    fields = {name: asked.findtext(f"{{*}}{name}") for name in ("KyTu", "KyDen", "MaDinhDanh")}
    fields |= {"SoHoSo": 2, "SoKhop": 0, "DanhSachChenhLech": {"ChenhLech": rows}}
    signer = pki.signer("cong-dvc")
    key = SigningKey.load(signer.key_pem, signer.cert_pem)
    return sign(write.thong_diep(header, "KetQuaDoiSoat", fields), key, at=datetime.now(UTC))


def test_a_party_that_reads_messages_is_asked_by_letter_and_its_answer_is_compared(cli, export, office, monkeypatch):
    export()
    until = f"{datetime.now(UTC).year + 1}-01-01"  # beyond when the dossier was received, and the same each time
    command = ["reconcile", "--party", "cong-dvc", "--from", "2026-01-01", "--to", until]
    waits = cli(*command, "--wait", "0")
    assert (waits.code, "REC-023" in waits.out, "Đã gửi 1 thông điệp HS19" in waits.err) == (3, True, True), waits
    again = cli(*command, "--wait", "0")
    assert (again.code, "Đã gửi" in again.err) == (3, False)
    with office.store.read() as view:
        (question,) = view.messages(loai="HS19")
        asked = view.body(question.id, question.digest)
        (entry,) = [entry for entry in view.inbox_after("cong-dvc", 0) if entry.loai == "HS19"]
    assert (question.state, entry.message) == ("accepted", question.id)

    answer = office.receive(None, "cong-dvc", body=answer_to(asked))
    assert (answer.fate, answer.problems) == ("accepted", ())
    done = cli(*command, "--json")
    first, second, total = done.rows
    assert (done.code, total["source"], total["ours"], total["theirs"]) == (1, "HS19", 1, 2)
    assert (first["ma_ho_so"], first["kind"], first["fields"]) == (
        CODE,
        "state",
        {"TrangThaiHoSo": {"theirs": "1", "ours": "2"}},
    )
    assert (second["ma_ho_so"], second["kind"], second["cause"]) == (
        "H19.901-260202-7777",
        "missing-here",
        "never-sent",
    )
    monkeypatch.setattr(inquiries, "LINES", 2)  # of an answer that is full there may be more
    assert cli(*command, "--json").rows[0]["code"] == "REC-024"
    assert cli(*command, "--wait", "0", "--again").code == 3


# Mending


def test_a_party_that_reads_messages_and_lost_a_dossier_is_handed_it_again(cli, export, office):
    export()
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        (sent,) = tx.claim_due("so-tu-phap", now, 5, 60.0)
    took = {"started_at": now, "ended_at": now, "outcome": AttemptOutcome.DELIVERED}
    with office.store.begin() as tx:
        tx.settle(sent, Attempt(delivery=sent.id, number=1, kind="send", **took), DeliveryState.DELIVERED)
    (office.folder / "xuat.csv").write_text("Ma,TT,Nhan\n", "utf-8")
    command = ["reconcile", "--party", "so-tu-phap", *export()[3:], "--repair"]

    plan = cli(*command, "--dry-run")
    assert (plan.code, "chuyển lại thông điệp (HS01)" in plan.out, "Kế hoạch" in plan.out) == (1, True, True), plan.out
    (row,) = cli(*command, "--dry-run", "--json").rows
    assert (row["plan"]["act"], row["plan"]["cause"], row["plan"]["code"]) == ("deliver", "missing-there", "DLV-046")
    with office.store.read() as view:
        assert len(view.deliveries(party="so-tu-phap")) == 1, "a dry run changes nothing"

    done = cli(*command, "--yes", "--reason", "Sở mất dữ liệu", "--json")
    assert (done.code, done.rows[-1]["repaired"]) == (0, CODE), done.err
    with office.store.read() as view:
        first, again = view.deliveries(party="so-tu-phap")
    assert (again.ma_thong_diep, again.digest, again.state) == (first.ma_thong_diep, first.digest, "queued")
    waits = cli(*command, "--dry-run", "--json").rows[0]["plan"]
    assert (waits["act"], waits["cause"]) == ("nothing", "waiting"), "it is on its way now"
    assert cli("log", "verify", "--store").code == 0


def test_what_is_not_ours_to_mend_is_said_and_left_alone(cli, export):
    command = [*export(f"{CODE},1,02/02/2026", "H19.901-260202-7777,2,"), "--repair", "--dry-run"]
    shown = cli(*command)
    assert (shown.code, "REC-030" in shown.out, "không khắc phục từ phía trục 2" in shown.out) == (1, True, True), (
        shown.out
    )
    assert cli(*command[:-1], "--yes", "--reason", "thử").code == 1
    assert cli(*command, "--csv").code == 2


def test_what_was_erased_cannot_be_told_again(cli, export, office):
    export()
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        (sent,) = tx.claim_due("so-tu-phap", now, 5, 60.0)
    took = {"started_at": now, "ended_at": now, "outcome": AttemptOutcome.DELIVERED}
    with office.store.begin() as tx:
        tx.settle(sent, Attempt(delivery=sent.id, number=1, kind="send", **took), DeliveryState.DELIVERED)
    with office.store.begin() as tx:
        tx.erase({sent.message: [sent.digest]}, who="operator:an", reason="hết hạn lưu", now=now)
    command = ["reconcile", "--party", "so-tu-phap", *export()[3:], "--repair", "--dry-run"]
    assert "REC-031" in cli(*command).out
