"""Resampling: against a slow reference, against an exchange's own candles, and from a stored series."""

import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import contiguous_intervals, resample
from coin_pipeline.candles.resample_stored import resample_stored
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, TIMEFRAMES, Timeframe, parse_timeframe
from coin_pipeline.errors import InvalidCandles, InvalidResample

ALWAYS = [(-(2**63), 2**63 - 1)]
MONDAY = 1_704_067_200 * 10**9  # 2024-01-01 00:00 UTC
PAIRS = [(a, b) for a in TIMEFRAMES.values() for b in TIMEFRAMES.values() if a.ns < b.ns and b.ns % a.ns == 0]


def gapless(timeframe: str, start: date, bars: int) -> OHLCV:
    """Return synthetic candles without gaps."""
    return synthetic_candles(3, parse_timeframe(timeframe), start, bars)


def slow_resample(
    columns: OHLCV, timeframe: Timeframe, to: Timeframe, known: Sequence[Interval], phase: int
) -> list[tuple]:
    """Resample candle by candle: bars whose candles are all within known intervals."""
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    bars = []
    for opens in sorted({row[0] - (row[0] - phase) % to.ns for row in rows}):
        slots = range(opens, opens + to.ns, timeframe.ns)
        if all(any(start <= slot and slot + timeframe.ns <= end for start, end in known) for slot in slots):
            _, first, high, low, last, volume = zip(*(row for row in rows if row[0] in slots), strict=True)
            bars.append((opens, first[0], max(high), min(low), last[-1], math.fsum(volume)))
    return bars


