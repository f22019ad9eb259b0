"""Routes to submit sweeps, follow them and fetch their trials."""

from fastapi import APIRouter, Response, status

from coin_api.deps import OrchestratorDep, StatusesDep, StoreDep, StrategiesDep, SubmissionIdDep
from coin_api.errors import TaskWithoutResult
from coin_api.events import EVENT_RESPONSES, EventStreamsDep
from coin_api.openapi import BINARY, accepted_response
from coin_api.polling_headers import set_polling_headers
from coin_api.responses import accepted, status_response, task_fields
from coin_api.result_schemas import SweepStatus
from coin_api.routing import StrategyRoute
from coin_api.schemas import Accepted, SweepAccepted, SweepPreview
from coin_api.tasks import SweepPoints, Task
from coin_api.threads import in_submission_threads
from coin_pipeline.defs.run_requests import sweep_submission
from coin_pipeline.errors import ResultNotFound, SweepTooLarge
from coin_pipeline.results.store import read_result, read_task_file
from coin_pipeline.sweeps.request import MAX_UNCONFIRMED, SweepRequest
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import TRIALS_FILE

PARQUET = "application/vnd.apache.parquet"
router = APIRouter(prefix="/api/sweeps", tags=["sweeps"], route_class=StrategyRoute)


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    responses=accepted_response("sweeps", "sweep_status", sweep_events="task_id", trials="task_id"),
)
@in_submission_threads
def submit(
    request: SweepRequest,
    orchestrator: OrchestratorDep,
    strategies: StrategiesDep,
    response: Response,
    submission_id: SubmissionIdDep,
) -> SweepAccepted:
    """Store a sweep durably and queue it.

    A repeated submission, with the same `Idempotency-Key` or `task_id`, returns the existing task.
    """
    orchestrator.require_async()
    spec = resolve_sweep(request, strategies.current())
    task = orchestrator.submit(sweep_submission(request, spec), submission_id)
    set_polling_headers(response, f"/api/sweeps/{task.task_id}")
    return SweepAccepted(**dict(accepted(task)), points=len(spec.points()))


@router.post("/preview")
@in_submission_threads
def preview(request: SweepRequest, strategies: StrategiesDep) -> SweepPreview:
    """Validate a sweep and count its points; nothing is stored or evaluated.

    `confirm` is ignored. Of a sweep that needs it, only names, notation and number of points are validated.
    """
    try:
        spec = resolve_sweep(request.model_copy(update={"confirm": False}), strategies.current())
    except SweepTooLarge as error:
        if error.limit != MAX_UNCONFIRMED:
            raise
        return SweepPreview(points=error.points, needs_confirmation=True)
    return SweepPreview(points=len(spec.points()), needs_confirmation=False)


@router.get("/{task_id}", response_model=SweepStatus)
async def sweep_status(task_id: str, statuses: StatusesDep, store: StoreDep) -> Response:
    """Return the progress and speed of a sweep, with its result once it is completed."""
    status = _status(await statuses.task(task_id, "sweep"))
    return await status_response(status, lambda: read_result(store, task_id))


@router.get("/{task_id}/events", response_class=Response, responses=EVENT_RESPONSES)
async def sweep_events(task_id: str, events: EventStreamsDep) -> Response:
    """Stream an event for every change of a sweep until it ends; results are not included."""
    return await events.open(task_id, "sweep", _status)


@router.get(
    "/{task_id}/trials",
    response_class=Response,
    responses={200: {"description": "The trials as a Parquet file.", "content": {PARQUET: BINARY}}},
)
def trials(task_id: str, orchestrator: OrchestratorDep, store: StoreDep) -> Response:
    """Return the table of trials as a Parquet file."""
    task = orchestrator.task(task_id, "sweep")
    try:
        content = read_task_file(store, task_id, TRIALS_FILE)
    except ResultNotFound:
        raise TaskWithoutResult(task, f"/api/sweeps/{task_id}") from None
    headers = {"Content-Disposition": f'attachment; filename="sweep_{task_id}.parquet"'}
    return Response(content, headers=headers, media_type=PARQUET)


@router.post("/{task_id}/cancel")
def cancel(task_id: str, orchestrator: OrchestratorDep) -> Accepted:
    """Cancel a queued or running sweep; a later sweep reuses the chunks that were evaluated."""
    return accepted(orchestrator.cancel(task_id, "sweep"))


def _status(task: Task) -> SweepStatus:
    points = task.points or SweepPoints(0, 0, None, None)
    return SweepStatus(
        **task_fields(task),
        points=points.planned,
        points_done=points.done,
        points_per_second=points.per_second,
        eta_seconds=points.eta_s,
    )
