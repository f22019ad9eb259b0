"""All chunks put together: the table of trials, the best of them run the normal way, and what to make of it."""

import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.document import to_parquet
from coin_pipeline.backtest.formatting import Json, iso_microseconds, pluralize
from coin_pipeline.backtest.runner import CandleSlice, CandleSource
from coin_pipeline.backtest.spec import Times
from coin_pipeline.backtest.warnings import FEW_TRADES
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.execution import Fill
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.errors import CandlesChanged, CodeChanged, SweepDisagrees
from coin_pipeline.results.publish import ResultFiles, completed_manifest
from coin_pipeline.results.store import to_bytes
from coin_pipeline.strategies.loader import run_strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps import sensitivity
from coin_pipeline.sweeps.plan import FORMAT, SweepChunk, format_point, sweep_fingerprint
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import (
    COUNTS,
    FIGURES,
    column_of,
    objectives_of,
    read_metadata,
    trials_digest,
    trials_table,
)

TRIALS_FILE = "trials.parquet"
SAMPLED = 3
"""Points, besides the best and the plateau, whose rows are compared with simulations of their own."""
TOP = 20
"""How many of the best points the document lists."""
ISOLATED = 0.5
"""The best point stands alone if the median of its neighbourhood is below this share of its objective."""
PLATEAU = (
    "the point whose neighbourhood has the highest median objective; a neighbourhood is a point and all those that"
    " differ from it by at most one step in every numeric dimension"
)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep, ready to be published: its document, its trials, start and end, and report page."""

    spec: SweepSpec
    document: Json
    trials: pa.Table
    times: Times
    report: bytes = b""


def assemble(
    run_id: str,
    tables: Sequence[pa.Table],
    catalog: CandleSource,
    registry: StrategyRegistry,
    environment: str,
    started_at: datetime,
) -> SweepResult:
    """Put what `evaluate` returned of all chunks, in any order, together, and run the best point the normal way.

    The rows of the best point must be what its published run says; the plateau's and a few others' are compared with
    simulations of their own.

    Raises:
        ValueError: a chunk is missing, or there twice.
        CandlesChanged: candles are no longer those that the sweep was planned with.
        CodeChanged: nor is the code of the strategy or the engine.
        LookAhead: the strategy uses bars that it cannot have known at the best point.
        SweepDisagrees: the normal run of one of these points says otherwise than its trial.
    """
    parts = sorted(((read_metadata(table), table) for table in tables), key=lambda part: part[0]["chunk"]["number"])
    chunk = SweepChunk.model_validate(parts[0][0]["chunk"])
    if [facts["chunk"]["number"] for facts, _ in parts] != [*range(chunk.chunks)]:
        raise ValueError(f"a sweep of {chunk.chunks} chunks needs each of them once")
    spec, strategy = chunk.spec, registry.get(chunk.spec.strategy)
    fingerprint = sweep_fingerprint(spec, {each.symbol: each.sha256 for each in chunk.candles}, strategy)
    if fingerprint["code"] != chunk.code:
        raise CodeChanged(spec.strategy)
    points = _Points.of(spec, pa.concat_tables([table.replace_schema_metadata(None) for _, table in parts]))
    told = _told(points, strategy.Params.model_json_schema())
    if points.order:
        best, others = points.order[0], _others(points, told["plateau"])
        run = spec.backtest(points.values(best))
        pieces = runner.find_candles(catalog, run, "tasks")
        _check_candles(chunk, pieces)
        _compare(points, others, _run_again(points, others, catalog, registry, pieces))
        normal = runner.run_backtest(
            run,
            catalog,
            registry,
            run_id=run_id,
            environment=environment,
            started_at=started_at,
            slices=pieces,
        ).document
        _compare(points, [best], [_figures_of(spec, part) for part in normal["symbols"]])
        told["checked"] = sorted(int(points.numbers[place]) for place in (best, *others))
        told["best"] |= {
            "params": run.params,
            "stops": asdict(run.stops),
            "symbols": points.rows(best).to_pylist(),
            "result": normal["metrics"],
            "result_sha256": normal["result_sha256"],
            "warnings": normal["warnings"],
        }
    times = (started_at, datetime.now(started_at.tzinfo))
    document: Json = {
        "version": FORMAT,
        "run_id": run_id,
        **spec.model_dump(mode="json", include={"strategy", "params", "start_date", "end_date", "timeframe"}),
        "symbols": [
            {"symbol": each.symbol, "candles": {"rows": each.rows, "sha256": each.sha256, **each.coverage}}
            for each in chunk.candles
        ],
        "search": spec.search,
        "objective": spec.objective,
        "points": len(points.numbers),
        **{count: sum(facts[count] for facts, _ in parts) for count in ("skipped", "duplicates")},
        **told,
        "trials": {"rows": len(points.table), "sha256": trials_digest(points.table), "file": TRIALS_FILE},
        "spec": spec.model_dump(mode="json"),
        "fingerprint": fingerprint,
        "metadata": {
            "execution_date": iso_microseconds(times[1]),
            "environment": environment,
            "execution_host": socket.gethostname(),
        },
        "execution_time": (times[1] - times[0]).total_seconds(),
    }
    return SweepResult(spec, document, points.table, times)


def sweep_files(result: SweepResult) -> ResultFiles:
    """Return the files of a finished sweep, which are stored under `tasks/RUN_ID/`."""
    each = result.document["execution_time"] / len(result.spec.symbols)
    symbols = [{**part, "execution_time": each} for part in result.document["symbols"]]
    asked = {**result.document, "symbols": symbols, "total_signals": 0}
    files = {
        TRIALS_FILE: to_parquet(result.trials),
        "report.html": result.report,
        "result.json": to_bytes(result.document),
    }
    return ResultFiles("tasks", result.document, files, {**completed_manifest(asked, result.times), "sweep": True})


@dataclass(frozen=True, slots=True)
class _Points:
    """The trials point by point: each has one row for every symbol.

    Attributes:
        spec: What was swept.
        table: All rows.
        numbers: The points' numbers, ascending, shape (k,).
        objectives: Their objectives, NaN where undefined, shape (k,).
        order: Places of the points with an objective, the highest first, the lower number first among equals.
    """

    spec: SweepSpec
    table: pa.Table
    numbers: Ints
    objectives: Floats
    order: list[int]

    @classmethod
    def of(cls, spec: SweepSpec, table: pa.Table) -> "_Points":
        """Read the points off their rows."""
        objectives = objectives_of(table, len(spec.symbols))
        order = np.argsort(-objectives, kind="stable")
        defined = order[~np.isnan(objectives[order])].tolist()
        return cls(spec, table, table["point"].to_numpy()[:: len(spec.symbols)], objectives, defined)

    def rows(self, place: int) -> pa.Table:
        """Return a point's rows."""
        return self.table.slice(place * len(self.spec.symbols), len(self.spec.symbols))

    def values(self, place: int) -> Point:
        """Return a point."""
        row = self.table.slice(place * len(self.spec.symbols), 1)
        return {one.name: row[column_of(one.name)][0].as_py() for one in self.spec.space}

    def told(self, place: int) -> Json:
        """Return a point and its figures over all symbols: counts added, the deepest drawdown, else means."""
        columns = {name: self.rows(place)[name].to_pylist() for name in FIGURES}
        figures = {name: _together(name, column) for name, column in columns.items()}
        return {"point": int(self.numbers[place]), "values": self.values(place), "figures": figures}