@st.composite
def candles(draw: st.DrawFn) -> tuple[OHLCV, Timeframe, Timeframe, tuple[Interval, ...], int]:
    """Draw candles with gaps on some grid, known intervals, and the phase of the bars."""
    timeframe, to = draw(st.sampled_from([pair for pair in PAIRS if pair[1].ns // pair[0].ns <= 60]))
    ratio = to.ns // timeframe.ns
    start = draw(st.sampled_from([0, 15 * HOUR_NS, 7 * MINUTE_NS])) + MONDAY
    places = sorted(draw(st.sets(st.integers(0, 5 * ratio), min_size=1, max_size=80)))
    time = start + np.array(places, dtype=np.int64) * timeframe.ns
    values = np.array(draw(st.lists(st.integers(1, 2**20), min_size=5 * len(time), max_size=5 * len(time)))) / 1024
    edges = st.integers(-1, 6 * ratio).map(lambda place: start + place * timeframe.ns + draw(st.sampled_from([0, 1])))
    known = union(
        draw(st.lists(st.tuples(edges, edges), max_size=6)),
        draw(st.sampled_from([(), contiguous_intervals(time, timeframe)])),
    )
    phase = (start + draw(st.integers(0, ratio - 1)) * timeframe.ns) % to.ns
    return OHLCV(time, *values.reshape(5, -1)), timeframe, to, known, phase


@given(candles())
def test_bars_equal_a_slow_reference(
    drawn: tuple[OHLCV, Timeframe, Timeframe, tuple[Interval, ...], int],
) -> None:
    """For any gaps, known intervals and phase, sums included."""
    columns, timeframe, to, known, phase = drawn
    bars = resample(columns, timeframe, to, known, phase)
    assert list(zip(*(column.tolist() for column in bars), strict=True)) == slow_resample(
        columns, timeframe, to, known, phase
    )


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=200), st.integers(0, 10))
def test_volumes_are_accurate_and_depend_on_their_bar_alone(volume: list[float], before: int) -> None:
    """The sum is right to a few of the last bits, and independent of earlier bars."""
    minute, week = parse_timeframe("1m"), parse_timeframe("1w")
    time = MONDAY + np.arange(-before, len(volume)) * MINUTE_NS
    ones = np.ones(len(time))
    columns = OHLCV(time, ones, ones, ones, ones, np.array([7.7] * before + volume))
    sums = resample(columns, minute, week, ALWAYS).volume
    assert sums[-1] == pytest.approx(math.fsum(volume), rel=1e-14)
    assert sums[-1] == resample(columns.rows(slice(before, None)), minute, week, ALWAYS).volume[0]


@pytest.mark.parametrize(("timeframe", "to"), [(a.name, b.name) for a, b in PAIRS])
def test_every_pair_of_timeframes_resamples(timeframe: str, to: str) -> None:
    """Bars open where the exchange's do: weeks on Monday, others counted from the epoch."""
    shorter, longer = parse_timeframe(timeframe), parse_timeframe(to)
    columns = gapless(timeframe, date(2024, 1, 1), 3 * longer.ns // shorter.ns)
    bars = resample(columns, shorter, longer, contiguous_intervals(columns.time, shorter))
    assert len(bars.time) >= 2
    assert {(opens - longer.phase_ns) % longer.ns for opens in bars.time.tolist()} == {0}


def test_seoul_days_make_seoul_weeks() -> None:
    """Days from 15:00 UTC, midnight in Seoul, make weeks that open on Monday in Seoul."""
    days = gapless("1d", date(2024, 1, 1), 21)
    days = days._replace(time=days.time - 9 * HOUR_NS)
    weeks = resample(
        days, parse_timeframe("1d"), parse_timeframe("1w"), contiguous_intervals(days.time, parse_timeframe("1d"))
    )
    assert weeks.time.tolist() == [MONDAY - 9 * HOUR_NS + week * 7 * DAY_NS for week in range(3)]


def test_incomplete_bars_are_dropped(minutely: Timeframe, hourly: Timeframe) -> None:
    """A bar without its first or last candle."""
    minutes = gapless("1m", date(2024, 1, 1), 180).rows(slice(1, 179))
    assert len(resample(minutes, minutely, hourly, contiguous_intervals(minutes.time, minutely)).time) == 1


def test_missing_fetched_candles_had_no_trades(minutely: Timeframe, hourly: Timeframe) -> None:
    """Bars of fetched intervals are complete with fewer candles; bars without candles do not exist."""
    minutes = gapless("1m", date(2024, 1, 1), 180)
    begin = int(minutes.time[0])
    few = minutes.rows(np.array([0, 7, 130]))
    bars = resample(few, minutely, hourly, [(begin, begin + 3 * HOUR_NS)])
    assert bars.time.tolist() == [begin, begin + 2 * HOUR_NS]
    assert (bars.open[0], bars.close[0]) == (minutes.open[0], minutes.close[7])
    assert not len(resample(few, minutely, hourly, []).time)


@pytest.mark.parametrize(
    ("timeframe", "to", "message"),
    [
        ("3m", "5m", "to: cannot resample 3m candles to 5m; choose one of 15m, 30m, 1h, 2h, 4h, 6h, 12h, 1d, 1w"),
        ("1h", "1h", "cannot resample 1h candles to 1h; choose one of 2h, 4h, 6h, 12h, 1d, 1w"),
        ("1d", "1h", "cannot resample 1d candles to 1h; choose one of 1w"),
        ("1w", "1d", "cannot resample 1w candles to 1d; nothing is longer"),
    ],
)
def test_invalid_targets_are_rejected(timeframe: str, to: str, message: str) -> None:
    """The error lists the valid ones."""
    with pytest.raises(InvalidResample, match=message):
        resample(gapless(timeframe, date(2024, 1, 1), 3), parse_timeframe(timeframe), parse_timeframe(to), ALWAYS)


def test_candles_off_the_grid_are_rejected(minutely: Timeframe, hourly: Timeframe) -> None:
    """Bars that open within a candle are rejected too."""
    minutes = gapless("1m", date(2024, 1, 1), 40_000)
    minutes = minutes._replace(time=minutes.time + 5 * (np.arange(40_000) >= 39_000))
    with pytest.raises(InvalidCandles, match=r"1000 invalid rows, the first: row 39001 at .* between the others"):
        resample(minutes, minutely, hourly, ALWAYS)
    with pytest.raises(InvalidResample, match="the stored bars do not open when a 1m candle does"):
        resample(minutes, minutely, hourly, ALWAYS, phase=30 * 10**9)


def test_no_candles_give_no_bars(minutely: Timeframe, hourly: Timeframe) -> None:
    """The result is empty."""
    empty = gapless("1m", date(2024, 1, 1), 3).rows(slice(0))
    assert contiguous_intervals(empty.time, minutely) == ()
    assert not len(resample(empty, minutely, hourly, ALWAYS).time)


def test_resampled_minutes_equal_the_exchange_hours(market_data: Path, minutely: Timeframe, hourly: Timeframe) -> None:
    """Upbit's minutes give 694 of Upbit's hours to the last bit, volumes up to one rounding.

    Two hours lack a minute in which there were no trades; they are dropped unless that is known.
    """
    minutes, hours = (
        read_candle_file(market_data / f"upbit_KRW-BTC_{name}.csv", tz="UTC").candles for name in ("1m", "1h")
    )
    for known, count in ((contiguous_intervals(minutes.time, minutely), 694), (ALWAYS, 696)):
        bars = resample(minutes, minutely, hourly, known)
        _, here, there = np.intersect1d(bars.time, hours.time, return_indices=True)
        assert len(here) == count
        for actual, expected in zip(bars.rows(here)[:5], hours.rows(there)[:5], strict=True):
            np.testing.assert_array_equal(actual, expected)
        np.testing.assert_allclose(bars.volume[here], hours.volume[there], rtol=1e-15, atol=0)


def test_a_stored_series_is_resampled_with_its_provenance(
    catalog: CandleCatalog, minutely: Timeframe, hourly: Timeframe
) -> None:
    """Bars need fetched or gapless candles; fetched intervals are reduced to whole bars."""
    minutes = gapless("1m", date(2024, 1, 1), 600)
    begin = int(minutes.time[0])
    some = np.r_[0:170:10, 240:300, 330:600]
    fetched = (begin, begin + 170 * MINUTE_NS)
    catalog.merge("BTC_KRW", minutely, minutes.rows(some), fetched=[fetched], source="upbit")
    result = resample_stored(catalog, "BTC_KRW", minutely, hourly)
    assert ((result.bars.time - begin) // HOUR_NS).tolist() == [0, 1, 4, 6, 7, 8, 9]
    assert result.incomplete == 2
    assert (result.fetched, result.source) == (((begin, begin + 2 * HOUR_NS),), "upbit")


def test_bars_use_the_stored_grid(catalog: CandleCatalog, hourly: Timeframe, daily: Timeframe) -> None:
    """If stored days open at 15:00 UTC, resampled ones do too, and can be merged."""
    days = gapless("1d", date(2024, 1, 1), 3)
    catalog.merge("BTC_KRW", daily, days._replace(time=days.time - 9 * HOUR_NS))
    catalog.merge("BTC_KRW", hourly, synthetic_candles(3, hourly, date(2024, 2, 1), 72))
    result = resample_stored(catalog, "BTC_KRW", hourly, daily)
    assert (result.bars.time % DAY_NS // HOUR_NS).tolist() == [15, 15, 15]
    assert catalog.merge("BTC_KRW", daily, result.bars, fetched=result.fetched).added == 3


def test_nothing_stored_gives_no_bars(catalog: CandleCatalog, hourly: Timeframe, daily: Timeframe) -> None:
    """That is not an error here; the command reports it."""
    result = resample_stored(catalog, "BTC_KRW", hourly, daily)
    assert (len(result.bars.time), result.incomplete, result.fetched, result.source) == (0, 0, (), None)
