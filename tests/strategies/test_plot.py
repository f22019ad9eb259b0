"""What a strategy may plot."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from coin_pipeline.errors import StrategyFailed
from coin_pipeline.strategies import Bars, PlotLine, Signals, Strategy, StrategyParams, Text
from coin_pipeline.strategies.loader import run_plot
from tests.engine.candles import random_bars

BARS = random_bars(3, 1)


class Plotting(Strategy[StrategyParams]):
    """Plots what it was given."""

    name = "plotting"

    def __init__(self, plotted: Any) -> None:  # noqa: ANN401 -- what strategies return is not checked before
        self.plotted = plotted

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Never buy."""
        assert params is not None
        return Signals(np.zeros(len(bars), np.bool_))

    def plot(self, bars: Bars, params: StrategyParams) -> Mapping[str, Any]:
        """Plot."""
        assert bars is not None
        assert params is not None
        if isinstance(self.plotted, Exception):
            raise self.plotted
        return self.plotted  # type: ignore[no-any-return]


def plot(plotted: object) -> dict[str, PlotLine]:
    """Return the lines of a strategy that plots this."""
    return run_plot(Plotting(plotted), BARS, StrategyParams(), "BTC_KRW")


def test_lines_have_the_pane_that_the_strategy_chose() -> None:
    """None for plain arrays; all are copied as floats."""
    values = np.array([1, 2, 3])
    lines = plot({"a": values, "b": PlotLine(values, "volume")})
    values[:] = 0
    assert {label: (line.values.tolist(), line.pane) for label, line in lines.items()} == {
        "a": ([1.0, 2.0, 3.0], None),
        "b": ([1.0, 2.0, 3.0], "volume"),
    }


def test_lines_have_labels_in_both_languages() -> None:
    """Those of a `PlotLine`; a plain array has none."""
    label = Text("mean", "평균")
    lines = plot({"a": PlotLine(np.zeros(3), label=label), "b": np.zeros(3)})
    assert [line.label for line in lines.values()] == [label, None]


@pytest.mark.parametrize(
    ("plotted", "error"),
    [
        (None, "plot\\(\\) returned NoneType, not lines by their labels"),
        ({"a": np.zeros(2)}, "entries has 3 bars"),
        ({"": np.zeros(3)}, "1 to 64 printable"),
        ({"a": PlotLine(np.zeros(3), "top")}, "'top'; use one of price, volume, own"),  # type: ignore[arg-type]
        ({"a": PlotLine(np.zeros(3), label="mean")}, "'mean'; use Text\\(english, korean\\)"),  # type: ignore[arg-type]
        ({"a": PlotLine(np.zeros(3), label=Text("mean", ""))}, "1 to 64 printable"),
        (KeyError("ema"), "line [0-9]+ of test_plot.py: KeyError: 'ema'"),
    ],
    ids=["none", "length", "key", "pane", "label", "no label", "exception"],
)
def test_what_cannot_be_drawn(plotted: object, error: str) -> None:
    """The message names the strategy, the symbol and the fault."""
    with pytest.raises(StrategyFailed, match=f"'plotting' failed on BTC_KRW: .*{error}"):
        plot(plotted)
