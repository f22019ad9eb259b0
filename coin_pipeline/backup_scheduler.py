"""The schedules of backups as an object, as the migration checklist uses it: `get_backup_scheduler()`."""

import time
from contextlib import closing
from typing import TypedDict

import dagster as dg

from coin_pipeline.database.feature_flags import is_paused
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.backups.schedules import backup_schedules
from coin_pipeline.errors import InvalidSettings, Problem, ServiceUnavailable
from coin_pipeline.orchestration._dagster_internals import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from coin_pipeline.orchestration.daemon_health import silent_daemons
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import Settings, load_settings

DAEMON = "SCHEDULER"


class SchedulerStatus(TypedDict):
    """State of the scheduler.

    Attributes:
        is_running: Whether a daemon runs that starts scheduled jobs, and at least one schedule is on; false after a
            restore until 'coin database resume'.
        jobs_count: Number of schedules that are on.
        jobs: Their names.
    """

    is_running: bool
    jobs_count: int
    jobs: list[str]


class BackupScheduler:
    """The schedules of backups, which Dagster's daemon evaluates while `coin up` runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def start(self) -> None:
        """Switch on all schedules of backups that were switched off, in the Dagster UI or by a restore.

        Raises:
            InvalidSettings: COIN_BACKUP_SCHEDULE is off.
            ServiceUnavailable: All schedules are stopped since a restore, or no daemon runs that would start backups.
        """
        if self._settings.coin_backup_schedule == "off":
            reason = "is off, so no backup is scheduled; set it to on and restart 'coin up'"
            raise InvalidSettings([Problem("COIN_BACKUP_SCHEDULE", reason)])
        with open_instance(self._settings) as instance:
            for state in _stored_states(instance).values():
                if state.status == InstigatorStatus.STOPPED:
                    _switch_on(instance, state)
            if self._is_paused():
                raise ServiceUnavailable("schedules are stopped since a restore; start them with: coin database resume")
            if not _has_daemon(instance):
                raise ServiceUnavailable("no daemon runs that would start backups; start it with: coin up")

    def get_status(self) -> SchedulerStatus:
        """Return the state of the scheduler, read from Dagster's records.

        Raises:
            DatabaseUnavailable: They cannot be read.
        """
        with open_instance(self._settings) as instance:
            states = _stored_states(instance)
            jobs = [schedule.name for schedule in backup_schedules() if _is_on(schedule, states.get(schedule.name))]
            running = bool(jobs) and _has_daemon(instance) and not self._is_paused()
            return {"is_running": running, "jobs_count": len(jobs), "jobs": jobs}

    def _is_paused(self) -> bool:
        with closing(Session(database_url(self._settings))) as session:
            return is_paused(session)


def get_backup_scheduler() -> BackupScheduler:
    """Return the scheduler of the platform whose settings this process has."""
    return BackupScheduler(load_settings())


def _stored_states(instance: dg.DagsterInstance) -> dict[str, InstigatorState]:
    """Return the recorded states of the schedules of backups, by name; those never seen by a daemon have none."""
    names = {schedule.name for schedule in backup_schedules()}
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    return {state.instigator_name: state for state in states if state.instigator_name in names}


def _is_on(schedule: dg.ScheduleDefinition, state: InstigatorState | None) -> bool:
    if state is None or state.status == InstigatorStatus.DECLARED_IN_CODE:
        return schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    return state.status == InstigatorStatus.RUNNING


def _switch_on(instance: dg.DagsterInstance, state: InstigatorState) -> None:
    """Switch a schedule on from now, as the Dagster UI does; ticks that were missed meanwhile are not caught up."""
    data = state.instigator_data
    if isinstance(data, ScheduleInstigatorData):
        state = state.with_data(ScheduleInstigatorData(data.cron_schedule, time.time()))
    instance.update_instigator_state(state.with_status(InstigatorStatus.RUNNING))


def _has_daemon(instance: dg.DagsterInstance) -> bool:
    return not silent_daemons(instance, [DAEMON])
