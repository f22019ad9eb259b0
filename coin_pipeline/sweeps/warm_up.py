"""Warm-up of a sweep: one number of bars and one first day for all its points, so that they can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.earlier_candles import EarlierCandles
from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.backtest.messages import Message
from coin_pipeline.backtest.runner import CandleSlice, find_candles, read_candles
from coin_pipeline.backtest.warm_up import WarmUp, choose_warm_up
from coin_pipeline.backtest.warnings import settling_warnings
from coin_pipeline.candles.timeframe import day_of, day_range, utc
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import InvalidSpec, Problem, coded
from coin_pipeline.strategies.isolation import isolated
from coin_pipeline.strategies.loader import run_strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.point_survey import PointSurvey
from coin_pipeline.sweeps.spec import SweepSpec


@dataclass(frozen=True, slots=True)
class EvaluatedPeriod:
    """What all points of a sweep are evaluated on.

    Attributes:
        start: First day; later than that of the spec if a symbol lacks earlier candles.
        slices: Candles of each symbol from this day on.
        warm_ups: Warm-up of each symbol, the same for all points.
    """

    start: date
    slices: Sequence[CandleSlice]
    warm_ups: Mapping[str, WarmUp]


def find_period(
    catalog: CandleSource,
    registry: StrategyRegistry,
    spec: SweepSpec,
    slices: Sequence[CandleSlice],
    survey: PointSurvey,
) -> EvaluatedPeriod:
    """Return the days and candles on which a sweep is evaluated, and the warm-up of its points.

    The warm-up is that of the point which declares most. Where fewer bars are stored before the range, all points
    start on the first day by which they are complete, for all symbols.

    Args:
        catalog: The stored candles.
        registry: The strategies.
        spec: The sweep.
        slices: Candles of each symbol in the range of the spec.
        survey: The points.

    Raises:
        CandlesNotFound: One or more symbols have no candle in the range.
        InvalidSpec: No day of the range has enough earlier candles.
        StrategyFailed: The strategy raised an exception or returned no signals.
    """
    if spec.warm_up == "none":
        return EvaluatedPeriod(spec.start_date, slices, {})
    start = max(_first_day(catalog, part, survey.declared) for part in slices)
    if start > spec.start_date:
        spec = spec.model_copy(update={"start_date": start})
        slices = find_candles(catalog, spec, "tasks")
    warm_ups = {part.symbol: _choose(catalog, registry, part, survey) for part in slices}
    return EvaluatedPeriod(start, slices, warm_ups)


def warm_up_warnings(spec: SweepSpec, start: date, warm_ups: Mapping[str, WarmUp | None]) -> list[Message]:
    """Return what a reader must know about the warm-up of a sweep.

    Args:
        spec: The sweep.
        start: First day on which its points are evaluated.
        warm_ups: Warm-up of each symbol.
    """
    settling = [
        warning for symbol, own in warm_ups.items() if own for warning in settling_warnings(symbol, own.model_dump())
    ]
    if start <= spec.start_date:
        return settling
    days = {"start": start.isoformat(), "requested": spec.start_date.isoformat()}
    declared = max(own.declared for own in warm_ups.values() if own)
    return [Message("evaluated_from", {**days, "declared": declared}), *settling]


def warm_up_json(warm_up: WarmUp | None) -> Json | None:
    """Return the warm-up of a symbol as in the document of a sweep."""
    return None if warm_up is None else {**warm_up.model_dump(), "missing": warm_up.missing}


def _first_day(catalog: CandleSource, part: CandleSlice, declared: int) -> date:
    """Return the first day of the range before whose first candle enough others are stored."""
    spec = part.spec
    missing = declared - len(EarlierCandles(catalog, spec, part.symbol).last(declared))
    if missing <= 0:
        return spec.start_date
    time = read_candles(catalog, part).time
    if missing < len(time):
        day = day_of(utc(time[missing]), spec.timezone)
        start = day if time[missing - 1] < day_range(day, day, spec.timezone)[0] else day + timedelta(days=1)
        if day_range(start, start, spec.timezone)[0] <= time[-1]:
            return start
    counts = {"declared": declared, "before": declared - missing, "inside": len(time)}
    reason = coded("warm_up_missing", counted=pluralize(declared, "candle"), symbol=part.symbol, **counts)
    raise InvalidSpec([Problem("space", reason)])


def _choose(catalog: CandleSource, registry: StrategyRegistry, part: CandleSlice, survey: PointSurvey) -> WarmUp:
    strategy, symbol, bars = registry.get(part.spec.strategy), part.symbol, read_candles(catalog, part)
    earlier = EarlierCandles(catalog, part.spec, symbol)
    with isolated(strategy, bars, symbol) as state:

        def decide(known: Bars) -> list[Signals]:
            state.restore()
            return [run_strategy(strategy, known, params, symbol) for params in survey.samples]

        return choose_warm_up(earlier, bars, survey.declared, decide)
