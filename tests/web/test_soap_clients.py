"""Other people's SOAP clients against the real door: PHP SoapClient, Perl SOAP::Lite, Node's node-soap, C by gSOAP, Java by JAX-WS.

They are made of today's WSDL and speak to a later version, which has an element more in every answer (growing.py).
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import doors
import mail
import pki
import pytest
import zeep.exceptions
from alone import JAVAC, JVM
from growing import growing
from patience import PATIENCE_S
from requests import Session
from zeep import Client
from zeep.transports import Transport

from gateway.core.allowed import PartyAllowance
from gateway.core.problems import Lang, catalogue
from gateway.store import Store, open_engine

CLIENTS = Path(__file__).resolve().parent / "clients"


def run(*command, cwd=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=PATIENCE_S, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


def has(*command):
    return (
        shutil.which(command[0])
        and subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0
    )


def needs(there, what):
    """Skips on a laptop without the runtime; on CI its absence is a failure (.ci/run installs it)."""
    if there or os.environ.get("CI"):
        return lambda test: test
    return pytest.mark.skip(reason=f"{what} is not installed")


needs_php = needs(has("php", "-r", "new SoapClient(null, ['location' => 'x', 'uri' => 'x']);"), "php with ext-soap")
needs_perl = needs(has("perl", "-MSOAP::Lite", "-MJSON::PP", "-e", "1"), "perl with SOAP::Lite")
needs_node = needs(shutil.which("node") and (CLIENTS / "node_modules" / "soap").exists(), "node with node-soap")
needs_gsoap = needs(
    shutil.which("wsdl2h")
    and shutil.which("soapcpp2")
    and shutil.which("gcc")
    and Path("/usr/include/stdsoap2.h").exists(),
    "gSOAP with its library and gcc",
)

CXF = os.environ.get("CXF_LIB", "")  # a folder of its jars; make contract fetches them
JAXWS = Path("/usr/share/jaxws/lib")  # Debian's package jaxws
needs_jaxws = needs(shutil.which("wsimport") and shutil.which("javac") and JAXWS.is_dir(), "jaxws with a JDK")


@pytest.fixture
def door(open_door, file_settings, tmp_path):
    """A door that takes files too."""
    return open_door(settings=file_settings(tmp_path / "tep"))


@pytest.fixture
def letter(tmp_path):
    code = mail.ma_ho_so()
    message = mail.nop(code)
    file = tmp_path / "thong-diep.xml"
    file.write_bytes(message)
    return file, code, message


@pytest.fixture
def walls(gate, sample_settings, open_door, with_party, door, letter, sqlite_template, tmp_path):
    """Where nobody gets through, as ``name url token``: no credentials, a locked party, too large, too often, no database."""
    used_up = PartyAllowance(messages_per_s=0.0001, burst=1)
    parties = {
        "403": with_party("cong-dvc", enabled=False),
        "429": with_party("cong-dvc", allowance=used_up),
    }
    strict = {name: open_door(parties=one) for name, one in parties.items()}
    strict["429"].send(letter[2], "cong-dvc")  # the one that it may send
    strict["413"] = open_door(limits={"body_bytes": 1024})
    broken = tmp_path / "hong.db"
    shutil.copyfile(sqlite_template, broken)
    engine = open_engine(f"sqlite:///{broken}")
    bare = doors.Door(replace(gate, store=Store(engine)), sample_settings)
    with contextlib.closing(sqlite3.connect(broken)) as breaker:  # nothing can be kept any more
        breaker.execute("ALTER TABLE counter RENAME TO counter_away")
    there = {"401": (door, "sai" * 10), **{name: (one, pki.token("cong-dvc")) for name, one in strict.items()}}
    there["503"] = (bare, pki.token("cong-dvc"))
    yield [f"{name} http://127.0.0.1:{one.port}/soap {token}" for name, (one, token) in there.items()]
    bare.stop()
    engine.dispose()


WALLS = {"401": "AUT-102", "403": "AUT-105", "429": "SYS-117", "413": "XML-002", "503": "SYS-002"}


def assert_they_read_why(met):
    """What each client's exception says at a wall: the code, what is wrong and what to do, in words."""
    assert set(met) == set(WALLS)
    for name, code in WALLS.items():
        remedy = catalogue()[code].remedy[Lang.VI].partition("{")[0].partition(".")[0]
        assert code in met[name], met
        assert remedy in met[name], met


@pytest.fixture
def later(door):
    """The address of a later version, which has an element more in every answer; it must have been asked."""
    with growing(door) as (port, grown):
        yield f"http://127.0.0.1:{port}/soap"
    assert {200, 500} <= set(grown)


