"""How submissions and polls are answered, whatever was submitted."""

from typing import Annotated, Any

from fastapi import Header, Response

from coin_api.deps import Parts
from coin_api.schemas import Accepted, TaskStatus
from coin_api.tasks import Task
from coin_pipeline.errors import NotFound

RETRY_AFTER_S = 1
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200, alias="Idempotency-Key")]


class TaskWithoutResult(NotFound):
    """A task that is known but has no result (yet)."""

    def __init__(self, task: Task, place: str) -> None:
        said = f": {task.error}" if task.error else ""
        super().__init__(f"task {task.task_id} is {task.status}{said}; see {place}")


def lead_to(response: Response, place: str) -> None:
    """Tell the poller where to look, and when."""
    response.headers["Location"] = place
    response.headers["Retry-After"] = str(RETRY_AFTER_S)


def accepted(task: Task) -> Accepted:
    """Say which task it is and how it stands."""
    return Accepted(task_id=task.task_id, status=task.status, created_at=task.created_at)


def standing(parts: Parts, task: Task) -> dict[str, Any]:
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


def polled(status: TaskStatus, document: bytes | None) -> Response:
    """Answer a poll; the stored document, if there is one, goes in as it is.

    Parsing and writing a large one on every poll would take seconds.
    """
    body = status.model_dump_json().encode()
    if document is not None:
        body = body.replace(b'"result":null', b'"result":' + document, 1)
    answer = json_answer(body)
    if status.finished_at is None:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def json_answer(document: bytes) -> Response:
    """Return a document as it is."""
    return Response(document, media_type="application/json")
