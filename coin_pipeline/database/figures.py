"""Figures of the platform for its metrics, read directly from the tables of Dagster and of this platform."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from coin_pipeline.database.session import Cursor, Session

RUN_STATES = {"QUEUED": "queued", "STARTING": "starting", "STARTED": "running", "CANCELING": "cancelling"}
"""Name of each state of a run that has not ended, by Dagster's status."""
OUTCOMES = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "cancelled"}
"""Name of each way in which a run ends, by Dagster's status."""
DELIVERY_STATES = ("pending", "given up")
OVERLAP = timedelta(minutes=1)
"""How far `EndedRuns` looks back: a transaction may become visible after a later one."""
MAX_ROWS = 5000
_UNFINISHED = """
select status, count(*), extract(epoch from now() - min(create_timestamp) at time zone 'utc')::float8
from runs where status = any(%s) group by status
"""
_DELIVERIES = "select state, count(*) from coin.alert_delivery where state = any(%s) group by state"
_INCIDENTS = "select count(*) from coin.alert_incident where closed_at is null"
_SIZE = "select pg_database_size(current_database())"
_BEGINNING = "select now() at time zone 'utc' - %s"
_ENDED = """
select run_id, pipeline_name, status, extract(epoch from create_timestamp at time zone 'utc')::float8, start_time,
    end_time, update_timestamp
from runs where status = any(%s) and update_timestamp >= %s
order by update_timestamp limit %s
"""

_Row = tuple[str, str, str, float, float | None, float | None, datetime]


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of the platform.

    Attributes:
        runs: Number of runs that have not ended, by state.
        longest_wait_s: How long the oldest queued run has waited, s; 0 without one.
        deliveries: Number of alert deliveries that are pending or were given up.
        incidents: Number of open incidents.
        database_bytes: Size of the database.
    """

    runs: dict[str, int]
    longest_wait_s: float
    deliveries: dict[str, int]
    incidents: int
    database_bytes: int


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended.

    Attributes:
        job: Name of its job.
        outcome: One of OUTCOMES' values.
        wait_s: Time from its creation to the start of its process, s; None if it did not start.
        duration_s: Time from there to its end, s; None if it did not start.
    """

    job: str
    outcome: str
    wait_s: float | None
    duration_s: float | None


def read_figures(session: Session) -> Figures:
    """Return the current state.

    Raises:
        DatabaseUnavailable: The server cannot be reached.
    """

    def read(cursor: Cursor) -> Figures:
        cursor.execute(_UNFINISHED, (list(RUN_STATES),))
        rows = {RUN_STATES[status]: (count, age_s) for status, count, age_s in cursor.fetchall()}
        cursor.execute(_DELIVERIES, (list(DELIVERY_STATES),))
        deliveries = dict.fromkeys(DELIVERY_STATES, 0) | dict(cursor.fetchall())
        return Figures(
            runs={state: rows.get(state, (0, 0))[0] for state in RUN_STATES.values()},
            longest_wait_s=max(0.0, rows.get("queued", (0, 0.0))[1]),
            deliveries=deliveries,
            incidents=int(_value(cursor, _INCIDENTS)),
            database_bytes=int(_value(cursor, _SIZE)),
        )

    return session.run(read)


class EndedRuns:
    """Returns each run that ends from the first read on, once."""

    def __init__(self) -> None:
        self._known: dict[str, datetime] | None = None
        self._beginning: datetime | None = None

    def read(self, session: Session) -> list[EndedRun]:
        """Return the runs that have ended since the last call, none for the first.

        Raises:
            DatabaseUnavailable: The server cannot be reached; the next call returns what this one would have.
        """
        known = self._known

        def read(cursor: Cursor) -> tuple[datetime, list[_Row]]:
            beginning = self._beginning or _value(cursor, _BEGINNING, OVERLAP)
            # Runs from before the first call's window are not known, and must not be taken for new ones.
            since = max([beginning, *(at - OVERLAP for at in (known or {}).values())])
            cursor.execute(_ENDED, (list(OUTCOMES), since, MAX_ROWS))
            return beginning, cursor.fetchall()

        self._beginning, rows = session.run(read)
        seen = (known or {}) | {row[0]: row[-1] for row in rows}
        latest = max(seen.values(), default=None)
        self._known = {run: at for run, at in seen.items() if latest and at >= latest - OVERLAP}
        return [] if known is None else [_ended(*row[1:6]) for row in rows if row[0] not in known]


def _ended(job: str, status: str, created: float, started: float | None, ended: float | None) -> EndedRun:
    wait_s = None if started is None else max(0.0, started - created)
    duration_s = None if started is None or ended is None else max(0.0, ended - started)
    return EndedRun(job, OUTCOMES[status], wait_s, duration_s)


def _value(cursor: Cursor, statement: str, *parameters: object) -> Any:  # noqa: ANN401 -- what the statement selects
    cursor.execute(statement, parameters)
    return (cursor.fetchone() or (None,))[0]