def receipt_by_rest(door, message):
    return hashlib.sha256(door.send(message, "cong-dvc", accept="application/xml").body).hexdigest()


@needs_php
@pytest.mark.parametrize("version", ["1", "2"])
def test_php_soapclient_runs_every_operation(letter, door, later, walls, version):
    file, code, message = letter
    out = json.loads(
        run(
            "php",
            CLIENTS / "client.php",
            later,
            pki.token("cong-dvc"),
            file,
            code,
            version,
            *walls,
        )
    )
    assert_they_read_why(out.pop("walls"))
    receipt = out.pop("receipt")
    assert receipt == receipt_by_rest(door, message)
    fault = out.pop("fault")
    assert fault.rpartition(":")[2] == ("Client" if version == "1" else "Sender")
    assert out == {
        "functions": 18,
        "sent": "accepted",
        "repeated": True,
        "checked": "rejected",
        "newest": 0,
        "original": True,
        "dossier": code,
        "fate": "accepted",
        "packet": "AUT-040",
        "sync": "AUT-040",
        "codes": ["XSD-001"],
    }


@needs_perl
def test_perl_soap_lite_runs_the_operations(door, later, letter, walls):
    file, code, message = letter
    out = json.loads(run("perl", CLIENTS / "client.pl", later, pki.token("cong-dvc"), file, code, *walls))
    assert_they_read_why(out.pop("walls"))
    assert out.pop("receipt") == receipt_by_rest(door, message)
    assert out.pop("fault").rpartition(":")[2] == "Client"
    assert out == {
        "sent": "accepted",
        "newest": "0",
        "original": True,
        "dossier": code,
        "fate": "accepted",
        "checked": "rejected",
        "codes": ["XSD-001"],
    }


@needs_node
@pytest.mark.parametrize("port", ["TrucLienThongSoap11", "TrucLienThongSoap12"])
def test_node_soap_runs_the_operations(door, later, letter, walls, port):
    file, code, message = letter
    out = json.loads(run("node", CLIENTS / "client.js", later, pki.token("cong-dvc"), file, code, port, *walls))
    assert_they_read_why(out.pop("walls"))
    assert out.pop("receipt") == receipt_by_rest(door, message)
    assert out.pop("fault").rpartition(":")[2] == ("Client" if port.endswith("11") else "Sender")
    assert out == {
        "sent": "accepted",
        "checked": "rejected",
        "newest": 0,
        "original": True,
        "dossier": code,
        "fate": "accepted",
        "packet": "AUT-040",
        "codes": ["XSD-001"],
    }


@needs_gsoap
@pytest.mark.parametrize("version", ["1", "2"])
def test_gsoap_makes_a_client_of_the_wsdl_that_runs_every_operation(door, later, letter, walls, tmp_path, version):
    file, code, message = letter
    (tmp_path / "truc.wsdl").write_bytes(door.get("/soap?wsdl").body)
    run("wsdl2h", "-c", "-o", "truc.h", "truc.wsdl", cwd=tmp_path)
    run("soapcpp2", f"-{version}", "-c", "-C", "-L", "-x", "truc.h", cwd=tmp_path)
    run("gcc", "-I.", "-o", "client", CLIENTS / "client.c", "soapC.c", "soapClient.c", "-lgsoap", cwd=tmp_path)
    out = run("./client", later, pki.token("cong-dvc"), file, code, version, *walls, cwd=tmp_path)
    assert hashlib.sha256((tmp_path / "bien-nhan.xml").read_bytes()).hexdigest() == receipt_by_rest(door, message)
    told = dict(line.split(" ", 1) for line in out.splitlines())
    assert_they_read_why({name: told.pop(name) for name in WALLS})
    assert told.pop("fault").split(":")[1] == ("Client XSD-001" if version == "1" else "Sender XSD-001")
    assert told == {
        "sent": "1",
        "checked": "XSD-001",
        "newest": "0",
        "original": "1",
        "dossier": "1",
        "fate": "1",
        "packet": "AUT-040",
        "sync": "AUT-040",
    }


