"""The message of a failed run is that of the error that ended it."""

import dagster as dg
import pytest

from coin_pipeline.errors import StorageUnavailable
from coin_pipeline.orchestration.failures import failure_from_events


@dg.op
def unavailable() -> None:
    """Fail as an op does once its retries are used up."""
    raise dg.RetryRequested(max_retries=0) from StorageUnavailable("s3://results", "timed out\n  after three requests")


@dg.op
def division() -> None:
    """Fail with an error of Python."""
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (
            unavailable,
            (
                " ".join(str(StorageUnavailable("s3://results", "timed out after three requests")).split()),
                "StorageUnavailable",
            ),
        ),
        (division, ("ZeroDivisionError: division by zero", None)),
    ],
    ids=["own", "python"],
)
def test_the_message_is_whole(op: dg.OpDefinition, expected: tuple[str, str | None]) -> None:
    """Without the class name of our own errors, in one line."""

    @dg.job
    def failing() -> None:
        op()

    result = failing.execute_in_process(raise_on_error=False)
    assert failure_from_events(result.all_events) == expected
