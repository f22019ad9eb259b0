"""Days of a busy platform in seconds: rows and files of a real run, cloned with other ids and times."""

import json
import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import dagster as dg

from coin_pipeline.auth.audit import AuditEntry, remove_entries, store_entries
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.database.compaction import database_bytes, reclaim_space
from coin_pipeline.database.runs.status import fetch_run_statuses
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.defs.in_process import run_in_process
from coin_pipeline.defs.maintenance.removal import RetentionJob
from coin_pipeline.defs.run_requests import backtest_submission
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.retention import DAY, RetentionLimits
from coin_pipeline.settings import Settings
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from tests.platforms import BACKTEST

LIMITS = RetentionLimits(7 * DAY, 30 * DAY)
AUDIT = 30 * DAY
"""How long entries of the audit log are kept: less than by default, so that the simulated days show the bound."""
_FRESH = """
create temp table if not exists fresh (run_id text, at timestamp);
truncate fresh;
insert into fresh select gen_random_uuid(), %(day)s + n * interval '1 day' / %(runs)s
from generate_series(0, %(runs)s - 1) n"""
_TIMES = {"create_timestamp", "update_timestamp", "timestamp", "modified", "until"}
_STATES = ("STARTING", "STARTED", "SUCCESS")
"""Of a run after the queue."""
_CHANGE_STATE = "update runs set status = %(state)s from fresh where runs.run_id = fresh.run_id"
_RENEW_LEASE = "update coin.lease set until = until from fresh where lease.run_id = fresh.run_id"
_CLONED = ("runs", "run_tags", "event_logs", "coin.lease", "coin.result")


class DayFigures(NamedTuple):
    """What a day left.

    Attributes:
        runs: Runs recorded in the database.
        events: Their event rows.
        dead_rows: Rows of all tables that were deleted or replaced, and whose space cannot be used again yet.
        database_mb: Size of the database, MB.
        files: Files of tasks and fingerprints.
        files_mb: Their size, MB.
        retention_ms: Time of retention for each run that it removed, ms; 0 if it removed none.
        reclaim_s: Time to vacuum and rewrite tables, s.
        history_ms: Shortest time of a page of history, ms.
        status_ms: Shortest time of a status query, ms.
    """

    runs: int
    events: int
    dead_rows: int
    database_mb: float
    files: int
    files_mb: float
    retention_ms: float
    reclaim_s: float
    history_ms: float
    status_ms: float


