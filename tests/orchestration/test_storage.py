"""Atomic changes of runs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import dagster as dg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InternalError

from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration.run_tags import RETURN_TAG, STRATEGY_TAG
from coin_pipeline.orchestration.storage import engine_of
from coin_pipeline.settings import load_settings
from tests.dagster_instance import job_definition
from tests.dagster_records import JobFailureData, RunFailureReason

_REFUSE = """
create function refuse() returns trigger language plpgsql as $$ begin raise 'broken off here'; end $$;
create trigger refuse before {event} on {table} for each row when (new.run_id = '{run_id}') execute function refuse();
"""


@pytest.fixture
def run(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    """A started run."""
    run = instance.create_run_for_job(job_definition("backtest"), status=dg.DagsterRunStatus.STARTED)
    yield run
    _execute("drop function if exists refuse cascade")
    instance.report_run_canceled(run)


def _execute(statement: str) -> list[tuple[str, str]]:
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _tags(run: dg.DagsterRun) -> dict[str, str]:
    return dict(_execute(f"select key, value from run_tags where run_id = '{run.run_id}'"))  # noqa: S608 -- ours


def test_a_failure_and_its_reason_are_recorded_together(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """A failure without its reason would be taken for a dead process, and the run would be retried."""
    before = _tags(run)
    _execute(_REFUSE.format(event="update", table="runs", run_id=run.run_id))
    failed = JobFailureData(error=None, failure_reason=RunFailureReason.STEP_FAILURE)
    with pytest.raises(InternalError, match="broken off here"):
        instance.report_run_failed(run, "a step failed", failed)
    assert _tags(run) == before
    _execute("drop function refuse cascade")
    instance.report_run_failed(run, "a step failed", failed)
    stored = instance.get_run_by_id(run.run_id)
    assert stored
    assert stored.status == dg.DagsterRunStatus.FAILURE
    assert _tags(run) == stored.tags
    assert stored.tags["dagster/failure_reason"] == "STEP_FAILURE"


def test_a_tag_is_stored_in_both_places_or_in_none(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Dagster reads tags from the run's body, the API from the table of tags."""
    _execute(_REFUSE.format(event="insert", table="run_tags", run_id=run.run_id))
    with pytest.raises(InternalError, match="broken off here"):
        instance.add_run_tags(run.run_id, {"colour": "blue"})
    stored = instance.get_run_by_id(run.run_id)
    assert stored
    assert "colour" not in stored.tags
    assert "colour" not in _tags(run)


def test_a_repetition_does_not_have_the_return_of_the_run_that_it_repeats(instance: dg.DagsterInstance) -> None:
    """Dagster copies all tags; those that describe the submission stay."""
    tags = {STRATEGY_TAG: "volume_zone_breakout", RETURN_TAG: "+12 %"}
    run = instance.create_run_for_job(job_definition("backtest"), status=dg.DagsterRunStatus.STARTED, tags=tags)
    stored = instance.get_run_by_id(run.run_id)
    instance.report_run_canceled(run)
    assert stored
    assert stored.tags[STRATEGY_TAG] == "volume_zone_breakout"
    assert RETURN_TAG not in stored.tags.keys() | _tags(run).keys()


def test_concurrent_writers_keep_each_others_changes(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Each writes back the whole run that it read; another writer's tag or reason would be lost."""
    names = [f"tag-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: instance.add_run_tags(run.run_id, {name: "here"}), names))
    stored = instance.get_run_by_id(run.run_id)
    assert stored
    assert stored.tags.keys() >= set(names)
    assert _tags(run) == stored.tags


def test_a_stopped_process_does_not_block_others(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """The server ends its transaction, as it does that of a dead process."""
    with engine_of(instance).connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.execute(text("select from runs where run_id = :run_id for update"), {"run_id": run.run_id})
        instance.add_run_tags(run.run_id, {"colour": "blue"})
        with pytest.raises(DBAPIError):
            connection.execute(text("select 1"))
        connection.invalidate()
    assert _tags(run)["colour"] == "blue"
