"""What a process leaves of a run that dies in the middle of writing about it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import dagster as dg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InternalError

from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.build import build_defs
from coin_pipeline.orchestration.storage import engine_of
from coin_pipeline.settings import load_settings
from tests.dagster_records import JobFailureData, RunFailureReason

_REFUSE = """
create function refuse() returns trigger language plpgsql as $$ begin raise 'broken off here'; end $$;
create trigger refuse before {event} on {table} for each row when (new.run_id = '{run_id}') execute function refuse();
"""


@pytest.fixture
def run(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    """A run that is under way."""
    run = instance.create_run_for_job(build_defs().resolve_job_def("backtest"), status=dg.DagsterRunStatus.STARTED)
    yield run
    _execute("drop function if exists refuse cascade")
    instance.report_run_canceled(run)


def _execute(statement: str) -> list[tuple[str, str]]:
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _tags(run: dg.DagsterRun) -> dict[str, str]:
    return dict(_execute(f"select key, value from run_tags where run_id = '{run.run_id}'"))  # noqa: S608 -- ours


def test_why_a_run_failed_is_told_with_its_status_or_not_at_all(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    """Else it is shown as failed, settled as one whose process died, and runs again before everybody's eyes."""
    before = _tags(run)
    _execute(_REFUSE.format(event="update", table="runs", run_id=run.run_id))
    failed = JobFailureData(error=None, failure_reason=RunFailureReason.STEP_FAILURE)
    with pytest.raises(InternalError, match="broken off here"):
        instance.report_run_failed(run, "a step failed", failed)
    assert _tags(run) == before
    _execute("drop function refuse cascade")
    instance.report_run_failed(run, "a step failed", failed)
    told = instance.get_run_by_id(run.run_id)
    assert told
    assert told.status == dg.DagsterRunStatus.FAILURE
    assert _tags(run) == told.tags
    assert told.tags["dagster/failure_reason"] == "STEP_FAILURE"


def test_a_tag_is_in_both_places_or_in_none(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """In the run's body, where Dagster reads it, and in the table of tags, where the API does."""
    _execute(_REFUSE.format(event="insert", table="run_tags", run_id=run.run_id))
    with pytest.raises(InternalError, match="broken off here"):
        instance.add_run_tags(run.run_id, {"colour": "blue"})
    told = instance.get_run_by_id(run.run_id)
    assert told
    assert "colour" not in told.tags
    assert "colour" not in _tags(run)


def test_writers_of_one_run_lose_nothing_of_each_other(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Each writes back the whole run that it has read: a tag, or a reason, of somebody else would be gone."""
    names = [f"tag-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: instance.add_run_tags(run.run_id, {name: "here"}), names))
    told = instance.get_run_by_id(run.run_id)
    assert told
    assert told.tags.keys() >= set(names)
    assert _tags(run) == told.tags


def test_a_process_that_is_stopped_in_the_middle_keeps_nobody_waiting(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    """The server ends its transaction, as it does that of one that is gone."""
    with engine_of(instance).connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.execute(text("select from runs where run_id = :run_id for update"), {"run_id": run.run_id})
        instance.add_run_tags(run.run_id, {"colour": "blue"})
        with pytest.raises(DBAPIError):
            connection.execute(text("select 1"))
        connection.invalidate()
    assert _tags(run)["colour"] == "blue"
