"""Runs whose database becomes unavailable."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.retry import retry_until_available, tolerate_outages
from coin_pipeline.settings import load_settings
from tests.dagster_instance import job_definition


@pytest.fixture
def run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A started run."""
    return instance.create_run_for_job(job_definition("backtest"), status=dg.DagsterRunStatus.STARTED)


def cut_all() -> None:
    """End every other session, as a server shutdown does."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        others = "select pid from pg_stat_activity where pid <> pg_backend_pid() and datname is not null"
        cursor.execute(f"select pg_terminate_backend(pid) from ({others}) as others")  # noqa: S608 -- no input


def use_all_connections(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Use every connection of the pool, so that none is tested at checkout."""
    threads = [threading.Thread(target=instance.get_run_by_id, args=(run.run_id,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    "work",
    [
        lambda instance, run: instance.report_engine_event("message", run),
        lambda instance, run: instance.get_run_by_id(run.run_id),
        lambda instance, run: instance.run_storage.has_run(run.run_id),
        lambda instance, run: instance.report_run_canceling(run),
    ],
)
def test_a_run_continues_over_another_connection(
    instance: dg.DagsterInstance, run: dg.DagsterRun, work: Callable[[dg.DagsterInstance, dg.DagsterRun], object]
) -> None:
    """A run reconnects instead of failing; an API request still fails at once."""
    use_all_connections(instance, run)
    cut_all()
    with pytest.raises(OperationalError):
        work(instance, run)
    use_all_connections(instance, run)
    cut_all()
    with tolerate_outages(10):
        assert work(instance, run) is not False
    instance.report_run_canceled(run)


def test_a_run_waits_for_the_database(instance: dg.DagsterInstance) -> None:
    """For the tolerated time; a statement that the server rejects fails at once."""
    assert instance
    away = Session("postgresql://user@127.0.0.1:1/none")
    for seconds in (0, 1):
        began = time.monotonic()
        with tolerate_outages(seconds), pytest.raises(DatabaseUnavailable):
            away.run(lambda cursor: cursor.execute("select 1"))
        assert time.monotonic() - began > seconds
    began = time.monotonic()
    refused = pytest.raises(DatabaseUnavailable, match="does not exist")
    with closing(Session(database_url(load_settings()))) as session, tolerate_outages(60), refused:
        session.run(lambda cursor: cursor.execute("select * from nothing"))
    assert time.monotonic() - began < 30


def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Ten silent minutes look like a hang, and a line per attempt would flood the log."""
    outcomes = iter([*([OSError("the store is away")] * 3), None])

    def work() -> str:
        error = next(outcomes)
        if error:
            raise error
        return "done"

    with tolerate_outages(5):
        assert retry_until_available(work, lambda error: isinstance(error, OSError)) == "done"
    assert [record.message for record in caplog.records] == ["the store is away (retrying for up to 5 s)"]
