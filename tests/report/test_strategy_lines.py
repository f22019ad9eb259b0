"""Lines that a strategy plots when its report is built."""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.languages import Language
from coin_pipeline.report.chart import ChartInputs
from coin_pipeline.report.data import Limits, report_data
from coin_pipeline.report.packing import unpack
from coin_pipeline.report.strategy_lines import CODE_CHANGED, FAILED, OF_A_USER, StrategyLines, strategy_lines
from coin_pipeline.strategies.registry import load_registry

DAY = parse_timeframe("1d")
SYMBOL = "BTC_KRW"
START, END = date(2024, 3, 1), date(2024, 6, 30)
STRATEGY = """
import numpy as np
from coin_pipeline.strategies import Bars, PlotLine, Signals, Strategy, StrategyParams

class Averages(Strategy):
    name = "averages"
    calls = 0
    class Params(StrategyParams):
        window: int = 4
    def warm_up_bars(self, params):
        return params.window
    def signals(self, bars, params):
        return Signals(bars.close > self.mean(bars, params), hold=2)
    def plot(self, bars, params):
        self.calls += 1
        return {f"mean {self.calls}": self.mean(bars, params), "volume": PlotLine(2 * bars.volume, "volume")}
    def mean(self, bars, params):
        sums = np.convolve(bars.close, np.ones(params.window))[:len(bars)]
        return sums / params.window
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with a year of days and a strategy in a file."""
    CandleCatalog(tmp_path).merge(SYMBOL, DAY, synthetic_candles(1, DAY, date(2024, 1, 1), 366))
    (tmp_path / "averages.py").write_text(STRATEGY)
    return tmp_path


def backtest(root: Path, strategy: str = "averages", files: tuple[str, ...] = ("averages.py",)) -> Json:
    """Return the document of a backtest, with warm-up candles before its range."""
    registry = load_registry([root / file for file in files])
    days = {"start_date": str(START), "end_date": str(END), "timeframe": "1d", "symbols": [SYMBOL]}
    spec = resolve(parse_request({"strategy": strategy, **days}), registry)
    return runner.run_backtest(spec, CandleCatalog(root), registry, run_id="r").document


def lines_of(root: Path, document: Json, language: Language = "en") -> StrategyLines:
    """Return the lines of its symbol, with the strategies as they are now."""
    catalog, load = CandleCatalog(root), partial(load_registry, [root / "averages.py"])
    bars = catalog.load(SYMBOL, DAY, START, END, "Asia/Seoul").bars
    return strategy_lines(document, catalog, load, language, user_code=True)(SYMBOL, bars)


def test_lines_begin_after_the_warm_up_of_the_backtest(root: Path) -> None:
    """Each has one value per bar of the range, and the first ones know the bars before it."""
    close = CandleCatalog(root).load(SYMBOL, DAY, date(2024, 1, 1), END, "Asia/Seoul").bars.close
    bars = len(CandleCatalog(root).load(SYMBOL, DAY, START, END, "Asia/Seoul").bars)
    found = lines_of(root, backtest(root))
    assert found.missing is None
    assert found.lines.keys() == {"mean 1", "volume"}
    mean = np.convolve(close, np.ones(4) / 4, "valid")[-bars:]
    np.testing.assert_allclose(found.lines["mean 1"].values, mean)


@pytest.mark.parametrize("strategy", ["volume_long_candle", "volume_zone_breakout"])
def test_built_in_strategies_have_lines(root: Path, strategy: str) -> None:
    """With a value on every bar, as the range begins after the warm-up."""
    found = lines_of(root, backtest(root, strategy, ()))
    assert found.missing is None
    assert all(np.isfinite(line.values).all() for line in found.lines.values())
    assert found.lines


@pytest.mark.parametrize(
    ("language", "labels"), [("en", ["volume zone", "breakout"]), ("ko", ["매물대 하단", "돌파 기준가"])]
)
def test_lines_of_built_in_strategies_are_labelled_in_the_language(
    root: Path, language: Language, labels: list[str]
) -> None:
    """That of the report."""
    registry, catalog = load_registry(), CandleCatalog(root)
    days = {"start_date": str(START), "end_date": str(END), "timeframe": "1d", "symbols": [SYMBOL]}
    request = {"strategy": "volume_zone_breakout", "params": {"breakout_buffer": 0.01}, **days}
    result = runner.run_backtest(resolve(parse_request(request), registry), catalog, registry, run_id="r")
    inputs = ChartInputs(catalog, {}, language, strategy_lines(result.document, catalog, lambda: registry, language))
    (symbol,) = report_data(result.document, result.tables, inputs)["symbols"]
    assert [line["label"] for line in symbol["lines"]] == labels


