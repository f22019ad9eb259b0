"""Refresh requests and their defaults."""

from datetime import date

import pytest

from coin_pipeline.candles.refresh_spec import RefreshRequest, parse_refresh, resolve_refresh
from coin_pipeline.errors import InvalidSettings, InvalidSpec
from coin_pipeline.settings import load_settings


def test_defaults_are_the_daily_series() -> None:
    """Nine Upbit markets and five timeframes by canonical name; given fields are kept."""
    spec = resolve_refresh(RefreshRequest(), load_settings())
    assert spec.symbols[:2] == ("BTC_KRW", "ETH_KRW")
    assert (len(spec.symbols), spec.timeframes) == (9, ("1m", "5m", "1h", "1d", "1w"))
    assert (spec.exchange, spec.start, spec.end, len(spec.series)) == ("upbit", None, None, 45)
    own = resolve_refresh(parse_refresh({"symbols": ["KRW-XRP"], "start": "2024-01-01"}), load_settings())
    assert (own.symbols, own.start, own.timeframes) == (("XRP_KRW",), date(2024, 1, 1), spec.timeframes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"symbols": ["../x"]}, r"symbols: '../x' is not a market; write BTC_KRW or KRW-BTC"),
        ({"symbols": []}, "symbols: .* at least 1 item"),
        ({"symbols": "BTC_KRW"}, r'symbols: must be a list of markets, such as \["BTC_KRW"\]'),
        ({"symbols": ["BTC_KRW", "KRW-BTC"]}, "symbols: named more than once: BTC_KRW"),
        ({"timeframes": ["1d", "1D"]}, "timeframes: named more than once: 1d"),
        ({"timeframes": ["2d"]}, "timeframes.0: '2d' is not a timeframe; choose one of 1m, 3m"),
        ({"timeframes": ["1M"]}, r"timeframes.0: '1M' is not a timeframe \(1m is 1 min; months are not supported\)"),
        ({"timeframes": ["1d", "6h"]}, "exchange: '6h' is not a timeframe of upbit; fetch 1h, from"),
        ({"symbols": ["BTC-USDT"]}, r"symbols: 'BTC-USDT' is not a market \(did you mean 'BTC_USDT'"),
        ({"start": "2024-01-02", "end": "2024-01-01"}, "end: 2024-01-01 is before start 2024-01-02"),
        ({"end": "2024-01-01"}, "end: requires a start; give the first day too"),
        ({"start": "2200-01-01"}, "start: 2200-01-01 is in the future .today is 20"),
        ({"start": "1.1.2024"}, "start: '1.1.2024' is not a day; write YYYY-MM-DD"),
        ({"symbol": ["BTC_KRW"]}, r"symbol: is not a field of this request \(did you mean 'symbols'\?\)"),
    ],
)
def test_an_invalid_field_is_named_with_its_value(fields: dict[str, object], message: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(InvalidSpec, match=message):
        parse_refresh(fields)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SCHEDULER_SYMBOLS", "KRW-BTC,btc", "SCHEDULER_SYMBOLS: 'btc' is not a market; write BTC_KRW or KRW-BTC"),
        ("SCHEDULER_TIMEFRAMES", "1d,2h", "SCHEDULER_TIMEFRAMES: '2h' is not a timeframe of upbit; fetch 1h"),
        ("SCHEDULER_TIMEFRAMES", "1d,1M", "SCHEDULER_TIMEFRAMES: '1M' is not a timeframe .*months are not supported"),
        ("SCHEDULER_TIMEFRAMES", "1m;5m", "SCHEDULER_TIMEFRAMES: '1m;5m' is not a timeframe; choose one of 1m, 3m"),
    ],
)
def test_invalid_settings_are_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str) -> None:
    """With the value and what to write."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings, match=message):
        resolve_refresh(RefreshRequest(), load_settings())
