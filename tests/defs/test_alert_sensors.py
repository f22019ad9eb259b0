"""The sensors of alerts on a real Dagster instance with a database of its own."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest

from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import SET_ID, TARGETS, BackupSet, DrillReport, TargetBackup
from coin_pipeline.backup.sets import write_manifest
from coin_pipeline.backup.status import write_report
from coin_pipeline.database.session import Cursor, Session, connect, database_time
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.alerts.conditions import ConditionCursor, disks_of
from coin_pipeline.defs.alerts.ended_runs import FIRST_LOOK, RunCursor, read_ended
from coin_pipeline.defs.alerts.sensors import check_alerts, condition_alerts, run_alerts
from coin_pipeline.defs.build import build_defs
from coin_pipeline.errors import MarketUnknown
from coin_pipeline.orchestration.failures import PROCESS_DIED, translate_errors
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.retries import ABANDONED_TAGS
from coin_pipeline.orchestration.run_tags import (
    LOCAL_TAG,
    MAX_RETRIES_TAG,
    PARENT_RUN_ID_TAG,
    RETRY_NUMBER_TAG,
    ROOT_RUN_ID_TAG,
    SCHEDULE_NAME_TAG,
    WILL_RETRY_TAG,
)
from coin_pipeline.settings import load_settings
from tests.dagster_instance import job_definition

NIGHTLY = {SCHEDULE_NAME_TAG: "nightly", MAX_RETRIES_TAG: "0"}
FINAL = {MAX_RETRIES_TAG: "0"}
EMPTY = "truncate runs, event_logs, asset_check_executions, coin.alert_incident cascade"


@pytest.fixture(scope="module")
def own_instance(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance on a new database, under a DATA_ROOT of its own."""
    assert data_root.is_dir()
    url, name = database_url(load_settings()), f"test_{uuid.uuid4().hex}"
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", urlsplit(url)._replace(path=f"/{name}").geturl())
        patch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("alerts")))
        with open_instance(load_settings()) as instance:
            yield instance


@pytest.fixture
def outbox(own_instance: dg.DagsterInstance) -> Iterator[Session]:
    """A session on the database of the instance, which has neither runs nor alerts."""
    assert own_instance
    with closing(Session(database_url(load_settings()))) as session:
        session.run(lambda cursor: cursor.execute(EMPTY))
        yield session


