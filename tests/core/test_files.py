"""How a message names a file at the gateway, and what is said where it is not there."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.model import DinhKem
from gateway.core.problems import Problem
from gateway.core.stored_files import FILE_SCHEME, FileScan, StoredFile, is_digest, named_file

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("address", "named"),
    [
        (f"{FILE_SCHEME}{DIGEST}", DIGEST),
        (f"https://tep.example.vn/{DIGEST}", None),
        (f"x{FILE_SCHEME}{DIGEST}", None),
        (None, None),
    ],
)
def test_a_row_names_a_file_by_its_scheme_alone(address, named):
    row = DinhKem(id="a", ten="a.pdf", loai="application/pdf", so_byte=1, sha256=DIGEST, duong_dan=address)
    assert named_file(row) == named


@pytest.mark.parametrize(
    "text", [DIGEST[:-1], DIGEST + "0", DIGEST.upper(), f" {DIGEST}", f"{DIGEST}\n", "../" + DIGEST[3:], ""]
)
def test_only_64_lower_case_hex_digits_are_a_digest(text):
    assert is_digest(DIGEST)
    assert not is_digest(text)


def test_a_file_that_is_not_there_is_missing_and_one_whose_archive_is_away_may_come_back():
    file = StoredFile(
        digest=DIGEST,
        size=1,
        media_type="application/pdf",
        macros=False,
        scan=FileScan.CLEAN,
        finding=None,
        kept=True,
        arrived_at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    assert file.missing() == Problem("FIL-016", {"digest": DIGEST})
    away = {"archive": "2026-01.tep", "reason": f"file {DIGEST}"}
    assert replace(file, archive="2026-01").missing() == Problem("SYS-205", away)
