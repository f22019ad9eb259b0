"""Which queued runs the daemon launches, and the index that it reads them from."""

import json

import dagster as dg
import pytest
from sqlalchemy import text

from coin_pipeline.orchestration._dagster_internals import select_queued_runs
from coin_pipeline.orchestration.queue import next_runs, reached_limits, select_runs
from coin_pipeline.orchestration.retries import enqueue_retry
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG, CLIENT_TAG, EXCHANGE_TAG, PRIORITY_TAG
from coin_pipeline.orchestration.storage import delete_runs, engine_of
from tests.dagster_records import QueuedRunCoordinatorDaemon
from tests.orchestration.test_turns import all_queued, empty_queue, enqueue

__all__ = ["empty_queue"]
LIMITS = (
    {"key": CLIENT_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 3},
    {"key": CLASS_TAG, "value": BULK, "limit": 1},
    {"key": EXCHANGE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
)


def selected(instance: dg.DagsterInstance, room: int, *active: dict[str, str]) -> list[str]:
    """Return the names of the runs that are launched next."""
    runs = select_runs(instance, room, LIMITS, active)
    names = {run.run_id: run.tags["name"] for run in all_queued(instance)}
    return [names[run_id] for run_id in runs]


def index_of(instance: dg.DagsterInstance) -> set[str]:
    """Return the ids of the runs in the index."""
    with engine_of(instance).connect() as connection:
        return {*connection.execute(text("select run_id from coin.queued_run")).scalars()}


def test_the_order_is_that_of_priorities_and_then_of_age(instance: dg.DagsterInstance) -> None:
    """Turns are priorities; a priority that a user has set precedes them, and one that is not a number is 0."""
    for name, tags in {
        "first": {PRIORITY_TAG: "0"},
        "words": {PRIORITY_TAG: "high"},
        "last": {PRIORITY_TAG: "-2"},
        "urgent": {PRIORITY_TAG: "7"},
    }.items():
        enqueue(instance, **{**tags, "name": name})
    assert selected(instance, 9)[:3] == ["urgent", "first", "words"]
    assert selected(instance, 2) == ["urgent", "first"]


def test_a_client_at_its_limit_lets_others_pass(instance: dg.DagsterInstance) -> None:
    """Whether its runs are active already or chosen now, and however many of them wait in front."""
    for client in "aaaaaaab":
        enqueue(instance, client)
    assert selected(instance, 9) == ["a0", "b7", "a1", "a2"]
    assert selected(instance, 9, *[{CLIENT_TAG: "a"}] * 3) == ["b7"]


def test_one_bulk_run_and_one_run_per_exchange(instance: dg.DagsterInstance) -> None:
    """A run that is blocked by one limit does not count towards another."""
    enqueue(instance, "a", **{CLASS_TAG: BULK, EXCHANGE_TAG: "upbit"})
    enqueue(instance, "b", **{CLASS_TAG: BULK})
    enqueue(instance, "c", **{EXCHANGE_TAG: "upbit"})
    assert selected(instance, 9) == ["a0"]
    assert selected(instance, 9, {EXCHANGE_TAG: "upbit"}) == ["b1"]
    assert selected(instance, 9, {CLASS_TAG: BULK}) == ["c2"]


@pytest.mark.parametrize("active", [0, 3])
def test_dagster_would_launch_the_same_runs(instance: dg.DagsterInstance, active: int) -> None:
    """Its own loop, which reads the whole queue, is the oracle, with the limits of dagster.yaml."""
    for number in range(30):
        tags = {CLASS_TAG: BULK} if number % 5 == 0 else {}
        tags |= {EXCHANGE_TAG: f"e{number % 3}"} if number % 4 == 0 else {}
        enqueue(instance, "b" if number % 6 == 0 else "a", **tags)
    for run in all_queued(instance)[:active]:
        starting = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, job_name=run.job_name)
        instance.report_dagster_event(starting, run.run_id)
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    theirs = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
    ours = next_runs(instance)
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING])):
        instance.report_run_canceled(run)
    assert ours
    assert [run.run_id for run in ours] == [run.run_id for run in theirs]