@pytest.fixture
def sensors(
    own_instance: dg.DagsterInstance, outbox: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Sensors":
    """The sensors, whose first ticks are over, without backups."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path / "backups"))
    sensors = Sensors(own_instance, outbox)
    for sensor in (run_alerts, check_alerts, condition_alerts):
        sensors.tick(sensor)
    return sensors


@cache
def platform() -> dg.RepositoryDefinition:
    """Return the definitions of the platform."""
    return build_defs().get_repository_def()


class Sensors:
    """Evaluates sensors and keeps their cursors, as Dagster's daemon does."""

    def __init__(self, instance: dg.DagsterInstance, outbox: Session) -> None:
        self.instance, self.outbox = instance, outbox
        self.cursors: dict[str, str | None] = {}

    def tick(self, sensor: dg.SensorDefinition) -> list[str]:
        """Evaluate a sensor and return what the outbox contains, as `recorded` does."""
        resources = {"outbox": self.outbox}
        cursor = self.cursors.get(sensor.name)
        with dg.build_sensor_context(self.instance, cursor, repository_def=platform(), resources=resources) as context:
            sensor(context)
            self.cursors[sensor.name] = context.cursor
        return self.recorded()

    def recorded(self) -> list[str]:
        """Return key and title of each alert and recovery in the outbox, in order."""
        titles = self.rows("select key || ': ' || (notification->>'title') from coin.alert order by alert_id")
        return [title for (title,) in titles]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

        def read(cursor: Cursor) -> list[tuple[Any, ...]]:
            cursor.execute(query)
            return list(cursor.fetchall())

        return self.outbox.run(read)

    def execute(self, statement: str, *values: object) -> None:
        """Execute a statement."""
        self.outbox.run(lambda cursor: cursor.execute(statement, values))

    def age_incidents(self, age: timedelta) -> None:
        """Make the alerts of all incidents older."""
        self.execute("update coin.alert_incident set last_alert_at = last_alert_at - %s", age)

    def age_run(self, run_id: str, age: timedelta) -> None:
        """Make the last change of a run older."""
        self.execute("update runs set update_timestamp = update_timestamp - %s where run_id = %s", age, run_id)


def start(instance: dg.DagsterInstance, job: str = "backtest", **tags: str) -> dg.DagsterRun:
    """Start a run."""
    return instance.create_run_for_job(
        job_definition(job),
        status=dg.DagsterRunStatus.STARTED,
        tags=tags,
        parent_run_id=tags.get(PARENT_RUN_ID_TAG),
        root_run_id=tags.get(ROOT_RUN_ID_TAG),
    )


def fail(instance: dg.DagsterInstance, job: str = "backtest", **tags: str) -> dg.DagsterRun:
    """Start a run whose process dies."""
    run = start(instance, job, **tags)
    instance.report_run_failed(run, PROCESS_DIED)
    return run


def end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """End a run with success, and return its id."""
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
    instance.report_dagster_event(event, run.run_id)
    return run.run_id


def succeed(instance: dg.DagsterInstance, job: str, **tags: str) -> None:
    """Start a run that succeeds."""
    end(instance, start(instance, job, **tags))


@dg.op
def collect_symbol() -> None:
    """Fail with an error of the platform."""
    with translate_errors():
        raise MarketUnknown("upbit", "AAA_KRW", "404")


@dg.job(tags=NIGHTLY | {"coin/exchange": "upbit"}, executor_def=dg.in_process_executor)
def refresh_candles() -> None:
    """Stand for the job of the same name."""
    collect_symbol()


def test_a_new_installation_does_not_report_history(own_instance: dg.DagsterInstance, outbox: Session) -> None:
    """Runs that failed long before the first tick stay unreported."""
    sensors = Sensors(own_instance, outbox)
    sensors.age_run(fail(own_instance, **FINAL).run_id, FIRST_LOOK)
    assert sensors.tick(run_alerts) == []
    assert sensors.tick(run_alerts) == []


def test_what_fails_while_the_daemon_starts_is_reported(own_instance: dg.DagsterInstance, outbox: Session) -> None:
    """A run, or a check, may end before the first tick."""
    sensors = Sensors(own_instance, outbox)
    fail(own_instance, **FINAL)
    end(own_instance, evaluate(sensors, passed=False))
    assert len(sensors.tick(run_alerts)) == 1
    assert len(sensors.tick(check_alerts)) == 2


def test_a_failed_run_is_reported_with_the_error_of_its_op(sensors: Sensors) -> None:
    """The stored notification has the op, its error, the subject and a link to the run."""
    result = refresh_candles.execute_in_process(instance=sensors.instance, raise_on_error=False)
    assert sensors.tick(run_alerts) == ["job refresh_candles: Candle collection: failed"]
    ((notification, occurrence),) = sensors.rows("select notification, occurrence from coin.alert")
    assert occurrence == result.run_id
    assert notification["message"].startswith(f"Why: {MarketUnknown('upbit', 'AAA_KRW', '404')}")
    assert notification["details"]["Failed steps"] == "collect_symbol"
    assert notification["details"]["On"] == "upbit"
    assert notification["link"] == f"{load_settings().dagster_ui_url}/runs/{result.run_id}"


@pytest.mark.parametrize(
    ("config", "subject"), [({"symbols": ["BTC_KRW", {"env": "PATH"}]}, "BTC_KRW, {'env': 'PATH'}"), (5, None)]
)
def test_no_config_of_a_run_ends_the_tick(sensors: Sensors, config: object, subject: str | None) -> None:
    """Users write it in the Dagster UI, which accepts both; a tick that fails would be repeated for ever."""
    run = sensors.instance.create_run_for_job(
        job_definition("backtest"),
        run_config={"ops": {"simulate": {"config": config}}},
        status=dg.DagsterRunStatus.STARTED,
        tags=FINAL,
    )
    sensors.instance.report_run_failed(run, PROCESS_DIED)
    assert sensors.tick(run_alerts) == ["request backtest: Backtest: failed"]
    assert sensors.rows("select notification->'details'->>'On' from coin.alert") == [(subject,)]


def test_no_tag_of_a_run_ends_the_tick(sensors: Sensors) -> None:
    """Users set tags too."""
    fail(sensors.instance, **FINAL, **{RETRY_NUMBER_TAG: "the second"})
    assert sensors.tick(run_alerts) == ["request backtest: Backtest: failed"]


def test_alerts_are_in_the_language_of_the_settings(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    """COIN_ALERT_LANGUAGE=ko."""
    monkeypatch.setenv("COIN_ALERT_LANGUAGE", "ko")
    fail(sensors.instance, "retention", **NIGHTLY)
    assert sensors.tick(run_alerts) == ["job retention: 보존 기간 정리 실패"]


def test_a_tick_with_an_unsaved_cursor_reports_nothing_twice(sensors: Sensors) -> None:
    """It finds the same runs again; the outbox has them already."""
    before = dict(sensors.cursors)
    fail(sensors.instance, "retention", **NIGHTLY)
    recorded = sensors.tick(run_alerts)
    sensors.cursors = before
    assert sensors.tick(run_alerts) == recorded
    assert len(recorded) == 1


def test_a_tick_that_fails_loses_nothing(sensors: Sensors) -> None:
    """The outbox is unavailable; the next tick reports the run."""
    fail(sensors.instance, "retention", **NIGHTLY)
    sensors.execute("alter table coin.alert rename to away")
    try:
        with pytest.raises(Exception, match="does not exist"):
            sensors.tick(run_alerts)
    finally:
        sensors.execute("alter table coin.away rename to alert")
    assert sensors.tick(run_alerts) == ["job retention: Retention: failed"]


def test_a_run_that_is_retried_is_reported_when_its_last_attempt_fails(sensors: Sensors) -> None:
    """Two attempts fail; the alert is on the second one."""
    first = fail(sensors.instance, **{MAX_RETRIES_TAG: "1"})
    assert sensors.tick(run_alerts) == []
    family = {PARENT_RUN_ID_TAG: first.run_id, ROOT_RUN_ID_TAG: first.run_id}
    last = fail(sensors.instance, **family, **{MAX_RETRIES_TAG: "1", RETRY_NUMBER_TAG: "1"})
    assert sensors.tick(run_alerts) == ["request backtest: Backtest: failed"]
    ((occurrence, attempts),) = sensors.rows("select occurrence, notification->'details'->>'Attempts' from coin.alert")
    assert (occurrence, attempts) == (last.run_id, "2")


def test_a_retry_that_dagster_gives_up_later_is_reported(sensors: Sensors) -> None:
    """Only of a job whose retries the monitor does not make: a task's are not given up."""
    runs = [fail(sensors.instance, job, **{MAX_RETRIES_TAG: "1"}) for job in ("retention", "backtest")]
    assert sensors.tick(run_alerts) == []
    for run in runs:
        sensors.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    assert sensors.tick(run_alerts) == ["request retention: Retention: failed"]


def test_what_users_cancel_and_what_commands_run_is_not_reported(sensors: Sensors) -> None:
    """A request is cancelled while it runs or between two attempts, and a command fails."""
    sensors.instance.report_run_canceled(start(sensors.instance))
    between = fail(sensors.instance, **{MAX_RETRIES_TAG: "1"})
    sensors.instance.add_run_tags(between.run_id, ABANDONED_TAGS)
    fail(sensors.instance, **FINAL, **{LOCAL_TAG: "command"})
    assert sensors.tick(run_alerts) == []


def test_a_cancelled_run_of_a_schedule_is_reported(sensors: Sensors) -> None:
    """The night's work was not done."""
    sensors.instance.report_run_canceled(start(sensors.instance, "retention", **NIGHTLY))
    assert sensors.tick(run_alerts) == ["job retention: Retention: cancelled"]


def test_failures_of_one_job_are_one_incident(sensors: Sensors) -> None:
    """Fifty failed requests are fifty alerts of one incident, which the sender sums up."""
    for _ in range(50):
        fail(sensors.instance, **FINAL)
    assert len(sensors.tick(run_alerts)) == 50
    assert sensors.rows("select key, waiting from coin.alert_incident") == [("request backtest", 49)]


def test_a_job_recovers_after_a_success_and_a_quiet_time(sensors: Sensors) -> None:
    """Not at once, so that failures that alternate with successes are one incident."""
    fail(sensors.instance, "retention", **NIGHTLY)
    sensors.tick(run_alerts)
    succeed(sensors.instance, "retention", **NIGHTLY)
    assert len(sensors.tick(run_alerts)) == 1
    sensors.age_incidents(timedelta(minutes=15))
    assert sensors.tick(run_alerts)[1:] == ["job retention: Retention: works again"]
    assert len(sensors.tick(run_alerts)) == 2


def test_a_failure_of_this_tick_keeps_its_incident_open(sensors: Sensors) -> None:
    """Although a success follows it in the same tick: the quiet time begins with the failure."""
    fail(sensors.instance, "retention", **NIGHTLY)
    sensors.tick(run_alerts)
    sensors.age_incidents(timedelta(hours=1))
    fail(sensors.instance, "retention", **NIGHTLY)
    succeed(sensors.instance, "retention", **NIGHTLY)
    assert sensors.tick(run_alerts) == ["job retention: Retention: failed"] * 2


def test_more_runs_than_a_page_are_read_by_the_next_ticks(sensors: Sensors) -> None:
    """Five failures in pages of two, each once."""
    runs = [fail(sensors.instance, **FINAL).run_id for _ in range(5)]
    cursor, found = RunCursor(since=datetime.now(UTC) - timedelta(hours=1)), []
    for _ in range(6):
        ended, cursor = read_ended(sensors.instance, cursor, database_time(sensors.outbox), page_size=2)
        found += [run.run_id for run in ended]
    assert found == runs


def test_a_run_that_is_stored_late_is_read(sensors: Sensors) -> None:
    """Its time is that of before the last tick, as if another process had been slower."""
    late, seen = fail(sensors.instance, **FINAL), fail(sensors.instance, **FINAL)
    sensors.instance.delete_run(late.run_id)
    cursor = RunCursor(since=datetime.now(UTC) - timedelta(hours=1))
    first, cursor = read_ended(sensors.instance, cursor, database_time(sensors.outbox))
    sensors.instance.add_run(late.with_status(dg.DagsterRunStatus.FAILURE))
    sensors.age_run(late.run_id, timedelta(seconds=30))
    second, _ = read_ended(sensors.instance, cursor, database_time(sensors.outbox))
    assert [[run.run_id for run in ended] for ended in (first, second)] == [[seen.run_id], [late.run_id]]


def test_a_time_in_the_future_hides_no_later_run(sensors: Sensors) -> None:
    """A clock that was an hour ahead stored a run; runs with correct times are reported after it."""
    ahead = fail(sensors.instance, "retention", **NIGHTLY)
    sensors.age_run(ahead.run_id, timedelta(hours=-1))
    assert len(sensors.tick(run_alerts)) == 1
    fail(sensors.instance, "retention", **NIGHTLY)
    assert len(sensors.tick(run_alerts)) == 2


def test_runs_are_found_after_the_clock_was_set_back(sensors: Sensors) -> None:
    """The cursor is then in the future."""
    run_id = fail(sensors.instance, **FINAL).run_id
    now = database_time(sensors.outbox)
    ended, cursor = read_ended(sensors.instance, RunCursor(since=now + timedelta(hours=1)), now)
    assert [run.run_id for run in ended] == [run_id]
    assert cursor.since <= now


def evaluate(sensors: Sensors, *, passed: bool) -> dg.DagsterRun:
    """Start a run that evaluates the check."""
    run = start(sensors.instance, "refresh_candles", **NIGHTLY)
    verdict = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["candles", "1h"]),
        check_name="sound",
        passed=passed,
        metadata={},
        severity=dg.AssetCheckSeverity.ERROR,
        description="BTC_KRW: zero_price: 3",
    )
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
    event = dg.DagsterEvent(kind, run.job_name, event_specific_data=verdict)
    sensors.instance.report_dagster_event(event, run.run_id)
    return run


