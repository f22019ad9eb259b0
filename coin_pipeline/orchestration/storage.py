"""Dagster's run, event and schedule storage on the one PostgreSQL: pooled connections, few statements."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any, Self

import dagster as dg
import psycopg2
from sqlalchemy import Connection, Engine, event, or_, text
from sqlalchemy.exc import DBAPIError, DisconnectionError

from coin_pipeline.database import feature_flags
from coin_pipeline.database.runs import leases
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration._dagster_internals import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    ConfigurableClassData,
    DagsterPostgresException,
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
    SqlEventLogStorageTable,
    create_pg_engine,
)
from coin_pipeline.orchestration.storage_schema import create_tables, is_new_database, mark_migrated
from coin_pipeline.results import index
from coin_pipeline.retry import retry_until_available
from coin_pipeline.settings import load_settings

_STATEMENT_TIMEOUT_MS = 60_000
_IDLE_IN_TRANSACTION_MS = 5_000
"""A process that was stopped while it changes a run keeps the others from it no longer than that."""
_POOL, _POOL_OVERFLOW, _POOL_RECYCLE_S = 8, 20, 3600
_IDLE_S = 1.0
"""After so long without use a connection is tried before anybody gets it."""
_SET_UP_LOCK = 0x636F696E  # any number that only this project uses
_LOCK = text("select from runs where run_id = :run_id for no key update")
_WITH_INDEX = ASSET_EVENTS | ASSET_CHECK_EVENTS
_SAY_NOTHING = frozenset(
    {
        dg.DagsterEventType.HOOK_COMPLETED,
        dg.DagsterEventType.HOOK_SKIPPED,
        dg.DagsterEventType.LOADED_INPUT,
        dg.DagsterEventType.LOGS_CAPTURED,  # there are none
        dg.DagsterEventType.RESOURCE_INIT_STARTED,
        dg.DagsterEventType.RESOURCE_INIT_SUCCESS,
        dg.DagsterEventType.STEP_INPUT,
    }
)
"""Events of which a run has many and people learn nothing: each costs a millisecond."""


class SharedEngineMixin:
    """Has its pool; the webserver would give it another one, which does not notice a restart of the database."""

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Do nothing."""


