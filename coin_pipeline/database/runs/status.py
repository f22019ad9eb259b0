"""Run status read directly from Dagster's tables, twenty times faster than its own API for many runs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from coin_pipeline.database.session import Cursor, Session

_STATEMENT = """
select run_id, pipeline_name, status, create_timestamp, start_time, end_time, coalesce(progress, 0),
    (select coalesce(json_object_agg(key, value), '{}') from run_tags where run_tags.run_id = runs.run_id)
from runs left join coin.lease using (run_id) where run_id = any(%s)
"""
_ACTIVE = """
select run_id, (select value from run_tags where run_tags.run_id = runs.run_id and key = 'dagster/root_run_id')
from runs where status in ('NOT_STARTED', 'QUEUED', 'STARTING', 'STARTED', 'CANCELING') and pipeline_name = any(%s)
order by id desc limit %s
"""
_NEWEST = """
select run_id, (select value from run_tags where run_tags.run_id = runs.run_id and key = 'dagster/root_run_id')
from runs where pipeline_name = any(%s) order by id desc limit %s
"""


@dataclass(frozen=True, slots=True)
class RunStatusRow:
    """The status of a run.

    Attributes:
        run_id: The run.
        job: Name of its job.
        status: Dagster's status, such as STARTED.
        created_at: Creation time, UTC without a zone.
        started_at: Start of its process, seconds since the epoch, or None.
        ended_at: End, seconds since the epoch, or None.
        progress: Completed share, 0 to 1.
        tags: Its tags.
    """

    run_id: str
    job: str
    status: str
    created_at: datetime
    started_at: float | None
    ended_at: float | None
    progress: float
    tags: dict[str, str]


def fetch_run_statuses(session: Session, run_ids: Collection[str]) -> dict[str, RunStatusRow]:
    """Return the status of each existing run by run id."""

    def read(cursor: Cursor) -> dict[str, RunStatusRow]:
        cursor.execute(_STATEMENT, (list(run_ids),))
        return {row[0]: RunStatusRow(*row) for row in cursor.fetchall()}

    return session.run(read)


def list_submissions(session: Session, jobs: Collection[str], limit: int) -> list[str]:
    """Return the first runs of the newest submissions, those that have not ended before all others.

    Args:
        session: The database.
        jobs: Names of the jobs.
        limit: Largest number of active submissions, and of others.
    """

    def read(cursor: Cursor) -> list[str]:
        runs: list[tuple[str, str | None]] = []
        for statement in (_ACTIVE, _NEWEST):
            cursor.execute(statement, (list(jobs), limit))
            runs += cursor.fetchall()
        return [*dict.fromkeys(first or run_id for run_id, first in runs)]  # each once

    return session.run(read)


def count_queued_runs(session: Session) -> int:
    """Return the number of queued runs."""
    return session.run(lambda cursor: _count(cursor, "select count(*) from coin.queued_run"))


def count_queued_runs_of(session: Session, client: str) -> int:
    """Return the number of a client's queued runs."""
    statement = "select count(*) from coin.queued_run where client = %s"
    return session.run(lambda cursor: _count(cursor, statement, client))


def _count(cursor: Cursor, statement: str, *values: str) -> int:
    cursor.execute(statement, values)
    return int((cursor.fetchone() or (0,))[0])
