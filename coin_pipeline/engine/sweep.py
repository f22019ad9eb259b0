"""Sweep over many parameter points on the same bars, with exactly the figures that separate backtests would have."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars, Floats, Ints, read_only
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.metrics import gains_and_losses, total_return
from coin_pipeline.engine.signal_rows import SignalRows, Words, unpack
from coin_pipeline.engine.simulate import Simulation, simulate
from coin_pipeline.engine.trade_table import Closes, TradeTable

TrialColumns: TypeAlias = Sequence[npt.NDArray[Any]]

_WORD = 64  # bits per word; repeated here because kernels may not read constants of other modules
CHUNK_WORDS = 1 << 16
"""Approximate number of entry words that a thread processes at a time, chosen to fit its cache."""
SPARSE_RATIO = 8
"""Candidates are sparse if fewer than one bar in this many is one; copying their bits then pays off."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Figures of parameter points, each an array of shape (points,).

    Attributes:
        trades: Number of round trips, int64.
        wins: Number of trades with a net gain, int64.
        bars_held: Sum over the trades of the bars from entry to exit, int64.
        total_return: Growth of the account minus 1, float64.
        max_drawdown: Largest loss from an equity peak, >= 0, float64.
        gains: Sum of the net returns of the winning trades, added in order, float64.
        losses: Sum of the net returns of the losing trades, added in order, with the sign inverted, float64.
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
        """Return the figures of one simulation as a single row."""
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
        """Return the rows of all parts, in order."""
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
    """Evaluate every parameter point.

    Args:
        bars: n candles.
        rows: Decisions of the points on the same n bars.
        stops: Price-triggered exits per point; None if no point has any.
        costs: Charged on both legs.
        fill: Execution price of decisions.
        sizing: Position sizing.
        workers: Number of threads; the figures do not depend on it.

    Returns:
        Row k equals ``Trials.from_simulation(simulate(bars, rows.signals(k), costs, fill, stops[k], sizing))``,
        to the last bit.

    Raises:
        ValueError: The rows and the bars differ in length, the number of stops is not the number of points, or
            ``SIGNAL_CLOSE`` is combined with a sizing.
    """
    if rows.n != len(bars):
        raise ValueError(f"rows have {rows.n} bars, the candles have {len(bars)}")
    if stops is not None and len(stops) != rows.points:
        raise ValueError(f"{len(stops)} stops given for {rows.points} points")
    columns: TrialColumns = [np.empty(rows.points, dtype) for dtype in [np.int64] * 3 + [np.float64] * 4]
    jobs, closes = list(_jobs(rows, stops, workers)), Closes.from_prices(bars.close)
    compact_of = _shared_by_jobs(rows)

    def evaluate(job: _Job) -> TrialColumns:
        if fill is Fill.SIGNAL_CLOSE:
            simulations = (simulate(bars, rows.signals(k), costs, fill, job.rule.stops, sizing) for k in job.points)
            return _concatenate([_columns(Trials.from_simulation(simulation)) for simulation in simulations])
        compact, index = compact_of(job.points)
        table = TradeTable(bars, closes, compact.candidates, job.rule, costs, sizing, len(job.points))
        return _concatenate([table.trade(entries) for entries in compact.chunks(index)])

    with ThreadPoolExecutor(workers) as pool:
        for job, figures in zip(jobs, pool.map(evaluate, jobs), strict=True):
            for column, figure in zip(columns, figures, strict=True):
                column[job.points] = figure
    return Trials(*columns)


class _Job(NamedTuple):
    """Points that share an exit rule."""

    rule: ExitRule
    points: Ints


