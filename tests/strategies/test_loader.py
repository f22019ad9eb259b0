"""A failing strategy is reported with its location, and cannot modify its input."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import StrategyFailed
from coin_pipeline.strategies import Strategy, StrategyParams
from coin_pipeline.strategies.loader import run_signal_rows, run_strategy
from tests.engine.candles import random_bars


class Custom(Strategy[StrategyParams]):
    """A strategy with a given rule."""

    name = "custom"

    def __init__(self, rule: Callable[[Bars], Any]) -> None:
        self.rule = rule

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Return what the rule returns."""
        assert params is not None
        result: Signals = self.rule(bars)
        return result


def overwrite(bars: Bars) -> None:
    """Double every close, in place."""
    bars.close[:] *= 2


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (lambda _: 1 / 0, r"line \d+ of test_loader.py: ZeroDivisionError: division by zero"),
        (lambda bars: bars.open > bars.close, r"signals\(\) returned ndarray, not Signals"),
        (lambda _: None, r"signals\(\) returned NoneType, not Signals"),
        (lambda bars: Signals(bars.open[1:] > 0), r"signals\(\) returned signals on 9 bars, expected 10"),
        (lambda bars: Signals(bars.open), "TypeError: entries must be an array of bool, not float64"),
        (overwrite, "ValueError: output array is read-only"),
    ],
)
def test_failing_strategy_is_reported(rule: Callable[[Bars], Any], reason: str) -> None:
    """Strategy, symbol, line and reason are in one message."""
    bars = random_bars(10, 1)
    before = bars.close.copy()
    with pytest.raises(StrategyFailed, match=f"strategy 'custom' failed on BTC_KRW: .*{reason}"):
        run_strategy(Custom(rule), bars, StrategyParams(), "BTC_KRW")
    assert np.array_equal(bars.close, before)


def test_signals_are_returned_unchanged() -> None:
    """The strategy's signals are returned as they are."""
    signals = Signals(np.ones(10, bool), hold=3)
    assert run_strategy(Custom(lambda _: signals), random_bars(10, 1), StrategyParams(), "BTC_KRW") is signals


class CustomRows(Custom):
    """A strategy that decides many points with a given rule."""

    name = "many"

    def signal_rows(self, bars: Bars, points: Sequence[StrategyParams], workers: int = 1) -> SignalRows:
        """Return what the rule returns."""
        assert (len(points), workers) == (2, 4)
        result: SignalRows = self.rule(bars)
        return result


def rows_of(points: int, bars: int) -> SignalRows:
    """Return rows of ``points`` points that buy on every bar."""
    return SignalRows.of([Signals(np.ones(bars, bool), hold=1)] * points)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (lambda _: 1 / 0, r"line \d+ of test_loader.py: ZeroDivisionError: division by zero"),
        (lambda _: [], r"signal_rows\(\) returned list, not SignalRows"),
        (lambda _: rows_of(1, 10), r"signal_rows\(\) returned 1 points on 10 bars, expected 2 on 10"),
        (lambda _: rows_of(2, 9), r"signal_rows\(\) returned 2 points on 9 bars, expected 2 on 10"),
    ],
)
def test_failing_rows_are_reported(rule: Callable[[Bars], Any], reason: str) -> None:
    """Errors are reported in the same way when many points are decided at once."""
    points = [StrategyParams()] * 2
    with pytest.raises(StrategyFailed, match=f"strategy 'many' failed on BTC_KRW: .*{reason}"):
        run_signal_rows(CustomRows(rule), random_bars(10, 1), points, "BTC_KRW", 4)
    rows = rows_of(2, 10)
    assert run_signal_rows(CustomRows(lambda _: rows), random_bars(10, 1), points, "BTC_KRW", 4) is rows
