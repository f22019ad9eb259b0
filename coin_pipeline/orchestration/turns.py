"""Order of Dagster's queue: clients take turns, however many runs each of them has queued.

Dagster starts queued runs by priority, then by age. A run is queued with the number of its client's turn, and its
negative is the priority: a client's first run has the turn that the queue has reached, each further one the next turn.
So the queue starts one run of each client, then the next one of each (start-time fair queueing). A client without
queued runs neither saves turns nor has to wait for the runs that another has queued before.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy import Connection, text

from coin_pipeline.orchestration.run_tags import (
    CLASS_TAG,
    CLIENT_TAG,
    PRIORITY_TAG,
    RETRY_NUMBER_TAG,
    TURN_TAG,
    client_of,
    is_bulk,
)
from coin_pipeline.orchestration.storage import engine_of

# Bulk runs have turns of their own, since they wait for each other. The synchronous runs of a client, which it waits
# for, take turns with its others, as if they were another client's.
_REACHED = text("""
select coalesce(min(turn), 0), (select max(turn) from coin.queued_run where client = :client and class = :class)
from coin.queued_run where bulk = :bulk
""")

_LOCK_ID = 0x7475726E  # advisory lock; differs from every other one
# A process that is suspended meanwhile loses the lock with its transaction, so that the others can queue runs.
_LOCK = text(f"set local idle_in_transaction_session_timeout = '30s'; select pg_advisory_xact_lock({_LOCK_ID})")
_THREADS = threading.Lock()
"""Threads wait for each other here: waiting in the database, they could occupy every connection of the pool."""


@contextmanager
def assigning_turns(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let one thread at a time queue a run: two at once would get the same turn, and their client a larger share."""
    with _THREADS, engine_of(instance).connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")  # until it is back in the pool
        with connection.begin():
            connection.execute(_LOCK)
            yield


def queue_tags(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
    """Return the tags with which a run is queued: its client and its turn.

    A priority that a user has set is kept. A retry is not queued behind what its client has submitted since.
    """
    client = client_of(run)
    if PRIORITY_TAG in run.tags and TURN_TAG not in run.tags:
        return {CLIENT_TAG: client}
    with engine_of(instance).connect() as connection:
        reached, last = _turns(connection, client, run)
    turn = reached if last is None or RETRY_NUMBER_TAG in run.tags else max(reached, last + 1)
    return {CLIENT_TAG: client, TURN_TAG: str(turn), PRIORITY_TAG: str(-turn)}


def _turns(connection: Connection, client: str, run: dg.DagsterRun) -> tuple[int, int | None]:
    """Return the turn that the queue has reached, and the last one of a client's runs of the same class."""
    values = {"client": client, "class": run.tags.get(CLASS_TAG, ""), "bulk": is_bulk(run)}
    reached, last = connection.execute(_REACHED, values).one()
    return int(reached), last
