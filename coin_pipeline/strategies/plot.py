"""Lines that a strategy plots into the price chart of a report."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from coin_pipeline.engine.bars import Floats
from coin_pipeline.engine.signals import check_label, check_lines
from coin_pipeline.languages import Text

Pane = Literal["price", "volume", "own"]
"""Where a line is drawn: on the candles, on their volume, or in a pane of its own below."""


class PlotLine(NamedTuple):
    """A line with the pane that it belongs to, and its label in both languages.

    Attributes:
        values: One number per bar, shape (n,), NaN where there is none.
        pane: Where it is drawn; None to draw it on the price if its values are of that size, else in a pane of its own.
        label: Its label in English and Korean; None to use its key in both.
    """

    values: Floats
    pane: Pane | None = None
    label: Text | None = None


def check_plot(plotted: object, n: int) -> dict[str, PlotLine]:
    """Return what `Strategy.plot` returned on n bars, every line with its pane.

    Raises:
        TypeError: It is not a mapping, a line is not numeric, or the label of a `PlotLine` is not a `Text`.
        ValueError: A pane is unknown, or a line or its label is invalid; see `check_lines`.
    """
    if not isinstance(plotted, Mapping):
        msg = f"plot() returned {type(plotted).__name__}, not lines by their labels"
        raise TypeError(msg)
    lines = {label: line if isinstance(line, PlotLine) else PlotLine(line) for label, line in plotted.items()}
    for label, line in lines.items():
        if line.pane not in {None, *get_args(Pane)}:
            msg = f"plot[{label!r}] has the pane {line.pane!r:.80}; use one of {', '.join(get_args(Pane))}"
            raise ValueError(msg)
        if not isinstance(line.label, Text | None):
            msg = f"plot[{label!r}] has the label {line.label!r:.80}; use Text(english, korean)"
            raise TypeError(msg)
        for text in line.label or ():
            check_label(text)
    values = check_lines({label: line.values for label, line in lines.items()}, n)
    return {label: line._replace(values=values[label]) for label, line in lines.items()}
