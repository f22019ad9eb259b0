"""Many askers and followers of tasks at the price of few reads."""

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


def stored(*task_ids: str) -> FakeOrchestrator:
    """Return an orchestrator with these tasks, all queued."""
    return FakeOrchestrator(tasks_by_id={task_id: replace(QUEUED, task_id=task_id) for task_id in task_ids})


class SlowRuns(FakeOrchestrator):
    """Reads wait until the test lets them go on."""

    def __init__(self, *task_ids: str) -> None:
        super().__init__(tasks_by_id=dict(stored(*task_ids).tasks_by_id))
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.asked: list[Collection[str]] = []

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Wait, then return submitted tasks."""
        self.asked.append(task_ids)
        self.begun.set()
        assert self.go_on.wait(10)
        return super().tasks(task_ids)


class BrokenRecord(FakeOrchestrator):
    """One of the records cannot be read."""

    def tasks(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Fail if the broken one is among them."""
        if "broken" in task_ids:
            msg = "no such job"
            raise LookupError(msg)
        return super().tasks(task_ids)


def test_who_asks_during_a_read_is_answered_by_one_more() -> None:
    """However many ask: a read is under way for the first, and one more answers all others."""
    ids = [f"t{i}" for i in range(50)]
    runs = SlowRuns(*ids)

    async def ask() -> list[Task]:
        statuses = StatusBatcher(runs)
        first = asyncio.create_task(statuses.task("t0"))
        assert await asyncio.to_thread(runs.begun.wait, 10)
        others = [asyncio.create_task(statuses.task(task_id)) for task_id in ids]
        await asyncio.sleep(0)
        runs.go_on.set()
        return await asyncio.gather(first, *others)

    assert [task.task_id for task in asyncio.run(ask())] == ["t0", *ids]
    assert [set(asked) for asked in runs.asked] == [{"t0"}, set(ids)]


def test_who_goes_away_takes_the_answer_from_nobody() -> None:
    """Two wait for one read; the first is cancelled, the second is answered."""
    runs = SlowRuns("t")

    async def ask() -> Task:
        statuses = StatusBatcher(runs)
        first, second = (asyncio.create_task(statuses.task("t")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        runs.go_on.set()
        return await second

    assert asyncio.run(ask()).task_id == "t"


def test_one_broken_record_hides_no_other() -> None:
    """Who asks for it gets its error, all others their tasks, and what is no task is not found."""
    runs = BrokenRecord(tasks_by_id=dict(stored("a", "b").tasks_by_id))

    async def ask() -> list[Task | BaseException]:
        statuses = StatusBatcher(runs)
        ids = ("a", "broken", "b", "c", "../x")
        return await asyncio.gather(*(statuses.task(task_id) for task_id in ids), return_exceptions=True)

    a, broken, b, c, path = asyncio.run(ask())
    assert a == runs.tasks_by_id["a"]
    assert b == runs.tasks_by_id["b"]
    assert isinstance(broken, LookupError)
    assert isinstance(c, ResultNotFound)
    assert isinstance(path, ResultNotFound)


def test_an_outage_is_told_to_each_asker_after_one_read() -> None:
    """A server that is away is not asked once for each."""
    runs = stored("a", "b")
    runs.down = True

    async def ask() -> list[Task | BaseException]:
        statuses = StatusBatcher(runs)
        return await asyncio.gather(*(statuses.task(one) for one in "ab"), return_exceptions=True)

    assert [type(error) for error in asyncio.run(ask())] == [OrchestratorUnavailable] * 2
    assert runs.reads == 1


def test_a_task_is_polled_once_for_all_followers_and_no_more_without_any() -> None:
    """A hundred hear of the end; then nothing is left of the watch."""
    runs = stored("t")

    async def follow() -> tuple[int, list[Task | None]]:
        found = TaskSubscriptions(StatusBatcher(runs))

        async def end() -> Task | None:
            with found.watch("t") as watch:
                task = await watch.after(-1)
                assert task
                return await watch.after(task.mark)

        ends = [asyncio.create_task(end()) for _ in range(100)]
        await asyncio.sleep(0.1)
        together = len(found)
        runs.move("t", "failed", error="no candles")
        tasks = await asyncio.gather(*ends)
        assert len(found) == 0
        return together, tasks

    together, tasks = asyncio.run(follow())
    assert together == 1
    assert {task.status for task in tasks if task} == {"failed"}
    assert runs.reads < 20


def test_an_error_that_is_no_outage_reaches_the_followers() -> None:
    """It is neither swallowed nor waited out."""

    async def follow() -> None:
        with TaskSubscriptions(StatusBatcher(BrokenRecord())).watch("broken") as watch:
            await watch.after(-1)

    with pytest.raises(LookupError):
        asyncio.run(follow())


@pytest.mark.parametrize(("age_s", "pause_s"), [(0, 0.02), (0.2, 0.02), (2, 0.1), (20, 1), (3600, 1)])
def test_polls_are_quick_at_first_and_rare_later(age_s: float, pause_s: float) -> None:
    """A twentieth of the time since the status changed, between 20 ms and a second."""
    assert task_polling._pace(age_s) == pytest.approx(pause_s)
