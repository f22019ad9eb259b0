"""Division of a sweep into chunks that are evaluated, stored and resumed independently."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib import metadata
from typing import Any

from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.fingerprint import digest_of, fingerprint_of, warm_up_name
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.runner import CandleSlice, find_candles
from coin_pipeline.backtest.warm_up import WarmUp
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.point_survey import survey_points
from coin_pipeline.sweeps.search_space import Point, PointColumns, Value
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import trials_schema
from coin_pipeline.sweeps.warm_up import find_period

FORMAT = "sweep-1.0"
"""Format of trials and documents; changed when a figure changes its meaning, so that stored trials are not reused."""
_EVALUATION = "coin_pipeline.sweeps.evaluate"
_COVERAGE = (
    *("expected", "present", "ratio", "no_trade", "not_fetched", "first_unfetched", "known", "verdict"),
    "resampled_from",  # only of bars that are not stored themselves
)
_FINGERPRINT_KEYS = ("spec", "candles", "code", "versions", "modules")
PARTS, MIN_CHUNK_POINTS, MAX_CHUNK_POINTS = 20, 100, 2000
"""Chunks of a sweep, within limits of the number of points per chunk."""
QUICK_CHUNK_POINTS, QUICK_CHUNK_BARS = 250, 30_000_000
"""Minimum points per chunk of few candles, while bars times points are below the limit, which takes about a second."""
VECTORIZED_PARTS, VECTORIZED_FACTOR = 4, 25
"""The same for strategies that compute many points at once, which is faster; and the factor of these limits."""
MAX_CHUNKS = 500
"""Largest number of chunks that Dagster handles well; larger sweeps have larger chunks."""


class CandleDigest(BaseModel):
    """The candles of one symbol, identified by their digest.

    Attributes:
        symbol: The symbol.
        rows: Number of candles.
        sha256: Digest of the candles.
        coverage: Coverage of the whole range of the spec, for its check and for the sweep document.
        warm_up: The candles before them that warm up the strategy; None without a warm-up.
    """

    model_config = ConfigDict(frozen=True)

    symbol: str
    rows: int
    sha256: str
    coverage: Json = {}
    warm_up: WarmUp | None = None

    def slice_of(self, spec: SweepSpec) -> CandleSlice:
        """Return the candles as a backtest reads them."""
        return CandleSlice(
            spec=spec, shelf="tasks", symbol=self.symbol, rows=self.rows, coverage=self.coverage, sha256=self.sha256
        )


class SweepChunk(BaseModel):
    """A range of a sweep's points, with everything their trials depend on; serializable as JSON.

    Attributes:
        spec: The sweep.
        number: Number of the chunk, from 0.
        chunks: Number of chunks of the sweep.
        first: Number of the first point.
        stop: Number of the last point plus one.
        candles: The candles of each symbol.
        start: First day on which the points are evaluated.
        code: Digest of the code.
        versions: Versions of the packages.
    """

    model_config = ConfigDict(frozen=True)

    spec: SweepSpec
    number: int
    chunks: int
    first: int
    stop: int
    candles: tuple[CandleDigest, ...]
    start: date
    code: str
    versions: dict[str, str]

    @property
    def evaluated(self) -> SweepSpec:
        """The sweep over the days on which its points are evaluated."""
        return self.spec.model_copy(update={"start_date": self.start})

    @cached_property
    def key(self) -> str:
        """Storage key of its trials, `sweeps/chunks/SHA256.parquet`, with the digest of everything they depend on."""
        if self.spec.search == "optuna":  # the points are known only after the search
            search = self.spec.model_dump(mode="json", include={"space", "search", "trials", "seed"})
            return self.key_for(search)
        return self.key_for(self.points().digest())

    def key_for(self, points: object) -> str:
        """Return the storage key of the trials of some points, identified by their digest or by their search."""
        fields = self.spec.model_dump(mode="json", exclude={"space", "search", "trials", "seed"})
        fields["start_date"] = self.start.isoformat()
        candles = [(item.symbol, item.sha256, *_warm_up_key(item.warm_up)) for item in self.candles]
        columns = [(column.name, str(column.type)) for column in trials_schema(self.spec)]
        digest = digest_of([FORMAT, columns, fields, points, candles, self.code, self.versions])
        return f"sweeps/chunks/{digest}.parquet"

    def part(self, first: int, stop: int) -> "SweepChunk":
        """Return the chunk of some of its points: numbers `first` to `stop - 1`."""
        fields = {name: getattr(self, name) for name in SweepChunk.model_fields}  # without the cached key
        return SweepChunk.model_construct(**{**fields, "first": first, "stop": stop})

    def points(self) -> PointColumns:
        """Return its points, without those that duplicate an earlier one."""
        return self.spec.points().columns(self.first, self.stop)


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """The chunks of a sweep in the order of their points; an optuna search is a single chunk.

    Attributes:
        chunks: The chunks.
        points: Number of points to evaluate; an upper bound for optuna.
        skipped: Number of points that violate a constraint between parameters; 0 for optuna, where it is not known yet.
        duplicates: Number of random draws that duplicate an earlier one; 0 for optuna, where it is not known yet.
    """

    chunks: tuple[SweepChunk, ...]
    points: int
    skipped: int
    duplicates: int


def split_into_chunks(
    catalog: CandleSource, registry: StrategyRegistry, spec: SweepSpec, chunk_points: int | None = None
) -> SweepPlan:
    """Read and validate the candles, count the points, and divide them into chunks.

    Args:
        catalog: The stored candles.
        registry: The strategies.
        spec: The sweep.
        chunk_points: Points per chunk; by default a twentieth of all, within 100 to 2,000, of few candles at least 250;
            for a strategy that computes many points at once, a quarter, within 2,500 to 50,000. The trials do not
            depend on it.

    Raises:
        CandlesNotFound: One or more symbols have no candle in the range.
        InvalidCandles: Stored candles are invalid.
        InvalidSpec: The warm-up of a point is longer than all stored candles.
        StrategyFailed: The strategy raised an exception or returned no signals.
    """
    slices = find_candles(catalog, spec, "tasks")
    survey = survey_points(registry, spec)
    period = find_period(catalog, registry, spec, slices, survey)
    candles = tuple(
        CandleDigest(
            symbol=item.symbol,
            rows=item.rows,
            sha256=item.sha256,
            coverage={"snapshot": whole.snapshot, **_select(whole.coverage)},
            warm_up=period.warm_ups.get(item.symbol),
        )
        for item, whole in zip(period.slices, slices, strict=True)
    )
    strategy = registry.get(spec.strategy)
    fingerprint = sweep_fingerprint(spec, candle_inputs(candles), strategy)
    count = len(spec.points())
    size = count if spec.search == "optuna" else chunk_points or _chunk_points(count, candles, strategy)
    starts = range(0, count, size)
    chunks = (
        SweepChunk(
            spec=spec,
            number=number,
            chunks=len(starts),
            first=first,
            stop=min(first + size, count),
            candles=candles,
            start=period.start,
            code=fingerprint["code"],
            versions=fingerprint["versions"],
        )
        for number, first in enumerate(starts)
    )
    return SweepPlan(tuple(chunks), survey.points, survey.skipped, survey.duplicates)


def candle_inputs(candles: Iterable[CandleDigest]) -> dict[str, str]:
    """Return the digest of each symbol's candles, and of those that warm it up, by name."""
    warm_ups = {warm_up_name(item.symbol): item.warm_up.sha256 for item in candles if item.warm_up}
    return {item.symbol: item.sha256 for item in candles} | {name: sha for name, sha in warm_ups.items() if sha}


