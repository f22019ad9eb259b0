"""The coverage calendar: candles of a stored series by month, and its longest gaps."""

from datetime import date

import numpy as np
import pytest

from coin_pipeline.candles.audit.calendar import CoverageCalendar, coverage_calendar
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, Timeframe, day_range
from coin_pipeline.errors import CandlesNotFound

START = date(2023, 12, 1)


def store(
    catalog: CandleCatalog, timeframe: Timeframe, bars: int, missing: slice, fetched: list[Interval]
) -> CoverageCalendar:
    """Store candles from START without some rows, and return their calendar."""
    candles = synthetic_candles(1, timeframe, START, bars)
    kept = np.ones(bars, bool)
    kept[missing] = False
    catalog.merge("BTC_KRW", timeframe, candles.rows(kept), fetched=fetched, source="upbit" if fetched else None)
    return coverage_calendar(catalog, "BTC_KRW", timeframe)


def test_months_have_their_candles_and_cover_whole_years(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A series of two months in two years has 24 months, 22 of them empty."""
    months = store(catalog, daily, 31 + 20, slice(0), []).months
    assert [(m.year, m.month) for m in months] == [(year, month) for year in (2023, 2024) for month in range(1, 13)]
    assert {(m.year, m.month): m.present for m in months if m.expected} == {(2023, 12): 31, (2024, 1): 20}


def test_missing_candles_are_split_by_whether_they_were_fetched(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Of ten missing days, the exchange was asked for the first four."""
    fetched = day_range(START, date(2023, 12, 15))  # the candle of the 14th closes at 9:00 on the 15th
    calendar = store(catalog, daily, 31, slice(10, 20), [fetched])
    (december,) = (month for month in calendar.months if month.expected)
    assert december[2:] == (21, 4, 6)
    ((start, end, missing, not_fetched),) = calendar.gaps
    assert (start, (end - start) // DAY_NS) == (day_range(date(2023, 12, 11), START)[0] + 9 * HOUR_NS, 10)
    assert (missing, not_fetched, calendar.gaps[0].kind) == (10, 6, "partly_fetched")


def test_a_year_of_which_only_the_last_close_is_part_is_left_out(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The candle of December 31st closes at 9:00 on New Year's Day in Seoul."""
    assert {month.year for month in store(catalog, daily, 31, slice(0), []).months} == {2023}


def test_a_gap_across_the_new_year_is_one_gap(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Candles are stored by year, gaps are not."""
    calendar = store(catalog, daily, 90, slice(21, 41), [])
    assert [(gap.missing, gap.kind) for gap in calendar.gaps] == [(20, "not_fetched")]
    assert calendar.gap_count == 1
    assert {(m.year, m.month): m.not_fetched for m in calendar.months if m.not_fetched} == {
        (2023, 12): 10,
        (2024, 1): 10,
    }


def test_the_longest_gap_comes_first(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Gaps of one, three and two days are listed by length."""
    candles = synthetic_candles(1, daily, START, 31)
    catalog.merge("BTC_KRW", daily, candles.rows(~np.isin(np.arange(31), [3, 10, 11, 12, 20, 21])))
    calendar = coverage_calendar(catalog, "BTC_KRW", daily)
    assert [gap.missing for gap in calendar.gaps] == [3, 2, 1]


def test_the_totals_are_those_of_the_audit(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """The audit, which reads every value, counts the same candles."""
    fetched = day_range(START, date(2024, 1, 10))
    calendar = store(catalog, hourly, 24 * 60, slice(500, 900), [fetched])
    assert calendar.total[2:] == audit_series(catalog, "BTC_KRW", hourly).totals


@pytest.mark.parametrize("damage", ["content", "footer"])
def test_an_unreadable_year_is_named(catalog: CandleCatalog, daily: Timeframe, damage: str) -> None:
    """Its candles count as missing, those of the other year as present."""
    store(catalog, daily, 31 + 20, slice(0), [])
    path = catalog.root / "BTC_KRW/1D/2023.parquet"
    content = bytearray(path.read_bytes())
    content[slice(40, 200) if damage == "content" else slice(-40, None)] = bytes(160 if damage == "content" else 40)
    path.write_bytes(content)
    calendar = coverage_calendar(catalog, "BTC_KRW", daily)
    assert calendar.total.present < 31 + 20
    (message,) = calendar.unreadable
    assert "BTC_KRW/1D/2023.parquet" in message


def test_without_candles_there_is_no_calendar(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The error names what to fetch."""
    with pytest.raises(CandlesNotFound, match="coin candles get BTC_KRW --timeframe 1d"):
        coverage_calendar(catalog, "BTC_KRW", daily)
