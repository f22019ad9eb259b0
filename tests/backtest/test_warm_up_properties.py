"""Properties of the warm-up: which candles are read, and which decisions follow from them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.earlier_candles import EarlierCandles
from coin_pipeline.backtest.memory_candles import MemoryCandles
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import day_range, parse_timeframe
from coin_pipeline.engine.bars import Bars
from coin_pipeline.strategies.registry import load_registry

REGISTRY = load_registry()
FIRST = date(2024, 1, 1)
TIMEFRAMES = st.sampled_from(["1h", "4h", "1d", "1w"])


def held(seed: int, timeframe: str, bars: int, kept: float) -> Bars:
    """Return generated candles of which a random part is missing, one at least remaining."""
    candles = synthetic_candles(seed, parse_timeframe(timeframe), FIRST, bars)
    keep = np.random.default_rng(seed).random(bars) < kept
    keep[0] = True
    return Bars(*candles.rows(keep))


def spec_of(timeframe: str, start: date, strategy: str = "volume_zone_breakout", **fields: Any) -> BacktestSpec:  # noqa: ANN401 -- fields of a request
    """A spec from a day to the end of all candles, whatever is missing."""
    days = {"start_date": start.isoformat(), "end_date": "2100-12-31"}
    request = {"strategy": strategy, "symbols": ["AAA_KRW"], "timeframe": timeframe, "min_coverage": 0.0, **days}
    return resolve(parse_request({**request, **fields}), REGISTRY)


@given(
    seed=st.integers(0, 2**31),
    timeframe=TIMEFRAMES,
    days=st.integers(-3, 500),
    counts=st.lists(st.integers(0, 400), min_size=1, max_size=4),
    kept=st.sampled_from([1.0, 0.9, 0.1]),
)
def test_the_last_candles_before_the_range_are_read(
    seed: int, timeframe: str, days: int, counts: list[int], kept: float
) -> None:
    """Whatever is missing and in whichever order numbers are requested."""
    bars, start = held(seed, timeframe, 300, kept), FIRST + timedelta(days)
    earlier = EarlierCandles(MemoryCandles({"AAA_KRW": bars}), spec_of(timeframe, start), "AAA_KRW")
    before = bars.time[bars.time < day_range(start, start)[0]]
    for count in counts:
        assert earlier.last(count).time.tolist() == before[max(0, len(before) - count) :].tolist()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    timeframe=st.sampled_from(["4h", "1d"]),
    row=st.integers(60, 250),
    window=st.integers(1, 50),
    kept=st.sampled_from([1.0, 0.9]),
    strategy=st.sampled_from(["volume_zone_breakout", "volume_long_candle"]),
)
def test_decisions_are_those_of_a_longer_run(
    seed: int, timeframe: str, row: int, window: int, kept: float, strategy: str
) -> None:
    """Built-in strategies decide as in a run that begins with the first candle, if enough candles are stored."""
    bars = held(seed, timeframe, 400, kept)
    source, start = MemoryCandles({"AAA_KRW": bars}), datetime.fromtimestamp(int(bars.time[row]) / 1e9, UTC).date()
    zone = strategy == "volume_zone_breakout"
    params = {"volume_window": window} if zone else {"vol_ma_window": window, "body_pct": 0.001}
    warm, whole = (
        runner.run_backtest(spec_of(timeframe, day, strategy, params=params, **fields), source, REGISTRY).document
        for day, fields in ((start, {}), (FIRST, {"warm_up": "none"}))
    )
    first = warm["symbols"][0]["candles"]["first"]
    assert signals_of(warm) == [time for time in signals_of(whole) if time >= first]


def signals_of(document: dict[str, Any]) -> list[str]:
    """Return the times of all signals."""
    (part,) = document["symbols"]
    return [signal["timestamp"] for signal in [*part["signals"], *part["unfilled_signals"]]]