def _together(name: str, column: Sequence[float | None]) -> float | None:
    defined = [value for value in column if value is not None]
    if len(defined) < len(column):
        return None
    if name in COUNTS:
        return sum(defined)
    return max(defined) if name == "max_drawdown" else sum(defined) / len(defined)


def _told(points: _Points, schema: Json) -> Json:
    """Return what the trials say by themselves: the best of them, their surroundings, a map, and warnings."""
    spec, near = points.spec, None
    if spec.search == "grid" and points.order:
        near = sensitivity.neighbourhoods(spec.space, points.numbers, points.objectives)
    columns = {one.name: _numbers(points, one.name) for one in spec.space if one.is_numeric}
    best = None
    if points.order:
        first = points.order[0]
        best = {**points.told(first), "neighbourhood": near and _surroundings(near, first)}
    return {
        "best": best,
        "checked": [],
        "plateau": near and _plateau(points, near),
        "top": [points.told(place) for place in points.order[:TOP]],
        "heat_map": sensitivity.heat_map(spec.space, columns, points.objectives),
        "warnings": _warnings(points, best, schema),
    }


def _numbers(points: _Points, name: str) -> Floats:
    """Return a numeric dimension's value at each point, infinite where there is none."""
    column: Floats = points.table[column_of(name)].cast(pa.float64()).fill_null(np.inf).to_numpy()
    return column[:: len(points.spec.symbols)]


def _surroundings(near: sensitivity.Neighbourhoods, place: int) -> Json:
    median = float(near.median[place])
    return {"median": median if np.isfinite(median) else None, "size": int(near.size[place])}


