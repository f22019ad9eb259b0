"""Markets and timeframes in the names of files and folders."""

from pathlib import Path

import pytest

from coin_pipeline.candles.imports.target import (
    symbol_in_name,
    target_symbol,
    target_timeframe,
    timeframe_in_name,
)
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidSymbol, InvalidTimeframe


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("BTCUSDT-1m-2025-01.zip", "BTC_USDT", "1m"),  # Binance Vision
        ("1000SHIBUSDT-12h-2024-01-01.csv", "1000SHIB_USDT", "12h"),
        ("BTC_USDT-5m.feather", "BTC_USDT", "5m"),  # freqtrade
        ("Binance_BTCUSDT_d.csv", "BTC_USDT", "1d"),  # CryptoDataDownload
        ("Bitstamp_BTCUSD_2023_minute.csv.gz", "BTC_USD", "1m"),
        ("UPBIT_BTCKRW, 1D.csv", "BTC_KRW", "1d"),  # TradingView
        ("BINANCE_ETHBTC, 60.csv", None, None),
        ("KRW-BTC_1d.csv", "BTC_KRW", "1d"),
        ("BTC-ETH.csv", "ETH_BTC", None),  # Upbit's form
        ("BTC-USD.csv", "BTC_USD", None),  # yfinance
        ("KRW_BTC.CSV", "BTC_KRW", None),
        ("BTC_KRW/1M/2024.parquet", "BTC_KRW", "1m"),  # a DATA_ROOT
        ("KRW-BTC/1d/2024.parquet", "BTC_KRW", "1d"),
        ("KRW-BTC_KRW-ETH_1h.csv", None, "1h"),
        ("BTC_KRW_1h_1d.csv", "BTC_KRW", None),
        ("btc.csv", None, None),
        ("WBTC.csv", None, None),
        ("USDT.csv", None, None),
        ("2024-01-01.csv", None, None),
    ],
)
def test_names_are_understood_only_if_they_are_clear(name: str, symbol: str | None, timeframe: str | None) -> None:
    """One market and one timeframe, in the forms of exchanges and of other programs."""
    found = timeframe_in_name(Path("data") / name)
    assert (symbol_in_name(Path("data") / name), found and found.name) == (symbol, timeframe)


def test_a_name_with_months_is_refused() -> None:
    """Binance Vision has monthly candles, `1mo`, and others name them 1M."""
    with pytest.raises(InvalidTimeframe, match="months are not supported"):
        timeframe_in_name(Path("BTCUSDT-1M-2024.csv"))


def test_requests_win_over_the_name_of_a_single_file() -> None:
    """Its content decides whether they fit; several files with other names are a mistake."""
    path, daily = Path("KRW-ETH_1h.csv"), parse_timeframe("1d")
    assert target_symbol(path, "BTC_KRW", None, alone=True) == "BTC_KRW"
    assert target_timeframe(path, daily, alone=True) == daily
    with pytest.raises(InvalidCandleFile, match="its name contains ETH_KRW, not BTC_KRW"):
        target_symbol(path, "BTC_KRW", None, alone=False)
    with pytest.raises(InvalidCandleFile, match="its name contains 1h, not 1d"):
        target_timeframe(path, daily, alone=False)


@pytest.mark.parametrize("content", ["KRW-ETH", "ETH/KRW", "ETHKRW", "ETH_KRW", "eth-krw"])
def test_the_content_names_the_market(content: str) -> None:
    """In any spelling; a request for another market is refused."""
    assert target_symbol(Path("a.csv"), None, content, alone=True) == "ETH_KRW"
    with pytest.raises(InvalidCandleFile, match="contains candles of ETH_KRW, not of BTC_KRW; pass --symbol ETH_KRW"):
        target_symbol(Path("a.csv"), "BTC_KRW", content, alone=True)


def test_a_coin_alone_is_not_a_market() -> None:
    """Files that name only the coin can be of any market; XBT is BTC."""
    assert target_symbol(Path("a.csv"), "BTC_KRW", "BTC", alone=True) == "BTC_KRW"
    assert target_symbol(Path("a.csv"), "BTC_USD", "XBTUSD", alone=True) == "BTC_USD"
    with pytest.raises(InvalidCandleFile, match="pass --symbol"):
        target_symbol(Path("a.csv"), None, "BTC", alone=True)
    with pytest.raises(InvalidCandleFile, match="pass --timeframe"):
        target_timeframe(Path("a.csv"), None, alone=True)


def test_a_turned_market_is_refused() -> None:
    """No exchange lists KRW in BTC."""
    with pytest.raises(InvalidSymbol, match="did you mean 'BTC_KRW'"):
        target_symbol(Path("a.csv"), "KRW_BTC", None, alone=True)
