"""Progress of a refresh: metadata in the run's events, and its evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.collect import CollectProgress, CollectReport
from coin_pipeline.candles.series_progress import SeriesProgress, SeriesState
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.defs.mapping_keys import from_mapping_key
from coin_pipeline.errors import CoinError, coded
from coin_pipeline.orchestration._dagster_internals import EngineEventData, StepOutputData
from coin_pipeline.orchestration.failures import failure_from_events

SERIES, TIMEFRAMES = "series", "timeframes"
"""Metadata keys: the progress of one series, and the planned timeframes of a market."""
EVENT_TYPES = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.STEP_FAILURE}
"""Events that `SeriesReporter` evaluates."""
MAX_NAMED = 10
"""Failed markets named in a message."""
_FIELDS = {"eta_s": "eta_seconds"}
"""Names of metadata fields in stored events that differ in the model."""


def plan_metadata(timeframes: Sequence[str]) -> Mapping[str, MetadataValue]:
    """Return metadata with the planned series of a market."""
    return {TIMEFRAMES: MetadataValue.json([*timeframes])}


def describe_progress(update: CollectProgress) -> str:
    """Return the progress of a series as a sentence."""
    rate = f", {update.per_second:,.0f} per second" if update.per_second else ""
    eta = f", {update.eta_s:,.0f} s to go" if update.eta_s else ""
    return f"{update.symbol} {update.timeframe}: {update.done:,} of {update.planned:,}{rate}{eta}"


def progress_metadata(update: CollectProgress) -> Mapping[str, MetadataValue]:
    """Return the progress of a series as metadata."""
    return _series(update.symbol, update.timeframe, "collecting", _figures(update))


def collected_metadata(report: CollectReport, last: CollectProgress | None) -> Mapping[str, MetadataValue]:
    """Return metadata of a collected series with its final progress."""
    figures = _figures(last) if last else {"done": 0, "planned": 0}
    counts = {
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "requests": report.requests,
    }
    return _series(report.symbol, report.timeframe, "collected", {**figures, **counts, "eta_s": None})


def failure_metadata(symbol: str, timeframe: Timeframe, error: CoinError) -> Mapping[str, MetadataValue]:
    """Return metadata of a failed series with the reason."""
    return _series(symbol, timeframe, "failed", {"error": str(error)})


def _figures(update: CollectProgress) -> dict[str, Any]:
    counts = {"done": update.done, "planned": update.planned, "candles": update.candles}
    return {**counts, "per_second": update.per_second, "eta_s": update.eta_s}


def _series(
    symbol: str, timeframe: Timeframe, state: SeriesState, more: Mapping[str, Any]
) -> Mapping[str, MetadataValue]:
    fields = {"symbol": symbol, "timeframe": str(timeframe), "state": state, **more}
    return {SERIES: MetadataValue.json(fields)}


class SeriesReporter:
    """Progress of a run's series, computed from its events in order."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], SeriesProgress] = {}
        self._failures: dict[str, str] = {}

    @property
    def series(self) -> tuple[SeriesProgress, ...]:
        """Progress of each series, in the order of collection."""
        return tuple(self._series.values())

    @property
    def share(self) -> float:
        """Completed share of the run, 0 to 1."""
        return sum(series.share for series in self.series) / len(self._series) if self._series else 0.0

    @property
    def failures(self) -> tuple[str, ...]:
        """Messages of the failed markets."""
        return tuple(self._failures.values())

    def observe(self, entry: dg.EventLogEntry) -> None:
        """Process an event; repeated events have no effect."""
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        data = event.event_specific_data
        if isinstance(data, StepOutputData) and TIMEFRAMES in data.metadata:
            self._plan(from_mapping_key(str(data.step_output_handle.mapping_key)), data.metadata[TIMEFRAMES].value)
        elif isinstance(data, EngineEventData) and SERIES in data.metadata:
            self._update(data.metadata[SERIES].value)
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            self._fail(event.step_key, failure_from_events([event])[0])

    def _plan(self, symbol: str, timeframes: Any) -> None:  # noqa: ANN401 -- as JSON
        for timeframe in timeframes:
            self._series.setdefault((symbol, timeframe), SeriesProgress(symbol=symbol, timeframe=timeframe))

    def _update(self, metadata: Any) -> None:  # noqa: ANN401 -- as JSON
        symbol, timeframe = metadata["symbol"], metadata["timeframe"]
        before = self._series.get((symbol, timeframe), SeriesProgress(symbol=symbol, timeframe=timeframe))
        fields = {_FIELDS.get(name, name): value for name, value in metadata.items()}
        if before.share < 1.0:
            update = {name: value for name, value in fields.items() if name in SeriesProgress.model_fields}
            self._series[symbol, timeframe] = before.model_copy(update=update)

    def _fail(self, step_key: str, error: str) -> None:
        symbol = from_mapping_key(step_key.partition("[")[2].removesuffix("]"))
        self._failures[symbol] = error
        for key, series in self._series.items():
            if series.symbol == symbol and series.share < 1.0:
                self._series[key] = series.model_copy(update={"state": "failed", "error": error})


def join_failures(failures: Sequence[str]) -> str:
    """Return one message for the failed markets, naming at most `MAX_NAMED` of them."""
    more = coded("more_markets", count=len(failures) - MAX_NAMED) if len(failures) > MAX_NAMED else ""
    return coded("failed_markets", listed=[*failures[:MAX_NAMED]], more=more)