def test_a_failed_check_is_reported_until_it_passes(sensors: Sensors) -> None:
    """One alert per evaluation that failed, and one recovery."""
    run_id = end(sensors.instance, evaluate(sensors, passed=False))
    recorded = ["check candles/1h sound: Check failed: sound of candles/1h"]
    assert sensors.tick(check_alerts) == recorded
    assert sensors.tick(check_alerts) == recorded
    ((message, link),) = sensors.rows("select notification->>'message', notification->>'link' from coin.alert")
    assert message.startswith("Why: BTC_KRW: zero_price: 3\n")
    assert link.endswith(f"/runs/{run_id}")
    end(sensors.instance, evaluate(sensors, passed=True))
    recorded.append("check candles/1h sound: Check passes again: sound of candles/1h")
    assert sensors.tick(check_alerts) == recorded
    assert sensors.tick(check_alerts) == recorded


def test_a_check_that_failed_long_before_the_first_tick_is_history(
    own_instance: dg.DagsterInstance, outbox: Session
) -> None:
    """Its next failure is reported."""
    sensors = Sensors(own_instance, outbox)
    end(sensors.instance, evaluate(sensors, passed=False))
    sensors.execute("update asset_check_executions set create_timestamp = create_timestamp - %s", FIRST_LOOK)
    assert sensors.tick(check_alerts) == []
    end(sensors.instance, evaluate(sensors, passed=False))
    assert len(sensors.tick(check_alerts)) == 1


