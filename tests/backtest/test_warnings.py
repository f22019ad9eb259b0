"""What a reader is warned of, and what not."""

from typing import Any

import pytest

from coin_pipeline.backtest.warnings import warnings_of

SCHEMA = {
    "properties": {
        "window": {"default": 20, "minimum": 1, "maximum": 500},
        "share": {"default": 0.0, "minimum": 0, "maximum": 1},
        "wicks": {"default": True},
    }
}
PARAMS = {"window": 20, "share": 0.0, "wicks": True}


def part(*returns: float, **changed: object) -> dict[str, Any]:
    """One symbol with every candle and these trades."""
    trades = [
        {"symbol": "BTC_KRW", "return_pct": value, "entry_time": f"day {number}", "open_at_end": False}
        for number, value in enumerate(returns)
    ]
    candles = {"expected": 9, "present": 9, "ratio": 1.0, "gap_count": 0, "first": "a", "last": "b"}
    known = {"signals": [], "too_small": 0, "candles": candles, "checks": []}
    return {"symbol": "BTC_KRW", "trades": trades, **known, **changed}


def warned(*parts: dict[str, Any], total: float = 0.1, at_twice: float | None = 0.05, **params: object) -> list[str]:
    """Return the warnings of a result with these symbols."""
    metrics = {"trades": sum(len(one["trades"]) for one in parts), "total_return": total}
    costs = {"stress": {"1x": total, "2x": at_twice}, "break_even_rate": 0.0015}
    return warnings_of(parts, metrics, costs, {**PARAMS, **params}, SCHEMA)


def test_a_solid_result_is_not_warned_of() -> None:
    """Many trades, a spread profit, costs well below the edge, all candles."""
    assert warned(part(*[0.01, 0.02, -0.01] * 10)) == []


def test_a_check_that_could_not_be_made() -> None:
    """What was not checked is said with its reason; what passed is not."""
    checks = [
        {"name": "candles", "passed": True, "detail": "a"},
        {"name": "no_look_ahead", "passed": False, "detail": "b"},
    ]
    assert warned(part(*[0.01] * 30, checks=checks)) == ["BTC_KRW: no_look_ahead: b"]


@pytest.mark.parametrize(("count", "expected"), [(1, "only 1 trade:"), (29, "only 29 trades:")])
def test_few_trades(count: int, expected: str) -> None:
    """Below thirty, the count is said."""
    assert any(warning.startswith(expected) for warning in warned(part(*[0.01] * count)))
    assert warned(part(*[0.01] * 30)) == []


def test_profit_from_one_trade() -> None:
    """One trade earned more than all others together lost; it is named."""
    (warning,) = warned(part(*[-0.01] * 30, 0.9))
    assert warning.startswith("all of the profit comes from one trade: BTC_KRW, entered day 30, returned +90.00%")
    assert warned(part(*[-0.01] * 30, 0.9), total=-0.1) == []


def test_profit_gone_at_twice_the_costs() -> None:
    """The cost at which nothing is left is said; a loss has no profit to lose."""
    assert warned(part(*[0.01] * 30), at_twice=-0.01) == [
        "the profit is gone at twice the costs; it breaks even at 0.1500% a leg"
    ]
    assert warned(part(*[0.01] * 30), total=-0.1, at_twice=-0.2) == []
    assert warned(part(*[0.01] * 30), at_twice=None) == []


def test_a_chosen_parameter_on_the_edge_of_its_range() -> None:
    """A default may lie on the edge, a chosen value that does is said."""
    solid = part(*[0.01] * 30)
    assert warned(solid, window=500) == ["window=500 is the highest value that the strategy takes"]
    assert warned(solid, window=1, share=1.0) == [
        "window=1 is the lowest value that the strategy takes",
        "share=1.0 is the highest value that the strategy takes",
    ]
    assert warned(solid, window=499, wicks=False) == []
