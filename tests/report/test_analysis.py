"""Figures and tables of a report, from the tables of a result."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from coin_pipeline.backtest.labels import FIGURES
from coin_pipeline.report.analysis import DRAWDOWNS_SHOWN, GAPS_SHOWN, analyse
from coin_pipeline.report.payload import Analysis
from coin_pipeline.results.tables import document_tables
from tests.report.documents import DAY_NS, START_NS, curve, document, metrics, part, trade, walk

START = START_NS // 10**9
DAY = 86400


def analysis(content: dict[str, Any], equity: pa.Table) -> Analysis:
    """Analysis of a document and its equity."""
    return analyse(content, {**document_tables(content), "equity": equity})


def with_candles(**changed: object) -> dict[str, Any]:
    """A document whose only symbol has these facts about its candles."""
    own = part()
    own["candles"] = {**own["candles"], **changed}
    return document(own, timezone="UTC")


def without(missing: set[int], days: int = 366) -> pa.Table:
    """Equity of one bar per day, without some days."""
    whole = curve(np.ones(days))
    return whole.filter(pa.array([day not in missing for day in range(days)]))


def test_every_figure_has_a_label() -> None:
    """They are shown under it."""
    assert analysis(document(), curve([1.0, 0.9]))["figures"].keys() <= FIGURES.keys()


def test_an_account_without_trades() -> None:
    """Everything that is undefined is null."""
    found = analysis(document(), curve([1.0]))
    assert (found["best_trade"], found["worst_trade"], found["trade_returns"]) == (None, None, None)
    assert (found["drawdowns"], found["daily_returns"]) == ([], None)
    figures = found["figures"]
    assert {name for name, value in figures.items() if value is not None} == {"best_day", "worst_day"}


def test_trades_by_exit() -> None:
    """The most frequent reason first; a trade that ends as it began is not won."""
    returns = [("hold", 0.02), ("stop_loss", -0.03), ("hold", 0.0), ("hold", 0.01)]
    trades = [trade(i, exit_reason=reason, return_pct=net) for i, (reason, net) in enumerate(returns)]
    held, stopped = analysis(document(part(trades=trades)), curve([1.0, 0.9]))["exits"]
    assert held == {
        "reason": "hold",
        "trades": 3,
        "win_rate": pytest.approx(2 / 3),
        "mean_return": pytest.approx(0.01),
        "worst": 0.0,
        "best": 0.02,
    }
    assert (stopped["reason"], stopped["trades"], stopped["win_rate"]) == ("stop_loss", 1, 0.0)


def test_the_best_and_the_worst_trade() -> None:
    """With their times in seconds."""
    trades = [trade(number, return_pct=value) for number, value in enumerate((0.01, -0.5, 0.3))]
    found = analysis(document(part(trades=trades)), curve([1.0, 0.9]))
    assert found["best_trade"] == {
        "symbol": "BTC_KRW",
        "entry_time": START + 2 * DAY,
        "exit_time": START + 3 * DAY,
        "net_return": 0.3,
        "bars_held": 1,
    }
    assert found["worst_trade"] is not None
    assert found["worst_trade"]["net_return"] == found["figures"]["worst_trade"] == -0.5


def test_months_are_distributed_as_in_the_table_of_months() -> None:
    """Each month counts once; a single one has no distribution."""
    found = analysis(document(timezone="UTC"), curve(walk(1, 366)))
    months = [value for year in found["years"] for value in year["months"] if value is not None]
    assert found["monthly_returns"] is not None
    assert sum(found["monthly_returns"]["counts"]) == len(months) == 12
    assert found["monthly_returns"]["mean"] == pytest.approx(np.mean(months))
    assert analysis(document(timezone="UTC"), curve(walk(1, 31)))["monthly_returns"] is None


def test_calmar_is_the_growth_per_year_over_the_deepest_drawdown() -> None:
    """Undefined without a drawdown."""
    known = document(part(metrics=metrics(cagr=0.3, max_drawdown=0.2)))
    assert analysis(known, curve([1.0, 0.8]))["figures"]["calmar"] == pytest.approx(1.5)
    flat = document(part(metrics=metrics(cagr=0.3, max_drawdown=0.0)))
    assert analysis(flat, curve([1.0]))["figures"]["calmar"] is None


def test_drawdowns_are_listed_by_depth() -> None:
    """With the days from the peak to the trough and to the recovery."""
    found = analysis(document(), curve([1.0, 0.9, 1.0, 0.5, 0.4, 0.7]))
    deepest, second = found["drawdowns"]
    assert deepest == {
        "start": START + 2 * DAY,
        "trough": START + 4 * DAY,
        "recovery": None,
        "depth": pytest.approx(0.6),
        "days": 3.0,
        "days_to_trough": 2.0,
    }
    assert second["recovery"] == START + 2 * DAY
    assert len(analysis(document(), curve(walk(1, 2000, drift=0.01)))["drawdowns"]) == DRAWDOWNS_SHOWN


def test_weekly_candles_have_no_daily_returns() -> None:
    """Six of seven would be zero."""
    found = analysis(document(timeframe="1w"), curve(walk(1, 50), step=7 * DAY_NS))
    assert (found["daily_returns"], found["figures"]["best_day"]) == (None, None)


def test_all_gaps_are_found_in_the_bars() -> None:
    """Also those that the document does not list, and those at both ends of the range."""
    missing = {0, 9, 10, 365}
    content = with_candles(rows=362, gap_count=3, gaps=[], first="2024-01-02T00:00:00Z", last="2024-12-30T00:00:00Z")
    (coverage,) = analysis(content, without(missing))["coverage"]
    spans = [((gap["start"] - START) // DAY, (gap["end"] - START) // DAY, gap["missing"]) for gap in coverage["gaps"]]
    assert spans == [(0, 1, 1), (9, 11, 2), (365, 366, 1)]
    assert (coverage["start"], coverage["end"], coverage["gaps_left_out"]) == (START, START + 366 * DAY, 0)
    assert {gap["kind"] for gap in coverage["gaps"]} == {"no_trade"}


def test_the_longest_gaps_are_shown() -> None:
    """The number of the others is known."""
    missing = set(range(1, 2 * GAPS_SHOWN + 5, 2))
    content = with_candles(rows=700 - len(missing), gap_count=len(missing))
    content["end_date"] = "2025-11-30"
    (coverage,) = analysis(content, without(missing | {600, 601}, 702))["coverage"]
    assert len(coverage["gaps"]) == GAPS_SHOWN
    assert coverage["gaps"][-1]["missing"] == 2
    assert coverage["gaps_left_out"] == len(missing) + 1 - GAPS_SHOWN


@pytest.mark.parametrize(("no_trade", "kind"), [(0, "not_fetched"), (3, "unknown")])
def test_gaps_that_a_document_lists(no_trade: int, kind: str) -> None:
    """Without the equity of every bar there are no others; why candles are missing may be unknown."""
    gap = {"start": "2024-03-01T00:00:00Z", "end": "2024-03-03T00:00:00Z", "missing": 2}
    content = with_candles(gap_count=7, gaps=[gap], no_trade=no_trade, not_fetched=2, first_unfetched=gap)
    (coverage,) = analysis(content, curve([1.0, 1.0]))["coverage"]
    assert coverage["gaps_left_out"] == 6
    assert coverage["gaps"] == [
        {"start": START + 60 * DAY, "end": START + 62 * DAY, "missing": 2, "kind": kind},
    ]
