"""What the system says in English is said in Vietnamese where a sentence is Vietnamese."""

import errno
import os
import re
import socket
import ssl
import urllib.error
from pathlib import Path

import pytest

from gateway.core.os_words import ERRNO_WORDS, SAID_WORDS, in_vietnamese, system_reason
from gateway.core.problems import Lang, Problem, catalogue

ROOT = Path(__file__).parents[2]


def test_no_error_of_the_operating_system_is_told_in_english():
    for number, name in errno.errorcode.items():
        said = in_vietnamese(f"/srv/truc: {os.strerror(number)}")
        assert os.strerror(number) not in said
        assert said == f"/srv/truc: {ERRNO_WORDS.get(number, f'lỗi hệ điều hành {name}')}"


@pytest.mark.parametrize("english", sorted(SAID_WORDS))
def test_what_others_say_has_words_too(english):
    assert in_vietnamese(f"OperationalError: {english}") == f"OperationalError: {SAID_WORDS[english]}"


def test_a_problem_keeps_the_reason_as_it_was_said_and_tells_it_in_the_readers_language():
    problem = Problem("SYS-045", {"path": "a.xml", "reason": "Is a directory"})
    assert problem.facts["reason"] == "Is a directory"
    assert "Is a directory" in problem.message(Lang.EN)
    assert "là thư mục, không phải tệp" in problem.message(Lang.VI)
    assert "Is a directory" not in problem.message(Lang.VI)


def test_every_vietnamese_sentence_with_a_reason_puts_it_into_words():
    with_reason = [code for code, entry in catalogue().items() if "{reason}" in entry.message[Lang.VI]]
    assert with_reason
    for code in with_reason:
        assert "không có quyền" in Problem(code, {"reason": "Permission denied"}).message(Lang.VI), code


def test_a_source_that_did_not_answer_says_why_in_words():
    facts = {"sources": ["http://ocsp.example (Connection refused)"], "since": "–", "subject": "CN=CA"}
    assert "máy kia từ chối kết nối" in Problem("SYS-071", facts).message(Lang.VI)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError(errno.ENOENT, "whatever", "x"), "No such file or directory"),
        (OSError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "not UTF-8"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("no PEM"), "no PEM"),
        (urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "x")), "Connection refused"),
        (urllib.error.URLError("no host given"), "no host given"),
    ],
)
def test_the_reason_of_an_error_is_the_systems_own_sentence(error, reason):
    assert system_reason(error).startswith(reason)


def test_of_tls_the_reason_is_openssls_word_and_no_number_of_the_system(tmp_path):
    (tmp_path / "none.pem").write_text("no PEM")
    with pytest.raises(ssl.SSLError) as caught:
        ssl.create_default_context().load_cert_chain(tmp_path / "none.pem")
    said = caught.value.reason or caught.value.strerror  # CPython 3.13 knows no reason of this one
    assert system_reason(caught.value) == said != os.strerror(caught.value.errno or 1)


def test_nobody_tells_an_error_of_the_system_in_another_way():
    found = [
        file.relative_to(ROOT).as_posix()
        for folder in ("gateway", "schemas", "signing", "connectors")
        for file in (ROOT / folder).rglob("*.py")
        if file.name != "os_words.py" and "strerror" in file.read_text("utf-8")
    ]
    assert found == ["gateway/cli/show.py"]  # hands the error on as it is


def test_that_nothing_was_changed_is_said_only_where_it_is_known():
    """SYS-081: somebody was asked before anything was done, and said no. A fault or a lost connection knows no such thing."""
    claims = re.compile(r"nothing (?:was|is|has been) changed|không có gì thay đổi|dữ liệu không đổi", re.IGNORECASE)
    said = {
        code
        for code, entry in catalogue().items()
        for lang in Lang
        if claims.search(entry.message[lang]) or claims.search(entry.remedy[lang])
    }
    assert said == {"SYS-081"}
