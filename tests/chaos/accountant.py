"""What clients observed while faults were injected, and the accountant that checks it for violations."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

FINAL = ("completed", "failed", "cancelled")
RANK = {"queued": 0, "running": 1, "completed": 2, "failed": 2, "cancelled": 2}
FAULT_MESSAGES = ("run it again", "and run again", "the database does not respond")
"""Parts of the error messages of tasks that failed because of an injected fault."""
DAGSTER_STATUSES = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "cancelled"}


@dataclass
class Submission:
    """One request of a client, repeated under one idempotency key until it is acknowledged.

    Attributes:
        key: The idempotency key.
        body: The request.
        expected: Digest of the undisturbed result; None if the request cannot succeed.
        task_ids: The task id in each acknowledgement.
        cancelled: Whether a cancellation was acknowledged.
        rejections: Responses that no repetition can change.
        executions: Number of processes that computed it.
    """

    key: str
    body: dict[str, Any]
    expected: str | None
    task_ids: list[str] = field(default_factory=list)
    cancelled: bool = False
    rejections: list[str] = field(default_factory=list)
    executions: int = 0


@dataclass(frozen=True)
class Observation:
    """One polled status of a task; `at` is in seconds of the monotonic clock."""

    at: float
    status: str
    progress: float = 0.0
    error: str | None = None
    digest: str | None = None


@dataclass
class History:
    """Everything that was observed of the tasks of one test.

    Attributes:
        submissions: Requests of the clients.
        observations: Polled statuses by task id, in order.
        manifests: By task id, the version and status of the manifest at each poll.
        attempts: By task id, Dagster's final status of each attempt, in order.
        kills: Number of kills by program.
        detection_s: Seconds from the kill of each worker until its run was recorded as ended.
        leftover: Commands of processes that outlived the platform.
        responses: Number of responses by status code or client error.
        settling_s: Seconds until all tasks had ended after the last submission.
    """

    submissions: list[Submission] = field(default_factory=list)
    observations: dict[str, list[Observation]] = field(default_factory=dict)
    manifests: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    attempts: dict[str, list[str]] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    detection_s: list[float] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)
    responses: dict[str, int] = field(default_factory=dict)
    settling_s: float = 0.0


def find_violations(history: History) -> list[str]:
    """Return one message for each violation of what the platform guarantees."""
    return [
        *_lost(history),
        *_unfinished(history),
        *_duplicated(history),
        *_wrong(history),
        *_unexplained(history),
        *_reverted(history),
        *_contradictory(history),
        *(f"leftover process: {command}" for command in history.leftover),
    ]


def summarize(history: History) -> dict[str, str]:
    """Return the figures of a history for the report."""
    finals = [observations[-1].status for observations in history.observations.values() if observations]
    return {
        "kills": str(sum(history.kills.values())),
        **{f"  {name}": str(count) for name, count in sorted(history.kills.items())},
        "submitted": str(len(history.submissions)),
        "acknowledged": str(sum(bool(submission.task_ids) for submission in history.submissions)),
        **{status: str(finals.count(status)) for status in FINAL},
        "lost": str(len([*_lost(history), *_unfinished(history)])),
        "duplicated": str(len([*_duplicated(history)])),
        "wrong": str(len([*_wrong(history), *_unexplained(history)])),
        "reverted": str(len([*_reverted(history), *_contradictory(history)])),
        "retried": str(sum(len(attempts) > 1 for attempts in history.attempts.values())),
        "computed again": str(sum(submission.executions > 1 for submission in history.submissions)),
        "500s": str(history.responses.get("500", 0)),
        "slowest task": f"{max(map(_duration_s, history.observations.values()), default=0.0):.1f} s",
        "worst detection": f"{max(history.detection_s):.1f} s" if history.detection_s else "-",
        "settled in": f"{history.settling_s:.1f} s",
    }


def _lost(history: History) -> Iterator[str]:
    for submission in history.submissions:
        for rejection in submission.rejections:
            yield f"{submission.key} was rejected: {rejection}"
        if not submission.task_ids:
            yield f"{submission.key} was never acknowledged"
    for task_id in _acknowledged(history):
        if task_id not in history.attempts:
            yield f"{task_id} was acknowledged but is not in Dagster"
        if any(observation.status == "unknown" for observation in history.observations.get(task_id, [])):
            yield f"{task_id} was acknowledged, then unknown"


def _unfinished(history: History) -> Iterator[str]:
    for task_id in _acknowledged(history):
        observations = history.observations.get(task_id, [])
        if not observations or observations[-1].status not in FINAL:
            yield f"{task_id} did not end: {observations[-1].status if observations else 'never observed'}"


def _duplicated(history: History) -> Iterator[str]:
    owners: dict[str, str] = {}
    for submission in history.submissions:
        if len(set(submission.task_ids)) > 1:
            yield f"{submission.key} has {len(set(submission.task_ids))} tasks"
        for task_id in set(submission.task_ids):
            if owners.setdefault(task_id, submission.key) != submission.key:
                yield f"{task_id} is the task of {owners[task_id]} and of {submission.key}"
    for run_id in history.attempts.keys() - owners.keys():
        yield f"run {run_id} belongs to no submission"
    for task_id, attempts in history.attempts.items():
        if attempts.count("SUCCESS") > 1:
            yield f"{task_id} succeeded {attempts.count('SUCCESS')} times"
    for task_id, versions in history.manifests.items():
        if len(set(versions)) > 1:
            yield f"{task_id} was published {len(set(versions))} times"


def _wrong(history: History) -> Iterator[str]:
    for submission in history.submissions:
        for task_id in set(submission.task_ids):
            observations = history.observations.get(task_id, [])
            for digest in {observation.digest for observation in observations if observation.status == "completed"}:
                if digest != submission.expected:
                    yield f"{task_id} has the result {digest}, expected {submission.expected}"


def _unexplained(history: History) -> Iterator[str]:
    feasible = {task_id for submission in history.submissions if submission.expected for task_id in submission.task_ids}
    for task_id, observations in history.observations.items():
        if not observations or observations[-1].status != "failed":
            continue
        error = observations[-1].error or ""
        if not error:
            yield f"{task_id} failed without a message"
        elif task_id in feasible and not any(message in error for message in FAULT_MESSAGES):
            yield f"{task_id} failed for a reason other than the injected fault: {error}"


def _reverted(history: History) -> Iterator[str]:
    cancelled = {
        task_id for submission in history.submissions if submission.cancelled for task_id in submission.task_ids
    }
    for task_id, observations in history.observations.items():
        known = [observation for observation in observations if observation.status in RANK]
        for before, after in pairwise(known):
            if before.status != after.status and (RANK[after.status] < RANK[before.status] or before.status in FINAL):
                yield f"{task_id} was {before.status}, then {after.status}"
            if after.progress < before.progress:
                yield f"{task_id} went back from {before.progress} to {after.progress}"
        if task_id in cancelled and observations and observations[-1].status != "cancelled":
            yield f"{task_id} was cancelled but is {observations[-1].status}"


def _contradictory(history: History) -> Iterator[str]:
    for task_id in _acknowledged(history):
        observations = history.observations.get(task_id, [])
        status = observations[-1].status if observations else ""
        attempts = history.attempts.get(task_id, [])
        if status in FINAL and attempts and DAGSTER_STATUSES.get(attempts[-1]) != status:
            yield f"{task_id} is {status}, but {attempts[-1]} in Dagster"
        manifest = history.manifests.get(task_id, [("", "missing")])[-1][1]
        if status in FINAL and manifest != status:
            yield f"{task_id} is {status}, but {manifest} in its manifest"


def _acknowledged(history: History) -> list[str]:
    """Return the acknowledged task ids, each once."""
    return list(dict.fromkeys(task_id for submission in history.submissions for task_id in submission.task_ids))


def _duration_s(observations: list[Observation]) -> float:
    """Return the time from the first observation of a task to its end."""
    if not observations:
        return 0.0
    end = next((observation.at for observation in observations if observation.status in FINAL), observations[-1].at)
    return end - observations[0].at
