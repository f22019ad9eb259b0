"""Longer candles against shorter ones of the same market."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.candles.audit.cross_timeframe import ComparedSeries, disagreements
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe, parse_timeframe

DAYS = 20


def columns_of(frame: pd.DataFrame) -> OHLCV:
    """Return a frame's columns."""
    opens = frame["timestamp"].astype("int64").to_numpy()
    return OHLCV(opens, *(frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")))


@pytest.fixture
def fine(minutely: Timeframe) -> pd.DataFrame:
    """Minutes of some days from midnight in Seoul on."""
    return synthetic_candles(3, minutely, date(2024, 3, 1), DAYS * 24 * 60)


def hours_of(fine: pd.DataFrame) -> pd.DataFrame:
    """Put minutes together as another library does."""
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return fine.resample("1h", on="timestamp").agg(how).reset_index()


def compare(
    fine: pd.DataFrame, coarse: pd.DataFrame, fetched: tuple[tuple[int, int], ...] = ()
) -> list[tuple[int, int]]:
    """Return how many candles differ, each with the hours that explain it."""
    minutes, hours = parse_timeframe("1m"), parse_timeframe("1h")
    pair = ComparedSeries(columns_of(fine), minutes, fetched), ComparedSeries(columns_of(coarse), hours, ())
    return [(len(each.time), each.hours) for each in disagreements(*pair)]


def test_what_minutes_make_agrees(fine: pd.DataFrame) -> None:
    """Hours made of minutes agree with them, by all columns; volumes by their sum."""
    assert compare(fine, hours_of(fine)) == []


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_one_other_figure_is_a_disagreement(fine: pd.DataFrame, name: str) -> None:
    """Each column is compared."""
    coarse = hours_of(fine)
    coarse.loc[5, name] *= 1 + 1e-5
    coarse.loc[5, "high"] = coarse.loc[5, ["open", "high", "close"]].max()
    coarse.loc[5, "low"] = coarse.loc[5, ["open", "low", "close"]].min()
    assert compare(fine, coarse) == [(1, 0)]


def test_volumes_agree_within_what_rounding_does(fine: pd.DataFrame) -> None:
    """The exchange rounds each volume."""
    coarse = hours_of(fine)
    coarse["volume"] *= 1 + 1e-9
    assert compare(fine, coarse) == []


def test_only_complete_hours_are_compared(fine: pd.DataFrame) -> None:
    """An hour with a missing minute says nothing, unless that minute is known not to exist."""
    coarse = hours_of(fine)
    holed = fine.drop(index=[int(fine.loc[300:359, "high"].idxmax())])
    assert compare(holed, coarse) == []
    start = int(fine["timestamp"].iloc[0].value)
    assert compare(holed, coarse, ((start, start + DAYS * 24 * HOUR_NS),)) == [(1, 0)]


@pytest.mark.parametrize("hours", [9, -9])
def test_a_shifted_stretch_is_explained_by_the_clock(fine: pd.DataFrame, hours: int) -> None:
    """Hours stamped with another zone's clock fit the minutes that are so many hours away."""
    coarse = hours_of(fine)
    shifted = coarse.loc[100:199].assign(timestamp=coarse.loc[100:199, "timestamp"] + pd.Timedelta(hours=hours))
    ((count, explained),) = compare(fine, shifted)
    assert (count, explained) == (100, hours)


def test_the_audit_names_slips_and_disagreements(
    catalog: CandleCatalog, fine: pd.DataFrame, minutely: Timeframe, hourly: Timeframe
) -> None:
    """Both series say so: the longer one with its rows, the shortest one against the next longer."""
    coarse = hours_of(fine)
    values = ["open", "high", "low", "close", "volume"]
    coarse.loc[109:199, values] = coarse.loc[100:190, values].to_numpy()
    coarse.loc[5, "volume"] += 1.0
    catalog.merge("BTC_KRW", minutely, fine)
    catalog.merge("BTC_KRW", hourly, coarse)
    for timeframe, row in ((hourly, 110), (minutely, 109 * 60 + 1)):
        found = {each.kind: each for each in audit_series(catalog, "BTC_KRW", timeframe).findings}
        assert {kind: each.occurrences for kind, each in found.items()} == {"time_zone_slip": 91, "inconsistent": 1}
        assert found["time_zone_slip"].examples[0].row == row
        assert "the 1h candle fits the 1m candles -9 h from there" in found["time_zone_slip"].examples[0].message


def test_bad_rows_are_left_out(fine: pd.DataFrame) -> None:
    """Rows that are impossible or repeated are another finding's business."""
    coarse = hours_of(fine)
    coarse.loc[7, "close"] = np.nan
    assert compare(pd.concat([fine, fine[:90]]), pd.concat([coarse, coarse[:2]])) == []
