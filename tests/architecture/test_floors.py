"""A floor imports only floors below it, and a third-party library lives on the floors that were given it."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import sources
from patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
OURS = ("gateway", "schemas", "signing", "connectors")

# Which library may be imported where (docs/decisions, "sync inside" and others): the longest matching place counts.
LIBRARIES = {
    "gateway.core": set(),
    "gateway.documents": {"lxml"},
    "gateway.store": {"sqlalchemy", "alembic", "psycopg", "msgspec", "backports"},
    "gateway.services": {"lxml"},  # they pass trees on; only documents makes them
    "gateway.services.exports": {
        "openpyxl"
    },  # what parties export of their dossiers; nothing of a message comes this way
    "gateway.settings": {"msgspec"},
    "gateway.web": {"aiohttp", "lxml", "msgspec", "prometheus_client", "uvloop", "multidict", "yarl"},
    "gateway.cli": {"click", "rich", "cryptography"},
    "gateway.cli.prepared": {"msgspec"},  # figures as they are kept
    "gateway.console": {"aiohttp"},
    "gateway.console.command": {"click"},
    "gateway.console.render": {"jinja2", "markupsafe"},  # pages, escaped
    "gateway.cli.play": {"click", "aiohttp"},  # plays the other side: a false agency with an HTTP server of its own
    "gateway.__main__": set(),
    "gateway.quick": set(),
    "schemas": {"lxml", "xmlschema"},
    "signing": {"lxml", "signxml", "cryptography", "pyhanko", "pyhanko_certvalidator", "asn1crypto", "pkcs11", "jwt"},
    "connectors": {"aiohttp", "zeep", "lxml", "yarl"},
    "gateway.workbook": {"openpyxl"},
    "connectors.channels": {"aiosmtplib"},  # notices by e-mail
    "connectors.templates": {"jinja2"},  # requests of the connector http; nothing else is written by templates
    "connectors.pki": {"aiohttp", "cryptography", "asn1crypto"},  # speaks the protocols of certification authorities
}

STANDARD = set(sys.stdlib_module_names) | {"compression"}  # the latter from Python 3.14 on


def lint(where):
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_the_contracts_of_the_floors_are_kept():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("gateway/core/model.py", "import gateway.documents", "A floor imports only floors below it"),
        ("gateway/core/model.py", "import lxml", "The core knows no library"),
        ("gateway/services/intake.py", "import gateway.services.feed", "Services do not call each other"),
        ("signing/verify.py", "import schemas", "A floor imports only floors below it"),
        ("gateway/web/app.py", "import sqlalchemy", "Only the store knows the database"),
        ("gateway/web/door.py", "def late():\n    import gateway.web.exchange", "No circles"),
        ("connectors/outcomes.py", "import connectors.base", "No circles"),
        ("gateway/cli/outside.py", "def late():\n    import gateway.cli.check", "No circles"),
        ("schemas/fields.py", "if TYPE_CHECKING:\n    import schemas.catalog", "No circles"),
    ],
)
def test_a_wrong_import_breaks_its_contract(file, line, contract, tmp_path):
    """So that the test above can fail."""
    for source in [ROOT / "pyproject.toml", *(p for name in OURS for p in (ROOT / name).rglob("*.py"))]:
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    with (tmp_path / file).open("a") as text:
        text.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


@cache
def imports(file):
    """The top-level packages that a file imports, wherever in it, and the line."""
    return list(_imports(file))


def _imports(file):
    for node in sources.nodes(file):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
            late = (name.value for name in node.args if isinstance(name, ast.Constant))
            yield from ((name.partition(".")[0], node.lineno) for name in late)


def test_every_library_stays_on_its_floor():
    astray = []
    for file in sources.files():
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        place = max((p for p in LIBRARIES if f"{module}.".startswith(f"{p}.")), key=len, default=None)
        allowed = LIBRARIES.get(place, set()) | STANDARD | set(OURS)
        astray += [f"{file.relative_to(ROOT)}:{line}: {name}" for name, line in imports(file) if name not in allowed]
    assert astray == []


def declared():
    """The import name of every library that the wheel declares, its extras for operators included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    rows = [*project["dependencies"], *project["optional-dependencies"]["pkcs11"]]
    names = {re.match(r"[\w-]+", row)[0].lower().replace("-", "_") for row in rows}
    return {name.removeprefix("python_").replace("pyjwt", "jwt") for name in names}


def test_every_library_that_is_used_is_declared_and_the_reverse():
    used = {name for file in sources.files() for name, _ in imports(file)} - STANDARD - set(OURS)
    assert declared() == used