def test_every_call_starts_from_the_same_state(root: Path) -> None:
    """As in a run: what one call stores does not reach the next report."""
    document, registry = backtest(root), load_registry([root / "averages.py"])
    catalog = CandleCatalog(root)
    bars = catalog.load(SYMBOL, DAY, START, END, "Asia/Seoul").bars
    plot = strategy_lines(document, catalog, lambda: registry, user_code=True)
    assert plot(SYMBOL, bars).lines.keys() == plot(SYMBOL, bars).lines.keys() == {"mean 1", "volume"}


@pytest.mark.parametrize(("language", "reason"), [("en", CODE_CHANGED.en), ("ko", CODE_CHANGED.ko)])
def test_changed_code_plots_nothing(root: Path, language: Language, reason: str) -> None:
    """It may decide by other levels than the backtest did."""
    document = backtest(root)
    (root / "averages.py").write_text(STRATEGY.replace("2 * bars", "3 * bars"))
    assert lines_of(root, document, language) == StrategyLines(missing=reason)


def remove(root: Path) -> None:
    """Rename the strategy."""
    (root / "averages.py").write_text(STRATEGY.replace('"averages"', '"renamed"'))


def damage(root: Path) -> None:
    """Write a file that is not Python."""
    (root / "averages.py").write_text("class")


def change_warm_up(root: Path) -> None:
    """Replace the candles before the range."""
    CandleCatalog(root).merge(SYMBOL, DAY, synthetic_candles(2, DAY, date(2024, 2, 1), 20))


@pytest.mark.parametrize(
    ("change", "reason"),
    [(remove, "'averages'"), (damage, "SyntaxError"), (change_warm_up, "candles of BTC_KRW")],
)
def test_a_report_states_why_there_are_no_lines(root: Path, change: Callable[[Path], None], reason: str) -> None:
    """The strategy is not registered, its file is broken, or the candles of the warm-up have changed."""
    document = backtest(root)
    change(root)
    missing = lines_of(root, document).missing or ""
    assert missing.startswith(FAILED.en.split("{", maxsplit=1)[0])
    assert reason in missing


def test_the_api_does_not_run_the_code_of_a_user(root: Path) -> None:
    """It may never return; the reason names what draws the lines."""
    document = backtest(root)
    load = partial(load_registry, [root / "averages.py"])
    bars = CandleCatalog(root).load(SYMBOL, DAY, START, END, "Asia/Seoul").bars
    found = strategy_lines(document, CandleCatalog(root), load)(SYMBOL, bars)
    assert found == StrategyLines(missing=OF_A_USER.en.replace("{run_id}", "r"))


def test_a_strategy_that_fails_to_plot(root: Path) -> None:
    """The reason has the line of its code."""
    failing = STRATEGY.replace("self.calls += 1", "raise KeyError('ema')")
    (root / "averages.py").write_text(failing)
    assert "of averages.py: KeyError: 'ema'" in (lines_of(root, backtest(root)).missing or "")


def test_a_strategy_without_a_plot_has_no_lines_and_no_reason(root: Path) -> None:
    """Even if its code has changed."""
    (root / "averages.py").write_text(STRATEGY.replace("def plot", "def draw"))
    document = backtest(root)
    (root / "averages.py").write_text(STRATEGY.replace("def plot", "def other"))
    assert lines_of(root, document) == StrategyLines()


def test_lines_on_the_volume_of_combined_candles_are_sums(root: Path) -> None:
    """As their volume is, so that the two can be compared."""
    registry = load_registry([root / "averages.py"])
    days = {"start_date": str(START), "end_date": str(END), "timeframe": "1d", "symbols": [SYMBOL]}
    spec = resolve(parse_request({"strategy": "averages", **days}), registry)
    result = runner.run_backtest(spec, CandleCatalog(root), registry, run_id="r")
    plot = strategy_lines(result.document, CandleCatalog(root), lambda: registry, user_code=True)
    inputs = ChartInputs(CandleCatalog(root), plot=plot)
    (symbol,) = report_data(result.document, result.tables, inputs, limits=Limits(candles=40))["symbols"]
    assert symbol["candles"] is not None
    assert symbol["candles"]["thinned"] is not None
    assert symbol["candles"]["volume"] is not None
    (line,) = (line for line in symbol["lines"] if line["pane"] == "volume")
    np.testing.assert_allclose(unpack(line["values"]), 2 * unpack(symbol["candles"]["volume"]), rtol=1e-4)
