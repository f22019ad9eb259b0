"""Fixtures of the candle tests."""

from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import Timeframe, parse_timeframe


@pytest.fixture
def catalog(tmp_path: Path) -> CandleCatalog:
    """A catalog over an empty folder."""
    return CandleCatalog(tmp_path / "data")


@pytest.fixture
def daily() -> Timeframe:
    """The timeframe 1d."""
    return parse_timeframe("1d")


@pytest.fixture
def hourly() -> Timeframe:
    """The timeframe 1h."""
    return parse_timeframe("1h")


@pytest.fixture
def minutely() -> Timeframe:
    """The timeframe 1m."""
    return parse_timeframe("1m")
