"""Why a run failed, read from its events."""

from collections.abc import Sequence

import dagster as dg


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
