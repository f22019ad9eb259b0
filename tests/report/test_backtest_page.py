"""The page of a backtest report: figures, tables, pictures, languages, escaping and its content security policy."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from coin_pipeline.backtest.messages import Message, check_json, warnings_json
from coin_pipeline.engine.metrics import Metrics
from coin_pipeline.languages import Language
from coin_pipeline.report.backtest_page import content_security_policy, render_backtest_page
from coin_pipeline.report.payload import Analysis, ReportData
from coin_pipeline.report.texts import PAGE, SCRIPT
from tests.report.documents import curve, document, metrics, part, walk
from tests.report.report_data import analysis, packed, report_data, report_document

EQUITY = curve(walk(2, 40), walk(3, 40))
MAX_BYTES = 1_500_000


def rendered(
    content: dict[str, Any] | None = None,
    facts: Analysis | None = None,
    data: ReportData | None = None,
    language: Language = "en",
) -> str:
    """Render a report, by default one of a symbol with ten trades."""
    content = content or report_document()
    return render_backtest_page(
        content, {"equity": EQUITY}, data or report_data(), facts or analysis(len(content["symbols"])), language
    )


class Page(HTMLParser):
    """Parser of the rows and texts of a page; fails if elements are not properly nested."""

    VOID = frozenset({"meta", "br", "img", "input", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.label = ""
        self.rows: list[list[str]] = []
        self.figures: dict[str, str] = {}
        self.text = ""
        self.scripts: list[str] = []
        self.style = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Start an element."""
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        elif tag == "dt":
            self.label = ""
        elif tag == "dd" and not attrs:
            self.figures[self.label] = ""
        elif tag == "script" and not attrs:
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass over an element of an SVG without content."""

    def handle_endtag(self, tag: str) -> None:
        """End the innermost element, which must match."""
        assert self.open.pop() == tag
        if tag == "dd":
            self.label = ""

    def handle_data(self, data: str) -> None:
        """Add text to what contains it."""
        if self.open[-1:] == ["script"]:
            if self.scripts:
                self.scripts[-1] += data
        elif self.open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data
            if "dt" in self.open:
                self.label += data
            elif "dd" in self.open and self.label in self.figures:
                self.figures[self.label] += data
            if {"td", "th"} & {*self.open}:
                self.rows[-1][-1] += data

    def row(self, *start: str) -> list[str]:
        """Return the first row that begins with these cells."""
        return next(row for row in self.rows if row[: len(start)] == list(start))


def test_headline_compares_with_buying_and_holding() -> None:
    """Gains and losses have a sign and an arrow, and the difference to buy and hold is in percentage points."""
    html = rendered(report_document(metrics=metrics(total_return=-0.1, buy_and_hold=0.4)))
    assert re.search(r"Total return</dt><dd><span class=\"loss\">▼</span> -10\.00%", html)
    assert re.search(r"Buy and hold</dt><dd><span class=\"gain\">▲</span> \+40\.00%", html)
    assert "▼ -50.00 pp against buy and hold" in html


def test_undefined_figures_are_dashes() -> None:
    """A figure of the analysis that is undefined is a dash, never None or nan."""
    html = rendered()
    assert re.search(r"SQN</dt><dd><span class=\"undefined\" title=\"undefined\">&ndash;</span>", html)
    assert "None" not in Page(html).text


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


def page_of(*parts: dict[str, Any], **changed: object) -> Page:
    """Render and read a report of some symbols, by default one without trades."""
    content = document(*parts, **changed)
    return Page(rendered(content, analysis(len(content["symbols"]))))


def test_builder_has_the_metrics_of_the_engine() -> None:
    """Those that it computes, and no others."""
    assert set(metrics()) == {field.name for field in dataclasses.fields(Metrics)}


def test_key_figures_have_units_and_signs() -> None:
    """Returns are signed percentages, drawdowns are positive, ratios have two digits and counts have commas."""
    figures = page_of(part(metrics=KNOWN)).figures
    assert {name: value.removeprefix("▲ ") for name, value in list(figures.items())[:16]} == {
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
    """Never zero."""
    assert page_of().figures["Sharpe ratio"] == "\u2013"


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.000001, "0.00%"), (0.0, "0.00%"), (-0.5, "-50.00%"), (3e8, "+3.00e+10%")]
)
def test_returns_near_zero_have_no_sign_and_huge_ones_are_short(value: float, shown: str) -> None:
    """There is no minus zero, and no number of twenty digits."""
    assert page_of(part(metrics=metrics(total_return=value))).figures["Total return"].split()[-1] == shown


def test_heading_describes_the_backtest() -> None:
    """Strategy, params, options, symbols, range, fill and description."""
    spec = {"symbols": ["BTC_KRW"], "stop_loss": 0.05, "initial_cash": 7e6, "min_order": 5000.0}
    html = rendered(document(description="A first look", spec=spec))
    assert "<h1>volume_long_candle</h1>" in html
    assert "<li>vol_multiplier = <b>1.5</b></li>" in html
    assert "<li>Stop-loss <b>5%</b></li>" in html
    assert "<li>Initial cash <b>7,000,000 KRW</b></li>" in html
    assert "<li>Minimum order <b>5,000 KRW</b></li>" in html
    assert "BTC_KRW · 1d candles · 2024-01-01 to 2024-12-31, whole days in Asia/Seoul · fills: next open" in html
    assert "<p>A first look</p>" in html


def test_days_are_those_of_the_time_zone_of_the_request() -> None:
    """Wherever the report names it."""
    assert "2024-12-31, whole days in UTC" in page_of(timezone="UTC").text


def test_long_symbol_list_is_truncated_in_the_heading() -> None:
    """It names twelve symbols and the number of others; the tables list all."""
    names = [f"C{i}_KRW" for i in range(30)]
    page = page_of(*(part(name) for name in names))
    assert "C11_KRW and 18 more ·" in page.text
    assert {row[0] for row in page.rows if row} >= {*names}


def test_warnings_precede_the_figures() -> None:
    """In full; without warnings there is no box."""
    text = Page(rendered(document(warnings=["BTC_KRW: the strategy never traded"]))).text
    assert text.index("BTC_KRW: the strategy never traded") < text.index("Total return")
    assert 'class="warnings"' not in rendered(document())


def test_costs_show_rates_stress_and_impact() -> None:
    """Rates keep their digits; the difference between gross and net is in percentage points."""
    page = page_of(part(metrics=KNOWN))
    assert (
        "Each of the 2 legs of a trade costs a fee of 0.1% of its value and slippage of 0.02% of the price."
        in page.text
    )
    assert page.row("Costs") == ["Costs", *(f"{multiple}\N{MULTIPLICATION SIGN}" for multiple in (0, 1, 2, 5))]
    assert page.row("Total return") == ["Total return", "+25.00%", "+20.00%", "+15.00%", "-2.00%"]
    assert page.row("BTC_KRW", "+64.24%")[-3:] == ["+25.00%", "-5.00 pp", "0.345% per leg"]


def test_the_cost_at_which_a_backtest_breaks_even() -> None:
    """Or why there is none."""
    assert "Break-even: 0.345% per leg." in page_of(part(metrics=KNOWN)).text
    lost = {**part()["costs"], "gross_return": -0.1, "break_even_rate": None}
    assert "Break-even: loses even without costs." in page_of(part(metrics=KNOWN, costs=lost)).text
    assert "Break-even: no trades." in page_of().text


def test_candles_show_coverage_gaps_and_warm_up() -> None:
    """Missing candles are counted, the first gaps are listed, and further gaps and missing warm-up are counted."""
    gap = {"start": "2024-03-02T00:00:00Z", "end": "2024-03-03T00:00:00Z", "missing": 1}
    candles = {**part()["candles"], "present": 359, "ratio": 359 / 366, "gap_count": 7, "gaps": [gap] * 7}
    candles |= {"no_trade": 4, "not_fetched": 3, "known": 363 / 366, "verdict": "gaps"}
    candles["warm_up"] = {"declared": 60, "used": 20, "missing": 40}
    page = page_of(part(candles=candles))
    row = page.row("BTC_KRW", "2024-01-01 09:00")
    assert row[3:] == ["366", "7", "4", "3", "98.09%", "99.18%", "7", "20 of 60", "gaps"]
    listed = page.rows[page.rows.index(row) + 1][1]
    assert listed.count("1 missing from 2024-03-02 09:00 to 2024-03-03 09:00") == 5
    assert listed.endswith("; and 2 more gaps")


def test_checks_are_listed() -> None:
    """Each check of each symbol has a row with its detail."""
    row = page_of().row("BTC_KRW", "no look-ahead")
    assert row[2:] == ["✓ passed", "signals unchanged with other later candles at 8 points"]


ACCOUNT = {
    "max_positions": 2,
    "position_size": 0.5,
    "initial_cash": 10_000_000.0,
    "final_value": 12_345_678.9,
}


def test_shared_account_has_its_cash_and_its_skipped_signals() -> None:
    """Without one, the section is absent."""
    page = page_of(part(no_slot=1_234, too_small=3), account=ACCOUNT)
    assert "which started with 10,000,000 KRW and ended at 12,345,679 KRW, with at most 2 positions open" in page.text
    assert (
        "Signals not traded: 1,237: 1,234 with no position free, 3 for lack of cash or below the minimum order"
        in page.text
    )
    assert "cash account" not in page_of().text


def test_options_of_a_result_without_a_spec_are_shown() -> None:
    """Early versions stored none."""
    assert "Fee rate 0.1%" in page_of().text


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
    page = page_of(part(symbol), account={**ACCOUNT, "initial_cash": 0.00012345, "final_value": 1.5})
    assert f"which started with {start} and ended at {end}, with at most 2 positions open" in page.text


def test_digests_versions_run_and_host_are_shown() -> None:
    """With which the result can be computed again, and where it was computed."""
    page = page_of()
    assert page.row("Run")[1] == "20240101_000000_abcd1234"
    assert page.row("Spec")[1] == "a" * 64
    assert page.row("Code")[1] == "b" * 64
    assert page.row("Candles of BTC_KRW")[1] == "c" * 64
    assert page.row("Versions")[1] == "coin-pipeline 0.1.0, numba 0.68.0, numpy 2.4.0, schema 1.2.0"
    assert page.row("Executed")[1] == "2025-01-02 12:04 in Asia/Seoul on host-1 (test), 0.12 s"


def test_several_symbols_have_figures_of_their_own() -> None:
    """The picture without scripts has their mean."""
    content = document(part("BTC_KRW", metrics=KNOWN), part("ETH_KRW"))
    equity = pa.concat_tables([curve([1.0, 1.1], symbol="BTC_KRW"), curve([1.0, 0.9], symbol="ETH_KRW")])
    html = render_backtest_page(content, {"equity": equity}, report_data(symbols=2), analysis(2))
    page = Page(html)
    assert "mean of 2 symbols" in page.text
    assert "equal shares, never rebalanced" in page.text
    assert page.row("BTC_KRW", "+64.24%")[1:5] == ["+64.24%", "+1,203.10%", "-18.51%", "18.36%"]


def test_months_are_in_the_page() -> None:
    """The newest first, as its script draws them."""
    data = report_data(60)
    data["periods"][1]["net_return"] = packed([-0.01, 0.0], 10**6)
    data["periods"][1]["profit"] = packed([-1_234_567.89, 0], 100)
    rows = [row for row in Page(rendered(data=data)).rows if len(row) == 6 and row[0].startswith("2024-")]
    assert rows == [
        ["2024-02", "3", "2", "1", "0", " 0.00%"],
        ["2024-01", "3", "2", "1", "-1,234,567.9", "\u25bc -1.00%"],
    ]


def test_a_symbol_without_trades_has_a_note() -> None:
    """Others may have some."""
    html = render_backtest_page(
        report_document(2), {"equity": EQUITY}, report_data(40, 0), analysis(2), symbol="BTC_KRW"
    )
    assert "There were no trades in BTC_KRW." in html


def test_periods_offer_a_profit_only_where_it_is_known() -> None:
    """The column is absent otherwise."""
    assert ["Period", "Trades", "Wins", "Losses", "Profit", "Return"] in Page(rendered()).rows
    data = report_data()
    data["periods"] = [{**table, "profit": None} for table in data["periods"]]
    assert ["Period", "Trades", "Wins", "Losses", "Return"] in Page(rendered(data=data)).rows


def test_controls_of_curves_that_are_unknown_are_hidden() -> None:
    """Without buy and hold there is no beta, and no volatility to match; a short range has no rolling figure."""
    data = report_data()
    assert data["daily"]["rolling"] is not None
    data["daily"] |= {"matched": None, "rolling": {**data["daily"]["rolling"], "beta": None}}
    html = rendered(data=data)
    assert '<label hidden><input type="checkbox" id="matched">' in html
    assert '<option value="volatility">' in html
    assert '<option value="beta">' not in html
    assert '<label hidden>Rolling figure <select id="rolling">' in rendered(data=report_data(20))


def test_months_are_coloured_by_size() -> None:
    """The largest change has the strongest colour; months outside of the range are empty."""
    html = rendered()
    assert Page(html).row("2024")[1:5] == ["", "+5.00%", "-10.00%", "0.00%"]
    assert '<td class="n loss-5">-10.00%</td>' in html
    assert re.search(r'<td class="n gain-[23]">\+5\.00%</td>', html)


def test_drawdowns_state_whether_they_recovered() -> None:
    """Each has its depth, its times and its length in days."""
    page = Page(rendered())
    assert page.row("1", "10.00%")[2:] == ["2024-01-01 09:00", "2024-01-02 09:00", "not yet", "1.0", "40.0"]
    assert page.row("2", "10.00%")[4] == "2024-01-04 09:00"


def test_distribution_has_a_bar_per_class_with_returns() -> None:
    """Bars of losses and gains differ in class, have their counts, and an empty class has none."""
    html = rendered()
    bars = re.findall(r'<rect class="(gain|loss)" x="([\d.]+)%".*?<title>(.*?)</title>', html)
    assert bars == [("loss", "0.00", "-2.00% to 0.00%: 3"), ("gain", "33.33", "0.00% to +2.00%: 5")]
    assert "There are too few returns to draw." in html


def test_coverage_is_drawn() -> None:
    """A gap has its place in the range of the backtest; a very short one is still visible."""
    html = rendered()
    assert re.search(r'<svg class="strip" role="img"><title>Coverage of BTC_KRW: 100\.00%</title>', html)
    assert '<rect class="no-trade" x="1.37%" width="0.27%" height="100%"/>' in html


def test_failed_checks_precede_many_others() -> None:
    """If there are many checks the rest is counted, and none that failed is left out."""
    failed = {"name": "no_look_ahead", "passed": False, "detail": "not checked"}
    parts = [part(f"C{i}_KRW", checks=[failed] if i == 70 else part()["checks"]) for i in range(80)]
    html = rendered({**report_document(), "symbols": parts}, analysis(80))
    assert Page(html).row("C70_KRW", "no look-ahead")[2:] == ["✗ FAILED", "not checked"]
    assert "119 more checks passed." in html


def test_every_failed_check_is_shown() -> None:
    """Also if there are more of them than checks are shown otherwise."""
    failed = {"name": "no_look_ahead", "passed": False, "detail": "not checked"}
    parts = [part(f"C{i}_KRW", checks=[failed, *part()["checks"]]) for i in range(60)]
    html = rendered({**report_document(), "symbols": parts}, analysis(60))
    assert html.count("FAILED") == 60


def test_trades_are_summed_up_by_exit() -> None:
    """Under the name that the table of trades uses."""
    assert Page(rendered()).row("holding period")[1:] == ["10", "40.00%", "+1.00%", "-1.00%", "+2.00%"]


def test_notes_about_what_is_left_out() -> None:
    """Symbols without a price chart are counted and named, with the address and the command of their reports."""
    html = rendered(data=report_data(40, symbols=500))
    assert "490 symbols with fewer trades have no price chart in this file" in html
    assert "/reports/20240101_000000_abcd1234?symbol=C10_KRW on the server" in html
    assert "<code>coin results report 20240101_000000_abcd1234 --symbol C10_KRW</code>" in html
    assert "<p>C10_KRW, C11_KRW, C12_KRW," in html
    assert "not in this file" not in rendered(data=report_data(40, symbols=10)).split("<script")[0]
    cut = report_data(40, 10, 2)
    cut["trades"]["total"] = 11
    html = rendered(report_document(2), data=cut)
    assert "Trades entered after 2024-02-04 09:00 are not in this file" in html
    assert "has more of its trades: <code>coin results report 20240101_000000_abcd1234 --symbol BTC_KRW</code>" in html
    facts = analysis()
    facts["coverage"][0]["gaps_left_out"] = 1234
    assert "1,234 gaps are not drawn" in rendered(facts=facts)


@pytest.mark.parametrize(("bars", "trades", "symbols"), [(400, 10, 500), (1000, 50_000, 1)])
def test_large_reports_stay_small(bars: int, trades: int, symbols: int) -> None:
    """The page of 500 symbols, and that of 50,000 trades, are within the limit."""
    html = rendered(report_document(symbols), analysis(symbols), report_data(bars, trades, symbols))
    assert len(html.encode()) < MAX_BYTES


def test_policy_allows_exactly_the_scripts_and_styles_of_the_page() -> None:
    """Each is allowed by its hash, and the policy is the one that the API sends."""
    html = rendered()
    page, policy = Page(html), content_security_policy()
    assert f'content="{policy}"'.replace("'", "&#39;") in html
    for content in (page.style, *page.scripts):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.count("'sha256-") == 1 + len(page.scripts)
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_page_loads_nothing() -> None:
    """There are no handlers, styles of elements, images or imports; the only link leads to the chart library."""
    html = re.sub(r"<script>.*?</script>", "", rendered(), flags=re.DOTALL).replace(
        '<link rel="icon" href="data:,">', ""
    )
    assert not re.search(r"\son\w+=|\sstyle=|\ssrc=|<link|@import|url\((?!#)", html)
    assert re.findall(r'href="(http[^"]*)"', html) == ["https://www.tradingview.com/"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_page_is_well_formed_in_each_language(language: Language) -> None:
    """Elements are nested properly, and the language of the page is declared."""
    html = rendered(language=language)
    assert f'<html lang="{language}" data-zone="Asia/Seoul">' in html
    assert PAGE["drawdowns"].write(language) in Page(html).text


def test_korean_page_has_no_english_labels() -> None:
    """Only data of the result remains in English, and it is marked as such."""
    html = rendered(report_document(warnings=["it hardly traded"]), language="ko")
    for label in ("Total return", "Drawdown", "Symbols", "Break-even", "per leg"):
        assert label not in Page(html).text
    assert '<li lang="en">it hardly traded</li>' in html


def test_instants_of_sentences_are_those_of_the_zone() -> None:
    """As everywhere on the page; what is not an instant stays."""
    sentences = ["the signal of 2024-01-05T15:00:00Z cannot be filled", "failed on 2024-02-30T00:00:00Z"]
    text = Page(rendered(report_document(warnings=sentences))).text
    assert "the signal of 2024-01-06 00:00 cannot be filled" in text
    assert sentences[1] in text


def test_warnings_and_checks_are_in_korean() -> None:
    """Where the document has their codes and values."""
    check = check_json("candles", Message("candles_valid", {"present": 366}), passed=True)
    warnings = warnings_json([Message("few_trades", {"trades": 3, "limit": 30})])
    document = report_document(**warnings)
    document["symbols"][0]["checks"] = [check]
    html = rendered(document, language="ko")
    assert '<li lang="ko">거래가 3건뿐입니다.' in html
    assert 'lang="ko">캔들 366개가 시간순이며' in html


def test_texts_have_the_same_placeholders_in_both_languages() -> None:
    """A placeholder that one language lacks would lose a number."""
    for key, text in [*PAGE.items(), *SCRIPT.items()]:
        english, korean = (set(re.findall(r"\{(\w+)\}", part)) for part in text)
        assert english == korean, key
        assert all(text), key
