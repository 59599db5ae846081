"""`lienthong console` as a process: says where it is, lets a person in, ends cleanly."""

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime

from desks import SECRET, Visitor
from patience import PATIENCE_S

from gateway.core.operators import OperatorRole
from gateway.services import operators
from gateway.store import Store, open_engine


def test_the_console_is_a_process_that_says_where_it_is_lets_a_person_in_and_ends_cleanly(tmp_path, sqlite_template):
    shutil.copyfile(sqlite_template, tmp_path / "lienthong.sqlite3")
    (tmp_path / "lienthong.toml").write_text("[console]\nport = 0\n", "utf-8")
    engine = open_engine(f"sqlite:///{tmp_path / 'lienthong.sqlite3'}")
    by = {"who": "operator:test", "reason": "thử", "now": datetime.now(UTC)}
    operators.add_operator(Store(engine), "lan", [OperatorRole.VIEWER], SECRET, **by)
    engine.dispose()
    command = [sys.executable, "-m", "gateway", "console", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            address = json.loads(process.stdout.readline())["ready"]
            visitor = Visitor(int(address.rsplit(":", 1)[1].partition("/")[0]))
            assert visitor.log_in("lan").status == 303
            assert "lan (chỉ xem)" in visitor.get("").text
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""
