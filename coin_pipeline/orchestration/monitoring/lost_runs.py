"""Runs whose process is gone, hangs or takes too long, and runs that never reached the worker pool."""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing

import dagster as dg

from coin_pipeline.database.runs.leases import Leases, RunLease, renewal_interval_s
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration.failures import overdue_message, stalled_message
from coin_pipeline.orchestration.job_names import MONITORED_JOBS
from coin_pipeline.orchestration.launcher import ColdRunLauncher, PooledRunLauncher
from coin_pipeline.orchestration.retries import finalize_orphan
from coin_pipeline.orchestration.run_tags import MAX_RETRIES_TAG
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore

SILENCE_S, STARTING_S = 8, 120
"""How long a started run may have no lease, and how much longer a process may take to start."""


class LostRunsCheck:
    """Finalizes each run that is recorded as started although no process renews its lease.

    Lease times are the database's, so a wrong clock ends no run. An expired lease counts only if it is not renewed
    within the next moments: the database may have been unavailable for longer than any lease. A run without a lease
    has not reached its first op, and a run that is being cancelled should have ended: `silent_since` records when each
    run entered that state.

    Args:
        instance: The Dagster instance whose runs are checked.
        store: Where a run that was publishing may have its result.
        silent_since: Monotonic times, s, by run id; for tests.
    """

    def __init__(
        self, instance: dg.DagsterInstance, store: ObjectStore, silent_since: Mapping[str, float] | None = None
    ) -> None:
        self.silent_since = dict(silent_since or {})
        self._instance = instance
        self._store = store

    def run(self) -> str:
        """Check all runs once.

        Returns:
            What was done, or an empty string if nothing was.

        Raises:
            DatabaseUnavailable: The leases cannot be read.
        """
        runs = self._runs(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
        leases = _leases(runs)
        self._note_silent(runs, leases)
        lost = [run_id for run_id, lease in leases.items() if lease.is_lost]
        if lost:
            self._wait_for_renewals()
            leases = _leases(runs)
            lost = [run_id for run_id in lost if run_id in leases and leases[run_id].is_lost]
        now = time.monotonic()
        lost += [run_id for run_id, since in self.silent_since.items() if now - since > SILENCE_S]
        undecided = self._finalize(lost, leases)
        overdue, stalled = self._end_endless(runs, leases)
        started = self._launch_stranded()
        return _summary(lost=len(lost), undecided=undecided, overdue=overdue, stalled=stalled, launched=started)

    def _note_silent(self, runs: Sequence[dg.DagsterRun], leases: Mapping[str, RunLease]) -> None:
        """Remember since when runs have had no lease, have been cancelling, or have been starting."""
        now = time.monotonic()
        silent = {run.run_id: now for run in runs if run.run_id not in leases or _is_canceling(run)}
        launcher = self._instance.run_launcher
        if isinstance(launcher, ColdRunLauncher):  # the pool knows the runs that it was handed
            starting = self._runs(dg.DagsterRunStatus.STARTING)
            silent |= {run.run_id: now + STARTING_S for run in starting if launcher.is_cold(run)}
        self.silent_since = {run_id: self.silent_since.get(run_id, since) for run_id, since in silent.items()}

    def _finalize(self, run_ids: Sequence[str], leases: Mapping[str, RunLease]) -> int:
        """Record the end of runs and end their processes; return how many the store could not decide."""
        undecided = 0
        with closing(Session(database_url(load_settings()))) as session:
            for run_id in run_ids:
                lease = leases.get(run_id)
                undecided += not finalize_orphan(self._instance, self._store, ResultIndex(session), run_id, lease)
                self._stop(run_id, lease)  # a stopped process still occupies a slot
        return undecided

    def _end_endless(self, runs: Sequence[dg.DagsterRun], leases: Mapping[str, RunLease]) -> tuple[int, int]:
        """End runs that take too long or make no progress; return the number of each."""
        settings = load_settings()
        executing = {run.run_id: run for run in runs if _is_executing(run, leases)}
        overdue = [run_id for run_id in executing if leases[run_id].age_s > settings.coin_max_run_seconds]
        idle = [run_id for run_id in executing if leases[run_id].idle_s > settings.coin_stall_seconds]
        if idle:  # progress that was made during an outage of the database is recorded after it
            self._wait_for_renewals()
            leases = {**leases, **_leases([executing[run_id] for run_id in idle])}
        stalled = [run_id for run_id in idle if leases[run_id].idle_s > settings.coin_stall_seconds]
        messages = dict.fromkeys(stalled, stalled_message(settings.coin_stall_seconds))
        messages |= dict.fromkeys(overdue, overdue_message(settings.coin_max_run_seconds))
        for run_id, message in messages.items():
            self._fail(executing[run_id], message, leases[run_id])
        return len(overdue), len(messages) - len(overdue)

    def _fail(self, run: dg.DagsterRun, message: str, lease: RunLease) -> None:
        """Record that a run failed, and end its process; a retry would end in the same way.

        A run that was publishing may have a result, so its process is ended and `finalize_orphan` decides.
        """
        if not lease.published:
            self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            self._instance.report_run_failed(run, str(message))
        self._stop(run.run_id, lease)

    def _wait_for_renewals(self) -> None:
        time.sleep(2 * renewal_interval_s(load_settings().coin_lease_seconds))

    def _stop(self, run_id: str, lease: RunLease | None) -> None:
        """End the process of a run, even if the program that started it no longer runs."""
        self._instance.run_launcher.terminate(run_id)
        if lease:
            lease.send_signal(signal.SIGKILL)

    def _launch_stranded(self) -> int:
        """Launch runs that never reached the worker pool because the launching program or the pool died."""
        launcher = self._instance.run_launcher
        if not isinstance(launcher, PooledRunLauncher):
            return 0
        return launcher.launch_missing(self._runs(dg.DagsterRunStatus.STARTING)[::-1])  # oldest first

    def _runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        runs = self._instance.get_runs(dg.RunsFilter(statuses=[*statuses]))
        return [run for run in runs if run.job_name in MONITORED_JOBS]


def _leases(runs: Sequence[dg.DagsterRun]) -> Mapping[str, RunLease]:
    with closing(Session(database_url(load_settings()))) as session:
        return Leases(session).fetch([run.run_id for run in runs])


def _is_canceling(run: dg.DagsterRun) -> bool:
    return run.status == dg.DagsterRunStatus.CANCELING


def _is_executing(run: dg.DagsterRun, leases: Mapping[str, RunLease]) -> bool:
    lease = leases.get(run.run_id)
    return run.status == dg.DagsterRunStatus.STARTED and lease is not None and not lease.is_lost


def _summary(*, lost: int, undecided: int, overdue: int, stalled: int, launched: int) -> str:
    counts = {
        "lost runs": lost,
        "undecided until the object store answers": undecided,
        "overdue runs ended": overdue,
        "stalled runs ended": stalled,
        "stranded runs launched": launched,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
