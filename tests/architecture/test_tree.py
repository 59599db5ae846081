"""What the repository holds, file by file."""

import re
import shutil
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LARGEST = 600_000  # bytes; pinned requirements with their hashes are the largest there are
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/[a-z]+)/[\w.]")
REGISTRY = re.compile(
    r"://[\w.-]*(?:pypi|pythonhosted|npmjs|maven|crates|debian|proxy\.golang)[\w-]*\.[\w.]+", re.IGNORECASE
)
KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")
MERGE = re.compile(r"^(?:<{7}|>{7}|\|{7}) ", re.MULTILINE)


@pytest.fixture(scope="module")
def files():
    """Every file under version control, with its bytes."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return {name: (ROOT / name).read_bytes() for name in listed.split("\0") if name and (ROOT / name).is_file()}


def texts(files):
    return {name: body.decode() for name, body in files.items() if b"\0" not in body and not name.endswith(".xml")}


def test_no_file_names_a_place_on_somebodys_machine_or_a_package_registry(files):
    astray = [
        f"{n}: {m[0]}" for n, text in texts(files).items() for m in [*MACHINE.finditer(text), *REGISTRY.finditer(text)]
    ]
    assert astray == []


def test_those_patterns_find_what_they_are_for():
    slash = "/"
    for place in (f"see {slash}work{slash}main", f'"{slash}root{slash}x"', f"({slash}home{slash}an{slash}x)"):
        assert MACHINE.search(place)
    for place in ("src/work/item", "https://example.vn/work/x"):
        assert not MACHINE.search(place)
    for host in ("files.python" + "hosted.org", "deb.deb" + "ian.org", "registry.np" + "mjs.org"):
        assert REGISTRY.search(f"https://{host}/x")


def test_private_keys_are_throwaway_ones_and_say_so(files):
    astray = [
        n for n, t in texts(files).items() if KEY.search(t) and not (n.startswith("samples/keys/") and ".test." in n)
    ]
    assert astray == []


def test_files_are_whole_and_not_large(files):
    assert [n for n, t in texts(files).items() if MERGE.search(t)] == []
    assert [n for n, body in files.items() if len(body) > LARGEST] == []
    assert [
        n for n, t in texts(files).items() if t and not t.endswith("\n") and n.endswith((".py", ".md", ".toml", ".xsd"))
    ] == []


def test_requirements_are_pinned_with_hashes_and_without_addresses(files):
    pinned = {name: text for name, text in texts(files).items() if name.startswith("requirements/")}
    assert set(pinned) == {"requirements/run.txt", "requirements/dev.txt", "requirements/bundle.txt"}
    for text in pinned.values():
        assert not re.search(r"^\s*-|://|@ ", text.replace("--hash=sha256:", ""), re.MULTILINE)
        rows = re.split(r"\n(?=\S)", text.strip())
        assert len(rows) > 20
        for row in rows:
            assert re.match(r"[A-Za-z0-9._-]+==[^\s;]+", row)
            assert "--hash=sha256:" in row


def test_tests_are_no_package_that_would_hide_ours(files):
    assert [name for name in files if name.startswith("tests/") and name.endswith("__init__.py")] == []


@pytest.mark.parametrize("name", ["gateway", "schemas", "signing", "connectors"])
def test_nobody_else_ships_a_package_of_our_name(name):
    assert set(packages_distributions().get(name, [])) <= {"lienthong"}
