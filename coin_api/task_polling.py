"""Where tasks stand, read for many askers at once, and followed until they end."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from coin_api.tasks import Job, Orchestrator, Task
from coin_pipeline.errors import InvalidRunId, ResultNotFound, ServiceUnavailable
from coin_pipeline.results.store import check_run_id

QUICKEST_S, SLOWEST_S = 0.02, 1.0
SHARE = 20
"""A task is asked about again after this share of the time that it has been in its status."""
OUTAGE_S = 1.0


class StatusBatcher:
    """Reads where tasks stand: who asks while a read is under way is answered by the next, which is one for all.

    So any number of askers take one thread and one query at a time, and no answer is older than its question.
    """

    def __init__(self, runs: Orchestrator) -> None:
        self._runs = runs
        self._asked: dict[str, asyncio.Future[Task | Exception]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return where a task of a job stands.

        Raises:
            ResultNotFound: no run of the job has this id.
            ServiceUnavailable: it cannot be asked now.
        """
        try:
            check_run_id(task_id)  # what cannot be an id must not spoil the read of all others
        except InvalidRunId:
            raise ResultNotFound(task_id) from None
        answer = self._asked.setdefault(task_id, asyncio.get_running_loop().create_future())
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        found = await asyncio.shield(answer)  # who goes away must not take the answer from the others
        if isinstance(found, Exception):
            raise found
        if found.job != job:
            raise ResultNotFound(task_id)
        return found

    async def _read(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            # Not in FastAPI's thread pool, where many submissions at once would be before it.
            found = await asyncio.to_thread(self._look_up, tuple(asked))
            for task_id, answer in asked.items():
                answer.set_result(found[task_id])

    def _look_up(self, task_ids: Sequence[str]) -> dict[str, Task | Exception]:
        try:
            known = self._runs.tasks(task_ids)
        except Exception as error:  # noqa: BLE001 -- each asker raises it
            if len(task_ids) == 1 or isinstance(error, ServiceUnavailable):
                return dict.fromkeys(task_ids, error)
            # One broken record must not hide all others.
            return {one: self._look_up([one])[one] for one in task_ids}
        return {one: known.get(one) or ResultNotFound(one) for one in task_ids}


class TaskSubscription:
    """One task that is followed."""

    def __init__(self) -> None:
        self.followers = 0
        self.closed = False
        self.task: Task | None = None
        self.polling: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def after(self, seen: int) -> Task | None:
        """Return the task once its mark is beyond `seen`, or it has ended; None once the watch is closed.

        Raises:
            ResultNotFound: the task is not there (any more).
        """
        while not self.closed:
            news = self._news
            if self.task and (self.task.ended or self.task.mark > seen):
                return self.task
            if self.polling and self.polling.done():
                self.polling.result()  # raises what ended it
            await news.wait()
        return None

    def tell(self, task: Task) -> None:
        """Note where the task stands, and wake the followers if it has moved."""
        moved = self.task is None or task.mark != self.task.mark
        self.task = task
        if moved:
            self.wake()

    def wake(self) -> None:
        """Have every follower look again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def close(self) -> None:
        """Send every follower away."""
        self.closed = True
        self.wake()


class TaskSubscriptions:
    """The tasks that somebody follows: each is polled once, however many follow it."""

    def __init__(self, statuses: StatusBatcher) -> None:
        self._statuses = statuses
        self._watches: dict[tuple[str, Job], TaskSubscription] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._watches)

    @contextmanager
    def watch(self, task_id: str, job: Job = "backtest") -> Iterator[TaskSubscription]:
        """Follow a task; when the last one who does has left, it is polled no more."""
        watch = self._watches.get((task_id, job))
        if watch is None:
            watch = self._watches[task_id, job] = TaskSubscription()
            watch.closed = self._closed
            watch.polling = asyncio.create_task(self._poll(watch, task_id, job))
            watch.polling.add_done_callback(lambda _: watch.wake())
        watch.followers += 1
        try:
            yield watch
        finally:
            watch.followers -= 1
            if not watch.followers:
                del self._watches[task_id, job]
                if watch.polling:
                    watch.polling.cancel()

    def close(self) -> None:
        """Send all followers away, now and from now on: the server stops, and would wait for them."""
        self._closed = True
        for watch in self._watches.values():
            watch.close()

    async def _poll(self, watch: TaskSubscription, task_id: str, job: Job) -> None:
        changed_at = time.monotonic()
        while not (watch.task and watch.task.ended):
            try:
                task = await self._statuses.task(task_id, job)
            except ServiceUnavailable:  # which says nothing of the task
                await asyncio.sleep(OUTAGE_S)
                continue
            if watch.task is None or task.status != watch.task.status:
                changed_at = time.monotonic()
            watch.tell(task)
            await asyncio.sleep(_pace(time.monotonic() - changed_at))


def _pace(age_s: float) -> float:
    """Return the time until the next poll: short runs are seen to end at once, long ones cost little."""
    return min(max(age_s / SHARE, QUICKEST_S), SLOWEST_S)
