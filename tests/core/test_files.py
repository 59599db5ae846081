"""How a message names a file at the gateway."""

import pytest

from gateway.core.model import DinhKem
from gateway.core.stored_files import FILE_SCHEME, is_digest, named_file

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
