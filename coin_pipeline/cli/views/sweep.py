"""The result of a sweep as lines on a terminal, with a small map."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.cli.views.backtest import UNDEFINED, percent
from coin_pipeline.sweeps.plan import format_point

SHOWN = 10
DIGITS, MOST_DIGITS = 2, 14
_SHARES = frozenset({"total_return", "max_drawdown", "win_rate", "avg_return", "exposure"})
_FIGURES = ("total_return", "max_drawdown", "profit_factor", "win_rate", "exposure", "trades")
_DOTS = " ·░▒▓█"
_LOWEST, _HIGHEST = (33, 38, 45), (0, 114, 178)


def print_document(console: Console, document: dict[str, Any]) -> None:
    """Print a sweep's best points, their map, the plateau and the warnings."""
    names = ", ".join(part["symbol"] for part in document["symbols"][:5])
    more = " ..." if len(document["symbols"]) > 5 else ""  # noqa: PLR2004 - as many as fit
    console.print(
        f"{document['strategy']} on {names}{more}, {document['start_date']} to {document['end_date']},"
        f" {document['timeframe']}"
    )
    console.print("".join(_counts(document)) + "\n")
    if document["top"]:
        console.print(_top(document))
        console.print()
    for line in _map(document, console.width):
        console.print(line, no_wrap=True, crop=False)
    for name, said in _said(document):
        console.print(f"{name:<10}{said}")
    console.print()


def _counts(document: dict[str, Any]) -> Iterator[str]:
    seconds = document["execution_time"]
    yield f"{pluralize(document['points'], 'point')} in {seconds:.1f} s ({document['points'] / seconds:,.0f} a second)"
    if document["skipped"]:
        yield f"; {document['skipped']:,} skipped, the strategy refuses them"
    if document["duplicates"]:
        yield f"; {pluralize(document['duplicates'], 'draw')} repeated another"


def _top(document: dict[str, Any]) -> Table:
    """Return a table of the best points; the objective has a column of its own unless it is a figure of its own."""
    objective = document["objective"]
    figures = _FIGURES if objective in _FIGURES else ("objective", *_FIGURES)
    heads = [objective if name == "objective" else name for name in figures]
    table = Table("point", box=None, pad_edge=False)
    for name in (*document["top"][0]["values"], *heads):
        table.add_column(name.replace("_", " ") if name in heads else name, justify="right")
    best = document["top"][:SHOWN]
    digits = _telling_digits(objective, [row["figures"]["objective"] for row in best])
    for row in best:
        values = [_written(value) for value in row["values"].values()]
        shown = [
            _figure(head, row["figures"][name], digits=digits if head == objective else DIGITS)
            for name, head in zip(figures, heads, strict=True)
        ]
        table.add_row(f"{row['point']:,}", *values, *shown)
    return table


def _telling_digits(objective: str, values: Sequence[float]) -> int:
    """Return how many digits tell different objectives apart, so that their ranks can be seen."""
    different = set(values)

    def shown(digits: int) -> set[str]:
        return {_figure(objective, value, digits=digits) for value in different}

    enough = (digits for digits in range(DIGITS, MOST_DIGITS) if len(shown(digits)) == len(different))
    return next(enough, MOST_DIGITS)


def _said(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    objective, best, plateau = document["objective"], document["best"], document["plateau"]
    if best:
        yield "Best", f"{format_point(best['values'])}: {objective} {_figure(objective, best['figures']['objective'])}"
    if plateau:
        around = f"median {_figure(objective, plateau['median'])} over {pluralize(plateau['size'], 'point')} around it"
        yield "Plateau", f"{format_point(plateau['values'])}: {around}"
    for warning in [*document["warnings"], *(best["warnings"] if best else ())]:
        yield "Warning", warning


def _map(document: dict[str, Any], width: int) -> list[Text]:
    """Draw the highest objective over two dimensions: figures where they fit, else denser marks for higher ones."""
    drawn = document["heat_map"]
    if not drawn:
        return []
    objective, x, y = document["objective"], drawn["x"], drawn["y"] or {"name": "", "labels": [""]}
    known = [value for row in drawn["best"] for value in row if value is not None]
    figures = [[_figure(objective, value, short=True) for value in row] for row in drawn["best"]]
    left = max(len(text) for text in (*y["labels"], y["name"])) + 2
    wide = max(len(text) for text in (*x["labels"], *(cell for row in figures for cell in row))) + 2
    title = Text(f"highest {objective.replace('_', ' ')} by {x['name']}" + (f" and {y['name']}" if y["name"] else ""))
    if left + wide * len(x["labels"]) > width:
        wide, figures = max(1, min(2, (width - left) // len(x["labels"]))), []
        title.append(
            f"; from {_figure(objective, min(known))} ({_DOTS[1]}) to {_figure(objective, max(known))} ({_DOTS[-1]})"
        )
    rows = [
        _row(y["labels"][place].rjust(left - 1) + " ", row, figures[place] if figures else None, wide, known)
        for place, row in enumerate(drawn["best"])
    ]
    return [title, *rows, Text(y["name"].rjust(left - 1) + " " + _labels(x["labels"], wide), style="dim"), Text()]


def _row(
    label: str, values: Sequence[float | None], figures: Sequence[str] | None, wide: int, known: Sequence[float]
) -> Text:
    low, high = min(known), max(known)
    line = Text(label)
    for place, value in enumerate(values):
        depth = 0.0 if value is None else 1.0 if high == low else (value - low) / (high - low)
        mark = _DOTS[0] if value is None else _DOTS[1 + round(depth * (len(_DOTS) - 2))]
        inside = (figures[place] + ("*" if value == high else " ")).rjust(wide) if figures else mark * wide
        colour = ",".join(str(round(a + depth * (b - a))) for a, b in zip(_LOWEST, _HIGHEST, strict=True))
        cell = Style(color="white", bgcolor=f"rgb({colour})", bold=value == high) if value is not None else Style()
        line.append(inside, cell)
    return line


def _labels(labels: Sequence[str], wide: int) -> str:
    """Write each label below its column where it fits, else the first and the last."""
    if max(map(len, labels)) < wide:
        return "".join(f"{label} ".rjust(wide) for label in labels)
    return f"{labels[0]} ... {labels[-1]}"


def _figure(name: str, value: float | None, *, short: bool = False, digits: int = DIGITS) -> str:
    if value is None:
        return UNDEFINED
    if name in _SHARES:
        signed = percent(-value if name == "max_drawdown" else value, digits)
        text = signed if name.endswith(("return", "drawdown")) else signed.lstrip("+")
        return text.removesuffix(" %") + "%" if short else text
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def _written(value: object) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
