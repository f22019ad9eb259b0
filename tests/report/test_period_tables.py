"""Trades and returns by period."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.report.packing import unpack
from coin_pipeline.report.payload import PeriodTable
from coin_pipeline.report.period_tables import period_tables
from coin_pipeline.report.statistics import Daily
from coin_pipeline.results.tables import document_tables
from tests.report.documents import DAY_NS, START_NS, document, part, trade, walk

DAYS = 800


def tables(content: dict[str, Any], equity: np.ndarray, zone: str = "UTC", limit: int = 1000) -> list[PeriodTable]:
    """Tables of a document and its daily equity."""
    time = START_NS + DAY_NS * np.arange(len(equity))
    daily = Daily.of(time, equity, np.full(len(equity), np.nan), zone)
    return period_tables(content, daily, document_tables(content)["trades"], limit)


def many_trades() -> pd.DataFrame:
    """Trades with gains, losses and neither, one per day of two years."""
    number = np.arange(DAYS - 1)
    return pd.DataFrame({"number": number, "net": np.round(np.sin(number), 1) / 10})


@pytest.mark.parametrize(("period", "code"), [("day", "D"), ("week", "W-SUN"), ("month", "M"), ("year", "Y")])
def test_trades_and_returns_agree_with_pandas(period: str, code: str) -> None:
    """Trades by the day of their exit, returns by the account at the end of each period."""
    frame, equity = many_trades(), walk(5, DAYS)
    content = document(part(trades=[trade(row.number, return_pct=row.net) for row in frame.itertuples()]))
    (found,) = [table for table in tables(content, equity) if table["period"] == period]
    dates = pd.date_range("2024-01-01", periods=DAYS).to_period(code)
    by_exit = frame["net"].groupby(dates[frame["number"] + 1])
    expected = pd.DataFrame({"end": pd.Series(equity).groupby(dates).last()})
    expected["trades"] = by_exit.size()
    expected["wins"] = by_exit.apply(lambda net: (net > 0).sum())
    expected["losses"] = by_exit.apply(lambda net: (net < 0).sum())
    expected["profit"] = by_exit.sum() * 10_000_000
    expected["net_return"] = expected["end"] / expected["end"].shift(fill_value=1.0) - 1
    for name in ("trades", "wins", "losses"):
        assert unpack(found[name]).tolist() == expected[name].fillna(0).tolist()  # type: ignore[literal-required]
    assert found["profit"] is not None
    assert unpack(found["profit"]) == pytest.approx(expected["profit"].fillna(0).to_numpy(), abs=1)
    assert unpack(found["net_return"]) == pytest.approx(expected["net_return"].to_numpy(), abs=1e-6)
    first = (expected.index.start_time - pd.Timestamp(0)).days
    assert unpack(found["first_day"]).tolist() == first.tolist()


def test_the_newest_periods_are_kept() -> None:
    """The number of the others is known."""
    day, *_, year = tables(document(), np.ones(DAYS), limit=30)
    assert (len(unpack(day["first_day"])), day["left_out"]) == (30, DAYS - 30)
    assert unpack(day["first_day"])[-1] == START_NS // DAY_NS + DAYS - 1
    assert year["left_out"] == 0


def test_a_trade_that_is_open_at_the_end_is_in_the_last_period() -> None:
    """Its exit is the close of the last bar, at which the next day begins."""
    content = document(part(trades=[trade(9, open_at_end=True)]))
    (day, *_) = tables(content, np.ones(10))
    assert unpack(day["trades"]).tolist() == [0] * 9 + [1]


def test_periods_are_those_of_the_time_zone() -> None:
    """A trade at midnight in UTC exits on the evening before in New York."""
    content = document(part(trades=[trade(0)]))
    (day, *_) = tables(content, np.ones(5), "America/New_York")
    assert unpack(day["first_day"])[0] == START_NS // DAY_NS - 1
    assert unpack(day["trades"]).tolist() == [0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "parts",
    [[part(trades=[trade(0, spent=None)])], [part(trades=[trade(0)]), part("ETH_BTC", trades=[])]],
    ids=["unknown", "currencies"],
)
def test_profit_that_cannot_be_added_up(parts: list[dict[str, Any]]) -> None:
    """The money spent is unknown, or in several currencies."""
    assert [table["profit"] for table in tables(document(*parts), np.ones(5))] == [None] * 4


def test_weekly_candles_have_no_days() -> None:
    """Six of seven would be empty."""
    found = tables(document(timeframe="1w"), np.ones(20))
    assert [table["period"] for table in found] == ["week", "month", "year"]


def test_an_account_without_trades() -> None:
    """Counts are zero."""
    (day, *_) = tables(document(), np.array([1.0, 1.1]))
    assert unpack(day["trades"]).tolist() == [0, 0]
    assert unpack(day["net_return"]) == pytest.approx([0.0, 0.1])
