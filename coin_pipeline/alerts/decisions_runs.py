"""Alerts on runs: which ended runs are reported, and when their job works again.

Runs that a schedule started are an operator's concern, and each job is an incident of its own. Runs that a client
requested are reported to the client too; together they are one incident per job, so that a client whose requests fail
all day causes a message now and then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from coin_pipeline.alerts import texts
from coin_pipeline.alerts.model import Alert, Incident, Recovery
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.errors import (
    InvalidInput,
    LookAhead,
    NotDeterministic,
    NotFound,
    OutOfMemory,
    StrategyFailed,
    error_class,
)
from coin_pipeline.languages import Text
from coin_pipeline.notifications.message import Level, Notification

SCHEDULED, REQUESTED = "job", "request"
"""What the key of an incident of runs begins with; the name of the job follows."""
QUIET = {SCHEDULED: timedelta(minutes=15), REQUESTED: timedelta(hours=1)}
"""How long no run may have failed before an incident is closed: failures that alternate with successes are one."""
SHOWN_STEPS = 5
_REQUEST_ERRORS = (InvalidInput, LookAhead, NotDeterministic, NotFound, OutOfMemory, StrategyFailed)
"""Errors that a request causes and its client can correct."""


class EndedRun(NamedTuple):
    """A run that failed or was cancelled, and is not retried.

    Attributes:
        run_id: The last attempt.
        job: Name of its job.
        outcome: How it ended.
        is_scheduled: Whether a schedule or a sensor started it.
        is_local: Whether it ran inside a `coin` command, which prints its error.
        error: Message of the error that ended it.
        error_kind: Name of the CoinError class of the error, if any.
        subject: What it was about, such as a strategy and its symbols.
        failed_steps: Names of the steps that failed.
        attempts: Number of attempts.
        client: Client that submitted it.
    """

    run_id: str
    job: str
    outcome: Literal["failed", "cancelled"]
    is_scheduled: bool
    is_local: bool = False
    error: str = ""
    error_kind: str | None = None
    subject: str = ""
    failed_steps: tuple[str, ...] = ()
    attempts: int = 1
    client: str = ""


class FinishedRun(NamedTuple):
    """A run that succeeded or failed.

    Attributes:
        run_id: The run.
        succeeded: Whether it succeeded.
        is_scheduled: Whether a schedule or a sensor started it.
        ended_at: When it ended, UTC.
    """

    run_id: str
    succeeded: bool
    is_scheduled: bool
    ended_at: datetime


def incident_key(job: str, *, is_scheduled: bool) -> str:
    """Return the key of the incident that a failed run of a job belongs to."""
    return f"{SCHEDULED if is_scheduled else REQUESTED} {job}"


def is_reported(run: EndedRun) -> bool:
    """Return whether a run is reported: not if the user who would be notified ended it or has seen its error."""
    return not run.is_local and (run.outcome == "failed" or run.is_scheduled)


def decide_ended_run(run: EndedRun, writer: Writer) -> Alert | None:
    """Return the alert on a run that failed or was cancelled, or None if it is not reported."""
    if not is_reported(run):
        return None
    title = texts.FAILED if run.outcome == "failed" else texts.CANCELLED
    error = run.error if run.outcome == "failed" else writer.write(texts.WAS_CANCELLED)
    notification = Notification(
        title=writer.write(title, job=writer.job(run.job)),
        message=writer.reason(error, writer.write(_advice(run))),
        level=_level(run),
        details=_details(run, writer),
        link=writer.link(f"runs/{run.run_id}"),
    )
    return Alert(incident_key(run.job, is_scheduled=run.is_scheduled), run.run_id, notification)


def decide_job_recovery(
    incident: Incident, runs: Sequence[FinishedRun], now: datetime, writer: Writer
) -> Recovery | None:
    """Return the recovery of an incident of runs, or None as long as it lasts.

    Args:
        incident: The open incident.
        runs: The latest runs of its job that succeeded or failed and are not retried, in any order.
        now: Time of the database, UTC, as that of the incident.
        writer: Writes the texts.
    """
    kind, _, job = incident.key.partition(" ")
    own = [run for run in runs if run.is_scheduled == (kind == SCHEDULED)]
    latest = max(own, key=lambda run: run.ended_at, default=None)
    if latest is None or not latest.succeeded or not is_quiet(incident, now):
        return None
    notification = Notification(
        title=writer.write(texts.JOB_RECOVERED, job=writer.job(job)),
        message=writer.write(texts.SUCCEEDED, at=f"{latest.ended_at:%Y-%m-%d %H:%M}"),
        link=writer.link(f"runs/{latest.run_id}"),
    )
    return Recovery(incident.key, notification)


def runs_incidents(incidents: Mapping[str, Incident]) -> list[tuple[str, Incident]]:
    """Return the incidents of runs, each with the name of its job."""
    parts = [(*key.partition(" ")[::2], incident) for key, incident in incidents.items()]
    return [(job, incident) for kind, job, incident in parts if kind in QUIET]


def is_quiet(incident: Incident, now: datetime) -> bool:
    """Return whether no run of an incident has failed for a while.

    Args:
        incident: An open incident of runs.
        now: Time of the database, UTC, as that of the incident.
    """
    return now - incident.last_alert_at >= QUIET[incident.key.partition(" ")[0]]


def _level(run: EndedRun) -> Level:
    return "error" if run.outcome == "failed" and (run.is_scheduled or not _is_request_error(run)) else "warning"


def _advice(run: EndedRun) -> Text:
    if run.outcome == "cancelled":
        return texts.RUN_AGAIN
    if run.is_scheduled:
        return texts.ADVICE.get(run.job, texts.OTHER_ADVICE)
    return texts.REQUEST_ADVICE if _is_request_error(run) else texts.PLATFORM_ADVICE


def _is_request_error(run: EndedRun) -> bool:
    return issubclass(error_class(run.error_kind), _REQUEST_ERRORS)


def _details(run: EndedRun, writer: Writer) -> dict[str, str]:
    shown, more = run.failed_steps[:SHOWN_STEPS], len(run.failed_steps) - SHOWN_STEPS
    steps = ", ".join(shown)
    values = {
        texts.JOB: run.job,
        texts.SUBJECT: texts.excerpt(run.subject, 200),
        texts.STEPS: writer.write(texts.AND_MORE, first=steps, more=more) if more > 0 else steps,
        texts.ATTEMPTS: str(run.attempts) if run.attempts > 1 else "",
        texts.CLIENT: "" if run.is_scheduled else run.client,
        texts.RUN: run.run_id,
    }
    return {writer.write(label): value for label, value in values.items() if value}
