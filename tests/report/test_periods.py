"""Calendar periods of a time zone agree with pandas."""

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.report.payload import CalendarPeriod
from coin_pipeline.report.periods import Days, first_days, period_rows

HOUR_NS = 3600 * 10**9
START_NS = pd.Timestamp("2023-12-29T05:00", tz="UTC").value
CODES = {"day": "D", "week": "W-SUN", "month": "M", "year": "Y"}
"""Of pandas; its weeks that end on Sunday begin on Monday."""


@pytest.mark.parametrize("period", CODES)
def test_days_are_in_the_periods_of_pandas(period: CalendarPeriod) -> None:
    """Over two years, before and after 1970."""
    day = np.arange(-400, 400)
    dates = pd.to_datetime(day, unit="D")
    expected = (dates.to_period(CODES[period]).start_time - pd.Timestamp(0)).days
    assert first_days(day, period).tolist() == expected.tolist()


@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York"])
def test_rows_of_periods_are_those_of_pandas(zone: str) -> None:
    """Of hours with gaps of a few hours, and of some days, over a change of the clocks."""
    hours = np.arange(24 * 120)
    hours = hours[(hours % 11 != 3) & ~((hours > 700) & (hours < 770))]
    time = START_NS + HOUR_NS * hours
    local = pd.DatetimeIndex(time.astype("datetime64[ns]"), tz="UTC").tz_convert(zone).tz_localize(None)
    found = dict(period_rows(time, zone))
    for period, code in CODES.items():
        starts = np.unique(local.to_period(code), return_index=True)[1]
        assert found[period].tolist() == starts.tolist(), period  # type: ignore[index]
    assert len(found["hour"]) == len(time)


def test_quarters_of_an_hour_are_combined_to_hours() -> None:
    """Whether or not the first one is complete."""
    time = START_NS + HOUR_NS // 4 * np.arange(1, 9)
    assert dict(period_rows(time, "Asia/Seoul"))["hour"].tolist() == [0, 3, 7]


def test_days_cover_all_times() -> None:
    """From midnight to midnight in the time zone."""
    days = Days.covering(START_NS + HOUR_NS * np.array([0, 30]), "Asia/Seoul")
    assert np.array(days.number, "datetime64[D]").astype(str).tolist() == ["2023-12-29", "2023-12-30"]
    assert days.end.astype("datetime64[ns]").astype("datetime64[h]").astype(str).tolist() == [
        "2023-12-29T15",
        "2023-12-30T15",
    ]
