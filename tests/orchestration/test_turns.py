"""The order in which Dagster's queue starts the runs of several clients."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import dagster as dg
import pytest

from coin_pipeline.orchestration.retries import enqueue_retry
from coin_pipeline.orchestration.run_tags import (
    BULK,
    CLASS_TAG,
    CLIENT_TAG,
    PRIORITY_TAG,
    RETRY_NUMBER_TAG,
    SCHEDULE_NAME_TAG,
    SYNC,
    TURN_TAG,
)
from coin_pipeline.orchestration.storage import engine_of
from coin_pipeline.orchestration.turns import assigning_turns
from tests.dagster_instance import job_definition
from tests.orchestration.test_unanswered_tasks import ORIGIN

Tags = dict[str, str]


@pytest.fixture(autouse=True)
def empty_queue(instance: dg.DagsterInstance) -> Iterator[None]:
    """Cancel what other tests and each test leave in the queue."""
    cancel_queued(instance)
    yield
    cancel_queued(instance)


def cancel_queued(instance: dg.DagsterInstance) -> None:
    """Empty the queue."""
    for run in all_queued(instance):
        instance.report_run_canceled(run)


def all_queued(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the queued runs by age."""
    return [*instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), ascending=True)]


def queued(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the queued runs in the order in which Dagster's daemon starts them."""
    return sorted(all_queued(instance), key=lambda run: -int(run.tags.get(PRIORITY_TAG, 0)))


def enqueue(instance: dg.DagsterInstance, client: str | None = None, **tags: str) -> dg.DagsterRun:
    """Submit a run of a client while no pool is there."""
    own = {"name": f"{client}{len(all_queued(instance))}"} | ({CLIENT_TAG: client} if client else {})
    job = job_definition("backtest")
    run = instance.create_run_for_job(job, tags=own | tags, remote_job_origin=ORIGIN)
    return instance.run_coordinator.submit_run(dg.SubmitRunContext(run, workspace=None))


def order(instance: dg.DagsterInstance) -> str:
    """Return the clients of the queued runs in order."""
    return "".join(run.tags[CLIENT_TAG][0] for run in queued(instance))


def test_clients_take_turns(instance: dg.DagsterInstance) -> None:
    """Those who come later do not wait for all runs of the first, and each client's runs keep their order."""
    for client in "aaaaabbc":
        enqueue(instance, client)
    assert order(instance) == "abcabaaa"
    names = [run.tags["name"] for run in queued(instance) if run.tags[CLIENT_TAG] == "a"]
    assert names == sorted(names)


def test_a_client_that_submits_in_parallel_has_no_more_turns(instance: dg.DagsterInstance) -> None:
    """Each of its runs has a turn of its own."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: enqueue(instance, "a"), range(8)))
    assert sorted(int(run.tags[TURN_TAG]) for run in queued(instance)) == [*range(8)]


def test_threads_that_wait_for_their_turn_occupy_no_connection(instance: dg.DagsterInstance) -> None:
    """The one that queues its run needs further connections of the pool."""
    ready = Barrier(31)

    def take_turn() -> None:
        ready.wait()
        with assigning_turns(instance):
            pass

    with ThreadPoolExecutor(30) as threads:
        with assigning_turns(instance):
            turns = [threads.submit(take_turn) for _ in range(30)]
            ready.wait()
            time.sleep(0.5)
            assert engine_of(instance).pool.status().endswith("Current Checked out connections: 1")
        assert [turn.result() for turn in turns] == [None] * 30


def test_a_client_that_was_idle_has_saved_no_turns(instance: dg.DagsterInstance) -> None:
    """It joins at the turn that the queue has reached."""
    for _ in range(6):
        enqueue(instance, "a")
    for run in queued(instance)[:4]:
        instance.report_run_canceled(run)
    for _ in range(3):
        enqueue(instance, "b")
    assert order(instance) == "ababb"


def test_bulk_runs_and_synchronous_runs_have_turns_of_their_own(instance: dg.DagsterInstance) -> None:
    """Queued sweeps neither delay their client's backtests, nor do these delay what the client waits for."""
    for tags in ({CLASS_TAG: BULK}, {CLASS_TAG: BULK}, {}, {}, {CLASS_TAG: SYNC}):
        enqueue(instance, "a", **tags)
    classes = [run.tags.get(CLASS_TAG) for run in queued(instance) if run.tags.get(CLASS_TAG) != BULK]
    assert classes == [None, SYNC, None]
    enqueue(instance, "b", **{CLASS_TAG: BULK})
    assert [run.tags[CLIENT_TAG] for run in queued(instance) if run.tags.get(CLASS_TAG) == BULK] == ["a", "b", "a"]


def test_a_retry_does_not_wait_again(instance: dg.DagsterInstance) -> None:
    """Whether Dagster's daemon makes it, with the tags of the failed run, or the monitor."""
    failed = enqueue(instance, "a")
    for _ in range(3):
        enqueue(instance, "a")
    instance.report_run_failed(failed)
    stored = instance.get_run_by_id(failed.run_id)
    assert stored
    enqueue(instance, "a", **{**stored.tags, RETRY_NUMBER_TAG: "1", "name": "retry"})
    enqueue_retry(instance, stored)
    places = [run.tags["name"] for run in queued(instance)]
    assert places[-1] != "retry"
    assert queued(instance)[0].parent_run_id == failed.run_id


def test_runs_without_a_client_are_the_dagster_ui_s_or_of_schedules(instance: dg.DagsterInstance) -> None:
    """A priority that a user has set is kept."""
    enqueue(instance, None, **{PRIORITY_TAG: "7"})
    enqueue(instance, None, **{SCHEDULE_NAME_TAG: "nightly"})
    assert [(run.tags[CLIENT_TAG], run.tags[PRIORITY_TAG]) for run in queued(instance)] == [
        ("ui", "7"),
        ("schedules", "0"),
    ]
