"""Dagster's run, event and schedule storage on the project's PostgreSQL: pooled connections, few statements.

Each class overrides methods of dagster_postgres. A renamed or extended method is noticed by
tests/orchestration/test_dagster_contract.py, changed behaviour by tests/orchestration/test_storage.py,
test_storage_schema.py and test_outages.py.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any, Self

import dagster as dg
from sqlalchemy import Connection, Engine, or_, text
from sqlalchemy.exc import DBAPIError

from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.schema import is_current, upgrade
from coin_pipeline.database.session import connect, sqlalchemy_url
from coin_pipeline.database.timeouts import BATCH, ConnectionTimeouts
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
)
from coin_pipeline.orchestration.run_tags import RETURN_TAG
from coin_pipeline.orchestration.storage_schema import create_tables, is_new_database, mark_migrated
from coin_pipeline.retry import retry_until_available
from coin_pipeline.settings import load_settings

_ENGINE_TIMEOUTS = BATCH._replace(statement_ms=60_000, idle_in_transaction_ms=5_000)
"""A process that is suspended while it changes a run must not block others from changing it."""
_SET_UP_LOCK = 0x636F696E  # arbitrary, used by this project only
_LOCK = text("select from runs where run_id = :run_id for no key update")
_INDEXED_EVENTS = ASSET_EVENTS | ASSET_CHECK_EVENTS
_DROPPED_EVENTS = frozenset(
    {
        dg.DagsterEventType.HANDLED_OUTPUT,  # STEP_OUTPUT has the figures; an op that publishes names its object there
        dg.DagsterEventType.HOOK_COMPLETED,
        dg.DagsterEventType.HOOK_SKIPPED,
        dg.DagsterEventType.LOADED_INPUT,
        dg.DagsterEventType.RESOURCE_INIT_STARTED,
        dg.DagsterEventType.RESOURCE_INIT_SUCCESS,
        dg.DagsterEventType.STEP_INPUT,
    }
)
"""Frequent events without information for users; storing one takes a millisecond."""
_LOGS_CAPTURED = dg.DagsterEventType.LOGS_CAPTURED


class SharedEngineMixin:
    """Keeps the shared engine; the webserver would replace it by one that does not survive a database restart.

    Overrides `optimize_for_webserver`: if Dagster renames it, the webserver answers 500 after a database restart.
    """

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Do nothing."""


