"""The catalog of stored candles, `root/{SYMBOL}/{TIMEFRAME}/{YEAR}.parquet` by UTC year: read, merge and list them."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from itertools import accumulate, product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.derive import choose_base, derive, possible_bases
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance, merge_provenance
from coin_pipeline.candles.stored_series import LoadedCandles, StoredCandles, resampled_summary
from coin_pipeline.candles.symbol import parse_symbol, similar_symbol
from coin_pipeline.candles.timeframe import SEOUL, TIMEFRAMES, Timeframe, day_range, seoul_day, utc
from coin_pipeline.candles.validation import check_prices, check_times, row_label
from coin_pipeline.candles.year_files.decoding import decode
from coin_pipeline.candles.year_files.folder import FolderPlace
from coin_pipeline.candles.year_files.parquet import RowGroups, open_row_groups
from coin_pipeline.candles.year_files.places import CandlePlace, YearFile, retry_if_changed
from coin_pipeline.candles.year_files.summaries import kept_summary
from coin_pipeline.candles.year_files.writer import Change, MergeReport, merge_into_series, require_stored_grid
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandleFile, ObjectChanged, coded

_DAY = timedelta(days=1)


class CandleCatalog:
    """The stored candles; other files at their place are ignored.

    Args:
        root: DATA_ROOT.
        place: Where the year files are; by default in folders under the root.

    >>> import tempfile
    >>> from coin_pipeline.candles.synthetic import synthetic_candles
    >>> daily = TIMEFRAMES["1d"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     catalog = CandleCatalog(Path(folder))
    ...     report = catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 1), bars=31))
    ...     bars = catalog.read("BTC_KRW", daily, date(2024, 1, 1), date(2024, 1, 7))
    >>> report.added, len(bars)
    (31, 7)
    """

    def __init__(self, root: Path, place: CandlePlace | None = None) -> None:
        self.root = root
        self.place = place or FolderPlace(root)

    def read(self, symbol: str, timeframe: Timeframe, start: date, end: date, zone: str = SEOUL) -> Bars:
        """Return the candles that open on the days from start to end, inclusive, in a time zone; possibly none.

        Raises:
            InvalidSymbol, InvalidCandleFile, InvalidCandles: As for `load`.
        """
        return self.load(symbol, timeframe, start, end, zone).bars

    def load(self, symbol: str, timeframe: Timeframe, start: date, end: date, zone: str = SEOUL) -> LoadedCandles:
        """Return the candles that `read` returns, with their provenance and snapshot.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: A file that may contain such candles cannot be read.
            InvalidCandles: The candles are out of order or have impossible prices.
        """
        return retry_if_changed(lambda: self._load(symbol, timeframe, start, end, zone))

    def provenance(self, symbol: str, timeframe: Timeframe) -> Provenance:
        """Return the provenance of a series; an empty one if nothing is stored.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: A footer cannot be read, or the series is stored under two spellings.
        """
        return retry_if_changed(
            lambda: merge_provenance(
                kept_summary(file).footer.provenance for file in self.place.series(symbol, timeframe).files()
            )
        )

    def stored(self, symbol: str, timeframe: Timeframe | None = None) -> list[StoredCandles]:
        """Return a summary of each stored series of a market, shortest timeframe first.

        Args:
            symbol: The market.
            timeframe: Limit the list to this timeframe.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: A footer cannot be read, or a series is stored under two spellings.
        """
        market = parse_symbol(symbol)
        if timeframe is None:
            return retry_if_changed(lambda: list(_stored(self.place.listed(market), market, TIMEFRAMES.values())))
        return retry_if_changed(lambda: list(_stored(self.place, market, (timeframe,))))

    def first_open(self, symbol: str, timeframe: Timeframe) -> datetime | None:
        """Return when the first candle of a market that `load` can return opens, UTC; None if there is none.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: As for `stored`.
        """
        found = self.available(symbol, timeframe)
        return found.first if found else None

    def available(self, symbol: str, timeframe: Timeframe) -> StoredCandles | None:
        """Return a summary of the candles that `load` can return: stored ones, or bars resampled from shorter ones.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: As for `stored`.
        """
        stored = next(iter(self.stored(symbol, timeframe)), None)
        base = None if stored else self._choose_base(symbol, timeframe, day_range(date.min, date.max))
        if base is None:
            return stored
        (source,) = self.stored(symbol, base)
        return resampled_summary(source, timeframe)

    def symbols(self) -> list[str]:
        """Return the markets that have a folder, sorted."""
        return self.place.symbols()

    def inventory(self, timeframe: Timeframe | None = None) -> tuple[list[StoredCandles], list[InvalidCandleFile]]:
        """Return the readable series by symbol and timeframe, and one error for each of the others.

        Args:
            timeframe: List what `available` returns for it, instead of all stored series.
        """
        series: list[StoredCandles] = []
        broken: list[InvalidCandleFile] = []
        place = self.place.listed()
        for symbol, length in product(place.symbols(), [timeframe] if timeframe else TIMEFRAMES.values()):
            try:
                if timeframe is None:
                    series += self._stored_at(place, symbol, length)
                elif found := self.available(symbol, length):
                    series.append(found)
            except InvalidCandleFile as error:
                broken.append(error)
        return series, broken

    def describe(self, symbol: str, timeframe: Timeframe | None = None, since: date | None = None) -> str:
        """Return what is stored of a market, in Seoul days, as a phrase for an error message.

        Args:
            symbol: The market.
            timeframe: The candles that are missing, to name the command that fetches them.
            since: The first day of the missing candles.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidCandleFile: As for `stored`.
        """
        symbol = parse_symbol(symbol)
        series = self.stored(symbol)
        spans = (f"{stored.timeframe} {seoul_day(stored.first)}..{seoul_day(stored.last)}" for stored in series)
        if series:
            stored = coded("candles_stored", spans=", ".join(spans))
        else:
            stored = coded("no_candles_stored", hint=similar_symbol(symbol, self.symbols()))
        if timeframe is None:
            return stored
        first = f" --from {since}" if since else ""
        return coded("fetch_with_command", stored=stored, symbol=symbol, timeframe=timeframe.fetched_as, first=first)

    def merge(
        self,
        symbol: str,
        timeframe: Timeframe,
        candles: OHLCV,
        *,
        fetched: Iterable[Interval] = (),
        source: str | None = None,
        remove: npt.NDArray[np.int64] | None = None,
        overwritten: str | None = None,
    ) -> MergeReport:
        """Merge candles into the stored ones; at equal times the new candle wins.

        Each year file is replaced atomically, together with its fetched intervals. If one cannot be written, earlier
        years are already stored, and the same merge can be repeated.

        Args:
            symbol: The market.
            timeframe: Length of the candles.
            candles: Candles in strictly increasing order; `frames.from_frame` converts a DataFrame.
            fetched: Intervals for which `candles` contains every existing candle, possibly none, ns UTC.
            source: The exchange they were fetched from.
            remove: Opens of stored candles to remove unless they are replaced, ns UTC, shape (k,).
            overwritten: `columns_digest` of the stored candles that the caller expects to be replaced or removed.

        Raises:
            InvalidSymbol: The symbol is not a market.
            ObjectChanged: Other candles would be overwritten than expected; nothing is stored.
            InvalidInput: The stored candles were fetched from another exchange; nothing is stored.
            InvalidCandles: The new candles, or the stored ones of their years, are impossible; nothing is stored.
            InvalidCandleFile: A stored file cannot be read.
            StorageFull: No space; the stored candles are unchanged.
            StorageFailed: The files cannot be written.
        """
        removed = np.empty(0, np.int64) if remove is None else remove
        change = Change(candles, Provenance(tuple(fetched), source), removed)
        return merge_into_series(self.place, parse_symbol(symbol), timeframe, change, overwritten)

    def require_grid(
        self, symbol: str, timeframe: Timeframe, time: npt.NDArray[np.int64], remove: npt.NDArray[np.int64]
    ) -> None:
        """Reject candles that `merge` would reject, because they open between the stored ones.

        Args:
            symbol: The market, in its canonical form.
            timeframe: Length of the candles.
            time: Opens of the candles, ns UTC, shape (n,).
            remove: Opens of stored candles that would be removed, ns UTC, shape (k,).

        Raises:
            InvalidCandles: The message contains the open of a stored candle.
        """
        require_stored_grid(self.place, symbol, timeframe, time, remove)

    def _stored_at(self, place: CandlePlace, symbol: str, timeframe: Timeframe) -> list[StoredCandles]:
        """Return what `stored` returns, by a listing of all series."""
        try:
            return list(_stored(place, symbol, (timeframe,)))
        except ObjectChanged:  # replaced since it was listed
            return self.stored(symbol, timeframe)

    def _load(self, symbol: str, timeframe: Timeframe, start: date, end: date, zone: str) -> LoadedCandles:
        files = self.place.series(symbol, timeframe).files()
        begin, stop = day_range(start, end, zone)
        if timeframe.base and not files:
            base = self._choose_base(symbol, timeframe, (begin, stop))
            if base is not None:
                return self._load_resampled(symbol, timeframe, base, start, end, zone)
        # Legacy files are split by the year in Seoul, which is never earlier than that in UTC.
        last_year = seoul_day(utc(stop - 1)).year
        files = [file for file in files if utc(begin).year <= file.year <= last_year]
        opening = {_short_name(file): open_row_groups(file, begin, stop) for file in files}
        with ExitStack() as stack:
            opened = {name: stack.enter_context(file) for name, file in opening.items()}
            candles, valid = decode(list(opened.values()))
            snapshot = _snapshot(opened)
        folder = files[0].name.rpartition("/")[0] if files else ""
        if not valid:
            check_times(folder, candles.time, lambda row: _locate(opened, row))
        low, high = np.searchsorted(candles.time, (begin, stop)).tolist()
        selected = candles.rows(slice(low, high))
        if not valid:
            check_prices(folder, selected, lambda row: _locate(opened, low + row))
        provenance = merge_provenance(file.footer.provenance for file in opened.values())
        return LoadedCandles(selected, provenance, snapshot)

    def _choose_base(self, symbol: str, timeframe: Timeframe, bounds: Interval) -> Timeframe | None:
        """Return the stored timeframe from which bars within bounds, ns UTC, are resampled."""
        market, bases = parse_symbol(symbol), possible_bases(timeframe)
        stored = retry_if_changed(lambda: list(_stored(self.place.listed(market), market, bases)))
        return choose_base({series.timeframe: series.span for series in stored}, bounds)

    def _load_resampled(
        self, symbol: str, timeframe: Timeframe, base: Timeframe, start: date, end: date, zone: str
    ) -> LoadedCandles:
        # The first and the last bar of a day may have candles of the days next to it, as in Seoul.
        first, last = max(start, date.min + _DAY) - _DAY, min(end, date.max - _DAY) + _DAY
        loaded = self.load(symbol, base, first, last, zone)
        bars, fetched = derive(loaded.candles, loaded.provenance.fetched, base, timeframe)
        low, high = np.searchsorted(bars.time, day_range(start, end, zone)).tolist()
        provenance = Provenance(fetched, loaded.provenance.source)
        return LoadedCandles(bars.rows(slice(low, high)), provenance, loaded.snapshot, resampled_from=base)


def _stored(place: CandlePlace, symbol: str, timeframes: Iterable[Timeframe]) -> Iterator[StoredCandles]:
    """Yield a summary of each series of a market that has candles."""
    for timeframe in timeframes:
        files = place.series(symbol, timeframe).files()
        summaries = [kept_summary(file) for file in files]
        spans = [summary.span for summary in summaries if summary.span]
        if spans:
            yield StoredCandles(
                symbol=symbol,
                timeframe=timeframe,
                first=utc(min(span.first for span in spans)),
                last=utc(max(span.last for span in spans)),
                rows=sum(span.rows for span in spans),
                files=len(files),
                bytes=sum(file.size() for file in files),
                provenance=merge_provenance(summary.footer.provenance for summary in summaries),
            )


def _short_name(file: YearFile) -> str:
    """Return the name of a file without its folder."""
    return file.name.rpartition("/")[2]


def _locate(files: Mapping[str, RowGroups], row: int) -> str:
    """Return the file name and the row number in it of a row of all files together."""
    ends = list(accumulate(file.rows for file in files.values()))
    index = bisect_right(ends, row)
    name, file = list(files.items())[index]
    return f"{name} {row_label(file.first_row + row - ends[index] + file.rows)}"


def _snapshot(files: Mapping[str, RowGroups]) -> str:
    """Return one digest for the candles of open files, by name."""
    digest = hashlib.sha256()
    for name, file in files.items():
        digest.update(f"{name} {file.content_sha256()}\n".encode())
    return digest.hexdigest()
