"""The sign of life of a run's process: a lease that it renews while it lives, a gate to publish, and the index."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime

import dagster as dg

from coin_pipeline.database.runs.leases import Leases, renewal_interval_s
from coin_pipeline.database.runs.status import fetch_run_statuses
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.orchestration.failures import INTERRUPTED
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.retry import tolerate_outages
from coin_pipeline.settings import load_settings

PROGRESS_INTERVAL_S = 0.2


class RunHeartbeat:
    """What the ops of a run tell about it; outside any recorded run it tells nobody."""

    def __init__(
        self,
        run_id: str = "",
        leases: Leases | None = None,
        started_at: float | None = None,
        index: ResultIndex | None = None,
    ) -> None:
        self.started_at = datetime.now(UTC) if started_at is None else datetime.fromtimestamp(started_at, UTC)
        self._run_id = run_id
        self._leases = leases
        self.index = index
        self._done, self._when = 0, 0.0

    def step_done(self, of: int) -> None:
        """Tell that one more step of so many is done; at most five times a second."""
        self._done += 1
        if self._leases and time.monotonic() - self._when > PROGRESS_INTERVAL_S:
            self._when = time.monotonic()
            self._leases.record_progress(self._run_id, self._done / of)

    def begin_publishing(self) -> None:
        """Pass the gate before the result becomes visible.

        Raises:
            Superseded: the run was ended from outside.
        """
        if self._leases:
            self._leases.begin_publishing(self._run_id)

    def remove_from_index(self, task_id: str) -> None:
        """Take the result of a task out of the index whose objects are gone."""
        if self.index:
            self.index.remove("tasks", [task_id])


@dg.resource(description="The sign of life of a run's process.")
def run_heartbeat(context: dg.InitResourceContext) -> Iterator[RunHeartbeat]:
    """Hold the lease of the run until its last op has ended; it outlasts that by the time to tell the end."""
    if context.run is None or context.instance is None or context.instance.is_ephemeral:
        yield RunHeartbeat()  # somebody looks at a resource outside any recorded run
        return
    with tolerate_outages(), closing(Session(database_url(load_settings()))) as session:
        run_id, stopping = context.run.run_id, threading.Event()
        run = fetch_run_statuses(session, [run_id])[run_id]
        if run.status != "STARTED":  # cancelled, or given up, just before its process began: it is started all the same
            raise dg.Failure(INTERRUPTED, allow_retries=False)
        leases = Leases(session)
        leases.renew(run_id)
        renewal = threading.Thread(target=_renew, args=(leases, run_id, stopping), name="lease", daemon=True)
        renewal.start()
        try:
            yield RunHeartbeat(run_id, leases, run.started_at, ResultIndex(session))
        finally:
            stopping.set()
            renewal.join()


def _renew(leases: Leases, run_id: str, stopping: threading.Event) -> None:
    while not stopping.wait(renewal_interval_s()):
        # Who judges by the lease needs the same database, and waits for a renewal once it is back.
        with suppress(DatabaseUnavailable):
            leases.renew(run_id)
