"""Longer candles made of shorter ones: against a slow reference, against an exchange's own, and from what is stored."""

import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.files import read_candle_file
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import contiguous_intervals, resample, resample_stored
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, TIMEFRAMES, Timeframe, parse_timeframe
from coin_pipeline.candles.year_files.arrow import normalize_table, to_frame, to_ohlcv
from coin_pipeline.errors import InvalidCandles, InvalidResample

ALWAYS = [(-(2**63), 2**63 - 1)]
MONDAY = 1_704_067_200 * 10**9  # 2024-01-01 00:00 UTC
PAIRS = [(a, b) for a in TIMEFRAMES.values() for b in TIMEFRAMES.values() if a.ns < b.ns and b.ns % a.ns == 0]


def of_frame(frame: pd.DataFrame) -> OHLCV:
    """Return a frame as columns."""
    return to_ohlcv(normalize_table("frame", pa.Table.from_pandas(frame, preserve_index=False)))


def made(timeframe: str, start: date, bars: int) -> OHLCV:
    """Make candles without gaps."""
    return of_frame(synthetic_candles(3, parse_timeframe(timeframe), start, bars))


def slowly(columns: OHLCV, timeframe: Timeframe, to: Timeframe, known: Sequence[Interval], phase: int) -> list[tuple]:
    """Make bars candle by candle: of those that open in a bar, if each of the bar's candles was asked for."""
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    bars = []
    for opens in sorted({row[0] - (row[0] - phase) % to.ns for row in rows}):
        places = range(opens, opens + to.ns, timeframe.ns)
        if all(any(start <= place and place + timeframe.ns <= end for start, end in known) for place in places):
            _, first, high, low, last, volume = zip(*(row for row in rows if row[0] in places), strict=True)
            bars.append((opens, first[0], max(high), min(low), last[-1], math.fsum(volume)))
    return bars


@st.composite
def candles(draw: st.DrawFn) -> tuple[OHLCV, Timeframe, Timeframe, tuple[Interval, ...], int]:
    """Draw candles with holes on some grid, what is known of them, and where longer ones open."""
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
def test_bars_are_those_of_a_slow_reference(
    drawn: tuple[OHLCV, Timeframe, Timeframe, tuple[Interval, ...], int],
) -> None:
    """Whatever is missing, known, and wherever the grid begins: the same bars, sums included."""
    columns, timeframe, to, known, phase = drawn
    bars = resample(columns, timeframe, to, known, phase)
    assert list(zip(*(column.tolist() for column in bars), strict=True)) == slowly(columns, timeframe, to, known, phase)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=200), st.integers(0, 10))
def test_volumes_are_near_the_exact_sum_and_depend_on_their_bar_alone(volume: list[float], before: int) -> None:
    """The sum is right to a few of the last bits, and the same bits whatever came before."""
    minute, week = parse_timeframe("1m"), parse_timeframe("1w")
    time = MONDAY + np.arange(-before, len(volume)) * MINUTE_NS
    ones = np.ones(len(time))
    columns = OHLCV(time, ones, ones, ones, ones, np.array([7.7] * before + volume))
    sums = resample(columns, minute, week, ALWAYS).volume
    assert sums[-1] == pytest.approx(math.fsum(volume), rel=1e-14)
    assert sums[-1] == resample(columns.rows(slice(before, None)), minute, week, ALWAYS).volume[0]


