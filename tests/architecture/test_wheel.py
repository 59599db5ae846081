"""What is shipped is what was written: the wheel holds every schema, catalogue and migration, and nothing of ours besides."""

import subprocess
import sys
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
from patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
OURS = ("gateway", "schemas", "signing", "connectors")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("lienthong-*-py3-none-any.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    written = {
        p.relative_to(ROOT).as_posix()
        for name in OURS
        for p in (ROOT / name).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert written - set(wheel.namelist()) == set()
    assert {Path(name).suffix for name in written} >= {".py", ".toml", ".xsd"}


def test_the_wheel_holds_nothing_else(wheel):
    assert {name.partition("/")[0] for name in wheel.namelist()} - set(OURS) == {
        name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name
    }


def test_the_wheel_names_its_command_and_its_connectors(wheel):
    (entry_points,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "lienthong = gateway.__main__:main" in entry_points
    assert "[lienthong.connectors]" in entry_points


def test_the_wheel_says_what_it_needs(wheel):
    (metadata,) = (wheel.read(name) for name in wheel.namelist() if name.endswith("METADATA"))
    needs = BytesParser().parsebytes(metadata).get_all("Requires-Dist")
    assert any(need.startswith("signxml<5.3,>=5.2") for need in needs)
    assert any(need.startswith("cryptography>=50") for need in needs)
