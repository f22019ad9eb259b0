"""Forward tests move over closed candles, each exactly once, as the backtest of the same period does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coin_pipeline.backtest.runner import run_backtest
from coin_pipeline.forward.period import PeriodCandles
from tests.forward.conftest import SYMBOLS
from tests.forward.reading import decisions, journal, state_of

if TYPE_CHECKING:
    from coin_pipeline.forward.records import ForwardTest
    from tests.forward.conftest import Workbench

MANY_TRADES = {
    "volume_long_candle": {"vol_multiplier": 0.5, "body_pct": 0.003, "hold_period_bars": 2},
    "volume_zone_breakout": {"volume_window": 5, "hold_period_bars": 3},
}


def backtest(workbench: Workbench, test: ForwardTest, symbol: str) -> list[dict[str, Any]]:
    """Return the trades of the backtest over the candles that a symbol has decided."""
    decided = decisions(workbench.ledger, test, symbol)
    state = state_of(workbench.ledger, test, symbol)
    period = PeriodCandles(workbench.catalog, test.begin, decided[-1].bar_time)
    spec = test.spec.backtest_spec(*period.days(test.spec.timezone)).model_copy(update={"symbols": (symbol,)})
    warm_ups = {symbol: state.warm_up} if state.warm_up else None
    result = run_backtest(spec, period, workbench.registry, warm_ups=warm_ups)
    return result.tables["trades"].to_pylist()


@pytest.mark.parametrize(
    ("strategy", "warm_up"),
    [("volume_long_candle", "auto"), ("volume_zone_breakout", "auto"), ("volume_zone_breakout", "none")],
)
def test_ledger_has_the_trades_of_the_backtest(workbench: Workbench, strategy: str, warm_up: str) -> None:
    """Times, prices and reasons of the fills that were booked hour by hour equal those of one backtest."""
    stops = {"stop_loss": 0.01, "take_profit": 0.02, "trailing_stop": 0.015}
    test = workbench.start(strategy=strategy, params=MANY_TRADES[strategy], symbols=SYMBOLS, warm_up=warm_up, **stops)
    workbench.advance(40)
    for symbol in SYMBOLS:
        trades, entries = backtest(workbench, test, symbol), journal(workbench.ledger, test, symbol)
        assert len(trades) > 2
        booked = [(entry.at, float(entry.leg.price), entry.note) for entry in entries]
        expected = [
            fill
            for trade in trades
            for fill in (
                (trade["entry_time"], trade["entry_price"], "entry"),
                (trade["exit_time"], trade["exit_price"], trade["exit_reason"]),
            )[: 1 if trade["open_at_end"] else 2]
        ]
        assert booked == expected
        assert not any(decision.late for decision in decisions(workbench.ledger, test, symbol))


def test_catching_up_decides_the_same(workbench: Workbench) -> None:
    """After a day of downtime, each candle gets the decision and the fills that it would have had, but late."""
    on_time, late = (workbench.start(params=MANY_TRADES["volume_zone_breakout"]) for _ in range(2))
    begin = workbench.now
    for hour in range(1, 25):
        workbench.now = begin + timedelta(hours=hour)
        list(workbench.advancer.run(on_time.test_id))
    (caught_up,) = workbench.advancer.run(late.test_id)
    choices = [
        [(d.bar_time, d.choice) for d in decisions(workbench.ledger, test, SYMBOLS[0])] for test in (on_time, late)
    ]
    fills = [[(e.at, e.leg) for e in journal(workbench.ledger, test, SYMBOLS[0])] for test in (on_time, late)]
    assert choices[0] == choices[1]
    assert fills[0] == fills[1]
    assert len(fills[0]) > 3
    assert (caught_up.decisions, caught_up.late) == (24, 23)
