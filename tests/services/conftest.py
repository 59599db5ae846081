"""Gates over real databases, and letters signed with the samples' keys."""

import sys
from dataclasses import replace
from pathlib import Path

import pki
import pytest

from gateway import wiring
from gateway.settings import load

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "web"), str(Path(__file__).resolve().parent)]


@pytest.fixture(scope="session")
def sample_settings():
    """The settings of the samples, with the gateway's key."""
    signer = pki.signer("gateway")
    given = {"key.file": signer.key_pem, "key.certificate": signer.cert_pem}
    return load(pki.SAMPLES / "lienthong.toml", env={}, given=given).settings


@pytest.fixture(scope="session")
def bare_gate(sample_settings):
    """Everything a judgement needs but the database; made once."""
    return wiring.build(sample_settings)


@pytest.fixture
def gate(bare_gate, store):
    """A gate over a fresh database, once on SQLite and once on PostgreSQL."""
    return replace(bare_gate, store=store)


@pytest.fixture(scope="session")
def recorded(bare_gate, sqlite_template, tmp_path_factory):
    """The nine sample lives on record, taken in once; whoever changes them copies the file."""
    from recorded_lives import record_lives

    return record_lives(bare_gate, sqlite_template, tmp_path_factory.mktemp("lives"))
