"""Dependencies of the routes: the services that the application opens at start-up, and the id of a submission."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request

from coin_api.backup_health import BackupHealth
from coin_api.candles import UploadReader
from coin_api.clients import request_client
from coin_api.health import HealthChecks
from coin_api.task_polling import StatusBatcher, TaskSubscriptions
from coin_api.tasks import Orchestrator, SubmissionId
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import InvalidInput, PositionNotFound, Problem
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.marks import CandleMarks
from coin_pipeline.ledger.records import MAX_KEY
from coin_pipeline.presets import PresetStore
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the API waits before it responds."""

    queued_s: float = 5
    """For a synchronous run to start; after that, the client has to poll."""
    ended_s: float = 60
    """For a synchronous run that has started to end, counted from its submission."""
    silence_s: float = 15
    """Between two messages of an event stream, before a comment keeps the connection alive."""


def _service(name: str) -> Callable[[Request], Awaitable[Any]]:
    """Return a dependency that reads a service from the application state."""

    async def get_service(request: Request) -> object:  # if it were not async, it would occupy a thread
        service: object = getattr(request.app.state, name)
        return service

    return get_service


SettingsDep = Annotated[Settings, Depends(_service("settings"))]
TimeoutsDep = Annotated[Timeouts, Depends(_service("timeouts"))]
OrchestratorDep = Annotated[Orchestrator, Depends(_service("orchestrator"))]
StatusesDep = Annotated[StatusBatcher, Depends(_service("statuses"))]
SubscriptionsDep = Annotated[TaskSubscriptions, Depends(_service("subscriptions"))]
StoreDep = Annotated[ObjectStore, Depends(_service("store"))]
IndexDep = Annotated[ResultIndex, Depends(_service("index"))]
BackupHealthDep = Annotated[BackupHealth, Depends(_service("backups"))]
HealthDep = Annotated[HealthChecks, Depends(_service("health"))]
CatalogDep = Annotated[CandleCatalog, Depends(_service("catalog"))]
UploadsDep = Annotated[UploadReader, Depends(_service("uploads"))]
PresetsDep = Annotated[PresetStore, Depends(_service("presets"))]
StrategiesDep = Annotated[StrategyRegistry, Depends(_service("strategies"))]


LedgerDep = Annotated[Ledger, Depends(_service("ledger"))]
MarksDep = Annotated[CandleMarks, Depends(_service("marks"))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_KEY,
        alias="Idempotency-Key",
        description="A repeated request with the same key has no further effect.",
    ),
]


async def _position_id(position_id: Annotated[str, Path(description="UUID of the position.")]) -> uuid.UUID:
    try:
        return uuid.UUID(position_id)
    except ValueError:
        raise PositionNotFound(repr(position_id[:80])) from None


PositionIdDep = Annotated[uuid.UUID, Depends(_position_id)]
ClientDep = Annotated[str, Depends(request_client)]


async def _submission_id(
    idempotency_key: IdempotencyKey = None,
    task_id: Annotated[uuid.UUID | None, Query(description="Id for the new task.")] = None,
    *,
    client: ClientDep,
) -> SubmissionId:
    if idempotency_key is not None and task_id is not None:
        message = "each determines the id of the task; send only one of task_id and Idempotency-Key"
        raise InvalidInput([Problem("task_id", message), Problem("Idempotency-Key", message)])
    return SubmissionId(idempotency_key, str(task_id) if task_id else None, client)


SubmissionIdDep = Annotated[SubmissionId, Depends(_submission_id)]