def test_every_kind_of_limit() -> None:
    """A limit of zero for a value blocks it although no run has it."""
    limits = (
        {"key": "each", "value": {"applyLimitPerUniqueValue": True}, "limit": 2},
        {"key": "one", "value": "x", "limit": 0},
        {"key": "any", "limit": 2},
    )
    assert [*reached_limits(limits, [{"each": "p", "any": "1"}])] == [("one", "x")]
    both = [{"each": "p", "any": "1"}, {"each": "p", "any": "2"}, {"each": "q"}]
    assert [*reached_limits(limits, both)] == [("each", "p"), ("one", "x"), ("any", None)]


def test_the_index_follows_the_queue(instance: dg.DagsterInstance) -> None:
    """Queued, retried, cancelled, started or deleted by whatever statement."""
    runs = [enqueue(instance, "a") for _ in range(4)]
    assert index_of(instance) == {run.run_id for run in runs}
    instance.report_run_canceled(runs[0])
    instance.report_run_failed(runs[1])
    delete_runs(instance, [runs[2].run_id])
    assert index_of(instance) == {runs[3].run_id}
    failed = instance.get_run_by_id(runs[1].run_id)
    assert failed
    enqueue_retry(instance, failed)
    assert index_of(instance) == {run.run_id for run in all_queued(instance)}
    assert len(index_of(instance)) == 2


def test_the_index_has_the_tags_that_are_added_to_a_queued_run(instance: dg.DagsterInstance) -> None:
    """The order and the limits follow them, as in Dagster's own loop."""
    first, second = enqueue(instance, "a"), enqueue(instance, "b")
    instance.add_run_tags(second.run_id, {PRIORITY_TAG: "5", "note": 'a "quoted" text'})
    assert select_runs(instance, 9, LIMITS, []) == [second.run_id, first.run_id]
    with engine_of(instance).connect() as connection:
        statement = text("select tags::text from coin.queued_run where run_id = :run_id")
        tags = json.loads(connection.execute(statement, {"run_id": second.run_id}).scalar_one())
    stored = instance.get_run_by_id(second.run_id)
    assert stored
    assert tags == stored.tags


def test_a_deep_queue_is_read_by_its_index(instance: dg.DagsterInstance) -> None:
    """Neither the next runs nor the turns of a client take a sort or a scan of all queued runs."""
    enqueue(instance, "a")
    statements = (
        "select run_id from coin.queued_run order by priority desc, place limit 20",
        "select min(turn) from coin.queued_run where bulk = false",
        "select max(turn) from coin.queued_run where client = 'a' and class = ''",
    )
    with engine_of(instance).connect() as connection:
        # Dagster's engine is in autocommit, where `set local` has no effect. Plans that are off are used all the same
        # where the index does not suffice.
        connection.execution_options(isolation_level="READ COMMITTED")
        for plan in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            connection.execute(text(f"set local enable_{plan} = off"))
        plans = ["\n".join(connection.execute(text(f"explain {statement}")).scalars()) for statement in statements]
    assert ["Sort" in plan or "Seq Scan" in plan or "Index" not in plan for plan in plans] == [False] * 3


def test_the_daemon_of_this_process_launches_what_is_selected(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster calls the method that is replaced; a rename would bring its own loop back."""
    own = QueuedRunCoordinatorDaemon._get_runs_to_dequeue
    monkeypatch.setattr(QueuedRunCoordinatorDaemon, "_get_runs_to_dequeue", own)  # restores it
    asked: list[dg.DagsterInstance] = []
    select_queued_runs(lambda instance: asked.append(instance) or [])  # type: ignore[func-returns-value]

    class Context:
        """What the loop takes from the workspace."""

        def __init__(self) -> None:
            self.instance = instance

    assert [*QueuedRunCoordinatorDaemon(1).run_iteration(Context())] == []  # type: ignore[arg-type]
    assert asked == [instance]
