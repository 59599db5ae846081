"""Gates and doors for the tests of gateway/web: the parties, keys and trust of the samples over a real database."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pki
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import doors
import mail

from gateway import wiring
from gateway.core.parties import Parties
from gateway.services.intake import Gate, GatewayIdentity
from gateway.settings import load
from gateway.store import Store, open_engine
from schemas.catalog import bundled


@pytest.fixture(scope="session")
def sample_settings():
    """The settings of the samples, with the gateway's key."""
    signer = pki.signer("gateway")
    given = {"key.file": signer.key_pem, "key.certificate": signer.cert_pem}
    return load(pki.SAMPLES / "lienthong.toml", env={}, given=given).settings


@pytest.fixture(scope="session")
def bare_gate(sample_settings):
    """Everything a judgement needs but the database; made once. Every certificate is known to be good."""
    key = mail.key("gateway")
    parties = wiring.with_ourselves(pki.parties(), sample_settings, key)
    return Gate(
        catalog=bundled(),
        trust=mail.trust_in(parties),
        parties=parties,
        key=key,
        identity=GatewayIdentity(ma_dinh_danh="H19.900", ten_co_quan="Trục liên thông tỉnh Đồng Nai (thử nghiệm)"),
    )


@pytest.fixture
def gate(bare_gate, sqlite_store):
    """A gate over a fresh SQLite file."""
    return replace(bare_gate, store=sqlite_store)


@pytest.fixture
def open_door(gate, sample_settings):
    """Opens doors: ``open_door(idle_s=1.0)`` changes settings of the door, ``parties=…`` the registry."""
    opened = []

    def open_(*, parties=None, settings=None, tls=None, client_tls=None, limits=None, **changes):
        chosen = settings or sample_settings
        chosen = replace(chosen, door=replace(chosen.door, **changes))
        if limits:
            chosen = replace(chosen, limits=replace(chosen.limits, **limits))
        its = replace(
            gate, limits=chosen.limits, deadlines=wiring.deadline_rules(chosen), files=wiring.file_rules(chosen)
        )
        if parties is not None:
            its = replace(its, parties=parties)
        opened.append(doors.Door(its, chosen, tls=tls, client_tls=client_tls))
        return opened[-1]

    yield open_
    for door in opened:
        door.stop()


@pytest.fixture
def door(open_door):
    """A door with the settings of the samples."""
    return open_door()


@pytest.fixture
def with_party(gate):
    """The registry of the samples with one party changed: ``with_party("cong-dvc", enabled=False)``."""

    def changed(name, **changes):
        return Parties([replace(p, **changes) if p.id == name else p for p in gate.parties])

    return changed


@pytest.fixture(scope="session")
def file_settings(sample_settings):
    """Makes settings of a node that takes files: ``file_settings(folder, most_bytes=…)``."""

    def settings(folder, **files):
        chosen = replace(sample_settings, files=replace(sample_settings.files, folder=folder, **files))
        return replace(chosen, door=replace(chosen.door, linger_s=0.2))

    return settings


@pytest.fixture(scope="module")
def file_door(bare_gate, file_settings, sqlite_template, tmp_path_factory):
    """A door that takes files of at most 3 MB, for all tests of a module that leave each other alone."""
    folder = tmp_path_factory.mktemp("tep")
    shutil.copyfile(sqlite_template, folder / "store.db")
    engine = open_engine(f"sqlite:///{folder / 'store.db'}")
    settings = file_settings(folder / "tep", most_bytes=3_000_000)
    files = wiring.file_rules(settings)
    door = doors.Door(replace(bare_gate, store=Store(engine), limits=settings.limits, files=files), settings)
    yield door
    door.stop()
    engine.dispose()
