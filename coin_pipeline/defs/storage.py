"""Dagster's run, event and schedule storage on the one PostgreSQL, with pooled connections."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Self

import psycopg2
from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

from coin_pipeline.database import leases
from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url
from coin_pipeline.settings import load_settings

_STATEMENT_TIMEOUT_MS = 60_000
_POOL_RECYCLE_S = 3600
_POOL_OVERFLOW = 20
_SET_UP_LOCK = 0x636F696E  # any number that only this project uses


class PooledPostgresStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage on the project's database, each of its three parts with a pool of its own."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure in dagster.yaml: the settings say which database."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003 -- Dagster's signature
        """Open the storages, creating their tables on a new database."""
        url = database_url(load_settings())
        with _one_at_a_time(url):
            storage = cls(postgres_url=url, inst_data=inst_data)
            leases.prepare(url)
        for part in (storage._run_storage, storage._event_log_storage, storage._schedule_storage):
            part.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _POOL_OVERFLOW)
            event.listen(part._engine, "checkout", _drop_if_dead)  # noqa: SLF001 -- Dagster offers no way to it
        return storage


def _drop_if_dead(connection: Any, *_: object) -> None:  # noqa: ANN401 -- psycopg2's own class is private
    """Have the pool replace a connection that a restart of the server has cut, before anybody uses it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error as error:
        raise DisconnectionError from error


@contextmanager
def _one_at_a_time(url: str) -> Iterator[None]:
    """Keep two programs on a new database from creating the same tables at once."""
    with closing(connect(url)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (_SET_UP_LOCK,))
        yield
