"""Time to build the report of a backtest, and until it is interactive in Chromium.

python -m benchmarks.reports [--bars N]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser
from rich.console import Console

from benchmarks.report import Figure, format_facts, format_figure, machine
from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.report.stored import read_report
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from tests.browser import opened_browser

BARS, ROUNDS = 50_000, 7
BUILD_MS, INTERACTIVE_MS, MAX_MB = 300, 1000, 1.5
START, RUN_ID, SYMBOL = date(2018, 1, 1), "benchmark", "BTC_KRW"
HOLD_BARS = 6
"""Holding period of the strategy, with which it makes about 5,000 trades in 50,000 bars."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=BARS, help="bars of the backtest")
    bars = parser.parse_args(arguments).bars
    console = Console(highlight=False)
    console.print(format_facts(machine()))
    with tempfile.TemporaryDirectory() as folder:
        trades = run_backtest(Path(folder), bars)
        store, catalog = LocalStore(Path(folder)), CandleCatalog(Path(folder))
        build = partial(read_report, store, catalog, RUN_ID, strategies=load_registry)
        html = build().html  # compiles the template
        file = Path(folder) / "report.html"
        file.write_text(html, "utf-8")
        with opened_browser() as browser:
            interactive = median(partial(interactive_ms, browser, file))
        built = median(partial(elapsed_ms, build))
    size = len(html.encode()) / 1e6
    figures = [
        Figure(f"report of {bars:,} bars and {trades:,} trades: {size:.2f} MB, limit {MAX_MB} MB", met=size <= MAX_MB),
        Figure(f"built in {built:.0f} ms, limit {BUILD_MS} ms", met=built <= BUILD_MS),
        Figure(f"interactive in {interactive:.0f} ms, limit {INTERACTIVE_MS} ms", met=interactive <= INTERACTIVE_MS),
    ]
    for line in map(format_figure, figures):
        console.print(line)
    return int(not all(figure.met for figure in figures))


def run_backtest(root: Path, bars: int) -> int:
    """Store a backtest of hourly synthetic candles, and return the number of its trades."""
    catalog, registry, hour = CandleCatalog(root), load_registry(), parse_timeframe("1h")
    catalog.merge(SYMBOL, hour, synthetic_candles(0, hour, START, bars))
    request = {
        "strategy": "volume_zone_breakout",
        "symbols": [SYMBOL],
        "timeframe": "1h",
        "start_date": str(START + timedelta(days=1)),
        "end_date": str(START + timedelta(days=bars // 24 - 1)),
        "params": {"hold_period_bars": HOLD_BARS},
        "stop_loss": 0.03,
        "take_profit": 0.05,
    }
    result = runner.run_backtest(resolve(parse_request(request), registry), catalog, registry, run_id=RUN_ID)
    publish_result(LocalStore(root), backtest_files(result))
    return len(result.tables["trades"])


def median(measurement: Callable[[], float]) -> float:
    """Return the median of several measurements, after one that is not counted."""
    measurement()
    return statistics.median(measurement() for _ in range(ROUNDS))


def elapsed_ms(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def interactive_ms(browser: Browser, file: Path) -> float:
    """Return the time from the start of the navigation until charts and table take input."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    elapsed: float = page.evaluate("performance.getEntriesByName('report-ready')[0].startTime")
    page.close()
    return elapsed


if __name__ == "__main__":
    sys.exit(main())
