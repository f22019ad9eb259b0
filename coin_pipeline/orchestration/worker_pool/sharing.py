"""How clients share the worker pool: who may bypass the queue, and which waiting run executes next."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

RESERVED_SLOTS = 1
"""Slots for interactive runs of clients that execute none, so that the runs of one client never occupy all slots."""
SHARE = 4
"""With fewer runs in the pool, a client may bypass the queue although others have filled the room."""


class RunRequest(NamedTuple):
    """A run in the pool.

    Attributes:
        owner: Who shares the pool with others.
        bulk: Whether it executes in a slot of bulk runs.
    """

    owner: str
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of the pool.

    Attributes:
        interactive: Interactive runs that execute at a time, apart from the reserved slot.
        bulk: Bulk runs that execute at a time.
        room: Runs that may bypass the queue, waiting and executing together. Half as many again may do so for clients
            with few runs in the pool.
    """

    interactive: int
    bulk: int
    room: int

    @property
    def workers(self) -> int:
        """Runs that execute at a time."""
        return self.interactive + RESERVED_SLOTS + self.bulk


def may_bypass_queue(limits: PoolLimits, owner: str, in_pool: Collection[RunRequest]) -> bool:
    """Return whether a client's interactive run may go straight to the pool."""
    interactive = [run.owner for run in in_pool if not run.bulk]
    room = limits.room + limits.room // 2 if interactive.count(owner) < SHARE else limits.room
    return len(interactive) < room


def next_run(limits: PoolLimits, waiting: Mapping[str, RunRequest], executing: Collection[RunRequest]) -> str | None:
    """Return the waiting run that executes next, or None if there is no slot for any.

    It is the oldest run of the client that executes the fewest.
    """
    for bulk, slots in ((False, limits.interactive), (True, limits.bulk)):
        busy = Counter(run.owner for run in executing if run.bulk == bulk)
        candidates = {run_id: run.owner for run_id, run in waiting.items() if run.bulk == bulk}
        if busy.total() >= slots:
            reserved = busy.total() < slots + RESERVED_SLOTS and not bulk
            candidates = {run_id: owner for run_id, owner in candidates.items() if reserved and not busy[owner]}
        if candidates:
            return min(candidates, key=lambda run_id: busy[candidates[run_id]])
    return None
