"""The backtest report in Chromium: charts, trades, themes, phones, hostile texts and accessibility."""

import csv
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page

from coin_pipeline.languages import Language
from coin_pipeline.report.backtest_page import render_backtest_page
from coin_pipeline.report.data import report_data as real_data
from coin_pipeline.report.packing import unpack
from coin_pipeline.report.payload import Analysis, ReportData
from coin_pipeline.results.table_formats import encode_csv
from coin_pipeline.results.tables import ResultTable
from tests.browser import HOSTILE_TEXTS, axe_findings, opened_browser, requires_chromium
from tests.report.documents import curve, part, walk
from tests.report.report_data import (
    DAY,
    START,
    analysis,
    candles,
    line,
    packed,
    report_data,
    report_document,
    symbol_data,
)
from tests.result_tables import SYMBOLS, trades_table

pytestmark = requires_chromium
Opener = Callable[..., "Report"]
CORNER = """(() => {
    const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    copy.drawImage(document.querySelector("#price-chart canvas"), 0, 0);
    return copy.getImageData(3, 3, 1, 1).data[0];
})()"""
"""Red of a pixel of the background of the price chart."""
PIXELS = """(() => {
    const { width, height } = document.querySelector("#price-chart canvas");
    const copy = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    copy.drawImage(document.querySelector("#price-chart canvas"), 0, 0);
    return copy.getImageData(0, 0, width, height).data.reduce((sum, value) => sum + value);
})()"""
"""Sum of the pixels of the price chart."""
SCALE_EDGE = """(() => {
    const scale = [...document.querySelectorAll("#price-chart td:last-child canvas")].at(0);
    const copy = Object.assign(document.createElement("canvas"), scale).getContext("2d");
    copy.drawImage(scale, 0, 0);
    const pixels = copy.getImageData(3, 0, scale.width - 6, 1).data;
    return new Set(pixels.filter((_, i) => i % 4 === 0)).size;
})()"""
"""Number of colours of the upper edge of the scale of prices."""
LEGEND = "document.getElementById('price-chart-legend').textContent"
TIMEOUT = 10.0
SCRIPTS = 11
"""Scripts of a page, and its data."""
NOTE = "document.getElementById('price-note').textContent"


class Report:
    """A report in a page of its own, with what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.note_request(request.url))

    def note_request(self, url: str) -> None:
        """Take a request for anything but the file as a problem."""
        if not url.startswith(("file:", "blob:")):
            self.problems.append(f"request: {url}")

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        return self.page.locator(selector).inner_text()

    def wait_until(self, condition: str) -> None:
        """Wait for a condition in JavaScript. Playwright's own waiting needs eval(), which the policy forbids."""
        deadline = time.monotonic() + TIMEOUT
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(20)

    def first_trades(self) -> list[str]:
        """Return the numbers of the first trades in the table."""
        return self.page.locator("#trades-body td:first-child button").all_inner_texts()[:3]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a browser for all tests of this module."""
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Yield a function that opens a report from a file, and waits until its charts are drawn."""
    context = browser.new_context()
    opened: list[Report] = []

    def start(
        data: ReportData | None = None,
        document: dict[str, Any] | None = None,
        facts: Analysis | None = None,
        language: Language = "en",
        size: tuple[int, int] = (1400, 900),
        **options: Any,  # noqa: ANN401 - those of playwright
    ) -> Report:
        data = data or report_data()
        content = document or report_document(len(data["names"]))
        equity = curve(walk(2, 40), walk(3, 40))
        html = render_backtest_page(
            content, {"equity": equity}, data, facts or analysis(len(content["symbols"])), language
        )
        file = tmp_path / "report.html"
        file.write_text(html, "utf-8")
        report = Report(context.new_page())
        opened.append(report)
        report.page.set_viewport_size({"width": size[0], "height": size[1]})
        report.page.emulate_media(reduced_motion="reduce", **options)  # scrolls at once
        report.page.goto(file.as_uri())
        report.page.wait_for_selector("html[data-ready]", state="attached")
        return report

    yield start
    context.close()
    assert [problem for report in opened for problem in report.problems] == []


