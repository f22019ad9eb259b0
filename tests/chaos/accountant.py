"""What clients saw while faults happened, and the accountant who looks for what must never be in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

ENDED = ("completed", "failed", "cancelled")
ORDER = {"queued": 0, "running": 1, "completed": 2, "failed": 2, "cancelled": 2}
EXCUSES = ("run it again", "and run again", "PostgreSQL")
"""What the sentence of a task says that failed through a fault and not by itself."""
RECORDED = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "cancelled"}


@dataclass
class Submission:
    """One request of a client, repeated under one key until it is acknowledged.

    Attributes:
        expected: The digest of the undisturbed result; None if there cannot be one.
        task_ids: One for each acknowledgement.
        cancelled: Whether a cancellation was acknowledged.
        refusals: Answers that no repetition mends.
        computed: Processes that computed it.
    """

    key: str
    body: dict[str, Any]
    expected: str | None
    asked: int = 0
    task_ids: list[str] = field(default_factory=list)
    cancelled: bool = False
    refusals: list[str] = field(default_factory=list)
    computed: int = 0


@dataclass(frozen=True)
class Sight:
    """What one poll of a task answered, and when."""

    at: float
    status: str
    progress: float = 0.0
    error: str | None = None
    digest: str | None = None


@dataclass
class History:
    """All that happened to the tasks of one test.

    Attributes:
        sights: By task id, in order.
        files: By task id, each version of its manifest that was seen: who wrote what, and the status in it.
        recorded: The runs in Dagster at the end: by task, the status of each attempt at it, in order.
        kills: By what was killed.
        shown_s: For each worker that was killed, how long its run was still recorded as under way.
        left: Programs that were still there after the end.
    """

    submissions: list[Submission] = field(default_factory=list)
    sights: dict[str, list[Sight]] = field(default_factory=dict)
    files: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    recorded: dict[str, list[str]] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    shown_s: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    backlog_s: float = 0.0


def findings(history: History) -> list[str]:
    """Return one sentence for each thing that must never be; none if all is well."""
    return [
        *_lost(history),
        *_unended(history),
        *_doubled(history),
        *_wrong(history),
        *_unexplained(history),
        *_turned_back(history),
        *_contradicted(history),
        *(f"orphaned: {command}" for command in history.left),
    ]


def figures(history: History) -> dict[str, str]:
    """Return what a table shows of a history."""
    ends = [sights[-1].status for sights in history.sights.values() if sights]
    return {
        "kills": str(sum(history.kills.values())),
        **{f"  {name}": str(count) for name, count in sorted(history.kills.items())},
        "submitted": str(len(history.submissions)),
        "acknowledged": str(sum(bool(s.task_ids) for s in history.submissions)),
        **{status: str(ends.count(status)) for status in ENDED},
        "lost": str(len([*_lost(history), *_unended(history)])),
        "doubled": str(len([*_doubled(history)])),
        "wrong": str(len([*_wrong(history), *_unexplained(history)])),
        "turned back": str(len([*_turned_back(history), *_contradicted(history)])),
        "attempted again": str(sum(len(attempts) > 1 for attempts in history.recorded.values())),
        "computed again": str(sum(s.computed > 1 for s in history.submissions)),
        "500s": str(history.answers.get("500", 0)),
        "slowest task": f"{max(map(_took, history.sights.values()), default=0.0):.1f} s",
        "dead worker shown, worst": f"{max(history.shown_s):.1f} s" if history.shown_s else "-",
        "backlog worked off in": f"{history.backlog_s:.1f} s",
    }


def _lost(history: History) -> Iterator[str]:
    for submission in history.submissions:
        for refusal in submission.refusals:
            yield f"{submission.key} was refused: {refusal}"
        if not submission.task_ids:
            yield f"{submission.key} was never acknowledged"
    for task_id in _acknowledged(history):
        if task_id not in history.recorded:
            yield f"{task_id} was acknowledged and is not in Dagster"
        if any(sight.status == "unknown" for sight in history.sights.get(task_id, [])):
            yield f"{task_id} was acknowledged, and then unknown"


def _unended(history: History) -> Iterator[str]:
    for task_id in _acknowledged(history):
        sights = history.sights.get(task_id, [])
        if not sights or sights[-1].status not in ENDED:
            yield f"{task_id} did not end: {sights[-1].status if sights else 'never seen'}"


def _doubled(history: History) -> Iterator[str]:
    owners: dict[str, str] = {}
    for submission in history.submissions:
        if len(set(submission.task_ids)) > 1:
            yield f"{submission.key} became {len(set(submission.task_ids))} tasks"
        for task_id in set(submission.task_ids):
            if owners.setdefault(task_id, submission.key) != submission.key:
                yield f"{task_id} is the task of {owners[task_id]} and of {submission.key}"
    for run_id in history.recorded.keys() - owners.keys():
        yield f"the run {run_id} belongs to no submission"
    for task_id, attempts in history.recorded.items():
        if attempts.count("SUCCESS") > 1:
            yield f"{task_id} succeeded {attempts.count('SUCCESS')} times"
    for task_id, versions in history.files.items():
        if len(set(versions)) > 1:
            yield f"{task_id} was published {len(set(versions))} times"


def _wrong(history: History) -> Iterator[str]:
    for submission in history.submissions:
        for task_id in set(submission.task_ids):
            for digest in {s.digest for s in history.sights.get(task_id, []) if s.status == "completed"}:
                if digest != submission.expected:
                    yield f"{task_id} has the result {digest}, undisturbed it is {submission.expected}"


def _unexplained(history: History) -> Iterator[str]:
    possible = {task_id for s in history.submissions if s.expected for task_id in s.task_ids}
    for task_id, sights in history.sights.items():
        if not sights or sights[-1].status != "failed":
            continue
        error = sights[-1].error or ""
        if not error:
            yield f"{task_id} failed without a sentence"
        elif task_id in possible and not any(excuse in error for excuse in EXCUSES):
            yield f"{task_id} failed for no fault of ours: {error}"


def _turned_back(history: History) -> Iterator[str]:
    cancelled = {task_id for s in history.submissions if s.cancelled for task_id in s.task_ids}
    for task_id, sights in history.sights.items():
        for before, after in pairwise(sight for sight in sights if sight.status in ORDER):
            if before.status != after.status and (ORDER[after.status] < ORDER[before.status] or before.status in ENDED):
                yield f"{task_id} was {before.status} and then {after.status}"
            if after.progress < before.progress:
                yield f"{task_id} went back from {before.progress} to {after.progress}"
        if task_id in cancelled and sights and sights[-1].status != "cancelled":
            yield f"{task_id} was cancelled and is {sights[-1].status}"


def _contradicted(history: History) -> Iterator[str]:
    for task_id in _acknowledged(history):
        sights = history.sights.get(task_id, [])
        said = sights[-1].status if sights else ""
        attempts = history.recorded.get(task_id, [])
        if said in ENDED and attempts and RECORDED.get(attempts[-1]) != said:
            yield f"{task_id} is {said}, and {attempts[-1]} in Dagster"
        manifest = history.files.get(task_id, [("", "missing")])[-1][1]
        if said in ENDED and manifest != said:
            yield f"{task_id} is {said}, and {manifest} in its manifest"


def _acknowledged(history: History) -> list[str]:
    return list(dict.fromkeys(task_id for s in history.submissions for task_id in s.task_ids))


def _took(sights: list[Sight]) -> float:
    """Return how long a task was followed until it was seen to have ended."""
    return next((s.at for s in sights if s.status in ENDED), sights[-1].at) - sights[0].at if sights else 0.0
