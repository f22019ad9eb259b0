"""Comparison of longer candles with shorter ones of the same market."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.candles.audit.cross_timeframe import ComparedSeries, disagreements
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.frames import from_frame
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe, parse_timeframe
from tests.candle_data import synthetic_frame

DAYS = 20


@pytest.fixture
def fine(minutely: Timeframe) -> pd.DataFrame:
    """Minutes of some days, from midnight in Seoul."""
    return synthetic_frame(3, minutely, date(2024, 3, 1), DAYS * 24 * 60)


def hours_of(fine: pd.DataFrame) -> pd.DataFrame:
    """Resample minutes with pandas."""
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return fine.resample("1h", on="timestamp").agg(rules).reset_index()


def compare(
    fine: pd.DataFrame, coarse: pd.DataFrame, fetched: tuple[tuple[int, int], ...] = ()
) -> list[tuple[int, int]]:
    """Return the number of differing candles, each with the hours that explain it."""
    minutes, hours = parse_timeframe("1m"), parse_timeframe("1h")
    pair = ComparedSeries(from_frame(fine), minutes, fetched), ComparedSeries(from_frame(coarse), hours, ())
    return [(len(disagreement.time), disagreement.hours) for disagreement in disagreements(*pair)]


def test_resampled_minutes_agree(fine: pd.DataFrame) -> None:
    """All columns are equal, volumes up to rounding."""
    assert compare(fine, hours_of(fine)) == []


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_each_column_is_compared(fine: pd.DataFrame, name: str) -> None:
    """A change of any of them is a disagreement."""
    coarse = hours_of(fine)
    coarse.loc[5, name] *= 1 + 1e-5
    coarse.loc[5, "high"] = coarse.loc[5, ["open", "high", "close"]].max()
    coarse.loc[5, "low"] = coarse.loc[5, ["open", "low", "close"]].min()
    assert compare(fine, coarse) == [(1, 0)]


def test_volumes_may_differ_by_rounding(fine: pd.DataFrame) -> None:
    """The exchange rounds each volume."""
    coarse = hours_of(fine)
    coarse["volume"] *= 1 + 1e-9
    assert compare(fine, coarse) == []


def test_only_complete_hours_are_compared(fine: pd.DataFrame) -> None:
    """An hour with a missing minute is skipped unless that minute is known not to exist."""
    coarse = hours_of(fine)
    incomplete = fine.drop(index=[int(fine.loc[300:359, "high"].idxmax())])
    assert compare(incomplete, coarse) == []
    start = int(fine["timestamp"].iloc[0].value)
    assert compare(incomplete, coarse, ((start, start + DAYS * 24 * HOUR_NS),)) == [(1, 0)]


@pytest.mark.parametrize("hours", [9, -9])
def test_a_shifted_range_is_explained_by_the_clock(fine: pd.DataFrame, hours: int) -> None:
    """Hours stamped in another zone fit the minutes that many hours away."""
    coarse = hours_of(fine)
    shifted = coarse.loc[100:199].assign(timestamp=coarse.loc[100:199, "timestamp"] + pd.Timedelta(hours=hours))
    ((count, explained),) = compare(fine, shifted)
    assert (count, explained) == (100, hours)


def test_the_audit_reports_slips_and_disagreements(
    catalog: CandleCatalog, fine: pd.DataFrame, minutely: Timeframe, hourly: Timeframe
) -> None:
    """Both series report them: the longer one by row, the shortest against the next longer."""
    coarse = hours_of(fine)
    values = ["open", "high", "low", "close", "volume"]
    coarse.loc[109:199, values] = coarse.loc[100:190, values].to_numpy()
    coarse.loc[5, "volume"] += 1.0
    catalog.merge("BTC_KRW", minutely, from_frame(fine))
    catalog.merge("BTC_KRW", hourly, from_frame(coarse))
    for timeframe, row in ((hourly, 110), (minutely, 109 * 60 + 1)):
        findings = {finding.kind: finding for finding in audit_series(catalog, "BTC_KRW", timeframe).findings}
        assert {kind: finding.occurrences for kind, finding in findings.items()} == {
            "time_zone_slip": 91,
            "inconsistent": 1,
        }
        assert findings["time_zone_slip"].examples[0].row == row
        assert "the 1h candle fits the 1m candles -9 h from there" in findings["time_zone_slip"].examples[0].message


def test_invalid_rows_are_ignored(fine: pd.DataFrame) -> None:
    """Impossible and repeated rows have findings of their own."""
    coarse = hours_of(fine)
    coarse.loc[7, "close"] = np.nan
    assert compare(pd.concat([fine, fine[:90]]), pd.concat([coarse, coarse[:2]])) == []