def _jobs(rows: SignalRows, stops: Sequence[Stops] | None, workers: int) -> Iterator[_Job]:
    """Group points by exit rule, and split only the groups that remain when all workers have had the same number."""
    numbers: dict[Stops, int] = {}
    stop = [numbers.setdefault(item, len(numbers)) for item in stops or ()]
    distinct = [*numbers] or [Stops()]
    key = rows.rule * len(distinct) + np.array(stop or 0)
    order = np.argsort(key, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else []
    remaining = len(groups) % workers
    for number, points in enumerate(groups):
        rule = replace(rows.rules[rows.rule[points[0]]], stops=distinct[key[points[0]] % len(distinct)])
        parts = min(-(-workers // remaining), len(points)) if number >= len(groups) - remaining else 1
        yield from (_Job(rule, points[part::parts]) for part in range(parts))


def _shared_by_jobs(rows: SignalRows) -> Callable[[Ints], tuple["_CompactEntries", Ints]]:
    """Return a function that compacts the entries of some points, with the index of each point in its factors.

    The rules of a grid have the same entries, so the last ones are kept: jobs in other threads wait for them.
    """
    lock = threading.Lock()
    last: dict[tuple[bytes, ...], _CompactEntries] = {}

    def compact_of(points: Ints) -> tuple[_CompactEntries, Ints]:
        used, index = zip(*(np.unique(column, return_inverse=True) for column in rows.index[points].T), strict=True)
        key = tuple(numbers.tobytes() for numbers in used)
        with lock:
            if key not in last:
                last.clear()
                last[key] = _CompactEntries.of(rows, used)
            return last[key], np.column_stack(index)

    return compact_of


@dataclass(frozen=True, slots=True, eq=False)
class _CompactEntries:
    """Some rows of each factor, restricted to the bars on which any point of these rows may enter.

    Attributes:
        candidates: These bars, or all bars if they are not sparse, ascending, shape (m,).
        factors: Bits of the candidates, each of shape (rows, ceil(m / 64)).
    """

    candidates: Ints
    factors: Sequence[Words]

    @classmethod
    def of(cls, rows: SignalRows, used: Sequence[Ints]) -> "_CompactEntries":
        """Drop the other rows of each factor, and the bars that are not candidates."""
        selected = list(zip(rows.factors, used, strict=True))
        unions = (reduce(np.bitwise_or, (factor[row] for row in numbers)) for factor, numbers in selected)
        candidates = np.flatnonzero(unpack(reduce(np.bitwise_and, unions), rows.n))
        if len(candidates) * SPARSE_RATIO > rows.n:
            return cls(np.arange(rows.n), [f if len(f) == len(numbers) else f[numbers] for f, numbers in selected])
        words = -(-len(candidates) // _WORD)
        factors = [np.empty((len(numbers), words), np.uint64) for numbers in used]
        for (factor, numbers), compact in zip(selected, factors, strict=True):
            _copy_candidate_bits(factor, numbers, candidates, compact)
        return cls(candidates, factors)

    def chunks(self, index: Ints) -> Iterator[Words]:
        """Yield the entries of consecutive points, followed by one extra word with all bits set.

        Args:
            index: Row of each point in each factor, shape (points, factors).
        """
        words = self.factors[0].shape[1] + 1
        size = max(CHUNK_WORDS // words, 1)
        for first in range(0, len(index), size):
            chunk = index[first : first + size]
            entries = np.full((len(chunk), words), 2**64 - 1, np.uint64)
            for factor, numbers in zip(self.factors, chunk.T, strict=True):
                _keep_entries(read_only(factor), np.ascontiguousarray(numbers), entries)
            yield entries


@kernel
def _keep_entries(factor: Words, rows: Ints, entries: Words) -> None:
    """Remove the entries that are not in the given row of a factor; the last word stays as it is."""
    for k in range(len(rows)):
        own, kept = factor[rows[k]], entries[k]
        for w in range(len(own)):
            kept[w] &= own[w]


@kernel
def _copy_candidate_bits(factor: Words, rows: Ints, candidates: Ints, compact: Words) -> None:
    """Copy the bits of the candidates from the given rows of a factor."""
    for k in range(len(rows)):
        words = factor[rows[k]]
        for w in range(compact.shape[1]):
            own = candidates[w * _WORD : (w + 1) * _WORD]
            word = np.uint64(0)
            for c in range(len(own)):
                bit = words[own[c] // _WORD] >> np.uint64(own[c] % _WORD) & np.uint64(1)
                word |= bit << np.uint64(c)
            compact[k, w] = word


def _columns(trials: Trials) -> TrialColumns:
    return [getattr(trials, field.name) for field in fields(trials)]


def _concatenate(parts: Sequence[TrialColumns]) -> TrialColumns:
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
