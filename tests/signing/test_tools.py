"""The tools that compare and torment: they find what is there, and say so."""

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path

import genuine
import pytest
from genuine import Job
from paper import HS05, signed

from signing.sign import Variant
from signing.uris import DS, EXC_C14N

ROOT = Path(__file__).resolve().parents[2]


def tool(name):
    spec = importlib.util.spec_from_file_location(f"lienthong_tools_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# vectors --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """A family of four: one of our profile, one over a part only, one with a digest of its time, one that was changed."""
    folder = tmp_path_factory.mktemp("vectors")
    family = folder / "nha-lam"
    family.mkdir()
    ours = signed(variant=Variant(xades=False))
    (family / "trong-ho-so.xml").write_bytes(ours)
    (family / "bi-sua.xml").write_bytes(ours.replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9"))
    sha1 = genuine.signed_by_xmlsec1(Job(body=HS05, signer="so-tu-phap", digest=f"{DS}sha1", c14n=EXC_C14N))
    (family / "sha1.xml").write_bytes(sha1)
    (family / "khong-ky.xml").write_bytes(HS05)
    return folder


def test_the_table_says_what_is_in_the_profile_what_is_not_and_why(vectors):
    rows = {row.name.split("/")[1]: row for row in tool("vectors").rows(vectors)}
    assert rows.keys() == {"trong-ho-so.xml", "bi-sua.xml", "sha1.xml"}
    assert (rows["trong-ho-so.xml"].codes, rows["trong-ho-so.xml"].mathematics) == ((), "match")
    assert rows["trong-ho-so.xml"].xmlsec1 == "accepts"
    assert (rows["bi-sua.xml"].mathematics, rows["bi-sua.xml"].xmlsec1) == ("no match", "refuses")
    assert (rows["sha1.xml"].codes, rows["sha1.xml"].mathematics) == (("SIG-031",), "match")


def test_every_code_of_the_table_is_explained_in_both_languages(vectors):
    module = tool("vectors")
    found = list(module.rows(vectors))
    vietnamese, english = (module.table(found, lang) for lang in module.Lang)
    assert "SHA-1" not in english.split("| Code |")[0]
    assert "| SIG-031 | Thuật toán băm" in vietnamese
    assert "| SIG-031 | The digest algorithm" in english
    assert [line.count("|") for line in vietnamese.splitlines()] == [line.count("|") for line in english.splitlines()]


def test_the_command_refuses_an_empty_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "vectors.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2


# fuzz -----------------------------------------------------------------------------------------------------------------


def test_a_short_run_finds_nothing_and_says_how_much_it_tried(tmp_path):
    command = [sys.executable, ROOT / "tools" / "fuzz.py", "--tries", "120", "--workers", "1", "--seed", "7"]
    done = subprocess.run([*command, "--findings", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert said["tried"] == 120
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_makes_the_same_mutants():
    fuzz = tool("fuzz")
    corpus = fuzz.Corpus(bodies=[signed(), HS05], signed=frozenset())

    def run():
        chance = random.Random(3)
        return [fuzz.mutate(corpus.bodies[0], corpus, chance) for _ in range(40)]

    first = run()
    assert first == run()
    assert len(set(first)) > 30


class _Quiet:
    asked = ()


@pytest.mark.parametrize(
    ("outcome", "covered", "said"),
    [
        ((True,), b"khac", "no seed signed"),
        ((True,), None, "without a signature"),
        ((False, "SYS-001"), None, "answered"),
        ((False, "SIG-001"), None, None),
        ((True,), b"that", None),
    ],
)
def test_what_must_not_happen_is_recognised(outcome, covered, said):
    fuzz = tool("fuzz")
    known = fuzz.hashlib.sha256(b"that").hexdigest()
    found = fuzz._wrong(outcome, covered, fuzz.Corpus(bodies=[], signed=frozenset({known})), _Quiet())
    assert (found is None) if said is None else said in found


def test_the_network_is_a_finding():
    fuzz = tool("fuzz")
    quiet = type("Asked", (), {"asked": [("10.0.0.1", 80)]})()
    assert "asked the network" in fuzz._wrong((False, "SIG-001"), None, fuzz.Corpus([], frozenset()), quiet)


def test_a_dead_worker_is_a_finding(tmp_path, monkeypatch, capsys):
    """The worker is another process: what kills it does not kill the run."""
    fuzz = tool("fuzz")
    monkeypatch.setattr(fuzz, "__file__", str(tmp_path / "dies.py"))
    (tmp_path / "dies.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(sys, "argv", ["fuzz", "--minutes", "0", "--workers", "1", "--findings", str(tmp_path)])
    assert fuzz.main() == 1
    assert "a worker died (-11)" in capsys.readouterr().out


# attacks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "seconds", "grown", "said"),
    [
        ((False, "SIG-001"), 0.01, 10, []),
        ((False, "XSD-020"), 0.01, 10, []),
        ((True,), 0.01, 10, ["x: accepted", "x: answered []"]),
        ((False, "SYS-001"), 0.01, 10, ["x: answered ['SYS-001']"]),
        ((False, "SIG-002"), 0.01, 10, ["x: answered ['SIG-002']"]),
        ((False, "SIG-001"), 1.5, 10, ["x: as dear as 300 honest messages"]),
        ((False, "SIG-001"), 0.01, 300 * 2**20, ["x: 300 MB"]),
    ],
)
def test_an_attack_that_passes_or_costs_too_much_is_told(outcome, seconds, grown, said):
    seen = tool("attacks").Seen(honest_s=0.005)
    seen.add("x", outcome, frozenset({"SIG-001"}), seconds, grown)
    assert (seen.wrong, seen.slowest, seen.largest) == (said, (seconds, "x"), (grown, "x"))


def test_the_memory_of_one_document_is_seen():
    memory = tool("attacks").Memory()
    memory.begin()
    held = bytearray(48 * 2**20)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    del held  # it is the highest that counts
    grown = memory.grown()
    assert grown >= 40 * 2**20 or not memory.told
    memory.begin()
    assert memory.grown() < 8 * 2**20
