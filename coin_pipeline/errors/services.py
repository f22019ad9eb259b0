"""Errors of the services that the platform depends on: exchanges (HTTP 502), the database, Dagster and the API."""

from coin_pipeline.errors.base import CoinError
from coin_pipeline.errors.coded import coded


class ExchangeAnswer(CoinError):
    """The exchange returned something other than the requested candles; none of it is stored."""

    def __init__(self, exchange: str, request: str, response: str) -> None:
        super().__init__(coded("exchange_answer", exchange=exchange, request=request, response=response))


class DataRefused(CoinError):
    """PostgreSQL rejected a value, such as one that is out of range; a retry will not help."""

    client_message = coded("data_refused")

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database rejected a value: {reason}")


class ServiceUnavailable(CoinError):
    """A required service is down: HTTP 503."""


class DatabaseUnavailable(ServiceUnavailable):
    """PostgreSQL cannot be started or reached."""

    client_message = coded("database_unavailable")

    def __init__(self, where: object, reason: str) -> None:
        self.reason = reason
        super().__init__(f"PostgreSQL at {where} is not available: {reason}")


class UnknownRevision(ServiceUnavailable):
    """A newer version of the platform has upgraded the database."""

    client_message = coded("database_too_new")

    def __init__(self, revision: str, head: str) -> None:
        super().__init__(
            f"the database has schema revision {revision!r} of a newer version of the platform, and this one knows none"
            f" after {head!r}; start that version, or go back with it: coin database downgrade {head}"
        )


class SchemaNotChanged(ServiceUnavailable):
    """PostgreSQL refused to change the platform's tables."""

    client_message = coded("schema_not_changed")

    def __init__(self, command: str, revision: str, reason: str) -> None:
        super().__init__(
            f"the {command} of the schema 'coin' to revision {revision!r} was refused and changed nothing: {reason};"
            f" a role with the permission can run 'coin database {command}'"
        )


class ApiUnreachable(ServiceUnavailable):
    """Nothing responds at the address of the API; `command` starts it there."""

    def __init__(self, url: str, reason: object, command: str) -> None:
        self.command = command
        super().__init__(f"{url} does not respond ({reason}); start it with: {command}")


class ExchangeUnavailable(ServiceUnavailable):
    """The exchange does not respond, or currently rejects requests from this address; stored candles are kept."""

    def __init__(self, exchange: str, reason: str) -> None:
        super().__init__(coded("exchange_unavailable", exchange=exchange, reason=reason))


class AsyncDisabled(ServiceUnavailable):
    """Asynchronous submissions are switched off.

    Args:
        by: The setting or command that switched them off.
        remedy: How to switch them on again.
    """

    def __init__(self, by: str, remedy: str) -> None:
        super().__init__(coded("async_disabled", by=by, remedy=remedy))


class OrchestratorUnavailable(ServiceUnavailable):
    """Dagster cannot accept work at the moment."""

    client_message = coded("orchestrator_unavailable")

    def __init__(self, reason: str) -> None:
        super().__init__(f"the orchestrator cannot accept work: {reason}")


class ReaderUnavailable(ServiceUnavailable):
    """The program that reads candle files was ended from outside; nothing of the file is stored."""

    def __init__(self) -> None:
        super().__init__(coded("reader_unavailable"))


class ClusterUnavailable(ServiceUnavailable):
    """The Ray cluster that evaluates sweeps cannot be reached, or was lost; evaluated chunks are kept."""

    client_message = coded("cluster_unavailable")

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Ray cluster at {address} is not available: {reason}; make this machine a node of it ('ray start'), or"
            " set COIN_SWEEP_ENGINE=local; evaluated chunks are kept, so the sweep resumes when it is run again"
        )
