"""Run leases, timed by the database's clock: the process of each run, its progress, and the publication gate.

The table is in the same database as Dagster's, so one transaction can read a run's status and decide for its lease.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from coin_pipeline.database.runs.processes import is_running, send_signal, start_ticks
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import Superseded
from coin_pipeline.liveness import idle_s
from coin_pipeline.settings import load_settings

RENEWALS_PER_LEASE = 4


def renewal_interval_s(lease_s: float) -> float:
    """Return the time between two renewals of a lease that is valid for `lease_s` seconds."""
    return lease_s / RENEWALS_PER_LEASE


@dataclass(frozen=True, slots=True)
class RunLease:
    """The lease of the process that executes a run.

    Attributes:
        run_id: The run.
        host: Host name of the process.
        pid: Process id on that host.
        start_ticks: Start time of the process in clock ticks since boot.
        age_s: Time since the lease was first taken, seconds.
        remaining_s: Remaining validity, seconds; negative after expiry.
        idle_s: Time since the process last made progress, seconds.
        published: Whether the result may already be visible.
    """

    run_id: str
    host: str
    pid: int
    start_ticks: int
    age_s: float
    remaining_s: float
    idle_s: float
    published: bool

    @property
    def is_lost(self) -> bool:
        """Whether the lease has expired and its process is not known to work; a busy loop may delay the renewal."""
        return self.remaining_s < 0 and not (self.is_local and is_running(self.pid, self.start_ticks))

    @property
    def is_held_elsewhere(self) -> bool:
        """Whether the lease is valid and its process runs on another host, which no signal reaches from here."""
        return self.remaining_s > 0 and not self.is_local

    @property
    def process_ended(self) -> bool:
        """Whether the process ran on this host and has ended."""
        return self.is_local and start_ticks(self.pid) != self.start_ticks

    @property
    def is_local(self) -> bool:
        """Whether the process runs, or ran, on this host."""
        return self.host == socket.gethostname()

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process if it runs on this host."""
        if self.is_local:
            send_signal(self.pid, self.start_ticks, signum)


class Leases:
    """The table of leases."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lease_s = load_settings().coin_lease_seconds  # once: a broken .env must not end the renewal of a lease

    @property
    def renewal_interval_s(self) -> float:
        """Time between two renewals of a lease, seconds."""
        return renewal_interval_s(self._lease_s)

    def renew(self, run_id: str) -> str | None:
        """Take or renew the lease of a run for this process, and record when it last made progress.

        All processes of a run share one lease: the run makes progress while any of them does. They run on one host.

        Returns:
            The status of the run; None if a process on another host holds the lease, which is left as it is.
        """
        statement = (
            "insert into coin.lease (run_id, host, pid, started, until, idle_since) values (%s, %s, %s, %s,"
            " clock_timestamp() + %s * interval '1 second', clock_timestamp() - %s * interval '1 second')"
            " on conflict (run_id) do update set (host, pid, started, until, idle_since) = row(excluded.host,"
            " excluded.pid, excluded.started, excluded.until, greatest(lease.idle_since, excluded.idle_since))"
            " where lease.host = excluded.host or lease.until < clock_timestamp()"
            " returning (select status from runs where runs.run_id = lease.run_id)"
        )
        values = (run_id, socket.gethostname(), os.getpid(), start_ticks(os.getpid()), self._lease_s, idle_s())

        def write(cursor: Cursor) -> str | None:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return str(row[0]) if row else None

        return self._session.run(write)

    def record_progress(self, run_id: str, progress: float) -> None:
        """Record the progress of a run, 0 to 1; it never decreases."""
        statement = "update coin.lease set progress = greatest(progress, %s) where run_id = %s"
        self._session.run(lambda cursor: cursor.execute(statement, (progress, run_id)))

    def begin_publishing(self, run_id: str) -> None:
        """Pass the gate before a result becomes visible; after that the run can no longer be cancelled.

        Raises:
            Superseded: The run was ended from outside, so this attempt may not publish.
        """

        def decide(cursor: Cursor) -> str:
            cursor.execute("begin")
            cursor.execute("select status from runs where run_id = %s for update", (run_id,))
            status = (cursor.fetchone() or ("deleted",))[0]
            if status == "STARTED":
                cursor.execute("update coin.lease set published = true where run_id = %s", (run_id,))
            cursor.execute("commit")
            return str(status)

        status = self._session.run(decide)
        if status != "STARTED":
            raise Superseded(run_id, status)

    def fetch(self, run_ids: Sequence[str]) -> dict[str, RunLease]:
        """Return the existing leases of the given runs by run id."""
        statement = (
            "select run_id, host, pid, started, extract(epoch from clock_timestamp() - taken)::float8,"
            " extract(epoch from until - clock_timestamp())::float8,"
            " extract(epoch from clock_timestamp() - idle_since)::float8, published"
            " from coin.lease where run_id = any(%s)"
        )

        def read(cursor: Cursor) -> dict[str, RunLease]:
            cursor.execute(statement, (list(run_ids),))
            return {row[0]: RunLease(*row) for row in cursor.fetchall()}

        return self._session.run(read)
