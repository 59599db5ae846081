"""References to files that lie elsewhere are not believed blindly, and it is said that nobody looked."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.model import Basis
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.severity import Severity
from gateway.documents import Attested
from schemas.check import check
from schemas.fresh import Size, fresh
from schemas.read import read_letter
from schemas.references import EMPTY, flaw
from schemas.strictness import RuleSettings
from schemas.write import Tep

GOOD = "https://tep.example.com/a.pdf"
DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
REFUSED = {
    "http://169.254.169.254/latest/meta-data": {"XSD-127", "XSD-144"},
    "https://169.254.169.254/latest/meta-data": {"XSD-144"},
    "https://10.0.0.1/a": {"XSD-144"},
    "https://203.0.113.7/a": {"XSD-144"},
    "https://2130706433/a": {"XSD-144"},
    "https://0x7f.1/a": {"XSD-144"},
    "https://[::1]/a": {"XSD-144"},
    "https://[fe80::1%25eth0]/a": {"XSD-144"},
    "https://localhost/a": {"XSD-144"},
    "https://may-chu/a": {"XSD-144"},
    "https://kho.local/a": {"XSD-144"},
    "https://kho.internal./a": {"XSD-144"},
    "https://an:bi-mat@tep.example.com/a": {"XSD-144"},
    "https://tep.example.com@10.0.0.1/a": {"XSD-144"},
    "https://tep\u202emoc.example.com/a": {"XSD-144"},
    "https://tep.example.com/a\u200bb.pdf": {"XSD-144"},
    "https://tep.example.com:0/a": {"XSD-144"},
    "https://tep.example.com\\\\@evil.example/a": {"XSD-144"},
    "https://-/a": {"XSD-144"},
    "http://tep.example.com/a.pdf": {"XSD-127"},
}
TAKEN = (
    "https://tep.example.com/a.pdf",
    "https://tep.example.com:8443/a?b=c#d",
    "https://hồsơ.example.vn/tệp.pdf",
    "https://Tep.Example.COM/a",
)


@pytest.fixture
def with_reference(header, hs01_fields):
    """An HS01 whose one file lies elsewhere."""
    from schemas.write import thong_diep

    def make(address=GOOD, digest=DIGEST, size=3):
        file = Tep(ma="f1", ten="a.pdf", loai="application/pdf", so_byte=size, sha256=digest, duong_dan=address)
        return thong_diep(header(loai="HS01"), "NopHoSo", hs01_fields, (file,)).decode()

    return make


@pytest.fixture
def hs01_fields():
    """The least of an HS01 that uses the file."""
    return {
        "MaHoSo": "H19.901-260115-0001",
        "MaTTHC": "1.001193",
        "TenTTHC": "Đăng ký khai sinh",
        "MaLinhVuc": "G15-TP01",
        "TenLinhVuc": "Hộ tịch",
        "LoaiDoiTuong": 1,
        "TrangThaiHoSo": 1,
        "HinhThuc": 0,
        "DanhSachTaiLieuNop": {"TaiLieuNop": [{"TenTepDinhKem": "a.pdf", "MaDinhKem": "f1"}]},
        "NgayNopHoSo": datetime(2026, 1, 15, 1, 0, tzinfo=UTC),
    }


@pytest.mark.threat("T-REFERENCE")
@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_may_not_be_believed_is_refused_by_its_reason(address, with_reference, problems, catalog):
    found = problems(with_reference(address), catalog)
    assert {problem.code for problem in found} - {"XSD-250"} == REFUSED[address]
    for problem in found:
        assert problem.at.xpath.endswith("/lt:DuongDan[1]")
        assert "…" not in problem.message(Lang.VI) + problem.message(Lang.EN)
    for problem in found:
        if problem.code == "XSD-144":
            assert problem.facts["why"] in Problem("XSD-144").entry.words["why"]


@pytest.mark.threat("T-REFERENCE")
@pytest.mark.parametrize("address", TAKEN)
def test_honest_addresses_are_taken_and_it_is_said_that_nobody_looked(address, with_reference, letter, catalog):
    read = letter(with_reference(address), catalog)
    assert [(note.code, note.facts["ma"]) for note in read.notes] == [("XSD-250", "f1")]


@pytest.mark.threat("T-REFERENCE")
@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ("http://tep.example.com/a.pdf", {"XSD-250"}),
        ("https://tep.example.com/a.pdf", {"XSD-250"}),
        ("http://169.254.169.254/latest/meta-data", {"XSD-144"}),
        ("http://truc.local/a.pdf", {"XSD-144"}),
    ],
)
def test_a_profile_may_let_http_pass_and_nothing_else(address, codes, with_reference, parsed, catalog):
    document = parsed(with_reference(address))
    done = check(document, catalog)
    attested = Attested(
        envelope=document.envelope, body=document.body, root=document.root, kind=done.kind, basis=Basis.CHANNEL
    )
    try:
        found = read_letter(attested, catalog, plain_references=True).thong_diep.notes
    except Stopped as stop:
        found = stop.problems
    assert {problem.code for problem in found} == codes


@pytest.mark.threat("T-REFERENCE")
@pytest.mark.parametrize(("digest", "size"), [("0" * 64, 3), ("f" * 64, 3), (EMPTY, 3), (DIGEST, 0)])
def test_a_digest_that_no_file_has_is_refused(digest, size, with_reference, codes, catalog):
    assert "XSD-145" in codes(with_reference(digest=digest, size=size), catalog)


def test_a_node_may_take_other_schemes_but_never_other_hosts(with_reference, letter, codes, catalog):
    lenient = catalog.replace(rules=RuleSettings(severity={"dinh-kem-qua-https": Severity.WARN}))
    assert {note.code for note in letter(with_reference("http://tep.example.com/a.pdf"), lenient).notes} == {
        "XSD-227",
        "XSD-250",
    }
    assert "XSD-144" in codes(with_reference("http://10.0.0.1/a.pdf"), lenient)


def test_addresses_in_the_payload_are_held_to_the_same_rules(at, catalog, letter, codes):
    body = fresh("HS01", at=at - timedelta(hours=1), size=Size.FULL, catalog=catalog).decode()
    told = [note.facts["ma"] for note in letter(body, catalog).notes if note.code == "XSD-250"]
    assert "DuongDanTaiTepTin" in told
    start = body.index("<hs:DuongDanTaiTepTin>") + len("<hs:DuongDanTaiTepTin>")
    end = body.index("</hs:DuongDanTaiTepTin>", start)
    for address, code in (("https://10.0.0.1/a", "XSD-144"), ("http://tep.example.com/a", "XSD-127")):
        assert codes(body[:start] + address + body[end:], catalog) == [code]


def test_reasons_are_those_the_catalogue_has_words_for():
    reasons = {flaw(address.replace("\\\\", "\\")) for address in REFUSED} - {None}
    assert reasons == set(Problem("XSD-144").entry.words["why"])
