"""Finding the header of a table of texts: below a title or a URL, over several lines, or not there at all."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from coin_pipeline.candles.imports.layouts import YAHOO, Layout, fields_of, normalize_name, time_rank
from coin_pipeline.candles.imports.mapping import FIELDS
from coin_pipeline.errors import InvalidCandleFile, coded

SEARCHED_ROWS = 60
_NUMBER = re.compile(r"[+-]?[\d.,\s]+([eE][+-]?\d+)?")
_MIN_NAMES = 3
_SHOWN_MARKETS = 5
_MIN_NUMBERS = 4


class Header(NamedTuple):
    """The header of a table.

    Attributes:
        names: Names of the columns, or their positions from 1.
        body: Number of rows above the first row of data.
        known: Number of names that are fields of candles.
        headed: Whether there is a header.
        layout: Layout that its form gives away.
        symbols: Markets that it names.
    """

    names: tuple[str, ...]
    body: int
    known: int
    headed: bool = True
    layout: Layout | None = None
    symbols: frozenset[str] = frozenset()


def find_header(rows: Sequence[Sequence[str]], mapping: Mapping[str, str]) -> Header | None:
    """Return the header of a table, or None if all rows are blank.

    Args:
        rows: Cells of its first rows.
        mapping: The user's columns, whose names count as known ones.
    """
    wanted = {normalize_name(part) for field in FIELDS if field in mapping for part in mapping[field].split("+")}
    known = [_known_names(row, wanted) for row in rows]
    best = max(known, default=0)
    if best >= _MIN_NAMES:
        return _join_lines(rows, known.index(best), best)
    at = next((at for at, row in enumerate(rows) if sum(map(_is_number, row)) >= _MIN_NUMBERS), None)
    above = [row for row in rows[:at] if any(map(str.strip, row))]
    if at is not None and (not above or len(above[-1]) != len(rows[at])):
        return Header(tuple(str(position + 1) for position in range(len(rows[at]))), at, 0, headed=False)
    named = [(len(row), -index) for index, row in enumerate(rows[:at]) if any(map(str.strip, row))]
    if not named:
        return None
    index = -max(named)[1]
    return Header(tuple(rows[index]), index + 1, best)


def only_market(path: object, markets: Iterable[str]) -> str | None:
    """Return the market that a file names, or None if it names none.

    Raises:
        InvalidCandleFile: It names several.
    """
    names = sorted(set(markets))
    if len(names) > 1:
        shown = ", ".join(names[:_SHOWN_MARKETS])
        raise InvalidCandleFile(path, coded("several_markets", count=len(names), names=shown))
    return names[0] if names else None


def _known_names(row: Sequence[str], wanted: set[str]) -> int:
    """Return how many fields of candles a row names; 0 for a row of numbers."""
    if sum(map(_is_number, row)) >= _MIN_NUMBERS:
        return 0
    names = [normalize_name(cell) for cell in row]
    fields = {fields_of(name) for name in names} - {None}
    times = any(time_rank(name, 1) is not None for name in names if name)
    return len(fields) + times + len(wanted & set(names))


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _join_lines(rows: Sequence[Sequence[str]], at: int, known: int) -> Header:
    """Return the header at a row, with the lines that pandas adds for a second level of columns and the index."""
    names = list(rows[at])
    label = normalize_name(names[0]) if names else ""
    if label != "price":
        return Header(tuple(names), at + 1, known)
    symbols = frozenset[str]()
    block = [*range(max(at - 1, 0), at), *range(at + 1, min(at + 3, len(rows)))]
    body = at + 1
    for line in block:
        first, *cells = rows[line] or [""]
        kind = normalize_name(first)
        if kind == "ticker":
            symbols = frozenset(filter(None, map(str.strip, cells)))
        elif kind in {"date", "datetime"} and not any(map(str.strip, cells)):
            names[0] = first
        else:
            continue
        body = max(body, line + 1)
    layout = YAHOO if symbols else None
    return Header(tuple(names), body, known, layout=layout, symbols=symbols)
