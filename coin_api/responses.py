"""How submissions and polls are answered, whatever was submitted."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool

from coin_api.deps import AppState
from coin_api.schemas import Accepted, TaskStatus
from coin_api.tasks import Task
from coin_pipeline.errors import InvalidInput, NotFound, Problem

SOONEST_S, LATEST_S = 1, 10


class SubmissionId(NamedTuple):
    """What decides the id of a submission, if anything does."""

    idempotency_key: str | None
    task_id: str | None


async def _identity(
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200, alias="Idempotency-Key")] = None,
    task_id: Annotated[uuid.UUID | None, Query(description="The id that the task shall have.")] = None,
) -> SubmissionId:
    if idempotency_key is not None and task_id is not None:
        says = "each decides the id of the task; give one of task_id and Idempotency-Key"
        raise InvalidInput([Problem("task_id", says), Problem("Idempotency-Key", says)])
    return SubmissionId(idempotency_key, str(task_id) if task_id else None)


SubmittedAs = Annotated[SubmissionId, Depends(_identity)]


class TaskWithoutResult(NotFound):
    """A task that is known but has no result (yet)."""

    def __init__(self, task: Task, place: str) -> None:
        said = f": {task.error}" if task.error else ""
        super().__init__(f"task {task.task_id} is {task.status}{said}; see {place}")


def set_polling_headers(response: Response, place: str) -> None:
    """Tell the poller where to look, and when."""
    response.headers["Location"] = place
    response.headers["Retry-After"] = str(SOONEST_S)


def accepted(task: Task) -> Accepted:
    """Say which task it is and how it stands."""
    return Accepted(task_id=task.task_id, status=task.status, created_at=task.created_at)


def task_fields(parts: AppState, task: Task) -> dict[str, Any]:
    """Return where a task stands, without its result: the fields of TaskStatus."""
    return {
        "task_id": task.task_id,
        "status": task.status,
        "progress": task.progress,
        "result": None,
        "error": task.error,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "dagster_url": parts.runs.url(task.task_id),
    }


async def status_response(status: TaskStatus, read: Callable[[], bytes]) -> Response:
    """Answer a poll; what `read` returns for a completed task, its stored document, goes in as it is.

    Parsing and writing a large one on every poll would take seconds.
    """
    body = status.model_dump_json().encode()
    if status.status == "completed":
        return await run_in_threadpool(lambda: json_response(_with_result(body, read())))
    answer = json_response(body)
    if status.finished_at is None:
        answer.headers["Retry-After"] = str(_retry_after(status.created_at))
    return answer


def json_response(document: bytes) -> Response:
    """Return a document as it is."""
    return Response(document, media_type="application/json")


def _with_result(body: bytes, document: bytes) -> bytes:
    before, name, after = body.partition(b'"result":null')
    return b"".join((before, name.removesuffix(b"null"), document, after))


def _retry_after(created_at: datetime) -> int:
    """Return a tenth of the time since the submission, in whole seconds between the soonest and the latest."""
    age_s = (datetime.now(UTC) - created_at).total_seconds()
    return int(min(max(age_s / 10, SOONEST_S), LATEST_S))
