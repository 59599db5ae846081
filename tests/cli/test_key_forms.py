"""A key or a certificate may lie in PEM, DER or PKCS#12 wherever one is named; passwords stand in files or the environment."""

import pki
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs12

SECRET = "mat khau thu"


def p12(file, name, password=SECRET, chain=()):
    """A signer of the test PKI as PKCS#12."""
    signer = pki.signer(name)
    how = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"x", signer.key, signer.certificate, chain, how))
    file.chmod(0o600)
    return file


@pytest.fixture
def letter():
    return pki.SAMPLES / "accepted" / "HS01-nop-ho-so-toi-thieu.xml"


@pytest.fixture
def bare(cli, letter, tmp_path):
    """The same without its signature."""
    file = tmp_path / "chua-ky.xml"
    file.write_bytes(letter.read_bytes().partition(b"<ds:Signature ")[0] + b"</lt:ThongDiep>")
    return file


def test_sign_takes_pkcs12_and_its_password_from_a_file_or_the_environment(cli, bare, tmp_path, monkeypatch):
    key, secret, out = p12(tmp_path / "ky.p12", "cong-dvc"), tmp_path / "mat-khau", tmp_path / "ky.xml"
    secret.write_text(f"{SECRET}\n", "utf-8")
    monkeypatch.setenv("MAT_KHAU", SECRET)
    for option in (("--password-file", secret), ("--password-env", "MAT_KHAU")):
        result = cli("sign", bare, "--key", key, *option, "-o", out, "--json")
        assert result.code == 0, result.err
        assert result.rows[0]["fingerprint"] == pki.signer("cong-dvc").fingerprint
    result = cli("sign", bare, "--key", key)
    assert (result.code, "SIG-100" in result.err, "chưa nêu mật khẩu" in result.err) == (1, True, True)
    secret.write_text("sai", "utf-8")
    assert "sai mật khẩu" in cli("sign", bare, "--key", key, "--password-file", secret).err
    assert "SYS-045" in cli("sign", bare, "--key", key, "--password-file", tmp_path / "khong-co").err


def test_sample_signs_with_der(cli, tmp_path):
    signer, key, out = pki.signer("cong-dvc"), tmp_path / "khoa.der", tmp_path / "hs01.xml"
    key.write_bytes(signer.key.private_bytes(Encoding.DER, pki.serialization.PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "chung-thu.cer").write_bytes(signer.der)
    result = cli("sample", "HS01", "--key", key, "--cert", tmp_path / "chung-thu.cer", "-o", out)
    assert result.code == 0, result.err
    assert cli("verify", out, "--cert", tmp_path / "chung-thu.cer").code in {0, 3}


def test_the_gateways_own_key_may_be_pkcs12(cli, office):
    folder = office.folder
    p12(folder / "keys" / "truc.p12", "gateway")
    (folder / "keys" / "truc.pin").write_text(SECRET, "utf-8")
    (folder / "keys" / "truc.pin").chmod(0o600)
    config = folder / "lienthong.toml"
    text = config.read_text("utf-8").replace("keys/truc.key.pem", "keys/truc.p12")
    text = text.replace('certificate = "keys/truc.cert.pem"', 'password_file = "keys/truc.pin"')
    config.write_text(text, "utf-8")
    out = cli("doctor").out
    assert "✓ khóa ký của trục" in out
    assert "SIG-" not in out.partition("khóa ký của trục")[2].splitlines()[0]
    (folder / "keys" / "truc.pin").write_text("sai", "utf-8")
    assert "sai mật khẩu" in cli("doctor").out


def rewritten(office, file, more=""):
    """The certificate of so-tu-phap's profile in another file."""
    profile = office.folder / "parties" / "so-tu-phap.toml"
    text = profile.read_text("utf-8")
    start = text.index('file = "', text.index("certificates = [")) + len('file = "')
    end = text.index('"', start)
    profile.write_text(f'{text[:start]}{file}"{more}{text[end + 1 :]}', "utf-8")


def test_a_partys_certificate_may_be_der_or_pkcs12(cli, office):
    (office.folder / "keys" / "a.cer").write_bytes(pki.signer("so-tu-phap").der)
    rewritten(office, "../keys/a.cer")
    assert "Không khác sổ đăng ký" in cli("parties", "check").out
    p12(office.folder / "keys" / "a.pfx", "so-tu-phap")
    (office.folder / "keys" / "a.pin").write_text(SECRET, "utf-8")
    rewritten(office, "../keys/a.pfx", ', password_file = "../keys/a.pin"')
    assert "Không khác sổ đăng ký" in cli("parties", "check").out
    (office.folder / "keys" / "a.pin").unlink()
    assert "SYS-020" in cli("parties", "check").out


def test_what_a_certificates_file_holds_is_said_at_check(cli, office):
    names = ("root-b", "issuing-b", "so-tu-phap")
    pems = [pki.certificate(name).public_bytes(Encoding.PEM) for name in names]
    (office.folder / "keys" / "bo.pem").write_bytes(b"".join(pems))
    rewritten(office, "../keys/bo.pem")
    result = cli("parties", "check")
    assert "SYS-084" in result.out
    assert "3 chứng thư" in result.out
    assert "CN=Issuing CA B" in result.out or "issuing" in result.out.lower()
    assert "Không khác sổ đăng ký" in result.out
    (office.folder / "keys" / "bo.pem").write_bytes(b"".join([*pems, pki.signer("cong-dvc").cert_pem.read_bytes()]))
    result = cli("parties", "check")
    assert (result.code, "SYS-021" in result.out) == (1, True)
    assert "4 chứng thư trong tệp, 2 trong đó không phải của tổ chức chứng thực" in result.out


def test_of_a_partys_pkcs12_only_the_certificate_is_copied(cli, office, tmp_path, monkeypatch):
    source = p12(tmp_path / "moi.p12", "unregistered", chain=[pki.certificate("issuing-b")])
    monkeypatch.setenv("MAT_KHAU", SECRET)
    arguments = (
        "parties",
        "add",
        "don-vi-moi",
        "--name",
        "Đơn vị mới",
        "--role",
        "one-stop",
        "--identifier",
        "H19.977",
    )
    result = cli(*arguments, "--no-pause", "--cert", source, "--password-env", "MAT_KHAU")
    assert result.code == 0, result.err
    copy = (office.folder / "parties" / "don-vi-moi.cert.pem").read_text("ascii")
    assert copy.count("-----BEGIN CERTIFICATE-----") == 1
    assert "PRIVATE" not in copy
