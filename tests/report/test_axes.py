"""Scales and the round values on them."""

import numpy as np
import pytest

from coin_pipeline.report.axes import Axis, growth_axis, time_axis, time_ticks, value_ticks


def ns(stamp: str) -> int:
    """Return an ISO time as ns since the epoch."""
    return int(np.datetime64(stamp, "ns").astype(np.int64))


def test_linear_axis_maps_its_ends_and_what_lies_between() -> None:
    """Low lies at the start, high at the end, the middle in the middle."""
    assert Axis(1.0, 3.0, 500, 100)([1.0, 2.0, 3.0]).tolist() == [500, 300, 100]


def test_log_axis_gives_equal_factors_equal_lengths() -> None:
    """On a logarithmic axis each tenfold is as long as the next, and zero lies at the start."""
    assert Axis(0.1, 10.0, 200, 0, log=True)([0.0, 0.1, 1.0, 10.0]).tolist() == [200, 200, 100, 0]


@pytest.mark.parametrize(("low", "high", "log"), [(1.0, 4.9, False), (1.0, 5.1, True), (0.0, 1.0, True)])
def test_growth_of_more_than_five_times_is_logarithmic(low: float, high: float, *, log: bool) -> None:
    """The axis becomes logarithmic where the range spans more than five times."""
    assert growth_axis(low, high, 500, 100).log is log


def test_flat_growth_still_has_a_range() -> None:
    """An equity that never moves lies in the middle of its panel."""
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
    """Steps are 1, 2, 2.5 or 5 times a power of ten, and labels carry only the digits they need."""
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
    """A logarithmic axis is labelled 1, 2, 3, 5 of each power of ten, or fewer the longer it is."""
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
    """Ticks lie on years, months, Mondays, hours and quarters of an hour in UTC, as the span asks for."""
    ticks = time_ticks(time_axis(ns(first), ns(last), 0, 1000), 8)
    assert [tick.label for tick in ticks][: len(labels)] == labels
    assert len(ticks) <= 9


def test_time_ticks_lie_where_their_labels_say() -> None:
    """The value of a tick is the instant of its label."""
    ticks = time_ticks(time_axis(ns("2024-01-15"), ns("2024-12-31"), 0, 1000), 8)
    assert [tick.value for tick in ticks] == [float(ns(tick.label)) for tick in ticks]
