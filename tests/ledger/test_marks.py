"""Prices of markets from stored candles."""

import sys
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import TIMEFRAMES, day_range
from coin_pipeline.candles.year_files.folder import FolderPlace
from coin_pipeline.errors import InvalidCandleFile, NoPrice
from coin_pipeline.ledger.accounting import Holding, Side
from coin_pipeline.ledger.marks import CandleMarks, price_of
from coin_pipeline.ledger.records import Position
from coin_pipeline.ledger.valuation import value_positions
from tests.forking import forking

Store = Callable[[str, date, int], float]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Store candles of BTC_KRW: their timeframe, first day and number; returns the last close."""

    def merge(timeframe: str, first: date, bars: int) -> float:
        candles = synthetic_candles(bars, TIMEFRAMES[timeframe], first, bars)
        CandleCatalog(tmp_path).merge("BTC_KRW", TIMEFRAMES[timeframe], candles)
        return float(candles.close[-1])

    return merge


def test_the_newest_close_of_all_timeframes(store: Store, tmp_path: Path) -> None:
    """A candle that is stored later counts at once, whichever file or folder it is in."""
    marks = CandleMarks(FolderPlace(tmp_path))
    assert marks.newest("BTC_KRW") is None
    for timeframe, first in (("1h", date(2024, 3, 1)), ("1d", date(2023, 6, 1)), ("1m", date(2024, 3, 2))):
        close = store(timeframe, first, 10)
        newest = marks.newest("BTC_KRW")
        assert newest is not None
        assert (newest.price == price_of(close)) == (timeframe != "1d")
    assert newest.time == datetime(2024, 3, 1, 15, 10, tzinfo=UTC)  # days start in Seoul
    close = store("1m", date(2024, 3, 2), 30)
    newest = marks.newest("BTC_KRW")
    assert newest is not None
    assert newest.price == price_of(close)


def test_an_unfinished_candle_does_not_count(store: Store, tmp_path: Path) -> None:
    """The legacy platform stored the candle of the current day."""
    store("1d", date(2024, 3, 1), 3)
    second_closes = day_range(date(2024, 3, 2), date(2024, 3, 2))[1]
    newest = CandleMarks(FolderPlace(tmp_path), lambda: second_closes + 9 * 3_600 * 10**9).newest("BTC_KRW")
    assert newest is not None
    assert newest.time == datetime(2024, 3, 3, tzinfo=UTC)


def test_a_stored_candle_counts_once_it_has_finished(store: Store, tmp_path: Path) -> None:
    """Although its file has not changed since it was read."""
    store("1d", date(2024, 3, 1), 3)
    now = datetime(2024, 3, 1, 23, tzinfo=UTC)
    marks = CandleMarks(FolderPlace(tmp_path), lambda: int(now.timestamp()) * 10**9)
    closed = []
    for _ in range(4):
        newest = marks.newest("BTC_KRW")
        closed.append(newest and newest.time and newest.time.day)
        now += timedelta(days=1)
    assert closed == [None, 2, 3, 4]


def test_a_market_without_candles_suggests_a_stored_one(store: Store, tmp_path: Path) -> None:
    """The message names the field to send."""
    store("1d", date(2024, 3, 1), 3)
    with pytest.raises(NoPrice, match=r"^entry_price: is missing.*did you mean 'BTC_KRW'\?"):
        CandleMarks(FolderPlace(tmp_path)).require("BTC_KRX", "entry_price")


def test_a_damaged_file_does_not_hide_positions(store: Store, tmp_path: Path) -> None:
    """An order at the market fails; a list values the position at its entries, with a warning."""
    store("1d", date(2024, 3, 1), 3)
    (file,) = (tmp_path / "BTC_KRW/1D").glob("*.parquet")
    file.write_bytes(b"PAR1")
    marks, now = CandleMarks(FolderPlace(tmp_path)), datetime.now(UTC)
    with pytest.raises(InvalidCandleFile):
        marks.require("BTC_KRW", "entry_price")
    holding = Holding(Side.BUY, Decimal(3), Decimal(100), Decimal(1), Decimal(2))
    position = Position(uuid.uuid4(), "paper", "BTC_KRW", holding, 1, now, None)
    valuation = value_positions([position], marks, {})
    assert valuation.positions[0].mark.source == "entry_price"
    assert valuation.positions[0].unrealized.net == -3
    assert "BTC_KRW is valued at its entry price: BTC_KRW/1D/2024.parquet" in valuation.warnings[0]


def value_twice(root: Path) -> None:
    """Exit with what the second valuation of a market opens or lists."""
    marks, events = CandleMarks(FolderPlace(root)), list[str]()
    marks.newest("BTC_KRW")
    sys.addaudithook(lambda event, _: events.append(event))
    marks.newest("BTC_KRW")
    sys.exit(", ".join(event for event in events if event in {"open", "os.listdir", "os.scandir"}) or None)


def test_a_known_price_opens_and_lists_nothing(store: Store, tmp_path: Path) -> None:
    """Lists of positions value hundreds of markets; each one costs the state of a few files."""
    store("1d", date(2024, 3, 1), 3)
    process = forking().Process(target=value_twice, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0
