"""Evaluation of a sweep on a Ray cluster, as the process of the run sees it."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.code_digest import strategy_files
from coin_pipeline.backtest.earlier_candles import EarlierCandles
from coin_pipeline.backtest.runner import read_candles
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import ClusterMismatch, InvalidSettings, Problem
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.cluster.driver import DriverProcess, is_ray_installed, start_driver
from coin_pipeline.sweeps.cluster.messages import Outcome, Part, SweepJob
from coin_pipeline.sweeps.evaluate import require_same_code
from coin_pipeline.sweeps.plan import (
    MAX_CHUNK_POINTS,
    VECTORIZED_FACTOR,
    CandleDigest,
    SweepChunk,
    is_vectorized,
    sweep_fingerprint,
)
from coin_pipeline.sweeps.processes.protocol import pack_bars, rebuild_error
from coin_pipeline.sweeps.trials import decode_trials, read_metadata, read_trials, with_metadata

PART_BARS = 1 << 30
"""Bars times points of a part for a strategy that computes many points at once, about a second of one core.

Such points share work: with parts of a quarter of this size, a point takes a third longer."""
POINT_DIVISOR = 64
"""A part has at most the number of points divided by this if the strategy decides one at a time: it may be slow."""


def evaluate_on_cluster(
    catalog: CandleSource,
    registry: StrategyRegistry,
    store: ObjectStore,
    chunk: SweepChunk,
    address: str,
    *,
    fresh: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    stall_s: int = 900,
    part_bars: int = PART_BARS,
    divisor: int = POINT_DIVISOR,
) -> pa.Table:
    """Return the trials of a chunk of a grid or random search, as `evaluate` does, evaluated on a Ray cluster.

    The chunk is divided into parts, each of which is stored as a chunk of its own. The parts depend only on the sweep,
    so that one that was interrupted resumes.

    Args:
        catalog: The stored candles.
        registry: The strategies.
        store: Storage of the trials.
        chunk: The chunk.
        address: HOST:PORT of the cluster's head, of which this machine must be a node; auto for this machine's cluster.
        fresh: Ignore stored trials.
        progress: Called repeatedly with the number of new rows; an exception that it raises ends the evaluation.
        stall_s: Time that a part may take without progress, seconds; a call of a strategy is progress when it returns.
        part_bars: Bars times points of a part for a strategy that computes many points at once.
        divisor: For any other strategy, a part has at most the number of points divided by this.

    Raises:
        InvalidSettings: The package ray is not installed.
        ClusterUnavailable: The cluster cannot be reached, or was lost.
        ClusterMismatch: A machine of the cluster has other code or packages.
        ObjectStoreFull: Ray has no room for the candles.
        ChunkStalled: A part made no progress.
        ChunkLost: A part was lost repeatedly, with the worker that evaluated it.
        CandlesChanged, CodeChanged, StrategyFailed, LookAhead: As for `evaluate`.
    """
    if not is_ray_installed():
        reason = "ray needs a package that is not installed: pip install 'coin-pipeline[ray]', or set it to local"
        raise InvalidSettings([Problem("COIN_SWEEP_ENGINE", reason)])
    require_same_code(registry, chunk)
    strategy = registry.get(chunk.spec.strategy)
    tables: dict[Part, pa.Table] = {}
    missing = []
    vectorized = is_vectorized(strategy)
    for part in split_into_parts(chunk, vectorized=vectorized, part_bars=part_bars, divisor=divisor):
        table = _stored(store, chunk, part, fresh=fresh)
        if table is None:
            missing.append(part)
        else:
            tables[part] = table
            progress(len(table))
    if missing:
        with start_driver(address) as driver:
            _send_inputs(driver, catalog, strategy, chunk, stall_s)
            for outcome in _evaluate_all(driver, missing):
                data = outcome.trials or b""
                tables[outcome.part] = table = decode_trials(data)
                store.put(_key(chunk, outcome.part), data)
                progress(len(table))
    return _combine(chunk, [tables[part] for part in sorted(tables, key=lambda part: part.first)])


def split_into_parts(
    chunk: SweepChunk, *, vectorized: bool, part_bars: int = PART_BARS, divisor: int = POINT_DIVISOR
) -> Iterator[Part]:
    """Yield the parts of a chunk, each about a second of one core, as estimated from its number of bars.

    A strategy in Python may be slower than any estimate, so its points are also divided among many cores.

    Args:
        chunk: The chunk.
        vectorized: Whether the strategy computes many points at once, which is `VECTORIZED_FACTOR` times as fast.
        part_bars: Bars times points of a part if it does.
        divisor: If it does not, a part has at most the number of points divided by this.
    """
    slower, most = (1, VECTORIZED_FACTOR) if vectorized else (VECTORIZED_FACTOR, 1)
    bars = sum(candles.rows for candles in chunk.candles)
    size = max(1, min(part_bars // slower // bars, most * MAX_CHUNK_POINTS))
    if not vectorized:
        size = min(size, -(-(chunk.stop - chunk.first) // divisor))
    for first in range(chunk.first, chunk.stop, size):
        yield Part(first, min(first + size, chunk.stop))


def _key(chunk: SweepChunk, part: Part) -> str:
    return chunk.part(part.first, part.stop).key


def _stored(store: ObjectStore, chunk: SweepChunk, part: Part, *, fresh: bool) -> pa.Table | None:
    key = _key(chunk, part)
    if fresh:
        store.delete(key)
    return read_trials(store, key)


def _send_inputs(
    driver: DriverProcess, catalog: CandleSource, strategy: Strategy[Any], chunk: SweepChunk, stall_s: int
) -> None:
    """Send the candles, one symbol at a time, and the job."""
    for candles in chunk.candles:
        driver.send((candles.symbol, pack_bars(_candles_of(catalog, chunk, candles))))
        report_progress()
    modules = sweep_fingerprint(chunk.spec, {}, strategy)["modules"]
    driver.send(SweepJob(chunk.model_dump_json(), modules, _files_of(strategy), stall_s))


def _candles_of(catalog: CandleSource, chunk: SweepChunk, candles: CandleDigest) -> Bars:
    """Return the candles of a symbol with all that its warm-up was chosen from."""
    spec = chunk.evaluated
    bars = read_candles(catalog, candles.slice_of(spec))
    if candles.warm_up is None:
        return bars
    return EarlierCandles(catalog, spec, candles.symbol).before(bars, candles.warm_up.requested).bars


def _files_of(strategy: Strategy[Any]) -> dict[str, bytes]:
    """Return the content of a strategy's files by relative path.

    Raises:
        ClusterMismatch: One is outside the folder of the strategy.
    """
    files = strategy_files(strategy)
    for file in files:
        if not file.is_relative_to(files[0].parent):
            raise ClusterMismatch(f"{strategy.name!r} uses {file}; move it into the folder of {files[0].name}")
    return {file.relative_to(files[0].parent).as_posix(): file.read_bytes() for file in files}


def _evaluate_all(driver: DriverProcess, parts: list[Part]) -> Iterator[Outcome]:
    """Yield the outcomes of parts as they end; the cluster has only as many parts as it reports capacity for.

    Raises:
        CoinError: The error of the first part at fault, whichever worker was faster.
    """
    capacity: int = driver.receive_result()
    remaining, running = iter(parts), set[Part]()
    failed: Outcome | None = None
    while True:
        while failed is None and len(running) < capacity and (part := next(remaining, None)):
            driver.send(part)
            running.add(part)
        if not running or (failed and failed.part.first < min(part.first for part in running)):
            break
        outcome: Outcome = driver.receive_result()
        running.remove(outcome.part)
        capacity = outcome.capacity
        if outcome.error is None:
            yield outcome
        elif failed is None or outcome.part.first < failed.part.first:
            failed = outcome
    if failed and failed.error:
        raise rebuild_error(*failed.error)


def _combine(chunk: SweepChunk, tables: list[pa.Table]) -> pa.Table:
    """Return the trials of all parts, with the metadata of the chunk."""
    counts = [read_metadata(table) for table in tables]
    metadata = {name: sum(count[name] for count in counts) for name in ("skipped", "duplicates")}
    table = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
    return with_metadata(table, {**metadata, "chunk": chunk.model_dump(mode="json")})
