"""The thread that runs both checks every few seconds in the daemon process."""

import logging
import pkgutil
import threading
import time
from collections.abc import Callable, Mapping

import dagster as dg

from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.monitoring.lost_runs import LostRunsCheck
from coin_pipeline.orchestration.monitoring.unanswered_tasks import UnansweredTasksCheck
from coin_pipeline.results.publish import UnfinishedStatus
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store

STUCK_S = 300.0
"""The daemon is restarted if no round ends for this long, which exceeds a round that waits for a slow store."""
MANIFEST_WRITER = "coin_pipeline.defs.failure_manifest:write_failure_manifest"
"""Resolved by name when it is first needed: this package does not import the definitions."""
Check = Callable[[], str]
_log = logging.getLogger("coin.monitor")


class Monitor:
    """Runs checks in a thread of its own; an error of one check is logged, and the check runs again.

    Args:
        open_checks: Opens what the checks need and returns them by name; called again until it succeeds.
        interval_s: Pause between rounds, s.
    """

    def __init__(self, open_checks: Callable[[], Mapping[str, Check]], interval_s: float = 5.0) -> None:
        self._open_checks = open_checks
        self._interval_s = interval_s
        self._checks: Mapping[str, Check] = {}
        self._last_errors: dict[str, str] = {}
        self._round_ended = time.monotonic()

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        threading.Thread(target=self._loop, name="monitor", daemon=True).start()
        _log.info("monitoring runs every %g s", self._interval_s)

    @property
    def is_stuck(self) -> bool:
        """Whether no round has ended for STUCK_S."""
        return time.monotonic() - self._round_ended > STUCK_S

    def run_round(self) -> None:
        """Run each check once."""
        if not self._checks:
            self._attempt("monitor", self._open)
        for name, check in self._checks.items():
            self._attempt(name, check)
        self._round_ended = time.monotonic()

    def _loop(self) -> None:
        while True:
            self.run_round()
            time.sleep(self._interval_s)

    def _open(self) -> str:
        self._checks = self._open_checks()
        return ""

    def _attempt(self, name: str, check: Check) -> None:
        try:
            result = check()
        except Exception as error:  # noqa: BLE001 -- no error may end the loop, whichever library raised it
            message = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            if self._last_errors.get(name) != message:  # once per outage
                _log.warning("%s failed and is retried: %s", name, message, exc_info=error)
            self._last_errors[name] = message
        else:
            if self._last_errors.pop(name, None):
                _log.info("%s works again", name)
            if result:
                _log.info("%s: %s", name, result)


def platform_monitor(settings: Settings) -> Monitor:
    """Return the monitor of this DATA_ROOT."""

    def open_checks() -> Mapping[str, Check]:
        instance = open_instance(settings)
        store = open_store(settings, FAST_TIMEOUTS)
        return {
            "lost_runs": LostRunsCheck(instance, store).run,
            "unanswered_tasks": UnansweredTasksCheck(instance, store, write_manifest).run,
        }

    return Monitor(open_checks, settings.coin_monitor_seconds)


def write_manifest(
    store: ObjectStore, instance: dg.DagsterInstance, run: dg.DagsterRun, status: UnfinishedStatus, error: str
) -> None:
    """Publish the manifest of a task that ended without a result."""
    pkgutil.resolve_name(MANIFEST_WRITER)(store, instance, run, status, error)
