"""Terminal summary of a sweep result, with a small heat map."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backtest.labels import FIGURES, format_figure, sweep_columns
from coin_pipeline.cli.views.console import MAX_LINES
from coin_pipeline.sweeps.plan import format_point

TOP_ROWS = 10
DIGITS, MAX_DIGITS = 2, 14
_SHADES = " ·░▒▓█"
_LOW_RGB, _HIGH_RGB = (33, 38, 45), (0, 114, 178)


def print_sweep(console: Console, document: dict[str, Any]) -> None:
    """Print a sweep's best points, its heat map, the plateau and the warnings."""
    names = ", ".join(part["symbol"] for part in document["symbols"][:MAX_LINES])
    more = " ..." if len(document["symbols"]) > MAX_LINES else ""
    console.print(
        f"{document['strategy']} on {names}{more}, {document['start_date']} to {document['end_date']},"
        f" {document['timeframe']}"
    )
    console.print("".join(_counts(document)) + "\n")
    if document["top"]:
        console.print(_top_table(document))
        console.print()
    for line in _heat_map(document, console.width):
        console.print(line, no_wrap=True, crop=False)
    for label, message in _conclusions(document):
        console.print(f"{label:<10}{message}")
    console.print()


def _counts(document: dict[str, Any]) -> Iterator[str]:
    seconds = document["execution_time"]
    rate = document["points"] / seconds
    yield f"{pluralize(document['points'], 'point')} in {seconds:.1f} s ({rate:,.0f} per second)"
    if document["skipped"]:
        yield f"; {document['skipped']:,} skipped because the strategy rejects their parameters"
    if document["duplicates"]:
        yield f"; {pluralize(document['duplicates'], 'duplicate draw')}"


def _top_table(document: dict[str, Any]) -> Table:
    """Return the best points; the objective gets its own column unless it is one of the figures."""
    objective = document["objective"]
    names = sweep_columns(objective)
    table = Table("point", box=None, pad_edge=False)
    for heading in (*document["top"][0]["values"], *(FIGURES[name].label.lower() for name in names)):
        table.add_column(heading, justify="right")
    best = document["top"][:TOP_ROWS]
    digits = _distinguishing_digits(objective, [row["figures"]["objective"] for row in best])
    for row in best:
        values = [_parameter(value) for value in row["values"].values()]
        cells = [
            _figure(
                name,
                row["figures"]["objective" if name == objective else name],
                digits=digits if name == objective else DIGITS,
            )
            for name in names
        ]
        table.add_row(f"{row['point']:,}", *values, *cells)
    return table


def _distinguishing_digits(objective: str, values: Sequence[float]) -> int:
    """Return the smallest number of digits with which distinct objectives look distinct."""
    distinct = set(values)

    def formatted(digits: int) -> set[str]:
        return {_figure(objective, value, digits=digits) for value in distinct}

    sufficient = (digits for digits in range(DIGITS, MAX_DIGITS) if len(formatted(digits)) == len(distinct))
    return next(sufficient, MAX_DIGITS)


def _conclusions(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    objective, best, plateau = document["objective"], document["best"], document["plateau"]
    if best:
        yield "Best", f"{format_point(best['values'])}: {objective} {_figure(objective, best['figures']['objective'])}"
    if plateau:
        median, size = _figure(objective, plateau["median"]), pluralize(plateau["size"], "point")
        yield "Plateau", f"{format_point(plateau['values'])}: median {median} over its neighbourhood of {size}"
    for warning in [*document["warnings"], *(best["warnings"] if best else ())]:
        yield "Warning", warning


def _heat_map(document: dict[str, Any], width: int) -> list[Text]:
    """Return the highest objective over two dimensions: as figures where they fit, else as shades."""
    heat_map = document["heat_map"]
    if not heat_map:
        return []
    objective, x, y = document["objective"], heat_map["x"], heat_map["y"] or {"name": "", "labels": [""]}
    known = [value for row in heat_map["best"] for value in row if value is not None]
    figures = [[_figure(objective, value, compact=True) for value in row] for row in heat_map["best"]]
    left = max(len(text) for text in (*y["labels"], y["name"])) + 2
    cell_width = max(len(text) for text in (*x["labels"], *(cell for row in figures for cell in row))) + 2
    title = Text(
        f"highest {FIGURES[objective].label.lower()} by {x['name']}" + (f" and {y['name']}" if y["name"] else "")
    )
    if left + cell_width * len(x["labels"]) > width:
        cell_width, figures = max(1, min(2, (width - left) // len(x["labels"]))), []
        low, high = _figure(objective, min(known)), _figure(objective, max(known))
        title.append(f"; from {low} ({_SHADES[1]}) to {high} ({_SHADES[-1]})")
    rows = [
        _row(y["labels"][index].rjust(left - 1) + " ", row, figures[index] if figures else None, cell_width, known)
        for index, row in enumerate(heat_map["best"])
    ]
    x_labels = y["name"].rjust(left - 1) + " " + _labels(x["labels"], cell_width)
    return [title, *rows, Text(x_labels, style="dim"), Text()]


def _row(
    label: str, values: Sequence[float | None], figures: Sequence[str] | None, cell_width: int, known: Sequence[float]
) -> Text:
    low, high = min(known), max(known)
    line = Text(label)
    for index, value in enumerate(values):
        depth = 0.0 if value is None else 1.0 if high == low else (value - low) / (high - low)
        shade = _SHADES[0] if value is None else _SHADES[1 + round(depth * (len(_SHADES) - 2))]
        marker = "*" if value == high else " "
        content = (figures[index] + marker).rjust(cell_width) if figures else shade * cell_width
        colour = ",".join(str(round(a + depth * (b - a))) for a, b in zip(_LOW_RGB, _HIGH_RGB, strict=True))
        style = Style(color="white", bgcolor=f"rgb({colour})", bold=value == high) if value is not None else Style()
        line.append(content, style)
    return line


def _labels(labels: Sequence[str], cell_width: int) -> str:
    """Return each label under its column; only the first and the last if they do not fit."""
    if max(map(len, labels)) < cell_width:
        return "".join(f"{label} ".rjust(cell_width) for label in labels)
    return f"{labels[0]} ... {labels[-1]}"


def _figure(name: str, value: float | None, *, compact: bool = False, digits: int = DIGITS) -> str:
    return format_figure(name, value, digits, "%" if compact else " %")


def _parameter(value: object) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