class RunStorage(SharedEngineMixin, PostgresRunStorage):
    """Changes a run as a whole or not at all, and asks the database once for what Dagster asks again and again.

    Dagster reads a run, commits each statement about it, and writes it back as it was read. A process that died between
    two statements, or another one that wrote meanwhile, left a run whose tags said one thing in their table and another
    in its body, so that it was shown as failed and then attempted again.
    """

    _changes = threading.local()

    def connect(self) -> AbstractContextManager[Connection]:
        """Return a connection, the one of the transaction if a run is being changed."""
        under_way = self._under_way()
        return nullcontext(under_way) if under_way else super().connect()

    def has_run_stats_index_cols(self) -> bool:
        """Return whether runs have columns for their times."""
        return _once(self, "times", super().has_run_stats_index_cols)

    def has_backfill_id_column(self) -> bool:
        """Return whether runs have a column for their backfill."""
        return _once(self, "backfill", super().has_backfill_id_column)

    def fetchall(self, query: Any) -> Sequence[Any]:  # noqa: ANN401 -- SQLAlchemy has many classes for it
        """Return all rows."""
        fetch = partial(super().fetchall, query)
        return fetch() if self._under_way() else retry_until_available(fetch, _is_away)

    def fetchone(self, query: Any) -> Any | None:  # noqa: ANN401 -- see above
        """Return the first row."""
        fetch = partial(super().fetchone, query)
        return fetch() if self._under_way() else retry_until_available(fetch, _is_away)

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        """Add tags to a run, or put them in the place of those of the same names."""
        self._as_a_whole(run_id, partial(super().add_run_tags, run_id, new_tags))

    def handle_run_event(self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Record the status that an event tells, and why a run failed."""
        change = partial(super().handle_run_event, run_id, event, update_timestamp)
        retry_until_available(partial(self._as_a_whole, run_id, change), _is_away)

    def has_job_snapshot(self, job_snapshot_id: str) -> bool:
        """Return whether a job, as it is at some version of the code, is stored; nothing removes it."""
        return _once(self, job_snapshot_id, partial(super().has_job_snapshot, job_snapshot_id))

    def has_execution_plan_snapshot(self, execution_plan_snapshot_id: str) -> bool:
        """Return whether a job's plan is stored; nothing removes it."""
        snapshot_id = execution_plan_snapshot_id
        return _once(self, snapshot_id, partial(super().has_execution_plan_snapshot, snapshot_id))

    def _under_way(self) -> Connection | None:
        return getattr(self._changes, "connection", None)

    def _as_a_whole(self, run_id: str, change: Callable[[], None]) -> None:
        """Read and change a run in one transaction, one process after the other."""
        with super().connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED")  # until it is back in the pool
            with connection.begin():
                connection.execute(_LOCK, {"run_id": run_id})
                self._changes.connection = connection
                try:
                    change()
                finally:
                    self._changes.connection = None


class EventStorage(SharedEngineMixin, PostgresEventLogStorage):
    """Stores an event with one statement: nobody listens to the notification that Dagster sends with each."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, unless it says nothing; if the connection was cut just then, twice at worst."""
        retry_until_available(partial(self._store, event), _is_away)

    def delete_events_for_run(self, conn: Connection, run_id: str) -> None:
        """Remove what is recorded of a run, but not which partitions it made: they outlive its record."""
        kind = SqlEventLogStorageTable.c.dagster_event_type
        others = or_(kind.is_(None), kind != dg.DagsterEventType.ASSET_MATERIALIZATION.value)
        conn.execute(SqlEventLogStorageTable.delete().where(SqlEventLogStorageTable.c.run_id == run_id, others))

    def _store(self, event: dg.EventLogEntry) -> None:
        if event.dagster_event_type in _WITH_INDEX:
            super().store_event(event)
        elif event.dagster_event_type not in _SAY_NOTHING:
            with self._connect() as connection:
                connection.execute(self.prepare_insert_event(event))


class ScheduleStorage(SharedEngineMixin, PostgresScheduleStorage):
    """Schedules and sensors."""


class PooledPostgresStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage on the project's database, its three parts on one pool."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url=postgres_url, inst_data=inst_data)
        self._run_storage, self._event_log_storage = RunStorage(postgres_url), EventStorage(postgres_url)
        self._schedule_storage = ScheduleStorage(postgres_url)
        engine = _engine(postgres_url)
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = engine  # noqa: SLF001 -- as shipped, each opens a connection for every statement

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure in dagster.yaml: the settings say which database."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003 -- Dagster's signature
        """Open the storages, creating their tables on a new database."""
        url = database_url(load_settings())
        with _one_at_a_time(url):
            new = is_new_database(url)
            if new:
                create_tables(url)
            storage = cls(url, inst_data)
            if new:
                mark_migrated(storage)
            with closing(Session(url)) as session:
                leases.prepare(session)
                feature_flags.prepare(session)
                index.create_table(session)
        return storage


def warm_caches(instance: dg.DagsterInstance) -> None:
    """Have the instance learn now what it would ask the database at its first run: columns, and how statements read."""
    for found in (instance.get_run_by_id, instance.has_run):
        found("nobody")


def engine_of(instance: dg.DagsterInstance) -> Engine:
    """Return the connection pool of an instance on this storage."""
    engine: Engine = instance.run_storage._engine  # type: ignore[attr-defined]  # noqa: SLF001 -- see above
    return engine


def _engine(url: str) -> Engine:
    engine = create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=_POOL,
        max_overflow=_POOL_OVERFLOW,
        pool_recycle=_POOL_RECYCLE_S,
        connect_args={
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}"
            f" -c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS}"
        },
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _drop_if_dead)
    return engine


def _note_use(_: object, record: Any) -> None:  # noqa: ANN401 -- SQLAlchemy's own class is private
    record.info["used"] = time.monotonic()


def _drop_if_dead(connection: Any, record: Any, _: object) -> None:  # noqa: ANN401 -- psycopg2's own class is private
    """Have the pool replace a connection that a restart of the server has cut, before anybody uses it."""
    if time.monotonic() - record.info.get("used", 0.0) < _IDLE_S:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error as error:
        raise DisconnectionError from error


def _is_away(error: Exception) -> bool:
    """Tell whether the server was not there, or went away; not whether it refused."""
    return isinstance(error, DagsterPostgresException) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _once(part: object, what: str, ask: Callable[[], bool]) -> bool:
    """Ask until the answer is yes, which it stays."""
    found: set[str] = vars(part).setdefault("_found", set())
    if what not in found and ask():
        found.add(what)
    return what in found


@contextmanager
def _one_at_a_time(url: str) -> Iterator[None]:
    """Keep two programs on a new database from creating the same tables at once."""
    with closing(connect(url)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (_SET_UP_LOCK,))
        yield
