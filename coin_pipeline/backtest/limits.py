"""Limits that a run has to keep, compared with what it needs at least, before anything is computed.

How much more it needs depends on the decisions of the strategy; a run that turns out to be too large fails later.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.errors import ResultTooLarge
from coin_pipeline.storage.base import ObjectStore

CANDLE_BYTES = 64
"""Memory of each candle of the longest series: its columns, some of them twice for a moment, and the equity."""
SHARED_CANDLE_BYTES, OWN_CANDLE_BYTES = 8, 4
"""Memory of each candle of all series: its close, for a shared account; else the symbol of its row of equity."""
EQUITY_BYTES = 32
"""Disk space of a row of equity, which a symbol with an account of its own has for each candle."""
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Limit(NamedTuple):
    """A limit in bytes, and its name in a message."""

    size: int
    name: str


class RunLimits(NamedTuple):
    """Limits of a run: its memory, and the free disk space of its op outputs; None in a bucket."""

    memory: Limit
    disk: Limit | None

    @classmethod
    def of(cls, memory_mib: int | None, store: ObjectStore) -> "RunLimits":
        """Return the limits in force.

        Args:
            memory_mib: `COIN_RUN_MEMORY_MIB` if it applies to the run, else None.
            store: Store of its op outputs and its result.
        """
        memory, free = _machine_memory(), store.free_bytes()
        if memory_mib is not None and memory_mib << 20 < memory.size:
            memory = Limit(memory_mib << 20, "COIN_RUN_MEMORY_MIB")
        return cls(memory, None if free is None else Limit(free, "free space of DATA_ROOT"))

    def require(self, what: str, *, memory: int, disk: int) -> None:
        """Raise an error if what a run needs at least exceeds a limit.

        Args:
            what: Description of what needs it, with its number.
            memory: Bytes of memory.
            disk: Bytes of disk space.

        Raises:
            ResultTooLarge: Names both numbers, and the limit.
        """
        if memory > self.memory.size:
            raise ResultTooLarge(what, memory, "memory", *self.memory)
        if self.disk is not None and disk > self.disk.size:
            raise ResultTooLarge(what, disk, "disk space", *self.disk)


def require_room(spec: BacktestSpec, candles: Mapping[str, int], limits: RunLimits) -> None:
    """Check that the candles of a backtest and the tables of its result can fit the limits.

    Args:
        spec: The backtest.
        candles: Number of candles of each symbol.
        limits: The limits in force.

    Raises:
        ResultTooLarge: They cannot.
    """
    total = sum(candles.values())
    all_series, equity = (SHARED_CANDLE_BYTES, 0) if spec.shared else (OWN_CANDLE_BYTES, EQUITY_BYTES)
    memory = CANDLE_BYTES * max(candles.values()) + all_series * total
    limits.require(f"{total:,} candles", memory=memory, disk=equity * total)


def _machine_memory() -> Limit:
    """Return the memory of the machine, or that of its container."""
    machine = Limit(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "memory of this machine")
    try:
        container = int(_CGROUP_LIMIT.read_text())
    except (OSError, ValueError):  # no control group, or one without a limit
        return machine
    return min(machine, Limit(container, "memory of this container"))
