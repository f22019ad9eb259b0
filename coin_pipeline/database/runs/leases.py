"""Which process runs what, by the database's clock: leases, progress, and the gate before every publication.

The table lies beside Dagster's in the same database, so that one transaction can look at a run and decide for it.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from coin_pipeline.database.runs.processes import is_running, send_signal, start_ticks
from coin_pipeline.database.schema import create_table_once
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import Superseded

LEASE_S = 6.0
"""How long a lease holds after it was taken or renewed."""
RENEWAL_S = 1.5

# Dagster writes the status of a run without looking at the one that is there. The trigger keeps what must not be
# undone, whoever writes: an attempt that went on after it was given up, a daemon that read the run before.
_TABLE = """
create table coin.lease (
    run_id text primary key references runs (run_id) on delete cascade,
    host text not null,
    pid integer not null,
    started bigint not null,
    taken timestamptz not null default clock_timestamp(),
    until timestamptz not null,
    progress double precision not null default 0,
    published boolean not null default false
);
create function coin.keep_ended() returns trigger language plpgsql as $$
begin
    if old.status in ('SUCCESS', 'FAILURE', 'CANCELED')
        or (old.status = 'CANCELING' and new.status in ('QUEUED', 'STARTING', 'STARTED'))
        or (new.status = 'CANCELING' and exists (select from coin.lease where run_id = old.run_id and published))
    then
        new.status := old.status;
        new.run_body := old.run_body;
        new.start_time := old.start_time;
        new.end_time := old.end_time;
    elsif old.status = 'CANCELING' then
        new.status := 'CANCELED';
    end if;
    return new;
end $$;
create trigger keep_ended before update on runs
    for each row when (old.status <> new.status) execute function coin.keep_ended();
"""


@dataclass(frozen=True, slots=True)
class RunLease:
    """What is recorded of the process that runs a run.

    Attributes:
        run_id: The run.
        host: Name of its machine.
        pid: Its number there.
        started: When it was started there, ticks.
        age_s: Since when it has run, s.
        remaining_s: How long the lease still holds, s; negative once it is over.
        published: Whether its result may be visible.
    """

    run_id: str
    host: str
    pid: int
    start_ticks: int
    age_s: float
    remaining_s: float
    published: bool

    @property
    def is_lost(self) -> bool:
        """Whether it is over, unless its process is seen to work: a loop may be too busy to let a thread renew it."""
        return self.remaining_s < 0 and not (self.is_local and is_running(self.pid, self.start_ticks))

    @property
    def process_ended(self) -> bool:
        """Whether its process is known to have ended, since it was one of this machine."""
        return self.is_local and start_ticks(self.pid) != self.start_ticks

    @property
    def is_local(self) -> bool:
        """Whether its process is, or was, one of this machine."""
        return self.host == socket.gethostname()

    def send_signal(self, signum: int) -> None:
        """Send a signal to its process, if that is one of this machine."""
        if self.is_local:
            send_signal(self.pid, self.start_ticks, signum)


class Leases:
    """The table of leases."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def renew(self, run_id: str) -> None:
        """Take or renew the lease of a run for this process; the processes of one run share it."""
        statement = (
            "insert into coin.lease (run_id, host, pid, started, until)"
            " values (%s, %s, %s, %s, clock_timestamp() + %s * interval '1 second') on conflict (run_id) do update"
            " set (host, pid, started, until) = row(excluded.host, excluded.pid, excluded.started, excluded.until)"
        )
        us = (socket.gethostname(), os.getpid(), start_ticks(os.getpid()))
        self._session.run(lambda cursor: cursor.execute(statement, (run_id, *us, LEASE_S)))

    def record_progress(self, run_id: str, progress: float) -> None:
        """Record which share of a run is done; it never goes down."""
        statement = "update coin.lease set progress = greatest(progress, %s) where run_id = %s"
        self._session.run(lambda cursor: cursor.execute(statement, (progress, run_id)))

    def begin_publishing(self, run_id: str) -> None:
        """Pass the gate before a result becomes visible; from then on the run can no longer be cancelled.

        Raises:
            Superseded: the run has been ended from outside, so this attempt may not publish.
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
        """Return the leases of those runs that have one."""
        statement = (
            "select run_id, host, pid, started, extract(epoch from clock_timestamp() - taken)::float8,"
            " extract(epoch from until - clock_timestamp())::float8, published from coin.lease where run_id = any(%s)"
        )

        def read(cursor: Cursor) -> dict[str, RunLease]:
            cursor.execute(statement, (list(run_ids),))
            return {row[0]: RunLease(*row) for row in cursor.fetchall()}

        return self._session.run(read)


def prepare(session: Session) -> None:
    """Create the table and the trigger beside Dagster's tables, unless they are there.

    Raises:
        DatabaseUnavailable: the account may not create a schema, say.
    """
    create_table_once(session, "lease", _TABLE)
