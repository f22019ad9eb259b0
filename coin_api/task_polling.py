"""Status reads shared by all requests, and subscriptions that follow a task until it ends."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from coin_api.tasks import Job, Orchestrator, Task
from coin_pipeline.errors import InvalidRunId, ResultNotFound, ServiceUnavailable
from coin_pipeline.results.store import check_run_id

MIN_INTERVAL_S, MAX_INTERVAL_S = 0.02, 1.0
AGE_DIVISOR = 20
"""The poll interval is the time since the last status change divided by this, within the limits."""
OUTAGE_S = 1.0


class StatusBatcher:
    """Reads task statuses in batches: requests that arrive during a read are served together by the next one.

    So any number of requests occupies one thread and one query at a time, and no response is older than its request.
    """

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._pending: dict[str, asyncio.Future[Task | Exception]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def task(self, task_id: str, job: Job = "backtest") -> Task:
        """Return a task of a job.

        Raises:
            ResultNotFound: No run of the job has this id.
            ServiceUnavailable: The task cannot be read now.
        """
        try:
            check_run_id(task_id)  # an invalid id must not fail the read for all other requests
        except InvalidRunId:
            raise ResultNotFound(task_id) from None
        future = self._pending.setdefault(task_id, asyncio.get_running_loop().create_future())
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        result = await asyncio.shield(future)  # a cancelled request must not cancel the future of the others
        if isinstance(result, Exception):
            raise result
        if result.job != job:
            raise ResultNotFound(task_id)
        return result

    async def _read(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, {}
            # Not in FastAPI's thread pool, where it would queue behind submissions.
            results = await asyncio.to_thread(self._look_up, tuple(pending))
            for task_id, future in pending.items():
                future.set_result(results[task_id])

    def _look_up(self, task_ids: Sequence[str]) -> dict[str, Task | Exception]:
        try:
            tasks = self._orchestrator.tasks(task_ids)
        except Exception as error:  # noqa: BLE001 -- each request raises it
            if len(task_ids) == 1 or isinstance(error, ServiceUnavailable):
                return dict.fromkeys(task_ids, error)
            # One broken record must not fail the others.
            return {task_id: self._look_up([task_id])[task_id] for task_id in task_ids}
        return {task_id: tasks.get(task_id) or ResultNotFound(task_id) for task_id in task_ids}


class TaskSubscription:
    """A task that one or more requests follow."""

    def __init__(self) -> None:
        self.subscribers = 0
        self.closed = False
        self.task: Task | None = None
        self.polling: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def after(self, version: int) -> Task | None:
        """Return the task once it has a later version or has ended; None once the subscription is closed.

        Raises:
            ResultNotFound: The task does not exist, or no longer exists.
        """
        while not self.closed:
            changed = self._changed
            if self.task and (self.task.ended or self.task.version > version):
                return self.task
            if self.polling and self.polling.done():
                self.polling.result()  # raises the error that ended the polling
            await changed.wait()
        return None

    def update(self, task: Task) -> None:
        """Store the task, and wake the subscribers if it has changed."""
        changed = self.task is None or task.version != self.task.version
        self.task = task
        if changed:
            self.wake()

    def wake(self) -> None:
        """Make every subscriber check the task again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """Release every subscriber."""
        self.closed = True
        self.wake()


class TaskSubscriptions:
    """The tasks that are followed; each is polled once, however many requests follow it."""

    def __init__(self, statuses: StatusBatcher) -> None:
        self._statuses = statuses
        self._subscriptions: dict[tuple[str, Job], TaskSubscription] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscribe(self, task_id: str, job: Job = "backtest") -> Iterator[TaskSubscription]:
        """Follow a task; its polling stops when the last subscriber has left."""
        subscription = self._subscriptions.get((task_id, job))
        if subscription is None:
            subscription = self._subscriptions[task_id, job] = TaskSubscription()
            subscription.closed = self._closed
            subscription.polling = asyncio.create_task(self._poll(subscription, task_id, job))
            subscription.polling.add_done_callback(lambda _: subscription.wake())
        subscription.subscribers += 1
        try:
            yield subscription
        finally:
            subscription.subscribers -= 1
            if not subscription.subscribers:
                del self._subscriptions[task_id, job]
                if subscription.polling:
                    subscription.polling.cancel()

    def close(self) -> None:
        """Release all current and future subscribers, so that they do not delay a shutdown."""
        self._closed = True
        for subscription in self._subscriptions.values():
            subscription.close()

    async def _poll(self, subscription: TaskSubscription, task_id: str, job: Job) -> None:
        changed_at = time.monotonic()
        while not (subscription.task and subscription.task.ended):
            try:
                task = await self._statuses.task(task_id, job)
            except ServiceUnavailable:  # an outage is not a change of the task
                await asyncio.sleep(OUTAGE_S)
                continue
            if subscription.task is None or task.status != subscription.task.status:
                changed_at = time.monotonic()
            subscription.update(task)
            await asyncio.sleep(_interval_s(time.monotonic() - changed_at))


def _interval_s(age_s: float) -> float:
    """Return the poll interval: the end of a short run is noticed at once, and long runs cost little."""
    return min(max(age_s / AGE_DIVISOR, MIN_INTERVAL_S), MAX_INTERVAL_S)