def test_a_check_of_an_unfinished_run_is_not_reported_yet(sensors: Sensors) -> None:
    """Later evaluations of the same run cover more markets."""
    run = evaluate(sensors, passed=False)
    assert sensors.tick(check_alerts) == []
    end(sensors.instance, run)
    assert len(sensors.tick(check_alerts)) == 1


def test_a_full_disk_is_reported_once_and_recovers(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is raised above what any disk has, and lowered again."""
    monkeypatch.setenv("COIN_ALERT_FREE_MIB", str(1 << 40))
    root = load_settings().data_root
    assert sensors.tick(condition_alerts) == [f"disk {root}: Disk is almost full: {root}"]
    assert len(sensors.tick(condition_alerts)) == 1
    monkeypatch.setenv("COIN_ALERT_FREE_MIB", "1")
    assert sensors.tick(condition_alerts)[1:] == [f"disk {root}: Disk has space again: {root}"]


def test_each_disk_is_reported_once(tmp_path: Path) -> None:
    """Two folders on one disk are one; a folder that is absent, or fails as one on a lost mount does, is left out."""
    folders = [tmp_path / name for name in ("data", "dagster", "absent", "x" * 300)]
    for folder in folders[:2]:
        folder.mkdir()
    assert [disk.path for disk in disks_of(folders)] == [str(folders[0])]


def watch_since(sensors: Sensors, age: timedelta) -> None:
    """Let the sensor have run for some time, and read the backups at its next tick."""
    cursor = ConditionCursor(since=database_time(sensors.outbox) - age)
    sensors.cursors[condition_alerts.name] = cursor.model_dump_json()


def test_backups_that_are_never_made_are_overdue_after_26_hours(sensors: Sensors) -> None:
    """A backup and a drill that are made then close their incidents."""
    watch_since(sensors, timedelta(hours=25))
    assert sensors.tick(condition_alerts) == []
    watch_since(sensors, timedelta(hours=27))
    overdue = [
        "backup overdue: Backup is overdue",
        "restore proof overdue: Restore drill is overdue",
    ]
    assert sensors.tick(condition_alerts) == overdue
    location, now = open_location(load_settings()), database_time(sensors.outbox)
    times = {"set_id": f"{now:{SET_ID}}", "started_at": now, "finished_at": now}
    targets = tuple(TargetBackup(target=target) for target in TARGETS)
    made = BackupSet(**times, version="1", schema_revision=None, recipient=None, targets=targets)
    write_manifest(location, made)
    write_report(location, DrillReport(**times))
    watch_since(sensors, timedelta(hours=27))
    assert sensors.tick(condition_alerts)[2:] == [
        "backup overdue: Backups are up to date again",
        "restore proof overdue: Restore drills succeed again",
    ]


@pytest.mark.parametrize(("minutes", "alerts"), [(9, 0), (10, 2)])
def test_backups_are_read_every_ten_minutes(sensors: Sensors, minutes: int, alerts: int) -> None:
    """Not at every tick: in a bucket, each look is a few requests."""
    now = database_time(sensors.outbox)
    cursor = ConditionCursor(since=now - timedelta(hours=27), backups_at=now - timedelta(minutes=minutes))
    sensors.cursors[condition_alerts.name] = cursor.model_dump_json()
    assert len(sensors.tick(condition_alerts)) == alerts


def test_backups_are_not_expected_without_their_schedule(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    """COIN_BACKUP_SCHEDULE=off, which also ends what was reported before."""
    watch_since(sensors, timedelta(hours=27))
    assert len(sensors.tick(condition_alerts)) == 2
    monkeypatch.setenv("COIN_BACKUP_SCHEDULE", "off")
    for _ in range(2):
        watch_since(sensors, timedelta(hours=27))
        assert sensors.tick(condition_alerts)[2:] == [
            "backup overdue: Backups are no longer watched",
            "restore proof overdue: Backups are no longer watched",
        ]


def test_backups_that_cannot_be_read_are_reported_after_half_an_hour(
    sensors: Sensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once; the outage is over when they can be read."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", "ftp://example.com")
    watch_since(sensors, timedelta(hours=1))
    assert sensors.tick(condition_alerts) == []
    cursor = ConditionCursor.model_validate_json(sensors.cursors[condition_alerts.name] or "")
    assert cursor.unreadable_since
    earlier = {"unreadable_since": cursor.unreadable_since - timedelta(minutes=30), "backups_at": None}
    sensors.cursors[condition_alerts.name] = cursor.model_copy(update=earlier).model_dump_json()
    assert sensors.tick(condition_alerts) == ["backup location: Backups cannot be read"]
    monkeypatch.delenv("COIN_BACKUP_LOCATION")
    watch_since(sensors, timedelta(hours=1))
    assert sensors.tick(condition_alerts)[1:] == ["backup location: Backups can be read again"]
