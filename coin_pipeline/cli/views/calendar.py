"""Calendar of stored candles by Seoul day, drawn with characters so that it reads without colour."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from rich.text import Text

from coin_pipeline.candles.audit.days import NO_TRADE, NOT_FETCHED, PRESENT
from coin_pipeline.candles.audit.report import AuditReport
from coin_pipeline.candles.timeframe import DAY_NS

MAX_YEARS_OF_DAYS = 3
"""With more years than this, each is one line of weeks."""
_MARKS = (
    (" ", "", "no candle expected"),
    ("█", "green", "complete"),
    ("▄", "cyan", "some without a trade"),
    ("/", "yellow", "partly fetched"),
    ("·", "red", "nothing fetched"),
)
_EMPTY, _COMPLETE, _QUIET, _PARTIAL, _UNFETCHED = range(len(_MARKS))
_DAYS_PER_WEEK = 7
_Ints = npt.NDArray[np.int64]


def calendar_lines(audit: AuditReport) -> Iterator[Text]:
    """Yield the lines of the calendar, the last of which is a legend of the marks it uses."""
    years = range(audit.first_day.year, (audit.first_day + timedelta(days=max(0, len(audit.days) - 1))).year + 1)
    by_week = len(years) > MAX_YEARS_OF_DAYS or audit.timeframe.ns > DAY_NS
    used: set[int] = set()
    if by_week:
        yield Text(f"{'':5}{_month_names(None)}", style="dim")
    for year in years:
        grid = _year_grid(audit, year)
        if not grid.any():  # the last day may only be the end of the range
            continue
        if by_week:
            states = _states(grid.sum(axis=1))
            used.update(states.tolist())
            yield _line(f"{year} ", states)
        else:
            states = _states(grid)
            used.update(states.ravel().tolist())
            yield Text(f"{year} {_month_names(year)}", style="dim")
            for day, name in enumerate(("Mon", "", "Wed", "", "Fri", "", "Sun")):
                yield _line(f"{name:<5}", states[:, day])
    yield _legend(sorted(used - {_EMPTY}), "week" if by_week else "day")


def _year_grid(audit: AuditReport, year: int) -> _Ints:
    """Return the counts of a year by week and weekday, from the Monday on or before New Year: shape (weeks, 7, 3)."""
    first = _first_monday(year)
    weeks = (date(year, 12, 31) - first).days // _DAYS_PER_WEEK + 1
    counts = np.zeros((weeks * _DAYS_PER_WEEK, 3), np.int64)
    begin = max(audit.first_day, date(year, 1, 1))
    stop = min(audit.first_day + timedelta(days=len(audit.days)), date(year + 1, 1, 1))
    target = slice((begin - first).days, (stop - first).days)
    counts[target] = audit.days[(begin - audit.first_day).days : (stop - audit.first_day).days]
    return counts.reshape(weeks, _DAYS_PER_WEEK, 3)


def _first_monday(year: int) -> date:
    """Return the Monday on or before New Year."""
    new_year = date(year, 1, 1)
    return new_year - timedelta(days=new_year.weekday())


def _states(counts: _Ints) -> _Ints:
    """Return the index of the mark for each triple of counts, the last axis of `counts`."""
    present, no_trade, not_fetched = (counts[..., part] for part in (PRESENT, NO_TRADE, NOT_FETCHED))
    known = present + no_trade
    states = np.select(
        [known + not_fetched == 0, not_fetched == 0, known > 0],
        [_EMPTY, np.where(no_trade == 0, _COMPLETE, _QUIET), _PARTIAL],
        _UNFETCHED,
    )
    return states.astype(np.int64)


def _line(label: str, states: _Ints) -> Text:
    line = Text(label, style="dim")
    for state in states.tolist():
        mark, colour, _ = _MARKS[state]
        line.append(mark, style=colour or "default")
    return line


def _month_names(year: int | None) -> str:
    """Return the month names above the weeks in which the months begin; approximate positions without a year."""
    names = [" "] * 58
    for month in range(1, 13):
        first = date(year or 2001, month, 1)  # 2001 began on a Monday
        column = (first - _first_monday(first.year)).days // _DAYS_PER_WEEK
        names[column : column + 3] = f"{first:%b}"
    return "".join(names).rstrip()


def _legend(states: list[int], unit: str) -> Text:
    legend = Text(f"{'':5}each {unit}:", style="dim")
    for state in states:
        mark, colour, meaning = _MARKS[state]
        legend.append(f" {mark}", style=colour)
        legend.append(f" {meaning} ", style="dim")
    return legend
