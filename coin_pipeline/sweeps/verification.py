"""Verification of a sweep: some of its points are simulated on their own and compared bit by bit."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.runner import CandleSlice
from coin_pipeline.backtest.warm_up import read_warm_bars
from coin_pipeline.engine.execution import Fill
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.errors import CandlesChanged, SweepDisagrees
from coin_pipeline.strategies.isolation import isolated
from coin_pipeline.strategies.loader import run_strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.plan import SweepChunk, format_point
from coin_pipeline.sweeps.search_space import PointColumns
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trial_points import TrialPoints
from coin_pipeline.sweeps.trials import FIGURES, trials_table

SAMPLES = 3
"""Random points that are verified in addition to the best point and the plateau."""


def check_candles(chunk: SweepChunk, slices: Sequence[CandleSlice]) -> None:
    """Raise CandlesChanged if candles differ from those that the sweep was planned with."""
    for planned, current in zip(chunk.candles, slices, strict=True):
        if planned.sha256 != current.sha256:
            raise CandlesChanged(current.symbol)


def select_points(points: TrialPoints, plateau: Json | None) -> list[int]:
    """Return the indices of the plateau and of a few random points, always the same ones, without the best point."""
    random = np.random.default_rng(0).choice(len(points.numbers), min(SAMPLES, len(points.numbers)), replace=False)
    indices = [] if plateau is None else [int(np.searchsorted(points.numbers, plateau["point"]))]
    return sorted({*indices, *random.tolist()} - {int(points.ranking[0])})


def simulate_points(
    points: TrialPoints, indices: Sequence[int], catalog: CandleSource, registry: StrategyRegistry, chunk: SweepChunk
) -> list[Json]:
    """Return the rows of some points, computed by a separate simulation of each point."""
    spec, strategy = points.spec, registry.get(points.spec.strategy)
    selected = [points.point(index) for index in indices]
    params = [registry.resolve(spec.strategy, spec.params_at(point)) for point in selected]
    if not indices:
        return []
    trials = []
    for item in chunk.candles:  # keeps the candles of only one symbol in memory
        bars = runner.read_candles(catalog, item.slice_of(chunk.evaluated))
        warm = read_warm_bars(catalog, chunk.evaluated, item.symbol, bars, item.warm_up)
        runs = (
            simulate(
                bars,
                warm.of_range(
                    run_strategy(strategy, warm.bars, point_params, f"{item.symbol} with {format_point(point)}")
                ),
                spec.costs_of(item.symbol),
                spec.fill,
                spec.stops_at(point),
                spec.sizing_of(item.symbol),
            )
            for point, point_params in zip(selected, params, strict=True)
        )
        with isolated(strategy, warm.bars, item.symbol):
            trials.append(Trials.concatenate([Trials.from_simulation(run) for run in runs]))
    columns = PointColumns.of(spec.space, points.numbers[[*indices]].tolist(), selected)
    rows: list[Json] = trials_table(spec, columns, [item.rows for item in chunk.candles], trials).to_pylist()
    return rows


def figures_of(spec: SweepSpec, part: Json, trades: pa.Table) -> Json:
    """Return the figures of a trial as computed from one symbol's part of a backtest result, and its trades."""
    figures = {**part["metrics"], "wins": int(np.count_nonzero(trades["return_pct"].to_numpy() > 0))}
    drawdown = figures["max_drawdown"]
    over_drawdown = figures["total_return"] / drawdown if drawdown > 0 else None
    figures["objective"] = {**figures, "return_over_drawdown": over_drawdown}[spec.objective]
    return {**figures, "exposure": None} if spec.fill is Fill.SIGNAL_CLOSE else figures


def compare(points: TrialPoints, indices: Sequence[int], expected: Sequence[Json]) -> None:
    """Compare the rows of some points with separate simulations, figure by figure and bit by bit.

    Args:
        points: The trials.
        indices: The points to compare.
        expected: The simulated rows, one per symbol of each point.

    Raises:
        SweepDisagrees: A figure differs.
    """
    rows = (row for index in indices for row in points.rows(index).to_pylist())
    row_indices = (index for index in indices for _ in points.spec.symbols)
    for index, swept, run in zip(row_indices, rows, expected, strict=True):
        for name in FIGURES:
            if swept[name] != run[name]:
                raise SweepDisagrees(format_point(points.point(index)), swept["symbol"], name, swept[name], run[name])
