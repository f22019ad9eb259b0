"""The backtest report: figures, undefined values, omitted trades, escaping and self-containment."""

import dataclasses
import re
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from coin_pipeline.engine.metrics import Metrics
from coin_pipeline.report.page import render_backtest_report
from coin_pipeline.results.tables import document_tables
from tests.report.documents import curve, document, metrics, part, trade

EQUITY = curve([1.0, 1.2, 0.9, 1.1], [1.0, 1.1, 1.2, 1.3])
KNOWN = metrics(
    total_return=0.6424,
    cagr=-0.1851,
    volatility=0.41,
    sharpe=0.554,
    sortino=-1.0949,
    max_drawdown=0.1836,
    exposure=0.213,
    buy_and_hold=12.031,
    signals=1234,
    trades=47,
    ignored=13,
    win_rate=0.5319,
    avg_return=0.0041,
    expectancy=0.0041,
    profit_factor=1.37,
    avg_hold_bars=1.25,
)


class Page(HTMLParser):
    """Parser of the cells and key figures of a page; fails if elements are not properly nested."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.figures: dict[str, str] = {}
        self.text = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Start an element, and the row, cell or figure it contains."""
        self.tags.add(tag)
        if tag not in {"meta", "path", "rect"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        elif tag == "dt":
            self.label = ""
        elif tag == "dd" and ("class", "hint") not in attrs:
            self.figures[self.label] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element without content."""
        del attrs
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """End the innermost element, which must match."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Add text to the page and to the current cell or figure."""
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        elif "dt" in self.open:
            self.label += data
        elif "dd" in self.open and not self.figures[self.label]:
            self.figures[self.label] = data

    def row(self, *start: str) -> list[str]:
        """Return the first row that starts with these cells."""
        return next(row for row in self.rows if row[: len(start)] == list(start))


def rendered(content: dict[str, Any], equity: pa.Table = EQUITY) -> str:
    """Render a document, whose trades are all in it."""
    return render_backtest_report(content, {**document_tables(content), "equity": equity})


def page_of(*parts: dict[str, Any], **changed: object) -> Page:
    """Render and read a document."""
    return Page(rendered(document(*parts, **changed)))


def test_builder_has_the_metrics_of_the_engine() -> None:
    """The metrics of the builder match those that the engine computes."""
    assert set(metrics()) == {field.name for field in dataclasses.fields(Metrics)}


def test_key_figures_have_units_and_signs() -> None:
    """Returns are signed percentages, drawdowns are positive, ratios have two digits and counts have commas."""
    assert page_of(part(metrics=KNOWN)).figures == {
        "Total return": "+64.24%",
        "Buy and hold": "+1,203.10%",
        "CAGR": "-18.51%",
        "Max drawdown": "18.36%",
        "Sharpe ratio": "0.55",
        "Sortino ratio": "-1.09",
        "Volatility": "41.00%",
        "Exposure": "21.30%",
        "Profit factor": "1.37",
        "Win rate": "53.19%",
        "Expectancy": "+0.41%",
        "Average hold": "1.25",
        "Trades": "47",
        "Signals": "1,234",
        "Signals ignored": "13",
        "Symbols": "1",
    }


def test_undefined_metrics_are_dashes() -> None:
    """An undefined metric is an en dash titled 'undefined', never None, nan or zero."""
    html = rendered(document())
    assert Page(html).figures["Sharpe ratio"] == "\u2013"
    assert '<span class="undefined" title="undefined">&ndash;</span>' in html
    assert "None" not in html


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.000001, "0.00%"), (0.0, "0.00%"), (-0.5, "-50.00%"), (3e8, "+3.00e+10%")]
)
def test_returns_near_zero_have_no_sign_and_huge_ones_are_short(value: float, shown: str) -> None:
    """There is no minus zero on the page, and no number of twenty digits."""
    assert page_of(part(metrics=metrics(total_return=value))).figures["Total return"] == shown


def test_header_names_strategy_params_range_and_fill() -> None:
    """The heading describes the backtest."""
    html = rendered(document(description="A first look"))
    assert "<h1>volume_long_candle</h1>" in html
    assert "<li>vol_multiplier = <b>1.5</b></li>" in html
    assert "BTC_KRW · 1d candles · 2024-01-01 to 2024-12-31, whole days in Asia/Seoul · fills: next open" in html
    assert "<p>A first look</p>" in html


def test_long_symbol_list_is_truncated_in_the_heading() -> None:
    """The heading names twelve symbols and the number of others; the tables list all."""
    names = [f"C{i}_KRW" for i in range(30)]
    html = rendered(document(*(part(name) for name in names)))
    assert "C11_KRW and 18 more ·" in html
    assert {row[0] for row in Page(html).rows} >= set(names)


