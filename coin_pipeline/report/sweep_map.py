"""The objective of a sweep over two of its dimensions as a picture: a heat map in, the text of an SVG out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.report.figures import escape_xml, svg_text

# The picture's unit is half a pixel, as in `figures`.
WIDTH, LEFT, RIGHT, TOP, BELOW = 1800, 240, 1730, 150, 110
_HIGHEST_CELL, _LOWEST_CELL, _HIGHEST_MAP = 64, 18, 1100
_WRITTEN_CELL = (96, 32)  # the smallest that has room for a figure
_LABEL_WIDTH, _LABEL_HEIGHT = 110, 26
_PALEST, _DEEPEST = 0.06, 0.64  # on deeper colours, neither dark nor light ink is easy to read
# Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind readers too.
_GAIN, _LOSS = "#0072b2", "#d55e00"


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells of a map lie."""

    columns: Sequence[str]
    rows: Sequence[str]

    @property
    def width(self) -> float:
        return (RIGHT - LEFT) / len(self.columns)

    @property
    def height(self) -> int:
        return max(_LOWEST_CELL, min(_HIGHEST_CELL, _HIGHEST_MAP // len(self.rows)))

    @property
    def bottom(self) -> int:
        return TOP + self.height * len(self.rows)

    def rect(self, row: int, column: int, style: str, inside: str = "") -> str:
        x, y = LEFT + column * self.width, TOP + row * self.height
        return f'<rect x="{x:.1f}" y="{y}" width="{self.width:.1f}" height="{self.height}" {style}>{inside}</rect>'

    def middle(self, row: int, column: int) -> tuple[int, int]:
        """Return where a text stands in the middle of a cell."""
        return LEFT + int((column + 0.5) * self.width), TOP + int((row + 0.5) * self.height) + 7


def heat_map_figure(heat_map: Json, which: str, title: str, balance: float, write: Callable[[float], str]) -> str:
    """Draw one cell for each pair of values: blue above the balance, orange below, the deeper the farther from it.

    The highest cell is framed; one without points is empty.

    Args:
        heat_map: What `sweeps.landscape.heat_map` returned.
        which: `best` or `median`.
        title: Text of the heading.
        balance: The objective at which gains and losses are even.
        write: Turns an objective into text.
    """
    x, y = heat_map["x"], heat_map["y"] or {"name": "", "labels": [""]}
    grid = _Grid(x["labels"], y["labels"])
    known = [value for row in heat_map[which] for value in row if value is not None]
    said = f"{write(min(known))} to {write(max(known))}; blue is above {write(balance)}, orange below"
    drawn = [
        svg_text(24, 42, title, ink=True, size=28, weight=600),
        svg_text(24, 84, said),
        *_cells(heat_map, which, grid, balance, write),
        *_labels(grid),
        svg_text((LEFT + RIGHT) // 2, grid.bottom + 76, x["name"], ink=True, anchor="middle"),
        svg_text(LEFT - 14, TOP - 18, y["name"], ink=True, anchor="end"),
    ]
    height = grid.bottom + BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH // 2}"'
        f' height="{height // 2}" role="img" font-family="system-ui,sans-serif"><title>{escape_xml(title)}</title>'
        f'<rect class="paper" width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(drawn)}</svg>'
    )


def _cells(heat_map: Json, which: str, grid: _Grid, balance: float, write: Callable[[float], str]) -> Iterator[str]:
    cells = [
        (value, row, column)
        for row, values in enumerate(heat_map[which])
        for column, value in enumerate(values)
        if value is not None
    ]
    strongest = max(abs(value - balance) for value, _, _ in cells) or 1.0
    roomy = grid.width >= _WRITTEN_CELL[0] and grid.height >= _WRITTEN_CELL[1]
    for value, row, column in cells:
        depth = abs(value - balance) / strongest
        told = f"{_place(heat_map, row, column)}: {write(value)} ({heat_map['points'][row][column]} points)"
        colour = (
            f'fill="{_GAIN if value >= balance else _LOSS}" fill-opacity="{_PALEST + depth * (_DEEPEST - _PALEST):.2f}"'
        )
        yield grid.rect(row, column, colour, f"<title>{escape_xml(told)}</title>")
        if roomy:
            at = grid.middle(row, column)
            yield svg_text(*at, write(value), ink=True, anchor="middle", size=20)
    _, row, column = max(cells, key=lambda cell: cell[0])
    yield grid.rect(row, column, 'class="base" fill="none" stroke="#6e7781" stroke-width="5"')


def _place(heat_map: Json, row: int, column: int) -> str:
    sides = [("x", column), *([("y", row)] if heat_map["y"] else [])]
    return ", ".join(f"{heat_map[side]['name']} {heat_map[side]['labels'][place]}" for side, place in sides)


def _labels(grid: _Grid) -> Iterator[str]:
    """Write as many labels as there is room for."""
    for row in range(0, len(grid.rows), -(-_LABEL_HEIGHT // grid.height)):
        yield svg_text(LEFT - 14, grid.middle(row, 0)[1], grid.rows[row], anchor="end")
    for column in range(0, len(grid.columns), int(-(-_LABEL_WIDTH // grid.width))):
        yield svg_text(grid.middle(0, column)[0], grid.bottom + 34, grid.columns[column], anchor="middle")