@pytest.mark.parametrize(
    ("bars", "trades", "symbols"), [(1, 0, 1), (2, 1, 1), (400, 0, 1), (400, 1, 1), (400, 50_000, 1), (60, 1000, 500)]
)
def test_any_number_of_bars_trades_and_symbols(open_report: Opener, bars: int, trades: int, symbols: int) -> None:
    """Charts are drawn, all trades are counted, and nothing but the file is loaded."""
    report = open_report(report_data(bars, trades, symbols))
    assert report.page.locator("#account-chart canvas").count() > 0
    assert report.page.locator("#price-chart canvas").count() > 0
    if trades:
        assert report.text("#trades-count") == f"{trades:,} of {trades:,} trades"
    assert report.page.locator("#trades-body tr").count() < 60


def test_legend_shows_the_bar_below_the_pointer_in_both_charts(open_report: Opener) -> None:
    """Both charts describe the same bar, and the last one again when the pointer leaves."""
    report = open_report(report_data())
    last = report.text("#price-chart-legend span:first-child")
    report.page.hover("#price-chart", position={"x": 300, "y": 150})
    report.wait_until(f"!{LEGEND}.startsWith('{last}')")
    pointed = report.text("#price-chart-legend span:first-child")
    assert report.text("#account-chart-legend span:first-child") == pointed < last
    report.page.mouse.move(5, 5)
    report.wait_until(f"{LEGEND}.startsWith('{last}')")


@pytest.mark.parametrize(
    ("zone", "clock", "shift"), [("UTC", "00:00", 0), ("Asia/Seoul", "09:00", 9), ("America/New_York", "19:00", -5)]
)
def test_times_are_those_of_the_zone(open_report: Opener, zone: str, clock: str, shift: int) -> None:
    """In the legend, in the table, and on the axis, for which the chart's own times are moved."""
    report = open_report(report_data(20, 1), report_document(timezone=zone))
    assert report.text("#price-chart-legend span:first-child")[11:] == clock
    assert report.page.locator("#trades-body td", has_text=clock).count() == 2
    assert report.page.evaluate(f"zoneOffset({START})") == shift * 3600


def test_charts_zoom_together(open_report: Opener) -> None:
    """The wheel zooms one chart, the other follows; a button shows everything again."""
    report = open_report(report_data(400, 100))
    everything = report.text("#price-note")
    assert everything == "Trades in view: 100"
    report.page.hover("#account-chart", position={"x": 500, "y": 100})
    for _ in range(4):
        report.page.mouse.wheel(0, -400)
    report.wait_until(f"{NOTE} !== '{everything}'")
    report.page.get_by_role("button", name="All", exact=True).click()
    report.wait_until(f"{NOTE} === '{everything}'")


