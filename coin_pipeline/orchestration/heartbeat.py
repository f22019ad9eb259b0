"""Heartbeat of a run's process: the lease that it renews, its progress, and the gate before publication."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime

import dagster as dg

from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.runs.processes import KILL_GRACE_S
from coin_pipeline.database.runs.status import fetch_run_statuses
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.liveness import report_progress
from coin_pipeline.orchestration.failures import INTERRUPTED
from coin_pipeline.orchestration.run_tags import LOCAL_TAG
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.retry import tolerate_outages
from coin_pipeline.settings import load_settings

PROGRESS_INTERVAL_S = 0.2
_log = logging.getLogger("coin.lease")


class RunHeartbeat:
    """Reports a run's heartbeat and progress; a no-op outside a recorded run.

    Args:
        run_id: The run.
        leases: Where progress is recorded; None outside a recorded run.
        started_at: When the run started, s since 1970; defaults to the present.
        index: Index of results in the same database, if any.
    """

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
        self._done, self._recorded_at = 0, 0.0

    def step_done(self, of: int) -> None:
        """Count one more of `of` steps as done; progress is recorded at most five times a second."""
        report_progress()
        self._done += 1
        if self._leases and time.monotonic() - self._recorded_at > PROGRESS_INTERVAL_S:
            self._recorded_at = time.monotonic()
            self._leases.record_progress(self._run_id, self._done / of)

    def begin_publishing(self) -> None:
        """Pass the gate before the result becomes visible.

        Raises:
            Superseded: The run was ended from outside.
        """
        report_progress()
        if self._leases:
            self._leases.begin_publishing(self._run_id)

    def remove_from_index(self, task_ids: Sequence[str]) -> None:
        """Remove the results of tasks from the index after their objects were deleted."""
        if self.index:
            self.index.remove("tasks", task_ids)


class RunHeartbeatResource(dg.ConfigurableResource[RunHeartbeat]):
    """Heartbeat of a run: its lease, the publish gate and the index of results."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[RunHeartbeat]:
        """Hold the run's lease until its last op has ended; it stays valid while the end is reported.

        Raises:
            Failure: The run was cancelled or abandoned just before its process started.
        """
        if context.run is None or context.instance is None or context.instance.is_ephemeral:
            yield RunHeartbeat()  # outside a recorded run
            return
        with tolerate_outages(), closing(Session(database_url(load_settings()))) as session:
            run_id, stopping = context.run.run_id, threading.Event()
            run = fetch_run_statuses(session, [run_id])[run_id]
            if run.status != "STARTED":  # a run's process may start after the run was cancelled or abandoned
                raise dg.Failure(str(INTERRUPTED), allow_retries=False)
            leases = Leases(session)
            report_progress()  # the process may be older than the run
            if leases.renew(run_id) is None:
                _log.warning("run %s executes on another host; this process ends", run_id)
                os._exit(0)  # without a failure, which would end the run of that host
            renewal = threading.Thread(
                target=_renew,
                args=(leases, run_id, stopping),
                kwargs={"ends_itself": LOCAL_TAG not in context.run.tags},  # a command reports why it failed
                name="lease",
                daemon=True,
            )
            renewal.start()
            try:
                yield RunHeartbeat(run_id, leases, run.started_at, ResultIndex(session))
            finally:
                stopping.set()
                renewal.join()


def _renew(leases: Leases, run_id: str, stopping: threading.Event, *, ends_itself: bool) -> None:
    while not stopping.wait(leases.renewal_interval_s):
        # The monitor reads leases from the same database, and waits for a renewal after an outage.
        with suppress(DatabaseUnavailable):
            if leases.renew(run_id) != "STARTED" and ends_itself:
                _end_process(stopping)


def _end_process(stopping: threading.Event) -> None:
    """Interrupt this process, then kill it: its run was ended, perhaps on a host whose signals do not reach this one.

    The launcher of this host, which is faster, has had time to do so first.
    """
    for signum, wait_s in ((signal.SIGINT, 1.5 * KILL_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
        if stopping.wait(wait_s):
            return
        os.kill(os.getpid(), signum)
