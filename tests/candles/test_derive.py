"""Bars of 2h, 6h and 12h, which are resampled from stored shorter candles when they are read."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.candle_range import stored_range
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.coverage import coverage
from coin_pipeline.candles.derive import choose_base, derive
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import contiguous_intervals, resample
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, Timeframe, day_range, parse_timeframe
from tests.candle_data import drop_rows

HOURLY, MINUTES, FOUR = parse_timeframe("1h"), parse_timeframe("30m"), parse_timeframe("4h")
DERIVED = ["2h", "6h", "12h"]
DAYS = (date(2024, 1, 2), date(2024, 1, 5))


def hours(count: int = 24 * 8) -> OHLCV:
    """Return hourly candles from midnight in Seoul on 2024-01-01."""
    return synthetic_candles(1, HOURLY, date(2024, 1, 1), count)


def equal(left: OHLCV, right: OHLCV) -> bool:
    """Return whether two series have the same rows."""
    return all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


@pytest.mark.parametrize("name", DERIVED)
def test_bars_are_resampled_on_the_utc_grid(catalog: CandleCatalog, name: str) -> None:
    """Each bar that opens in the range has all its candles, those of the next day in Seoul too."""
    timeframe = parse_timeframe(name)
    catalog.merge("BTC_KRW", HOURLY, hours())
    loaded = catalog.load("BTC_KRW", timeframe, *DAYS)
    begin, stop = day_range(*DAYS)
    assert loaded.resampled_from == HOURLY
    assert loaded.candles.time.tolist() == [t for t in range(begin, stop, HOUR_NS) if t % timeframe.ns == 0]
    first = hours().rows(slice(*np.searchsorted(hours().time, loaded.candles.time[0] + np.array([0, timeframe.ns]))))
    assert loaded.candles.high[0] == first.high.max()
    assert (loaded.candles.open[0], loaded.candles.close[0]) == (first.open[0], first.close[-1])


@settings(max_examples=30)
@given(missing=st.sets(st.integers(0, 191), max_size=20), known=st.integers(0, 192), name=st.sampled_from(DERIVED))
def test_a_bar_exists_if_all_its_candles_are_known(missing: set[int], known: int, name: str) -> None:
    """Of imported candles none may be missing; a fetched one that is missing had no trade."""
    timeframe, candles = parse_timeframe(name), hours()
    fetched = ((int(candles.time[0]), int(candles.time[0]) + known * HOUR_NS),) if known else ()
    stored = drop_rows(candles, missing)
    bars = derive(stored, fetched, HOURLY, timeframe).bars
    end = int(candles.time[-1]) + HOUR_NS
    for opens in range(int(candles.time[0]), end, HOUR_NS):
        if opens % timeframe.ns or opens + timeframe.ns > end:
            continue
        parts = range(opens, opens + timeframe.ns, HOUR_NS)
        present = [part in stored.time for part in parts]
        complete = all(
            there or any(s <= part < e for s, e in fetched) for there, part in zip(present, parts, strict=True)
        )
        assert (opens in bars.time) == (complete and any(present))


def test_a_stored_series_is_used_as_it_is(catalog: CandleCatalog) -> None:
    """Imported bars of two hours win over hourly candles."""
    timeframe = parse_timeframe("2h")
    own = synthetic_candles(9, timeframe, date(2024, 1, 1), 100)
    own = own._replace(time=own.time + HOUR_NS)  # on the grid of UTC
    catalog.merge("BTC_KRW", HOURLY, hours())
    catalog.merge("BTC_KRW", timeframe, own)
    loaded = catalog.load("BTC_KRW", timeframe, date.min, date.max)
    assert (equal(loaded.candles, own), loaded.resampled_from) == (True, None)


def test_the_base_is_the_one_that_covers_the_range(catalog: CandleCatalog) -> None:
    """Longer candles take less time to read, if there are as many days of them."""
    twelve = parse_timeframe("12h")
    catalog.merge("BTC_KRW", MINUTES, synthetic_candles(1, MINUTES, date(2024, 1, 1), 48 * 20))
    catalog.merge("BTC_KRW", HOURLY, hours(24 * 20))
    catalog.merge("BTC_KRW", FOUR, synthetic_candles(1, FOUR, date(2023, 12, 1), 6 * 20))
    assert catalog.load("BTC_KRW", twelve, *DAYS).resampled_from == HOURLY
    spans = {HOURLY: (0, 10 * DAY_NS), FOUR: (0, 10 * DAY_NS - HOUR_NS * 4), MINUTES: (0, 10 * DAY_NS)}
    assert choose_base(spans, (0, 5 * DAY_NS)) == FOUR


@pytest.mark.parametrize("name", ["1m", "15m", "1h", "4h", "1d"])
def test_other_timeframes_are_not_resampled_unasked(catalog: CandleCatalog, name: str) -> None:
    """They can be fetched, so a missing series stays missing."""
    catalog.merge("BTC_KRW", MINUTES, synthetic_candles(1, MINUTES, date(2024, 1, 1), 48 * 8))
    assert not len(catalog.load("BTC_KRW", parse_timeframe(name), *DAYS).candles.time)


@pytest.mark.parametrize("name", DERIVED)
def test_coverage_counts_what_the_base_lacks(catalog: CandleCatalog, name: str) -> None:
    """A bar that lacks an unfetched candle is not fetched; a fetched stretch without trades is known."""
    timeframe, candles = parse_timeframe(name), hours()
    begin, stop = day_range(*DAYS)
    quiet = (candles.time >= begin + DAY_NS) & (candles.time < begin + 2 * DAY_NS)
    catalog.merge("BTC_KRW", HOURLY, drop_rows(candles.rows(~quiet), [60]), fetched=[(begin, begin + 2 * DAY_NS)])
    loaded = catalog.load("BTC_KRW", timeframe, *DAYS)
    covered = coverage(loaded.candles.time, timeframe, begin, stop, loaded.provenance.fetched)
    assert covered.expected == (stop - begin) // timeframe.ns
    assert covered.no_trade + covered.not_fetched == covered.expected - covered.present
    assert covered.not_fetched == 1
    assert covered.no_trade >= DAY_NS // timeframe.ns - 1


def test_the_summary_bounds_the_bars(catalog: CandleCatalog) -> None:
    """Lists show stored series only; a range of bars can be asked for all the same."""
    timeframe = parse_timeframe("6h")
    assert catalog.available("BTC_KRW", timeframe) is None
    catalog.merge("BTC_KRW", HOURLY, hours())
    summary = catalog.available("BTC_KRW", timeframe)
    bars = catalog.load("BTC_KRW", timeframe, date.min, date.max).candles.time
    assert summary is not None
    assert summary.resampled_from == HOURLY
    assert summary.first <= datetime.fromtimestamp(int(bars[0]) / 1e9, UTC)
    assert summary.last >= datetime.fromtimestamp(int(bars[-1]) / 1e9, UTC)
    assert summary.rows >= len(bars)
    assert summary.first == datetime(2023, 12, 31, 12, tzinfo=UTC)
    assert [series.timeframe for series in catalog.stored("BTC_KRW")] == [HOURLY]
    pages = stored_range(catalog, "BTC_KRW", timeframe, None, None).page(None, 5)
    assert pages[0].time.tolist() == bars[:5].tolist()


def test_ranges_join_without_a_gap(catalog: CandleCatalog) -> None:
    """Days read one by one have the bars of all of them, each once."""
    timeframe: Timeframe = parse_timeframe("12h")
    catalog.merge("BTC_KRW", HOURLY, hours())
    days = [DAYS[0] + timedelta(days=n) for n in range(4)]
    parts = [catalog.load("BTC_KRW", timeframe, day, day).candles for day in days]
    whole = catalog.load("BTC_KRW", timeframe, *DAYS).candles
    assert equal(OHLCV.concat(parts), whole)
    expected = resample(hours(), HOURLY, timeframe, contiguous_intervals(hours().time, HOURLY), 0)
    assert np.isin(whole.time, expected.time).all()


def test_a_missing_market_names_the_command_that_fetches_it(catalog: CandleCatalog) -> None:
    """With the timeframe to fetch, and a similar market that is stored."""
    catalog.merge("BTC_KRW", HOURLY, hours())
    command = "fetch with 'coin candles get {} --timeframe {} --from 2024-01-02'"
    assert catalog.describe("BTX_KRW", parse_timeframe("6h"), DAYS[0]) == (
        f"nothing stored (did you mean 'BTC_KRW'?); {command.format('BTX_KRW', '1h')}"
    )
    assert catalog.describe("KRW_BTC") == "nothing stored (did you mean 'BTC_KRW'?)"
    assert catalog.describe("BTC_KRW", parse_timeframe("1d"), DAYS[0]) == (
        f"stored: 1h 2024-01-01..2024-01-08; {command.format('BTC_KRW', '1d')}"
    )
