"""A document that ends the process that reads it: once, and then never again."""

import base64
import hashlib
import http.client
import os
import signal
import sys
import threading
from contextlib import ExitStack, suppress

import mail
import nodes
import pytest
from agency import agency
from full import files_of_at_most, mounted
from patience import eventually

from gateway.web.crashes import Crashes, read_at_death

# What a hole in a library looks like from here: reading these bytes aborts the process, whoever catches what.
HOLE = """
import os
from lxml import etree
real = etree.fromstring
def fromstring(text, parser=None, **more):
    if b"lo-hong" in (text if isinstance(text, bytes) else text.encode()):
        os.abort()
    return real(text, parser, **more)
etree.fromstring = fromstring
"""


@pytest.mark.threat("T-POISON")
def test_a_document_that_ends_a_worker_is_not_read_again_and_is_on_record(tmp_path, monkeypatch):
    (tmp_path / "hole").mkdir()
    (tmp_path / "hole" / "sitecustomize.py").write_text(HOLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hole"))
    settings = {"web": {"port": nodes.free_port()}}
    node = nodes.Node(tmp_path / "node", settings=settings, port=settings["web"]["port"]).prepare()
    bad = mail.nop().replace(b"</lt:ThongDiep>", b"<lo-hong/></lt:ThongDiep>")
    soap = SOAP % base64.b64encode(b"lo-hong").decode()
    try:
        process = node.serve(workers=2)
        for body, post in ((bad, lambda: node.post(bad, "cong-dvc")), (soap.encode(), lambda: by_soap(node, soap))):
            with pytest.raises((OSError, http.client.HTTPException)):
                post()
            told = first_answer(post)
            assert told.status in (422, 500)
            assert b"SYS-005" in told.body
            assert hashlib.sha256(body).hexdigest().encode() in told.body
            assert post().status == told.status
        assert node.post(mail.nop(), "cong-dvc").status == 201
        assert process.poll() is None
        assert "SYS-005" in node.run("messages", "--state", "rejected").stdout.decode()
    finally:
        node.stop()
    assert node.log("serve").count("crashed while it read") >= 2


@pytest.mark.threat("T-POISON")
def test_beside_a_flood_the_document_that_ends_the_worker_is_named_and_nobody_elses(tmp_path, monkeypatch):
    (tmp_path / "hole").mkdir()
    (tmp_path / "hole" / "sitecustomize.py").write_text(HOLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hole"))
    node = nodes.Node(tmp_path / "node", settings={"door": {"tray_documents": 24}}).prepare()
    over = threading.Event()
    answers = []

    many = [mail.nop() for _ in range(40)]

    def flood(body):
        while not over.is_set():
            with suppress(OSError, http.client.HTTPException):
                answers.append(node.post(body, "so-tu-phap").status)

    bad = mail.nop().replace(b"</lt:ThongDiep>", b"<lo-hong/></lt:ThongDiep>")
    try:
        node.serve()
        senders = [threading.Thread(target=flood, args=(body,)) for body in many]
        for sender in senders:
            sender.start()
        assert eventually(lambda: len(answers) > 40)
        with pytest.raises((OSError, http.client.HTTPException)):
            node.post(bad, "cong-dvc")
        told = first_answer(lambda: node.post(bad, "cong-dvc"))
        assert b"SYS-005" in told.body
        so_far = len(answers)
        assert eventually(lambda: len(answers) > so_far + 40)
    finally:
        over.set()
        node.stop()
    for sender in senders:
        sender.join()
    assert node.log("serve").count("crashed while it read") == 1, "one document, alone"


@pytest.mark.hostile
@pytest.mark.threat("T-POISON")
def test_a_document_that_is_fetched_ends_work_once_and_is_on_record_and_others_are_delivered_to(tmp_path, monkeypatch):
    (tmp_path / "hole").mkdir()
    (tmp_path / "hole" / "sitecustomize.py").write_text(HOLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hole"), prepend=os.pathsep)
    bad, good = mail.nop().replace(b"</lt:ThongDiep>", b"<lo-hong/></lt:ThongDiep>"), mail.nop(to="so-tu-phap")
    with agency() as there:
        there.waiting = {"bad": bad, "good": good}
        fetched = f'connector = {{ name = "rest", url = "{there.url}", fetch_url = "{there.fetch_url}", timeout_s = 2, fetch_every_s = 1 }}'
        node = nodes.Node(tmp_path / "node", agency=there.url, profiles={"cong-dvc": f"{fetched}\n"}).prepare()
        try:
            node.work()
            assert eventually(lambda: not there.waiting), node.log("work")
            assert eventually(lambda: there.taken), node.log("work")
            (refused,) = node.rows("messages", "--state", "rejected")
        finally:
            node.stop()
    assert refused["codes"] == ["SYS-005"]
    (crash,) = [line for line in node.log("work").splitlines() if "crashed while it read" in line]
    assert hashlib.sha256(bad).hexdigest() in crash


SOAP = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><lo-hong/></s:Header><s:Body>%s</s:Body></s:Envelope>"""


def by_soap(node, text):
    return node.call("POST", "/soap", body=text.encode(), party="cong-dvc", content_type="text/xml")


def first_answer(post):
    """The first answer after that. Who is quick may meet the other worker before it knows; then both come up anew."""
    told = []

    def answered():
        try:
            told.append(post())
        except (OSError, http.client.HTTPException):
            return False
        return True

    assert eventually(answered), "no answer"
    return told[0]


A, B = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()


def crashed(folder, *digests, how=signal.SIGSEGV):
    """A worker that was reading these when it ended."""
    worker = Crashes(folder)
    with ExitStack() as open_:
        for digest in digests:
            open_.enter_context(worker.reading(digest))
        return read_at_death(folder, os.getpid(), -how)


def test_who_was_alone_is_guilty_and_who_was_not_when_it_happens_again(tmp_path):
    known = Crashes(tmp_path)
    assert not known.guilty(A)
    assert sorted(crashed(tmp_path, A, B)) == sorted([A, B])
    assert not known.guilty(A)
    assert crashed(tmp_path, B) == [B]
    assert (known.guilty(A), known.guilty(B)) == (False, True)
    assert crashed(tmp_path, A, B)
    assert known.guilty(A)


def test_of_a_tray_that_is_judged_station_by_station_the_one_whose_turn_it_was_is_named(tmp_path):
    worker = Crashes(tmp_path)
    with worker.reading_tray() as turn_to:
        for digest in (A, B, A, B, A):
            turn_to(digest)
        assert read_at_death(tmp_path, os.getpid(), -signal.SIGSEGV) == [A]
    assert (Crashes(tmp_path).guilty(A), Crashes(tmp_path).guilty(B)) == (True, False)
    worker = Crashes(tmp_path)
    with worker.reading_tray() as turn_to:
        turn_to(B)
    assert read_at_death(tmp_path, os.getpid(), -signal.SIGSEGV) == []


def test_what_was_read_to_its_end_or_killed_from_outside_says_nothing(tmp_path):
    worker = Crashes(tmp_path)
    with worker.reading(A):
        pass
    assert read_at_death(tmp_path, os.getpid(), -signal.SIGSEGV) == []
    assert crashed(tmp_path, A, how=signal.SIGKILL) == []
    assert read_at_death(tmp_path, os.getpid(), 0) == []
    assert not Crashes(tmp_path).guilty(A)


def test_more_threads_than_slots_read_all_the_same(tmp_path):
    assert len(crashed(tmp_path, *(hashlib.sha256(b"%d" % number).hexdigest() for number in range(20)))) == 8


def test_a_line_that_a_full_disk_has_torn_counts_for_nothing_and_hides_no_other(tmp_path):
    known = Crashes(tmp_path)
    crashed(tmp_path, A)
    with (tmp_path / "crashed").open("a") as file:
        file.write(f"{B} ")
    assert (known.guilty(A), known.guilty(B)) == (True, False)
    crashed(tmp_path, B)
    assert known.guilty(B)
    with (tmp_path / "crashed").open("a") as file:
        file.write("0 x\n")
    assert (known.guilty(A), known.guilty(B)) == (True, True)


def test_the_file_of_what_is_read_has_its_place_on_the_disk(tmp_path):
    Crashes(tmp_path)
    made = (tmp_path / "reading" / str(os.getpid())).stat()
    assert made.st_blocks * 512 >= made.st_size > 0


def test_where_there_is_no_room_to_note_what_is_read_it_is_read_all_the_same(tmp_path, caplog):
    with files_of_at_most(0):
        worker = Crashes(tmp_path)
    with worker.reading(A), worker.reading_tray() as turn_to:
        turn_to(B)
        assert read_at_death(tmp_path, os.getpid(), -signal.SIGSEGV) == []
    assert caplog.text.count("what is being read cannot be noted") == 1


FULL = """
import os, pathlib, signal, sys
from gateway.web.crashes import Crashes, read_at_death
from gateway.web.rates import Rates
folder, digest = pathlib.Path(sys.argv[1]), "0" * 64

def crashed(worker):
    with worker.reading(digest):
        return read_at_death(folder, os.getpid(), -signal.SIGBUS)

assert crashed(Crashes(folder)) == [digest]
before = Crashes(folder)
with (folder / "filling").open("wb", 0) as filling:
    for size in (2**16, 1):
        try:
            while True:
                filling.write(bytes(size))
        except OSError:
            pass
assert crashed(before) == []
assert crashed(Crashes(folder)) == []
rates = Rates(folder / "rates")
for number in range(2000):
    rates.wait_s(str(number), per_s=1, burst=1)
(folder / "filling").unlink()
assert crashed(Crashes(folder)) == [digest]
"""


@pytest.mark.hostile
def test_where_the_runtime_folder_is_full_all_goes_on_without_it_and_nobody_is_guilty(tmp_path):
    done = mounted(tmp_path, "8m", sys.executable, "-c", FULL, str(tmp_path))
    assert (done.returncode, b"Error" in done.stderr) == (0, False), done.stderr.decode()
    assert done.stderr.count(b"No space left on device") == 2
