"""`coin candles resample`: what it stores and what it prints."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import HOUR_NS, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidResample
from tests.candle_data import drop_rows

MINUTES, QUARTERS = parse_timeframe("1m"), parse_timeframe("15m")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleCatalog:
    """125 minutes of candles, of which the first hour was fetched and lacks one candle."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    catalog = CandleCatalog(tmp_path)
    candles = drop_rows(synthetic_candles(1, MINUTES, date(2024, 1, 1), 125), [7])
    begin = int(candles.time[0])
    catalog.merge("BTC_KRW", MINUTES, candles, fetched=[(begin, begin + HOUR_NS)], source="upbit")
    return catalog


def output_lines(*arguments: str, exit_code: int = 0) -> list[str]:
    """Run the command and return its output."""
    command = ["candles", "resample", *arguments]
    result = CliRunner().invoke(coin, command, catch_exceptions=False)
    assert result.exit_code == exit_code
    return result.output.splitlines()


def test_candles_are_merged_with_their_fetched_range(catalog: CandleCatalog) -> None:
    """The candles are stored with source and fetched range; a second run changes nothing."""
    assert output_lines("KRW-BTC", "--from", "1m", "--to", "15m") == [
        "BTC_KRW 1m to 15m: 8 complete candles, 1 incomplete dropped",
        "BTC_KRW 15m: 8 candles added, 0 replaced, 0 unchanged; 2023-12-31 15:00 to 2023-12-31 16:45 UTC",
    ]
    bars = catalog.read("BTC_KRW", QUARTERS, date(2024, 1, 1), date(2024, 1, 1))
    minutes = catalog.read("BTC_KRW", MINUTES, date(2024, 1, 1), date(2024, 1, 1))
    assert bars.volume[0] == pytest.approx(minutes.volume[:14].sum())
    np.testing.assert_array_equal(bars.open, minutes.open[[0, 14, 29, 44, 59, 74, 89, 104]])
    known = catalog.provenance("BTC_KRW", QUARTERS)
    assert (known.fetched, known.source) == (((int(bars.time[0]), int(bars.time[4])),), "upbit")
    assert "0 candles added, 0 replaced, 8 unchanged" in output_lines("BTC_KRW", "--from", "1m", "--to", "15m")[1]


def test_a_dry_run_stores_nothing(catalog: CandleCatalog) -> None:
    """The output has the counts."""
    lines = output_lines("BTC_KRW", "--from", "1m", "--to", "1h", "--dry-run")
    assert lines == ["BTC_KRW 1m to 1h: 2 complete candles, 1 incomplete dropped", "dry run: nothing was stored"]
    assert [series.timeframe for series in catalog.stored("BTC_KRW")] == [MINUTES]


def test_missing_candles_are_reported(catalog: CandleCatalog) -> None:
    """Without enough source candles the command fails and lists what is stored."""
    assert catalog
    assert output_lines("BTC_KRW", "--from", "1h", "--to", "1d", exit_code=1) == [
        "BTC_KRW 1h to 1d: 0 complete candles, 0 incomplete dropped",
        "BTC_KRW: stored: 1m 2024-01-01..2024-01-01",
    ]


def test_target_must_be_a_longer_multiple(catalog: CandleCatalog) -> None:
    """The error lists the valid timeframes."""
    assert catalog
    with pytest.raises(InvalidResample, match="choose one of 3m, 5m"):
        output_lines("BTC_KRW", "--from", "1m", "--to", "1m")
