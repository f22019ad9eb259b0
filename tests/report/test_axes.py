"""Axes and their tick values."""

import numpy as np
import pytest

from coin_pipeline.report.axes import Axis, growth_axis, time_axis, time_ticks, value_ticks


def ns(stamp: str) -> int:
    """Return an ISO time as ns since the epoch."""
    return int(np.datetime64(stamp, "ns").astype(np.int64))


def test_linear_axis() -> None:
    """Low maps to the start, high to the end, and the midpoint to the middle."""
    assert Axis(1.0, 3.0, 500, 100)([1.0, 2.0, 3.0]).tolist() == [500, 300, 100]


def test_log_axis() -> None:
    """Every power of ten has the same length, and zero maps to the start."""
    assert Axis(0.1, 10.0, 200, 0, log=True)([0.0, 0.1, 1.0, 10.0]).tolist() == [200, 200, 100, 0]


@pytest.mark.parametrize(("low", "high", "log"), [(1.0, 9.9, False), (1.0, 10.1, True), (0.0, 1.0, True)])
def test_growth_axis_is_logarithmic_above_a_factor_of_ten(low: float, high: float, *, log: bool) -> None:
    """The ratio of highest to lowest value selects the scale."""
    assert growth_axis(low, high, 500, 100).log is log


def test_flat_growth_has_a_range() -> None:
    """A constant equity is drawn in the middle of its panel."""
    assert growth_axis(1.0, 1.0, 500, 100)(1.0) == 300


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.93, 1.32, ["1.0", "1.1", "1.2", "1.3"]),
        (0.0, 40.0, ["0", "10", "20", "30", "40"]),
        (0.0, 1.0, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (1.00001, 1.00004, ["1.00001", "1.00002", "1.00003", "1.00004"]),
        (900.0, 4100.0, ["1,000", "2,000", "3,000", "4,000"]),
    ],
)
def test_values_have_round_ticks(low: float, high: float, labels: list[str]) -> None:
    """Steps are 1, 2, 2.5 or 5 times a power of ten, and labels have only the necessary digits."""
    assert [tick.label for tick in value_ticks(Axis(low, high, 0, 1), 4)] == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.45, 3.2, ["0.5", "1", "2", "3"]),
        (0.09, 40.0, ["0.1", "0.3", "1", "3", "10", "30"]),
        (0.0009, 2000.0, ["0.001", "0.01", "0.1", "1", "10", "100", "1,000"]),
        (0.9e5, 2.1e6, ["100,000", "200,000", "300,000", "500,000", "1e+06", "2e+06"]),
    ],
)
def test_factors_have_round_ticks(low: float, high: float, labels: list[str]) -> None:
    """A log axis has ticks at 1, 2, 3 and 5 of each power of ten, and fewer on a longer range."""
    assert [tick.label for tick in value_ticks(Axis(low, high, 0, 1, log=True), 4)] == labels


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("2022-01-01", "2026-06-30", ["2022", "2023", "2024", "2025", "2026"]),
        ("2024-01-01", "2024-12-31", ["2024-01", "2024-03", "2024-05", "2024-07", "2024-09", "2024-11"]),
        ("2024-01-03", "2024-02-10", ["2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29", "2024-02-05"]),
        ("2024-02-28", "2024-03-02", ["02-28 00:00", "02-28 12:00", "02-29 00:00", "02-29 12:00", "03-01 00:00"]),
        ("2024-01-01T08:50", "2024-01-01T10:40", ["01-01 09:00", "01-01 09:15", "01-01 09:30", "01-01 09:45"]),
    ],
)
def test_times_have_round_ticks(first: str, last: str, labels: list[str]) -> None:
    """Ticks are at years, months, Mondays, hours or quarter hours in UTC, depending on the span."""
    ticks = time_ticks(time_axis(ns(first), ns(last), 0, 1000), 8)
    assert [tick.label for tick in ticks][: len(labels)] == labels
    assert len(ticks) <= 9


def test_time_ticks_match_their_labels() -> None:
    """The value of a tick is the time of its label."""
    ticks = time_ticks(time_axis(ns("2024-01-15"), ns("2024-12-31"), 0, 1000), 8)
    assert [tick.value for tick in ticks] == [float(ns(tick.label)) for tick in ticks]
