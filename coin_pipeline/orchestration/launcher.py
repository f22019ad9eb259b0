"""Where runs start: at once in the worker pool while it has room, else from Dagster's queue."""

import logging
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._core.launcher.base import LaunchRunContext, RunLauncher
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration.run_tags import is_bulk
from coin_pipeline.orchestration.worker_pool.protocol import KILL_GRACE_S, Message, send_request
from coin_pipeline.settings import load_settings

_log = logging.getLogger("coin.launcher")


class PooledRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Hands runs to the worker pool, where a loaded process begins one within tens of milliseconds."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._home = pool_home()
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What dagster.yaml says."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure in dagster.yaml."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]  # the setting decides
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 -- Dagster's signature
    ) -> "Self | ColdRunLauncher":
        """Return this launcher, or Dagster's own if COIN_LAUNCHER says so."""
        return cls(inst_data) if load_settings().coin_launcher == "warm" else ColdRunLauncher(inst_data)

    def reserve(self, run_id: str) -> bool:
        """Ask for a place in the pool, kept for a few seconds; no is an answer, so is a pool that is away."""
        try:
            return bool(send_request(self._home, reserve=run_id)["ok"])
        except OSError:
            return False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand a run over; if the pool is away, the sensor `lost_runs` does it once that is back."""
        run = context.dagster_run
        try:
            self._launch(run)
        except OSError as error:
            self._instance.report_engine_event(
                f"The worker pool is away ({error}); the run starts when it is back.", run, cls=self.__class__
            )

    def launch_missing(self, runs: Sequence[dg.DagsterRun]) -> int:
        """Hand over those runs that the pool does not know; return how many."""
        try:
            known = self._ask(runs=True)["runs"]
            missing = [run for run in runs if run.run_id not in known]
            for run in missing:
                self._launch(run)
        except OSError as error:
            _log.warning("the worker pool is away (%s)", error)
            return 0
        return len(missing)

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run, and kill it if it does not end soon; False where it has ended, or is about to."""
        run = mark_canceling(self._instance, run_id)
        if run is None:
            return False
        try:
            known = bool(self._ask(cancel=run_id)["known"])
        except OSError as error:
            self._instance.report_engine_event(f"The worker pool is away ({error}).", run, cls=self.__class__)
            known = False
        if not known and not run.is_finished:  # no process to interrupt
            self._instance.report_run_canceled(run)
        return True

    def _launch(self, run: dg.DagsterRun) -> None:
        self._ask(launch=run.run_id, bulk=is_bulk(run))

    def _ask(self, **message: object) -> Message:
        return send_request(self._home, **message)


class ColdRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, except for how runs are ended.

    It has the code server tell the process of a run to end, and that waits until the process has heard: for ever, and
    with every other run, where it is in a loop that lets no thread run.
    """

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run, and kill it if it does not end soon; False where it has ended, or is about to."""
        run = mark_canceling(self._instance, run_id)
        if run is None:
            return False
        with closing(Session(database_url(load_settings()))) as session:
            lease = Leases(session).fetch([run_id]).get(run_id)
        if lease is None or not lease.is_local:  # it has not begun to work
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        lease.send_signal(signal.SIGINT)
        killing = threading.Timer(KILL_GRACE_S, lease.send_signal, (signal.SIGKILL,))
        killing.daemon = True  # the sensor lost_runs kills it too
        killing.start()
        return True


def mark_canceling(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun | None:
    """Record that a run is to end; None where there is nothing to end: its result is published, or about to be."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceling(run)
        run = instance.get_run_by_id(run_id)
    return None if run is None or run.status in {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS} else run


def pool_home() -> Path:
    """Return the folder of the pool's socket and lock."""
    return load_settings().data_root / "dagster"
