"""Server-sent events: a stream that reports every change of a task and ends with it.

The id of an event is the version of the task, which every API process computes alike. A client that reconnects sends
the id of the last event it received, and gets what is new since.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from fastapi.responses import StreamingResponse

from coin_api.deps import StatusesDep, SubscriptionsDep, TimeoutsDep
from coin_api.schemas import TaskStatus
from coin_api.task_polling import StatusBatcher, TaskSubscriptions
from coin_api.tasks import Job, Task
from coin_pipeline.errors import ResultNotFound, ServiceUnavailable

RETRY_MS = 1000
NO_EVENT = -1
EVENT = {
    "type": "object",
    "properties": {
        "event": {"const": "status"},
        "id": {"type": "string", "description": "Grows with status and progress."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The response of a poll without `result`.",
        },
    },
    "required": ["event", "id", "data"],
}
"""JSON schema of an event."""
EVENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `status`; the last one contains the final status of the task.",
        "content": {"text/event-stream": {"schema": EVENT}},
    },
    204: {"description": "The task has ended, and Last-Event-ID is its last event."},
}
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter keeps nginx from buffering events


@dataclass(frozen=True, slots=True)
class EventStreams:
    """Opens the event stream of a task for one request."""

    statuses: StatusBatcher
    subscriptions: TaskSubscriptions
    silence_s: float
    last_event_id: str | None

    async def open(self, task_id: str, job: Job, to_status: Callable[[Task], TaskStatus]) -> Response:
        """Return the stream of a task's events; `to_status` makes the data of each.

        A browser reconnects whenever a stream ends; only a response other than 200 stops it, hence the 204.

        Raises:
            ResultNotFound: No run of the job has this id.
            ServiceUnavailable: The task cannot be read now, and the client has not received any event of it yet.
        """
        seen = _parse_event_id(self.last_event_id)
        try:
            task = await self.statuses.task(task_id, job)
        except ServiceUnavailable:
            if seen == NO_EVENT:
                raise  # otherwise the task is known, and a browser that is refused would not reconnect later
        else:
            if task.ended and task.version == seen:
                return Response(status_code=HTTPStatus.NO_CONTENT)
            if task.version < seen:  # the id of another task's event
                seen = NO_EVENT
        events = self._events(task_id, job, seen, to_status)
        return StreamingResponse(events, headers=_HEADERS, media_type="text/event-stream")

    async def _events(
        self, task_id: str, job: Job, seen: int, to_status: Callable[[Task], TaskStatus]
    ) -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        with self.subscriptions.subscribe(task_id, job) as subscription:
            while True:
                try:
                    async with asyncio.timeout(self.silence_s) as silence:
                        task = await subscription.after(seen)
                except TimeoutError:
                    if not silence.expired():
                        raise
                    yield ": still here\n\n"
                    continue
                except ResultNotFound:  # deleted meanwhile; a client that reconnects gets 404
                    return
                if task is None:
                    return
                if task.version > seen:
                    yield _event(task.version, to_status(task))
                    seen = task.version
                if task.ended:
                    return


async def _event_streams(
    statuses: StatusesDep,
    subscriptions: SubscriptionsDep,
    timeouts: TimeoutsDep,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Id of the last event received.")
    ] = None,
) -> EventStreams:
    return EventStreams(statuses, subscriptions, timeouts.silence_s, last_event_id)


EventStreamsDep = Annotated[EventStreams, Depends(_event_streams)]


def _event(version: int, status: TaskStatus) -> str:
    return f"event: status\nid: {version}\ndata: {status.model_dump_json(exclude={'result'})}\n\n"


def _parse_event_id(text: str | None) -> int:
    """Return the task version that a client has seen; an id that this API cannot have sent counts as none."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,7}", text) else NO_EVENT
