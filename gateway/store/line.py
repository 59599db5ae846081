"""One connection to PostgreSQL whose every wait has an end, whatever stands between us and the server.

TCP's own keepalives notice a host that vanished. They notice nothing when somebody between (a pooler, a balancer, a
firewall) keeps our connection and has lost the server's: only a clock of our own ends that wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen

PING_S: Final = 5.0  # for a connection to say that it is there
#: libpq's own patience: a host that vanished is noticed within about ten seconds, one that never answers within five.
PATIENCE: Final[Mapping[str, Any]] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


class Line(psycopg.Connection[Any]):
    """A connection that closes itself when the server has said nothing for ``patience_s``. None: it waits on."""

    patience_s: float | None = PING_S
    pooled: bool = False  # there is a pooler between: the session may be another one in the next transaction
    _warned: str | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, with an end. Raises OperationalError, and is closed then."""
        if timeout is not None or self.patience_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_s)
        except errors._WaitTimeout:  # noqa: SLF001 - what psycopg's own wait() is documented to raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server said nothing for {self.patience_s:g} s") from None

    def prepared(self) -> None:
        """Once, when it is new: whether a pooler stands between, which is told by the server's process being another one.

        Behind one no statement is prepared on the server: the next transaction may find another client's under its name.
        """
        self.add_notice_handler(self._notice)
        found = self.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
        if found is None or found[0] != self.info.backend_pid:
            self.pooled, self.prepare_threshold = True, None

    def standby(self) -> bool:
        """Whether the server takes no writes: a standby, or one that an administrator has closed. Tells also that it is there."""
        asked = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
        found = self.execute(asked, prepare=False).fetchone()
        return found is None or bool(found[0])

    def commit_now(self) -> None:
        """Ends the transaction. Raises OperationalError where it is not certain that the standby has it, too.

        No statement time-out on the server: it would break off the wait for a synchronous standby and call that a success.
        """
        self._warned = None
        self.execute("SET LOCAL statement_timeout = 0; COMMIT", prepare=False)
        if self._warned is not None:
            raise psycopg.OperationalError(self._warned)

    def _notice(self, notice: errors.Diagnostic) -> None:
        if notice.sqlstate == "01000":  # "canceling wait for synchronous replication due to user request"
            self._warned = notice.message_primary or "a warning"