@needs_jaxws
def test_jax_ws_makes_a_client_of_the_wsdl_that_runs_every_operation(door, later, letter, walls, tmp_path):
    file, code, message = letter
    (tmp_path / "truc.wsdl").write_bytes(door.get("/soap?wsdl").body)
    made = tmp_path / "made"
    made.mkdir()
    run("wsimport", "-extension", "-quiet", "-Xnocompile", "-keep", "-p", "truc", "-d", made, "truc.wsdl", cwd=tmp_path)
    path = f"{JAXWS}/*"
    run(
        *JAVAC,
        "-nowarn",
        "-proc:none",
        "-cp",
        path,
        "-d",
        made,
        CLIENTS / "Client.java",
        *(made / "truc").glob("*.java"),
    )
    java = ("java", *JVM, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
    out = run(*java, "-cp", f"{made}:{path}", "Client", later, pki.token("cong-dvc"), file, code, *walls)
    assert_a_jax_ws_client_understood(out, receipt_by_rest(door, message))


def assert_a_jax_ws_client_understood(out, receipt):
    """Every operation by every way, and at each wall why."""
    told = dict(line.split(" ", 1) for line in out.splitlines())
    expected = {
        "sent": "accepted",
        "receipt": receipt,
        "file": "300000 application/pdf",
        "checked": "XSD-001",
        "newest": "0",
        "original": "true",
        "dossier": "true",
        "fate": "accepted",
        "packet": "AUT-040",
        "sync": "AUT-040",
        "fault": "XSD-001",
        "absent": "KHONG_TIM_THAY",
    }
    ways = ("11", "12", "11-mtom", "12-mtom")
    for way in ways:
        assert_they_read_why({name: told.pop(f"{way}.{name}") for name in WALLS})
    assert told == {f"{way}.{name}": value for way in ways for name, value in expected.items()}


@pytest.mark.skipif(not CXF, reason="make contract fetches Apache CXF")
def test_apache_cxf_makes_a_client_of_the_wsdl_that_runs_every_operation(door, later, letter, walls, tmp_path):
    file, code, message = letter
    (tmp_path / "truc.wsdl").write_bytes(door.get("/soap?wsdl").body)
    path = f"{Path(CXF).resolve()}/*"
    made = tmp_path / "made"
    wsdl2java = ("-cp", path, "org.apache.cxf.tools.wsdlto.WSDLToJava")
    run("java", *wsdl2java, "-validate=none", "-p", "truc", "-d", made, "truc.wsdl", cwd=tmp_path)
    source = (CLIENTS / "Client.java").read_text("utf-8")
    for package in ("activation", "xml.ws"):  # the same program; Jakarta's names since JAX-WS 3
        source = source.replace(f"import javax.{package}.", f"import jakarta.{package}.")
    (tmp_path / "Client.java").write_text(source, "utf-8")
    sources = (tmp_path / "Client.java", *(made / "truc").glob("*.java"))
    run(*JAVAC, "-nowarn", "-proc:none", "-encoding", "UTF-8", "-cp", path, "-d", made, *sources)
    java = ("java", *JVM, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
    out = run(*java, "-cp", f"{made}:{path}", "Client", later, pki.token("cong-dvc"), file, code, *walls)
    assert_a_jax_ws_client_understood(out, receipt_by_rest(door, message))


@pytest.mark.parametrize("port", ["TrucLienThongSoap11", "TrucLienThongSoap12"])
def test_zeep_takes_answers_that_have_grown(door, later, letter, port):
    code, message = letter[1], letter[2]
    with Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {pki.token('cong-dvc')}"
        transport = Transport(session=session, timeout=PATIENCE_S, operation_timeout=PATIENCE_S)
        client = Client(f"http://127.0.0.1:{door.port}/soap?wsdl", transport=transport, port_name=port)
        client.service._binding_options["address"] = later
        sent = client.service.GuiThongDiep(NoiDung=message)
        assert (sent.KetQua, hashlib.sha256(sent.BienNhan).hexdigest()) == ("accepted", receipt_by_rest(door, message))
        assert client.service.TraCuuHoSo(MaHoSo=code).DanhSachSuKien.SuKien[0].LoaiThongDiep == "HS01"
        assert client.service.TrangThaiThongDiep(MaThongDiep=sent.SoTiepNhan).DanhSachHopThu.HopThu[0].ViTri == 1
        with pytest.raises(zeep.exceptions.Fault, match="XSD-001"):
            client.service.GuiThongDiep(NoiDung=b"<a/>")


@pytest.mark.parametrize("port", ["TrucLienThongSoap11", "TrucLienThongSoap12"])
def test_zeep_says_why_it_was_refused(door, letter, walls, port):
    met = {}
    with Session() as session:
        session.trust_env = False
        transport = Transport(session=session, timeout=PATIENCE_S, operation_timeout=PATIENCE_S)
        client = Client(f"http://127.0.0.1:{door.port}/soap?wsdl", transport=transport, port_name=port)
        for name, url, token in (wall.split(" ") for wall in walls):
            session.headers["Authorization"] = f"Bearer {token}"
            client.service._binding_options["address"] = url
            with pytest.raises(zeep.exceptions.Fault) as thrown:
                client.service.GuiThongDiep(NoiDung=letter[2])
            met[name] = str(thrown.value)
    assert_they_read_why(met)