class RunStorage(SharedEngineMixin, PostgresRunStorage):
    """Changes a run atomically, and caches answers that Dagster asks for repeatedly.

    Dagster reads a run, commits each statement about it, and writes it back as it was read. A process that died between
    two statements, or a concurrent writer, left a run whose tags in the table differed from those in its body, so that
    it was shown as failed and then retried.

    Overrides `connect`, `fetchall` and `fetchone`, through which all statements of the base class must go, and
    `add_run`, `add_run_tags` and `handle_run_event`, which must be the only methods that store or change a run.
    """

    _changes = threading.local()

    def connect(self) -> AbstractContextManager[Connection]:
        """Return a connection, or that of the open transaction if a run is being changed."""
        connection = self._open_connection()
        return nullcontext(connection) if connection else super().connect()

    def has_run_stats_index_cols(self) -> bool:
        """Return whether `runs` has columns for start and end times."""
        return _once(self, "times", super().has_run_stats_index_cols)

    def has_backfill_id_column(self) -> bool:
        """Return whether `runs` has a backfill column."""
        return _once(self, "backfill", super().has_backfill_id_column)

    def fetchall(self, query: Any) -> Sequence[Any]:  # noqa: ANN401 -- SQLAlchemy has many classes for it
        """Return all rows."""
        fetch = partial(super().fetchall, query)
        return fetch() if self._open_connection() else retry_until_available(fetch, _is_away)

    def fetchone(self, query: Any) -> Any | None:  # noqa: ANN401 -- see above
        """Return the first row."""
        fetch = partial(super().fetchone, query)
        return fetch() if self._open_connection() else retry_until_available(fetch, _is_away)

    def add_run(self, dagster_run: dg.DagsterRun) -> dg.DagsterRun:
        """Store a run with its tags, except the return of a run that it repeats: it has none until it succeeds."""
        tags = {name: value for name, value in dagster_run.tags.items() if name != RETURN_TAG}
        with self._transaction():
            return super().add_run(dagster_run._replace(tags=tags))

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        """Add tags to a run; tags of the same name are replaced."""
        add = partial(super().add_run_tags, run_id, new_tags)
        retry_until_available(partial(self._in_transaction, run_id, add), _is_away)

    def handle_run_event(self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Record the status that follows from an event, and the reason of a failure."""
        change = partial(super().handle_run_event, run_id, event, update_timestamp)
        retry_until_available(partial(self._in_transaction, run_id, change), _is_away)

    def has_job_snapshot(self, job_snapshot_id: str) -> bool:
        """Return whether a job's snapshot is stored; snapshots are never removed."""
        return _once(self, job_snapshot_id, partial(super().has_job_snapshot, job_snapshot_id))

    def has_execution_plan_snapshot(self, execution_plan_snapshot_id: str) -> bool:
        """Return whether a plan's snapshot is stored; snapshots are never removed."""
        snapshot_id = execution_plan_snapshot_id
        return _once(self, snapshot_id, partial(super().has_execution_plan_snapshot, snapshot_id))

    def _open_connection(self) -> Connection | None:
        return getattr(self._changes, "connection", None)

    def _in_transaction(self, run_id: str, change: Callable[[], None]) -> None:
        """Read and change a run in one transaction that locks it."""
        with self._transaction() as connection:
            connection.execute(_LOCK, {"run_id": run_id})
            change()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Yield a connection whose transaction all statements of this thread join."""
        with super().connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED")  # until it is back in the pool
            with connection.begin():
                self._changes.connection = connection
                try:
                    yield connection
                finally:
                    self._changes.connection = None


class EventStorage(SharedEngineMixin, PostgresEventLogStorage):
    """Stores an event with one statement, without the NOTIFY that Dagster sends and this project never listens to.

    Overrides `store_event`, and uses `prepare_insert_event` and `_connect` of the base class; events of assets go to
    the base class, which indexes them. A new event type that needs an index must be added to `ASSET_EVENTS` by Dagster.

    Attributes:
        dropped: Types of events that are not stored.
    """

    dropped = _DROPPED_EVENTS

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event unless its type is dropped; possibly twice if the connection breaks."""
        retry_until_available(partial(self._store, event), _is_away)

    def delete_events_for_run(self, conn: Connection, run_id: str) -> None:
        """Delete a run's events except materializations: partitions outlive the run's record."""
        _delete_events(conn, [run_id])

    def _store(self, event: dg.EventLogEntry) -> None:
        if event.dagster_event_type in _INDEXED_EVENTS:
            super().store_event(event)
        elif event.dagster_event_type not in self.dropped:
            with self._connect() as connection:
                connection.execute(self.prepare_insert_event(event))


class ScheduleStorage(SharedEngineMixin, PostgresScheduleStorage):
    """Schedules and sensors, on the shared engine."""


class PooledPostgresStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage on the project's database, with one connection pool for its three storages.

    Replaces `_run_storage`, `_event_log_storage` and `_schedule_storage` of the base class, and `_engine` of each.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        postgres_url = sqlalchemy_url(postgres_url)
        # Without the search for missing tables, for which each storage opens a connection: `set_up` has created them.
        found: dict[str, Any] = {"postgres_url": postgres_url, "should_autocreate_tables": False}
        super().__init__(**found, inst_data=inst_data)
        self._run_storage, self._event_log_storage = RunStorage(**found), EventStorage(**found)
        self._schedule_storage = ScheduleStorage(**found)
        if load_settings().coin_compute_logs == "off":  # otherwise the UI finds what ops printed by these events
            self._event_log_storage.dropped |= {_LOGS_CAPTURED}
        engine = create_engine(postgres_url, _ENGINE_TIMEOUTS)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine  # noqa: SLF001 -- by default, each opens a connection for every statement

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return an empty schema: the database is configured in the settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003 -- Dagster's signature
        """Open the storages; create or upgrade the tables if necessary."""
        url = database_url(load_settings())
        set_up(url)
        return cls(url, inst_data)


def set_up(url: str) -> None:
    """Create Dagster's tables on a new database, and create or upgrade the platform's own.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
        SchemaNotChanged: The server refused to change a table, for example for lack of permission.
        UnknownRevision: A newer version of the platform has upgraded the database.
    """
    if is_current(url):
        return
    with _setup_lock(url):
        if is_new_database(url):
            create_tables(url)
            mark_migrated(PooledPostgresStorage(url))
        else:
            DagsterPostgresStorage(sqlalchemy_url(url))  # creates tables that a database of another origin lacks
        upgrade(url)


def warm_caches(instance: dg.DagsterInstance) -> None:
    """Run the queries of a first run now, so that columns and compiled statements are cached."""
    for query in (instance.get_run_by_id, instance.has_run):
        query("none")


def delete_runs(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete finished runs, their events first: a run without events is still found and deleted.

    Dagster deletes them one by one with eleven statements for each, most of which free slots that ended runs lack.
    """
    with engine_of(instance).connect() as connection:
        _delete_events(connection, run_ids)
        connection.execute(text("delete from runs where run_id = any(:run_ids)"), {"run_ids": list(run_ids)})


def engine_of(instance: dg.DagsterInstance) -> Engine:
    """Return the connection pool of an instance on this storage."""
    engine: Engine = instance.run_storage._engine  # type: ignore[attr-defined]  # noqa: SLF001 -- see above
    return engine


def _delete_events(connection: Connection, run_ids: Sequence[str]) -> None:
    kind = SqlEventLogStorageTable.c.dagster_event_type
    others = or_(kind.is_(None), kind != dg.DagsterEventType.ASSET_MATERIALIZATION.value)
    connection.execute(SqlEventLogStorageTable.delete().where(SqlEventLogStorageTable.c.run_id.in_(run_ids), others))


def _is_away(error: Exception) -> bool:
    """Return whether an error means that the server is unreachable rather than that it refused."""
    return isinstance(error, DagsterPostgresException) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _once(storage: object, key: str, query: Callable[[], bool]) -> bool:
    """Run a query until its answer is True, which is final."""
    confirmed: set[str] = vars(storage).setdefault("_confirmed", set())
    if key not in confirmed and query():
        confirmed.add(key)
    return key in confirmed


@contextmanager
def _setup_lock(url: str, timeouts: ConnectionTimeouts = BATCH) -> Iterator[None]:
    """Hold a lock so that two programs do not create the same tables at once.

    The wait has no time limit: another program may be changing large tables of an earlier version.
    """
    with closing(connect(url, timeouts)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "set lock_timeout = 0; set statement_timeout = 0; select pg_advisory_lock(%s)", (_SET_UP_LOCK,)
            )
        yield
