"""The monitor that runs both checks every few seconds in the daemon process."""

import pkgutil
from collections.abc import Mapping

import dagster as dg

from coin_pipeline.monitor import Check, Monitor
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.monitoring.lost_runs import LostRunsCheck
from coin_pipeline.orchestration.monitoring.unanswered_tasks import UnansweredTasksCheck
from coin_pipeline.results.publish import UnfinishedStatus
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store

MANIFEST_WRITER = "coin_pipeline.defs.failure_manifest:write_failure_manifest"
"""Resolved by name when it is first needed: this package does not import the definitions."""


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
