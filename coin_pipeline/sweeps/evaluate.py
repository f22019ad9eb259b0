"""Evaluation of one chunk; stored trials are reused."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.earlier_candles import WarmBars
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.runner import read_candles
from coin_pipeline.backtest.tables import to_parquet
from coin_pipeline.backtest.warm_up import read_warm_bars
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.sweep import Trials, sweep
from coin_pipeline.errors import CodeChanged
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.checked import checked_signals
from coin_pipeline.strategies.isolation import isolated
from coin_pipeline.strategies.loader import run_signal_rows, run_strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.plan import CandleDigest, SweepChunk, format_point, is_vectorized, sweep_fingerprint
from coin_pipeline.sweeps.processes.client import shared_processes
from coin_pipeline.sweeps.processes.early import can_use_processes
from coin_pipeline.sweeps.processes.protocol import Request
from coin_pipeline.sweeps.spec import ValidPoints
from coin_pipeline.sweeps.trials import (
    read_metadata,
    read_trials,
    trials_digest,
    trials_schema,
    trials_table,
    with_metadata,
)

BATCH = 256
"""Points whose signals are in memory at once."""
ROW_BYTES = 32 << 20
"""Memory of the rows of a batch, for a strategy that computes many points at once: the more, the more they share."""
PROCESS_S = 3.0
"""Starting processes takes one to two seconds of one core."""
CHECKED_POINTS = 250
"""Points of which at most one is checked for look-ahead; a check takes as long as a few dozen points."""
MAX_CACHED_BARS = 20_000_000
"""Bars kept in memory between batches or chunks, about 1 GB; beyond that, each reads them again."""


def evaluate(
    catalog: CandleSource,
    registry: StrategyRegistry,
    store: ObjectStore,
    chunk: SweepChunk,
    workers: int = 1,
    *,
    fresh: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    process_s: float = PROCESS_S,
) -> pa.Table:
    """Return the trials of a chunk, one row per point and symbol, and store them.

    Columns: point (its number), symbol, one per swept name, trades, wins, win_rate, total_return, max_drawdown,
    avg_return, profit_factor, exposure (share of bars with a position), objective; `trials.trials_table` describes
    nulls. The metadata of the table (`trials.read_metadata`) identifies the chunk.

    The first point is checked for look-ahead on each symbol, but at most one of `CHECKED_POINTS` points; the best point
    of the sweep is checked when it is run as a normal backtest.

    Args:
        catalog: The stored candles.
        registry: The strategies.
        store: Storage of the trials, under `chunk.key`.
        chunk: The chunk.
        workers: Threads to use, or processes for a strategy written in Python; the trials do not depend on it.
        fresh: Ignore stored trials.
        process_s: Computation of a whole sweep above which processes are started, seconds of one core.
        progress: Called repeatedly with the number of new rows; an exception that it raises ends the evaluation.

    Raises:
        CandlesChanged: Candles differ from those that the sweep was planned with.
        CodeChanged: The code of the strategy or the engine, or the version of a package, differs.
        StrategyFailed: The strategy's own code raised or returned no signals; the message names its parameters.
        LookAhead: The strategy uses bars that it cannot have known.
    """
    require_same_code(registry, chunk)
    searches = chunk.spec.search == "optuna"
    evaluation = _Evaluation(catalog, registry, chunk, workers, progress, process_s, keeps_bars=searches)
    stored = _StoredTrials(store, fresh, progress)
    compute = partial(evaluation.search, stored) if searches else evaluation.evaluate_points
    table = stored.load_or_compute(chunk.key, compute)
    return with_metadata(table, {**read_metadata(table), "chunk": chunk.model_dump(mode="json")})


def compute_trials(
    catalog: CandleSource, registry: StrategyRegistry, chunk: SweepChunk, bars: dict[str, WarmBars]
) -> pa.Table:
    """Return the trials of a chunk of a grid or random search as `evaluate` stores them, computed in one thread.

    The caller has called `require_same_code`.

    Args:
        catalog: The candles.
        registry: The strategies.
        chunk: The chunk.
        bars: Candles that earlier calls for the same sweep have read, by symbol; those read here are added.
    """
    evaluation = _Evaluation(catalog, registry, chunk, 1, lambda _: None, PROCESS_S, keeps_bars=True, cache=bars)
    return _with_digest(*evaluation.evaluate_points())


def require_same_code(registry: StrategyRegistry, chunk: SweepChunk) -> None:
    """Raise CodeChanged unless the code and the packages are those that the sweep was planned with."""
    fingerprint = sweep_fingerprint(chunk.spec, {}, registry.get(chunk.spec.strategy))
    if (fingerprint["code"], fingerprint["versions"]) != (chunk.code, chunk.versions):
        raise CodeChanged(chunk.spec.strategy)


def _with_digest(rows: pa.Table, metadata: Json) -> pa.Table:
    return with_metadata(rows, {**metadata, "sha256": trials_digest(rows)})


@dataclass(frozen=True, slots=True)
class _StoredTrials:
    """The trials in the store."""

    store: ObjectStore
    fresh: bool
    progress: Callable[[int], None]

    def load_or_compute(self, key: str, compute: Callable[[], tuple[pa.Table, Json]]) -> pa.Table:
        """Return the trials under a key with their metadata, computing and storing them if necessary."""
        if self.fresh:
            self.store.delete(key)
        table = read_trials(self.store, key)
        if table is None:
            table = _with_digest(*compute())
            self.store.put(key, to_parquet(table))
        else:
            self.progress(len(table))
        return table


@dataclass
class _Evaluation:
    """The evaluation of one chunk."""

    catalog: CandleSource
    registry: StrategyRegistry
    chunk: SweepChunk
    workers: int
    progress: Callable[[int], None]
    process_s: float
    keeps_bars: bool
    cache: dict[str, WarmBars] = field(default_factory=dict)

    @property
    def strategy(self) -> Strategy[Any]:
        return self.registry.get(self.chunk.spec.strategy)

    def evaluate_points(self) -> tuple[pa.Table, Json]:
        """Return the trials of the chunk's points, and the counts of omitted points."""
        points = self.chunk.points()
        valid = self.chunk.spec.valid_points(self.registry, points)
        duplicates = self.chunk.stop - self.chunk.first - len(points)
        return self.rows(valid, self.chunk.first, self.chunk.stop), {
            "skipped": len(points) - len(valid),
            "duplicates": duplicates,
        }

    def search(self, stored: _StoredTrials) -> tuple[pa.Table, Json]:
        """Return the trials of the points that optuna proposes, and the counts of omitted points."""
        # Importing optuna takes longer than most sweeps.
        from coin_pipeline.sweeps.search import BATCH as PROPOSED  # noqa: PLC0415
        from coin_pipeline.sweeps.search import search  # noqa: PLC0415

        def rows_of(points: ValidPoints) -> pa.Table:
            key = self.chunk.key_for(points.points.digest())
            first = int(points.points.numbers[0]) // PROPOSED * PROPOSED if points else 0
            rows = stored.load_or_compute(key, lambda: (self.rows(points, first, first + PROPOSED), {}))
            return rows.replace_schema_metadata(None)

        result = search(self.chunk.spec, self.registry, rows_of)
        return pa.concat_tables(result.tables), {"skipped": result.skipped, "duplicates": result.duplicates}

    def rows(self, points: ValidPoints, first: int, stop: int) -> pa.Table:
        """Evaluate points on every symbol; candles are in memory one symbol at a time, unless a search caches them.

        Args:
            points: The valid ones of a range of points.
            first: Number of the first point of the range.
            stop: Number of its last point plus one.
        """
        if not points:
            return trials_schema(self.chunk.spec).empty_table()
        check = -(-first // CHECKED_POINTS) * CHECKED_POINTS < stop
        trials = [self._trials(candles, points, check=check) for candles in self.chunk.candles]
        return trials_table(self.chunk.spec, points.points, [candles.rows for candles in self.chunk.candles], trials)

    def _trials(self, candles: CandleDigest, points: ValidPoints, *, check: bool) -> Trials:
        warm = self._bars(candles)
        pays_off, processes = self._begin_processes(candles, warm.bars, points), shared_processes()
        if check and (not pays_off or processes.is_loading()):
            self._check(candles, warm, points)
            check = False
        if pays_off and processes.start(self.registry, self.strategy.name, self.chunk.code):
            return self._trials_in_processes(candles, warm, points, check=check)
        if check:
            self._check(candles, warm, points)
        parts, first, size = [], 0, BATCH
        if is_vectorized(self.strategy):
            size = unshared = max(BATCH, 8 * ROW_BYTES // len(warm.bars))
        with isolated(self.strategy, warm.bars, candles.symbol):
            while first < len(points):
                batch = points[first : first + size]
                rows = self._signals(candles, warm.bars, batch)
                parts.append(self._sweep(candles, warm, batch, rows, self.workers))
                self.progress(len(batch))
                first += size
                if is_vectorized(self.strategy):
                    size = max(unshared, ROW_BYTES * len(batch) // rows.nbytes)
        return Trials.concatenate(parts)

    def _check(self, candles: CandleDigest, warm: WarmBars, points: ValidPoints) -> None:
        checked_signals(self.strategy, points.params[0], warm.bars, _location(candles, points, 0))

    def _begin_processes(self, candles: CandleDigest, bars: Bars, points: ValidPoints) -> bool:
        """Return whether the rest of the sweep takes long enough that processes for it pay off; if so, start them."""
        strategy, chunk, processes = self.strategy, self.chunk, shared_processes()
        if len(points) == 1 or not can_use_processes(strategy, self.workers):
            return False
        started = (self.registry, strategy.name, chunk.code)
        if processes.is_begun(*started):
            return True
        begin = time.perf_counter()
        run_strategy(strategy, bars, points.params[0], _location(candles, points, 0))
        seconds = time.perf_counter() - begin
        remaining = (len(chunk.spec.points()) - chunk.first) * len(chunk.candles)
        if seconds * remaining <= self.process_s:
            return False
        processes.begin(*started)
        return True

    def _trials_in_processes(
        self, candles: CandleDigest, warm: WarmBars, points: ValidPoints, *, check: bool
    ) -> Trials:
        """Compute the signals in one process per worker; the look-ahead check runs here meanwhile."""
        spec, symbol, trials = self.chunk.spec, candles.symbol, dict[int, Trials]()
        locations = [_location(candles, points, k) for k in range(len(points))]
        params = [spec.params_at(points.points.point(k)) for k in range(len(points))]
        request = Request(symbol, params, locations)
        with shared_processes().decide(self.strategy, warm.bars, request, self.workers) as answers:
            if check:
                self._check(candles, warm, points)
            for first, rows in answers:
                decided = points[first : first + rows.points]
                trials[first] = self._sweep(candles, warm, decided, rows, max(1, self.workers // 4))
                self.progress(len(decided))
        return Trials.concatenate([trials[first] for first in sorted(trials)])

    def _signals(self, candles: CandleDigest, bars: Bars, points: ValidPoints) -> SignalRows:
        if is_vectorized(self.strategy):
            location = f"{_location(candles, points, 0)} or one of the {len(points) - 1} points after it"
            return run_signal_rows(self.strategy, bars, points.params, location, self.workers)
        return SignalRows.of(
            run_strategy(self.strategy, bars, params, _location(candles, points, k))
            for k, params in enumerate(points.params)
        )

    def _sweep(
        self, candles: CandleDigest, warm: WarmBars, points: ValidPoints, rows: SignalRows, threads: int
    ) -> Trials:
        spec = self.chunk.spec
        costs, sizing = spec.costs_of(candles.symbol), spec.sizing_of(candles.symbol)
        stops = spec.stops_of(points.points)
        trials = sweep(warm.bars, rows.starting_at(warm.start), stops, costs, spec.fill, sizing, threads)
        report_progress()
        return trials

    def _bars(self, candles: CandleDigest) -> WarmBars:
        spec, symbol = self.chunk.evaluated, candles.symbol
        if symbol in self.cache:
            return self.cache[symbol]
        bars = read_candles(self.catalog, candles.slice_of(spec))
        warm = read_warm_bars(self.catalog, spec, symbol, bars, candles.warm_up)
        if self.keeps_bars and sum(item.rows for item in self.chunk.candles) <= MAX_CACHED_BARS:
            self.cache[symbol] = warm
        return warm


def _location(candles: CandleDigest, points: ValidPoints, k: int) -> str:
    """Return how an error message names the symbol and point at fault."""
    return f"{candles.symbol} with {format_point(points.points.point(k))}"
