"""Export of candles to files."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.files import write_candle_file
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import InvalidCandleFile, StorageFailed

ALWAYS = (date.min, date.max)


def awkward(hourly: Timeframe) -> OHLCV:
    """Candles whose floats need all their digits, including very small and large ones."""
    time, *prices, volume = synthetic_candles(1, hourly, date(2023, 12, 30), 100)
    factor = np.where(np.arange(100) % 2, 1 / 3e12, 1e7 / 3)
    return OHLCV(time, *(price * factor for price in prices), volume=np.nextafter(volume / 3e5, np.inf))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".CSV"])
def test_a_round_trip_is_exact(catalog: CandleCatalog, hourly: Timeframe, tmp_path: Path, suffix: str) -> None:
    """Export and import give the same candles without a time zone argument."""
    catalog.merge("BTC_KRW", hourly, awkward(hourly))
    candles, path = catalog.load("BTC_KRW", hourly, *ALWAYS).candles, tmp_path / f"btc{suffix}"
    write_candle_file(path, candles)
    other = CandleCatalog(tmp_path / "other")
    other.merge("BTC_KRW", hourly, read_candle_file(path).candles)
    again = other.load("BTC_KRW", hourly, *ALWAYS).candles
    assert [column.tobytes() for column in again] == [column.tobytes() for column in candles]
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [path.name]


def test_the_format_of_a_csv(tmp_path: Path) -> None:
    """A header, times with their zone, and the shortest exact floats."""
    figures = [np.array([value]) for value in (0.1, 3e7, 1e-7, 1 / 3, 1 / 3)]
    write_candle_file(tmp_path / "one.csv", OHLCV(np.array([1_704_067_200_000_000_000]), *figures))
    header, row = (tmp_path / "one.csv").read_text().splitlines()
    assert header.replace('"', "") == "timestamp,open,high,low,close,volume"
    stamp, *written = row.split(",")
    assert stamp == "2024-01-01T00:00:00Z"
    assert list(map(float, written)) == [0.1, 3e7, 1e-7, 1 / 3, 1 / 3]
    assert written[3] == "0.3333333333333333"


def test_an_existing_file_is_kept(hourly: Timeframe, tmp_path: Path) -> None:
    """It is replaced only with force."""
    candles, path = awkward(hourly), tmp_path / "btc.csv"
    path.write_text("existing")
    with pytest.raises(InvalidCandleFile, match=r"already exists; .* --force"):
        write_candle_file(path, candles)
    assert path.read_text() == "existing"
    write_candle_file(path, candles, force=True)
    assert len(path.read_text().splitlines()) == 101


def test_other_formats_and_missing_folders_are_rejected(hourly: Timeframe, tmp_path: Path) -> None:
    """The error lists the formats, or what is wrong with the path."""
    candles = awkward(hourly)
    with pytest.raises(InvalidCandleFile, match=r"'.xlsx' is not one of .csv, .parquet, .feather"):
        write_candle_file(tmp_path / "btc.xlsx", candles)
    with pytest.raises(StorageFailed, match="No such file or directory"):
        write_candle_file(tmp_path / "nowhere" / "btc.csv", candles)
