"""A new signing key beside the one in use; and words that lead to the command that is meant."""

import re
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.cli import COMMANDS, lienthong
from gateway.cli.command import Group
from gateway.cli.meanings import MEANINGS
from gateway.settings import load
from gateway.wiring import load_key


def test_a_new_key_comes_with_a_request_and_a_certificate_and_touches_nothing(cli, node):
    before = {path: path.read_bytes() for path in node.joinpath("keys").iterdir()}
    (row,) = cli("--json", "key", "new", "--name", "Trục thử nghiệm", "--days", "30").rows
    key = load_pem_private_key(node.joinpath(row["key"]).read_bytes(), None)
    request = x509.load_pem_x509_csr(node.joinpath(row["request"]).read_bytes())
    certificate = x509.load_pem_x509_certificate(node.joinpath(row["certificate"]).read_bytes())
    assert request.is_signature_valid
    assert request.public_key() == certificate.public_key() == key.public_key()
    assert request.subject == certificate.subject
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 30
    assert stat.S_IMODE(node.joinpath(row["key"]).stat().st_mode) == 0o600
    assert {path: path.read_bytes() for path in before} == before


def test_the_new_key_is_taken_into_use_as_the_command_says(cli, node):
    said = cli("--lang", "en", "key", "new").out
    values = dict(re.findall(r'(file|certificate) = "([^"]+)"', said))
    config = node / "lienthong.toml"
    old = {name: re.search(rf'^{name} = "([^"]+)"$', config.read_text("utf-8"), re.MULTILINE)[1] for name in values}
    assert f'"{old["certificate"]}" added to previous' in said
    text = config.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f'{name} = "{old[name]}"', f'{name} = "{value}"')
    config.write_text(text, "utf-8")
    fresh = x509.load_pem_x509_certificate(node.joinpath(values["certificate"]).read_bytes())
    assert load_key(load(config, {}).settings).fingerprint == fresh.fingerprint(SHA256()).hex()
    assert "✓ khóa ký của trục" in cli("doctor").out


def test_no_file_is_written_over_and_what_cannot_be_written_is_said(cli, node):
    (node / "là-tệp").write_text("x", "utf-8")
    result = cli("key", "new", "là-tệp/khóa")
    assert (result.code, "SYS-038" in result.err) == (1, True), result.err


@pytest.mark.parametrize("lang", [0, 1])
def test_a_word_that_people_try_leads_to_commands_that_exist(cli, node, lang):
    for word, sentences in MEANINGS.items():
        assert word not in COMMANDS
        told = re.findall(r"lienthong ([a-z]+)(?: ([a-z]+))?", sentences[lang])
        for name, inner in told:
            command = lienthong.get_command(None, name)
            assert command is not None, (word, name)
            if inner and isinstance(command, Group):
                assert inner in command.entries, (word, inner)
    result = cli("--lang", "vi", "metrics")
    assert (result.code, MEANINGS["metrics"][0] in result.err) == (2, True), result.err
