from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from patience import PATIENCE_S

from connectors import folder as folder_module
from connectors import rest as rest_module
from connectors.base import connector
from connectors.outcomes import Unreachable
from connectors.registry import GROUP, ConnectorRegistry, installed
from connectors.rest import RestSettings
from gateway.core.problems import Lang, Stopped

HERE = Path(__file__).resolve().parent

broken = None
renamed = connector("renamed", RestSettings)


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "registry_of_tests", sys.modules[__name__])
    return


def test_the_standard_ways_are_found() -> None:
    connectors = installed()
    assert connectors.named("rest") is rest_module.rest
    assert connectors.named("folder") is folder_module.folder


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(Stopped) as caught:
        installed().named("rset")
    problem = caught.value.problems[0]
    assert problem.code == "DLV-056"
    assert "rest" in problem.message(Lang.VI)
    with pytest.raises(Stopped):
        installed().named(None)


def test_a_connector_that_cannot_be_loaded_costs_the_others_nothing() -> None:
    registry = ConnectorRegistry(
        [
            point("rest", "connectors.rest:rest"),
            point("gone", "no_such_package:x"),
            point("nothing", "registry_of_tests:broken"),
            point("misnamed", "registry_of_tests:renamed"),
        ]
    )
    assert list(registry) == ["rest"]
    assert len(registry) == 1
    told = {}
    for name in ("gone", "nothing", "misnamed"):
        with pytest.raises(Stopped) as caught:
            registry.named(name)
        told[name] = caught.value.problems[0]
    assert {problem.code for problem in told.values()} == {"DLV-059"}
    assert "ModuleNotFoundError" in told["gone"].message(Lang.EN)


def test_a_name_offered_twice_is_nobodys() -> None:
    registry = ConnectorRegistry([point("rest", "connectors.rest:rest"), point("rest", "registry_of_tests:renamed")])
    assert "rest" not in registry
    with pytest.raises(Stopped, match="two packages"):
        registry.named("rest")


def test_what_a_connector_does_is_declared_once() -> None:
    twice = connector("twice", RestSettings)

    @twice.send
    async def send() -> None: ...

    with pytest.raises(ValueError, match="twice"):
        twice.send(send)
    assert (twice.sends, twice.queries, twice.fetches) == (True, False, False)


@pytest.mark.parametrize("what", ["send", "fetch"])
def test_what_a_connector_does_not_do_is_told(what: str) -> None:
    bare = connector("bare", RestSettings)
    with pytest.raises(Unreachable) as caught:
        if what == "send":
            asyncio.run(bare.deliver(None, None, None))
        else:
            bare.pull(None, None, None)
    assert (caught.value.problem.code, caught.value.problem.facts["what"]) == ("DLV-057", what)


FOREIGN = '''
"""Sở Thử nghiệm: own field names, "00" means received, and they can be asked."""

from dataclasses import dataclass

from connectors.base import connector
from connectors.http import Http, segment
from connectors.outcomes import NotThere, Parcel, Receipt, Refused, Uncertain, Unreachable
from gateway.core.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Settings:
    url: str


so_thu_nghiem = connector("so-thu-nghiem", Settings)


@so_thu_nghiem.send
async def send(parcel: Parcel, settings: Settings, http: Http) -> Receipt:
    fields = {"so": parcel.ma_thong_diep, "noi_dung": parcel.body.decode()}
    reply = (await http.post(settings.url, json=fields, key=parcel.id)).json()
    if not isinstance(reply, dict) or "ma" not in reply:
        raise Uncertain(Problem("DLV-023", {"what": "ma"}))
    if reply["ma"] != "00":
        raise Refused(Problem("DLV-033", {"code": reply["ma"]}))
    return Receipt(reference=reply["so_bien_nhan"])


@so_thu_nghiem.query
async def query(parcel: Parcel, settings: Settings, http: Http) -> Receipt | NotThere:
    reply = await http.get(f"{settings.url}/{segment(parcel.ma_thong_diep)}")
    if reply.status == 404:
        return NotThere()
    if reply.status != 200 or not reply.is_json:
        raise Unreachable(Problem("DLV-041", {"why": f"HTTP {reply.status}"}))
    return Receipt(reference=reply.json()["so_bien_nhan"])
'''

RIG = """
import json
from false_agency import Request, Response
from rigs import HttpRig


class Dialect:
    def __init__(self):
        self.effects, self.numbers = [], {}

    def answer(self, request):
        if request.method == "GET":
            so = request.path.rpartition("/")[2]
            if so not in self.numbers:
                return Response(404)
            return self.say({"ma": "00", "so_bien_nhan": self.numbers[so]})
        so = json.loads(request.body)["so"]
        if so not in self.numbers:
            self.effects.append(so)
            self.numbers[so] = f"BN{len(self.effects)}"
        return self.say({"ma": "00", "so_bien_nhan": self.numbers[so]})

    def refusal(self, request):
        return self.say({"ma": "17"})

    def garbage(self, request):
        return Response(200, "application/json", b"[[")

    def say(self, value):
        return Response(200, "application/json", json.dumps(value).encode())


RIGS = [HttpRig("so-thu-nghiem", dialect=Dialect)]
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of somebody else's, with one connector in it."""
    path = tmp_path / "so_thu_nghiem-1.0-py3-none-any.whl"
    info = "so_thu_nghiem-1.0.dist-info"
    files = {
        "so_thu_nghiem/__init__.py": FOREIGN,
        "so_thu_nghiem/rig.py": RIG,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: so-thu-nghiem\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[{GROUP}]\nso-thu-nghiem = so_thu_nghiem:so_thu_nghiem\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return path


def test_a_connector_from_somebody_elses_wheel_passes_the_whole_suite(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run([*install, "--disable-pip-version-check", "--no-compile"], check=True, timeout=PATIENCE_S)
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "test_conformance.py")]
    done = subprocess.run(
        [*suite, "-k", "so-thu-nghiem or every_installed"],
        env={**os.environ, "PYTHONPATH": str(site), "CONFORMANCE_RIGS": "so_thu_nghiem.rig"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed >= 20, done.stdout[-500:]
