"""Failures of ours in Dagster's words, on the way in and on the way out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from coin_pipeline import errors

MAX_RETRIES = 3
RETRY_DELAY_S = 1.0


@contextmanager
def explained() -> Iterator[None]:
    """Tell Dagster which errors of the family are worth a retry; the others fail with their sentence."""
    try:
        yield
    except (errors.StorageUnavailable, errors.ServiceUnavailable) as error:
        raise dg.RetryRequested(MAX_RETRIES, RETRY_DELAY_S) from error
    except errors.CoinError as error:
        kind = {"error": dg.MetadataValue.text(type(error).__name__)}
        raise dg.Failure(str(error), metadata=kind, allow_retries=False) from error


def failure_of(events: Sequence[dg.DagsterEvent]) -> tuple[str, str | None]:
    """Return the sentence that tells why a run failed, and the name of the error class of ours that said it, if any."""
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            said = event.step_failure_data.user_failure_data
            if said and said.description:
                kind = said.metadata.get("error")
                return said.description, str(kind.value) if kind else None
            error = event.step_failure_data.error
            cause = error.cause or error if error else None
            return (cause.message.strip().splitlines()[-1] if cause else "a step failed"), None
    last = [event.message for event in events if event.event_type == dg.DagsterEventType.RUN_FAILURE]
    return (last[0] if last and last[0] else "the run ended without saying why; see its page in Dagster"), None