def sweep_fingerprint(spec: SweepSpec, candles: Mapping[str, str], strategy: Strategy[Any]) -> Json:
    """Return the digests of everything that determines the trials, including the search and evaluation code.

    Args:
        spec: The sweep.
        candles: Digest of each symbol's candles.
        strategy: The strategy.

    Returns:
        `spec`, `candles`, `code` (over `modules`), `versions`, `modules`.
    """
    backtest = evaluation_fingerprint(strategy, spec.digest, candles)
    search = {"optuna": metadata.version("optuna")} if spec.search == "optuna" else {}
    return {**{name: backtest[name] for name in _FINGERPRINT_KEYS}, "versions": {**backtest["versions"], **search}}


def evaluation_fingerprint(
    strategy: Strategy[Any], spec_sha256: str = "", candles: Mapping[str, str] | None = None
) -> Json:
    """Return `fingerprint_of` a strategy and of the code that evaluates sweeps, whatever the search."""
    return fingerprint_of(spec_sha256, candles or {}, strategy, _EVALUATION)


def format_point(point: Point) -> str:
    """Return a point as text.

    >>> format_point({"volume_window": 5, "stop_loss": None})
    'volume_window=5, stop_loss=none'
    """
    return ", ".join(f"{name}={'none' if value is None else value}" for name, value in point.items())


def is_vectorized(strategy: Strategy[Any]) -> bool:
    """Return whether a strategy has its own implementation for many points at once."""
    return type(strategy).signal_rows is not Strategy.signal_rows


def _warm_up_key(warm_up: WarmUp | None) -> tuple[Value, ...]:
    return (warm_up.used, warm_up.sha256) if warm_up else ()


def _select(coverage: Json) -> Json:
    return {name: coverage[name] for name in _COVERAGE if name in coverage}


def _chunk_points(count: int, candles: Iterable[CandleDigest], strategy: Strategy[Any]) -> int:
    if is_vectorized(strategy):
        factor, parts, quick = VECTORIZED_FACTOR, VECTORIZED_PARTS, 0
    else:
        factor, parts = 1, PARTS
        quick = min(QUICK_CHUNK_POINTS, QUICK_CHUNK_BARS // max(1, sum(item.rows for item in candles)))
    lowest = max(factor * MIN_CHUNK_POINTS, quick)
    return max(lowest, min(factor * MAX_CHUNK_POINTS, -(-count // parts)), -(-count // MAX_CHUNKS))
