"""Dagster's records of ended runs, as the decisions need them.

Runs are found by the time of their last change, which has an index. A run is stored a moment after the time that is
stored with it, and clocks differ, so each tick reads again what changed in the OVERLAP before the last one, without the
runs that it has seen. A run that is found twice all the same is recorded once, because its alert has its id.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import BaseModel

from coin_pipeline.alerts.decisions_runs import EndedRun, FinishedRun, is_reported
from coin_pipeline.orchestration.failures import failed_steps, failure_events, failure_from_events
from coin_pipeline.orchestration.retries import default_max_retries, is_last_attempt, retry_number
from coin_pipeline.orchestration.run_tags import CANCELLED_TAG, LOCAL_TAG, client_of, is_scheduled

OVERLAP = timedelta(minutes=1)
FIRST_LOOK = timedelta(minutes=10)
"""How far the first tick looks back: something may fail before it, as the daemon starts last."""
PAGE_SIZE = 500
"""Runs per tick; the next one continues."""
LATEST = 100
"""Runs of a job among which the latest one is looked for."""
_SUBJECT_TAGS = ("coin/strategy", "coin/timeframe", "coin/exchange", "dagster/partition")
_ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class RunCursor(BaseModel):
    """Position of the sensor.

    Attributes:
        since: Changes after this time, UTC, are read next.
        seen: Runs that changed after it and were decided.
    """

    since: datetime
    seen: frozenset[str] = frozenset()


def start_cursor(now: datetime) -> RunCursor:
    """Return the position of a new installation, which does not report what happened long before."""
    return RunCursor(since=now - FIRST_LOOK)


def read_ended(
    instance: dg.DagsterInstance, cursor: RunCursor, now: datetime, page_size: int = PAGE_SIZE
) -> tuple[list[EndedRun], RunCursor]:
    """Return the runs that ended after a cursor and are reported, and the next cursor.

    Args:
        instance: The Dagster instance.
        cursor: Where the last tick ended.
        now: Time of the database, UTC: a time that a wrong clock stored does not move the cursor beyond it.
        page_size: Most runs to read.
    """
    since = cursor.since if cursor.since <= now else now - OVERLAP  # the clock of the database was set back
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, updated_after=since), page_size, "update_timestamp", ascending=True
    )
    max_retries = default_max_retries(instance)
    final = [record for record in records if is_last_attempt(record.dagster_run, max_retries)]
    new = [record.dagster_run for record in final if record.dagster_run.run_id not in cursor.seen]
    ended = [ended for run in new if is_reported(ended := _describe(run))]
    if records:
        overlap = timedelta(microseconds=1) if len(records) == page_size else OVERLAP
        since = max(since, min(records[-1].update_timestamp, now) - overlap)
    seen = frozenset(record.dagster_run.run_id for record in final if record.update_timestamp > since)
    return [_with_failure(instance, run) for run in ended], RunCursor(since=since, seen=seen)


def read_finished(instance: dg.DagsterInstance, job: str) -> list[FinishedRun]:
    """Return the latest runs of a job that succeeded or failed; in the order of their creation, which has an index."""
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=statuses), LATEST)
    max_retries = default_max_retries(instance)
    return [_finished(record) for record in records if is_last_attempt(record.dagster_run, max_retries)]


def _finished(record: dg.RunRecord) -> FinishedRun:
    run = record.dagster_run
    ended_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp
    return FinishedRun(run.run_id, run.status == dg.DagsterRunStatus.SUCCESS, is_scheduled(run), ended_at)


def _describe(run: dg.DagsterRun) -> EndedRun:
    cancelled = run.status == dg.DagsterRunStatus.CANCELED or CANCELLED_TAG in run.tags
    return EndedRun(
        run_id=run.run_id,
        job=run.job_name,
        outcome="cancelled" if cancelled else "failed",
        is_scheduled=is_scheduled(run),
        is_local=LOCAL_TAG in run.tags,
        subject=_subject(run),
        attempts=retry_number(run.tags) + 1,
        client=client_of(run),
    )


def _with_failure(instance: dg.DagsterInstance, run: EndedRun) -> EndedRun:
    """Return a run with its error, which costs a query."""
    if run.outcome == "cancelled":
        return run
    events = failure_events(instance, run.run_id)
    error, kind = failure_from_events(events)
    return run._replace(error=error, error_kind=kind, failed_steps=failed_steps(events))


def _subject(run: dg.DagsterRun) -> str:
    """Return what a run is about: its strategy, symbols and timeframe, or its exchange, or its partition."""
    tags = [run.tags[tag] for tag in _SUBJECT_TAGS if tag in run.tags]
    return " ".join([*tags[:1], ", ".join(_symbols(run.run_config)), *tags[1:]]).strip()


def _symbols(run_config: Mapping[str, Any]) -> Sequence[str]:
    """Return the symbols in the config of the ops, if any.

    Users write the config of runs that they start in the Dagster UI: nothing in it may end the tick, which would then
    fail for ever.
    """
    ops = run_config.get("ops")
    configs = [op.get("config") for op in ops.values() if isinstance(op, Mapping)] if isinstance(ops, Mapping) else []
    symbols = next((own for config in configs if isinstance(config, Mapping) and (own := config.get("symbols"))), ())
    return [str(symbol) for symbol in symbols] if isinstance(symbols, list) else ()
