"""Translation between this project's errors and Dagster's failures, in both directions."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from coin_pipeline import errors
from coin_pipeline.orchestration._dagster_internals import StepFailureData
from coin_pipeline.settings import load_settings

MAX_RETRIES = 3
RETRY_DELAY_S = 1.0
INTERRUPTED = errors.coded("cancelled")
PROCESS_DIED = errors.coded("process_died")
GENERIC_FAILURE_PREFIX = "This run has been marked as failed from outside"
"""Start of Dagster's message for a run that was failed without one."""


_LIMIT = re.compile(r"COIN_\w+_SECONDS=(\d+)", re.ASCII)


def overdue_message(limit_s: int) -> str:
    """Return the message of a run that exceeded COIN_MAX_RUN_SECONDS."""
    return errors.coded("overdue", limit=limit_s)


def stalled_message(limit_s: int) -> str:
    """Return the message of a run that made no progress for COIN_STALL_SECONDS."""
    return errors.coded("stalled", limit=limit_s)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise this project's errors as Dagster's.

    Raises:
        dagster.RetryRequested: A service or the object store is unavailable.
        dagster.Failure: For every other CoinError and for MemoryError, with the error's message; not retried.
    """
    try:
        yield
    except (errors.StorageUnavailable, errors.ObjectChanged, errors.ServiceUnavailable) as error:
        raise dg.RetryRequested(MAX_RETRIES, RETRY_DELAY_S) from error
    except errors.CoinError as error:
        raise _failure(error) from error
    except MemoryError as error:
        raise _failure(errors.OutOfMemory(load_settings().coin_run_memory_mib)) from error


def _failure(error: errors.CoinError) -> dg.Failure:
    kind: dict[str, dg.MetadataValue] = {"error": dg.MetadataValue.text(type(error).__name__)}
    if isinstance(error.message, errors.Coded):
        kind["message"] = dg.MetadataValue.json(error.message.to_json())
    return dg.Failure(str(error), metadata=kind, allow_retries=False)


def read_failure(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str | None]:
    """Return why a run failed, as `failure_from_events` finds it in the run's events."""
    return failure_from_events(failure_events(instance, run_id))


def failure_events(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    """Return the events that report a failure of a run or of its steps."""
    of_type = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    records = instance.get_records_for_run(run_id, of_type=of_type).records
    return [record.event_log_entry.get_dagster_event() for record in records]


def failed_steps(events: Sequence[dg.DagsterEvent]) -> tuple[str, ...]:
    """Return the keys of the steps that failed, in the order of their failures."""
    failures = [event for event in events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    return tuple(dict.fromkeys(event.step_key for event in failures if event.step_key))


def failure_from_events(events: Sequence[dg.DagsterEvent]) -> tuple[str, str | None]:
    """Return why a run failed.

    Returns:
        The message, and the name of the CoinError class that it comes from, if any.
    """
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            return _step_failure(event.step_failure_data)
        message = event.message if event.event_type == dg.DagsterEventType.RUN_FAILURE else None
        if message and not message.startswith(GENERIC_FAILURE_PREFIX):
            return _end_message(message.strip().splitlines()[0]), errors.RunInterrupted.__name__
    # No step failed: the run's process ended, or the run was stopped from outside.
    return PROCESS_DIED, errors.RunInterrupted.__name__


def _end_message(text: str) -> str:
    """Return why a run was ended from outside, with its code: Dagster stores the text only."""
    limit = _LIMIT.search(text)
    ends = (overdue_message, stalled_message) if limit else ()
    known = [INTERRUPTED, PROCESS_DIED, *(end(int(limit[1])) for end in ends if limit)]
    return next((message for message in known if message == text), text)


def _step_failure(data: StepFailureData) -> tuple[str, str | None]:
    failure = data.user_failure_data
    if failure and failure.description:
        kind = failure.metadata.get("error")
        stored = failure.metadata.get("message")  # which failures of earlier releases lack
        message = errors.read_coded(stored.value) if isinstance(stored, dg.JsonMetadataValue) else failure.description
        return message, str(kind.value) if kind else None
    error = data.error
    if error is None:
        return "a step failed without a message; see the run's page in Dagster", None
    if error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return INTERRUPTED, errors.RunInterrupted.__name__
    cause = error.cause or error  # of a request for a retry, once there are no more
    message = cause.message.strip()
    if errors.error_class(cause.cls_name) is errors.CoinError:
        return message.splitlines()[-1], None
    sentence = message.partition(": ")[2]  # without the name of the class, as Python prints it
    return " ".join(sentence.split()), cause.cls_name
