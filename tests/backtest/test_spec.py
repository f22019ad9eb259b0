"""Requests and the specs they resolve to."""

from collections.abc import Mapping
from typing import Any

import pytest

from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, complete_stored_spec, resolve
from coin_pipeline.candles.exchanges.upbit_rules import tick_table
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.execution import Costs, Stops
from coin_pipeline.engine.shared_account import SharedRules
from coin_pipeline.errors import InvalidParams, InvalidSpec, UnknownStrategy
from coin_pipeline.strategies.registry import load_registry

REQUEST: Mapping[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["BTC_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}


def spec_of(**fields: object) -> BacktestSpec:
    """Resolve the example request with these fields replaced."""
    return resolve(parse_request({**REQUEST, **fields}), load_registry())


def test_defaults_are_those_of_the_contract() -> None:
    """A minimal request has daily candles, next-open fills and both costs."""
    spec = spec_of()
    assert (spec.timeframe, spec.fill, spec.fee_rate, spec.slippage_rate) == ("1d", "next_open", 0.001, 0.0002)
    assert spec.params == {
        "volume_window": 10,
        "top_percentile": 0.2,
        "breakout_buffer": 0.0,
        "hold_period_bars": 1,
        "num_bins": 20,
        "include_wicks": True,
    }


def test_two_spellings_of_a_market_and_a_timeframe_mean_the_same() -> None:
    """KRW-BTC and 1D are BTC_KRW and 1d, and have the same digest."""
    assert spec_of(symbols=["KRW-BTC"], timeframe="1D").digest == spec_of().digest
    assert spec_of(timeframe="1M").digest == spec_of(timeframe="1m").digest  # the legacy web client's minute


def test_the_digest_depends_on_values_not_on_what_was_left_out() -> None:
    """An explicit default changes nothing; another value does."""
    assert spec_of(params={"volume_window": 10}).digest == spec_of().digest
    assert spec_of(params={"volume_window": 11}).digest != spec_of().digest
    assert spec_of(position_size=1.0, initial_cash=10_000_000).digest == spec_of().digest
    assert spec_of(max_positions=4, position_size=0.25).digest == spec_of(max_positions=4).digest


def test_the_default_time_zone_is_absent_from_a_spec() -> None:
    """Digests of specs that were stored before there was a choice stay as they were; another zone is another spec."""
    assert "timezone" not in spec_of(timezone="Asia/Seoul").model_dump(mode="json")
    assert spec_of(timezone="Asia/Seoul").digest == spec_of().digest != spec_of(timezone="UTC").digest
    stored = spec_of(timezone="UTC").model_dump(mode="json")
    assert resolve(parse_request(complete_stored_spec(stored)), load_registry()).timezone == "UTC"


def test_stops_and_sizing_are_those_of_the_engine() -> None:
    """By default a single account spends all of its equity, a shared one an equal part per position."""
    spec = spec_of(stop_loss=0.05, trailing_stop=0.1, min_order=5000, tick_sizes="upbit")
    assert spec.stops == Stops(stop_loss=0.05, trailing_stop=0.1)
    assert spec.sizing == Sizing(1.0, 10_000_000.0, 5_000.0)
    assert spec.costs_of("BTC_KRW") == Costs(0.001, 0.0002, tick_table("BTC_KRW"))
    assert spec.shared is None
    assert spec_of(max_positions=4).shared == SharedRules(0.25, max_positions=4)
    assert spec_of(fill="signal_close").sizing == Sizing()


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"symbols": []}, "symbols", "at least 1"),
        ({"symbols": ["../../etc/passwd"]}, "symbols", "is not a market"),
        ({"symbols": ["BTC_KRW", "KRW-BTC"]}, "symbols", "named more than once: BTC_KRW"),
        ({"symbols": ["A_KRW"] * 501}, "symbols", "at most 500"),
        ({"symbols": "BTC_KRW"}, "symbols", 'must be a list of markets, such as ["BTC_KRW"]'),
        ({"start_date": "2025-01-01"}, "end_date", "2024-12-31 is before start_date 2025-01-01"),
        ({"start_date": "2024-W01-1"}, "start_date", "write YYYY-MM-DD"),
        ({"start_date": "0001-01-01"}, "start_date", "0001-01-01 is not between 1970-01-02 and 2261-12-31"),
        ({"end_date": "9999-12-31"}, "end_date", "is not between"),
        ({"fee_rate": "0.01"}, "fee_rate", "valid number"),
        ({"params": dict.fromkeys(map(str, range(101)))}, "params", "at most 100"),
        ({"start_date": "2024-02-30"}, "start_date", "'2024-02-30' is not a day"),
        ({"start_date": 20240101}, "start_date", "write YYYY-MM-DD"),
        ({"end_date": "2024-12-31T00:00:00"}, "end_date", "write YYYY-MM-DD"),
        ({"timeframe": "2d"}, "timeframe", "choose one of 1m"),
        ({"fill": "magic"}, "fill", "next_open"),
        ({"fee_rate": 0.2}, "fee_rate", "less than or equal to 0.1, not 0.2"),
        ({"stop_loss": 1.0}, "stop_loss", "less than or equal to 0.999999, not 1.0"),
        ({"take_profit": 0}, "take_profit", "greater than or equal to 0.000001"),
        ({"trailing_stop": -0.1}, "trailing_stop", "greater than or equal to 0.000001"),
        ({"position_size": 1.5}, "position_size", "less than or equal to 1"),
        ({"max_positions": 0}, "max_positions", "greater than or equal to 1"),
        ({"position_size": 5e-324}, "position_size", "greater than or equal to 0.000001"),
        ({"initial_cash": 0}, "initial_cash", "greater than or equal to 0.00000001"),
        ({"initial_cash": 5e-324}, "initial_cash", "greater than or equal to 0.00000001"),
        ({"initial_cash": 1e16}, "initial_cash", "less than or equal to 1000000000000000"),
        ({"min_order": 1e16}, "min_order", "less than or equal to 1000000000000000"),
        ({"timezone": "KST"}, "timezone", "'KST' is not a time zone (did you mean 'Asia/Seoul'?)"),
        ({"tick_sizes": "krx"}, "tick_sizes", "'none' or 'upbit', not 'krx'"),
        ({"fill": "signal_close", "max_positions": 2}, "max_positions", "without an account"),
        ({"fill": "signal_close", "min_order": 5000}, "min_order", "without an account"),
        ({"slippage_rate": float("nan")}, "slippage_rate", "finite"),
        ({"leverage": 3}, "leverage", "is not a field of this request"),
        ({"stoploss": 3}, "stoploss", "is not a field of this request (did you mean 'stop_loss'?)"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str, message: str) -> None:
    """Every validation rule names its field and the problem."""
    with pytest.raises(InvalidSpec) as caught:
        parse_request({**REQUEST, **fields})
    assert [problem.field for problem in caught.value.problems] == [field]
    assert message in caught.value.problems[0].message


def test_every_wrong_field_is_named_at_once() -> None:
    """All invalid fields are reported at once."""
    with pytest.raises(InvalidSpec) as caught:
        parse_request({"strategy": "x", "symbols": ["?"], "start_date": "soon"})
    assert {problem.field for problem in caught.value.problems} == {"symbols", "start_date", "end_date"}


def test_an_unknown_strategy_is_answered_with_the_nearest() -> None:
    """The error suggests the closest name."""
    with pytest.raises(UnknownStrategy, match="did you mean 'volume_zone_breakout'"):
        spec_of(strategy="volume_zone_brekout")


def test_wrong_params_are_named() -> None:
    """Params are validated against the strategy's schema."""
    with pytest.raises(InvalidParams) as caught:
        spec_of(params={"volume_window": 0, "windw": 1})
    assert {problem.field for problem in caught.value.problems} == {"params.volume_window", "params.windw"}
