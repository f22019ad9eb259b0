"""A sweep cut into chunks that are evaluated, stored and resumed one by one."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest.fingerprint import digest_of, fingerprint_of
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.runner import CandleSource, find_candles
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import trials_schema

FORMAT = "sweep-1.0"
"""What rows and documents of sweeps look like; raised when a figure gets another meaning, so that none is reused."""
_EVALUATION = "coin_pipeline.sweeps.evaluate"
_COVERAGE = ("expected", "present", "ratio", "no_trade", "not_fetched", "first_unfetched", "known", "verdict")
_MADE_OF = ("spec", "candles", "code", "versions", "modules")
MAX_CHUNK_POINTS, MIN_CHUNK_POINTS = 1000, 50
"""Points of a chunk."""
MANY_TIMES = 10
"""How many more a chunk has where a strategy decides for many points at once, and so is done with them sooner."""
MAX_CHUNKS = 500
"""Chunks that an orchestrator can still keep an eye on; beyond that, chunks have more points."""


class CandleDigest(BaseModel):
    """The candles of one symbol, named by their digest, with what the document of the sweep tells of them."""

    model_config = ConfigDict(frozen=True)

    symbol: str
    rows: int
    sha256: str
    coverage: Json = {}


class SweepChunk(BaseModel):
    """Points `first` to before `stop` of a sweep, and all that their rows depend on; JSON carries it anywhere."""

    model_config = ConfigDict(frozen=True)

    spec: SweepSpec
    number: int
    chunks: int
    first: int
    stop: int
    candles: tuple[CandleDigest, ...]
    code: str
    versions: dict[str, str]

    @cached_property
    def key(self) -> str:
        """Where its rows are stored: `sweeps/chunks/SHA256.parquet`, the digest being of all that they depend on."""
        if self.spec.search == "optuna":  # which points it takes is only known in the end
            search = self.spec.model_dump(mode="json", include={"space", "search", "trials", "seed"})
            return self.key_of(search)
        return self.key_of([(number, point) for number, point in self.numbered() if point is not None])

    def key_of(self, points: object) -> str:
        """Return where the rows of these points are stored."""
        said = self.spec.model_dump(mode="json", exclude={"space", "search", "trials", "seed"})
        candles = [(each.symbol, each.sha256) for each in self.candles]
        columns = [(column.name, str(column.type)) for column in trials_schema(self.spec)]
        digest = digest_of([FORMAT, columns, said, points, candles, self.code, self.versions])
        return f"sweeps/chunks/{digest}.parquet"

    def numbered(self) -> Iterator[tuple[int, Point | None]]:
        """Yield its numbers, each with its point, or None where that repeats an earlier one."""
        points = self.spec.points()
        return ((number, points.point_at(number)) for number in range(self.first, self.stop))


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """The chunks of a sweep, in the order of their points; optuna, which adapts, is one chunk.

    Attributes:
        chunks: What to evaluate.
        points: How many points have rows; for optuna the most there can be.
        skipped: How many points break a constraint between the strategy's params; for optuna not known yet, 0.
        duplicates: How many random draws repeat an earlier one; for optuna not known yet, 0.
    """

    chunks: tuple[SweepChunk, ...]
    points: int
    skipped: int
    duplicates: int


def split_into_chunks(
    catalog: CandleSource, registry: StrategyRegistry, spec: SweepSpec, chunk_points: int | None = None
) -> SweepPlan:
    """Read and check the candles, count the points, and cut them into chunks.

    Args:
        catalog: Where the candles are.
        registry: Where the strategy is.
        spec: What is swept.
        chunk_points: Points of a chunk; by default a twentieth of all, but 50 to 1000, of a strategy that decides for
            many at once 500 to 10,000. The rows do not depend on it.

    Raises:
        CandlesNotFound: one or more symbols have no candle in the range.
        InvalidCandles: stored candles that no market can have produced.
    """
    pieces = find_candles(catalog, spec, "tasks")
    candles = tuple(
        CandleDigest(
            symbol=each.symbol,
            rows=each.rows,
            sha256=each.sha256,
            coverage={"snapshot": each.snapshot, **{name: each.coverage[name] for name in _COVERAGE}},
        )
        for each in pieces
    )
    strategy = registry.get(spec.strategy)
    made_of = sweep_fingerprint(spec, {each.symbol: each.sha256 for each in candles}, strategy)
    numbers = len(spec.points())
    fates = Counter({"points": numbers}) if spec.search == "optuna" else _fates(registry, spec)
    starts = range(0, numbers, numbers if spec.search == "optuna" else chunk_points or _chunk_points(numbers, strategy))
    chunks = (
        SweepChunk(
            spec=spec,
            number=number,
            chunks=len(starts),
            first=first,
            stop=min(first + starts.step, numbers),
            candles=candles,
            code=made_of["code"],
            versions=made_of["versions"],
        )
        for number, first in enumerate(starts)
    )
    return SweepPlan(tuple(chunks), fates["points"], fates["skipped"], fates["duplicates"])


def sweep_fingerprint(spec: SweepSpec, candles: Mapping[str, str], strategy: Strategy[Any]) -> Json:
    """Return the digests of all that decides the trials: what decides a result, and what chooses and evaluates points.

    Args:
        spec: What is swept.
        candles: Digest of each symbol's candles.
        strategy: The strategy.

    Returns:
        `spec`, `candles`, `code` (over `modules`), `versions`, `modules`.
    """
    found = fingerprint_of(spec.digest, candles, strategy, _EVALUATION)
    chooses = {"optuna": metadata.version("optuna")} if spec.search == "optuna" else {}
    return {**{name: found[name] for name in _MADE_OF}, "versions": {**found["versions"], **chooses}}


def format_point(point: Point) -> str:
    """Return a point as text: volume_window=5, stop_loss=none."""
    return ", ".join(f"{name}={'none' if value is None else value}" for name, value in point.items())


def is_vectorized(strategy: Strategy[Any]) -> bool:
    """Return whether a strategy decides for many points at once in a way of its own."""
    return type(strategy).signal_rows is not Strategy.signal_rows


def _chunk_points(numbers: int, strategy: Strategy[Any]) -> int:
    more = MANY_TIMES if is_vectorized(strategy) else 1
    return max(more * MIN_CHUNK_POINTS, min(more * MAX_CHUNK_POINTS, -(-numbers // 20)), -(-numbers // MAX_CHUNKS))


def _fates(registry: StrategyRegistry, spec: SweepSpec) -> Counter[str]:
    """Count what becomes of the points, one by one: all of them never exist at once."""
    points = spec.points()
    return Counter(_fate(registry, spec, points.point_at(number)) for number in range(len(points)))


def _fate(registry: StrategyRegistry, spec: SweepSpec, point: Point | None) -> str:
    if point is None:
        return "duplicates"
    return "skipped" if spec.valid_params(registry, point) is None else "points"
