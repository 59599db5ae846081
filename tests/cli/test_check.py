"""check, sign, verify: files judged without a server and without a database."""

import re
import shutil
from datetime import UTC, datetime

import pki
import pytest
import server

from signing.selfsigned import fresh_key

SAMPLES = pki.SAMPLES
HS01 = SAMPLES / "accepted" / "HS01-nop-ho-so-toi-thieu.xml"
UNSIGNED = SAMPLES / "rejected" / "SIG-002-khong-ky.xml"
CHANGED = SAMPLES / "rejected" / "SIG-001-sua-noi-dung.xml"
UNKNOWN = SAMPLES / "undetermined" / "SIG-062-chua-ro-tinh-trang.xml"


def key(name):
    return SAMPLES / "keys" / f"{name}.key.test.pem", SAMPLES / "keys" / f"{name}.cert.test.pem"


@pytest.fixture
def letter(tmp_path):
    """An unsigned file that is fit to be signed by the portal."""
    file = tmp_path / "thong-diep.xml"
    shutil.copy(UNSIGNED, file)
    return file


def test_every_accepted_sample_passes_in_one_run(cli):
    result = cli("check", *sorted((SAMPLES / "accepted").glob("*.xml")))
    assert result.code == 0, result.out
    assert "0 từ chối" in result.out


def test_samples_are_as_their_side_cars_say(cli):
    some = [*sorted((SAMPLES / "accepted").glob("*.xml"))[::9], *sorted((SAMPLES / "rejected").glob("*.xml"))[::9]]
    result = cli("check", "--expect", SAMPLES / "undetermined", *some)
    assert result.code == 0, result.err


def test_a_side_car_that_is_wrong_is_found_out(cli, tmp_path):
    shutil.copy(HS01, tmp_path / "a.xml")
    (tmp_path / "a.toml").write_text('sender = "cong-dvc"\noutcome = "rejected"\n')
    shutil.copytree(SAMPLES / "keys", tmp_path / "keys")
    shutil.copytree(SAMPLES / "parties", tmp_path / "parties")
    shutil.copy(SAMPLES / "lienthong.toml", tmp_path)
    result = cli("check", "--expect", "a.xml")
    assert (result.code, "accepted ≠ rejected" in result.err) == (1, True)


def test_a_problem_is_shown_as_file_line_column_code_sentence_and_remedy(cli):
    file = SAMPLES / "rejected" / "AUT-010-noi-nhan-la.xml"
    lines = cli("check", file).out.splitlines()
    assert lines[1].startswith(f"{file}:11:7 AUT-010 Bên nhận H19.999")
    assert lines[2].strip().startswith("/lt:ThongDiep/")
    assert lines[3].strip().startswith("→ ")


def test_fix_hints_name_the_place_and_what_to_replace_by_what(cli):
    file = SAMPLES / "rejected" / "HS05-XSD-026-thieu-mui-gio.xml"
    result = cli("check", "--fix-hints", file)
    assert f"✎ {file}:44:24 thay “2026-01-15T14:00:00” bằng “2026-01-15T14:00:00+07:00”" in result.out
    assert result.code == 1
    (problem,) = cli("check", "--fix-hints", "--json", file).rows[0]["problems"]
    edit = {"line": 44, "column": 24, "old": "2026-01-15T14:00:00", "new": "2026-01-15T14:00:00+07:00"}
    assert problem["fix"] == {"edits": [edit], "example": False}


def test_fix_hints_say_where_a_value_is_only_an_example_and_where_there_is_none(cli):
    missing = SAMPLES / "rejected" / "HS04-XSD-010-thieu-ly-do.xml"
    result = cli("--lang", "en", "check", "--fix-hints", missing)
    assert "insert “<hs:LyDo>…</hs:LyDo>”" in result.out
    assert "only shows the form" in result.out
    too_early = SAMPLES / "rejected" / "HS03-XSD-131-hen-tra-truoc.xml"
    assert "✎" not in (out := cli("check", "--fix-hints", too_early).out)
    assert "1 lỗi không đề xuất" in out
    assert cli("check", "--fix-hints", "--json", too_early).rows[0]["problems"][0]["fix"] is None
    assert "✎" not in cli("check", missing).out