def test_many_bars_are_merged_until_zoomed_in(open_report: Opener) -> None:
    """Sixteen of 20,000 bars are one candle; a trade is shown among single bars, with their stored prices."""
    report = open_report(report_data(20_000, 100))
    assert report.text("#price-merged") == "One candle here is 16 bars; zoom in to see each."
    report.page.get_by_role("button", name="Show in the chart: 2", exact=True).click()
    report.wait_until("document.getElementById('price-merged').textContent === ''")
    report.page.hover("#price-chart", position={"x": 500, "y": 150})
    report.page.mouse.move(700, 200)
    report.wait_until(f"!{LEGEND}.startsWith('2078')")
    shown = report.text("#price-chart-legend span:first-child")
    bar = int((np.datetime64(shown.replace(" ", "T"), "s") - np.datetime64(START, "s")) // np.timedelta64(DAY, "s"))
    close = np.cumsum(candles(20_000)["close"]["deltas"])[bar]
    assert f"C {close:,.0f}" in report.text("#price-chart-legend")


def test_keyboard_zooms_and_moves(open_report: Opener) -> None:
    """The charts can be used without a pointer."""
    report = open_report(report_data(400, 100))
    report.page.focus("#price-chart")
    for key in ("+", "+", "+", "+", "ArrowRight"):
        report.page.keyboard.press(key)
    report.wait_until(f"{NOTE} !== 'Trades in view: 100'")
    report.page.keyboard.press("0")
    report.wait_until(f"{NOTE} === 'Trades in view: 100'")


def test_ranges_fit_the_data(open_report: Opener) -> None:
    """Ranges that exceed the data or show too few bars are not offered."""
    report = open_report(report_data(200))
    assert report.page.locator("#spans button").all_inner_texts() == ["1 mo", "3 mo", "All"]


def test_strategy_lines_are_in_the_legend(open_report: Opener) -> None:
    """An indicator has its value; one in a pane of its own makes the chart higher."""
    plain = open_report().page.locator("#price-chart").bounding_box()
    symbol = symbol_data(lines=[line("ema 12", pane="price"), line("rsi")])
    report = open_report({**report_data(), "symbols": [symbol]})
    assert "ema 12 49" in report.text("#price-chart-legend")
    assert "rsi 49" in report.text("#price-chart-legend")
    higher = report.page.locator("#price-chart").bounding_box()
    assert plain is not None
    assert higher is not None
    assert higher["height"] == plain["height"] + 110


def test_lines_on_the_volume_share_its_scale(open_report: Opener) -> None:
    """They need no pane of their own."""
    plain = open_report().page.locator("#price-chart").bounding_box()
    report = open_report({**report_data(), "symbols": [symbol_data(lines=[line("mean volume", pane="volume")])]})
    assert "mean volume 49" in report.text("#price-chart-legend")
    assert report.page.locator("#price-chart").bounding_box() == plain


def test_missing_lines_state_why(open_report: Opener) -> None:
    """Below the chart, until a symbol with all of its lines is selected."""
    data = report_data(symbols=2)
    data["symbols"][0] |= {"no_lines": "The code has changed."}
    report = open_report(data)
    assert report.text("#price-lines") == "The code has changed."
    report.page.select_option("#symbol", "C1_KRW")
    assert report.text("#price-lines") == ""


def test_a_rolling_figure_is_chosen(open_report: Opener) -> None:
    """The legend has its name and its unit; the charts keep what they show."""
    report = open_report(report_data(400, 100))
    assert re.search(r"Sharpe ratio -?\d\.\d\d$", report.text("#account-chart-legend"))
    report.page.get_by_role("button", name="3 mo", exact=True).click()
    report.wait_until(f"{NOTE} !== 'Trades in view: 100'")
    shown = report.text("#price-note")
    report.page.select_option("#rolling", label="Volatility")
    assert report.text("#account-chart-legend").endswith("Volatility 50.00%")
    report.wait_until(f"{NOTE} === '{shown}'")


def test_equity_at_the_volatility_of_buy_and_hold_is_switched_on(open_report: Opener) -> None:
    """It has a line and a value of its own."""
    report = open_report(report_data())
    assert "volatility matched" not in report.text("#account-chart-legend")
    report.page.get_by_label("Strategy at the volatility of buy and hold: daily returns times 1.50").check()
    assert re.search(r"Strategy, volatility matched [+-]\d", report.text("#account-chart-legend"))
    report.page.uncheck("#matched")
    assert "volatility matched" not in report.text("#account-chart-legend")


def test_candles_of_a_longer_timeframe_are_drawn_behind(open_report: Opener) -> None:
    """Where they are too narrow, a note asks to zoom in."""
    report = open_report(report_data(12_000, 10))
    report.page.select_option("#longer", label="Month")
    report.wait_until("document.getElementById('price-longer').textContent.startsWith('Zoom in')")
    report.page.get_by_role("button", name="1 y", exact=True).click()
    report.wait_until("document.getElementById('price-longer').textContent === ''")
    report.wait_until("document.getElementById('price-merged').textContent === ''")
    drawn = report.page.evaluate(PIXELS)
    report.page.select_option("#longer", label="none")
    report.wait_until(f"{PIXELS} !== {drawn}")


def test_a_symbol_without_longer_candles_offers_none(open_report: Opener) -> None:
    """The next symbol has what was chosen if it has such candles."""
    data = report_data(400, 10, 3)
    data["symbols"][1]["longer"] = []
    report = open_report(data)
    report.page.select_option("#longer", label="Month")
    report.page.select_option("#symbol", "C2_KRW")
    assert report.page.input_value("#longer") == "month"
    report.page.select_option("#symbol", "C1_KRW")
    assert not report.page.is_visible("#longer")


def test_prices_are_plain_decimals(open_report: Opener) -> None:
    """Of any size, without scientific notation and binary noise."""
    data = report_data(400, 4)
    data["trades"]["entry_price"] = {"values": [150_803_000.0, 0.00001234, 812.3, 0.1 + 0.2]}
    report = open_report(data)
    cells = report.page.locator("#trades-body tr:not(.space) td:nth-child(5)").all_inner_texts()
    assert cells == ["150,803,000", "0.00001234", "812.3", "0.3"]


def test_trades_and_returns_are_listed_by_period(open_report: Opener) -> None:
    """Months at first, the newest on top; days on demand, and how many are left out."""
    data = report_data(60, 10)
    data["periods"][0]["left_out"] = 1234
    report = open_report(data)
    assert report.page.locator("#periods-body th").all_inner_texts() == ["2024-02", "2024-01"]
    cells = report.page.locator("#periods-body tr:first-child td").all_inner_texts()
    assert cells == ["3", "2", "1", "-1,000,000", "▲ +1.00%"]
    assert report.text("#periods-note") == ""
    report.page.select_option("#period", label="Day")
    assert report.page.locator("#periods-body th").all_inner_texts()[0] == "2024-02-29"
    assert report.text("#periods-note") == "1,234 earlier periods are left out, for lack of space."


def test_script_draws_the_months_of_the_page_alike(open_report: Opener, browser: Browser, tmp_path: Path) -> None:
    """The rows that the page has without scripts are those that its script draws."""
    data = report_data(60, 10)
    data["periods"][1]["profit"] = packed([-1_234_567.89, 0], 100)
    data["periods"][1]["net_return"] = packed([0, -0.0123], 10**6)
    report = open_report(data)
    drawn = report.page.locator("#periods-body tr").all_inner_texts()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("#periods-body tr").all_inner_texts() == drawn
    context.close()


def test_symbol_without_candles_states_why(open_report: Opener) -> None:
    """The reason takes the place of the chart, which returns with the next symbol."""
    data = report_data(symbols=2)
    data["symbols"][1] |= {"candles": None, "longer": [], "no_candles": "The candles changed since."}
    report = open_report(data)
    report.page.select_option("#symbol", "C1_KRW")
    assert report.text("#price-note") == "The candles changed since."
    assert not report.page.is_visible("#price-chart")
    report.page.select_option("#symbol", "BTC_KRW")
    report.page.wait_for_selector("#price-chart canvas")


def test_symbol_without_a_chart_in_the_file(open_report: Opener) -> None:
    """It can be selected, also by one of its trades, and the page states how to get its chart."""
    report = open_report(report_data(60, 20, 12))
    report.page.get_by_role("button", name="Show in the chart: 12", exact=True).click()
    assert report.page.input_value("#symbol") == "C11_KRW"
    assert "coin results report 20240101_000000_abcd1234 --symbol C11_KRW" in report.text("#price-note")
    assert not report.page.is_visible("#price-chart")
    assert not report.page.is_visible("#price-report")  # the page is a file, without a server
    report.page.select_option("#symbol", "BTC_KRW")
    report.page.wait_for_selector("#price-chart canvas")


def test_symbol_without_a_chart_is_linked_on_the_server(browser: Browser) -> None:
    """To the report of the symbol, in the language of the page."""
    html = render_backtest_page(
        report_document(12), {"equity": curve(walk(2, 40))}, report_data(60, 20, 12), analysis(12), "ko"
    )
    context = browser.new_context()
    page = context.new_page()
    address = "http://localhost/reports/20240101_000000_abcd1234"
    page.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    page.select_option("#symbol", "C11_KRW")
    link = page.get_by_role("link", name="C11_KRW 보고서")
    assert link.evaluate("link => link.href") == f"{address}?symbol=C11_KRW&lang=ko"
    context.close()


def test_drawdown_is_shown_in_the_charts(open_report: Opener) -> None:
    """Its number zooms to it."""
    report = open_report(report_data(400, 100))
    report.page.get_by_role("button", name="Show drawdown 2 in the charts").click()
    report.wait_until(f"{NOTE} !== 'Trades in view: 100'")


def test_curves_of_many_days_end_with_the_equity(open_report: Opener) -> None:
    """Of several days in a cell of the chart, one is drawn, in its place."""
    data = report_data(13_000, 10)
    curves: Any = data["curves"]
    for name in ("time", "equity", "drawdown", "buy_and_hold"):
        curves[name] = packed(unpack(curves[name])[::7], 10**6)  # thinned, as in real reports
    report = open_report(data)
    ends = report.page.evaluate(
        """(async () => {
            const view = new AccountView(byId("account-chart"), await readData(), { key: "beta", label: "" }, true, []);
            const end = view.timeAt(view.indexAt(view.extent[1])) + view.shift;
            return view.columns.map(({ series }) => (end - series.data().at(-1).time) / view.step);
        })()"""
    )
    assert len(ends) == 5
    assert all(abs(cells) <= 1 for cells in ends)


def test_equity_of_symbols_with_different_day_starts(open_report: Opener) -> None:
    """Daily bars of UTC and of Seoul are two rows a day, each drawn at its time."""
    data = report_data(400, 10)
    curves: Any = data["curves"]
    day, row = np.divmod(np.arange(400), 2)
    curves["time"] = packed(START + day * 86_400 + row * 9 * 3600)
    report = open_report(data)
    moved = report.page.evaluate(
        """(async () => {
            const figure = { key: "beta", label: "" };
            const view = new AccountView(byId("account-chart"), await readData(), figure, false, []);
            return Array.from(view.main.time, (at, i) => view.main.series.data()[i].time - view.shift - at);
        })()"""
    )
    assert len(moved) == 400
    assert max(map(abs, moved)) <= 4.5 * 3600  # half of a cell


def test_trades_are_sorted_and_filtered(open_report: Opener) -> None:
    """Headers sort, both ways; filters of outcome, reason and symbol combine."""
    report = open_report(report_data(400, 100, 2))
    page = report.page
    page.get_by_role("button", name="Entry price").click()
    page.get_by_role("button", name="Entry price").click()
    assert report.first_trades() == ["100", "99", "98"]
    assert page.get_attribute("#trade-entry_price", "aria-sort") == "descending"
    page.select_option("[name=outcome]", "loss")
    page.select_option("[name=reason]", label="stop loss")
    assert report.text("#trades-count") == "16 of 100 trades"
    page.select_option("[name=symbol]", label="BTC_KRW")
    assert report.text("#trades-count") == "0 of 100 trades"


def test_scrolling_shows_later_trades(open_report: Opener) -> None:
    """The last of 50,000 trades appears at the end of the table, which has few rows all the time."""
    report = open_report(report_data(400, 50_000))
    report.page.evaluate("document.getElementById('trades-box').scrollTop = 1e9")
    report.page.wait_for_selector("#trades-body button:text-is('50,000')")
    assert report.page.locator("#trades-body tr").count() < 60
    assert report.page.get_attribute("#trades-table", "aria-rowcount") == "50001"


def test_trade_is_shown_in_the_chart(open_report: Opener) -> None:
    """The number of a trade selects its symbol and zooms to it."""
    report = open_report(report_data(400, 100, 2))
    report.page.get_by_role("button", name="Show in the chart: 2", exact=True).click()
    assert report.page.input_value("#symbol") == "C1_KRW"
    report.wait_until("/in view: ([1-9]|1\\d)$/.test(document.getElementById('price-note').textContent)")


def test_trades_are_downloaded_as_csv(open_report: Opener, tmp_path: Path) -> None:
    """The file has the trades that the filter leaves, and times as shown, in ISO 8601."""
    report = open_report(report_data(400, 4))
    report.page.select_option("[name=outcome]", "gain")
    with report.page.expect_download() as download:
        report.page.click("#trades-csv")
    assert download.value.suggested_filename == "trades-20240101_000000_abcd1234.csv"
    file = tmp_path / "trades.csv"
    download.value.save_as(file)
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert [row["entry_time"] for row in rows] == ["2024-01-01T09:00:00+09:00", "2024-07-18T09:00:00+09:00"]
    assert [float(row["return_pct"]) for row in rows] == [0.02, 0.02]
    assert [rows[0][name] for name in ("exit_reason", "open_at_end", "spent")] == ["signal", "false", "10000000"]


def test_no_price_is_cut_off_at_the_edge_of_the_chart(open_report: Opener) -> None:
    """Whatever the chart shows: the highest row of pixels of the scale has none of a label."""
    report = open_report(report_data(400, 100))
    for _ in range(12):
        assert report.page.evaluate(SCALE_EDGE) == 1
        report.page.press("#price-chart", "+")
        report.page.wait_for_timeout(50)  # the chart is drawn in the next frame


def test_downloaded_trades_are_those_of_the_api(open_report: Opener, tmp_path: Path) -> None:
    """With the same columns, order and numbers, whatever the order of the table on the page."""
    table = trades_table(40)
    at = table["entry_time"][:20].combine_chunks()
    table = table.set_column(1, "entry_time", pa.chunked_array([at, at]))  # both symbols in turn
    result = report_document(2, timezone="Europe/Berlin")
    result["symbols"] = [part(symbol) for symbol in SYMBOLS]
    data = real_data(result, {"trades": table, "equity": curve(walk(1, 40))})
    page = open_report(data, result).page
    page.get_by_role("button", name="Net return").click()
    with page.expect_download() as download:
        page.click("#trades-csv")
    download.value.save_as(tmp_path / "trades.csv")
    opened = ResultTable("trades", table.schema, len(table), lambda _: iter(table.to_batches()))
    expected = b"".join(encode_csv(opened, "Europe/Berlin")).decode()
    assert read_csv((tmp_path / "trades.csv").read_text("utf-8")) == read_csv(expected)


def read_csv(text: str) -> list[list[str | float]]:
    """Return the cells of a CSV file, of which 10000000 and 1e+7 are equal."""

    def cell(text: str) -> str | float:
        return float(text) if re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", text) else text

    return [list(map(cell, row)) for row in csv.reader(text.splitlines())]


def test_command_is_copied_or_selected(open_report: Opener) -> None:
    """The button reports what it did."""
    report = open_report()
    report.page.click("#copy-replay")
    report.wait_until("document.getElementById('replay-status').textContent !== ''")
    assert report.text("#replay-status") in {"Copied.", "Selected; copy it with the keyboard."}


def test_theme_changes_without_reloading(open_report: Opener) -> None:
    """The charts take the colours of the dark theme, and keep what they show."""
    report = open_report(report_data(400, 100))
    assert report.page.evaluate(CORNER) > 200
    report.page.emulate_media(color_scheme="dark")
    report.wait_until(f"{CORNER} < 60")
    assert report.text("#price-note") == "Trades in view: 100"


@pytest.mark.parametrize("width", [390, 1400])
def test_page_fits_the_screen(open_report: Opener, width: int) -> None:
    """Nothing is cut off or scrolls sideways, except tables in their own boxes; charts follow its size."""
    report = open_report(report_data(400, 100, 3), size=(width, 800))
    assert report.page.evaluate("document.documentElement.scrollWidth") == width
    report.page.set_viewport_size({"width": 600, "height": 800})
    report.wait_until("document.querySelector('#account-chart table').clientWidth <= 600")


def test_hostile_texts_are_inert(open_report: Opener) -> None:
    """Wherever a text of a user is shown, it is shown as it is: no dialog, no request, no new element."""
    together = "".join(HOSTILE_TEXTS)
    data = report_data(60, 20, 2, run_id=together, names=[together, "BTC_KRW"])
    data["symbols"] = [{**symbol_data(together, 60, [line(text, 60, "price") for text in HOSTILE_TEXTS]), "trades": 9}]
    content = report_document(2, strategy=together, description=together, params={text: text for text in HOSTILE_TEXTS})
    content["symbols"][0] |= {"symbol": together, "checks": [{"name": "candles", "passed": False, "detail": together}]}
    content |= {"warnings": [*HOSTILE_TEXTS]}
    content["fingerprint"]["versions"] = {together: together}
    content["metadata"]["execution_host"] = together
    facts = analysis(2, replay_command=together)
    facts["coverage"][0]["symbol"] = together
    report = open_report(data, content, facts)
    assert report.page.text_content("h1") == together
    assert report.page.locator(".warnings li").all_text_contents() == [*HOSTILE_TEXTS]
    legend = report.page.locator("#price-chart-legend").text_content() or ""
    assert all(text in legend for text in HOSTILE_TEXTS)
    assert report.page.locator("script").count() == SCRIPTS
    assert report.page.locator("img, iframe, object, embed, base, math, [onerror], [onload]").count() == 0


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "ko")])
def test_page_is_accessible(open_report: Opener, scheme: str, language: Language) -> None:
    """The checks of axe find nothing serious."""
    symbols = [symbol_data(name, lines=[line("rsi")]) for name in ("BTC_KRW", "C1_KRW")]
    content = report_document(2, warnings=["it hardly traded"])
    content["symbols"].append(part("C2_KRW", checks=[{"name": "candles", "passed": False, "detail": "no"}]))
    data = {**report_data(400, 100, 3), "symbols": symbols}
    report = open_report(data, content, language=language, color_scheme=scheme)
    assert axe_findings(report.page) == []


