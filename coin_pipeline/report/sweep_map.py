"""Heat map of a sweep's objective over two dimensions, as SVG text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.report.figures import escape_xml, svg_text

# The unit is half a pixel, as in `figures`.
WIDTH, LEFT, RIGHT, TOP, BELOW = 1800, 240, 1730, 150, 110
_MAX_CELL_HEIGHT, _MIN_CELL_HEIGHT, _MAX_MAP_HEIGHT = 64, 18, 1100
_MIN_TEXT_CELL = (96, 32)  # smallest width and height that fit a figure
_LABEL_WIDTH, _LABEL_HEIGHT = 110, 26
_MIN_OPACITY, _MAX_OPACITY = 0.06, 0.64  # above this, neither dark nor light text is legible
# Okabe and Ito, "Color Universal Design" (2008): distinguishable with colour blindness.
_GAIN, _LOSS = "#0072b2", "#d55e00"


@dataclass(frozen=True, slots=True)
class _Grid:
    """Geometry of the cells of a heat map."""

    columns: Sequence[str]
    rows: Sequence[str]

    @property
    def width(self) -> float:
        return (RIGHT - LEFT) / len(self.columns)

    @property
    def height(self) -> int:
        return max(_MIN_CELL_HEIGHT, min(_MAX_CELL_HEIGHT, _MAX_MAP_HEIGHT // len(self.rows)))

    @property
    def bottom(self) -> int:
        return TOP + self.height * len(self.rows)

    def rect(self, row: int, column: int, style: str, content: str = "") -> str:
        x, y = LEFT + column * self.width, TOP + row * self.height
        return f'<rect x="{x:.1f}" y="{y}" width="{self.width:.1f}" height="{self.height}" {style}>{content}</rect>'

    def middle(self, row: int, column: int) -> tuple[int, int]:
        """Return the position of a text centred in a cell."""
        return LEFT + int((column + 0.5) * self.width), TOP + int((row + 0.5) * self.height) + 7


def heat_map_figure(heat_map: Json, which: str, title: str, neutral: float, formatter: Callable[[float], str]) -> str:
    """Draw a cell per pair of values: blue above the neutral value, orange below, more intense farther away.

    The highest cell has a frame; a cell without points is empty.

    Args:
        heat_map: The `heat_map` of the sweep document.
        which: `best` or `median`.
        title: Text of the heading.
        neutral: Objective without gain or loss.
        formatter: Formats an objective.
    """
    x, y = heat_map["x"], heat_map["y"] or {"name": "", "labels": [""]}
    grid = _Grid(x["labels"], y["labels"])
    known = [value for row in heat_map[which] for value in row if value is not None]
    caption = f"{formatter(min(known))} to {formatter(max(known))}; blue is above {formatter(neutral)}, orange below"
    elements = [
        svg_text(24, 42, title, ink=True, size=28, weight=600),
        svg_text(24, 84, caption),
        *_cells(heat_map, which, grid, neutral, formatter),
        *_labels(grid),
        svg_text((LEFT + RIGHT) // 2, grid.bottom + 76, x["name"], ink=True, anchor="middle"),
        svg_text(LEFT - 14, TOP - 18, y["name"], ink=True, anchor="end"),
    ]
    height = grid.bottom + BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH // 2}"'
        f' height="{height // 2}" role="img" font-family="system-ui,sans-serif"><title>{escape_xml(title)}</title>'
        f'<rect class="paper" width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(elements)}</svg>'
    )


def _cells(heat_map: Json, which: str, grid: _Grid, neutral: float, formatter: Callable[[float], str]) -> Iterator[str]:
    cells = [
        (value, row, column)
        for row, values in enumerate(heat_map[which])
        for column, value in enumerate(values)
        if value is not None
    ]
    strongest = max(abs(value - neutral) for value, _, _ in cells) or 1.0
    fits_text = grid.width >= _MIN_TEXT_CELL[0] and grid.height >= _MIN_TEXT_CELL[1]
    for value, row, column in cells:
        depth = abs(value - neutral) / strongest
        points = pluralize(heat_map["points"][row][column], "point")
        tooltip = f"{_parameters(heat_map, row, column)}: {formatter(value)} ({points})"
        colour, opacity = _GAIN if value >= neutral else _LOSS, _MIN_OPACITY + depth * (_MAX_OPACITY - _MIN_OPACITY)
        style = f'fill="{colour}" fill-opacity="{opacity:.2f}"'
        yield grid.rect(row, column, style, f"<title>{escape_xml(tooltip)}</title>")
        if fits_text:
            yield svg_text(*grid.middle(row, column), formatter(value), ink=True, anchor="middle", size=20)
    _, row, column = max(cells, key=lambda cell: cell[0])
    yield grid.rect(row, column, 'class="base" fill="none" stroke="#6e7781" stroke-width="5"')


def _parameters(heat_map: Json, row: int, column: int) -> str:
    axes = [("x", column), *([("y", row)] if heat_map["y"] else [])]
    return ", ".join(f"{heat_map[axis]['name']} {heat_map[axis]['labels'][index]}" for axis, index in axes)


def _labels(grid: _Grid) -> Iterator[str]:
    """Yield the labels that fit without overlapping."""
    for row in range(0, len(grid.rows), -(-_LABEL_HEIGHT // grid.height)):
        yield svg_text(LEFT - 14, grid.middle(row, 0)[1], grid.rows[row], anchor="end")
    for column in range(0, len(grid.columns), int(-(-_LABEL_WIDTH // grid.width))):
        yield svg_text(grid.middle(0, column)[0], grid.bottom + 34, grid.columns[column], anchor="middle")