def test_the_exit_code_is_that_of_the_worst_file(cli):
    assert cli("check", HS01).code == 0
    assert cli("check", HS01, UNKNOWN).code == 3
    assert cli("check", HS01, UNKNOWN, CHANGED).code == 1


def test_json_gives_one_object_for_each_file(cli):
    result = cli("check", "--json", HS01, CHANGED)
    first, second = result.rows
    assert (first["outcome"], first["loai"], first["ma_ho_so"]) == ("accepted", "HS01", "H19.901-260115-0001")
    assert first["signer"]["fingerprint"] == pki.signer("cong-dvc").fingerprint
    assert [problem["code"] for problem in second["problems"]] == ["SIG-001"]


def test_json_in_the_other_language_says_the_same_codes(cli):
    vi, en = (cli("--lang", lang, "--json", "check", CHANGED).rows[0]["problems"][0] for lang in ("vi", "en"))
    assert vi["code"] == en["code"]
    assert vi["message"] != en["message"]


def test_standard_input_is_judged_like_a_file(process):
    more = {"LIENTHONG_CONFIG": str(SAMPLES / "lienthong.toml"), "PYTHONPROFILEIMPORTTIME": "1"}
    result = process("check", "-", stdin=HS01.read_bytes(), **more)
    assert result.code == 0, result.out + result.err
    assert result.out.startswith("<stdin>: CHẤP NHẬN")
    assert " schemas.check\n" in result.err
    assert not re.search(r" (xmlschema|elementpath|schemas\.explain)\n", result.err), (
        "explaining is for what is refused"
    )


def test_a_folder_stands_for_its_xml_files(cli):
    result = cli("check", "--json", SAMPLES / "undetermined")
    assert [row["file"] for row in result.rows] == [str(f) for f in sorted((SAMPLES / "undetermined").rglob("*.xml"))]


def test_a_file_that_cannot_be_read_costs_the_others_nothing(cli, tmp_path):
    result = cli("--config", SAMPLES / "lienthong.toml", "check", tmp_path / "none.xml", HS01)
    assert (result.code, "SYS-045" in result.out, f"{HS01}: CHẤP NHẬN" in result.out) == (1, True, True)


def test_the_configuration_beside_the_files_is_found(cli, tmp_path):
    assert cli("check", HS01, folder=tmp_path).code == 0


def test_who_is_at_the_door_can_be_said(cli):
    result = cli("check", "--party", "so-tu-phap", HS01)
    assert (result.code, "AUT-002" in result.out) == (1, True)
    assert "SYS-042" in cli("check", "--party", "nobody", HS01).out


