"""Submitting sweeps, following them, and fetching their trials."""

from fastapi import APIRouter, Response, status

from coin_api.deps import AppState, Deps
from coin_api.events import EVENTS, LastEventId, stream_events
from coin_api.responses import (
    SubmittedAs,
    TaskWithoutResult,
    accepted,
    set_polling_headers,
    status_response,
    task_fields,
)
from coin_api.schemas import Accepted, SweepAccepted, SweepStatus
from coin_api.tasks import SweepPoints, Task
from coin_pipeline.results.store import read_manifest, read_result
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import TRIALS_FILE

router = APIRouter(prefix="/api/sweeps", tags=["sweeps"])


@router.post("", status_code=status.HTTP_202_ACCEPTED)
def submit(request: SweepRequest, parts: Deps, response: Response, submitted_as: SubmittedAs) -> SweepAccepted:
    """Accept a sweep: it is stored before this answers, and runs when its turn comes.

    A repeated submission, one with the same `Idempotency-Key` or `task_id`, finds its task.
    """
    parts.runs.require_async()
    spec = resolve_sweep(request, parts.strategies.current())
    task = parts.runs.submit_sweep(request, spec, submitted_as.idempotency_key, task_id=submitted_as.task_id)
    set_polling_headers(response, f"/api/sweeps/{task.task_id}")
    return SweepAccepted(**dict(accepted(task)), points=len(spec.points()))


@router.get("/{task_id}", response_model=SweepStatus)
async def sweep_status(task_id: str, parts: Deps) -> Response:
    """Tell how far a sweep is and how fast; once it is completed, with its result."""
    status = _status(parts, await parts.statuses.task(task_id, "sweep"))
    return await status_response(status, lambda: read_result(parts.store, task_id))


@router.get("/{task_id}/events", responses=EVENTS)
async def sweep_events(task_id: str, parts: Deps, last_event_id: LastEventId = None) -> Response:
    """Stream an event whenever a sweep moves, until it has ended; its result is not among them."""
    return await stream_events(parts, task_id, "sweep", last_event_id, lambda task: _status(parts, task))


@router.get("/{task_id}/trials")
def trials(task_id: str, parts: Deps) -> Response:
    """Return the table of trials as a Parquet file."""
    task = parts.runs.task(task_id, "sweep")
    listed = (read_manifest(parts.store, task_id) or {}).get("result_files", [])
    place = next((file["path"] for file in listed if file["name"] == TRIALS_FILE), None)
    if place is None:
        raise TaskWithoutResult(task, f"/api/sweeps/{task_id}")
    headers = {"Content-Disposition": f'attachment; filename="sweep_{task_id}.parquet"'}
    return Response(parts.store.get(place), headers=headers, media_type="application/vnd.apache.parquet")


@router.post("/{task_id}/cancel")
def cancel(task_id: str, parts: Deps) -> Accepted:
    """End a sweep, queued or under way; chunks that are evaluated are kept for the next one."""
    return accepted(parts.runs.cancel(task_id, "sweep"))


def _status(parts: AppState, task: Task) -> SweepStatus:
    points = task.points or SweepPoints(0, 0, None, None)
    return SweepStatus(
        **task_fields(parts, task),
        points=points.planned,
        points_done=points.done,
        points_per_second=points.per_second,
        eta_seconds=points.eta_s,
    )
