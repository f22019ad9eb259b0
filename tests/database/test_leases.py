"""Leases of Dagster runs, in a real PostgreSQL database."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import pytest

from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.runs.status import fetch_run_statuses, list_submissions
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable, Superseded
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import load_settings
from tests.dagster_instance import job_definition

STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def instance(data_root: object) -> Iterator[dg.DagsterInstance]:
    """Yield an instance whose database has the tables."""
    assert data_root
    with open_instance(load_settings()) as instance:
        yield instance
        for run in instance.get_runs(dg.RunsFilter(statuses=[STARTED, dg.DagsterRunStatus.CANCELING])):
            instance.delete_run(run.run_id)  # other tests expect no active runs


@pytest.fixture
def session() -> Iterator[Session]:
    """Yield a session on the database."""
    with closing(Session(database_url(load_settings()))) as session:
        yield session


@pytest.fixture
def leases(session: Session) -> Leases:
    """Return the table of leases."""
    return Leases(session)


def create_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = STARTED) -> dg.DagsterRun:
    """Return a new run with this status."""
    return instance.create_run_for_job(job_definition("backtest"), status=status)


def fetch_status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return the current status of a run."""
    current = instance.get_run_by_id(run.run_id)
    assert current
    return current.status.value


def test_lease_names_its_process_and_is_renewed(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Taking it twice renews one lease, which keeps the time it was first taken."""
    run = create_run(instance)
    leases.renew(run.run_id)
    first = leases.fetch([run.run_id])[run.run_id]
    time.sleep(0.05)
    leases.renew(run.run_id)
    second = leases.fetch([run.run_id, "another"])[run.run_id]
    assert (second.pid, second.published) == (os.getpid(), False)
    assert second.age_s > first.age_s > 0
    assert second.remaining_s > first.remaining_s - 0.04


def test_lease_is_renewed_while_the_settings_are_invalid(
    instance: dg.DagsterInstance, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid .env, as while it is edited, ends no run."""
    run = create_run(instance)
    leases.renew(run.run_id)
    monkeypatch.setenv("COIN_LEASE_SECONDS", "soon")
    leases.renew(run.run_id)
    assert leases.fetch([run.run_id])[run.run_id].remaining_s > leases.renewal_interval_s


def test_run_statuses(instance: dg.DagsterInstance, leases: Leases, session: Session) -> None:
    """Status, times, tags and progress are returned; progress never decreases and is 0 without a lease."""
    first, second = create_run(instance), create_run(instance, dg.DagsterRunStatus.NOT_STARTED)
    instance.add_run_tags(first.run_id, {"coin/tag": "value"})
    leases.renew(first.run_id)
    for share in (0.5, 0.25):
        leases.record_progress(first.run_id, share)
    statuses = fetch_run_statuses(session, [first.run_id, second.run_id, "unknown"])
    assert statuses.keys() == {first.run_id, second.run_id}
    running, new = statuses[first.run_id], statuses[second.run_id]
    assert (running.job, running.status, running.progress, running.tags["coin/tag"]) == (
        "backtest",
        "STARTED",
        0.5,
        "value",
    )
    assert (new.status, new.progress, new.started_at, new.ended_at) == ("NOT_STARTED", 0.0, None, None)
    record = instance.get_run_record_by_id(first.run_id)
    assert record
    assert running.created_at == record.create_timestamp.replace(tzinfo=None)


def test_submissions_are_listed_by_their_first_runs(instance: dg.DagsterInstance, session: Session) -> None:
    """Active ones first, then the newest of all; a retry counts for the submission that it repeats."""
    active, ended, first = create_run(instance), create_run(instance), create_run(instance)
    for run in (ended, first):
        instance.report_run_failed(run)
    retry = create_run(instance)
    instance.add_run_tags(retry.run_id, {"dagster/root_run_id": first.run_id})
    newest = list_submissions(session, ["backtest"], 3)
    assert newest[:2] == [first.run_id, active.run_id]
    assert retry.run_id not in newest
    assert ended.run_id not in list_submissions(session, ["backtest"], 2)
    assert list_submissions(session, ["unknown"], 3) == []


@pytest.mark.parametrize("end", ["report_run_failed", "report_run_canceled"])
def test_abandoned_attempt_cannot_publish_or_change_status(
    instance: dg.DagsterInstance, leases: Leases, end: str
) -> None:
    """The gate rejects a run that was ended from outside, and its later events do not undo the end."""
    run = create_run(instance)
    leases.renew(run.run_id)
    getattr(instance, end)(run)
    ended = fetch_status(instance, run)
    with pytest.raises(Superseded, match=ended):
        leases.begin_publishing(run.run_id)
    for event in (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_STARTING):
        instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run.run_id)
        assert fetch_status(instance, run) == ended


@pytest.mark.parametrize("end", [dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE])
def test_canceling_run_ends_as_canceled(instance: dg.DagsterInstance, end: dg.DagsterEventType) -> None:
    """A run that is being cancelled neither starts, succeeds nor fails."""
    run = create_run(instance)
    instance.report_run_canceling(run)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)
    assert fetch_status(instance, run) == "CANCELING"
    instance.report_dagster_event(dg.DagsterEvent(end.value, run.job_name), run.run_id)
    assert fetch_status(instance, run) == "CANCELED"


def test_published_run_cannot_be_canceled(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Behind the gate the result may be visible, so the run must succeed."""
    run = create_run(instance)
    leases.renew(run.run_id)
    leases.begin_publishing(run.run_id)
    instance.report_run_canceling(run)
    assert fetch_status(instance, run) == "STARTED"
    assert leases.fetch([run.run_id])[run.run_id].published


def test_either_cancellation_or_publication_wins(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Neither a cancelled run with a result nor a lost cancellation is possible."""
    for _ in range(20):
        run = create_run(instance)
        leases.renew(run.run_id)
        gate = threading.Barrier(2)

        def cancel(run: dg.DagsterRun = run, gate: threading.Barrier = gate) -> None:
            gate.wait()
            instance.report_run_canceling(run)

        thread = threading.Thread(target=cancel)
        thread.start()
        gate.wait()
        try:
            leases.begin_publishing(run.run_id)
        except Superseded:
            published = False
        else:
            published = True
        thread.join()
        assert published == leases.fetch([run.run_id])[run.run_id].published
        assert fetch_status(instance, run) == ("STARTED" if published else "CANCELING")


def test_lost_connection_is_replaced(instance: dg.DagsterInstance, leases: Leases) -> None:
    """A restart of the server makes no statement fail."""
    run = create_run(instance)
    leases.renew(run.run_id)
    with closing(connect(database_url(load_settings()))) as other, other.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like 'insert into coin.lease%'"
        )
        assert cursor.rowcount == 1
    leases.renew(run.run_id)
    assert leases.fetch([run.run_id])


def test_unavailable_server_is_reported_without_its_password() -> None:
    """The error is DatabaseUnavailable and contains no secret."""
    session = Session("postgresql+psycopg2://coin:secret@127.0.0.1:1/coin")
    with pytest.raises(DatabaseUnavailable) as error:
        fetch_run_statuses(session, ["run"])
    assert "secret" not in str(error.value)


def test_lease_is_deleted_with_its_run(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Deleting a run in Dagster deletes its lease."""
    run = create_run(instance)
    leases.renew(run.run_id)
    instance.delete_run(run.run_id)
    assert leases.fetch([run.run_id]) == {}
    with pytest.raises(DatabaseUnavailable, match="foreign key"):
        leases.renew(run.run_id)
