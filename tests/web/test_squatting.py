"""A party that tries to take, move and spy out others' dossiers, from outside, with three agencies and a portal."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nodes
import pki
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import mail

from gateway.core.model import Address
from schemas.fresh import Size, fresh
from signing.sign import sign

PORTAL, FORGER, VICTIM, LEAD = "cong-dvc", "so-xay-dung", "ubnd-xa-thu-nghiem", "so-tu-phap"
pytestmark = pytest.mark.threat("T-SQUAT")


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with nodes.node(tmp_path_factory.mktemp("squat") / "node") as made:
        made.serve(workers=1)
        yield made


class Voices:
    """Signed messages of the parties; nobody signs for another."""

    def __init__(self, node):
        self.node, self.number = node, 0

    def code(self, owner, days=0):
        self.number += 1
        day = datetime.now(UTC) + timedelta(hours=7, days=days)
        return f"{pki.party(owner).identifiers[0]}-{day:%y%m%d}-{self.number:05d}"

    def say(self, loai, goc, sender, to, code, **values):
        self.number += 1
        identity = {one: Address(ma_dinh_danh=pki.party(one).identifiers[0]) for one in (sender, *to)}
        if goc == "ChuyenHoSo":
            values |= {"DonViChuyen": identity[sender].ma_dinh_danh, "DonViNhan": identity[to[0]].ma_dinh_danh}
        at = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=self.number)
        if goc == "CapNhatTienDo":  # in the order in which it is told
            values |= {"ThoiDiemXuLy": at}
        body = fresh(
            loai,
            goc=goc,
            ma_ho_so=code,
            seed=self.number,
            at=at,
            size=Size.SMALL,
            noi_gui=identity[sender],
            noi_nhan=[identity[one] for one in to],
            values=values,
        )
        return self.node.post(sign(body, mail.key(sender), at=datetime.now(UTC)), sender)

    def sees(self, party, code):
        return self.node.call("GET", f"/v1/dossiers/{code}", party=party)


@pytest.fixture(scope="module")
def voices(node):
    return Voices(node)


def told(answer):
    return answer.status, [problem["code"] for problem in answer.json.get("problems", [])]


def test_nobody_takes_anothers_code_and_its_owner_files_under_it_undisturbed(node, voices):
    code, before = voices.code(VICTIM), len(node.inbox(PORTAL))
    for to in ([VICTIM], [VICTIM, PORTAL], [PORTAL], [LEAD, PORTAL]):
        assert told(voices.say("HS01", "NopHoSo", FORGER, to, code)) == (403, ["AUT-021"])
    assert voices.say("HS01", "NopHoSo", PORTAL, [VICTIM], code).status == 201
    for loai, goc in (("HS01", "NopHoSo"), ("HS03", "TiepNhanHoSo"), ("HS05", "CapNhatTienDo"), ("HS11", "TraKetQua")):
        status, codes = told(voices.say(loai, goc, FORGER, [PORTAL], code))
        assert (status, codes) == (403, ["AUT-021" if loai == "HS01" else "AUT-020"])
    assert told(voices.say("HS15", "KetQuaChuyen", FORGER, [VICTIM], code)) == (403, ["AUT-020"])
    assert voices.say("HS03", "TiepNhanHoSo", VICTIM, [PORTAL], code).status == 201
    assert voices.sees(PORTAL, code).json["TrangThai"] == 2
    assert [entry["NoiGui"] for entry in node.inbox(PORTAL)[before:]] == [pki.party(VICTIM).identifiers[0]]


def test_codes_of_days_to_come_are_not_taken_by_anybody(voices):
    for sender, to in ((VICTIM, PORTAL), (PORTAL, VICTIM)):
        assert told(voices.say("HS01", "NopHoSo", sender, [to], voices.code(VICTIM, days=3))) == (422, ["XSD-111"])
    assert voices.say("HS01", "NopHoSo", VICTIM, [PORTAL], voices.code(VICTIM, days=1)).status == 201


def test_a_stranger_gets_the_same_answers_whether_a_code_is_taken_or_not(voices):
    taken, free = voices.code(VICTIM), voices.code(VICTIM)
    assert voices.say("HS01", "NopHoSo", PORTAL, [VICTIM], taken).status == 201
    for loai, goc in (("HS01", "NopHoSo"), ("HS05", "CapNhatTienDo"), ("HS20", "ThuHoiThongDiep")):
        answers = []
        for code in (taken, free):
            extra = {"MaHoSo": code} if loai == "HS20" else {}
            answer = voices.say(loai, goc, FORGER, [PORTAL], code, **extra)
            (problem,) = answer.json["problems"]
            answers.append((answer.status, {name: str(value).replace(code, "…") for name, value in problem.items()}))
        assert answers[0] == answers[1]
    assert [voices.sees(FORGER, code).status for code in (taken, free)] == [404, 404]
    bodies = [voices.sees(FORGER, code).json["problems"][0]["code"] for code in (taken, free)]
    assert bodies[0] == bodies[1]


def test_a_real_transfer_works_and_the_agency_asked_says_its_answer_and_no_more(voices):
    code = voices.code(LEAD)
    assert voices.say("HS01", "NopHoSo", PORTAL, [LEAD], code).status == 201
    assert voices.say("HS03", "TiepNhanHoSo", LEAD, [PORTAL], code).status == 201
    assert told(voices.say("HS15", "KetQuaChuyen", VICTIM, [LEAD], code)) == (403, ["AUT-020"])
    assert voices.say("HS14", "ChuyenHoSo", LEAD, [VICTIM], code).status == 201
    for loai, goc, to in (
        ("HS05", "CapNhatTienDo", PORTAL),
        ("HS11", "TraKetQua", PORTAL),
        ("HS13", "DungXuLy", PORTAL),
        ("HS14", "ChuyenHoSo", FORGER),
    ):
        assert told(voices.say(loai, goc, VICTIM, [to], code)) == (403, ["AUT-022"])
    assert voices.say("HS15", "KetQuaChuyen", VICTIM, [LEAD], code).status == 201
    assert voices.sees(PORTAL, code).json["TrangThai"] == 2


def test_received_at_one_office_and_handled_at_another_works_under_the_first_ones_code_only(voices):
    code = voices.code(VICTIM)
    received = {"TrangThaiHoSo": "2", "DonViXuLy": "Một cửa", "NgayTiepNhan": datetime.now(UTC) - timedelta(hours=2)}
    received["NgayNopHoSo"] = received["NgayTiepNhan"]
    assert told(voices.say("HS01", "NopHoSo", LEAD, [VICTIM, PORTAL], code, **received)) == (403, ["AUT-021"])
    assert voices.say("HS01", "NopHoSo", VICTIM, [LEAD, PORTAL], code, **received).status == 201
    assert told(voices.say("HS13", "DungXuLy", VICTIM, [PORTAL], code)) == (403, ["AUT-022"])
    assert told(voices.say("HS05", "CapNhatTienDo", VICTIM, [PORTAL], code, TrangThai="9")) == (403, ["AUT-023"])
    for state in ("4", "9"):
        assert voices.say("HS05", "CapNhatTienDo", LEAD, [PORTAL], code, TrangThai=state).status == 201
    assert voices.say("HS05", "CapNhatTienDo", VICTIM, [PORTAL], code, TrangThai="10").status == 201
    told_of = voices.sees(PORTAL, code).json
    assert (told_of["TrangThai"], told_of["CoQuanXuLy"]) == (10, LEAD)


def test_an_operator_gives_an_occupied_code_back(node, voices):
    code = voices.code(VICTIM)
    assert voices.say("HS01", "NopHoSo", PORTAL, [LEAD], code).status == 201  # the portal's mistake
    assert told(voices.say("HS01", "NopHoSo", VICTIM, [PORTAL], code)) == (409, ["AUT-024"])
    assert b"SYS-041" in node.run("dossier", "release", code, "--yes", fine=(1,)).stderr
    (row,) = node.rows("dossier", "release", code, "--yes", "--reason", "filed under another agency's code")
    assert (row["released"], row["events"]) == (code, 1)
    assert voices.say("HS01", "NopHoSo", VICTIM, [PORTAL], code).status == 201
    assert voices.sees(PORTAL, code).json["CoQuanXuLy"] == VICTIM
    assert voices.sees(LEAD, code).status == 404
    assert code in node.run("dossier", code).stdout.decode() == node.run("dossier", "show", code).stdout.decode()
    assert node.run("log", "verify").returncode == 0
    assert b"SYS-042" in node.run("dossier", "release", voices.code(VICTIM), "--yes", "--reason", "x", fine=(1,)).stderr