def _plateau(points: _Points, near: sensitivity.Neighbourhoods) -> Json | None:
    place = int(np.argmax(near.median))
    if np.isneginf(near.median[place]):
        return None
    return {**points.told(place), **_surroundings(near, place), "definition": PLATEAU}


def _warnings(points: _Points, best: Json | None, schema: Json) -> list[str]:
    """Say in sentences what a reader of the best point must know."""
    objective, tried = points.spec.objective, len(points.numbers)
    if best is None:
        return [f"the {objective} is undefined at every point, so there is no best one"]
    found = sensitivity.edges(points.spec.space, best["values"], schema)
    if tried > 1:
        found.insert(
            0, f"the best of {tried:,} points is biased upwards: some of its {objective} is luck, so expect less"
        )
    if best["figures"]["total_return"] <= 0:
        found.append("even the best point made no profit")
    reached, near, trades = best["figures"]["objective"], best["neighbourhood"], best["figures"]["trades"]
    if points.spec.search == "grid" and near is None:
        found.append("the grid has too many neighbours to look for a plateau; sweep fewer dimensions at once")
    if trades < FEW_TRADES:
        found.append(f"only {pluralize(trades, 'trade')} at the best point: fewer than {FEW_TRADES} may be luck")
    if near and near["size"] > 1 and reached > 0 and (near["median"] is None or near["median"] < ISOLATED * reached):
        median = "undefined" if near["median"] is None else f"{near['median']:.4g}"
        found.append(
            f"the best point stands alone: its {objective} is {reached:.4g}, the median of the {near['size']} points"
            f" around it is {median}: a small change loses most of it"
        )
    return found


def _check_candles(chunk: SweepChunk, pieces: Sequence[CandleSlice]) -> None:
    for planned, now in zip(chunk.candles, pieces, strict=True):
        if planned.sha256 != now.sha256:
            raise CandlesChanged(now.symbol)


def _others(points: _Points, plateau: Json | None) -> list[int]:
    """Return the places of the plateau and of a few points at random, the same ones each time, without the best."""
    drawn = np.random.default_rng(0).choice(len(points.numbers), min(SAMPLED, len(points.numbers)), replace=False)
    flat = [] if plateau is None else [int(np.searchsorted(points.numbers, plateau["point"]))]
    return sorted({*flat, *drawn.tolist()} - {points.order[0]})


def _run_again(
    points: _Points,
    places: Sequence[int],
    catalog: CandleSource,
    registry: StrategyRegistry,
    pieces: Sequence[CandleSlice],
) -> list[Json]:
    """Return the rows that some points have according to normal simulations of their own."""
    spec, strategy = points.spec, registry.get(points.spec.strategy)
    values = [points.values(place) for place in places]
    params = [registry.resolve(spec.strategy, spec.params_at(point)) for point in values]
    if not places:
        return []
    trials = []
    for piece in pieces:  # only one symbol's candles are in memory at a time
        bars = runner.read_candles(catalog, piece)
        runs = (
            simulate(
                bars,
                run_strategy(strategy, bars, own, f"{piece.symbol} with {format_point(point)}"),
                spec.costs,
                spec.fill,
                spec.stops_at(point),
                spec.sizing,
            )
            for point, own in zip(values, params, strict=True)
        )
        trials.append(Trials.concatenate([Trials.from_simulation(run) for run in runs]))
    taken = [*zip((int(points.numbers[place]) for place in places), values, params, strict=True)]
    rows: list[Json] = trials_table(spec, taken, [piece.rows for piece in pieces], trials).to_pylist()
    return rows


def _figures_of(spec: SweepSpec, part: Json) -> Json:
    """Return what a row would say of one symbol's part of a normal result."""
    told = {**part["metrics"], "wins": sum(trade["return_pct"] > 0 for trade in part["trades"])}
    deepest = told["max_drawdown"]
    over_drawdown = told["total_return"] / deepest if deepest > 0 else None
    told["objective"] = {**told, "return_over_drawdown": over_drawdown}[spec.objective]
    return {**told, "exposure": None} if spec.fill is Fill.SIGNAL_CLOSE else told


def _compare(points: _Points, places: Sequence[int], again: Sequence[Json]) -> None:
    """Refuse a sweep of whose rows one is not, figure by figure and bit by bit, that of a normal run."""
    rows = (row for place in places for row in points.rows(place).to_pylist())
    where = (place for place in places for _ in points.spec.symbols)
    for place, swept, run in zip(where, rows, again, strict=True):
        for name in FIGURES:
            if swept[name] != run[name]:
                raise SweepDisagrees(format_point(points.values(place)), swept["symbol"], name, swept[name], run[name])
