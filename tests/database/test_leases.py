"""Leases beside Dagster's runs, in a real PostgreSQL."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import pytest

from coin_pipeline.database.runs.leases import Leases, prepare
from coin_pipeline.database.runs.status import fetch_run_statuses
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.build import build_defs
from coin_pipeline.errors import DatabaseUnavailable, Superseded
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import load_settings

STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def instance(data_root: object) -> Iterator[dg.DagsterInstance]:
    """An instance whose database has the tables."""
    assert data_root
    with open_instance(load_settings()) as instance:
        yield instance
        for run in instance.get_runs(dg.RunsFilter(statuses=[STARTED, dg.DagsterRunStatus.CANCELING])):
            instance.delete_run(run.run_id)  # other tests expect that nothing is under way


@pytest.fixture
def session() -> Iterator[Session]:
    """A session on the database."""
    with closing(Session(database_url(load_settings()))) as session:
        yield session


@pytest.fixture
def leases(session: Session) -> Leases:
    """The table of leases."""
    return Leases(session)


def run_in(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = STARTED) -> dg.DagsterRun:
    """Return a new run that is recorded in this status."""
    return instance.create_run_for_job(build_defs().resolve_job_def("backtest"), status=status)


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return what is recorded now."""
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status.value


def test_a_lease_names_its_process_and_is_renewed(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Taken twice it is one lease, which holds anew from the second time on, and knows since when."""
    run = run_in(instance)
    leases.renew(run.run_id)
    first = leases.fetch([run.run_id])[run.run_id]
    time.sleep(0.05)
    leases.renew(run.run_id)
    second = leases.fetch([run.run_id, "another"])[run.run_id]
    assert (second.pid, second.published) == (os.getpid(), False)
    assert second.age_s > first.age_s > 0
    assert second.remaining_s > first.remaining_s - 0.04


def test_where_runs_stand(instance: dg.DagsterInstance, leases: Leases, session: Session) -> None:
    """Status, times, tags, and progress that never goes down; a run without a lease has made none."""
    first, second = run_in(instance), run_in(instance, dg.DagsterRunStatus.NOT_STARTED)
    instance.add_run_tags(first.run_id, {"coin/tag": "value"})
    leases.renew(first.run_id)
    for share in (0.5, 0.25):
        leases.record_progress(first.run_id, share)
    found = fetch_run_statuses(session, [first.run_id, second.run_id, "unknown"])
    assert found.keys() == {first.run_id, second.run_id}
    begun, new = found[first.run_id], found[second.run_id]
    assert (begun.job, begun.status, begun.progress, begun.tags["coin/tag"]) == ("backtest", "STARTED", 0.5, "value")
    assert (new.status, new.progress, new.started_at, new.ended_at) == ("NOT_STARTED", 0.0, None, None)
    record = instance.get_run_record_by_id(first.run_id)
    assert record
    assert begun.created_at == record.create_timestamp.replace(tzinfo=None)


@pytest.mark.parametrize("end", ["report_run_failed", "report_run_canceled"])
def test_an_attempt_that_was_given_up_publishes_nothing_and_changes_nothing(
    instance: dg.DagsterInstance, leases: Leases, end: str
) -> None:
    """Ended from outside, it fails at the gate, and what it reports afterwards does not undo that end."""
    run = run_in(instance)
    leases.renew(run.run_id)
    getattr(instance, end)(run)
    ended = status_of(instance, run)
    with pytest.raises(Superseded, match=ended):
        leases.begin_publishing(run.run_id)
    for event in (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_STARTING):
        instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run.run_id)
        assert status_of(instance, run) == ended


@pytest.mark.parametrize("end", [dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE])
def test_a_run_that_was_told_to_end_is_cancelled_however_it_ends(
    instance: dg.DagsterInstance, end: dg.DagsterEventType
) -> None:
    """It neither starts nor succeeds nor fails any more."""
    run = run_in(instance)
    instance.report_run_canceling(run)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)
    assert status_of(instance, run) == "CANCELING"
    instance.report_dagster_event(dg.DagsterEvent(end.value, run.job_name), run.run_id)
    assert status_of(instance, run) == "CANCELED"


def test_a_published_run_cannot_be_cancelled(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Behind the gate the result may be visible, so the run is left to succeed."""
    run = run_in(instance)
    leases.renew(run.run_id)
    leases.begin_publishing(run.run_id)
    instance.report_run_canceling(run)
    assert status_of(instance, run) == "STARTED"
    assert leases.fetch([run.run_id])[run.run_id].published


def test_of_a_cancellation_and_a_publication_one_wins(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Whatever comes first, never both: neither a cancelled run with a result nor a lost cancellation."""
    for _ in range(20):
        run = run_in(instance)
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
        assert status_of(instance, run) == ("STARTED" if published else "CANCELING")


def test_a_cut_connection_is_replaced(instance: dg.DagsterInstance, leases: Leases) -> None:
    """A restart of the server costs nobody a statement."""
    run = run_in(instance)
    leases.renew(run.run_id)
    with closing(connect(database_url(load_settings()))) as other, other.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like 'insert into coin.lease%'"
        )
        assert cursor.rowcount == 1
    leases.renew(run.run_id)
    assert leases.fetch([run.run_id])


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    """The family's error, and no secret."""
    session = Session("postgresql+psycopg2://coin:secret@127.0.0.1:1/coin")
    with pytest.raises(DatabaseUnavailable) as told:
        fetch_run_statuses(session, ["run"])
    assert "secret" not in str(told.value)


def test_a_lease_goes_with_its_run(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Deleting a run in Dagster leaves nothing here."""
    run = run_in(instance)
    leases.renew(run.run_id)
    instance.delete_run(run.run_id)
    assert leases.fetch([run.run_id]) == {}
    with pytest.raises(DatabaseUnavailable, match="foreign key"):
        leases.renew(run.run_id)


def test_an_account_that_may_create_nothing_is_told_so(instance: dg.DagsterInstance) -> None:
    """By name, before anything runs; its password is not in the sentence."""
    assert instance
    url = database_url(load_settings())
    with closing(connect(url)) as owner, owner.cursor() as cursor:
        cursor.execute("create role guest login password 'secret'")
        cursor.execute("create database elsewhere")
    guest = url.replace(url.split("//")[1].split("@")[0], "guest:secret").rpartition("/")[0] + "/elsewhere"
    with closing(Session(guest)) as session, pytest.raises(DatabaseUnavailable, match="permission denied") as told:
        prepare(session)
    assert "secret" not in str(told.value)
