"""Warnings of a result."""

import re
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pytest

from coin_pipeline.backtest.messages import Message, check_json
from coin_pipeline.backtest.portfolio import best_trade
from coin_pipeline.backtest.symbol_result import SymbolResult
from coin_pipeline.backtest.warnings import collect_warnings
from coin_pipeline.strategies import Field, StrategyParams


class Params(StrategyParams):
    """Each kind of limit."""

    window: int = Field(20, ge=1, le=500)
    share: float = Field(0.0, ge=0, le=1)
    wicks: bool = True
    bars: int | None = Field(None, ge=2, le=50)
    inner: int = Field(5, gt=0, lt=10)
    part: float = Field(0.5, gt=0, lt=1)
    kind: int | Literal["auto"] = Field("auto")
    either: Annotated[int, Field(ge=3, le=9)] | Annotated[float, Field(ge=0.5, lt=100)] | None = None


def part(*returns: float, **changed: object) -> SymbolResult:
    """One symbol with every candle and these trades, one a day from 1970-01-01 on."""
    days = pa.array(np.arange(len(returns)) * 86_400 * 10**9, pa.timestamp("ns", tz="UTC"))
    closed = [False] * len(returns)
    trades = pa.table({"entry_time": days, "return_pct": np.array(returns, np.float64), "open_at_end": closed})
    candles = {"expected": 9, "present": 9, "ratio": 1.0, "gap_count": 0, "first": "a", "last": "b"}
    known = {"unfilled_signals": [], "too_small": 0, "candles": candles, "checks": []}
    return SymbolResult({"symbol": "BTC_KRW", **known, **changed}, pa.table({}), trades, pa.table({}))


def warned(
    *parts: SymbolResult,
    total: float = 0.1,
    at_twice: float | None = 0.05,
    expectancy: float | None = None,
    days: float = 365,
    break_even: float | None = 0.0015,
    sharpe: float | None = 1.0,
    win_rate: float | None = 0.5,
    profit_factor: float | None = 1.5,
    **params: object,
) -> list[str]:
    """Return the warnings of a result with these symbols, in English."""
    best = best_trade(parts, 1.0)
    trades = sum(len(one.trades) for one in parts)
    metrics = {"trades": trades, "total_return": total, "expectancy": expectancy, "sharpe": sharpe}
    metrics |= {"win_rate": win_rate, "profit_factor": profit_factor}
    costs = {"gross_return": -0.05, "stress": {"1x": total, "2x": at_twice}, "break_even_rate": break_even}
    values, schema = Params(**params).model_dump(), Params.model_json_schema()
    warnings = collect_warnings(parts, metrics, costs, best, days, values, schema)
    assert all(re.search("[가-힣]", warning.write("ko")) for warning in warnings)
    return [warning.write() for warning in warnings]


def test_an_account_that_loses_with_a_positive_expectancy() -> None:
    """Gains of 50 % and losses of 40 % by turns: the mean is positive, the product falls."""
    (warning,) = warned(part(*[0.5, -0.4] * 15), total=-0.79, expectancy=0.05)
    assert warning.startswith("the mean trade returned +5.00%, but the account -79.00%: returns compound")
    assert warned(part(*[0.5, -0.4] * 15), total=-0.79, expectancy=-0.05) == []


@pytest.mark.parametrize(
    ("trades", "figures", "expected"),
    [
        (30, {"sharpe": 5.1}, "a Sharpe ratio of 5.1, above 5"),
        (101, {"win_rate": 0.95}, "a win rate of 95.0% over 101 trades, above 90%"),
        (101, {"profit_factor": 12.0}, "a profit factor of 12.0 over 101 trades, above 10"),
        (101, {"win_rate": 1.0, "profit_factor": None}, "a win rate of 100.0% over 101 trades, above 90%"),
    ],
)
def test_implausible_figures(trades: int, figures: dict[str, Any], expected: str) -> None:
    """Figures that no strategy reaches point to an error; few trades or days may be luck."""
    (warning,) = warned(part(*[0.01] * trades), **figures)
    assert warning.startswith(f"implausible: {expected}: look for ")
    assert not any("implausible" in warning for warning in warned(part(*[0.01] * 29), **figures))


@pytest.mark.parametrize(
    ("trades", "days", "figures"),
    [
        (100, 365.0, {"sharpe": 5.0, "win_rate": 0.99, "profit_factor": 50.0}),
        (101, 365.0, {"sharpe": 5.0, "win_rate": 0.9, "profit_factor": 10.0}),
        (101, 89.0, {"sharpe": 9.0}),
        (101, 365.0, {"sharpe": None, "win_rate": None, "profit_factor": None}),
    ],
)
def test_plausible_figures(trades: int, days: float, figures: dict[str, Any]) -> None:
    """Limits are exclusive, and a Sharpe ratio of less than 90 days is an extrapolation."""
    assert not any("implausible" in text for text in warned(part(*[0.01] * trades), days=days, **figures))


