"""Figures have the same name, value and sign in the terminal, the report, a notebook, Dagster and JSON."""

import dataclasses
import re
from typing import Any

import pytest

from coin_pipeline.backtest.labels import FIGURES, Unit, break_even_text, format_figure
from coin_pipeline.backtest.tables import Tables
from coin_pipeline.cli.views.backtest import summary_lines
from coin_pipeline.defs.backtests.metadata import simulation_metadata
from coin_pipeline.engine.metrics import Metrics
from coin_pipeline.notebook.backtest import BacktestRun
from coin_pipeline.report.stored import render_report
from coin_pipeline.results.tables import document_tables
from tests.conftest import ROOT
from tests.report.documents import curve, document, metrics, part

KNOWN = metrics(
    total_return=-0.1,
    buy_and_hold=0.25,
    cagr=-0.2,
    max_drawdown=0.3,
    sharpe=-0.5,
    sortino=-0.75,
    volatility=0.4,
    exposure=0.6,
    profit_factor=0.8,
    win_rate=0.45,
    expectancy=0.01,
    avg_return=0.01,
    avg_hold_bars=2.5,
    trades=40,
    signals=50,
    ignored=10,
)
SHOWN = {
    "Total return": "-10.00 %",
    "Buy and hold": "+25.00 %",
    "CAGR": "-20.00 %",
    "Max drawdown": "30.00 %",
    "Sharpe ratio": "-0.50",
    "Sortino ratio": "-0.75",
    "Volatility": "40.00 %",
    "Exposure": "60.00 %",
    "Profit factor": "0.80",
    "Win rate": "45.00 %",
    "Expectancy": "+1.00 %",
    "Average return": "+1.00 %",
    "Average hold": "2.50",
    "Trades": "40",
    "Signals": "50",
    "Signals ignored": "10",
}


@pytest.fixture
def known() -> dict[str, Any]:
    """A document with every figure."""
    return document(part(metrics=KNOWN))


def test_every_metric_has_a_label() -> None:
    """A new metric of the engine needs one."""
    assert {field.name for field in dataclasses.fields(Metrics)} <= set(FIGURES)


def test_every_figure_has_a_korean_label_of_its_own() -> None:
    """Only the explanation may be shared or missing."""
    labels = [figure.text.ko for figure in FIGURES.values()]
    assert all(re.search("[가-힣]", label) for label in labels)
    assert len(set(labels)) == len(labels)
    assert all(bool(figure.note.en) == bool(figure.note.ko) for figure in FIGURES.values())


def test_labels_and_units() -> None:
    """Gains and losses have a sign, shares have none."""
    assert {FIGURES[name].label: format_figure(name, value) for name, value in KNOWN.items()} == SHOWN


def test_the_terminal_shows_labels_and_units(known: dict[str, Any]) -> None:
    """Two figures per line."""
    text = " ".join("\n".join(summary_lines(known)).split())
    names = ("Total return", "Max drawdown", "Sharpe ratio", "Win rate", "Profit factor", "Exposure", "Signals ignored")
    for label in names:
        assert f"{label} {SHOWN[label]}" in text


def test_the_terminal_shows_a_time_zone_and_money_in_the_quote_currency() -> None:
    """Days in Seoul need no remark."""
    counts = {"max_positions": 2, "position_size": 0.5, "no_slot": 0, "too_small": 0}
    account = {**counts, "initial_cash": 10_000.0, "final_value": 12_345.678}
    lines = summary_lines(document(part("BTC_USDT"), account=account, timezone="UTC"))
    assert lines[0].endswith("2024-12-31 (UTC), 1d")
    assert any("shared, 10,000.00 USDT to 12,345.68 USDT, at most 2 positions" in line for line in lines)
    assert summary_lines(document(part("BTC_USDT")))[0].endswith("2024-12-31, 1d")


@pytest.mark.parametrize(("zone", "day"), [("Asia/Seoul", "2025-06-01"), ("UTC", "2025-05-31")])
def test_the_terminal_shows_the_days_of_candles_in_the_time_zone_of_the_range(zone: str, day: str) -> None:
    """The first hour of June in Seoul is in May in UTC."""
    hourly = part()
    hourly["candles"] = {**hourly["candles"], "first": "2025-05-31T15:00:00Z"}
    lines = summary_lines(document(hourly, timezone=zone))
    assert any(line.startswith("Data") and f", {day} to " in line for line in lines)


