"""Start of the strategy processes before the sweep runs, while its own process still loads Dagster."""

from typing import Any

from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.strategies.state import is_built_in
from coin_pipeline.sweeps.plan import evaluation_fingerprint, is_vectorized
from coin_pipeline.sweeps.processes.client import shared_processes
from coin_pipeline.sweeps.spec import SweepSpec

EARLY_BARS = 50_000_000
"""Bars times points of a sweep that takes seconds with any strategy written in Python."""


def can_use_processes(strategy: Strategy[Any], workers: int) -> bool:
    """Return whether more than one process could decide the points of a strategy faster than one."""
    return workers > 1 and not is_vectorized(strategy) and not is_built_in(strategy)


def begin_early(registry: StrategyRegistry, spec: SweepSpec, bars: int, workers: int) -> None:
    """Start the strategy processes of a large sweep, without waiting for them.

    Args:
        registry: The strategies.
        spec: The sweep.
        bars: Number of candles of all symbols.
        workers: Number of processes that the sweep may use.
    """
    strategy = registry.get(spec.strategy)
    if can_use_processes(strategy, workers) and bars * len(spec.points()) >= EARLY_BARS:
        shared_processes().begin(registry, strategy.name, evaluation_fingerprint(strategy)["code"])
