"""Statistics of a report agree with empyrical and with figures calculated by hand."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.bars import Floats
from coin_pipeline.report.statistics import (
    Daily,
    Falls,
    alpha_beta,
    falls,
    histogram,
    kelly_fraction,
    match_volatility,
    returns_by_year,
    rolling_beta,
    rolling_sharpe,
    rolling_sortino,
    rolling_volatility,
    system_quality_number,
)
from tests.report.documents import DAY_NS, walk

START_NS = pd.Timestamp("2023-11-15", tz="UTC").value
HOUR_NS = DAY_NS // 24


def hourly(days: int = 500, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Times and growth factors of an account per hour."""
    return START_NS + HOUR_NS * np.arange(24 * days), walk(seed, 24 * days, 0.004)


def daily_of(time: np.ndarray, equity: np.ndarray, held: np.ndarray | None = None, zone: str = "UTC") -> Daily:
    """Ends of days, without buy and hold by default."""
    return Daily.of(time, equity, np.full(len(time), np.nan) if held is None else held, zone)


@pytest.mark.parametrize(("zone", "years"), [("UTC", [2023, 2024]), ("Asia/Seoul", [2024]), ("Pacific/Apia", [2024])])
def test_months_are_those_of_the_time_zone_of_the_range(zone: str, years: list[int]) -> None:
    """The first bar of a year in Seoul opens at 15:00 UTC on the last day of the year before."""
    start = np.datetime64("2023-12-31T15:00", "ns").astype(np.int64)
    found = returns_by_year(daily_of(start + HOUR_NS * np.arange(24 * 365), np.linspace(1, 2, 24 * 365), zone=zone))
    assert [year["year"] for year in found] == years
    assert found[-1]["total"] == pytest.approx(1.0, abs=0.01)


def test_a_day_has_the_hours_that_its_time_zone_gives_it() -> None:
    """The clocks of New York are set forward on 10 March 2024."""
    start = np.datetime64("2024-03-10T05:00", "ns").astype(np.int64)
    found = daily_of(start + HOUR_NS * np.arange(48), np.arange(1.0, 49.0), zone="America/New_York")
    assert found.equity.tolist() == [23.0, 47.0, 48.0]


def series(daily: Daily, values: np.ndarray) -> pd.Series:
    """Values per day with their dates."""
    return pd.Series(values, pd.to_datetime(daily.day, unit="D", utc=True))


def drawdown_of(equity: list[float]) -> np.ndarray:
    """Loss from the highest value so far, the start of 1.0 included."""
    return 1 - np.asarray(equity) / np.maximum.accumulate(np.maximum(equity, 1.0))


