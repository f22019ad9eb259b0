"""The schedule that advances forward tests."""

import time

import dagster as dg

from coin_pipeline.candles.timeframe import format_utc
from coin_pipeline.defs.forward.jobs import forward_test
from coin_pipeline.forward import store
from coin_pipeline.forward.due import Due, due_candle, request_key
from coin_pipeline.ledger.ledger import Ledger

REQUEST_TAG = "coin/request"
"""Key of the candles for which a run was requested."""
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.schedule(
    name="forward_tests",
    job=forward_test,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Advance the forward tests when a candle has closed; does nothing without active ones.",
)
def forward_tests(
    context: dg.ScheduleEvaluationContext, ledger: dg.ResourceParam[Ledger]
) -> dg.RunRequest | dg.SkipReason:
    """Request one run for all candles that have closed since the last decisions.

    Candles are requested once per attempt, however often the schedule looks. A missed tick needs no catch-up: a run
    decides all candles up to the newest.
    """
    now = time.time_ns()
    due = find_due(ledger, now)
    if not due:
        return dg.SkipReason("no candle of an active forward test has closed since the last decision")
    if context.instance.get_run_ids(dg.RunsFilter(job_name=forward_test.name, statuses=_UNFINISHED), limit=1):
        return dg.SkipReason("the previous run has not ended yet; it decides these candles too, or the next one does")
    key = request_key(due, now)
    # Dagster compares the run keys of a schedule within one tick only.
    if context.instance.get_run_ids(dg.RunsFilter(tags={REQUEST_TAG: key}), limit=1):
        return dg.SkipReason("these candles were already looked for; the next attempt follows later after their close")
    newest = max(candle.close for candle in due)
    tags = {REQUEST_TAG: key, "coin/candles": str(len(due)), "coin/closed_at": format_utc(newest)}
    return dg.RunRequest(run_key=key, tags=tags)


def find_due(ledger: Ledger, now: int) -> list[Due]:
    """Return the candles of active tests that have closed without a decision at `now`, ns UTC."""
    states = ledger.run(store.active_states)
    return [candle for test, state in states if (candle := due_candle(test, state, now))]