def test_a_message_over_the_limit_is_refused_by_its_length(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("LIENTHONG_LIMITS_BODY_BYTES", "2000")
    monkeypatch.setenv("LIENTHONG_LIMITS_TEXT_BYTES", "2000")
    monkeypatch.setenv("LIENTHONG_DOOR_BIG_BYTES", "2000")
    (row,) = cli("check", "--json", HS01).rows
    assert row["outcome"] == "rejected"
    assert {problem["code"][:3] for problem in row["problems"]} == {"XML"}


def test_judging_needs_no_database_and_makes_none(cli, node):
    before = sorted(node.rglob("*"))
    (node / "lienthong.sqlite3").unlink()
    cli("check", HS01)
    assert sorted(node.rglob("*")) == [path for path in before if path.name != "lienthong.sqlite3"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--form", "xmldsig"],
        ["--by-id"],
        ["--c14n", "inclusive"],
        ["--c14n", "inclusive11", "--form", "xmldsig"],
        ["--prefix", ""],
        ["--hash", "384"],
        ["--form", "xmldsig", "--implied-c14n", "--key-value", "--prefix", ""],
        ["--key-info", "--by-id", "--c14n", "inclusive"],
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_what_sign_makes_check_accepts(cli, letter, tmp_path, options):
    private, certificate = key("cong-dvc")
    out = tmp_path / "ky.xml"
    result = cli("sign", letter, "--key", private, "--cert", certificate, "-o", out, *options)
    assert result.code == 0, result.err
    assert cli("--config", SAMPLES / "lienthong.toml", "check", out).code == 0


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--pss"],
        ["--pss", "--hash", "512", "--key-info"],
        ["--form", "xmldsig", "--hash", "384", "--c14n", "inclusive11", "--by-id", "--key-value"],
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_an_rsa_key_signs_in_every_form_too(cli, letter, tmp_path, options):
    private, certificate = key("gateway-rsa")
    out = tmp_path / "ky.xml"
    assert cli("sign", letter, "--key", private, "--cert", certificate, "-o", out, *options).code == 0
    (row,) = cli("verify", out, "--cert", certificate, "--json").rows
    assert (row["outcome"], ("--pss" in options) <= row["verdict"]["annex_i"]["conforms"]) == ("passed", True)


def test_a_time_stamp_is_asked_for_and_a_service_that_gives_none_is_named(cli, letter, tmp_path):
    private, certificate = key("cong-dvc")
    out = tmp_path / "ky.xml"
    arguments = ("sign", letter, "--key", private, "--cert", certificate, "-o", out)
    with server.serve(datetime.now(UTC).replace(microsecond=0)) as authority:
        assert cli(*arguments, "--tsa", authority.tsa).code == 0
        (row,) = cli("verify", out, "--cert", certificate, "--json").rows
        assert row["verdict"]["facts"]["form"] == "xades-b-t"
        authority.fault = "wrong-imprint"
        assert "SIG-085" in cli(*arguments, "--tsa", authority.tsa).err
    down = cli(*arguments, "--tsa", "http://127.0.0.1:9/tsa")
    assert (down.code, "SIG-085" in down.err) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--cert", "c.pem"],
        ["--key", "k.pem", "--label", "l"],
        ["--key", "k.pem", "--module", "m.so"],
        ["--module", "m.so", "--token", "t"],
        ["--key", "k.pem", "--cert", "c.pem", "--form", "xmldsig", "--tsa", "http://x"],
        ["--key", "k.pem", "--cert", "c.pem", "--form", "xmldsig", "--key-info"],
    ],
    ids=" ".join,
)
def test_options_of_sign_that_do_not_go_together_are_wrong_usage(cli, letter, wrong):
    assert cli("sign", letter, *wrong).code == 2


def test_pss_needs_an_rsa_key_and_says_so(cli, letter):
    private, certificate = key("cong-dvc")
    result = cli("sign", letter, "--key", private, "--cert", certificate, "--pss")
    assert (result.code, "SIG-" in result.err, "Traceback" in result.err) == (1, True, False)


def test_signed_bytes_go_to_standard_output_exactly(process, letter):
    private, certificate = key("cong-dvc")
    result = process("sign", letter, "--key", private, "--cert", certificate)
    assert result.out.startswith(letter.read_text("utf-8")[:200])
    assert "</ds:Signature>" in result.out


def test_a_key_that_others_can_read_is_used_with_a_remark(cli, letter, tmp_path):
    private, certificate = key("cong-dvc")
    copy = tmp_path / "k.pem"
    shutil.copy(private, copy)
    copy.chmod(0o644)
    assert "chmod 600" in cli("sign", letter, "--key", copy, "--cert", certificate, "-o", tmp_path / "o.xml").err
    copy.chmod(0o600)
    assert "chmod 600" not in cli("sign", letter, "--key", copy, "--cert", certificate, "-o", tmp_path / "o.xml").err


def test_a_key_that_is_not_the_certificate_s_is_refused(cli, letter):
    private, _ = key("cong-dvc")
    _, other = key("ubnd-xa-thu-nghiem")
    result = cli("sign", letter, "--key", private, "--cert", other)
    assert (result.code, "SIG-102" in result.err) == (1, True)


