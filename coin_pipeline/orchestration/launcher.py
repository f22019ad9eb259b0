"""Run launchers: the worker pool's and, where no pool serves this home, Dagster's default one."""

import logging
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import dagster as dg

from coin_pipeline.database.runs.leases import Leases, RunLease
from coin_pipeline.database.runs.processes import KILL_GRACE_S
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration._dagster_internals import ConfigurableClassData, LaunchRunContext
from coin_pipeline.orchestration.run_tags import COLD_LAUNCH_TAG, is_cold_launched, owner_of
from coin_pipeline.orchestration.worker_pool.lock import is_pool_expected, pool_home
from coin_pipeline.orchestration.worker_pool.protocol import Message, launch_request, send_request
from coin_pipeline.settings import load_settings

_log = logging.getLogger("coin.launcher")


class ColdRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher with another way to terminate runs.

    Dagster asks the code server to interrupt the run's process, and that call blocks until the process reacts: forever,
    and with every other termination, if the process is in a loop that lets no other thread run.

    Overrides `terminate(run_id)` of `dg.DefaultRunLauncher` and calls its `launch_run(context)`; a change of either is
    noticed by tests/orchestration/test_dagster_contract.py.
    """

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run, and kill it after KILL_GRACE_S.

        Returns:
            False if the run has ended or is publishing its result.
        """
        run = mark_canceling(self._instance, run_id)
        return run is not None and self._terminate_process(run)

    def is_cold(self, run: dg.DagsterRun) -> bool:  # noqa: ARG002 -- the pool's launcher looks at the run
        """Return whether a run is started in a process of its own rather than in the worker pool."""
        return True

    def _terminate_process(self, run: dg.DagsterRun) -> bool:
        lease = _lease_of(run)
        if lease is not None and lease.is_held_elsewhere:
            return True  # the process notices when it renews the lease
        if lease is None or not lease.is_local:  # its first op has not begun
            return bool(super().terminate(run.run_id))  # type: ignore[no-untyped-call]
        lease.send_signal(signal.SIGINT)
        killing = threading.Timer(KILL_GRACE_S, lease.send_signal, (signal.SIGKILL,))
        killing.daemon = True  # if this process ends first, the monitor kills the run
        killing.start()
        return True


class PooledRunLauncher(ColdRunLauncher):
    """Hands runs to the worker pool, where a loaded process starts one within tens of milliseconds.

    Without a pool for this home, as under `dagster dev`, runs start in processes of their own. While a pool is being
    restarted, runs wait for it.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._home = pool_home()
        self._away = False

    @classmethod
    def from_config_value(  # type: ignore[override]  # the setting decides
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 -- Dagster's signature
    ) -> ColdRunLauncher:
        """Return this launcher, or ColdRunLauncher if COIN_LAUNCHER=dagster."""
        return cls(inst_data) if load_settings().coin_launcher == "warm" else ColdRunLauncher(inst_data)

    def reserve(self, run: dg.DagsterRun) -> bool:
        """Reserve a slot in the pool for a few seconds; return False if it is full or away."""
        try:
            return bool(self._ask(reserve=run.run_id, owner=owner_of(run))["ok"])
        except OSError:
            return False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand a run to the pool; if that is restarting, the monitor hands the run over later."""
        run = context.dagster_run
        try:
            self._hand_over(run)
        except OSError as error:
            if is_pool_expected(self._home):
                message = f"The worker pool is away ({error}); the run starts when it is back."
                self._instance.report_engine_event(message, run, cls=self.__class__)
            else:
                self._launch_cold(context)

    def launch_missing(self, runs: Sequence[dg.DagsterRun]) -> int:
        """Hand over those runs that the pool does not know; return their number."""
        try:
            known = self._ask(runs=True)["runs"]
            missing = [run for run in runs if run.run_id not in known and not is_cold_launched(run)]
            for run in missing:
                self._hand_over(run)
        except OSError as error:
            if not self._away:  # once per outage
                _log.warning("the worker pool is away (%s)", error)
            self._away = True
            return 0
        self._away = False
        return len(missing)

    def is_cold(self, run: dg.DagsterRun) -> bool:
        """Return whether a run was started in a process of its own, for lack of a pool."""
        return is_cold_launched(run)

    def _launch_cold(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        message = "No worker pool serves this home; the run starts in a process of its own, which takes seconds."
        self._instance.report_engine_event(message, run, cls=self.__class__)
        self._instance.add_run_tags(run.run_id, {COLD_LAUNCH_TAG: run.run_id})
        super().launch_run(context)

    def _terminate_process(self, run: dg.DagsterRun) -> bool:
        if self.is_cold(run):
            return super()._terminate_process(run)
        try:
            known = bool(self._ask(cancel=run.run_id)["known"])
        except OSError as error:
            self._instance.report_engine_event(f"The worker pool is away ({error}).", run, cls=self.__class__)
            known = False
        if not known and not run.is_finished:
            lease = _lease_of(run)
            if lease is None or not lease.is_held_elsewhere:  # no process to interrupt
                self._instance.report_run_canceled(run)
        return True

    def _hand_over(self, run: dg.DagsterRun) -> None:
        self._ask(**launch_request(run))

    def _ask(self, **message: object) -> Message:
        return send_request(self._home, **message)


def _lease_of(run: dg.DagsterRun) -> RunLease | None:
    with closing(Session(database_url(load_settings()))) as session:
        return Leases(session).fetch([run.run_id]).get(run.run_id)


def mark_canceling(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun | None:
    """Record that a run is to end.

    Returns:
        The run, or None if its result is published or about to be: the database refused the change of status.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceling(run)
        run = instance.get_run_by_id(run_id)
    return None if run is None or run.status in {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS} else run