def test_page_without_scripts_shows_the_picture(browser: Browser, tmp_path: Path) -> None:
    """The equity curve and all tables but that of the trades need no scripts; periods are months."""
    equity = curve(walk(2, 40), np.ones(40))
    html = render_backtest_page(report_document(), {"equity": equity}, report_data(), analysis(), "en")
    (tmp_path / "report.html").write_text(html, "utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator(".picture.large svg").is_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    assert not page.locator(".picture.large svg").is_visible()
    assert page.locator(".picture.small svg text").nth(1).bounding_box()["height"] > 10  # type: ignore[index]
    assert page.locator("#drawdowns table").is_visible()
    assert page.locator("#periods-body tr").first.is_visible()
    assert not page.locator("#period").is_visible()
    assert not page.locator("#account-chart").is_visible()
    context.close()


def test_print_has_the_picture_and_the_trades(open_report: Opener) -> None:
    """Paper shows no controls, and rows of trades beyond those in view."""
    report = open_report(report_data(400, 300))
    report.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    report.page.emulate_media(media="print")
    assert report.page.locator(".picture.large svg").is_visible()
    assert not report.page.locator("#trades-csv").is_visible()
    assert report.page.locator("#trades-body tr:visible").count() == 300


def test_damaged_data_is_reported(open_report: Opener, tmp_path: Path) -> None:
    """A file that was cut short shows the picture and the reason."""
    report = open_report()
    file = tmp_path / "report.html"
    html = file.read_text("utf-8")
    file.write_text(html.replace('{"gzip": "', '{"gzip": "AAAA'), "utf-8")
    report.page.goto(file.as_uri())
    report.page.wait_for_selector("#problem:visible")
    assert report.page.locator(".picture.large svg").is_visible()
