"""Metrics: requests by route, the state of the platform, and what is served while the database is away."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from coin_api.backup_health import BackupHealth
from coin_api.metrics import GAUGES, MAX_AGE_S, Metrics, Snapshots, metric_checks
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.figures import EndedRuns, read_figures
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import load_settings
from coin_pipeline.web.request_log import RequestLog
from tests.api.conftest import NO_DATABASE, client_of
from tests.fakes import FakeOrchestrator

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> Samples:
    """Return each sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: TestClient) -> Samples:
    """Return what Prometheus would read."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return parse(answer.text)


@pytest.fixture
def session(instance: dg.DagsterInstance) -> Iterator[Session]:
    """A session on the database of the instance."""
    assert instance
    with closing(Session(database_url(load_settings()))) as session:
        yield session


def add_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, job: str) -> dg.DagsterRun:
    """Store a run."""
    return instance.add_run(dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status))


def test_requests_are_counted_by_route(client: TestClient) -> None:
    """Whatever the path, there is one series per route and status."""
    metrics = client.app.state.metrics  # type: ignore[attr-defined]
    logged = TestClient(RequestLog(client.app, metrics.observe))
    for task in ("a", "b"):
        assert logged.get(f"/api/backtests/status/{task}").status_code == 404
    assert logged.head("/health/live").status_code == 200
    samples = scrape(client)
    labels = (("method", "GET"), ("route", "/api/backtests/status/{task_id}"), ("status", "404"))
    assert samples["coin_http_request_seconds_count", labels] == 2
    labels = (("method", "HEAD"), ("route", "/health/live"), ("status", "200"))
    assert samples["coin_http_request_seconds_count", labels] == 1


def test_metrics_are_served_while_the_database_is_away(orchestrator: FakeOrchestrator) -> None:
    """They report it, name the component that fails, and leave out what is not known."""
    orchestrator.daemon_problem = "no recent heartbeat"
    with client_of(orchestrator) as client:
        samples = scrape(client)
    assert samples["coin_database_up", ()] == 0
    assert samples["coin_component_healthy", (("component", "daemon"),)] == 0
    assert samples["coin_component_healthy", (("component", "disk"),)] == 1
    assert not [name for name, _ in samples if name == "coin_runs"]


def test_old_figures_are_left_out() -> None:
    """A gauge that is not collected any more would show the past as the present."""
    now = [0.0]
    snapshots = Snapshots(lambda: now[0])
    snapshots.store("database", [("coin_alert_incidents", (), 3)])
    families = {family.name: family.samples for family in snapshots.collect()}
    assert [sample.value for sample in families["coin_alert_incidents"]] == [3]
    now[0] = MAX_AGE_S
    families = {family.name: family.samples for family in snapshots.collect()}
    assert families["coin_alert_incidents"] == []
    assert [sample.value for sample in families["coin_database_up"]] == [0]


def test_every_gauge_is_collected(session: Session, orchestrator: FakeOrchestrator, candles: CandleCatalog) -> None:
    """Each check stores its samples under names and labels of the table; the rest depends on backups."""
    assert candles
    metrics, settings = Metrics(), load_settings()
    settings = settings.model_copy(update={"scheduler_symbols": ("KRW-AAA",), "scheduler_timeframes": ("1d",)})
    for check in metric_checks(metrics, settings, session, orchestrator, BackupHealth(settings)).values():
        assert check() == ""
    names = {name for name, _ in parse(metrics.render({"database": None}).decode())}
    missing = {"coin_backup_timestamp_seconds", "coin_restore_drill_timestamp_seconds"}
    assert GAUGES.keys() - names <= missing | {"coin_daemon_heartbeat_timestamp_seconds"}


def test_unfinished_runs_are_counted(instance: dg.DagsterInstance, session: Session) -> None:
    """The queue's depth and wait come from the database, so they are those of all API processes."""
    before = read_figures(session)
    run = add_run(instance, dg.DagsterRunStatus.STARTING, "backtest")
    assert read_figures(session).runs == {**before.runs, "starting": before.runs["starting"] + 1}
    queued = "update runs set status = 'QUEUED', create_timestamp = now() at time zone 'utc' - interval '1 hour'"
    session.run(lambda cursor: cursor.execute(f"{queued} where run_id = %s", (run.run_id,)))
    after = read_figures(session)
    assert after.runs == {**before.runs, "queued": before.runs["queued"] + 1}
    assert after.longest_wait_s >= 3600
    assert after.database_bytes > 1_000_000
    instance.delete_run(run.run_id)


def test_each_ended_run_is_returned_once(instance: dg.DagsterInstance, session: Session) -> None:
    """Runs that had ended before the first read are not new, and a run is not counted again."""
    ended = EndedRuns()
    assert ended.read(session) == []
    assert ended.read(session) == []
    run = add_run(instance, dg.DagsterRunStatus.STARTING, "sweep")
    instance.report_dagster_event(started(run), run.run_id)
    assert ended.read(session) == []
    instance.report_run_canceled(run)
    (found,) = ended.read(session)
    assert (found.job, found.outcome) == ("sweep", "cancelled")
    assert found.wait_s is not None
    assert found.duration_s is not None
    assert ended.read(session) == []


def test_runs_from_before_the_first_read_are_never_new(instance: dg.DagsterInstance, session: Session) -> None:
    """Later reads look back from the last run, but not further than the first did."""
    moved = "update runs set update_timestamp = now() at time zone 'utc' - %s * interval '1 s' where run_id = %s"
    runs = [add_run(instance, dg.DagsterRunStatus.SUCCESS, "backtest") for _ in range(2)]
    ages = [(age_s, run.run_id) for age_s, run in zip((90, 50), runs, strict=True)]
    session.run(lambda cursor: cursor.executemany(moved, ages))
    ended = EndedRuns()
    assert [ended.read(session) for _ in range(2)] == [[], []]


def started(run: dg.DagsterRun) -> dg.DagsterEvent:
    """Return the event with which a run starts."""
    return dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)


def test_ended_runs_are_observed_by_job_and_outcome(instance: dg.DagsterInstance, session: Session) -> None:
    """The number of runs, their waits and their durations."""
    metrics, ended = Metrics(), EndedRuns()
    metrics.count_ended(session, ended)
    run = add_run(instance, dg.DagsterRunStatus.STARTING, "backtest")
    instance.report_dagster_event(started(run), run.run_id)
    instance.report_run_failed(run)
    metrics.count_ended(session, ended)
    samples = parse(metrics.render({}).decode())
    labels = (("job", "backtest"), ("outcome", "failed"))
    assert samples["coin_runs_ended_total", labels] == samples["coin_run_seconds_count", labels] == 1
    assert samples["coin_run_wait_seconds_count", (("job", "backtest"),)] == 1


def test_runs_that_end_during_an_outage_are_counted_after_it(instance: dg.DagsterInstance, session: Session) -> None:
    """A failed read loses nothing."""
    ended = EndedRuns()
    ended.read(session)
    run = add_run(instance, dg.DagsterRunStatus.STARTED, "backtest")
    instance.report_run_failed(run)
    with pytest.raises(DatabaseUnavailable), closing(Session(NO_DATABASE)) as away:
        ended.read(away)
    assert [found.outcome for found in ended.read(session)] == ["failed"]
