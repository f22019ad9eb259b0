"""Run a strategy together with the look-ahead check."""

from typing import Any

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.lookahead import LookAheadReport, run_and_check
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead, NotDeterministic
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.isolation import isolated_calls
from coin_pipeline.strategies.loader import declared_warm_up


def checked_signals(
    strategy: Strategy[Any], params: StrategyParams, bars: Bars, symbol: str
) -> tuple[Signals, LookAheadReport]:
    """Run a strategy, check that it does not look ahead, and return its signals with the report of the check.

    Args:
        strategy: The strategy.
        params: Its validated parameters.
        bars: n candles.
        symbol: Named in errors.

    Raises:
        StrategyFailed: The strategy raised an exception, returned no signals, or changed its candles.
        LookAhead: The strategy uses later bars.
        NotDeterministic: The strategy decides differently on the same candles.
    """
    with isolated_calls(strategy, params, bars, symbol) as signals_of:
        warm_up = declared_warm_up(strategy, params, symbol)
        try:
            checked = run_and_check(bars, signals_of, warm_up)
        except (LookAhead, NotDeterministic):
            if not signals_of.repeat_needed():
                raise
        else:
            if not signals_of.repeat_needed():
                return checked
        return run_and_check(bars, signals_of, warm_up)
