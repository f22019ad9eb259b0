"""Which candles are there, by Seoul day, as a picture of characters that needs no colour."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from rich.text import Text

from coin_pipeline.candles.audit.scan import NO_TRADE, NOT_FETCHED, PRESENT, AuditReport
from coin_pipeline.candles.timeframe import DAY_NS

MOST_YEARS = 3
"""Of more years each is one line of weeks."""
_MARKS = (
    (" ", "", "no candle expected"),
    ("█", "green", "complete"),
    ("▄", "cyan", "in part no trade"),
    ("/", "yellow", "partly fetched"),
    ("·", "red", "nothing fetched"),
)
_EMPTY, _COMPLETE, _QUIET, _PARTLY, _NOTHING = range(len(_MARKS))
_WEEK = 7
_Ints = npt.NDArray[np.int64]


def calendar(found: AuditReport) -> Iterator[Text]:
    """Yield the lines of the picture, with a legend of the marks that are in it."""
    years = range(found.first_day.year, (found.first_day + timedelta(days=max(0, len(found.days) - 1))).year + 1)
    weeks = len(years) > MOST_YEARS or found.timeframe.ns > DAY_NS
    seen: set[int] = set()
    if weeks:
        yield Text(f"{'':5}{_months(None)}", style="dim")
    for year in years:
        grid = _grid(found, year)
        if weeks:
            states = _states(grid.sum(axis=1))
            seen.update(states.tolist())
            yield _line(f"{year} ", states)
        else:
            states = _states(grid)
            seen.update(states.ravel().tolist())
            yield Text(f"{year} {_months(year)}", style="dim")
            for day, name in enumerate(("Mon", "", "Wed", "", "Fri", "", "Sun")):
                yield _line(f"{name:<5}", states[:, day])
    yield _legend(sorted(seen - {_EMPTY}), "week" if weeks else "day")


def _grid(found: AuditReport, year: int) -> _Ints:
    """Return the counts of a year by week, from the Monday on or before New Year, and weekday: shape (w, 7, 3)."""
    first = _first_monday(year)
    weeks = (date(year, 12, 31) - first).days // _WEEK + 1
    counts = np.zeros((weeks * _WEEK, 3), np.int64)
    begin = max(found.first_day, date(year, 1, 1))
    stop = min(found.first_day + timedelta(days=len(found.days)), date(year + 1, 1, 1))
    there = slice((begin - first).days, (stop - first).days)
    counts[there] = found.days[(begin - found.first_day).days : (stop - found.first_day).days]
    return counts.reshape(weeks, _WEEK, 3)


def _first_monday(year: int) -> date:
    new_year = date(year, 1, 1)
    return new_year - timedelta(days=new_year.weekday())


def _states(counts: _Ints) -> _Ints:
    """Return which mark each count gets."""
    present, no_trade, not_fetched = (counts[..., part] for part in (PRESENT, NO_TRADE, NOT_FETCHED))
    known = present + no_trade
    states = np.select(
        [known + not_fetched == 0, not_fetched == 0, known > 0],
        [_EMPTY, np.where(no_trade == 0, _COMPLETE, _QUIET), _PARTLY],
        _NOTHING,
    )
    return states.astype(np.int64)


def _line(label: str, states: _Ints) -> Text:
    line = Text(label, style="dim")
    for state in states.tolist():
        mark, colour, _ = _MARKS[state]
        line.append(mark, style=colour or "default")
    return line


def _months(year: int | None) -> str:
    """Return the names of the months above the weeks in which they begin; without a year, roughly."""
    names = [" "] * 58
    for month in range(1, 13):
        first = date(year or 2001, month, 1)  # a year that began on a Monday
        place = (first - _first_monday(first.year)).days // _WEEK
        names[place : place + 3] = f"{first:%b}"
    return "".join(names).rstrip()


def _legend(states: list[int], unit: str) -> Text:
    legend = Text(f"{'':5}a {unit}:", style="dim")
    for state in states:
        mark, colour, told = _MARKS[state]
        legend.append(f" {mark}", style=colour)
        legend.append(f" {told} ", style="dim")
    return legend
