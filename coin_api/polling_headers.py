"""Headers that direct a client while it polls a task."""

from datetime import UTC, datetime

from fastapi import Response

MIN_RETRY_AFTER_S, MAX_RETRY_AFTER_S = 1, 10


def set_polling_headers(response: Response, url: str) -> None:
    """Set Location and Retry-After, which direct the client to the task's status."""
    response.headers["Location"] = url
    response.headers["Retry-After"] = str(MIN_RETRY_AFTER_S)


def set_retry_after(response: Response, created_at: datetime) -> None:
    """Set Retry-After to a tenth of the task's age in whole seconds, within the limits."""
    age_s = (datetime.now(UTC) - created_at).total_seconds()
    response.headers["Retry-After"] = str(int(min(max(age_s / 10, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)))
