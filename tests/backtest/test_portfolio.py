"""Portfolios of several symbols."""

import numpy as np
import pyarrow as pa
import pytest

from coin_pipeline.backtest.portfolio import CombinedResult, Curve, combine_equal_weight, equal_shares
from coin_pipeline.backtest.symbol_result import SymbolResult

DAY_NS = 86_400 * 10**9


def curve(name: str, equity: list[float], first_day: int = 0, held: list[float] | None = None) -> Curve:
    """An account whose daily bars begin at `first_day`."""
    values = np.array(equity)
    time = (first_day + np.arange(len(values))) * DAY_NS
    drawdown = 1 - values / np.maximum.accumulate(np.maximum(values, 1.0))
    return Curve(name, time, values, drawdown, np.array(held or equity))


def part(found: Curve, returns: list[float], **metrics: float) -> SymbolResult:
    """A symbol's result, with these trades."""
    equity = pa.table(
        {
            "timestamp": pa.array(found.time, pa.timestamp("ns", tz="UTC")),
            "equity": found.equity,
            "drawdown": found.drawdown,
            "buy_and_hold": found.buy_and_hold,
        }
    )
    own = {"exposure": 0.5, "buy_and_hold": 0.1, "signals": 3, "trades": len(returns), "ignored": 1, **metrics}
    values = np.array(returns)
    trades = pa.table(
        {
            "entry_time": pa.array(range(len(values)), pa.timestamp("ns", tz="UTC")),
            "entry_price": np.full(len(values), 100.0),
            "exit_price": 100 * (1 + values),
            "return_pct": values,
            "bars_held": np.full(len(values), 2),
        }
    )
    costs = {"gross_return": 0.2, "net_return": 0.1, "stress": {"0x": 0.2, "1x": 0.1, "2x": None}}
    return SymbolResult({"symbol": found.name, "metrics": own, "costs": costs}, pa.table({}), trades, equity)


def together(*parts: SymbolResult) -> CombinedResult:
    """Combine daily results of fully invested accounts."""
    return combine_equal_weight(parts, 365.0, 1.0)


def test_symbols_of_different_spans_form_one_account() -> None:
    """A symbol is cash before its first bar and keeps its value after its last."""
    account = equal_shares([curve("A", [1.0, 2.0]), curve("B", [1.0, 0.5], 2, [1.0, 3.0])])
    assert (account.time // DAY_NS).tolist() == [0, 1, 2, 3]
    assert account.equity.tolist() == [1.0, 1.5, 1.5, 1.25]
    assert account.buy_and_hold.tolist() == [1.0, 1.5, 1.5, 2.5]
    assert account.drawdown == pytest.approx([0, 0, 0, 1 / 6])


def test_one_symbol_has_its_own_statistics() -> None:
    """A single symbol's statistics are not recomputed."""
    alone = part(curve("A", [1.0, 2.0]), [1.0])
    assert together(alone).metrics is alone.json["metrics"]
    assert together(alone).costs is alone.json["costs"]


def test_statistics_of_several_symbols_are_those_of_the_account_and_of_all_trades() -> None:
    """Return and drawdown come from the mean account; win rate and profit factor from every trade."""
    whole = together(part(curve("A", [1.0, 1.2, 1.5]), [0.2, 0.25]), part(curve("B", [1.0, 1.0, 0.7]), [-0.3]))
    found = whole.metrics
    assert found["total_return"] == pytest.approx(0.1)
    assert found["max_drawdown"] == 0.0
    assert (found["trades"], found["signals"], found["ignored"]) == (3, 6, 2)
    assert found["win_rate"] == pytest.approx(2 / 3)
    assert found["profit_factor"] == pytest.approx(1.5)
    assert found["expectancy"] == pytest.approx(0.05)
    assert found["avg_hold_bars"] == 2.0
    assert (found["exposure"], found["buy_and_hold"]) == (0.5, pytest.approx(0.1))


def test_without_trades_their_statistics_are_undefined() -> None:
    """Undefined statistics are None."""
    whole = together(part(curve("A", [1.0, 1.0]), []), part(curve("B", [1.0, 1.0]), []))
    found = whole.metrics
    assert whole.costs["break_even_rate"] is None
    for name in ("win_rate", "profit_factor", "expectancy", "avg_hold_bars", "sharpe"):
        assert found[name] is None
    assert found["total_return"] == 0.0


def test_costs_of_several_symbols_are_those_of_equal_accounts() -> None:
    """Returns at other costs are means, None if one is None; at the break-even rate the mean return is zero."""
    whole = together(part(curve("A", [1.0, 1.5]), [0.5]), part(curve("B", [1.0, 0.7]), [-0.3]))
    assert whole.costs["stress"] == {"0x": 0.2, "1x": pytest.approx(0.1), "2x": None}
    assert whole.costs["net_return"] == whole.metrics["total_return"]
    rate = whole.costs["break_even_rate"]
    assert (1.5 + 0.7) * (1 - rate) / (1 + rate) == pytest.approx(2.0)
    assert whole.account is None
