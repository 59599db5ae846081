"""Đối soát: a party's export against the record, and the repair as a batch; what may come instead of an export."""

import io
import re
import zipfile
from dataclasses import replace

import pytest
from cong_quoc_gia import CongQuocGia, settings
from false_agency import Agency
from openpyxl import Workbook

from gateway.console.app import UPLOAD_BYTES
from gateway.core.batches import BatchItemState, BatchKind
from gateway.core.parties import Receives
from gateway.services.profiles import to_text

COLUMNS = """\
[columns]
MaHoSo = "Mã"
TrangThaiHoSo = "Trạng thái"
"""


@pytest.fixture(scope="module")
def codes(office):
    """Eight dossiers that the agency took."""
    letters = office.file(8, first=800)
    office.deliver()
    office.clock.forward(minutes=1)
    return [letter.ma_ho_so for letter in letters]


@pytest.fixture
def form(office):
    """The form of a person, filled in: about these two days."""

    def filled(who, to="/lech/doi-soat", **given):
        (fields,) = who.get("/lech").forms(to)
        now = office.clock.now
        days = {"tu": f"{now.replace(day=1):%Y-%m-%d}", "den": ""}
        return list({**dict(fields), "ben": "so-tu-phap", **days, **given}.items())

    return filled


def export(codes):
    """All but the first two of them in state 1, the third in 4; and one that we do not know."""
    return [(code, "1") for code in codes[3:]] + [(codes[2], "4"), ("H19.901-260101-9999", "2")]


def as_csv(rows):
    return "\n".join(["Mã;Trạng thái", *(f"{code};{state}" for code, state in rows)]).encode()


def as_xlsx(rows):
    book, made = Workbook(), io.BytesIO()
    book.active.append(["Mã", "Trạng thái"])
    for row in rows:
        book.active.append(row)
    book.save(made)
    return made.getvalue()


def files(body, columns=COLUMNS, name="xuat.csv"):
    return {"tep": (name, body), "cot": ("cot.toml", columns.encode())}


@pytest.mark.parametrize("packed", [as_csv, as_xlsx])
def test_what_is_missing_and_what_differs_is_told_with_counts_first(persons, form, codes, packed):
    viewer = persons["viewer"]
    seen = viewer.send_files("/lech/doi-soat", form(viewer), files(packed(export(codes))))
    assert seen.status == 200, seen.text
    for part in ("Thiếu ở trục: 1", "Thiếu ở bên đó: 3", "Khác trạng thái: 1", "H19.901-260101-9999", *codes[:3]):
        assert part in seen.text, seen.text
    assert seen.text.index("trục có") < seen.text.index("H19.901-260101-9999")
    assert seen.forms("/viec/khac-phuc/lam") == []  # a viewer mends nothing


def test_the_repair_is_planned_reasoned_and_becomes_a_batch_once(office, persons, form, codes):
    operator = persons["operator"]
    seen = operator.send_files("/lech/doi-soat", form(operator), files(as_csv(export(codes))))
    assert "Khắc phục 3 hồ sơ" in seen.text, seen.text
    assert operator.do(seen, "khac-phuc", reason=" ").codes == ["SYS-041"]
    done = operator.do(seen, "khac-phuc", reason="bên nhận khôi phục bản cũ")
    number = int(re.search(r"/dot/(\d+)", done.source)[1])
    assert operator.do(seen, "khac-phuc").codes == ["SYS-168"]
    with office.store.read() as view:
        known, planned = view.batch(number), view.every_batch_item(number, states=[BatchItemState.PLANNED])
        subjects = sorted(item.step.subject for item in planned)
        assert (known.kind, subjects) == (BatchKind.REPAIR, sorted([*codes[:2], office.failed[0].id]))
    office.work(turns=2)
    assert {delivery.lane for delivery in office.deliver()} >= set(codes[:2])


