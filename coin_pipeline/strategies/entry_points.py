"""Entry points by which installed packages provide strategies."""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

ENTRY_POINTS = "coin_pipeline.strategies"


def installed_strategies() -> tuple[EntryPoint, ...]:
    """Return the entry points; a process does not notice that the files of these packages change."""
    return _entry_points(tuple(sys.path))


@lru_cache(maxsize=8)
def _entry_points(_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return the entry points of installed packages, cached: reading them takes longer than a short backtest."""
    return tuple(entry_points(group=ENTRY_POINTS))
