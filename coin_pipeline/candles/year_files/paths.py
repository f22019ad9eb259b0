"""Folders and files of stored candles: `{DATA_ROOT}/{SYMBOL}/{TIMEFRAME}/{YEAR}.parquet`."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from coin_pipeline.candles.symbol import parse_symbol, upbit_market
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidSymbol, StorageFailed

YEAR_FILE = re.compile(r"[0-9]{4}\.parquet")


def series_folder(root: Path, symbol: str, timeframe: Timeframe) -> Path:
    """Return the folder of a series: the existing one in any spelling, or else the canonical one.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidCandleFile: Two folders hold files of the series.
    """
    spellings = [root / name for name in folder_names(symbol, timeframe)]
    # One folder can have two names: through a link, or on a case-insensitive file system.
    existing = {path.stat().st_ino: path for path in reversed(spellings) if year_files(path)}
    require_one_spelling([name_under(root, path) for path in existing.values()])
    return next(iter(existing.values()), spellings[0])


def folder_names(symbol: str, timeframe: Timeframe) -> list[str]:
    """Return the names that the folder of a series may have, the canonical one first.

    Raises:
        InvalidSymbol: The symbol is not a market.
    """
    symbol = parse_symbol(symbol)
    lengths = dict.fromkeys((timeframe.folder, timeframe.name))
    return [f"{market}/{length}" for market in (symbol, upbit_market(symbol)) for length in lengths]


def require_one_spelling(existing: Sequence[str]) -> None:
    """Reject a series whose files are in two folders.

    Raises:
        InvalidCandleFile: There are several; the message names two.
    """
    if len(existing) > 1:
        first, second = sorted(existing)[:2]
        reason = f"the same candles are stored in {second} too; merge one into the other and remove it"
        raise InvalidCandleFile(first, reason)


def year_files(folder: Path) -> list[Path]:
    """Return the year files of a series, oldest first; an empty list if the folder does not exist.

    Raises:
        StorageFailed: The folder cannot be listed.
    """
    return [path for path in _entries(folder) if YEAR_FILE.fullmatch(path.name)]


def name_under(root: Path, path: Path) -> str:
    """Return the path relative to the root, which error messages may show to any client."""
    return path.relative_to(root).as_posix()


def stored_symbols(root: Path) -> list[str]:
    """Return the markets that have a folder under the root, sorted.

    Raises:
        StorageFailed: The root cannot be listed.
    """
    return symbols_of(entry.name for entry in _entries(root))


def symbols_of(folders: Iterable[str]) -> list[str]:
    """Return the markets whose candles are in folders of these names, sorted."""
    return sorted({symbol for name in folders if (symbol := _parse_folder_name(name))})


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
