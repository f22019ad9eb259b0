"""The schedules of backups, and the object that the migration checklist asks about them."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.backup_scheduler import DAEMON, get_backup_scheduler
from coin_pipeline.database.feature_flags import PAUSE, resume
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.backups.schedules import SCHEDULES, backup_schedules
from coin_pipeline.errors import InvalidSettings, ServiceUnavailable
from coin_pipeline.orchestration._dagster_internals import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import load_settings
from tests.dagster_records import (
    DaemonHeartbeat,
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)


@pytest.fixture
def own_instance(own_root: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on which no daemon has ever run."""
    assert own_root.is_dir()
    with open_instance(load_settings()) as instance:
        yield instance


def record_state(instance: dg.DagsterInstance, name: str, status: InstigatorStatus) -> None:
    """Record the state of a schedule, as the daemon and the Dagster UI do."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("coin_pipeline"), "__repository__")
    data = ScheduleInstigatorData("0 0 * * *", start_timestamp=1.0)
    origin = RemoteInstigatorOrigin(repository, name)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, status, data))


def start_daemon(instance: dg.DagsterInstance) -> None:
    """Record a heartbeat, as a running daemon does."""
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), DAEMON, "1", []))


def test_times_are_those_of_the_checklist() -> None:
    """Full backup daily at 00:00, its drill afterwards, cleanup on Sundays at 01:00, all in Seoul and on by default."""
    times = {schedule.name: (schedule.job.name, schedule.cron_schedule) for schedule in backup_schedules()}
    assert times == {
        "daily_backup": ("backup", "0 0 * * *"),
        "daily_restore_drill": ("restore_drill", "30 0 * * *"),
        "weekly_backup_cleanup": ("backup_cleanup", "0 1 * * 0"),
    }
    assert {schedule.execution_timezone for schedule in backup_schedules()} == {"Asia/Seoul"}
    assert {schedule.default_status for schedule in backup_schedules()} == {dg.DefaultScheduleStatus.RUNNING}


def test_the_setting_leaves_the_schedules_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are still there to be switched on in the Dagster UI."""
    monkeypatch.setenv("COIN_BACKUP_SCHEDULE", "off")
    assert {schedule.default_status for schedule in backup_schedules()} == {dg.DefaultScheduleStatus.STOPPED}


def test_without_a_daemon_nothing_runs(own_instance: dg.DagsterInstance) -> None:
    """The schedules are on, but nothing evaluates them."""
    assert own_instance.get_daemon_heartbeats() == {}
    status = get_backup_scheduler().get_status()
    assert status == {"is_running": False, "jobs_count": 3, "jobs": [*SCHEDULES]}


def test_starting_without_a_daemon_is_an_error(own_instance: dg.DagsterInstance) -> None:
    """A scheduler that looked started would be a lie."""
    assert own_instance.get_daemon_heartbeats() == {}
    with pytest.raises(ServiceUnavailable, match="start it with: coin up"):
        get_backup_scheduler().start()


def test_a_daemon_evaluates_all_schedules(own_instance: dg.DagsterInstance) -> None:
    """Those that the daemon recorded as declared in code have the status of the code."""
    start_daemon(own_instance)
    record_state(own_instance, "daily_backup", InstigatorStatus.DECLARED_IN_CODE)
    assert get_backup_scheduler().get_status() == {"is_running": True, "jobs_count": 3, "jobs": [*SCHEDULES]}


def test_start_switches_on_what_was_switched_off(own_instance: dg.DagsterInstance) -> None:
    """Schedules that were stopped, by a user or a restore, run from now on; ticks in between are not caught up."""
    start_daemon(own_instance)
    record_state(own_instance, "daily_backup", InstigatorStatus.STOPPED)
    record_state(own_instance, "daily_retention", InstigatorStatus.STOPPED)
    assert get_backup_scheduler().get_status()["jobs"] == ["daily_restore_drill", "weekly_backup_cleanup"]
    before = time.time()
    get_backup_scheduler().start()
    assert get_backup_scheduler().get_status()["jobs_count"] == 3
    states = {state.instigator_name: state for state in own_instance.all_instigator_state()}
    data = states["daily_backup"].instigator_data
    assert isinstance(data, ScheduleInstigatorData)
    assert data.start_timestamp is not None
    assert data.start_timestamp >= before
    assert states["daily_retention"].status == InstigatorStatus.STOPPED


def test_start_names_the_setting_that_is_off(own_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """No code switches on what the operator has switched off in the settings."""
    start_daemon(own_instance)
    monkeypatch.setenv("COIN_BACKUP_SCHEDULE", "off")
    with pytest.raises(InvalidSettings, match="COIN_BACKUP_SCHEDULE"):
        get_backup_scheduler().start()
    assert get_backup_scheduler().get_status() == {"is_running": False, "jobs_count": 0, "jobs": []}


def test_after_a_restore_nothing_runs_until_it_is_resumed(own_instance: dg.DagsterInstance) -> None:
    """The schedules are on, but the daemon holds them."""
    start_daemon(own_instance)
    with closing(Session(database_url(load_settings()))) as session:
        session.run(lambda cursor: cursor.execute(PAUSE))
        assert get_backup_scheduler().get_status() == {"is_running": False, "jobs_count": 3, "jobs": [*SCHEDULES]}
        with pytest.raises(ServiceUnavailable, match="coin database resume"):
            get_backup_scheduler().start()
        resume(session)
    assert get_backup_scheduler().get_status()["is_running"]
