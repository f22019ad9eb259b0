"""A strategy that fails says where, and cannot harm what it was given."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import StrategyFailed
from coin_pipeline.strategies import Strategy, StrategyParams
from coin_pipeline.strategies.user_code import run_strategy
from tests.engine.candles import random_bars


class Custom(Strategy[StrategyParams]):
    """Does what it is told."""

    name = "custom"

    def __init__(self, rule: Callable[[Bars], Any]) -> None:
        self.rule = rule

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Return what the rule returns."""
        assert params is not None
        result: Signals = self.rule(bars)
        return result


def overwrite(bars: Bars) -> None:
    """Raise every price."""
    bars.close[:] *= 2


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (lambda _: 1 / 0, r"line \d+ of test_user_code.py: ZeroDivisionError: division by zero"),
        (lambda bars: bars.open > bars.close, r"signals\(\) returned ndarray, not Signals"),
        (lambda _: None, r"signals\(\) returned NoneType, not Signals"),
        (lambda bars: Signals(bars.open[1:] > 0), r"signals\(\) returned signals on 9 bars, there are 10"),
        (lambda bars: Signals(bars.open), "TypeError: entries must be an array of bool, not of float64"),
        (overwrite, "ValueError: output array is read-only"),
    ],
)
def test_a_failing_strategy_is_reported(rule: Callable[[Bars], Any], reason: str) -> None:
    """Strategy, symbol, line and reason are in one sentence."""
    bars = random_bars(10, 1)
    before = bars.close.copy()
    with pytest.raises(StrategyFailed, match=f"strategy 'custom' failed on BTC_KRW: .*{reason}"):
        run_strategy(Custom(rule), bars, StrategyParams(), "BTC_KRW")
    assert np.array_equal(bars.close, before)


def test_signals_are_handed_on() -> None:
    """What a good strategy returns arrives unchanged."""
    signals = Signals(np.ones(10, bool), hold=3)
    assert run_strategy(Custom(lambda _: signals), random_bars(10, 1), StrategyParams(), "BTC_KRW") is signals
