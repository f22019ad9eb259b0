"""Translation of the errors of Dagster's storage and code server into this project's."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from coin_pipeline.errors import DatabaseUnavailable, OrchestratorUnavailable
from coin_pipeline.orchestration._dagster_internals import DagsterPostgresException, DagsterUserCodeUnreachableError


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Raise DatabaseUnavailable for what dagster-postgres raises, after its own retries, if the server is down."""
    try:
        yield
    except (SQLAlchemyError, DagsterPostgresException) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseUnavailable("the Dagster storage", reason) from error


@contextmanager
def translate_code_server_errors() -> Iterator[None]:
    """Raise OrchestratorUnavailable if the code server does not respond."""
    try:
        yield
    except DagsterUserCodeUnreachableError as error:
        raise OrchestratorUnavailable(f"the code server does not respond ({error})") from error