def fall_list(equity: list[float]) -> list[tuple[object, ...]]:
    """Falls of an account with one bar per day, times as numbers of days."""
    found = falls(np.arange(len(equity)) * DAY_NS, drawdown_of(equity))
    assert isinstance(found, Falls)
    return [
        (start // DAY_NS, trough // DAY_NS, end // DAY_NS, recovered, round(depth, 9))
        for start, trough, end, recovered, depth in zip(*(column.tolist() for column in found), strict=True)
    ]


def test_a_day_without_bars_keeps_the_last_value() -> None:
    """It has a return of 0, and the next day the whole one."""
    time = START_NS + DAY_NS * np.array([0, 1, 4])
    daily = daily_of(time, np.array([1.1, 1.21, 1.331]))
    assert daily.returns == pytest.approx([0.1, 0.1, 0, 0, 0.1])
    assert (daily.last_bar[2:] - START_NS).tolist() == [DAY_NS, DAY_NS, 4 * DAY_NS]


def test_months_and_years_agree_with_empyrical() -> None:
    """Aggregated from daily returns."""
    import empyrical  # noqa: PLC0415 -- takes seconds, and every test process collects this file

    daily = daily_of(*hourly())
    returns = series(daily, daily.returns)
    monthly, yearly = (empyrical.aggregate_returns(returns, period) for period in ("monthly", "yearly"))
    years = returns_by_year(daily)
    assert {
        (year["year"], month): value
        for year in years
        for month, value in enumerate(year["months"], 1)
        if value is not None
    } == pytest.approx(dict(monthly))
    assert {year["year"]: year["total"] for year in years} == pytest.approx(dict(yearly))


def test_the_first_month_starts_at_the_start_of_the_account() -> None:
    """Months outside of the range are undefined, and buy and hold is if it is unknown."""
    time = pd.to_datetime(["2024-01-31", "2024-02-01"], utc=True).as_unit("ns").asi8
    (year,) = returns_by_year(daily_of(time, np.array([1.1, 1.21])))
    assert year["months"][:3] == [pytest.approx(0.1), pytest.approx(0.1), None]
    assert year["total"] == pytest.approx(0.21)
    assert year["buy_and_hold"] is None
    (held,) = returns_by_year(daily_of(time, np.ones(2), np.array([1.0, 0.5])))
    assert held["buy_and_hold"] == pytest.approx(-0.5)


WINDOW, STEP = 90, 7


@pytest.mark.parametrize(
    ("figure", "oracle"),
    [(rolling_sharpe, "sharpe_ratio"), (rolling_sortino, "sortino_ratio"), (rolling_volatility, "annual_volatility")],
)
def test_rolling_figures_agree_with_empyrical(figure: Callable[[Floats, int], Floats], oracle: str) -> None:
    """At every seventh day; undefined before the window is full."""
    import empyrical  # noqa: PLC0415 -- as above

    returns = daily_of(*hourly()).returns
    values = figure(returns, WINDOW)
    ends = range(WINDOW, len(returns) + 1, STEP)
    expected = [getattr(empyrical, oracle)(returns[end - WINDOW : end], annualization=365) for end in ends]
    assert [values[end - 1] for end in ends] == pytest.approx(expected)
    assert np.isnan(values[: WINDOW - 1]).all()


def test_rolling_beta_agrees_with_empyrical() -> None:
    """Against other returns of the same days."""
    import empyrical  # noqa: PLC0415 -- as above

    own, other = (daily_of(*hourly(seed=seed)).returns for seed in (1, 2))
    mixed = 0.4 * other + 0.6 * own
    ends = range(WINDOW, len(own) + 1, STEP)
    expected = [empyrical.beta(mixed[end - WINDOW : end], other[end - WINDOW : end]) for end in ends]
    assert rolling_beta(mixed, other, WINDOW)[WINDOW - 1 :: STEP] == pytest.approx(expected)


def test_rolling_figures_of_an_account_that_rests() -> None:
    """Ratios are undefined, also where a sum of equal returns is rounded; the volatility is zero."""
    equal, idle = np.full(20, 0.1), np.zeros(20)
    assert np.isnan(rolling_sharpe(equal, 10)).all()
    assert np.isnan(rolling_sharpe(idle, 10)).all()
    assert np.isnan(rolling_sortino(equal, 10)).all()
    assert np.isnan(rolling_beta(equal, idle, 10)).all()
    assert rolling_volatility(idle, 10)[9:].tolist() == [0.0] * 11


def test_rolling_figures_need_a_full_window() -> None:
    """A shorter range has none."""
    assert np.isnan(rolling_sharpe(np.array([0.1, -0.1, 0.2]), 10)).all()


def test_matched_equity_has_the_volatility_of_the_benchmark() -> None:
    """As empyrical measures it; the returns are the same up to a factor."""
    import empyrical  # noqa: PLC0415 -- as above

    own, other = (daily_of(*hourly(seed=seed)).returns for seed in (1, 2))
    found = match_volatility(own, 3 * other)
    assert found is not None
    returns = found.equity / np.append(1.0, found.equity[:-1]) - 1
    assert empyrical.annual_volatility(returns) == pytest.approx(empyrical.annual_volatility(3 * other))
    assert returns == pytest.approx(found.factor * own)


def test_matched_equity_that_loses_everything_stays_at_zero() -> None:
    """A factor above one can ruin the account."""
    found = match_volatility(np.array([0.1, -0.2, 0.1]), np.array([0.9, -0.9, 0.9]))
    assert found is not None
    assert found.equity[0] > 1
    assert found.equity[1:].tolist() == [0.0, 0.0]


def test_equity_is_not_matched_without_movement() -> None:
    """Neither of an account that rests nor to such a benchmark, nor on one day."""
    moving, idle = np.array([0.1, -0.1]), np.zeros(2)
    assert match_volatility(idle, moving) is None
    assert match_volatility(np.array([0.0, 1e-17]), moving) is None
    assert match_volatility(moving, idle) is None
    assert match_volatility(moving[:1], moving[:1]) is None


@pytest.mark.parametrize("seed", range(5))
def test_drawdowns_are_those_of_a_loop(seed: int) -> None:
    """A peak is left, and regained or not."""
    equity = walk(seed, 300).tolist()
    expected, peak, peak_bar, low = [], 1.0, 0, None
    for bar, value in enumerate(equity):
        if value >= peak:
            if low is not None:
                expected.append((peak_bar, low, bar, True, round(1 - equity[low] / peak, 9)))
            peak, peak_bar, low = value, bar, None
        elif low is None or value < equity[low]:
            low = bar
    if low is not None:
        expected.append((peak_bar, low, len(equity) - 1, False, round(1 - equity[low] / peak, 9)))
    assert fall_list(equity) == expected


def test_the_deepest_drawdown_agrees_with_empyrical() -> None:
    """As a positive number."""
    import empyrical  # noqa: PLC0415 -- as above

    time, equity = hourly()
    found = falls(time, drawdown_of(equity.tolist()))
    returns = np.diff(equity, prepend=1.0) / np.append(1.0, equity[:-1])
    assert found.depth.max() == pytest.approx(-empyrical.max_drawdown(returns))


def test_an_account_that_only_falls_or_only_rises() -> None:
    """The first falls from its start and never recovers; the second has no drawdown."""
    assert fall_list([0.9, 0.8]) == [(0, 1, 1, False, 0.2)]
    assert fall_list([1.0, 1.1]) == []


def test_every_return_is_in_a_bin_and_no_bin_has_gains_and_losses() -> None:
    """However far the outliers are."""
    values = np.append(np.random.default_rng(3).normal(0.001, 0.02, 5000), [0.0, 3.7, -0.9])
    found = histogram(values)
    assert found is not None
    assert sum(found["counts"]) == len(values)
    assert 0.0 in found["edges"]
    assert len(found["counts"]) <= 64
    assert found["mean"] == pytest.approx(values.mean())
    assert found["percentiles"][1] == pytest.approx(np.median(values))


@pytest.mark.parametrize("value", [-0.02, 5.0])
def test_equal_returns_are_in_one_bin(value: float) -> None:
    """Their range has no width."""
    found = histogram(np.full(9, value))
    assert found is not None
    assert sum(found["counts"]) == max(found["counts"]) == 9


@pytest.mark.parametrize("values", [[-0.03, 0.05], [0.02, 0.02], [0.01, 0.02, 0.03]], ids=["two", "equal", "three"])
def test_few_returns_are_separate_bars(values: list[float]) -> None:
    """Bins as wide as their range would be one block."""
    found = histogram(np.array(values))
    assert found is not None
    filled = np.flatnonzero(found["counts"])
    assert len(filled) == len(set(values))
    assert (np.diff(filled) > 1).all()
    assert [found["counts"][0], found["counts"][-1]] == [0, 0]


@pytest.mark.parametrize("values", [[], [0.1], [0.0, 0.0]], ids=["none", "one", "zeros"])
def test_returns_without_a_distribution(values: list[float]) -> None:
    """Those of an account that never traded would be a single bar."""
    assert histogram(np.array(values)) is None


def test_the_system_quality_number() -> None:
    """By hand: mean 0.02, deviation 0.01, three trades."""
    assert system_quality_number(np.array([0.01, 0.02, 0.03])) == pytest.approx(2 * 3**0.5)
    assert system_quality_number(np.full(4, 0.1)) is None
    assert system_quality_number(np.array([0.1])) is None


def test_the_kelly_fraction() -> None:
    """By hand: half of the trades win twice what the others lose."""
    assert kelly_fraction(np.array([0.02, -0.01])) == pytest.approx(0.25)
    assert kelly_fraction(np.array([0.02, 0.01])) is None


def test_alpha_and_beta_agree_with_empyrical() -> None:
    """Annualized with 365 days."""
    import empyrical  # noqa: PLC0415 -- as above

    own, other = (daily_of(*hourly(seed=seed)).returns for seed in (1, 2))
    mixed = 0.4 * other + 0.6 * own
    assert alpha_beta(mixed, other) == pytest.approx(empyrical.alpha_beta(mixed, other, annualization=365))
    assert alpha_beta(own, np.zeros(len(own))) == (None, None)
