"""Folders and files of stored candles: `{DATA_ROOT}/{SYMBOL}/{TIMEFRAME}/{YEAR}.parquet`."""

import re
from pathlib import Path

from coin_pipeline.candles.symbol import parse_symbol, upbit_market
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidSymbol, StorageFailed

_YEAR_FILE = re.compile(r"[0-9]{4}\.parquet")


def series_folder(root: Path, symbol: str, timeframe: Timeframe) -> Path:
    """Return the folder of a series: the existing one in any spelling, or else the canonical one.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: Two folders hold files of the series.
    """
    symbol = parse_symbol(symbol)
    spellings = [
        root / market / length
        for market in (symbol, upbit_market(symbol))
        for length in (timeframe.folder, timeframe.name)
    ]
    # One folder can have two names: through a link, or on a case-insensitive file system.
    existing = {path.stat().st_ino: path for path in reversed(spellings) if year_files(path)}
    if len(existing) > 1:
        first, second = sorted(name_under(root, path) for path in existing.values())[:2]
        reason = f"the same candles are stored in {second} too; merge one into the other and remove it"
        raise InvalidCandleFile(first, reason)
    return next(iter(existing.values()), spellings[0])


def year_files(folder: Path) -> list[Path]:
    """Return the year files of a series, oldest first; an empty list if the folder does not exist.

    Raises:
        StorageFailed: The folder cannot be listed.
    """
    return [path for path in _entries(folder) if _YEAR_FILE.fullmatch(path.name)]


def name_under(root: Path, path: Path) -> str:
    """Return the path relative to the root, which error messages may show to any client."""
    return path.relative_to(root).as_posix()


def stored_symbols(root: Path) -> list[str]:
    """Return the markets that have a folder under the root, sorted.

    Raises:
        StorageFailed: The root cannot be listed.
    """
    return sorted({symbol for entry in _entries(root) if (symbol := _parse_folder_name(entry.name))})


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageFailed(f"cannot list {folder.name}: {reason}; check the folder and its permissions") from error


def _parse_folder_name(name: str) -> str | None:
    try:
        return parse_symbol(name)
    except InvalidSymbol:
        return None
