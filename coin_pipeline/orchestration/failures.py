"""Failures of ours in Dagster's words, on the way in and on the way out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from coin_pipeline import errors
from coin_pipeline.orchestration._dagster_internals import StepFailureData
from coin_pipeline.settings import load_settings

MAX_RETRIES = 3
RETRY_DELAY_S = 1.0
INTERRUPTED = "the run was stopped before it had a result; run it again"
PROCESS_DIED = (
    "the run's process ended before it had a result (killed, out of memory, or stopped with the platform); run it again"
)
GENERIC_FAILURE_PREFIX = "This run has been marked as failed from outside"
"""How Dagster begins what it says where it was told nothing."""


def overdue_message(limit_s: int) -> str:
    """Return the sentence for a run that took longer than it may."""
    return (
        f"the run was ended because it took longer than COIN_MAX_RUN_SECONDS={limit_s}; test fewer symbols or fewer"
        " candles, or raise that"
    )


@contextmanager
def translate_errors() -> Iterator[None]:
    """Tell Dagster which errors of the family are worth a retry; the others fail with their sentence."""
    try:
        yield
    except (errors.StorageUnavailable, errors.ServiceUnavailable) as error:
        raise dg.RetryRequested(MAX_RETRIES, RETRY_DELAY_S) from error
    except errors.CoinError as error:
        raise _failure(error) from error
    except MemoryError as error:
        raise _failure(errors.OutOfMemory(load_settings().coin_run_memory_mib)) from error


def _failure(error: errors.CoinError) -> dg.Failure:
    kind = {"error": dg.MetadataValue.text(type(error).__name__)}
    return dg.Failure(str(error), metadata=kind, allow_retries=False)


def read_failure(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str | None]:
    """Return what `failure_from_events` finds in the events of a run."""
    of_type = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    records = instance.get_records_for_run(run_id, of_type=of_type).records
    return failure_from_events([record.event_log_entry.get_dagster_event() for record in records])


def failure_from_events(events: Sequence[dg.DagsterEvent]) -> tuple[str, str | None]:
    """Return the sentence that tells why a run failed, and the name of the error class of ours that said it, if any."""
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            return _of_step(event.step_failure_data)
        said = event.message if event.event_type == dg.DagsterEventType.RUN_FAILURE else None
        if said and not said.startswith(GENERIC_FAILURE_PREFIX):
            return said.strip().splitlines()[0], errors.RunInterrupted.__name__
    # Without a failed step the run's process ended, or it was stopped, from outside.
    return PROCESS_DIED, errors.RunInterrupted.__name__


def _of_step(data: StepFailureData) -> tuple[str, str | None]:
    said = data.user_failure_data
    if said and said.description:
        kind = said.metadata.get("error")
        return said.description, str(kind.value) if kind else None
    error = data.error
    if error is None:
        return "a step failed without saying why; see its page in Dagster", None
    if error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return INTERRUPTED, errors.RunInterrupted.__name__
    return (error.cause or error).message.strip().splitlines()[-1], None
