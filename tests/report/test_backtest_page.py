"""The page of a backtest report: figures, tables, pictures, languages, escaping and its content security policy."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from coin_pipeline.backtest.messages import Message, check_json, warnings_json
from coin_pipeline.languages import Language
from coin_pipeline.report.backtest_page import content_security_policy, render_backtest_page
from coin_pipeline.report.payload import Analysis, ReportData
from coin_pipeline.report.texts import PAGE, SCRIPT
from tests.report.documents import curve, metrics, part, walk
from tests.report.report_data import analysis, report_data, report_document

EQUITY = curve(walk(2, 40), walk(3, 40))
MAX_BYTES = 1_500_000


def rendered(
    document: dict[str, Any] | None = None,
    facts: Analysis | None = None,
    data: ReportData | None = None,
    language: Language = "en",
) -> str:
    """Render a report, by default one of a symbol with ten trades."""
    content = document or report_document()
    return render_backtest_page(
        content, {"equity": EQUITY}, data or report_data(), facts or analysis(len(content["symbols"])), language
    )


class Page(HTMLParser):
    """Parser of the rows and texts of a page; fails if elements are not properly nested."""

    VOID = frozenset({"meta", "br", "img", "input", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
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
        elif tag == "script" and not attrs:
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass over an element of an SVG without content."""

    def handle_endtag(self, tag: str) -> None:
        """End the innermost element, which must match."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Add text to what contains it."""
        if self.open[-1:] == ["script"]:
            if self.scripts:
                self.scripts[-1] += data
        elif self.open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data
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


def test_months_are_coloured_by_size() -> None:
    """The largest change has the strongest colour; months outside of the range are empty."""
    html = rendered()
    assert Page(html).row("2024")[1:5] == ["", "+5.00%", "-10.00%", "0.00%"]
    assert '<td class="n loss-5">-10.00%</td>' in html
    assert re.search(r'<td class="n gain-[23]">\+5\.00%</td>', html)


def test_drawdowns_state_whether_they_recovered() -> None:
    """Each has its depth, its times and its length in days."""
    page = Page(rendered())
    assert page.row("1", "10.00%")[2:] == ["2024-01-01 00:00", "2024-01-02 00:00", "not yet", "1.0", "40.0"]
    assert page.row("2", "10.00%")[4] == "2024-01-04 00:00"


def test_distribution_has_a_bar_per_class_with_returns() -> None:
    """Bars of losses and gains differ in class, have their counts, and an empty class has none."""
    html = rendered()
    bars = re.findall(r'<rect class="(gain|loss)" x="([\d.]+)%".*?<title>(.*?)</title>', html)
    assert bars == [("loss", "0.00", "-2.00% to 0.00%: 3"), ("gain", "33.33", "0.00% to +2.00%: 5")]
    assert "There are too few returns." in html


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
    """Symbols without a price chart are counted."""
    assert "490 symbols with fewer trades have no price chart here" in rendered(data=report_data(40, symbols=500))
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
    assert f'<html lang="{language}">' in html
    assert PAGE["drawdowns"].write(language) in Page(html).text


def test_korean_page_has_no_english_labels() -> None:
    """Only data of the result remains in English, and it is marked as such."""
    html = rendered(report_document(warnings=["it hardly traded"]), language="ko")
    for label in ("Total return", "Drawdown", "Symbols", "Break-even", "per leg"):
        assert label not in Page(html).text
    assert '<li lang="en">it hardly traded</li>' in html


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
