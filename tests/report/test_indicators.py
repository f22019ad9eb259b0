"""Lines that a strategy plots, from its signals to the report."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.backtest.symbol_output import from_table, to_table
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.signals import Signals
from coin_pipeline.report.chart import ChartInputs
from coin_pipeline.report.data import report_data
from coin_pipeline.report.packing import unpack
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.results.tables import read_indicators
from coin_pipeline.results.verify import verify_results
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry

DAY = parse_timeframe("1d")
STRATEGY = """
import numpy as np
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies.base import Strategy, StrategyParams

class Plotting(Strategy):
    name = "plotting"
    description = "plots"
    class Params(StrategyParams):
        shown: bool = True
    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        entries = np.zeros(len(bars), np.bool_)
        entries[1::5] = True
        lines = {"level": 1.5 * bars.close, "rsi <b>": np.full(len(bars), 1.0)} if params.shown else {}
        return Signals(entries, hold=2, plot=lines)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with candles of two markets and a strategy that plots."""
    root = tmp_path_factory.mktemp("plot")
    for seed, symbol in enumerate(("AAA_KRW", "BBB_KRW")):
        CandleCatalog(root).merge(symbol, DAY, synthetic_candles(seed, DAY, date(2024, 1, 1), 200))
    (root / "plotting.py").write_text(STRATEGY)
    return root


def backtest(root: Path, *, shown: bool = True, **fields: object) -> BacktestResult:
    """Run the strategy, each symbol passed on as between two steps."""
    registry = load_registry((root / "plotting.py",))
    days = {"start_date": "2024-01-01", "end_date": "2024-06-30", "symbols": ["BBB_KRW", "AAA_KRW"], "timeframe": "1d"}
    request = {"strategy": "plotting", "params": {"shown": shown}, **days, **fields}
    spec, catalog = resolve(parse_request(request), registry), CandleCatalog(root)
    slices = runner.find_candles(catalog, spec, "tasks")
    rows = to_table([runner.simulate_symbol(catalog, registry, part) for part in slices])
    outputs = from_table(rows)
    return runner.assemble_result("r", outputs, catalog, registry, "test", datetime.now(UTC))


@pytest.mark.parametrize("fields", [{}, {"max_positions": 2}], ids=["single", "shared"])
def test_lines_are_stored_and_drawn(root: Path, tmp_path: Path, fields: dict[str, object]) -> None:
    """On the price or in a pane of their own, whichever account trades."""
    store, result = LocalStore(tmp_path), backtest(root, **fields)
    publish_result(store, backtest_files(result))
    lines = read_indicators(store, "r")
    assert lines.keys() == {"BBB_KRW", "AAA_KRW"}
    catalog = CandleCatalog(root)
    found = report_data(result.document, result.tables, ChartInputs(catalog, lines))
    for symbol in found["symbols"]:
        assert symbol["candles"] is not None
        drawn = {line["label"]: line for line in symbol["lines"]}
        assert {label: line["pane"] for label, line in drawn.items()} == {
            "level": "price",
            "rsi <b>": "own",
        }
        close = unpack(symbol["candles"]["close"])
        assert unpack(drawn["level"]["values"]) == pytest.approx(1.5 * close, rel=1e-6)
    (verified,) = verify_results(store, ())
    assert verified.problems == ()


def test_lines_change_no_result(root: Path) -> None:
    """Without lines there is no table, and every figure is the same."""
    plotted, plain = backtest(root), backtest(root, shown=False)
    assert plain.indicators is None
    assert "indicators.parquet" not in backtest_files(plain).files
    assert plotted.document["tables"] == plain.document["tables"]
    assert plotted.document["metrics"] == plain.document["metrics"]
    assert "indicators" not in plotted.document["tables"]


@pytest.mark.parametrize(
    ("plot", "error"),
    [
        ({f"line {number}": np.zeros(3) for number in range(17)}, "at most 16"),
        ({"": np.zeros(3)}, "1 to 64 printable"),
        ({"a\nb": np.zeros(3)}, "1 to 64 printable"),
        ({"x" * 65: np.zeros(3)}, "1 to 64 printable"),
        ({"ema": np.zeros(2)}, "entries has 3 bars"),
        ({"ema": np.zeros((3, 1))}, "entries has 3 bars"),
        ({"ema": np.array(["a", "b", "c"])}, "must be an array of numbers"),
    ],
)
def test_invalid_lines(plot: dict[str, np.ndarray], error: str) -> None:
    """The message names the line."""
    with pytest.raises((TypeError, ValueError), match=error):
        Signals(np.zeros(3, np.bool_), plot=plot)


def test_lines_are_copies_of_floats() -> None:
    """A strategy may overwrite its arrays."""
    values = np.array([1, 2, 3])
    signals = Signals(np.zeros(3, np.bool_), plot={"a": values})
    values[:] = 0
    assert signals.plot["a"].tolist() == [1.0, 2.0, 3.0]
    assert not signals.plot["a"].flags.writeable
