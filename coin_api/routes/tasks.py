"""Route that lists the tasks of all jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from coin_api.deps import OrchestratorDep
from coin_api.responses import task_fields
from coin_api.schemas import TaskList, TaskSummary
from coin_api.tasks import Task

router = APIRouter(prefix="/api/tasks", tags=["tasks"])
Limit = Annotated[int, Query(ge=1, le=100, description="Largest number of active tasks, and of those that ended.")]


@router.get("", name="list")
def list_tasks(orchestrator: OrchestratorDep, limit: Limit = 25) -> TaskList:
    """List the newest backtests, sweeps and refreshes of candles, those that have not ended first."""
    items = [_summary(task) for task in orchestrator.newest(limit)]
    return TaskList(count=len(items), items=items)


def _summary(task: Task) -> TaskSummary:
    about = {"job": task.job, "strategy": task.strategy, "symbols": task.symbols, "timeframe": task.timeframe}
    return TaskSummary(**{**task_fields(task), **about})
