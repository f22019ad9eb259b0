"""Findings about stored candles: each kind is counted, with its first occurrences as examples."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.coverage import Coverage, phase_of
from coin_pipeline.candles.intervals import subtract
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe, format_duration, format_utc
from coin_pipeline.candles.validation import describe_violation, valid_rows
from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""
MAX_EXAMPLES = 3
"""Examples per kind."""
MIN_SLIP_ROWS = 3
"""This many adjacent candles on another grid are a clock slip; fewer are strays."""
_Rows = npt.NDArray[np.intp]


class Example(NamedTuple):
    """One occurrence of a finding.

    Attributes:
        time: Open of the candle, ns UTC, or None.
        file: Name of the file, or None for missing candles.
        row: Row in the file, counted from 1, or None.
        message: What is wrong there.
    """

    time: int | None
    file: str | None
    row: int | None
    message: str


class AuditFinding(NamedTuple):
    """All occurrences of one kind in a series.

    Attributes:
        kind: Name of the kind, such as `duplicate`.
        severity: `error` for candles that cannot be right, `warning` for possibly missing or wrong ones, else `info`.
        occurrences: Number of candles or files.
        examples: The first occurrences.
    """

    kind: str
    severity: Severity
    occurrences: int
    examples: tuple[Example, ...]


def group_findings(findings: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Return one finding per kind, worst first and otherwise in order of appearance."""
    groups: dict[str, AuditFinding] = {}
    for finding in findings:
        group = groups.get(finding.kind, finding._replace(occurrences=0, examples=()))
        groups[finding.kind] = group._replace(
            occurrences=group.occurrences + finding.occurrences,
            examples=(*group.examples, *finding.examples)[:MAX_EXAMPLES],
        )
    return tuple(sorted(groups.values(), key=lambda finding: SEVERITIES.index(finding.severity)))


def row_findings(
    file: str, candles: OHLCV, numbers: _Rows, timeframe: Timeframe, newest: int | None
) -> Iterator[AuditFinding]:
    """Yield findings about rows of a file, in the order in which they are stored.

    Args:
        file: Name of the file.
        candles: The rows.
        numbers: Their row numbers in the file, from 0.
        timeframe: Length of the candles, with the phase of the series.
        newest: Latest open in the previous files, ns UTC.
    """

    def report(kind: str, severity: Severity, rows: _Rows, describe: Callable[[int], str]) -> Iterator[AuditFinding]:
        if len(rows):
            examples = tuple(
                Example(int(candles.time[row]), file, int(numbers[row]) + 1, describe(row))
                for row in rows[:MAX_EXAMPLES].tolist()
            )
            yield AuditFinding(kind, severity, len(rows), examples)

    yield from _order(candles, numbers, newest, report)
    yield from _prices(candles, report)
    yield from _grid(candles.time, timeframe, report)


def gap_findings(coverage: Coverage) -> Iterator[AuditFinding]:
    """Yield findings about missing candles: those never fetched, and those that do not exist."""
    if coverage.not_fetched:
        examples = tuple(_gap(start, end, coverage.step) for start, end in coverage.unfetched[:MAX_EXAMPLES].tolist())
        yield AuditFinding("not_fetched", "warning", coverage.not_fetched, examples)
    if coverage.no_trade:
        yield AuditFinding("no_trade", "info", coverage.no_trade, _no_trade_examples(coverage))


def _no_trade_examples(coverage: Coverage) -> tuple[Example, ...]:
    """Return the first fetched stretches without trades."""
    edges, unfetched = coverage.edges, coverage.unfetched
    same = np.isin(edges[:, 0], unfetched[:, 0]) & np.isin(edges[:, 1], unfetched[:, 1])
    intervals = [*map(tuple, unfetched.tolist())]
    gaps = (subtract((start, end), intervals) for start, end in edges[~same][:MAX_EXAMPLES].tolist())
    return tuple(_gap(*parts[0], coverage.step) for parts in gaps)


def _gap(start: int, end: int, step: int) -> Example:
    return Example(start, None, None, f"{(end - start) // step:,} missing, the next at {format_utc(end)}")


_Report = Callable[[str, Severity, _Rows, Callable[[int], str]], Iterator[AuditFinding]]


def _order(candles: OHLCV, numbers: _Rows, newest: int | None, report: _Report) -> Iterator[AuditFinding]:
    time = candles.time
    order = np.argsort(time, kind="stable") if (np.diff(time) <= 0).any() else np.arange(len(time))
    again = np.flatnonzero(np.diff(time[order]) == 0) + 1
    first_of = dict(zip(order[again].tolist(), order[again - 1].tolist(), strict=True))

    def describe_duplicate(row: int) -> str:
        same = all(column[row] == column[first_of[row]] for column in candles[1:])
        return f"repeats row {int(numbers[first_of[row]]) + 1} with {'the same' if same else 'other'} values"

    yield from report("duplicate", "error", np.sort(order[again]), describe_duplicate)
    latest = np.maximum.accumulate(np.append(np.int64(-(2**63)) if newest is None else newest, time))[:-1]
    late = np.setdiff1d(np.flatnonzero(time < latest), order[again])
    yield from report("out_of_order", "error", late, lambda row: f"comes after {format_utc(latest[row])}")
    if newest is not None:
        repeated = np.flatnonzero(time == newest)[:1]
        yield from report("duplicate", "error", repeated, lambda _: "is also in the previous file")


def _prices(candles: OHLCV, report: _Report) -> Iterator[AuditFinding]:
    invalid = np.flatnonzero(~valid_rows(candles))
    rows = candles.rows(invalid)
    finite = np.isfinite(np.stack(rows[1:])).all(axis=0)
    positive = (np.stack(rows[1:5]) > 0).all(axis=0)

    def describe(row: int) -> str:
        return f"has {describe_violation(*(float(column[row]) for column in candles[1:]))}"

    yield from report("not_a_number", "error", invalid[~finite], describe)
    yield from report("price_not_positive", "error", invalid[finite & ~positive], describe)
    yield from report("negative_volume", "error", invalid[finite & positive & (rows.volume < 0)], describe)
    impossible = finite & positive & (rows.volume >= 0)
    beyond = (rows.low < MIN_PRICE) | (rows.high > MAX_PRICE) | (rows.volume > MAX_VOLUME)
    yield from report("out_of_range", "error", invalid[impossible & beyond], describe)
    yield from report("impossible_price", "error", invalid[impossible & ~beyond], describe)
    yield from report("zero_volume", "info", np.flatnonzero(candles.volume == 0), lambda _: "has no volume")


def _grid(time: npt.NDArray[np.int64], timeframe: Timeframe, report: _Report) -> Iterator[AuditFinding]:
    if not len(time) or phase_of(time, timeframe) == (timeframe.phase_ns, True):
        return
    off = (time - timeframe.phase_ns) % timeframe.ns
    breaks = np.flatnonzero((np.diff(off) != 0) | (np.diff(time) != timeframe.ns)) + 1
    runs = np.diff(np.concatenate(([0], breaks, [len(time)])))
    slipped = (off != 0) & (np.repeat(runs, runs) >= MIN_SLIP_ROWS)

    def describe(row: int) -> str:
        return f"opens {format_duration(int(off[row]))} off the grid of the others"

    yield from report("off_grid", "warning", np.flatnonzero((off != 0) & ~slipped), describe)
    yield from report("time_zone_slip", "error", np.flatnonzero(slipped), describe)
