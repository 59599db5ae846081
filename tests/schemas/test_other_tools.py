"""The schema for integrators, `schemas/xsd/lienthong-1.0.xsd`, in other tools: they say what we say."""

import shutil
import subprocess
from pathlib import Path

import pytest
import xmlschema
from alone import JVM
from lxml import etree
from patience import PATIENCE_S

from schemas.fresh import Size, fresh
from schemas.names import XSD_FOLDER, local

WHOLE = XSD_FOLDER / "lienthong-1.0.xsd"
JUDGE = Path(__file__).parent / "Judge.java"


@pytest.fixture(scope="session")
def documents(catalog):
    """Accepted documents of every kind, and each once more with something broken: (bytes, whether it fits)."""
    made = []
    for number, kind in enumerate(k for k in catalog.kinds() if k.phien_ban == "1.0"):
        for size in (Size.FULL, Size.BOUNDARY):
            body = fresh(kind.loai, kind.phien_ban, goc=kind.goc, size=size, seed=number, catalog=catalog)
            made.append((body, True))
        root = etree.fromstring(body)
        payload = root.find("{*}ThanPhan")[0]
        leaf = [e for e in payload.iter() if not len(e)][number % 3 if len(payload) > 3 else 0]
        if number % 2:
            leaf.text = "?" * 30_000
        else:
            leaf.tag = f"{leaf.tag}X"
        made.append((etree.tostring(root, encoding="UTF-8"), False))
    return made


def test_it_includes_every_payload_of_the_version():
    named = {Path(i.get("schemaLocation")).name for i in etree.parse(str(WHOLE)).getroot().iterfind("{*}include")}
    assert named == {f.name for f in (XSD_FOLDER / "hoso" / "1.0").glob("*.xsd")} - {"KieuHoSo.xsd"}


def test_libxml2_and_xmlschema_take_it_as_it_is(documents):
    fast = etree.XMLSchema(file=str(WHOLE))
    slow = xmlschema.XMLSchema10(str(WHOLE), allow="local")
    assert not list(fast.error_log)
    for body, fits in documents:
        root = etree.fromstring(body)
        assert fast.validate(root) == slow.is_valid(root) == fits, (
            local(root.find("{*}ThanPhan")[0].tag),
            fast.error_log,
        )


def test_the_jdks_own_validator_says_the_same(documents, tmp_path):
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("no JDK on this machine")
    files = []
    for number, (body, _) in enumerate(documents):
        files.append(tmp_path / f"{number}.xml")
        files[-1].write_bytes(body)
    run = subprocess.run(
        [java, *JVM, str(JUDGE), str(WHOLE), *map(str, files)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert run.stdout.split() == ["yes" if fits else "no" for _, fits in documents]
