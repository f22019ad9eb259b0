"""The equity of a result on the terminal, drawn with the dots of Braille patterns."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.text import Text

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backtest.labels import format_figure
from coin_pipeline.backtest.portfolio import Curve, account_of, curve_of
from coin_pipeline.backtest.tables import unstack
from coin_pipeline.candles.timeframe import SEOUL, day_of
from coin_pipeline.cli.views.console import new_console
from coin_pipeline.errors import TableNotStored
from coin_pipeline.results.tables import open_table
from coin_pipeline.storage.base import ObjectStore

ROWS, MAX_COLUMNS = 8, 100
"""Size of the picture in characters; it is narrower in a narrow terminal."""
MAX_BARS = 2_000_000
"""Rows of the equity table up to which the picture is drawn, about 100 MB in memory."""
_HEADING, _LABEL = 10, 9
"""Widths of the heading, which all lines of a summary share, and of the labels of the returns."""
_DOTS_X, _DOTS_Y = 2, 4
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Bits of a character's dots, by row and column (Unicode, block Braille Patterns)."""
_BLANK = 0x2800

Floats = npt.NDArray[np.float64]


def print_equity(store: ObjectStore, run_id: str, document: dict[str, Any]) -> None:
    """Print the curve of the whole account, as wide as the terminal allows; nothing for a result without one."""
    with suppress(TableNotStored), open_table(store, run_id, "equity", document) as table:
        if table.rows > MAX_BARS:
            new_console().print(f"{'Equity':<{_HEADING}}not drawn: it has {pluralize(table.rows, 'row')}\n")
            return
        rows = pa.Table.from_batches(table.batches(), table.schema)
        curves = [curve_of(symbol, part) for symbol, part in unstack(rows) if part.num_rows]
        if curves:
            _print_curve(account_of(curves), document.get("timezone", SEOUL))


def _print_curve(curve: Curve, zone: str) -> None:
    known = np.isfinite(curve.equity)
    if not known.any():  # of a legacy result
        return
    console, (time, equity) = new_console(), (curve.time[known], curve.equity[known])
    columns = min(MAX_COLUMNS, console.width - _HEADING - _LABEL - 1)
    colour = "green" if equity[-1] >= 1 else "red"
    labels = dict(zip((0, ROWS - 1), (equity.max(), equity.min()), strict=True))
    for number, line in enumerate(draw_curve(equity, columns, ROWS, base=1.0)):
        label = format_figure("total_return", labels[number] - 1) if number in labels else ""
        heading = Text(f"{'' if number else 'Equity':<{_HEADING}}").append(f"{label:>{_LABEL}} ", "dim")
        console.print(heading.append(line, colour), no_wrap=True, crop=False)
    first, last = (str(day_of(datetime.fromtimestamp(ns / 1e9, UTC), zone)) for ns in (time[0], time[-1]))
    console.print(Text(" " * (_HEADING + _LABEL + 1) + f"{first}{last:>{max(columns - len(first), 0)}}\n", "dim"))


def draw_curve(values: Floats, columns: int, rows: int, base: float) -> Iterator[str]:
    """Yield the lines of a curve from top to bottom: its lowest and highest value in each column of dots, joined.

    Args:
        values: Values, shape (n,) with n > 0, finite.
        columns: Width in characters.
        rows: Height in characters.
        base: Value of a dotted line, if it is between the lowest and the highest value.
    """
    starts = np.linspace(0, len(values), columns * _DOTS_X, endpoint=False).astype(np.int64)
    moved = np.diff(starts, prepend=0) > 0  # without it, a column repeats the value of the one before
    before = np.where(moved, values[starts - 1], values[starts])
    low = np.minimum(np.minimum.reduceat(values, starts), before)
    high = np.maximum(np.maximum.reduceat(values, starts), before)
    top, height = float(values.max()), rows * _DOTS_Y - 1
    span = top - float(values.min())

    def depth(level: Floats) -> Floats:
        return np.rint((top - level) / span * height) if span else np.full_like(level, height // 2)

    row = np.arange(height + 1)[:, None]
    dots = (row >= depth(high)) & (row <= depth(low))
    if span and top - span <= base <= top:
        dots[int(depth(np.array(base))), ::_DOTS_Y] = True
    cells = dots.reshape(rows, _DOTS_Y, columns, _DOTS_X).transpose(0, 2, 1, 3)
    for line in (cells * _DOT_BITS).sum(axis=(2, 3)) + _BLANK:
        yield "".join(map(chr, line))