def test_lists_are_cut_and_say_so(persons, form, codes, monkeypatch):
    monkeypatch.setattr("gateway.console.comparing.SHOWN", 1)
    viewer = persons["viewer"]
    seen = viewer.send_files("/lech/doi-soat", form(viewer), files(as_csv([("A-1", "1"), ("A-2", "1"), ("A 3", "1")])))
    assert "Thiếu ở trục: 2" in seen.text
    assert "Còn 1 hồ sơ nữa." in seen.text
    assert "1 dòng không so sánh được" in seen.text
    assert "REC-005" in seen.codes


def bomb():
    """An XLSX whose sheet is a few kilobytes, and a gigabyte unpacked."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(as_xlsx([]))) as good, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in good.infolist():
            if not part.filename.endswith("sheet1.xml"):
                packed.writestr(part, good.read(part))
        with packed.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(80):
                sheet.write(b" " * 2**20)
    return made.getvalue()


BAD = {
    "nothing": (b"", COLUMNS, "REC-003"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), COLUMNS, "REC-010"),
    "half an xlsx": (as_xlsx([("A", "1")])[:900], COLUMNS, "REC-009"),
    "a bomb": (bomb, COLUMNS, "REC-011"),
    "too long": (b"x" * (UPLOAD_BYTES + 1), COLUMNS, "SYS-174"),
    "other columns": (b"a;b\n1;2\n", COLUMNS, "REC-002"),
    "no TOML": (b"a", "= = =", "SYS-011"),
    "unknown field": (b"a", '[columns]\nMaHoSo = "a"\nXyz = "b"\n', "SYS-014"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.threat("T-DESK-MARKUP")
def test_what_comes_instead_of_an_export_is_told_by_its_name_and_not_by_where_it_lies(persons, form, what):
    viewer = persons["viewer"]
    body, columns, code = BAD[what]
    if callable(body):  # a gigabyte is packed by the worker that sends it
        body = body()
    called = "<script>alert(1)</script>\u202e.csv"
    seen = viewer.send_files("/lech/doi-soat", form(viewer), files(body, columns, name=called))
    assert seen.codes[:1] == [code], seen.text
    assert "<script>alert" not in seen.source
    assert "\u202e" not in seen.source
    assert "/ban-truc-" not in seen.source.replace("/ban-truc/", "")  # the folder it lay in for a moment


def test_cells_of_markup_formulas_and_turned_text_come_back_as_text(persons, form):
    viewer = persons["viewer"]
    rows = [("<img src=x onerror=alert(1)>", "1"), ("=HYPERLINK(1)", "1"), ("A\u202eB", "1"), ("B-1", "<b>4</b>")]
    for packed in (as_csv, as_xlsx):
        seen = viewer.send_files("/lech/doi-soat", form(viewer), files(packed(rows)))
        assert (seen.status, "<img" in seen.source, "\u202e" in seen.source) == (200, False, False)
        assert {"REC-005", "REC-006"} <= set(seen.codes)


@pytest.mark.threat("T-DESK-FORM")
def test_a_form_with_files_needs_its_token_first_its_fields_and_its_person(office, persons, form, codes):
    viewer, given = persons["viewer"], files(as_csv([]))

    def send(fields, brought=given, **headers):
        return viewer.send_files("/lech/doi-soat", fields, brought, **headers).codes

    right = dict(form(viewer))
    assert send([*{**right, "the": "sai"}.items()]) == ["SYS-167"]
    assert send([(n, v) for n, v in right.items() if n != "the"]) == ["SYS-167"]
    assert send([*right.items()], Origin="https://xau.example") == ["SYS-167"]
    assert send([*{**right, "ben": "khong-co"}.items()]) == ["SYS-042"]
    assert send([*{**right, "ben": "' OR 1=1"}.items()]) == ["SYS-042"]
    for field, value in (
        ("tu", "2026-02-31"),
        ("tu", ""),
        ("den", "2020-01-01"),
        ("ben", "x\u202ey"),
        ("tu", "x" * 1000),
    ):
        assert send([*{**right, field: value}.items()]) == ["SYS-170"], (field, value)
    assert send([*right.items()], {}) == ["SYS-170"]
    assert send([*right.items()], {"tep": given["tep"]}) == ["SYS-170"]
    assert send([*right.items(), *((f"x{n}", "y") for n in range(50))]) == ["SYS-170"]
    assert viewer.send("/lech/doi-soat", right).codes == ["SYS-170"]
    assert office.visitor().send_files("/lech/doi-soat", [*right.items()], given).status == 401


@pytest.mark.threat("T-DESK-ROLE")
def test_asking_a_party_is_for_operators_and_tells_what_is_still_to_come(office, persons, form):
    operator, viewer = persons["operator"], persons["viewer"]
    assert viewer.get("/lech").forms("/lech/hoi") == []
    token = dict(viewer.get("").forms("/ra")[0])["the"]
    assert viewer.send("/lech/hoi", {"the": token, "ben": "so-tu-phap"}).codes == ["SYS-171"]
    (fields,) = operator.get("/lech").forms("/lech/hoi")
    given = {**dict(fields), "ben": "so-tu-phap"}
    first = operator.send("/lech/hoi", given)
    assert first.codes == ["REC-023"], first.text
    assert operator.send("/lech/hoi", given).codes == ["REC-023"]
    with office.store.read() as view:
        assert len([one for one in view.messages(limit=100) if one.loai == "HS19"]) == 1  # asked once, waited for twice


def test_a_party_with_a_look_up_is_asked_of_each_dossier_and_what_it_says_is_compared(
    office, persons, form, codes, tmp_path, monkeypatch
):
    monkeypatch.setattr("gateway.console.comparing.PER_SECOND", 1000.0)
    before, cong = office.room.registry()[0].get("cong-dvc"), CongQuocGia()
    cong.dossiers = {code: {"MaHoSo": code, "TrangThaiHoSo": "1"} for code in codes[1:]}
    cong.states = {codes[1]: "4"}
    agency, who = Agency(cong), {"who": "operator:test", "reason": "thử", "now": office.clock.now}

    def applied(party):
        with office.store.begin() as tx:
            tx.apply_parties({party.id: to_text(party)}, **who)

    office.listening.in_loop(agency.start())
    try:
        how = {"connector": "qcvn120", "connector_settings": settings(agency.url, tmp_path)}
        applied(replace(before, receives=Receives.PUSH, **how))
        operator = persons["operator"]
        seen = operator.send("/lech/hoi", form(operator, to="/lech/hoi", ben="cong-dvc"))
    finally:
        office.listening.in_loop(agency.stop())
        applied(before)
    asked = [call["mahoso"] for call in cong.calls if call["service"] == "TraCuuHoSo"]
    assert set(codes) <= set(asked)
    assert f"trục có {len(set(asked))} hồ sơ" in seen.text, seen.text
    for part in ("Khác trạng thái: 1", "Tra cứu từng hồ sơ không phát hiện được", codes[0], codes[1], "Khắc phục"):
        assert part in seen.text, seen.text
    missing = seen.source.partition("Thiếu ở bên đó:")[2].partition("</table>")[0]
    assert (codes[0] in missing, codes[1] in missing) == (True, False)
    assert cong.effects == []  # it was only asked


def test_a_period_with_more_dossiers_than_a_page_waits_for_is_left_to_the_command_line(
    office, persons, form, monkeypatch
):
    party = replace(office.room.registry()[0].get("so-xay-dung"), receives=Receives.PUSH, connector="http")
    with office.store.begin() as tx:
        tx.apply_parties({party.id: to_text(party)}, who="operator:test", reason="thử", now=office.clock.now)
    monkeypatch.setattr("gateway.console.comparing.ASKED", -1)
    operator = persons["operator"]
    seen = operator.send("/lech/hoi", form(operator, to="/lech/hoi", ben="so-xay-dung"))
    assert (seen.codes, "lienthong reconcile" in seen.text) == (["SYS-175"], True)