def tables_of(content: dict[str, Any]) -> Tables:
    """The rows of a document, with an equity curve of two bars."""
    return {**document_tables(content), "equity": curve([1.0, 0.9])}


def test_ticks_and_the_size_of_positions_are_shown() -> None:
    """Both change the figures; without them the line ends there."""
    plain, sized = document(part()), document(part(), spec={"tick_sizes": "upbit", "position_size": 0.25})
    text, page = "\n".join(summary_lines(sized)), render_report(sized, tables_of(sized))
    assert "slippage 0.02 % on each leg, then rounding to ticks" in text
    assert "Account       one per symbol, positions each opened with 25 % of the equity" in text
    assert "0.02% of the price, which is then rounded to a tick" in page
    assert "positions are each opened with 25.00% of its equity" in page
    assert "Account" not in "\n".join(summary_lines(plain))
    assert "rounded to a tick" not in render_report(plain, tables_of(plain))


def test_the_report_shows_labels_and_units(known: dict[str, Any]) -> None:
    """A definition list, in which gains and losses have an arrow too."""
    html = render_report(known, tables_of(known))
    pairs = {label: re.sub("<.*?>|[▲▼ ]", "", text) for label, text in re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", html)}
    expected = {label: text.replace(" ", "") for label, text in SHOWN.items() if label != "Average return"}
    assert {label: pairs[label] for label in expected} == expected


def test_a_notebook_shows_labels_and_units(known: dict[str, Any]) -> None:
    """A table."""
    pairs = dict(re.findall(r"<th>(.*?)</th><td>(.*?)</td>", BacktestRun(known, tables_of(known))._repr_html_()))
    assert pairs.items() <= SHOWN.items()
    assert len(pairs) == 10


def test_dagster_shows_labels_and_units(known: dict[str, Any]) -> None:
    """As metadata of the step."""
    (own,) = known["symbols"]
    shown = simulation_metadata([{"symbol": own, "facts": {"execution_time": 0.5, "candles": {"warm_up": None}}}])
    values = {name: getattr(value, "value", None) for name, value in shown.items()}
    assert values == {**SHOWN, "Break-even cost": "0.345 % per leg", "seconds": 0.5}


@pytest.mark.parametrize(
    ("rate", "gross", "trades", "expected"),
    [
        (0.00345, 0.25, 9, "0.345 % per leg"),
        (None, 0.0, 0, "no trades"),
        (None, -0.1, 9, "loses even without costs"),
        (0.0, -0.1, 9, "loses even without costs"),
        (0.0, 0.1, 9, "loses by rounding to ticks alone"),
        (0.0, 0.0, 9, "0 % per leg"),
        (0.1, None, 9, "10 % per leg"),
    ],
)
def test_break_even(rate: float | None, gross: float | None, trades: int, expected: str) -> None:
    """A result that no cost rate breaks even has the reason; early results have 0 for a loss without costs."""
    assert break_even_text({"break_even_rate": rate, "gross_return": gross}, trades) == expected


def test_the_terminal_shows_where_no_cost_breaks_even() -> None:
    """Not as a rate of 0."""
    costs = {**part()["costs"], "gross_return": -0.1, "break_even_rate": None}
    lines = summary_lines(document(part(metrics=KNOWN, costs=costs)))
    assert any(line.endswith("break-even: loses even without costs") for line in lines)


def test_the_documentation_has_every_label_and_unit() -> None:
    """The table of statistics lists key, label and unit."""
    page = (ROOT / "docs/engine.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| ([\w /]+, [\w ]+) \|", page, re.MULTILINE))
    units = {Unit.CHANGE: "signed percent", Unit.SHARE: "percent", Unit.RATIO: "number", Unit.COUNT: "count"}
    assert listed == {
        name: f"{figure.label}, {units[figure.unit]}" for name, figure in FIGURES.items() if name in KNOWN
    }
