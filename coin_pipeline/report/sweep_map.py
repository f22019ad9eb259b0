"""Heat map of a sweep's objective over two dimensions, as SVG text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.languages import Language, Text
from coin_pipeline.report.svg import escape_xml, svg_text

# The unit is half a pixel, as in `figures`.
WIDTH, LEFT, RIGHT, TOP, BELOW = 1800, 240, 1730, 150, 110
_MAX_CELL_HEIGHT, _MIN_CELL_HEIGHT, _MAX_MAP_HEIGHT = 64, 18, 1100
_MIN_TEXT_CELL = (96, 32)  # smallest width and height that fit a figure
_LABEL_WIDTH, _LABEL_HEIGHT = 110, 26
_MIN_OPACITY, _MAX_OPACITY = 0.06, 0.64  # above this, neither dark nor light text is legible
# Okabe and Ito, "Color Universal Design" (2008): distinguishable with colour blindness.
_GAIN, _LOSS = "#0072b2", "#d55e00"

_CAPTION = Text(
    "{low} to {high}; blue is above {neutral}, orange below",
    "{low} ~ {high}, 파란색은 {neutral}보다 높은 값, 주황색은 낮은 값",
)
_POINT, _POINTS = Text("1 point", "포인트 1개"), Text("{count} points", "포인트 {count}개")
_NONE, _BETWEEN = Text("none", "없음"), Text("{low} to {high}", "{low} ~ {high}")


class HeatMapStyle(NamedTuple):
    """What a heat map is written with.

    Attributes:
        title: Text of the heading.
        neutral: Objective without gain or loss.
        formatter: Formats an objective.
        language: Language of the texts.
        link: Returns the address that a cell links to, given the number of its best point; None for cells without
            links.
    """

    title: str
    neutral: float
    formatter: Callable[[float], str]
    language: Language = "en"
    link: Callable[[int], str] | None = None


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

    def rect(self, row: int, column: int, style: str) -> str:
        x, y = LEFT + column * self.width, TOP + row * self.height
        return f'<rect x="{x:.1f}" y="{y}" width="{self.width:.1f}" height="{self.height}" {style}/>'

    def middle(self, row: int, column: int) -> tuple[int, int]:
        """Return the position of a text centred in a cell."""
        return LEFT + int((column + 0.5) * self.width), TOP + int((row + 0.5) * self.height) + 7


def heat_map_figure(heat_map: Json, which: str, style: HeatMapStyle) -> str:
    """Draw a cell per pair of values: blue above the neutral value, orange below, more intense farther away.

    The highest cell has a frame; a cell without points is empty. Cells with links have their place in the map as
    `data-row` and `data-column`; only the highest can be reached with the tab key, the others need a script that moves
    between them, since a map has up to 2,500.

    Args:
        heat_map: The `heat_map` of the sweep document; one of an earlier version, without `best_point`, has no links.
        which: `best` or `median`.
        style: What it is written with.
    """
    x, y = heat_map["x"], heat_map["y"] or {"name": "", "labels": [""]}
    grid = _Grid(*([_in_language(label, style.language) for label in axis["labels"]] for axis in (x, y)))
    cells = [
        _Cell(row, column, heat_map[which][row][column])
        for row, column in product(range(len(grid.rows)), range(len(grid.columns)))
        if heat_map[which][row][column] is not None
    ]
    values = [cell.value for cell in cells]
    low, high, neutral = map(style.formatter, (min(values), max(values), style.neutral))
    elements = [
        svg_text(24, 42, style.title, ink=True, size=28, weight=600),
        svg_text(24, 84, _CAPTION.write(style.language, low=low, high=high, neutral=neutral)),
        *_cells(heat_map, cells, grid, style),
        *_labels(grid),
        svg_text((LEFT + RIGHT) // 2, grid.bottom + 76, x["name"], ink=True, anchor="middle"),
        svg_text(LEFT - 14, TOP - 18, y["name"], ink=True, anchor="end"),
    ]
    height = grid.bottom + BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH // 2}"'
        f' height="{height // 2}" role="{"group" if _has_links(heat_map, style) else "img"}"'
        f' font-family="system-ui,sans-serif"><title>{escape_xml(style.title)}</title>'
        f'<rect class="paper" width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(elements)}</svg>'
    )


class _Cell(NamedTuple):
    """A cell with points, and its objective."""

    row: int
    column: int
    value: float


def _has_links(heat_map: Json, style: HeatMapStyle) -> bool:
    return style.link is not None and "best_point" in heat_map


def _cells(heat_map: Json, cells: Sequence[_Cell], grid: _Grid, style: HeatMapStyle) -> Iterator[str]:
    strongest = max(abs(cell.value - style.neutral) for cell in cells) or 1.0
    fits_text = grid.width >= _MIN_TEXT_CELL[0] and grid.height >= _MIN_TEXT_CELL[1]
    highest = max(cells, key=lambda cell: cell.value)
    for cell in cells:
        depth = abs(cell.value - style.neutral) / strongest
        colour = _GAIN if cell.value >= style.neutral else _LOSS
        opacity = _MIN_OPACITY + depth * (_MAX_OPACITY - _MIN_OPACITY)
        drawn = f"<title>{escape_xml(_tooltip(heat_map, grid, cell, style))}</title>"
        drawn += grid.rect(cell.row, cell.column, f'fill="{colour}" fill-opacity="{opacity:.2f}"')
        if fits_text:
            text = style.formatter(cell.value)
            drawn += svg_text(*grid.middle(cell.row, cell.column), text, ink=True, anchor="middle", size=20)
        if style.link and _has_links(heat_map, style):
            address = style.link(heat_map["best_point"][cell.row][cell.column])
            place = f'data-row="{cell.row}" data-column="{cell.column}" tabindex="{0 if cell is highest else -1}"'
            yield f"<a href={quoteattr(address)} {place}>{drawn}</a>"
        else:
            yield f"<g>{drawn}</g>"
    frame = 'class="base" fill="none" stroke="#6e7781" stroke-width="5" pointer-events="none"'
    yield grid.rect(highest.row, highest.column, frame)


def _tooltip(heat_map: Json, grid: _Grid, cell: _Cell, style: HeatMapStyle) -> str:
    names = [f"{heat_map['x']['name']} {grid.columns[cell.column]}"]
    if heat_map["y"]:
        names.append(f"{heat_map['y']['name']} {grid.rows[cell.row]}")
    count = heat_map["points"][cell.row][cell.column]
    points = (_POINT if count == 1 else _POINTS).write(style.language, count=f"{count:,}")
    return f"{', '.join(names)}: {style.formatter(cell.value)} ({points})"


def _in_language(label: str, language: Language) -> str:
    """Return the label of a cell in a language; documents have them in English.

    >>> _in_language("5 to none", "ko")
    '5 ~ 없음'
    """
    low, between, high = (_NONE.write(language) if part == _NONE.en else part for part in label.partition(" to "))
    return _BETWEEN.write(language, low=low, high=high) if between else low


def _labels(grid: _Grid) -> Iterator[str]:
    """Yield the labels that fit without overlapping."""
    for row in range(0, len(grid.rows), -(-_LABEL_HEIGHT // grid.height)):
        yield svg_text(LEFT - 14, grid.middle(row, 0)[1], grid.rows[row], anchor="end")
    for column in range(0, len(grid.columns), int(-(-_LABEL_WIDTH // grid.width))):
        yield svg_text(grid.middle(0, column)[0], grid.bottom + 34, grid.columns[column], anchor="middle")
