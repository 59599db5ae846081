"""A process that had much to hold at once becomes small again."""

import platform
import subprocess
import sys

import pytest

GROWS = """
import asyncio
from gateway.web.memory import Spare, memory_mb

spare = Spare(every_s=0)
before = memory_mb()
many = [b"%03000d" % n for n in range(20_000)]  # of the C library's: what is smaller Python keeps itself
most = memory_mb()
some = many[::16]  # one in twelve pages is still used, up to the end
del many
then = memory_mb()
asyncio.run(spare.look())
print(before, most, then, memory_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_what_was_needed_once_is_given_back_though_something_is_left_between() -> None:
    done = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, text=True, check=True)
    before, most, then, last = map(float, done.stdout.split())
    assert most > before + 50
    assert then > before + 50, "it was given back by itself: nothing is shown"
    assert last < before + 15
