"""What every test of the market package may ask for."""

from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import Timeframe, parse_timeframe


@pytest.fixture
def catalog(tmp_path: Path) -> CandleCatalog:
    """Return a catalogue over an empty folder."""
    return CandleCatalog(tmp_path / "data")


@pytest.fixture
def daily() -> Timeframe:
    """Return the timeframe of daily candles."""
    return parse_timeframe("1d")


@pytest.fixture
def hourly() -> Timeframe:
    """Return the timeframe of hourly candles."""
    return parse_timeframe("1h")


@pytest.fixture
def minutely() -> Timeframe:
    """Return the timeframe of candles of a minute."""
    return parse_timeframe("1m")
