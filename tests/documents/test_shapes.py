"""Shapes that cost a naive reader dear are refused with little memory and little time, each in a child process.

What little time is, an honest document says that the same process reads beside it. The children are forks of one process
that has loaded what it needs and nothing else.
"""

import os
import subprocess
import sys

import pytest

SECONDS = 120  # of CPU, for what would never end
TIMES = 25  # what a refusal may cost at most, in honest documents of 20,000 elements; the dearest costs seven
MEMORY = 600 * 2**20  # of address space; the resident part is asserted below
RESIDENT = 200 * 2**20

NURSERY = """
import os, resource, sys, time
from gateway.core.problems import Stopped
from gateway.documents import parse_bytes

def judged(body):
    before = time.process_time()
    try:
        parse_bytes(body)
        said = ["taken"]
    except Stopped as stop:
        said = [p.code for p in stop.problems]
    return said, time.process_time() - before

def child(shape):
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    honest = b"<a>" + b"<b>x</b>" * 19_999 + b"</a>"
    usual = min(judged(honest)[1] for _ in range(2))
    body = eval(shape)
    assert len(body) <= 4 * 2**20
    said, cost = judged(body)
    # Not ru_maxrss: that one counts what the process was forked from.
    resident = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
    print(said[0], cost / usual, resident, flush=True)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            child(line)
        except BaseException as error:
            print("died", repr(error), flush=True)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status:
        print("died", status, flush=True)
"""

FULL = 4 * 2**20 - 100

SHAPES = {
    "a million siblings": ("b'<a>' + b'<b/>' * 1_000_000 + b'</a>'", "XML-131"),
    "depth by the megabyte": ("b'<a>' * 1_000_000", "XML-130"),
    "depth within lxml's own limit": ("b'<a>' * 200 + b'</a>' * 200", "XML-130"),
    "300,000 attributes on one element": (
        "b'<a ' + b' '.join(b'b%d=\"\"' % i for i in range(300_000)) + b'/>'",
        "XML-136",
    ),
    "20,000 attributes in a small document": (
        "b'<a ' + b' '.join(b'b%d=\"\"' % i for i in range(10_000)) + b'/>'",
        "XML-132",
    ),
    "450,000 attributes, 30 on each element": (
        "b'<a>' + (b'<b ' + b' '.join(b'b%d=\"\"' % i for i in range(30)) + b'/>') * 15_000 + b'</a>'",
        "XML-137",
    ),
    "200,000 declarations of the same twelve namespaces": (
        "b'<a>' + (b'<b ' + b' '.join(b'xmlns:n%d=\"u:x\"' % i for i in range(12)) + b'/>') * 17_000 + b'</a>'",
        "XML-137",
    ),
    "100,000 namespaces on one element": (
        "b'<a ' + b' '.join(b'xmlns:n%d=\"urn:%d\"' % (i, i) for i in range(100_000)) + b'/>'",
        "XML-136",
    ),
    "1,000 namespaces, used once each": (
        "b'<a ' + b' '.join(b'xmlns:n%d=\"u:x\"' % i for i in range(999)) + b'>' + b'<n5:b/>' * 1000 + b'</a>'",
        "XML-133",
    ),
    "namespaces one by one on the way down": (
        "b''.join(b'<a xmlns:a%d=\"urn:1\" xmlns:b%d=\"urn:1\">' % (i, i) for i in range(40))",
        "XML-133",
    ),
    "a million comments": ("b'<a>' + b'<!---->' * 590_000 + b'</a>'", "XML-111"),
    "one comment of four megabytes": (f"b'<a><!--' + b'x' * {FULL} + b'--></a>'", "XML-136"),
    "comments before the root": ("b'<!---->' * 590_000 + b'<a/>'", "XML-111"),
    "a million instructions": ("b'<a>' + b'<?p?>' * 800_000 + b'</a>'", "XML-112"),
    "one text of four megabytes": (f"b'<a>' + b'x' * {FULL} + b'</a>'", "XML-134"),
    "one CDATA section of four megabytes": (f"b'<a><![CDATA[' + b'x' * {FULL} + b']]></a>'", "XML-134"),
    "one attribute of four megabytes": (f"b'<a b=\"' + b'x' * {FULL} + b'\"/>'", "XML-136"),
    "one name of four megabytes": (f"b'<' + b'x' * {FULL} + b'/>'", "XML-136"),
    "names that never repeat": ("b'<a>' + b''.join(b'<name%d/>' % i for i in range(19_000)) + b'</a>'", "XML-135"),
    "long names that never repeat": (
        "b'<a>' + b''.join(b'<n%d%s/>' % (i, b'x' * 400) for i in range(9_000)) + b'</a>'",
        "XML-135",
    ),
    "four megabytes of white space": (f"b' ' * {FULL}", "XML-001"),
    "a declaration of four megabytes": (f"b'<?xml version=\"1.0\"' + b' ' * {FULL} + b'x?><a/>'", "XML-107"),
    "a million times the word xmlns": ("b'<a>' + b'xmlns' * 800_000 + b'</a>'", "XML-134"),
    "a million times xmlns with a colon": ("b'<a>' + b'xmlns:' * 500_000 + b'</a>'", "taken"),
    "a million quotes": ("b'<a b=' + b'\"' * 2_000_000 + b'/>'", "XML-129"),
    "a million less-than signs": ("b'<a>' + b'<' * 1_000_000", "XML-117"),
    "a million ampersands": ("b'<a>' + b'&' * 1_000_000 + b'</a>'", "XML-117"),
    "four megabytes of line breaks and an error": (f"b'<a>' + b'\\n' * {FULL // 2} + b'</b>'", "XML-118"),
    "four megabytes on one line and 25 errors": (
        f"b'<a>' + b'x' * {FULL // 2} + b'<!---->' * 30 + b'</a>'",
        "XML-111",
    ),
    "a million forbidden characters": ("b'<a>' + b'\\x00' * 1_000_000 + b'</a>'", "XML-105"),
    "20,000 elements, honestly": ("b'<a>' + b'<b>x</b>' * 19_999 + b'</a>'", "taken"),
    "an attachment of three megabytes, honestly": ("b'<a><b>' + b'QUJD' * 780_000 + b'</b></a>'", "taken"),
}


@pytest.fixture(scope="module")
def nursery():
    """Gives a shape to a fresh child and gives what it said."""
    limits = f"SECONDS, MEMORY = {SECONDS}, {MEMORY}\n"
    command = [sys.executable, "-c", limits + NURSERY]
    env = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:

        def born(shape):
            process.stdin.write(f"{shape}\n")
            process.stdin.flush()
            return process.stdout.readline().split()

        yield born
        process.stdin.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_dear_shape_is_refused_cheaply(shape, nursery):
    body, code = SHAPES[shape]
    said, times, resident = nursery(body)
    assert said == code
    assert float(times) < TIMES
    assert int(resident) < RESIDENT
