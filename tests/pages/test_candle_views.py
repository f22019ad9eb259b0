"""What the pages about candles draw."""

from datetime import date
from pathlib import Path

import pytest

from coin_api.pages.candle_views import AXIS, MONTH_WIDTH, calendar_years, floor_percent, series_bars
from coin_pipeline.candles.audit.calendar import CoverageCalendar, MonthCoverage
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe

DAILY = parse_timeframe("1d")


def calendar_of(*months: MonthCoverage) -> CoverageCalendar:
    """Return a calendar of some months."""
    return CoverageCalendar("BTC_KRW", DAILY, months, (), 0, ())


@pytest.mark.parametrize(
    ("counts", "state", "share"),
    [
        ((31, 0, 0), "complete", "100%"),
        ((30, 1, 0), "complete", "96.7%"),
        ((30, 0, 1), "gaps", "96.7%"),
        ((10, 0, 21), "insufficient", "32.2%"),
        ((0, 0, 0), "outside", ""),
    ],
)
def test_a_month_is_styled_by_what_is_known_of_it(counts: tuple[int, int, int], state: str, share: str) -> None:
    """Candles without trades are known; a share is rounded down."""
    ((_, (month,)),) = calendar_years(calendar_of(MonthCoverage(2024, 1, *counts)))
    assert (month.state, month.share) == (state, share)


def test_a_single_missing_candle_of_a_month_is_visible() -> None:
    """Its segment is wide enough, and the segments fill the bar exactly."""
    ((_, (month,)),) = calendar_years(calendar_of(MonthCoverage(2024, 1, 44_639, 0, 1)))
    stored, missing = month.segments
    assert (stored.style, missing.style) == ("stored", "not-fetched")
    assert missing.width >= MONTH_WIDTH / 50
    assert (stored.x, stored.width, missing.x + missing.width) == (0, missing.x, pytest.approx(MONTH_WIDTH, abs=0.02))


def test_years_come_newest_first_and_months_in_order() -> None:
    """The months of a year stay together."""
    months = [MonthCoverage(year, month, 1, 0, 0) for year in (2023, 2024) for month in range(1, 13)]
    years = calendar_years(calendar_of(*months))
    assert [year for year, _ in years] == [2024, 2023]
    assert [[bar.month.month for bar in bars] for _, bars in years] == [[*range(1, 13)]] * 2


def test_series_share_a_time_axis(tmp_path: Path) -> None:
    """Two series of one year each, one after the other, fill half of the axis each."""
    catalog = CandleCatalog(tmp_path)
    for symbol, year in (("AAA_KRW", 2022), ("BBB_KRW", 2023)):
        catalog.merge(symbol, DAILY, synthetic_candles(1, DAILY, date(year, 1, 1), 365))
    bars = series_bars(catalog.inventory()[0])
    assert [(round(bar.x), round(bar.width)) for bar in bars] == [(0, AXIS // 2), (AXIS // 2, AXIS // 2)]


def test_without_series_there_is_an_empty_axis() -> None:
    """An empty inventory has nothing to draw."""
    assert series_bars([]) == []


def test_only_a_complete_share_is_100_percent() -> None:
    """A share is rounded down."""
    assert [floor_percent(part, 10_000) for part in (0, 9_999, 10_000)] == ["0%", "99.9%", "100%"]
