"""Many points on the same bars, each with exactly the figures that a run of its own would have."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import reduce
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars, Floats, Ints
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.metrics import gains_and_losses, total_return
from coin_pipeline.engine.signal_rows import SignalRows, Words, unpack
from coin_pipeline.engine.simulate import Simulation, simulate
from coin_pipeline.engine.trade_table import Closes, TradeTable

TrialColumns: TypeAlias = Sequence[npt.NDArray[Any]]

_WORD = 64  # bits of a row's word, written here too: kernels take no constants from other files
CHUNK_WORDS = 1 << 16
"""Words of entries that a thread holds at a time, about: they fit into its cache."""
SPARSE_RATIO = 8
"""Candidates are few where they are less than one in so many bars: then their bits are worth copying."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Figures of points, each an array of shape (points,).

    Attributes:
        trades: Number of round trips, int64.
        wins: Number of trades with a net gain, int64.
        bars_held: Sum over the trades of the bars from entry to exit, int64.
        total_return: Growth of the account less 1, float64.
        max_drawdown: Largest loss from a peak of the equity, >= 0, float64.
        gains: Net returns of the winning trades, summed one after another, float64.
        losses: Net returns of the losing trades, summed one after another, with the sign changed, float64.
    """

    trades: Ints
    wins: Ints
    bars_held: Ints
    total_return: Floats
    max_drawdown: Floats
    gains: Floats
    losses: Floats

    @classmethod
    def from_simulation(cls, simulation: Simulation) -> "Trials":
        """Return the one row of a simulation."""
        trades = simulation.trades
        gains, losses = gains_and_losses(trades.net_return)
        return cls(
            np.array([len(trades)]),
            np.array([np.count_nonzero(trades.net_return > 0)]),
            np.array([trades.bars_held.sum()]),
            np.array([total_return(simulation.equity)]),
            np.array([simulation.max_drawdown]),
            np.array([gains]),
            np.array([losses]),
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Trials"]) -> "Trials":
        """Return all rows, those of the first part first."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def sweep(
    bars: Bars,
    rows: SignalRows,
    stops: Sequence[Stops] | None,
    costs: Costs,
    fill: Fill,
    sizing: Sizing,
    workers: int = 1,
) -> Trials:
    """Evaluate every point.

    Args:
        bars: n candles.
        rows: Decisions of the points on the same n bars.
        stops: Exits at a price of each point; None for none at all.
        costs: Charged on both legs.
        fill: Where decisions are executed.
        sizing: How much of the account a position takes.
        workers: Threads to use; the figures do not depend on it.

    Returns:
        Row k equals ``Trials.from_simulation(simulate(bars, rows.signals(k), costs, fill, stops[k], sizing))`` exactly,
        to the last bit.

    Raises:
        ValueError: The rows are not as long as the bars, there are not as many stops as points, or ``SIGNAL_CLOSE`` is
            given a sizing.
    """
    if rows.n != len(bars):
        raise ValueError(f"rows on {rows.n} bars do not fit {len(bars)} bars")
    if stops is not None and len(stops) != rows.points:
        raise ValueError(f"{len(stops)} stops do not fit {rows.points} points")
    columns: TrialColumns = [np.empty(rows.points, dtype) for dtype in [np.int64] * 3 + [np.float64] * 4]
    jobs, closes = list(_jobs(rows, stops, workers)), Closes.of(bars.close)

    def evaluate(job: _Job) -> TrialColumns:
        if fill is Fill.SIGNAL_CLOSE:
            runs = (simulate(bars, rows.signals(k), costs, fill, job.rule.stops, sizing) for k in job.points)
            return _joined([_columns(Trials.from_simulation(run)) for run in runs])
        narrowed = _Narrowed.of(rows, job.points)
        table = TradeTable(bars, closes, narrowed.candidates, job.rule, costs, sizing, len(job.points))
        return _joined([table.trade(entries) for entries in narrowed.entries()])

    with ThreadPoolExecutor(workers) as pool:
        for job, figures in zip(jobs, pool.map(evaluate, jobs), strict=True):
            for column, figure in zip(columns, figures, strict=True):
                column[job.points] = figure
    return Trials(*columns)


class _Job(NamedTuple):
    """Points of one exit rule."""

    rule: ExitRule
    points: Ints


def _jobs(rows: SignalRows, stops: Sequence[Stops] | None, workers: int) -> Iterator[_Job]:
    """Put points of one exit rule together, and part them only where there are fewer rules than workers."""
    groups: dict[tuple[int, Stops], list[int]] = defaultdict(list)
    for point, key in enumerate(zip(rows.rule.tolist(), stops or repeat(Stops()), strict=False)):
        groups[key].append(point)
    for (number, watched), points in groups.items():
        rule = replace(rows.rules[number], stops=watched)
        parts = min(-(-workers // len(groups)), len(points))
        yield from (_Job(rule, np.array(points[part::parts])) for part in range(parts))


@dataclass(frozen=True, slots=True, eq=False)
class _Narrowed:
    """Rows of entries of some points on the bars on which any of them enters.

    Attributes:
        candidates: These bars, or all bars where they are not few, ascending, shape (m,).
        factors: Bits of the candidates, each of shape (rows, ceil(m / 64)).
        index: Row of each point in each factor, shape (points, factors).
    """

    candidates: Ints
    factors: Sequence[Words]
    index: Ints

    @classmethod
    def of(cls, rows: SignalRows, points: Ints) -> "_Narrowed":
        """Leave out the other bars."""
        index = rows.index[points]
        used, places = zip(*(np.unique(column, return_inverse=True) for column in index.T), strict=True)
        chosen = list(zip(rows.factors, used, strict=True))
        unions = (reduce(np.bitwise_or, (factor[row] for row in numbers)) for factor, numbers in chosen)
        candidates = np.flatnonzero(unpack(reduce(np.bitwise_and, unions), rows.n))
        if len(candidates) * SPARSE_RATIO > rows.n:
            return cls(np.arange(rows.n), rows.factors, index)
        words = -(-len(candidates) // _WORD)
        factors = [np.zeros((len(numbers), words), np.uint64) for numbers in used]
        for (factor, numbers), narrowed in zip(chosen, factors, strict=True):
            _narrow(factor, numbers, candidates, narrowed)
        return cls(candidates, factors, np.column_stack(places))

    def entries(self) -> Iterator[Words]:
        """Return the entries of some points after the other, with a word more in which all bits are set."""
        words = self.factors[0].shape[1] + 1
        size = max(CHUNK_WORDS // words, 1)
        for first in range(0, len(self.index), size):
            index = self.index[first : first + size]
            entries = np.full((len(index), words), 2**64 - 1, np.uint64)
            for factor, numbers in zip(self.factors, index.T, strict=True):
                entries[:, :-1] &= factor[numbers]
            yield entries


@kernel
def _narrow(factor: Words, rows: Ints, candidates: Ints, narrowed: Words) -> None:
    """Copy the bits of the candidates from some rows of a factor."""
    for k in range(len(rows)):
        words = factor[rows[k]]
        for place in range(len(candidates)):
            bar = candidates[place]
            bit = words[bar // _WORD] >> np.uint64(bar % _WORD) & np.uint64(1)
            narrowed[k, place // _WORD] |= bit << np.uint64(place % _WORD)


def _columns(trials: Trials) -> TrialColumns:
    return [getattr(trials, field.name) for field in fields(trials)]


def _joined(parts: Sequence[TrialColumns]) -> TrialColumns:
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
