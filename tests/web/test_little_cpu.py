"""Little CPU: `serve` and `work` have one core, and others on it have more to say."""

import os
import subprocess
import sys

import mail
import nodes
import processes
import pytest
from agency import agency
from patience import PATIENCE_S, eventually, stays

pytestmark = [
    pytest.mark.hostile,
    pytest.mark.skipif(
        not os.environ.get("LIENTHONG_HOSTILE"),
        reason="it takes a core from all others for a minute: make hostile-host",
    ),
]

OTHERS, NICE, STALL_S, LETTERS = 3, 5, 10, 5  # about a tenth of the core is left for each of the two


@pytest.fixture
def core():
    """A core on which others never rest; ``core(process)`` puts a process and all that it will start there, behind them."""
    number = max(os.sched_getaffinity(0))
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(OTHERS)
    ]
    for other in others:
        os.sched_setaffinity(other.pid, {number})

    def put(process):
        os.sched_setaffinity(process.pid, {number})
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)

    yield put
    for other in others:
        other.kill()
        other.wait(PATIENCE_S)


def test_with_a_tenth_of_a_core_a_node_comes_up_takes_delivers_and_no_process_counts_as_standing_still(tmp_path, core):
    settings = {"web": {"stall_s": STALL_S, "boot_s": 600}, "work": {"private_addresses": True}}
    with agency() as there, nodes.node(tmp_path / "node", agency=there.url, settings=settings) as node:
        for command, words in (("serve", ["--workers", "1"]), ("work", [])):
            core(node.start(command, *words))
        said = lambda: node.log("serve") + node.log("work")  # noqa: E731

        def healthy():
            try:
                return node.call("GET", "/healthz").status == 200
            except OSError:
                return False

        assert eventually(healthy), said()
        assert eventually(lambda: processes.workers(node.running["work"].pid)), said()
        before = {name: processes.workers(process.pid) for name, process in node.running.items()}
        for _ in range(LETTERS):
            assert node.post(mail.nop(to="so-tu-phap"), "cong-dvc").status == 201
        there.wait_for(LETTERS)
        assert stays(healthy, for_s=1.5 * STALL_S)
        for name, process in node.running.items():  # beside them there may be one more by now, that answers look-ups
            assert {*before[name]} <= {*processes.workers(process.pid)}, said()
        assert "replaced" not in said()