def test_warnings_precede_the_figures() -> None:
    """Warnings are shown in full above the key figures; without warnings there is no box."""
    html = rendered(document(warnings=["BTC_KRW: the strategy never traded"]))
    assert html.index("<li>BTC_KRW: the strategy never traded</li>") < html.index("Total return")
    assert 'class="warnings"' not in rendered(document())


def test_costs_show_rates_and_impact() -> None:
    """Rates keep their digits; the difference between gross and net is in percentage points."""
    html = rendered(document(part(metrics=KNOWN)))
    assert "Each of the 2 legs of a trade costs a fee of 0.1% of its value and slippage of 0.02% of the price." in html
    assert Page(html).row("BTC_KRW", "47")[2:] == ["+25.00%", "+20.00%", "-5.00 pp", "0.345% per leg"]


def test_candles_show_coverage_gaps_and_warm_up() -> None:
    """Missing candles are counted, the first gaps are listed, and further gaps and missing warm-up are counted."""
    gap = {"start": "2024-03-02T00:00:00Z", "end": "2024-03-03T00:00:00Z", "missing": 1}
    candles = {**part()["candles"], "present": 359, "ratio": 359 / 366, "gap_count": 7, "gaps": [gap] * 7}
    candles |= {"no_trade": 4, "not_fetched": 3, "known": 363 / 366, "verdict": "gaps"}
    candles["warm_up"] = {"declared": 60, "used": 20, "missing": 40}
    page = page_of(part(candles=candles))
    row = page.row("BTC_KRW", "2024-01-01 00:00")
    assert row[3:] == ["366", "7", "4", "3", "98.09%", "99.18%", "7", "20 of 60", "gaps"]
    listed = next(row[1] for row in page.rows if "Missing: " in row[-1])
    assert listed.count("1 from 2024-03-02 00:00 to 2024-03-03 00:00") == 5
    assert listed.endswith("; and 2 more gaps")


def test_checks_are_listed() -> None:
    """Each check of each symbol has a row with its detail."""
    row = page_of().row("BTC_KRW", "no look ahead")
    assert row[2:] == ["passed", "signals unchanged with other later candles at 8 points"]


def test_up_to_200_trades_are_shown() -> None:
    """No trade is omitted."""
    html = rendered(document(part(trades=[trade(i) for i in range(200)])))
    assert "omitted" not in html
    assert Page(html).row("200")[2:] == [
        "2024-07-18 00:00",
        "2024-07-19 00:00",
        "57,053,199",
        "57,181,000",
        "1",
        "-1.23%",
    ]


def test_trades_in_between_are_omitted() -> None:
    """The first and last 100 trades keep their numbers, and a row has the number of omitted trades."""
    page = page_of(part(trades=[trade(i) for i in range(1300)]))
    numbers = [row[0] for row in page.rows if row[0].replace(",", "").isdigit()]
    assert numbers == [f"{i:,}" for i in (*range(1, 101), *range(1201, 1301))]
    assert ["", "1,100 trades omitted"] in page.rows
    assert [page.row(number)[4] for number in ("100", "1,201")] == ["57,053,099", "57,054,200"]


def test_trades_are_sorted_by_entry() -> None:
    """Trades of several symbols are merged by entry time."""
    page = page_of(
        part("BTC_KRW", trades=[trade(0), trade(2)]), part("ETH_KRW", trades=[trade(1, "ETH_KRW", open_at_end=True)])
    )
    assert [page.row(str(number))[1] for number in (1, 2, 3)] == ["BTC_KRW", "ETH_KRW", "BTC_KRW"]
    assert page.row("2")[3] == "2024-01-03 00:00open"


def test_costs_show_stress_and_break_even_rate() -> None:
    """The table shows the total return at 0, 1, 2 and 5 times the costs."""
    page = page_of(part(metrics=KNOWN))
    assert page.row("Total return") == ["Total return", "+25.00%", "+20.00%", "+15.00%", "-2.00%"]
    assert "Break-even: 0.345% per leg." in page.text
    lost = {**part()["costs"], "gross_return": -0.1, "break_even_rate": None}
    assert "Break-even: loses even without costs." in page_of(part(metrics=KNOWN, costs=lost)).text
    assert "Break-even: no trades." in page_of().text


def test_shared_account() -> None:
    """The section has cash, position limit and skipped signals; without a shared account it is absent."""
    account = {
        "max_positions": 2,
        "position_size": 0.5,
        "initial_cash": 10_000_000.0,
        "final_value": 12_345_678.9,
        "no_slot": 1_234,
        "too_small": 3,
    }
    page = page_of(part(), account=account)
    assert "which started with 10,000,000 KRW and ended at 12,345,679 KRW, with at most 2 positions open" in page.text
    assert "Skipped signals: 1,234 because no position was free, 3 for lack of cash." in page.text
    assert "cash account" not in page_of(part()).text


