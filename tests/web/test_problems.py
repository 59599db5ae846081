"""Problem documents: RFC 9457, both languages, both forms."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.core.problems import Lang, Location, Problem, ProblemOutcome, Side, catalogue
from gateway.web import problems
from gateway.web.accept import Media

# What a door of the gateway may say; SYS-16x and later are told at the command line, the console or by the node.
DOOR = [entry for code, entry in catalogue().items() if code.startswith((*(f"SYS-1{n}" for n in range(6)), "AUT-1"))]
PLACED = Problem("SYS-114", {"parameter": "x", "expected": "y"}, at=Location(3, 7, "/lt:ThongDiep/lt:MaHoSo[1]"))


def test_a_document_has_the_members_of_rfc_9457_and_both_languages():
    document = problems.document([PLACED], status=400, lang=Lang.EN, correlation_id="c-1")
    assert document["type"] == "urn:lienthong:problem:SYS-114"
    assert document["status"] == 400
    assert document["title"] == document["titles"]["en"] == "The request cannot be read"
    assert document["titles"]["vi"] == "Yêu cầu không đọc được"
    assert document["detail"] == PLACED.message(Lang.EN)
    assert document["details"]["vi"] == PLACED.message(Lang.VI)
    (row,) = document["problems"]
    assert (row["line"], row["column"], row["xpath"]) == (3, 7, "/lt:ThongDiep/lt:MaHoSo[1]")
    assert row["message"]["vi"] == PLACED.message()
    assert row["remedy"]["en"] == PLACED.remedy(Lang.EN)


def test_every_problem_is_there_and_the_detail_counts_them():
    document = problems.document([PLACED, PLACED, PLACED], status=400, lang=Lang.EN)
    assert len(document["problems"]) == 3
    assert document["detail"].endswith("(and 2 more)")


def test_the_xml_form_says_the_same_as_the_json_form():
    document = problems.document([PLACED], status=400, lang=Lang.VI, MaThongDiep=None, receipt=b"<r/>")
    as_json = json.loads(problems.render(document, Media.JSON))
    root = etree.fromstring(problems.render(document, Media.XML))
    ns = "{urn:ietf:rfc:7807}"
    assert root.tag == f"{ns}problem"
    assert root.findtext(f"{ns}title") == as_json["title"]
    assert root.findtext(f"{ns}status") == "400"
    assert root.findtext(f"{ns}problems/{ns}i/{ns}message/{ns}vi") == as_json["problems"][0]["message"]["vi"]
    assert root.findtext(f"{ns}receipt") == as_json["receipt"]
    assert "MaThongDiep" not in as_json
    assert root.find(f"{ns}MaThongDiep") is None


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_whatever_a_fact_holds_the_document_stays_readable(text):
    problem = Problem("SYS-114", {"parameter": text, "expected": text})
    document = problems.document([problem], status=400, lang=Lang.VI)
    etree.fromstring(problems.render(document, Media.XML))
    json.loads(problems.render(document, Media.JSON))


@pytest.mark.parametrize("entry", DOOR, ids=lambda entry: entry.code)
def test_every_refusal_of_the_door_has_a_status_and_a_title(entry):
    assert entry.status is not None
    assert entry.status in problems._TITLES
    assert entry.status < 500 or entry.side is Side.GATEWAY


@pytest.mark.parametrize("entry", list(catalogue().values()), ids=lambda entry: entry.code)
def test_every_code_leads_to_a_status_that_has_a_title(entry):
    status = problems.http_status_of([Problem(entry.code)])
    assert status in problems._TITLES
    assert (status < 400) == (entry.outcome is not ProblemOutcome.FAILED)


def test_a_failure_decides_the_status_over_doubts_and_notes():
    by_outcome = {
        outcome: next(e.code for e in catalogue().values() if e.outcome is outcome) for outcome in ProblemOutcome
    }
    failed = Problem("SYS-101", {"limit_bytes": 1})
    mixed = [Problem(by_outcome[ProblemOutcome.NOTE]), Problem(by_outcome[ProblemOutcome.UNDETERMINED]), failed]
    assert problems.http_status_of(mixed) == 413
    assert problems.http_status_of(mixed[:2]) == 202
    assert problems.http_status_of(mixed[:1]) == 200
    assert problems.http_status_of([]) == 200


def test_a_retry_is_promised_only_when_everything_that_failed_allows_it():
    again, never = Problem("SYS-119"), Problem("SYS-112")
    assert problems.may_retry([again])
    assert not problems.may_retry([again, never])
    assert not problems.may_retry([])
