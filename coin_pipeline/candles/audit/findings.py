"""What can be wrong with stored candles: each kind counted, with the first places as examples."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.coverage import Coverage, phase_of
from coin_pipeline.candles.intervals import subtract
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe, format_duration, format_utc
from coin_pipeline.candles.validation import describe_violation, valid_rows

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first."""
MAX_EXAMPLES = 3
"""How many of a kind are shown."""
MIN_SLIP_ROWS = 3
"""So many candles one after another on another grid are a slip of the clock; fewer are strays."""
_Rows = npt.NDArray[np.intp]


class Example(NamedTuple):
    """One place where something was found; `time` is ns UTC, `row` counts from 1, None where there is no such row."""

    time: int | None
    file: str | None
    row: int | None
    message: str


class AuditFinding(NamedTuple):
    """Everything of one kind that was found in a series.

    Attributes:
        kind: One word for it, such as `duplicate`.
        severity: `error` for what no market produces, `warning` for what may be missing or wrong, else `info`.
        found: How many candles, or files.
        examples: The first of them.
    """

    kind: str
    severity: Severity
    occurrences: int
    examples: tuple[Example, ...]


def group_findings(findings: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Return one finding for each kind, the worst first, in the order in which they came up."""
    joined: dict[str, AuditFinding] = {}
    for each in findings:
        before = joined.get(each.kind, each._replace(occurrences=0, examples=()))
        examples = (*before.examples, *each.examples)[:MAX_EXAMPLES]
        joined[each.kind] = before._replace(occurrences=before.occurrences + each.occurrences, examples=examples)
    return tuple(sorted(joined.values(), key=lambda each: SEVERITIES.index(each.severity)))


def row_findings(
    file: str, columns: OHLCV, numbers: _Rows, timeframe: Timeframe, newest: int | None
) -> Iterator[AuditFinding]:
    """Yield what is wrong with rows of a file, in the order in which they are stored.

    Args:
        file: Its name.
        columns: The rows.
        numbers: Which rows of the file they are, from 0.
        timeframe: Length of the candles, and where those of the series open.
        newest: The latest open in the files before this one, ns UTC.
    """

    def found(kind: str, severity: Severity, rows: _Rows, told: Callable[[int], str]) -> Iterator[AuditFinding]:
        if len(rows):
            first = rows[:MAX_EXAMPLES].tolist()
            examples = tuple(Example(int(columns.time[row]), file, int(numbers[row]) + 1, told(row)) for row in first)
            yield AuditFinding(kind, severity, len(rows), examples)

    yield from _order(columns, numbers, newest, found)
    yield from _prices(columns, found)
    yield from _grid(columns.time, timeframe, found)


def gap_findings(found: Coverage) -> Iterator[AuditFinding]:
    """Yield what is missing: what may exist, and what does not."""
    if found.not_fetched:
        examples = tuple(_gap(start, end, found.step) for start, end in found.unfetched[:MAX_EXAMPLES].tolist())
        yield AuditFinding("not_fetched", "warning", found.not_fetched, examples)
    if found.no_trade:
        yield AuditFinding("no_trade", "info", found.no_trade, _quiet(found))


def _quiet(found: Coverage) -> tuple[Example, ...]:
    """Return the first stretches in which nobody traded."""
    same = np.isin(found.edges[:, 0], found.unfetched[:, 0]) & np.isin(found.edges[:, 1], found.unfetched[:, 1])
    unfetched = found.unfetched.tolist()
    gaps = (subtract((start, end), map(tuple, unfetched)) for start, end in found.edges[~same][:MAX_EXAMPLES].tolist())
    return tuple(_gap(*quiet[0], found.step) for quiet in gaps)


def _gap(start: int, end: int, step: int) -> Example:
    return Example(start, None, None, f"{(end - start) // step:,} missing, the next at {format_utc(end)}")


_Found = Callable[[str, Severity, _Rows, Callable[[int], str]], Iterator[AuditFinding]]


def _order(columns: OHLCV, numbers: _Rows, newest: int | None, found: _Found) -> Iterator[AuditFinding]:
    time = columns.time
    order = np.argsort(time, kind="stable") if (np.diff(time) <= 0).any() else np.arange(len(time))
    again = np.flatnonzero(np.diff(time[order]) == 0) + 1
    first_of = dict(zip(order[again].tolist(), order[again - 1].tolist(), strict=True))

    def duplicate(row: int) -> str:
        same = all(column[row] == column[first_of[row]] for column in columns[1:])
        return f"repeats row {int(numbers[first_of[row]]) + 1} with {'the same' if same else 'other'} values"

    yield from found("duplicate", "error", np.sort(order[again]), duplicate)
    latest = np.maximum.accumulate(np.append(np.int64(-(2**63)) if newest is None else newest, time))[:-1]
    late = np.setdiff1d(np.flatnonzero(time < latest), order[again])
    yield from found("out_of_order", "error", late, lambda row: f"comes after {format_utc(latest[row])}")
    if newest is not None:
        twice = np.flatnonzero(time == newest)[:1]
        yield from found("duplicate", "error", twice, lambda _: "is in the file before this one too")


def _prices(columns: OHLCV, found: _Found) -> Iterator[AuditFinding]:
    _, open_, high, low, close, volume = columns
    wrong = np.flatnonzero(~valid_rows(columns))
    bad = columns.rows(wrong)
    finite = np.isfinite(np.stack(bad[1:])).all(axis=0)
    positive = (np.stack(bad[1:5]) > 0).all(axis=0)

    def told(row: int) -> str:
        fault = describe_violation(*(float(column[row]) for column in (open_, high, low, close, volume)))
        return f"has {fault}"

    yield from found("not_a_number", "error", wrong[~finite], told)
    yield from found("price_not_positive", "error", wrong[finite & ~positive], told)
    yield from found("negative_volume", "error", wrong[finite & positive & (bad.volume < 0)], told)
    yield from found("impossible_price", "error", wrong[finite & positive & (bad.volume >= 0)], told)
    yield from found("zero_volume", "info", np.flatnonzero(volume == 0), lambda _: "has no volume")


def _grid(time: npt.NDArray[np.int64], timeframe: Timeframe, found: _Found) -> Iterator[AuditFinding]:
    if not len(time) or phase_of(time, timeframe) == (timeframe.phase_ns, True):
        return
    off = (time - timeframe.phase_ns) % timeframe.ns
    apart = np.flatnonzero((np.diff(off) != 0) | (np.diff(time) != timeframe.ns)) + 1
    runs = np.diff(np.concatenate(([0], apart, [len(time)])))
    slipped = (off != 0) & (np.repeat(runs, runs) >= MIN_SLIP_ROWS)

    def told(row: int) -> str:
        return f"opens {format_duration(int(off[row]))} off the grid of the others"

    yield from found("off_grid", "warning", np.flatnonzero((off != 0) & ~slipped), told)
    yield from found("time_zone_slip", "error", np.flatnonzero(slipped), told)