def test_a_short_range_is_not_a_year() -> None:
    """Figures per year are an extrapolation; without trades there is nothing to extrapolate."""
    (warning,) = warned(part(*[0.01, -0.005] * 15), days=30.0)
    assert warning.startswith("the range has 30 days: its annualized figures (CAGR, volatility, Sharpe")
    assert warned(part(*[0.01, -0.005] * 15), days=90.0) == []
    assert warned(part(), total=0.0, days=30.0, break_even=None) == ["BTC_KRW: the strategy never traded"]


def test_trades_that_lose_without_costs() -> None:
    """No cost rate breaks even."""
    (warning,) = warned(part(*[-0.01, 0.001] * 15), total=-0.1, at_twice=-0.2, break_even=None)
    assert warning == "the trades lose even without costs: the gross return is -5.00%"


def test_a_solid_result_is_not_warned_of() -> None:
    """Many trades, profit from many of them, low costs and complete candles cause no warning."""
    assert warned(part(*[0.01, 0.02, -0.01] * 10)) == []


def test_a_check_that_could_not_be_made() -> None:
    """A check that was not possible is reported with its reason; a passed one is not."""
    checks = [
        check_json("candles", Message("candles_valid", {"present": 9}), passed=True),
        check_json("no_look_ahead", Message("look_ahead_failure", {"failure": "b"}), passed=False),
    ]
    (warning,) = warned(part(*[0.01] * 30, checks=checks))
    assert warning == "BTC_KRW: no_look_ahead: not checked, no decision came out again from fewer candles: b"


@pytest.mark.parametrize(("count", "expected"), [(1, "only 1 trade:"), (29, "only 29 trades:")])
def test_few_trades(count: int, expected: str) -> None:
    """Fewer than thirty trades are reported with their number."""
    assert any(warning.startswith(expected) for warning in warned(part(*[0.01] * count)))
    assert warned(part(*[0.01] * 30)) == []


def test_profit_from_one_trade() -> None:
    """The warning names the trade without which there is no gain."""
    (warning,) = warned(part(*[-0.01] * 30, 0.9))
    assert warning == (
        "all of the profit comes from one trade: BTC_KRW, entered 1970-01-31T00:00:00Z, returned +90.00%;"
        " without it the result is -26.03%"
    )
    assert warned(part(*[-0.01] * 30, 0.9), total=-0.1) == []


def test_the_other_trades_are_compounded() -> None:
    """A loss of half is not recovered by a gain of half, although their sum is not negative."""
    assert warned(part(*[0.5, -0.3] * 15, 9.0)) == []
    (warning,) = warned(part(*[0.5, -0.4] * 15, 9.0))
    assert warning.endswith("returned +900.00%; without it the result is -79.41%")


def test_a_single_trade_made_all_of_the_profit() -> None:
    """A single trade is the simplest case."""
    assert [warning[:42] for warning in warned(part(0.1))] == [
        "only 1 trade: figures from fewer than 30 m",
        "all of the profit comes from one trade: BT",
    ]


def test_a_trade_of_one_symbol_among_others() -> None:
    """The other symbols' accounts count with their whole return."""
    even = part(*[0.01, -0.01] * 20)
    (warning,) = warned(even, part(*[-0.01] * 5, 0.5))
    assert "returned +50.00%; without it the result is -2.5" in warning
    assert warned(part(*[0.01] * 20), part(*[-0.01] * 5, 0.5), part(*[0.001] * 9)) == []


def test_profit_gone_at_twice_the_costs() -> None:
    """The warning has the break-even rate; a losing result has no profit to lose."""
    assert warned(part(*[0.01] * 30), at_twice=-0.01) == [
        "the profit is gone at twice the costs; it breaks even at 0.1500% a leg"
    ]
    assert warned(part(*[0.01] * 30), total=-0.1, at_twice=-0.2) == []
    assert warned(part(*[0.01] * 30), at_twice=None) == []


def test_a_chosen_parameter_on_the_edge_of_its_range() -> None:
    """A default may be at the limit of its range; a chosen value causes a warning."""
    solid = part(*[0.01] * 30)
    assert warned(solid, window=500) == ["window=500 is the highest value that the strategy takes"]
    assert warned(solid, window=1, share=1.0) == [
        "window=1 is the lowest value that the strategy takes",
        "share=1.0 is the highest value that the strategy takes",
    ]
    assert warned(solid, window=499, wicks=False, kind=7) == []


@pytest.mark.parametrize(
    ("params", "edges"),
    [
        ({"bars": 50}, ["bars=50 is the highest"]),
        ({"bars": 2}, ["bars=2 is the lowest"]),
        ({"inner": 1}, ["inner=1 is the lowest"]),
        ({"inner": 9}, ["inner=9 is the highest"]),
        ({"inner": 2, "bars": 3, "part": 0.001}, []),
        ({"either": 0.5}, ["either=0.5 is the lowest"]),
        ({"either": 3}, []),
        ({"either": 9}, []),
    ],
)
def test_optional_params_and_limits_that_are_excluded(params: dict[str, object], edges: list[str]) -> None:
    """An integer below 10 is at its limit with 9; a fraction above 0 has no lowest value."""
    assert [warning.split(" value ")[0] for warning in warned(part(*[0.01] * 30), **params)] == edges
