"""Several files and folders in one import: each file is stored whole or not at all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.content import FILE_SUFFIXES
from coin_pipeline.candles.imports.parser.client import CandleFileParser
from coin_pipeline.candles.imports.prepare import ImportOptions, PreparedFile
from coin_pipeline.candles.imports.series import SeriesImport, group_by_series, plan_series, store_series
from coin_pipeline.candles.year_files.writer import MergeReport
from coin_pipeline.errors import CoinError, InvalidCandleFile, InvalidInput


@dataclass(frozen=True, slots=True)
class ImportedSeries:
    """The outcome of importing the files of one series.

    Attributes:
        planned: The files, and what storing them changes.
        stored: What was stored; None for a dry run.
    """

    planned: SeriesImport
    stored: MergeReport | None


@dataclass(frozen=True, slots=True)
class FailedImport:
    """Files that were not stored.

    Attributes:
        paths: The files.
        error: The reason.
    """

    paths: tuple[Path, ...]
    error: CoinError


def candle_paths(arguments: Iterable[Path]) -> list[Path]:
    """Return the files to import: those given, and those in the folders given, by name.

    Hidden files, and files in a folder that are in no format for candles, are ignored.

    Raises:
        InvalidCandleFile: A folder contains no candle file, or a path does not exist.
    """
    paths: list[Path] = []
    for argument in arguments:
        if not argument.is_dir():
            paths.append(argument)
            continue
        inside = sorted(path for path in argument.rglob("*") if _is_candle_file(path.relative_to(argument), path))
        if not inside:
            raise InvalidCandleFile(argument, f"the folder contains no file in {', '.join(FILE_SUFFIXES)}")
        paths += inside
    return list(dict.fromkeys(paths))


def plan_import(
    catalog: CandleCatalog, paths: Sequence[Path], options: ImportOptions, now: int, parser: CandleFileParser
) -> Iterator[SeriesImport | FailedImport]:
    """Read files and compare them with what is stored; yield failures as they occur, and then each series.

    Args:
        catalog: Where the candles are stored.
        paths: The files, as returned by `candle_paths`.
        options: How to read them.
        now: The current instant, ns UTC; candles that are open at it are left out.
        parser: Reads the files.
    """
    prepared: list[PreparedFile] = []
    for path in paths:
        try:
            prepared.append(parser.prepare(path, options, now, alone=len(paths) == 1))
        except InvalidInput as error:
            yield FailedImport((path,), error)
    for files in group_by_series(prepared):
        try:
            yield plan_series(catalog, files)
        except CoinError as error:
            yield FailedImport(tuple(file.path for file in files), error)


def import_files(
    catalog: CandleCatalog,
    paths: Sequence[Path],
    options: ImportOptions,
    now: int,
    parser: CandleFileParser,
    *,
    dry_run: bool = False,
) -> Iterator[ImportedSeries | FailedImport]:
    """Read files, and store the candles of each series unless it is a dry run; see `plan_import`."""
    for planned in plan_import(catalog, paths, options, now, parser):
        if isinstance(planned, FailedImport):
            yield planned
            continue
        try:
            yield ImportedSeries(planned, None if dry_run else store_series(catalog, planned))
        except CoinError as error:
            yield FailedImport(tuple(file.path for file in planned.files), error)


def _is_candle_file(relative: Path, path: Path) -> bool:
    hidden = any(part.startswith((".", "~$")) for part in relative.parts)  # ~$ are Excel's marks of open workbooks
    return not hidden and path.name.lower().endswith(FILE_SUFFIXES) and path.is_file()
