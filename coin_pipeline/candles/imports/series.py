"""The files of one series together: compared with each other and with what is stored, then stored in one merge."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.prepare import PreparedFile
from coin_pipeline.candles.imports.price_level import price_level_note
from coin_pipeline.candles.imports.shifted import ShiftedRows, find_shifted, max_shift, require_not_fetched
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.ohlcv import OHLCV, columns_digest
from coin_pipeline.candles.resample import contiguous_intervals
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, format_utc, utc
from coin_pipeline.candles.year_files.writer import MergedRows, MergeReport, merge_ohlcv
from coin_pipeline.errors import Coded, InvalidCandleFile


@dataclass(frozen=True, slots=True)
class SeriesImport:
    """The files of one series, ready to be stored.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        files: The files.
        candles: Their candles together.
        shifted: Stored candles that an earlier import of the same rows put elsewhere; they will be removed.
        price_note: A sentence on prices of another order of magnitude than those of the stored candles.
        changes: What storing them changes.
    """

    symbol: str
    timeframe: Timeframe
    files: tuple[PreparedFile, ...]
    candles: OHLCV
    shifted: ShiftedRows | None
    price_note: Coded | None
    changes: MergedRows


def group_by_series(files: Iterable[PreparedFile]) -> list[list[PreparedFile]]:
    """Return the files of each series, in the order of their first files."""
    groups: dict[tuple[str, str], list[PreparedFile]] = {}
    for file in files:
        groups.setdefault((file.symbol, file.timeframe.name), []).append(file)
    return list(groups.values())


def plan_series(catalog: CandleCatalog, files: Sequence[PreparedFile]) -> SeriesImport:
    """Compare the files of one series with each other and with the stored candles; store nothing.

    Raises:
        InvalidCandleFile: Two files have different candles of the same time, or the candles equal fetched ones at
            another time.
        InvalidCandles: Stored candles are impossible, or those of the files open between them.
    """
    symbol, timeframe = files[0].symbol, files[0].timeframe
    candles = combine(files)
    around = timedelta(days=1 + -(-max_shift(timeframe) // DAY_NS))  # one more for days that start in Seoul
    days = (utc(candles.time[0]).date() - around, utc(candles.time[-1]).date() + around)
    stored = catalog.load(symbol, timeframe, *days)
    shifted = find_shifted(stored.candles, candles, max_shift(timeframe))
    price_note = price_level_note(stored.candles, candles, max_shift(timeframe))
    if shifted:
        require_not_fetched(files[0].path, shifted, stored.provenance)
    removed = shifted.time if shifted else np.empty(0, np.int64)
    catalog.require_grid(symbol, timeframe, candles.time, removed)
    own = OHLCV.empty() if stored.resampled_from else stored.candles
    changes = merge_ohlcv(own, candles, removed)
    return SeriesImport(symbol, timeframe, tuple(files), candles, shifted, price_note, changes)


def store_series(catalog: CandleCatalog, planned: SeriesImport) -> MergeReport:
    """Store the candles, and remove those of an earlier import in another time zone.

    Raises:
        InvalidCandles: They open between the stored ones; nothing is stored.
        ObjectChanged: Other candles would be overwritten than planned; nothing is stored.
        StorageFailed: The files cannot be written.
    """
    return catalog.merge(
        planned.symbol,
        planned.timeframe,
        planned.candles,
        fetched=_without_trades(planned),
        remove=planned.shifted.time if planned.shifted else None,
        overwritten=columns_digest(planned.changes.overwritten),
    )


def _without_trades(planned: SeriesImport) -> tuple[Interval, ...]:
    """Return the intervals for which the files list every candle, and the times without a trade among them."""
    quiet = np.concatenate([file.no_trade for file in planned.files])
    times = np.union1d(planned.candles.time, quiet)
    return tuple(
        (start, end)
        for start, end in contiguous_intervals(times, planned.timeframe)
        if np.any((quiet >= start) & (quiet < end))
    )


def combine(files: Sequence[PreparedFile]) -> OHLCV:
    """Return the candles of several files in order, once each.

    Raises:
        InvalidCandleFile: Two files have different candles of the same time, or open on different grids; the message
            names both files.
    """
    if len(files) == 1:
        return files[0].candles
    _check_grid(files)
    candles = OHLCV.concat(file.candles for file in files)
    order = np.argsort(candles.time, kind="stable")
    ordered = candles.rows(order)
    again = np.flatnonzero(np.diff(ordered.time) == 0)
    different = [again[column[again] != column[again + 1]] for column in ordered[1:]]
    if any(map(len, different)):
        raise _disagreement(files, ordered, order, int(min(rows[0] for rows in different if len(rows))))
    return ordered.rows(np.append(True, np.diff(ordered.time) != 0))


def _check_grid(files: Sequence[PreparedFile]) -> None:
    """Reject a file off the grid of the first; each is on one grid, so that one candle shows it."""
    first, *others = files
    for other in others:
        if (other.candles.time[0] - first.candles.time[0]) % first.timeframe.ns:
            opens, start = format_utc(other.candles.time[0]), format_utc(first.candles.time[0])
            reason = f"row {other.rows[0]} opens at {opens}, off the grid of {first.path.name}, which starts at {start}"
            raise InvalidCandleFile(other.path, f"{reason}; does one of them need another --tz?")


def _disagreement(
    files: Sequence[PreparedFile], ordered: OHLCV, order: npt.NDArray[np.intp], at: int
) -> InvalidCandleFile:
    """Return the error for a candle that differs from the next, of the same time."""
    (one, one_row), (other, other_row) = (_place(files, int(order[row])) for row in (at, at + 1))
    named = zip(OHLCV._fields[1:], ordered[1:], strict=True)
    name, mine, theirs = next((name, c[at + 1], c[at]) for name, c in named if c[at] != c[at + 1])
    reason = f"row {other_row} at {format_utc(ordered.time[at])} has {name} {float(mine)}"
    return InvalidCandleFile(
        other.path, f"{reason}, but {float(theirs)} in row {one_row} of {one.path.name}; import only one of them"
    )


def _place(files: Sequence[PreparedFile], row: int) -> tuple[PreparedFile, int]:
    """Return the file and its row number for a row of all files together."""
    for file in files:
        if row < len(file.rows):
            return file, int(file.rows[row])
        row -= len(file.rows)
    raise AssertionError