@pytest.mark.parametrize(("timeframe", "to"), [(a.name, b.name) for a, b in PAIRS])
def test_every_pair_of_timeframes_fits(timeframe: str, to: str) -> None:
    """Bars of each timeframe open where the exchange's do: weeks on Monday, the others counted from the epoch."""
    shorter, longer = parse_timeframe(timeframe), parse_timeframe(to)
    columns = made(timeframe, date(2024, 1, 1), 3 * longer.ns // shorter.ns)
    bars = resample(columns, shorter, longer, contiguous_intervals(columns.time, shorter))
    assert len(bars.time) >= 2
    assert {(opens - longer.phase_ns) % longer.ns for opens in bars.time.tolist()} == {0}


def test_days_of_seoul_make_weeks_of_seoul() -> None:
    """Days that open at 15:00 UTC, a Seoul midnight, make weeks that open on Monday in Seoul."""
    days = made("1d", date(2024, 1, 1), 21)
    days = days._replace(time=days.time - 9 * HOUR_NS)
    weeks = resample(
        days, parse_timeframe("1d"), parse_timeframe("1w"), contiguous_intervals(days.time, parse_timeframe("1d"))
    )
    assert weeks.time.tolist() == [MONDAY - 9 * HOUR_NS + week * 7 * DAY_NS for week in range(3)]


def test_an_unfinished_bar_is_left_out(minutely: Timeframe, hourly: Timeframe) -> None:
    """A bar without its last candle is none: nobody saw it close; nor is one without its first."""
    minutes = made("1m", date(2024, 1, 1), 180).rows(slice(1, 179))
    assert len(resample(minutes, minutely, hourly, contiguous_intervals(minutes.time, minutely)).time) == 1


def test_what_was_asked_for_and_is_missing_had_no_trade(minutely: Timeframe, hourly: Timeframe) -> None:
    """A bar of fewer candles is complete where all were asked for, and there is none where nobody traded."""
    minutes = made("1m", date(2024, 1, 1), 180)
    begin = int(minutes.time[0])
    few = minutes.rows(np.array([0, 7, 130]))
    bars = resample(few, minutely, hourly, [(begin, begin + 3 * HOUR_NS)])
    assert bars.time.tolist() == [begin, begin + 2 * HOUR_NS]
    assert (bars.open[0], bars.close[0]) == (minutes.open[0], minutes.close[7])
    assert not len(resample(few, minutely, hourly, []).time)


@pytest.mark.parametrize(
    ("timeframe", "to", "said"),
    [
        ("3m", "5m", "to: cannot resample 3m candles to 5m; choose one of 15m, 30m, 1h, 4h, 1d, 1w"),
        ("1h", "1h", "cannot resample 1h candles to 1h; choose one of 4h, 1d, 1w"),
        ("1d", "1h", "cannot resample 1d candles to 1h; choose one of 1w"),
        ("1w", "1d", "cannot resample 1w candles to 1d; nothing is longer"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(timeframe: str, to: str, said: str) -> None:
    """Bars are longer than candles and a multiple of them; the error names those that can be made."""
    with pytest.raises(InvalidResample, match=said):
        resample(made(timeframe, date(2024, 1, 1), 3), parse_timeframe(timeframe), parse_timeframe(to), ALWAYS)


def test_candles_between_the_others_are_refused(minutely: Timeframe, hourly: Timeframe) -> None:
    """A candle that two bars share makes neither; bars that open within a candle are refused too."""
    minutes = made("1m", date(2024, 1, 1), 40_000)
    minutes = minutes._replace(time=minutes.time + 5 * (np.arange(40_000) >= 39_000))
    with pytest.raises(InvalidCandles, match=r"1000 invalid rows, the first: row 39001 at .* between the others"):
        resample(minutes, minutely, hourly, ALWAYS)
    with pytest.raises(InvalidResample, match="those stored do not open when a 1m candle does"):
        resample(minutes, minutely, hourly, ALWAYS, phase=30 * 10**9)


def test_no_candles_are_no_bars(minutely: Timeframe, hourly: Timeframe) -> None:
    """Nothing makes nothing."""
    nothing = made("1m", date(2024, 1, 1), 3).rows(slice(0))
    assert contiguous_intervals(nothing.time, minutely) == ()
    assert not len(resample(nothing, minutely, hourly, ALWAYS).time)


def test_an_exchanges_own_bars_are_made(market_data: Path, minutely: Timeframe, hourly: Timeframe) -> None:
    """Upbit's minutes make Upbit's hours, 694 of them, to the last bit; volumes but for the rounding of one addition.

    The two hours that lack a minute are Upbit's own as well: nobody traded in that minute. Without knowing they are
    left out.
    """
    minutes, hours = (
        of_frame(read_candle_file(market_data / f"upbit_KRW-BTC_{name}.csv", "UTC")) for name in ("1m", "1h")
    )
    for known, count in ((contiguous_intervals(minutes.time, minutely), 694), (ALWAYS, 696)):
        bars = resample(minutes, minutely, hourly, known)
        _, here, there = np.intersect1d(bars.time, hours.time, return_indices=True)
        assert len(here) == count
        for own, theirs in zip(bars.rows(here)[:5], hours.rows(there)[:5], strict=True):
            np.testing.assert_array_equal(own, theirs)
        np.testing.assert_allclose(bars.volume[here], hours.volume[there], rtol=1e-15, atol=0)


def test_a_stored_series_is_resampled_with_what_was_fetched(
    catalog: CandleCatalog, minutely: Timeframe, hourly: Timeframe
) -> None:
    """Bars rest on candles that were fetched or have no gap; what was fetched is handed on in whole bars."""
    minutes = made("1m", date(2024, 1, 1), 600)
    begin = int(minutes.time[0])
    some = np.r_[0:170:10, 240:300, 330:600]
    fetched = (begin, begin + 170 * MINUTE_NS)
    catalog.merge("BTC_KRW", minutely, to_frame(minutes.rows(some)), fetched=[fetched], source="upbit")
    found = resample_stored(catalog, "BTC_KRW", minutely, hourly)
    assert ((found.bars.time - begin) // HOUR_NS).tolist() == [0, 1, 4, 6, 7, 8, 9]
    assert found.incomplete == 2
    assert (found.fetched, found.source) == (((begin, begin + 2 * HOUR_NS),), "upbit")


def test_bars_fall_on_the_grid_that_is_stored(catalog: CandleCatalog, hourly: Timeframe, daily: Timeframe) -> None:
    """Where days open at 15:00 UTC, those made of hours do too, and can be merged."""
    days = made("1d", date(2024, 1, 1), 3)
    catalog.merge("BTC_KRW", daily, to_frame(days._replace(time=days.time - 9 * HOUR_NS)))
    catalog.merge("BTC_KRW", hourly, synthetic_candles(3, hourly, date(2024, 2, 1), 72))
    found = resample_stored(catalog, "BTC_KRW", hourly, daily)
    assert (found.bars.time % DAY_NS // HOUR_NS).tolist() == [15, 15, 15]
    assert catalog.merge("BTC_KRW", daily, to_frame(found.bars), fetched=found.fetched).added == 3


def test_nothing_stored_makes_nothing(catalog: CandleCatalog, hourly: Timeframe, daily: Timeframe) -> None:
    """No candles are no error here; the command says so."""
    found = resample_stored(catalog, "BTC_KRW", hourly, daily)
    assert (len(found.bars.time), found.incomplete, found.fetched, found.source) == (0, 0, (), None)
