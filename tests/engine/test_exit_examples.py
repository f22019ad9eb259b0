"""The tables of exits in docs/engine.md are what the engine does."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason, compute_outcomes
from tests.engine.candles import bars_of

PAGE = Path(__file__).parents[2] / "docs" / "engine.md"
ROW = re.compile(r"\| `([a-z_]+=[^`]+)` \| ([\d./, ]+) \| (?:none|([\d.]+) `(\w+)`) \| (.+) \|")


class Example(NamedTuple):
    """A row of a table."""

    stops: Stops
    candles: list[list[float]]
    price: float | None
    reason: ExitReason | None
    because: str


def examples() -> list[Example]:
    """Parse the rows of all tables."""
    found = []
    for settings, candles, price, reason, because in ROW.findall(PAGE.read_text("utf-8")):
        stops = Stops(**{name: float(value) for name, value in (item.split("=") for item in settings.split())})
        rows = [[float(value) for value in candle.split("/")] for candle in candles.split(",")]
        found.append(
            Example(
                stops, rows, float(price) if price else None, ExitReason[reason.upper()] if reason else None, because
            )
        )
    return found


def test_each_rule_has_six_examples() -> None:
    """No row is lost by the parser."""
    assert len(examples()) == 18


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.because)
@pytest.mark.parametrize("fill", list(Fill))
def test_examples(example: Example, fill: Fill) -> None:
    """The last candle of a row has the exit, for an entry at the first open and for one at the close before it."""
    entered = example.candles[0][0]
    bars = bars_of([(entered, 10 * entered, entered / 10, entered), *example.candles])
    samples = compute_outcomes(bars, np.array([0]), ExitRule(stops=example.stops), Costs(0.0, 0.0), fill)
    if example.price is None:
        assert samples.open_at_end.tolist() == [True]
    else:
        assert samples.exit_bar.tolist() == [len(example.candles)]
        assert samples.exit_price.tolist() == [example.price]
        assert samples.exit_reason.tolist() == [example.reason]
