"""Summaries of year files that are kept: each footer is read once while the file stays as it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.backtest.preflight import require_candles
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe
from coin_pipeline.candles.year_files.folder import FolderPlace
from coin_pipeline.candles.year_files.places import OpenedFile, Series, YearFile
from coin_pipeline.errors import DamagedCandleFile
from coin_pipeline.strategies.registry import load_registry

DAILY = TIMEFRAMES["1d"]
FILE = "BTC_KRW/1D/2024.parquet"
LONG_AGO = 1_700_000_000


@dataclass(frozen=True)
class RecordedFile:
    """A year file that records when it is opened."""

    file: YearFile
    opened: list[str] = field(compare=False)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- of the file
        """Return what the file has."""
        return getattr(self.file, name)

    @contextmanager
    def open(self) -> Iterator[OpenedFile]:
        """Record and open."""
        self.opened.append(self.file.name)
        with self.file.open() as opened:
            yield opened


@dataclass
class RecordedSeries:
    """A series of recorded files."""

    series: Series
    opened: list[str]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- of the series
        """Return what the series has."""
        return getattr(self.series, name)

    def files(self) -> list[RecordedFile]:
        """Return the files."""
        return [RecordedFile(file, self.opened) for file in self.series.files()]


class RecordedPlace(FolderPlace):
    """A folder that records which files are opened."""

    def __init__(self, root: Path, opened: list[str]) -> None:
        super().__init__(root)
        self.opened = opened

    def series(self, symbol: str, timeframe: Timeframe) -> Any:  # noqa: ANN401 -- a Series, apart from open
        """Return a series that records."""
        return RecordedSeries(super().series(symbol, timeframe), self.opened)


@pytest.fixture
def opened() -> list[str]:
    """The files that were opened, in order."""
    return []


@pytest.fixture
def recorded(tmp_path: Path, opened: list[str]) -> CandleCatalog:
    """A catalog that records which of its files are opened: ten days, stored long ago."""
    CandleCatalog(tmp_path).merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, date(2024, 2, 1), 10))
    os.utime(tmp_path / FILE, (LONG_AGO, LONG_AGO))
    return CandleCatalog(tmp_path, RecordedPlace(tmp_path, opened))


def rows(catalog: CandleCatalog) -> int:
    """Return the number of candles in the summary."""
    (series,) = catalog.stored("BTC_KRW", DAILY)
    return series.rows


def test_two_preflights_read_a_footer_once(recorded: CandleCatalog, opened: list[str]) -> None:
    """A command checks before it starts its run, and the run checks again with a catalog of its own."""
    days = {"start_date": "2024-02-01", "end_date": "2024-02-09"}
    request = {"strategy": "volume_zone_breakout", "symbols": ["BTC_KRW"], **days}
    spec = resolve(parse_request(request), load_registry())
    for catalog in (recorded, CandleCatalog(recorded.root, RecordedPlace(recorded.root, opened))):
        require_candles(catalog, spec)
    assert opened == [FILE]


def test_a_replaced_file_is_read_again(recorded: CandleCatalog, opened: list[str]) -> None:
    """Even if the new one has the old times."""
    assert rows(recorded) == 10
    CandleCatalog(recorded.root).merge("BTC_KRW", DAILY, synthetic_candles(1, DAILY, date(2024, 2, 11), 5))
    os.utime(recorded.root / FILE, (LONG_AGO, LONG_AGO))
    assert rows(recorded) == 15
    assert opened == [FILE, FILE]


def test_a_file_that_was_just_written_is_not_kept(recorded: CandleCatalog, opened: list[str]) -> None:
    """Another write could leave the same time stamp."""
    os.utime(recorded.root / FILE)
    assert [rows(recorded), rows(recorded)] == [10, 10]
    assert opened == [FILE, FILE]


def test_a_file_that_cannot_be_read_is_reported_each_time(recorded: CandleCatalog, opened: list[str]) -> None:
    """An error is not kept."""
    (recorded.root / FILE).write_bytes(b"no candles")
    os.utime(recorded.root / FILE, (LONG_AGO, LONG_AGO))
    for _ in range(2):
        with pytest.raises(DamagedCandleFile):
            rows(recorded)
    assert opened == [FILE, FILE]
