"""Candles written for other people, and read back."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.files import read_candle_file, write_candle_file
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandleFile, StorageFailed

EVER = (date.min, date.max)


def awkward(hourly: Timeframe) -> pd.DataFrame:
    """Candles whose floats need all their digits, and very small and large ones."""
    frame = synthetic_candles(1, hourly, date(2023, 12, 30), 100)
    prices = ["open", "high", "low", "close"]
    frame[prices] *= np.where(np.arange(100) % 2, 1 / 3e12, 1e7 / 3)[:, None]
    frame["volume"] = np.nextafter(frame["volume"] / 3e5, np.inf)
    return frame


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".CSV"])
def test_what_is_written_is_read_back_bit_for_bit(
    catalog: CandleCatalog, hourly: Timeframe, tmp_path: Path, suffix: str
) -> None:
    """Export and import bring the same candles, without being told a zone."""
    catalog.merge("BTC_KRW", hourly, awkward(hourly))
    bars, path = catalog.read("BTC_KRW", hourly, *EVER), tmp_path / f"btc{suffix}"
    write_candle_file(path, bars)
    other = CandleCatalog(tmp_path / "other")
    other.merge("BTC_KRW", hourly, read_candle_file(path, tz=None))
    again = other.read("BTC_KRW", hourly, *EVER)
    for name in ("time", "open", "high", "low", "close", "volume"):
        assert getattr(again, name).tobytes() == getattr(bars, name).tobytes()
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == [path.name]


def test_a_csv_is_plain(tmp_path: Path) -> None:
    """The header, times with their zone, and floats with the fewest digits."""
    figures = [np.array([value]) for value in (0.1, 3e7, 1e-7, 1 / 3, 1 / 3)]
    bars = Bars(np.array([1_704_067_200_000_000_000]), *figures)
    write_candle_file(tmp_path / "one.csv", bars)
    header, row = (tmp_path / "one.csv").read_text().splitlines()
    assert header.replace('"', "") == "timestamp,open,high,low,close,volume"
    stamp, *written = row.split(",")
    assert stamp == "2024-01-01T00:00:00Z"
    assert list(map(float, written)) == [0.1, 3e7, 1e-7, 1 / 3, 1 / 3]
    assert written[3] == "0.3333333333333333"


def test_a_file_that_is_there_is_kept(catalog: CandleCatalog, hourly: Timeframe, tmp_path: Path) -> None:
    """It is replaced with force only."""
    catalog.merge("BTC_KRW", hourly, awkward(hourly))
    bars, path = catalog.read("BTC_KRW", hourly, *EVER), tmp_path / "btc.csv"
    path.write_text("mine")
    with pytest.raises(InvalidCandleFile, match=r"is there already; .* --force"):
        write_candle_file(path, bars)
    assert path.read_text() == "mine"
    write_candle_file(path, bars, force=True)
    assert len(path.read_text().splitlines()) == 101


def test_other_formats_and_missing_folders_are_refused(
    catalog: CandleCatalog, hourly: Timeframe, tmp_path: Path
) -> None:
    """The error says which formats there are, or what is wrong with the place."""
    catalog.merge("BTC_KRW", hourly, awkward(hourly))
    bars = catalog.read("BTC_KRW", hourly, *EVER)
    with pytest.raises(InvalidCandleFile, match=r"'.xlsx' is not one of .csv, .parquet, .feather"):
        write_candle_file(tmp_path / "btc.xlsx", bars)
    with pytest.raises(StorageFailed, match="No such file or directory"):
        write_candle_file(tmp_path / "nowhere" / "btc.csv", bars)
