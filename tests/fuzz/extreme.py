"""Hypothesis strategies for candles and requests that are valid but as extreme as the rules allow."""

from datetime import date
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.candles.timeframe import day_range, parse_timeframe
from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE, Bars
from coin_pipeline.sweeps.request import Objective

PRICES = st.one_of(
    st.floats(MIN_PRICE, MAX_PRICE),
    st.sampled_from([MIN_PRICE, MAX_PRICE, 1e-8, 0.1, 1.0, 100.0, 1 + 2**-52, 1e8]),
)
VOLUMES = st.one_of(st.floats(0, MAX_VOLUME), st.sampled_from([0.0, 5e-324, 1e-320, 1.0, MAX_VOLUME]))


@st.composite
def bars(draw: st.DrawFn, first: date, timeframe: str, most: int = 60) -> Bars:
    """Candles of one market from a day on: a few prices and volumes that repeat, and gaps."""
    length = parse_timeframe(timeframe).ns
    n = draw(st.integers(1, most))
    prices = draw(st.lists(PRICES, min_size=1, max_size=6))
    volumes = draw(st.lists(VOLUMES, min_size=1, max_size=6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = np.sort(random.choice(prices, (n, 4)), axis=1)
    flip = random.random(n) < 0.5
    opens, closes = np.where(flip, corners[:, 1], corners[:, 2]), np.where(flip, corners[:, 2], corners[:, 1])
    gaps = np.where(random.random(n) < draw(st.sampled_from([0.0, 0.1])), random.integers(1, 50, n), 0)
    time = day_range(first, first)[0] + length * (np.arange(n) + np.cumsum(gaps))
    columns = opens, corners[:, 3], corners[:, 0], closes, random.choice(volumes, n)
    return Bars(time.astype(np.int64), *(np.ascontiguousarray(column, np.float64) for column in columns))


def _fractions(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.floats(low, high), st.sampled_from([low, high]))


STRATEGIES = {
    "volume_long_candle": st.fixed_dictionaries(
        {},
        optional={
            "vol_ma_window": st.integers(1, 500),
            "vol_multiplier": _fractions(5e-324, 10),
            "body_pct": _fractions(5e-324, 1),
            "hold_period_bars": st.integers(1, 1000),
        },
    ),
    "volume_zone_breakout": st.fixed_dictionaries(
        {},
        optional={
            "volume_window": st.integers(1, 500) | st.integers(1, 5),
            "top_percentile": _fractions(5e-324, 1),
            "breakout_buffer": _fractions(0, 1),
            "hold_period_bars": st.integers(1, 1000) | st.integers(1, 3),
            "num_bins": st.integers(1, 200),
            "include_wicks": st.booleans(),
        },
    ),
}
"""Valid parameters of each built-in strategy."""


def numbers_of(name: str) -> st.SearchStrategy[float | None]:
    """Valid values of a numeric field of a backtest, its bounds above all."""
    schema = BacktestRequest.model_json_schema()["properties"][name]
    options = [option for option in schema.get("anyOf", [schema]) if option["type"] == "number"]
    low = options[0].get("minimum", options[0].get("exclusiveMinimum", 0) or 5e-324)
    high = options[0].get("maximum", np.nextafter(options[0].get("exclusiveMaximum", 1), 0))
    return _fractions(float(low), float(high))


NUMBERS = (
    "fee_rate",
    "slippage_rate",
    "stop_loss",
    "take_profit",
    "trailing_stop",
    "position_size",
    "initial_cash",
    "min_order",
    "min_coverage",
)


@st.composite
def backtests(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Bars]]:
    """The fields of a valid backtest, and the candles of its symbols."""
    symbols = draw(st.sampled_from([["A_KRW"], ["B_BTC"], ["C_USDT"], ["D_KRW", "E_KRW"], ["D_KRW", "B_BTC"]]))
    strategy = draw(st.sampled_from(sorted(STRATEGIES)))
    timeframe = draw(st.sampled_from(["1m", "1h", "1d", "1w"]))
    first = draw(st.sampled_from([date(1970, 1, 2), date(2024, 1, 1), date(2250, 1, 1)]))
    fields: dict[str, Any] = {
        "strategy": strategy,
        "params": draw(STRATEGIES[strategy]),
        "symbols": symbols,
        "start_date": str(draw(st.sampled_from([date(1970, 1, 2), first]))),
        "end_date": "2261-12-31",
        "timeframe": timeframe,
        **draw(st.fixed_dictionaries({}, optional={name: numbers_of(name) for name in NUMBERS})),
        **draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "fill": st.sampled_from(["next_open", "signal_close"]),
                    "max_positions": st.integers(1, 500),
                    "tick_sizes": st.sampled_from(["none", "upbit"]),
                    "warm_up": st.sampled_from(["auto", "none"]),
                    "timezone": st.sampled_from(["UTC", "Asia/Seoul", "Pacific/Kiritimati", "Etc/GMT+12"]),
                },
            )
        ),
    }
    fields["min_coverage"] = 0.0
    if fields.get("fill") == "signal_close":
        for name in ("position_size", "max_positions", "min_order"):
            fields.pop(name, None)
    return fields, {symbol: draw(bars(first, timeframe)) for symbol in symbols}


SPACES = {
    "volume_long_candle": {"vol_multiplier": _fractions(5e-324, 10), "hold_period_bars": st.integers(1, 1000)},
    "volume_zone_breakout": {"volume_window": st.integers(1, 500), "breakout_buffer": _fractions(0, 1)},
}


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Bars]]:
    """The fields of a valid sweep of a few points, and the candles of its symbols."""
    fields, candles = draw(backtests())
    fields.pop("max_positions", None)
    swept = {
        **SPACES[fields["strategy"]],
        "stop_loss": numbers_of("stop_loss"),
        "take_profit": numbers_of("take_profit"),
    }
    names = draw(st.lists(st.sampled_from(sorted(swept)), min_size=1, max_size=2, unique=True))
    space = {name: draw(st.lists(swept[name], min_size=1, max_size=3, unique=True)) for name in names}
    fields["params"] = {name: value for name, value in fields["params"].items() if name not in names}
    fields = {name: value for name, value in fields.items() if name not in names}
    objective = draw(st.sampled_from(get_args(Objective)))
    return {**fields, "space": space, "objective": objective}, candles