class Simulation:
    """A platform on which each day a number of tasks run and retention removes the expired ones."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, url: str, runs_per_day: int) -> None:
        self._instance, self._url, self._runs = instance, url, runs_per_day
        self._store = LocalStore(settings.data_root)
        self._template = _run_template(settings)
        self._session = Session(url)
        self._index = ResultIndex(self._session)
        self._statements = [self._clone_statement(table) for table in _CLONED]

    def close(self) -> None:
        """Close the database session."""
        self._session.close()

    def run_day(self, day: datetime) -> DayFigures:
        """Run a day's tasks, then retention as at the end of the day."""
        runs = self._session.run(lambda cursor: self._insert(cursor, day))
        for state in _STATES:  # each update leaves dead rows, as those of a real run do
            self._session.run(partial(_execute, _CHANGE_STATE, state=state))
            if state != "STARTING":
                self._session.run(partial(_execute, _RENEW_LEASE))
        store_entries(self._session, [_audit_entry(run_id, at.replace(tzinfo=UTC)) for run_id, at in runs])
        for run_id, at in runs:
            self._write_files(run_id, at.replace(tzinfo=UTC))
        return self.retain(day + DAY)

    def retain(self, now: datetime) -> DayFigures:
        """Run retention at a time and measure what is left."""
        started = time.perf_counter()
        forget = partial(self._index.remove, "tasks")
        report = RetentionJob(self._instance, self._store, on_removed=forget).run(now, LIMITS)
        remove_entries(self._session, now - AUDIT)
        seconds = time.perf_counter() - started
        removed = sum(kind.count for kind in report.removed if kind.what == "run records")
        self._report_statistics()
        started = time.perf_counter()
        assert reclaim_space(self._url, lambda: True) == []
        reclaim_s = time.perf_counter() - started
        entries = [*self._store.entries("tasks"), *self._store.entries("fingerprints")]
        run_ids = [entry.run_id for entry in self._index.page(Filters(), 1).entries]
        return DayFigures(
            runs=self._instance.get_runs_count(),
            events=self._count("select count(*) from event_logs"),
            dead_rows=self._count("select sum(n_dead_tup) from pg_stat_user_tables"),
            database_mb=database_bytes(self._url) / 1e6,
            files=len(entries),
            files_mb=sum(entry.size for entry in entries) / 1e6,
            retention_ms=1e3 * seconds / removed if removed else 0.0,
            reclaim_s=reclaim_s,
            history_ms=_shortest_ms(lambda: self._index.page(Filters(), 20)),
            status_ms=_shortest_ms(lambda: fetch_run_statuses(self._session, run_ids)),
        )

    def _report_statistics(self) -> None:
        """Have every connection report what it removed: PostgreSQL defers that by up to a second between transactions.

        Reported after the vacuum, rows that it has already removed would count as dead.
        """
        time.sleep(1)
        self._instance.get_runs_count()
        self._instance.all_logs(self._template)
        self._count("select 0")

    def _count(self, query: str) -> int:
        def count(cursor: Cursor) -> int:
            cursor.execute(query)
            return int((cursor.fetchone() or (0,))[0])

        return self._session.run(count)

    def _insert(self, cursor: Cursor, day: datetime) -> list[tuple[str, datetime]]:
        cursor.execute(_FRESH, {"day": day.replace(tzinfo=None), "runs": self._runs})
        for statement in self._statements:
            cursor.execute(statement)
        cursor.execute("select run_id, at from fresh")
        return cursor.fetchall()

    def _clone_statement(self, table: str) -> str:
        """Return an insert of the template's rows with the ids and times of `fresh`."""
        schema, _, name = f"public.{table}".removeprefix("public.coin.").rpartition(".")

        def columns(cursor: Cursor) -> list[str]:
            cursor.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
                " and column_name <> 'id' order by ordinal_position",
                (schema or "coin", name),
            )
            return [row[0] for row in cursor.fetchall()]

        names = self._session.run(columns)
        values = {column: f't."{column}"' for column in names}
        values |= {column: "fresh.at" for column in names if column in _TIMES}
        values |= {column: "extract(epoch from fresh.at)" for column in names if column in {"start_time", "end_time"}}
        for column in names:
            if column in {"event", "run_body"}:
                values[column] = f"replace(t.\"{column}\", '{self._template}', fresh.run_id)"
        values["run_id"] = "fresh.run_id"
        if table == "runs":
            values["status"] = "'QUEUED'"  # also enters the index of the queue
        listed = ", ".join(f'"{column}"' for column in names)
        chosen = ", ".join(values[column] for column in names)
        return (
            f"insert into {table} ({listed}) select {chosen} from {table} t, fresh where t.run_id = '{self._template}'"  # noqa: S608 -- our own names
        )

    def _write_files(self, run_id: str, ended: datetime) -> None:
        """Link the files of the template, which saves disk space here only, and write the others."""
        tasks = self._store.root / "tasks"
        folder = tasks / run_id
        folder.mkdir()
        for file in (tasks / self._template).iterdir():
            if file.name == "manifest.json":
                manifest = json.loads(file.read_bytes())
                manifest["task_id"], manifest["metadata"]["finished_at"] = run_id, ended.isoformat()
                (folder / file.name).write_text(json.dumps(manifest))
            else:
                os.link(file, folder / file.name)
        fingerprint = self._store.root / "fingerprints" / f"{run_id}.json"
        fingerprint.write_text(json.dumps({"run_id": run_id}))
        os.utime(fingerprint, (ended.timestamp(), ended.timestamp()))


def _run_template(settings: Settings) -> str:
    """Run a real task and pin it; return its run ID."""
    spec = resolve(parse_request(BACKTEST), load_registry())
    run_id = run_in_process(settings, backtest_submission(spec, "tasks"), lambda _event: None)
    pins = settings.data_root / "pins"
    pins.mkdir()
    (pins / f"{run_id}.json").write_text("{}")
    return run_id


def _audit_entry(run_id: str, at: datetime) -> AuditEntry:
    """Return the entry of the request that submitted a run."""
    route, request_id = "/api/backtests/run-async", uuid.uuid4().hex
    return AuditEntry(str(uuid.uuid4()), at, None, None, "127.0.0.1", "POST", route, 202, run_id, request_id)


def _execute(statement: str, cursor: Cursor, **values: object) -> None:
    cursor.execute(statement, values)


def _shortest_ms(query: Callable[[], object]) -> float:
    """Return the time of the fastest of 50 queries, which a busy machine disturbs least."""
    times = []
    for _ in range(50):
        started = time.perf_counter()
        query()
        times.append(1e3 * (time.perf_counter() - started))
    return min(times)
