"""The schedule that advances forward tests."""

import time

import dagster as dg

from coin_pipeline.candles.timeframe import format_utc
from coin_pipeline.defs.forward.jobs import forward_test
from coin_pipeline.forward import store
from coin_pipeline.forward.due import Due, due_candle, request_key
from coin_pipeline.ledger.ledger import Ledger

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
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

    A tick that is evaluated twice requests the same run: its key is that of the candles. A missed tick needs no
    catch-up: a run decides all candles up to the newest.
    """
    now = time.time_ns()
    due = find_due(ledger, now)
    if not due:
        return dg.SkipReason("no candle of an active forward test has closed since the last decision")
    if context.instance.get_run_ids(dg.RunsFilter(job_name=forward_test.name, statuses=_UNFINISHED), limit=1):
        return dg.SkipReason("the previous run has not ended yet; it decides these candles too, or the next one does")
    newest = max(candle.close for candle in due)
    tags = {"coin/candles": str(len(due)), "coin/closed_at": format_utc(newest)}
    return dg.RunRequest(run_key=request_key(due, now), tags=tags)


def find_due(ledger: Ledger, now: int) -> list[Due]:
    """Return the candles of active tests that have closed without a decision at `now`, ns UTC."""
    states = ledger.run(store.active_states)
    return [candle for test, state in states if (candle := due_candle(test, state, now))]
