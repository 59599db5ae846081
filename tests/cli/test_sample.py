"""sample: fresh, valid messages."""

import pki
import pytest

from schemas.catalog import bundled

CONFIG = ("--config", pki.SAMPLES / "lienthong.toml")
KINDS = sorted({(kind.loai, kind.goc) for kind in bundled().kinds()})
KEYS = {"H19.909": "cong-dvc", "H19.901": "so-tu-phap", "H19.902.01": "ubnd-xa-thu-nghiem"}


def signed(cli, tmp_path, *arguments, sender):
    out = tmp_path / "m.xml"
    signer = pki.signer(KEYS[sender])
    result = cli("sample", *arguments, "--from", sender, "--key", signer.key_pem, "--cert", signer.cert_pem, "-o", out)
    assert result.code == 0, result.err
    return out


@pytest.mark.parametrize(
    ("loai", "sender"), [("HS01", "H19.909"), ("HS03", "H19.901"), ("HS05", "H19.901"), ("HS11", "H19.901")]
)
@pytest.mark.parametrize("size", ["small", "full"])
def test_a_signed_sample_is_accepted(cli, tmp_path, loai, sender, size):
    file = signed(cli, tmp_path, loai, "--size", size, sender=sender)
    result = cli(*CONFIG, "check", file)
    assert result.code == 0, result.out


@pytest.mark.parametrize(("loai", "goc"), KINDS)
def test_every_message_of_the_catalogue_can_be_made(cli, loai, goc):
    result = cli("sample", loai, "--root", goc)
    assert (result.code, f":{goc}" in result.out) == (0, True)


def test_the_same_seed_and_time_give_the_same_bytes(cli):
    once, again, other = (cli("sample", "HS05", "--seed", n, "--at", "2026-01-15").out for n in (1, 1, 2))
    assert once == again
    assert once != other


def test_fields_can_be_fixed(cli):
    out = cli("sample", "HS05", "--ho-so", "H19.901-260115-0777", "--set", "TrangThai=9", "--thu-tu", "3").out
    for part in ("<hs:TrangThai>9<", "H19.901-260115-0777", "<lt:ThuTu>3<"):
        assert part in out


def test_many_are_written_into_a_folder_each_with_its_own_id(cli, tmp_path):
    assert cli("sample", "HS01", "--count", "5", "-o", tmp_path / "x").code == 0
    files = list((tmp_path / "x").glob("*.xml"))
    ids = {file.read_text("utf-8").partition("MaThongDiep>")[2][:36] for file in files}
    assert (len(files), len(ids)) == (5, 5)


@pytest.mark.parametrize(
    "arguments",
    [
        ["HS99"],
        ["HS12", "--root", "NopHoSo"],
        ["HS05", "--version", "9.9"],
        ["HS05", "--set", "x"],
        ["HS05", "--count", "2"],
        ["HS05", "--cert", "c"],
    ],
)
def test_what_is_not_in_the_catalogue_is_wrong_usage(cli, arguments):
    result = cli("sample", *arguments)
    assert (result.code, "Traceback" in result.err) == (2, False)
