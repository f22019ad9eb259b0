"""How far a refresh is: what its steps say of each series in the run's events, and what these add up to."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.collect import CollectProgress, CollectReport
from coin_pipeline.candles.series_progress import SeriesProgress, SeriesState
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import CoinError
from coin_pipeline.orchestration._dagster_internals import EngineEventData, StepOutputData
from coin_pipeline.orchestration.failures import failure_from_events

SERIES, TIMEFRAMES = "series", "timeframes"
"""Metadata: how one series stands, and which timeframes are planned of a market."""
TYPES = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.STEP_FAILURE}
"""Events that a tally wants to hear."""
NAMED = 10
_FIELDS = {"eta_s": "eta_seconds"}
"""Fields of the metadata in stored events that have another name in the model."""


def of_plan(timeframes: Sequence[str]) -> Mapping[str, MetadataValue]:
    """Say which series of a market are planned."""
    return {TIMEFRAMES: MetadataValue.json([*timeframes])}


def sentence(now: CollectProgress) -> str:
    """Say how far a series is."""
    rate = f", {now.per_second:,.0f} a second" if now.per_second else ""
    eta = f", {now.eta_s:,.0f} s to go" if now.eta_s else ""
    return f"{now.symbol} {now.timeframe}: {now.done:,} of {now.planned:,}{rate}{eta}"


def of_progress(now: CollectProgress) -> Mapping[str, MetadataValue]:
    """Say the same in figures."""
    return _series(now.symbol, now.timeframe, "collecting", _figures(now))


def of_collected(done: CollectReport, last: CollectProgress | None) -> Mapping[str, MetadataValue]:
    """Say that a series is collected, and with which progress it ended."""
    figures = _figures(last) if last else {"done": 0, "planned": 0}
    counts = {"added": done.added, "replaced": done.replaced, "unchanged": done.unchanged, "requests": done.requests}
    return _series(done.symbol, done.timeframe, "collected", {**figures, **counts, "eta_s": None})


def of_failure(symbol: str, timeframe: Timeframe, error: CoinError) -> Mapping[str, MetadataValue]:
    """Say why a series was not collected."""
    return _series(symbol, timeframe, "failed", {"error": str(error)})


def _figures(now: CollectProgress) -> dict[str, Any]:
    told = {"done": now.done, "planned": now.planned, "candles": now.candles}
    return {**told, "per_second": now.per_second, "eta_s": now.eta_s}


def _series(
    symbol: str, timeframe: Timeframe, state: SeriesState, more: Mapping[str, Any]
) -> Mapping[str, MetadataValue]:
    told = {"symbol": symbol, "timeframe": str(timeframe), "state": state, **more}
    return {SERIES: MetadataValue.json(told)}


class SeriesReporter:
    """What the events of a run, heard in their order, say of its series."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], SeriesProgress] = {}
        self._failures: dict[str, str] = {}

    @property
    def series(self) -> tuple[SeriesProgress, ...]:
        """Progress of each series, in the order of collection."""
        return tuple(self._series.values())

    @property
    def share(self) -> float:
        """How much of all is done, 0 to 1."""
        return sum(one.share for one in self.series) / len(self._series) if self._series else 0.0

    @property
    def failures(self) -> tuple[str, ...]:
        """The sentences of the markets that failed."""
        return tuple(self._failures.values())

    def observe(self, entry: dg.EventLogEntry) -> None:
        """Take an event into account; one that was heard before changes nothing."""
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        data = event.event_specific_data
        if isinstance(data, StepOutputData) and TIMEFRAMES in data.metadata:
            self._plan(str(data.step_output_handle.mapping_key), data.metadata[TIMEFRAMES].value)
        elif isinstance(data, EngineEventData) and SERIES in data.metadata:
            self._move(data.metadata[SERIES].value)
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            self._fail(event.step_key, failure_from_events([event])[0])

    def _plan(self, symbol: str, timeframes: Any) -> None:  # noqa: ANN401 -- as JSON
        for timeframe in timeframes:
            self._series.setdefault((symbol, timeframe), SeriesProgress(symbol=symbol, timeframe=timeframe))

    def _move(self, told: Any) -> None:  # noqa: ANN401 -- as JSON
        symbol, timeframe = told["symbol"], told["timeframe"]
        before = self._series.get((symbol, timeframe), SeriesProgress(symbol=symbol, timeframe=timeframe))
        fields = {_FIELDS.get(name, name): value for name, value in told.items()}
        if before.share < 1.0:
            update = {name: value for name, value in fields.items() if name in SeriesProgress.model_fields}
            self._series[symbol, timeframe] = before.model_copy(update=update)

    def _fail(self, step_key: str, error: str) -> None:
        symbol = step_key.partition("[")[2].removesuffix("]")
        self._failures[symbol] = error
        for key, one in self._series.items():
            if one.symbol == symbol and one.share < 1.0:
                self._series[key] = one.model_copy(update={"state": "failed", "error": error})


def all_of(failures: Sequence[str]) -> str:
    """Return one sentence for the markets that failed; of very many, some."""
    more = f"; and {len(failures) - NAMED} more markets" if len(failures) > NAMED else ""
    return "; ".join(failures[:NAMED]) + more
