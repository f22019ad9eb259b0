"""The sensors: each reads facts, lets pure functions decide, and stores what they decide in the outbox.

The cursor is saved after the outbox. A tick that fails between the two is repeated, and the outbox does not store an
occurrence twice; nothing is sent by a sensor.
"""

from datetime import datetime

import dagster as dg

from coin_pipeline.alerts.decisions_checks import decide_checks
from coin_pipeline.alerts.decisions_conditions import Conditions
from coin_pipeline.alerts.decisions_runs import (
    decide_ended_run,
    decide_job_recovery,
    is_quiet,
    runs_incidents,
)
from coin_pipeline.alerts.model import Recovery
from coin_pipeline.alerts.outbox import open_incidents, record
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.database.session import Session, database_time
from coin_pipeline.defs.alerts.check_outcomes import read_outcomes
from coin_pipeline.defs.alerts.conditions import ConditionCursor, decide_backups, read_disks
from coin_pipeline.defs.alerts.ended_runs import FIRST_LOOK, RunCursor, read_ended, read_finished, start_cursor
from coin_pipeline.settings import load_settings


@dg.sensor(
    name="run_alerts",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Store alerts on runs that failed or were cancelled, and recoveries of their jobs.",
)
def run_alerts(context: dg.SensorEvaluationContext, outbox: dg.ResourceParam[Session]) -> dg.SkipReason:
    """Report the runs that ended since the last tick; the first tick reads those of the last minutes."""
    now, writer = database_time(outbox), _writer()
    cursor = RunCursor.model_validate_json(context.cursor) if context.cursor else start_cursor(now)
    ended, following = read_ended(context.instance, cursor, now)
    decided = [alert for run in ended if (alert := decide_ended_run(run, writer))]
    recorded = record(outbox, [*decided])
    # Afterwards: a run that has just been reported keeps its incident open.
    recovered = record(outbox, _job_recoveries(context.instance, outbox, now, writer))
    context.update_cursor(following.model_dump_json())
    return dg.SkipReason(f"{recorded} new alerts, {recovered} recoveries")


@dg.sensor(
    name="check_alerts",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Store alerts on asset checks that failed, drift of forward tests among them, and recoveries.",
)
def check_alerts(context: dg.SensorEvaluationContext, outbox: dg.ResourceParam[Session]) -> dg.SkipReason:
    """Report the latest evaluation of each check, unless it was long before the first tick."""
    now = database_time(outbox)
    after = float(context.cursor) if context.cursor else (now - FIRST_LOOK).timestamp()
    checks = context.repository_def.asset_graph.asset_check_keys if context.repository_def else ()
    outcomes = read_outcomes(context.instance, checks, after)
    recorded = record(outbox, decide_checks(outcomes, open_incidents(outbox), _writer()))
    context.update_cursor(str(after))
    return dg.SkipReason(f"{len(outcomes)} evaluations, {recorded} new alerts and recoveries")


@dg.sensor(
    name="condition_alerts",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Store alerts on full disks and on overdue backups and restore drills, and recoveries.",
)
def condition_alerts(context: dg.SensorEvaluationContext, outbox: dg.ResourceParam[Session]) -> dg.SkipReason:
    """Report conditions that no run reports; the disks first, since a location of backups may not respond."""
    now, settings = database_time(outbox), load_settings()
    cursor = ConditionCursor.model_validate_json(context.cursor) if context.cursor else ConditionCursor(since=now)
    conditions = Conditions(open_incidents(outbox), now, _writer())
    recorded = record(outbox, conditions.disks(read_disks(settings), settings.coin_alert_free_mib))
    events, following = decide_backups(settings, conditions, cursor, now)
    recorded += record(outbox, events)
    context.update_cursor(following.model_dump_json())
    return dg.SkipReason(f"{recorded} new alerts and recoveries")


def _job_recoveries(instance: dg.DagsterInstance, session: Session, now: datetime, writer: Writer) -> list[Recovery]:
    """Return the recoveries of jobs without a failure for a while; without an open incident, no run is read."""
    incidents = runs_incidents(open_incidents(session))
    decided = [
        decide_job_recovery(incident, read_finished(instance, job), now, writer)
        for job, incident in incidents
        if is_quiet(incident, now)
    ]
    return [recovery for recovery in decided if recovery]


def _writer() -> Writer:
    settings = load_settings()
    return Writer(settings.coin_alert_language, settings.dagster_ui_url)
