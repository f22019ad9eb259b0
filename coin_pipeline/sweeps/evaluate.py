"""The rows of one chunk: read where they are stored, else computed and stored."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from coin_pipeline.backtest.document import to_parquet
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.runner import CandleSlice, CandleSource, checked_signals, read_candles
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.sweep import Trials, sweep
from coin_pipeline.errors import CodeChanged
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.loader import run_signal_rows, run_strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.plan import CandleDigest, SweepChunk, format_point, is_vectorized, sweep_fingerprint
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.trials import (
    NumberedPoint,
    read_metadata,
    read_trials,
    trials_digest,
    trials_schema,
    trials_table,
    with_metadata,
)

BATCH = 256
"""Points whose signals are in memory at once where a strategy decides point by point."""
BATCH_OF_ROWS = 1024
"""The same where it decides for many at once: they share most of their rows."""
KEPT_BARS = 20_000_000
"""Bars that are kept in memory between the batches of a search, 1 GB; more are read again for each."""


def evaluate(
    catalog: CandleSource,
    registry: StrategyRegistry,
    store: ObjectStore,
    chunk: SweepChunk,
    workers: int = 1,
    *,
    fresh: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> pa.Table:
    """Return the rows of a chunk, one for each point and symbol, and store them once they are complete.

    Columns: point (its number), symbol, one for each swept name, trades, wins, win_rate, total_return, max_drawdown,
    avg_return, profit_factor, exposure (share of the bars on which a position was held), objective; see
    `rows.rows_table` for what is null. Facts beside the rows (`rows.told_by`) say which chunk they are.

    The first point is checked for look-ahead on each symbol; the best of all is checked when it is run again.

    Args:
        catalog: Where the candles are.
        registry: Where the strategy is.
        store: Where rows are kept, under `chunk.key`.
        chunk: What to evaluate.
        workers: Threads to use; the rows do not depend on it.
        fresh: Compute rows even where they are stored.
        progress: Told now and then how many more rows there are; what it raises ends the evaluation.

    Raises:
        CandlesChanged: candles are no longer those that the sweep was planned with.
        CodeChanged: nor is the code of the strategy or the engine, or a package that they use.
        StrategyFailed: the strategy's own code raised or returned no signals; its params are named.
        LookAhead: the strategy uses bars that it cannot have known.
    """
    bench = _Bench(catalog, registry, store, chunk, workers, fresh=fresh, progress=progress)
    made_of = sweep_fingerprint(chunk.spec, {}, bench.strategy)
    if (made_of["code"], made_of["versions"]) != (chunk.code, chunk.versions):
        raise CodeChanged(chunk.spec.strategy)
    table = bench.stored(chunk.key, bench.searched if chunk.spec.search == "optuna" else bench.listed)
    return with_metadata(table, {**read_metadata(table), "chunk": chunk.model_dump(mode="json")})


@dataclass
class _Bench:
    """Where points of one chunk become rows."""

    catalog: CandleSource
    registry: StrategyRegistry
    store: ObjectStore
    chunk: SweepChunk
    workers: int
    fresh: bool
    progress: Callable[[int], None]
    kept: dict[str, Bars] = field(default_factory=dict)

    @property
    def strategy(self) -> Strategy[Any]:
        return self.registry.get(self.chunk.spec.strategy)

    def stored(self, key: str, compute: Callable[[], tuple[pa.Table, Json]]) -> pa.Table:
        """Return the rows under a key, with facts beside them; compute and store them where there are none."""
        if self.fresh:
            self.store.delete(key)
        table = read_trials(self.store, key)
        if table is None:
            rows, facts = compute()
            table = with_metadata(rows, {**facts, "sha256": trials_digest(rows)})
            self.store.put(key, to_parquet(table))
        else:
            self.progress(len(table))
        return table

    def listed(self) -> tuple[pa.Table, Json]:
        """Return the rows of the chunk's points, and how many it leaves out."""
        spec, taken, left_out = self.chunk.spec, [], Counter({"skipped": 0, "duplicates": 0})
        for number, point in self.chunk.numbered():
            if point is None:
                left_out["duplicates"] += 1
            elif (params := spec.valid_params(self.registry, point)) is None:
                left_out["skipped"] += 1
            else:
                taken.append((number, point, params))
        return self.rows(taken), dict(left_out)

    def searched(self) -> tuple[pa.Table, Json]:
        """Return the rows of the points that a search came to, and how many it left out."""
        # Optuna takes longer to import than most sweeps take.
        from coin_pipeline.sweeps.search import search  # noqa: PLC0415

        def rows_of(taken: Sequence[NumberedPoint]) -> pa.Table:
            key = self.chunk.key_of([(number, point) for number, point, _ in taken])
            return self.stored(key, lambda: (self.rows(taken), {})).replace_schema_metadata(None)

        found = search(self.chunk.spec, self.registry, rows_of)
        return pa.concat_tables(found.tables), {"skipped": found.skipped, "duplicates": found.duplicates}

    def rows(self, taken: Sequence[NumberedPoint]) -> pa.Table:
        """Evaluate points on every symbol; only one symbol's candles are in memory, unless a search keeps them."""
        if not taken:
            return trials_schema(self.chunk.spec).empty_table()
        trials = [self._trials(candles, taken) for candles in self.chunk.candles]
        return trials_table(self.chunk.spec, taken, [candles.rows for candles in self.chunk.candles], trials)

    def _trials(self, candles: CandleDigest, taken: Sequence[NumberedPoint]) -> Trials:
        bars = self._bars(candles)
        _, point, params = taken[0]
        checked_signals(self.strategy, params, bars, _place(candles, point))
        batch = BATCH_OF_ROWS if is_vectorized(self.strategy) else BATCH
        parts = [self._swept(candles, bars, taken[first : first + batch]) for first in range(0, len(taken), batch)]
        self.progress(len(taken))
        return Trials.concatenate(parts)

    def _swept(self, candles: CandleDigest, bars: Bars, taken: Sequence[NumberedPoint]) -> Trials:
        spec = self.chunk.spec
        if is_vectorized(self.strategy):
            where = f"{_place(candles, taken[0][1])} or one of the {len(taken) - 1} points after that"
            rows = run_signal_rows(self.strategy, bars, [params for _, _, params in taken], where, self.workers)
        else:
            rows = SignalRows.of(
                run_strategy(self.strategy, bars, params, _place(candles, point)) for _, point, params in taken
            )
        stops = [spec.stops_at(point) for _, point, _ in taken]
        watched = stops if any(each.any for each in stops) else None
        return sweep(bars, rows, watched, spec.costs, spec.fill, spec.sizing, self.workers)

    def _bars(self, candles: CandleDigest) -> Bars:
        spec, symbol = self.chunk.spec, candles.symbol
        if symbol in self.kept:
            return self.kept[symbol]
        piece = CandleSlice(
            spec=spec, shelf="tasks", symbol=symbol, rows=candles.rows, coverage={}, sha256=candles.sha256
        )
        bars = read_candles(self.catalog, piece)
        if spec.search == "optuna" and sum(each.rows for each in self.chunk.candles) <= KEPT_BARS:
            self.kept[symbol] = bars
        return bars


def _place(candles: CandleDigest, point: Point) -> str:
    """Return what an error calls the place where a strategy failed."""
    return f"{candles.symbol} with {format_point(point)}"