def test_a_document_is_not_signed_twice(cli):
    private, certificate = key("cong-dvc")
    assert "SIG-105" in cli("sign", HS01, "--key", private, "--cert", certificate).err


def test_verify_says_who_signed_and_item_by_item(cli):
    result = cli("verify", HS01)
    assert result.code == 0
    assert "CHỮ KÝ HỢP LỆ" in result.out
    assert pki.signer("cong-dvc").fingerprint in result.out
    for item in ("1.1", "1.2", "2.4"):
        assert f"  {item} " in result.out


def test_verify_tells_refused_unsigned_and_unknown_apart(cli):
    outcomes = {}
    for name, file in (("bad", CHANGED), ("unsigned", UNSIGNED), ("unknown", UNKNOWN)):
        result = cli("verify", "--json", file)
        outcomes[name] = (result.code, result.rows[0]["outcome"])
    assert outcomes == {"bad": (1, "failed"), "unsigned": (1, "failed"), "unknown": (3, "undetermined")}


def test_verify_prints_exactly_what_was_signed(cli, process):
    result = process("verify", "--signed", HS01)
    assert result.code == 0
    assert result.out.startswith("<lt:ThongDiep")
    assert "<ds:Signature" not in result.out
    digest = cli("verify", "--json", HS01).rows[0]["signed_sha256"]
    import hashlib

    assert hashlib.sha256(result.out.encode()).hexdigest() == digest


def test_what_lies_outside_the_signed_part_is_told_beside_it(cli, letter, tmp_path):
    private, certificate = key("cong-dvc")
    out = tmp_path / "ky.xml"
    for more, outside in (
        ([], ["/lt:ThongDiep/ds:Signature[1]", "/lt:ThongDiep/ds:Signature[1]/ds:KeyInfo[1]"]),
        (["--key-info"], ["/lt:ThongDiep/ds:Signature[1]"]),  # a third reference covers it
    ):
        assert cli("sign", letter, "--key", private, "--cert", certificate, "-o", out, *more).code == 0
        told = cli("verify", out, "--cert", certificate, "--signed").err.splitlines()
        assert [line.split(": ")[1].split(" (")[0] for line in told] == outside


def test_verify_with_a_certificate_needs_no_registry(cli, tmp_path):
    _, certificate = key("cong-dvc")
    _, other = key("so-tu-phap")
    assert cli("verify", HS01, "--cert", certificate, folder=tmp_path).code == 0
    assert cli("verify", HS01, "--cert", other, folder=tmp_path).code == 1


def test_verify_with_what_is_no_certificate_is_a_sentence(cli, tmp_path):
    (tmp_path / "c.pem").write_text("nothing")
    result = cli("verify", HS01, "--cert", tmp_path / "c.pem")
    assert (result.code, "SYS-021" in result.err) == (1, True)


def test_a_fresh_key_signs_what_verifies_with_its_certificate(cli, letter, tmp_path):
    from datetime import UTC, datetime

    private, certificate = fresh_key("Đơn vị mới", datetime.now(UTC))
    (tmp_path / "k.pem").write_bytes(private)
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").chmod(0o600)
    out = tmp_path / "o.xml"
    assert cli("sign", letter, "--key", tmp_path / "k.pem", "--cert", tmp_path / "c.pem", "-o", out).code == 0
    assert cli("verify", out, "--cert", tmp_path / "c.pem").code == 0


def test_a_file_that_is_not_there_is_said_before_a_missing_configuration(cli):
    result = cli("check", "khong-co.xml")
    assert (result.code, "SYS-045" in result.out, "SYS-010" in result.out) == (1, True, False)


def test_a_folder_without_any_message_is_no_success(cli, tmp_path):
    (tmp_path / "trong").mkdir()
    result = cli("check", tmp_path / "trong", HS01)
    assert (result.code, "SYS-053" in result.out, f"{HS01}: CHẤP NHẬN" in result.out) == (1, True, True)
