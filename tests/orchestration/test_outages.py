"""What becomes of a run whose database goes away while it is needed."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.build import build_defs
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.retry import retry_until_available, tolerate_outages
from coin_pipeline.settings import load_settings


@pytest.fixture
def run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run that has just been looked at, over a connection that is taken to be alive."""
    return instance.create_run_for_job(build_defs().resolve_job_def("backtest"), status=dg.DagsterRunStatus.STARTED)


def cut_all() -> None:
    """End every other session at the server, as its end does."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        others = "select pid from pg_stat_activity where pid <> pg_backend_pid() and datname is not null"
        cursor.execute(f"select pg_terminate_backend(pid) from ({others}) as others")  # noqa: S608 -- no input


def looked_at(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Use every connection of the pool."""
    threads = [threading.Thread(target=instance.get_run_by_id, args=(run.run_id,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    "work",
    [
        lambda instance, run: instance.report_engine_event("said", run),
        lambda instance, run: instance.get_run_by_id(run.run_id),
        lambda instance, run: instance.run_storage.has_run(run.run_id),
        lambda instance, run: instance.report_run_canceling(run),
    ],
)
def test_a_run_goes_on_over_another_connection(
    instance: dg.DagsterInstance, run: dg.DagsterRun, work: Callable[[dg.DagsterInstance, dg.DagsterRun], object]
) -> None:
    """It would have failed for good with what psycopg2 says; who answers a person still hears of it at once."""
    looked_at(instance, run)
    cut_all()
    with pytest.raises(OperationalError):
        work(instance, run)
    looked_at(instance, run)
    cut_all()
    with tolerate_outages(10):
        assert work(instance, run) is not False
    instance.report_run_canceled(run)


def test_a_run_waits_for_the_database(instance: dg.DagsterInstance) -> None:
    """As long as it is patient; who asks for something that the server refuses does not wait."""
    assert instance
    away = Session("postgresql://nobody@127.0.0.1:1/none")
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


def test_who_waits_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """Silence for ten minutes looks like a program that hangs; a line for each try is no better."""
    tries = iter([*([OSError("the store is away")] * 3), None])

    def work() -> str:
        error = next(tries)
        if error:
            raise error
        return "done"

    with tolerate_outages(5):
        assert retry_until_available(work, lambda error: isinstance(error, OSError)) == "done"
    assert [record.message for record in caplog.records] == ["the store is away (retrying for up to 5 s)"]
