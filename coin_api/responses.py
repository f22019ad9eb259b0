"""Responses to submissions and status polls, whatever the job."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from coin_api.errors import TaskWithoutResult
from coin_api.polling_headers import set_retry_after
from coin_api.schemas import Accepted, TaskStatus
from coin_api.tasks import Job, Orchestrator, Task
from coin_pipeline.errors import ResultNotFound

STATUS_URLS: Mapping[Job, str] = {
    "backtest": "/api/backtests/status/{}",
    "sweep": "/api/sweeps/{}",
    "refresh_candles": "/api/candles/refresh/{}",
}
"""URLs to poll for the status of a task, given its id."""
WITH_RESULTS: frozenset[Job] = frozenset({"backtest", "sweep"})
"""Jobs whose completed tasks have results."""


def accepted(task: Task) -> Accepted:
    """Return the response body for a submitted or cancelled task."""
    return Accepted(task_id=task.task_id, status=task.status, created_at=task.created_at)


def task_fields(task: Task) -> dict[str, Any]:
    """Return the fields of TaskStatus for a task, without its result."""
    return {
        "task_id": task.task_id,
        "status": task.status,
        "progress": task.progress,
        "result": None,
        "error": task.error,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "dagster_url": task.url,
    }


async def status_response(status: TaskStatus, read_document: Callable[[], bytes]) -> Response:
    """Return the response to a status poll.

    The stored document is inserted as bytes: to parse and serialize a large one on every poll would take seconds.

    Args:
        status: Status of the task, with no result.
        read_document: Returns the result of a completed task as JSON; called in a thread.
    """
    body = status.model_dump_json().encode()
    if status.status == "completed":
        return await run_in_threadpool(lambda: json_response(_with_result(body, read_document())))
    response = json_response(body)
    if status.finished_at is None:
        set_retry_after(response, status.created_at)
    return response


def json_response(document: bytes) -> Response:
    """Return a stored JSON document unchanged."""
    return Response(document, media_type="application/json")


def _with_result(body: bytes, document: bytes) -> bytes:
    before, name, after = body.partition(b'"result":null')
    return b"".join((before, name.removesuffix(b"null"), document, after))


@contextmanager
def explain_missing_result(orchestrator: Orchestrator, run_id: str) -> Iterator[None]:
    """Replace ResultNotFound, for a known task, by its state.

    Raises:
        TaskWithoutResult: The task has no result, or none yet; those that fetched candles never have one.
        ResultNotFound: Nothing has this ID, or the result has expired and its run is about to be removed.
    """
    try:
        yield
    except ResultNotFound:
        task = orchestrator.tasks([run_id]).get(run_id)
        if task is None or (task.job in WITH_RESULTS and task.status == "completed"):
            raise
        raise TaskWithoutResult(task, status_url(task)) from None


def status_url(task: Task) -> str:
    """Return the URL to poll for the status of a task."""
    return STATUS_URLS[task.job].format(task.task_id)


class FileStream(StreamingResponse):
    """Streams a file, and closes what it is read from once the client has received it or has disconnected.

    Args:
        chunks: The content. The first chunk is read at once: its errors are raised before the response has started.
        source: What the chunks are read from; empty afterwards.
        media_type: Content-Type.
        filename: Name of the attachment; None for a response that is not one.
    """

    def __init__(
        self, chunks: Generator[bytes], source: ExitStack, media_type: str, filename: str | None = None
    ) -> None:
        source.callback(chunks.close)
        first = next(chunks)
        attachment = {} if filename is None else {"Content-Disposition": f'attachment; filename="{filename}"'}
        super().__init__(chain([first], chunks), headers=attachment, media_type=media_type)
        self._source = source.pop_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the chunks."""
        with self._source:  # no thread is reading: a cancelled request waits for the thread that encodes its chunk
            await super().__call__(scope, receive, send)