@pytest.mark.parametrize(
    ("symbol", "start", "end"),
    [
        ("ETH_BTC", "0.00012345 BTC", "1.5 BTC"),
        ("BTC_USDT", "0.000123 USDT", "1.50 USDT"),
        ("BTC_KRW", "0.000123 KRW", "2 KRW"),
    ],
)
def test_money_is_shown_in_the_quote_currency(symbol: str, start: str, end: str) -> None:
    """Amounts have the usual decimals of their currency, or more if they would be zero."""
    counts = {"max_positions": 2, "position_size": 0.5, "no_slot": 0, "too_small": 0}
    account = {**counts, "initial_cash": 0.00012345, "final_value": 1.5}
    page = page_of(part(symbol), account=account)
    assert f"which started with {start} and ended at {end}, with at most 2 positions open" in page.text


def test_the_time_zone_of_the_days_is_shown() -> None:
    """Results without one have days in Seoul."""
    assert "2024-12-31, whole days in UTC" in page_of(part(), timezone="UTC").text
    assert "2024-12-31, whole days in Asia/Seoul" in page_of(part()).text


def test_stops_and_their_exits_are_shown() -> None:
    """Stops are listed with the params, and a trade names the stop that closed it."""
    stops = {"stop_loss": 0.05, "take_profit": None, "trailing_stop": None}
    page = page_of(part(trades=[trade(0, exit_reason="stop_loss")]), stops=stops)
    assert "stop loss 5%" in page.text
    assert page.row("1")[3] == "2024-01-02 00:00stop loss"


@pytest.mark.parametrize(
    ("price", "shown"),
    [(150_803_000.0, "150,803,000"), (0.00001234, "0.00001234"), (812.3, "812.3"), (0.1 + 0.2, "0.3")],
)
def test_prices_are_plain_decimals(price: float, shown: str) -> None:
    """Prices of any size are shown without scientific notation and binary noise."""
    assert page_of(part(trades=[trade(0, entry_price=price)])).row("1")[4] == shown


def test_fingerprint_run_and_host_are_shown() -> None:
    """The page has the digests of candles and code, the versions, and where and when the run was executed."""
    page = page_of()
    assert page.row("Spec") == ["Spec", "a" * 64]
    assert page.row("Code") == ["Code", "b" * 64]
    assert page.row("Candles of BTC_KRW") == ["Candles of BTC_KRW", "c" * 64]
    assert page.row("Run") == ["Run", "20240101_000000_abcd1234"]
    assert page.row("Versions")[1] == "coin-pipeline 0.1.0, numba 0.68.0, numpy 2.4.0; schema 1.2.0"
    assert page.row("Executed")[1] == "2025-01-02 03:04 UTC on host-1 (test), 0.12 s"


def test_document_texts_are_escaped() -> None:
    """Markup in any text of the document is shown as text."""
    evil = '<b>&"'
    html = rendered(
        document(
            part(evil, trades=[trade(0, evil)], checks=[{"name": evil, "passed": False, "detail": evil}]),
            strategy=evil,
            params={evil: evil},
            description=evil,
            warnings=[evil],
            run_id=evil,
            metadata={"execution_date": evil, "environment": evil, "execution_host": evil},
        ),
        curve([1.0, 1.1], symbol=evil),
    )
    assert evil not in html
    assert "<h1>&lt;b&gt;&amp;&#34;</h1>" in html
    assert Page(html).row(evil, evil) == [evil, evil, "FAILED", evil]


def test_page_is_self_contained() -> None:
    """The page has no scripts, links or external images, and its policy forbids loading any."""
    html = rendered(document())
    assert re.findall(r"https?://[^\"]*", html) == ["http://www.w3.org/2000/svg"]
    assert not Page(html).tags & {"script", "link", "img", "iframe", "a", "object"}
    assert "url(" not in html
    assert "default-src 'none'" in html
    assert html.startswith("<!doctype html>")


def test_report_of_several_symbols() -> None:
    """The figure shows the mean of both symbols, and the table lists both."""
    equity = pa.concat_tables([curve([1.0, 1.1], symbol="BTC_KRW"), curve([1.0, 0.9], symbol="ETH_KRW")])
    html = rendered(document(part("BTC_KRW", metrics=KNOWN), part("ETH_KRW")), equity)
    assert "mean of 2 symbols" in html
    assert "equal shares, never rebalanced" in html
    assert Page(html).row("BTC_KRW")[1:5] == ["+64.24%", "+1,203.10%", "-18.51%", "18.36%"]
