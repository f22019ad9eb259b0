"""Time limits of database connections: how long the server may work, and how long a client waits for its response."""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg2 import extensions

from coin_pipeline.errors import DatabaseUnavailable

RESPONSE_S = 2.0
"""How long a request waits for a response of the database."""
PAUSE_S = 1.0
"""How long requests fail at once after a wait that had no response; then one of them tries again."""
WHERE = "DATABASE_URL or DATA_ROOT/postgres"
"""What error messages call the database: its URL contains a password."""
_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


class ConnectionTimeouts(NamedTuple):
    """Time limits that the server and the kernel enforce on a connection.

    Attributes:
        connect_s: Opening the connection, including authentication.
        statement_ms: A statement.
        lock_ms: Waiting for a lock.
        idle_in_transaction_ms: Waiting for the client within a transaction; 0 for no limit.
    """

    connect_s: int
    statement_ms: int
    lock_ms: int
    idle_in_transaction_ms: int = 0

    def parameters(self, url: str) -> dict[str, Any]:
        """Return connection parameters of libpq; a lost server is noticed within about 15 seconds.

        Args:
            url: Connection URL; its own `options` are kept.
        """
        own = extensions.parse_dsn(url).get("options", "")
        limits = {
            "statement_timeout": self.statement_ms,
            "lock_timeout": self.lock_ms,
            "idle_in_transaction_session_timeout": self.idle_in_transaction_ms,
        }
        return {
            "connect_timeout": self.connect_s,
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 15_000,
            "options": " ".join((own, *(f"-c {name}={value}" for name, value in limits.items()))).strip(),
        }


INTERACTIVE = ConnectionTimeouts(connect_s=2, statement_ms=1_500, lock_ms=1_000, idle_in_transaction_ms=5_000)
"""Limits of the API, below RESPONSE_S: a slow statement fails by itself and does not count as a server that hangs."""
BATCH = ConnectionTimeouts(connect_s=10, statement_ms=600_000, lock_ms=60_000)
"""Limits of runs, the daemon, migrations, retention and commands."""


class ResponseLimit:
    """Bounds the time that this process waits for the database, and fails at once while the database hangs.

    A server that is stopped, or whose disk does not respond, still acknowledges packets and enforces no time limit.
    After a wait without a response, every other thread fails at once for PAUSE_S; then one thread tries again.
    """

    def __init__(self, limit_s: float = RESPONSE_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._retry_at: float | None = None
        self._trial: int | None = None

    def require(self) -> None:
        """Raise DatabaseUnavailable while the database hangs, unless this thread is the one that tries it again."""
        with self._lock:
            if self._retry_at is None or self._trial == threading.get_ident():
                return
            now = time.monotonic()
            if now < self._retry_at:
                raise self._unavailable()
            self._retry_at, self._trial = now + self._limit_s + PAUSE_S, threading.get_ident()

    def wait(self, connection: extensions.connection) -> None:
        """Wait until a connection has its response; the callback of `psycopg2.extensions.set_wait_callback`.

        psycopg2 closes the connection if this raises.

        Raises:
            DatabaseUnavailable: There was no response within the limit.
        """
        deadline = time.monotonic() + self._limit_s
        while (state := connection.poll()) != extensions.POLL_OK:
            poller = select.poll()
            poller.register(connection.fileno(), _EVENTS[state])
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._record(time.monotonic() + PAUSE_S)
                raise self._unavailable()
        if self._retry_at is not None:
            self._record(None)

    def _record(self, retry_at: float | None) -> None:
        with self._lock:
            self._retry_at, self._trial = retry_at, None

    def _unavailable(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(WHERE, f"no response within {self._limit_s:g} s")


_limits: list[ResponseLimit] = []


@contextmanager
def limit_waits() -> Iterator[None]:
    """Apply one `ResponseLimit` to every database connection of this process."""
    previous, limit = extensions.get_wait_callback(), ResponseLimit()
    extensions.set_wait_callback(limit.wait)
    _limits.append(limit)
    try:
        yield
    finally:
        _limits.remove(limit)
        extensions.set_wait_callback(previous)


def require_responsive() -> None:
    """Raise DatabaseUnavailable if this process limits its waits and the database hangs; call it before a statement."""
    for limit in _limits:
        limit.require()
