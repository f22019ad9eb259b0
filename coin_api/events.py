"""Server-sent events: a stream that tells each time a task moves, and ends with it.

The id of an event is the mark of its task, which any process of the API can tell: a client that comes back says which
it has seen last, and is told what is new since.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import StreamingResponse

from coin_api.deps import AppState
from coin_api.schemas import TaskStatus
from coin_api.tasks import Job, Task
from coin_pipeline.errors import ResultNotFound, ServiceUnavailable

RETRY_MS = 1000
NOTHING = -1
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="The id of the last event seen.")]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `status`; the last tells how the task ended.",
        "content": {"text/event-stream": {}},
    },
    204: {"description": "The task has ended, and Last-Event-ID is its last event."},
}
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: nginx hands on each event at once


async def stream_events(
    parts: AppState, task_id: str, job: Job, last_event_id: str | None, tell: Callable[[Task], TaskStatus]
) -> Response:
    """Answer with the stream of a task's events, each what `tell` says of it.

    A browser comes back whenever a stream ends; only an answer other than 200 stops it, and 204 is the one for that.

    Raises:
        ResultNotFound: no run of the job has this id.
        ServiceUnavailable: it cannot be asked now, and the client has not been told anything of it before.
    """
    seen = _mark(last_event_id)
    try:
        task = await parts.statuses.task(task_id, job)
    except ServiceUnavailable:
        if seen == NOTHING:
            raise  # else it is known, and a browser that is refused would not come back after the outage
    else:
        if task.ended and task.mark == seen:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        if task.mark < seen:  # an id of something else
            seen = NOTHING
    return StreamingResponse(_stream(parts, task_id, job, seen, tell), headers=_HEADERS, media_type="text/event-stream")


async def _stream(
    parts: AppState, task_id: str, job: Job, seen: int, tell: Callable[[Task], TaskStatus]
) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    with parts.watches.watch(task_id, job) as watch:
        while True:
            try:
                async with asyncio.timeout(parts.patience.silence_s) as silence:
                    task = await watch.after(seen)
            except TimeoutError:
                if not silence.expired():
                    raise
                yield ": still here\n\n"
                continue
            except ResultNotFound:  # deleted meanwhile; who comes back is told so
                return
            if task is None:
                return
            if task.mark > seen:
                yield _event(task.mark, tell(task))
                seen = task.mark
            if task.ended:
                return


def _event(mark: int, status: TaskStatus) -> str:
    return f"event: status\nid: {mark}\ndata: {status.model_dump_json(exclude={'result'})}\n\n"


def _mark(last_event_id: str | None) -> int:
    """Return the mark that a client has seen; what is not one of ours is as good as none."""
    return int(last_event_id) if last_event_id and re.fullmatch(r"[0-9]{1,7}", last_event_id) else NOTHING
