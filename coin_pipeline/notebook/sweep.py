"""A sweep from Python, and its trials as pandas objects."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.preflight import require_coverage
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.candles.timezones import parse_timezone
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.notebook.backtest import request_fields
from coin_pipeline.notebook.candles import Candles, Day, resolve_candles
from coin_pipeline.notebook.figure import SvgFigure
from coin_pipeline.notebook.strategy import StrategyLike, resolve_strategy
from coin_pipeline.report.sweep_page import heat_map_figures
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.processes.client import shared_processes
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import assemble

_SHOWN_TRIALS = 10


class SweepRun:
    """The result of a sweep.

    A notebook displays it as a table of the best points with a heat map of the objective.

    Attributes:
        document: The result document of the sweep.
    """

    def __init__(self, document: Json, trials: pa.Table) -> None:
        self.document = document
        self._trials = trials

    @property
    def run_id(self) -> str:
        """ID of the stored run; empty if the run is not stored."""
        return str(self.document["run_id"])

    @property
    def trials(self) -> pd.DataFrame:
        """One row per point and symbol: the swept values, trades, returns and the objective."""
        frame: pd.DataFrame = self._trials.to_pandas()
        return frame.astype({"symbol": "category"})

    @property
    def best_params(self) -> dict[str, Any] | None:
        """Swept values of the best point; None if the objective is undefined at every point.

        They are names of strategy parameters and of stops, as `grid` has them.
        """
        best = self.document["best"]
        return None if best is None else dict(best["values"])

    @property
    def warnings(self) -> list[str]:
        """Sentences to read before the figures."""
        return list(self.document["warnings"])

    @property
    def trials_sha256(self) -> str:
        """Digest of the trials; equal for equal sweeps, wherever they ran."""
        return str(self.document["trials"]["sha256"])

    def plot(self, which: Literal["best", "median"] = "best") -> SvgFigure:
        """Return a heat map of the objective over two swept values.

        Args:
            which: The best point of each cell, or the median of its points.

        Raises:
            InvalidInput: No numeric value was swept, so there is no map.
        """
        figures = heat_map_figures(self.document)
        if not figures:
            raise InvalidInput([Problem("grid", "no numeric value was swept, so there is no map to draw")])
        return SvgFigure(figures.get(which) or figures["best"])

    def _repr_html_(self) -> str:
        top = pd.DataFrame([{**point["values"], **point["figures"]} for point in self.document["top"][:_SHOWN_TRIALS]])
        warnings = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        figures = heat_map_figures(self.document)
        return (
            f"<p><b>{escape(self.document['strategy'])}</b>, {self.document['points']:,} points by"
            f" {self.document['objective']}</p>{top.to_html(index=False)}<ul>{warnings}</ul>{figures.get('best', '')}"
        )

    def __repr__(self) -> str:
        return f"<SweepRun {self.document['strategy']}: {self.document['points']:,} points, best {self.best_params}>"


def sweep(
    strategy: StrategyLike,
    candles: Candles,
    grid: Mapping[str, Any],
    *,
    start: Day | None = None,
    end: Day | None = None,
    timeframe: str | None = None,
    tz: str | None = None,
    symbol: str | None = None,
    catalog: CandleCatalog | None = None,
    timezone: str = SEOUL,
    workers: int | None = None,
    **fields: Any,  # noqa: ANN401 -- validated as the fields of a request
) -> SweepRun:
    """Run a strategy at many points in this process. Nothing is stored; no database and no Dagster is involved.

    Args:
        strategy: As for `run_backtest`.
        candles: As for `run_backtest`.
        grid: Values by name of a parameter, `stop_loss`, `take_profit` or `trailing_stop`: a sequence, or a text such
            as `5:60:5` (lo:hi:step). With `search="random"` or `"optuna"` also a range, `5:60`.
        start: As for `run_backtest`.
        end: As for `run_backtest`.
        timeframe: As for `run_backtest`.
        tz: As for `run_backtest`.
        symbol: As for `run_backtest`.
        catalog: As for `run_backtest`.
        workers: Threads, or processes for a strategy of an importable module; by default one per core. The trials do
            not depend on it.
        timezone: As for `run_backtest`.
        **fields: Further fields of a sweep request: search, trials, seed, objective, confirm, and those of a backtest.

    Raises:
        InvalidInput: An argument is invalid; each is named.
        SweepTooLarge: The grid has more points than the limit; `confirm=True` accepts them.
        CandlesNotFound: A symbol has no candle in the range.
        InsufficientCoverage: Too many candles are missing; a lower `min_coverage` accepts them.
        StrategyFailed: The strategy raised an exception or returned no signals.
        LookAhead: The strategy uses later bars.

    >>> import coin_pipeline as cp
    >>> result = cp.sweep("volume_zone_breakout", cp.example_candles(), grid={"volume_window": [10, 20]})
    >>> len(result.trials)
    2
    """
    started_at = datetime.now(UTC)
    name, registry = resolve_strategy(strategy)
    given = resolve_candles(
        candles,
        start=start,
        end=end,
        timeframe=timeframe,
        tz=tz,
        symbol=symbol,
        catalog=catalog,
        timezone=parse_timezone(timezone),
    )
    fields["timezone"] = timezone
    space = {dimension: _values(values) for dimension, values in grid.items()}
    spec = resolve_sweep(parse_sweep({**request_fields(name, given, fields), "space": space}), registry)
    planned = split_into_chunks(given.source, registry, spec)
    require_coverage(spec, {candle.symbol: candle.coverage for candle in planned.chunks[0].candles})
    with TemporaryDirectory() as folder:
        rows = LocalStore(Path(folder))
        threads = workers or os.cpu_count() or 1
        try:
            tables = [evaluate(given.source, registry, rows, chunk, threads) for chunk in planned.chunks]
        finally:
            shared_processes().close()
    result = assemble("", tables, given.source, registry, "notebook", started_at)
    return SweepRun(result.document, result.trials)


def _values(values: object) -> object:
    """Return swept values as a request has them: text, or a list of plain Python values."""
    if isinstance(values, str):
        return values
    plain = values.tolist() if hasattr(values, "tolist") else values
    return list(plain) if isinstance(plain, list | tuple | range) else plain
