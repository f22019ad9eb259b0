"""Small sweeps on synthetic candles, and strategies for their tests."""

from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import ValidationInfo, field_validator, model_validator

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import SweepResult, assemble
from coin_pipeline.sweeps.search_space import Point, SearchPoints
from coin_pipeline.sweeps.spec import SweepSpec


class CrossingParams(StrategyParams):
    """Two moving averages; the fast one must be shorter."""

    fast: int = Field(3, ge=1, le=50)
    slow: int = Field(10, ge=2, le=100)
    hold: int = Field(2, ge=1)
    edge: float = Field(0.0, ge=0, le=1)
    side: str = Field("above", pattern="above|below")

    @model_validator(mode="after")
    def _in_order(self) -> "CrossingParams":
        if self.fast >= self.slow:
            msg = "fast must be below slow"
            raise ValueError(msg)
        return self


class Crossing(Strategy[CrossingParams]):
    """Buy while the fast average is above (or below) the slow one; a custom strategy that counts its calls."""

    name = "crossing"
    Params = CrossingParams

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[int, int]] = SimpleQueue()  # what a strategy keeps in a list is discarded

    def calls(self) -> list[tuple[int, int]]:
        """Return and forget the params of the calls so far."""
        return [self._calls.get() for _ in range(self._calls.qsize())]

    def signals(self, bars: Bars, params: CrossingParams) -> Signals:
        """Compare the averages of the closes."""
        self._calls.put((params.fast, params.slow))
        lead = _mean(bars.close, params.fast) / _mean(bars.close, params.slow) - 1
        above = lead > params.edge
        return Signals(above if params.side == "above" else ~above, hold=params.hold)

    def warm_up_bars(self, params: CrossingParams) -> int:
        """Return the bars of the slow average."""
        return params.slow


class Inconsistent(Crossing):
    """Return rows for many points that differ from its signals at one pair of averages."""

    name = "lying"

    def signal_rows(self, bars: Bars, points: list[CrossingParams], workers: int = 1) -> SignalRows:
        """Buy one bar earlier where slow is 9, which makes that the best point."""
        assert workers
        honest = [self.signals(bars, params) for params in points]
        ahead = np.append(bars.close[1:] > bars.open[1:] * 1.01, False)
        return SignalRows.of(
            Signals(ahead, hold=1) if params.slow == 9 else signals
            for params, signals in zip(points, honest, strict=True)
        )


class Failing(Crossing):
    """Fail at one pair of averages."""

    name = "failing"

    def signals(self, bars: Bars, params: CrossingParams) -> Signals:
        """Divide by zero where slow is 9."""
        if params.slow == 9:
            raise ZeroDivisionError
        return super().signals(bars, params)


class Peeking(Crossing):
    """Use the next bar."""

    name = "peeking"

    def signals(self, bars: Bars, params: CrossingParams) -> Signals:
        """Buy before a rise."""
        return Signals(np.append(bars.close[1:] > bars.open[1:], False), hold=params.hold)


class RuledParams(StrategyParams):
    """Two numbers whose order is checked by a field validator."""

    fast: int = Field(3, ge=1, le=50)
    slow: int = Field(10, ge=2, le=100)

    @field_validator("slow")
    @classmethod
    def _above_fast(cls, slow: int, known: ValidationInfo) -> int:
        if slow <= known.data.get("fast", 0):
            msg = "slow must be above fast"
            raise ValueError(msg)
        return slow


class Ruled(Strategy[RuledParams]):
    """Buy periodically."""

    name = "ruled"
    Params = RuledParams

    def signals(self, bars: Bars, params: RuledParams) -> Signals:
        """Buy every `fast` bars and sell every `slow` bars."""
        return Signals(np.arange(len(bars)) % (params.fast * params.slow) == 0, hold=1)


class NamedParams(StrategyParams):
    """Parameters with the names of columns and stops."""

    trades: int = Field(1, ge=1)
    stop_loss: int = Field(1, ge=1)
    kind: int | Literal["auto"] = "auto"


class NamedLikeColumns(Strategy[NamedParams]):
    """A strategy whose parameters have the names of columns."""

    name = "named_like_columns"
    Params = NamedParams

    def signals(self, bars: Bars, params: NamedParams) -> Signals:
        """Buy periodically."""
        return Signals(np.arange(len(bars)) % (params.trades + params.stop_loss) == 0, hold=1)


def _mean(values: np.ndarray, window: int) -> np.ndarray:
    total = np.cumsum(np.append(np.zeros(window), values))
    return (total[window:] - total[:-window]) / np.minimum(np.arange(len(values)) + 1, window)


def registry() -> StrategyRegistry:
    """Return the built-in strategies and those above, with fresh call counts."""
    ours = [load_registry().get(name) for name in load_registry().names()]
    return StrategyRegistry([*ours, Crossing(), Inconsistent(), Failing(), Peeking(), Ruled(), NamedLikeColumns()])


def spec_of(known: StrategyRegistry, space: dict[str, Any], **fields: object) -> SweepSpec:
    """Return the spec of a sweep of `crossing` over two years of daily candles of one market."""
    request: dict[str, Any] = {"strategy": "crossing", "symbols": ["AAA_KRW"], "space": space}
    days = {"start_date": "2023-01-01", "end_date": "2024-12-31"}
    return resolve_sweep(parse_sweep({**request, **days, **fields}), known)


def point_at(points: SearchPoints, number: int) -> Point | None:
    """Return the point with a number, or None if it duplicates an earlier one."""
    columns = points.columns(number, number + 1)
    return columns.point(0) if len(columns) else None


def tables_of(
    candles: CandleCatalog,
    known: StrategyRegistry,
    root: Path,
    spec: SweepSpec,
    workers: int = 1,
    chunk_points: int | None = None,
) -> list[pa.Table]:
    """Return the trials of every chunk of a sweep."""
    chunks = split_into_chunks(candles, known, spec, chunk_points).chunks
    return [evaluate(candles, known, LocalStore(root), chunk, workers) for chunk in chunks]


def run(candles: CandleCatalog, known: StrategyRegistry, root: Path, spec: SweepSpec) -> SweepResult:
    """Return the result of a sweep."""
    return assemble("run-1", tables_of(candles, known, root, spec), candles, known, "test", datetime.now(UTC))
