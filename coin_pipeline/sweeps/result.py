"""The result of a sweep: its trials, their analysis, a normal backtest of the best point, and its files."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import pyarrow as pa

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.formatting import Json, iso_microseconds
from coin_pipeline.backtest.messages import warnings_json
from coin_pipeline.backtest.spec import Times
from coin_pipeline.backtest.tables import to_parquet, unstack
from coin_pipeline.errors import CodeChanged
from coin_pipeline.languages import Language
from coin_pipeline.results.publish import ResultFiles, completed_manifest
from coin_pipeline.results.store import to_bytes
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps import verification
from coin_pipeline.sweeps.analysis import analyze
from coin_pipeline.sweeps.plan import FORMAT, CandleDigest, SweepChunk, candle_inputs, sweep_fingerprint
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trial_points import TrialPoints
from coin_pipeline.sweeps.trials import read_metadata, trials_digest
from coin_pipeline.sweeps.warm_up import warm_up_json, warm_up_warnings

TRIALS_FILE = "trials.parquet"
EQUITY_FILES: Mapping[Language, str] = {"en": "equity.svg", "ko": "equity.ko.svg"}
"""Picture of the equity of the best point in each language."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep, ready to be published.

    Attributes:
        spec: The sweep.
        document: The result document.
        trials: The table of all trials.
        times: Start and end.
        best_equity: Equity table of the best point's backtest; None without a best point.
        equity_figures: Pictures of `best_equity` by language, SVG.
    """

    spec: SweepSpec
    document: Json
    trials: pa.Table
    times: Times
    best_equity: pa.Table | None = None
    equity_figures: Mapping[Language, bytes] = field(default_factory=dict)


def assemble(
    run_id: str,
    tables: Sequence[pa.Table],
    catalog: CandleSource,
    registry: StrategyRegistry,
    environment: str,
    started_at: datetime,
) -> SweepResult:
    """Combine the chunks of a sweep, run its best point as a normal backtest, and verify a few points.

    Args:
        run_id: Id of the run.
        tables: What `evaluate` returned for each chunk, in any order.
        catalog: The stored candles.
        registry: The strategies.
        environment: Name of the environment, for the document.
        started_at: Start of the run.

    Raises:
        ValueError: A chunk is missing or repeated.
        CandlesChanged: Candles differ from those that the sweep was planned with.
        CodeChanged: The code of the strategy or of the engine differs.
        LookAhead: The strategy looks ahead at the best point.
        SweepDisagrees: A separate simulation of one of the verified points produces different figures.
    """
    parts = sorted(((read_metadata(table), table) for table in tables), key=lambda part: part[0]["chunk"]["number"])
    chunk = SweepChunk.model_validate(parts[0][0]["chunk"])
    if [metadata["chunk"]["number"] for metadata, _ in parts] != [*range(chunk.chunks)]:
        raise ValueError(f"a sweep of {chunk.chunks} chunks needs each of them exactly once")
    spec, strategy = chunk.spec, registry.get(chunk.spec.strategy)
    fingerprint = sweep_fingerprint(spec, candle_inputs(chunk.candles), strategy)
    if fingerprint["code"] != chunk.code:
        raise CodeChanged(spec.strategy)
    points = TrialPoints.of(spec, pa.concat_tables([table.replace_schema_metadata(None) for _, table in parts]))
    analysis = analyze(points, strategy.Params.model_json_schema())
    warm_ups = {item.symbol: item.warm_up for item in chunk.candles}
    analysis |= warnings_json([*warm_up_warnings(spec, chunk.start, warm_ups), *analysis.pop("messages")])
    equity = None
    if len(points.ranking):
        equity = _run_best(run_id, points, analysis, chunk, catalog, registry, environment, started_at)
    times = (started_at, datetime.now(started_at.tzinfo))
    document: Json = {
        "version": FORMAT,
        "run_id": run_id,
        **spec.model_dump(mode="json", include={"strategy", "params", "start_date", "end_date", "timeframe"}),
        "evaluated_from": chunk.start.isoformat(),
        "symbols": [*map(_symbol_json, chunk.candles)],
        "timezone": spec.timezone,
        "search": spec.search,
        "objective": spec.objective,
        "points": len(points.numbers),
        **{count: sum(metadata[count] for metadata, _ in parts) for count in ("skipped", "duplicates")},
        **analysis,
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
    return SweepResult(spec, document, points.table, times, equity)


def _symbol_json(candles: CandleDigest) -> Json:
    own = {"rows": candles.rows, "sha256": candles.sha256, **candles.coverage}
    return {"symbol": candles.symbol, "candles": {**own, "warm_up": warm_up_json(candles.warm_up)}}


def sweep_files(result: SweepResult) -> ResultFiles:
    """Return the files of a finished sweep, which are stored under `tasks/RUN_ID/`."""
    seconds = result.document["execution_time"] / len(result.spec.symbols)
    symbols = [{**part, "execution_time": seconds} for part in result.document["symbols"]]
    summary = {**result.document, "symbols": symbols, "total_signals": 0}
    files = {
        TRIALS_FILE: to_parquet(result.trials),
        "result.json": to_bytes(result.document),
        **{EQUITY_FILES[language]: figure for language, figure in result.equity_figures.items()},
    }
    return ResultFiles("tasks", result.document, files, {**completed_manifest(summary, result.times), "sweep": True})


def _run_best(
    run_id: str,
    points: TrialPoints,
    analysis: Json,
    chunk: SweepChunk,
    catalog: CandleSource,
    registry: StrategyRegistry,
    environment: str,
    started_at: datetime,
) -> pa.Table:
    """Run the best point as a normal backtest, verify it and other points, and add the outcome to the analysis.

    Returns:
        The equity table of the backtest.
    """
    best, others = int(points.ranking[0]), verification.select_points(points, analysis["plateau"])
    spec = chunk.evaluated.backtest_at(points.point(best))
    slices = runner.find_candles(catalog, spec, "tasks")
    verification.check_candles(chunk, slices)
    verification.compare(points, others, verification.simulate_points(points, others, catalog, registry, chunk))
    backtest = runner.run_backtest(
        spec,
        catalog,
        registry,
        run_id=run_id,
        environment=environment,
        started_at=started_at,
        slices=slices,
        warm_ups={item.symbol: item.warm_up for item in chunk.candles if item.warm_up},
    )
    document, trades = backtest.document, dict(unstack(backtest.tables["trades"]))
    figures = [verification.figures_of(points.spec, part, trades[part["symbol"]]) for part in document["symbols"]]
    verification.compare(points, [best], figures)
    analysis["checked"] = sorted(int(points.numbers[index]) for index in (best, *others))
    analysis["best"] |= {
        "params": spec.params,
        "stops": asdict(spec.stops),
        "symbols": points.rows(best).to_pylist(),
        "result": document["metrics"],
        "result_sha256": document["result_sha256"],
        **{name: document[name] for name in ("warnings", "warning_codes")},
    }
    return backtest.tables["equity"]
