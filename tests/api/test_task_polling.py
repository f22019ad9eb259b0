"""Many requests and subscribers share few reads."""

import asyncio
import threading
from collections.abc import Collection
from dataclasses import replace

import pytest

from coin_api import task_polling
from coin_api.task_polling import StatusBatcher, TaskSubscriptions
from coin_api.tasks import Task
from coin_pipeline.errors import OrchestratorUnavailable, ResultNotFound
from tests.fakes import QUEUED, FakeOrchestrator


def with_tasks(*task_ids: str) -> FakeOrchestrator:
    """Return an orchestrator with these tasks, all queued."""
    return FakeOrchestrator(tasks_by_id={task_id: replace(QUEUED, task_id=task_id) for task_id in task_ids})


class SlowOrchestrator(FakeOrchestrator):
    """Reads block until the test releases them."""

    def __init__(self, *task_ids: str) -> None:
        super().__init__(tasks_by_id=dict(with_tasks(*task_ids).tasks_by_id))
        self.started, self.release = threading.Event(), threading.Event()
        self.requested: list[Collection[str]] = []

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Wait for the release, then return submitted tasks."""
        self.requested.append(task_ids)
        self.started.set()
        assert self.release.wait(10)
        return super().tasks(task_ids)


class BrokenRecord(FakeOrchestrator):
    """One record cannot be read."""

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Raise if the broken record is requested."""
        if "broken" in task_ids:
            msg = "no such job"
            raise LookupError(msg)
        return super().tasks(task_ids)


def test_requests_during_a_read_share_the_next_one() -> None:
    """One read is under way for the first request; a second one serves all others."""
    ids = [f"t{i}" for i in range(50)]
    orchestrator = SlowOrchestrator(*ids)

    async def request() -> list[Task]:
        statuses = StatusBatcher(orchestrator)
        first = asyncio.create_task(statuses.task("t0"))
        assert await asyncio.to_thread(orchestrator.started.wait, 10)
        others = [asyncio.create_task(statuses.task(task_id)) for task_id in ids]
        await asyncio.sleep(0)
        orchestrator.release.set()
        return await asyncio.gather(first, *others)

    assert [task.task_id for task in asyncio.run(request())] == ["t0", *ids]
    assert [set(requested) for requested in orchestrator.requested] == [{"t0"}, set(ids)]


def test_cancelled_request_does_not_affect_others() -> None:
    """Two requests wait for one read; the first is cancelled, the second gets its task."""
    orchestrator = SlowOrchestrator("t")

    async def request() -> Task:
        statuses = StatusBatcher(orchestrator)
        first, second = (asyncio.create_task(statuses.task("t")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        orchestrator.release.set()
        return await second

    assert asyncio.run(request()).task_id == "t"


def test_broken_record_does_not_affect_others() -> None:
    """Its own request gets the error, all others get their tasks, and unknown ids are not found."""
    orchestrator = BrokenRecord(tasks_by_id=dict(with_tasks("a", "b").tasks_by_id))

    async def request() -> list[Task | BaseException]:
        statuses = StatusBatcher(orchestrator)
        ids = ("a", "broken", "b", "c", "../x")
        return await asyncio.gather(*(statuses.task(task_id) for task_id in ids), return_exceptions=True)

    a, broken, b, c, path = asyncio.run(request())
    assert a == orchestrator.tasks_by_id["a"]
    assert b == orchestrator.tasks_by_id["b"]
    assert isinstance(broken, LookupError)
    assert isinstance(c, ResultNotFound)
    assert isinstance(path, ResultNotFound)


def test_outage_fails_all_requests_after_one_read() -> None:
    """The server is not queried once per request."""
    orchestrator = with_tasks("a", "b")
    orchestrator.down = True

    async def request() -> list[Task | BaseException]:
        statuses = StatusBatcher(orchestrator)
        return await asyncio.gather(*(statuses.task(task_id) for task_id in "ab"), return_exceptions=True)

    assert [type(error) for error in asyncio.run(request())] == [OrchestratorUnavailable] * 2
    assert orchestrator.reads == 1


def test_task_is_polled_once_for_all_subscribers() -> None:
    """A hundred subscribers see the end; afterwards, no subscription is left."""
    orchestrator = with_tasks("t")

    async def follow() -> tuple[int, list[Task | None]]:
        subscriptions = TaskSubscriptions(StatusBatcher(orchestrator))

        async def end() -> Task | None:
            with subscriptions.subscribe("t") as subscription:
                task = await subscription.after(-1)
                assert task
                return await subscription.after(task.version)

        ends = [asyncio.create_task(end()) for _ in range(100)]
        await asyncio.sleep(0.1)
        polled = len(subscriptions)
        orchestrator.move("t", "failed", error="no candles")
        tasks = await asyncio.gather(*ends)
        assert len(subscriptions) == 0
        return polled, tasks

    polled, tasks = asyncio.run(follow())
    assert polled == 1
    assert {task.status for task in tasks if task} == {"failed"}
    assert orchestrator.reads < 20


def test_error_other_than_an_outage_reaches_the_subscribers() -> None:
    """It is neither swallowed nor retried."""

    async def follow() -> None:
        with TaskSubscriptions(StatusBatcher(BrokenRecord())).subscribe("broken") as subscription:
            await subscription.after(-1)

    with pytest.raises(LookupError):
        asyncio.run(follow())


@pytest.mark.parametrize(("age_s", "interval_s"), [(0, 0.02), (0.2, 0.02), (2, 0.1), (20, 1), (3600, 1)])
def test_poll_interval_grows_with_age(age_s: float, interval_s: float) -> None:
    """It is a twentieth of the time since the last status change, between 20 ms and a second."""
    assert task_polling._interval_s(age_s) == pytest.approx(interval_s)
