"""Which folders and files of the data root hold candles: `{SYMBOL}/{TIMEFRAME}/{YEAR}.parquet` and nothing else."""

import re
from pathlib import Path

from coin_pipeline.candles.symbol import parse_symbol, upbit_market
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidSymbol, StorageFailed

_YEAR_FILE = re.compile(r"[0-9]{4}\.parquet")


def series_folder(root: Path, symbol: str, timeframe: Timeframe) -> Path:
    """Return the folder of a series: the one that holds its files, however spelled, or else where they belong.

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
    # One folder may go by two names: through a link, or where letter case does not count.
    holding = {path.stat().st_ino: path for path in reversed(spellings) if year_files(path)}
    if len(holding) > 1:
        first, second = sorted(name_under(root, path) for path in holding.values())[:2]
        reason = f"the same candles are stored in {second} too; merge one into the other and remove it"
        raise InvalidCandleFile(first, reason)
    return next(iter(holding.values()), spellings[0])


def year_files(folder: Path) -> list[Path]:
    """Return the year files of a series' folder, oldest first; none where there is no such folder.

    Raises:
        StorageFailed: The folder cannot be listed.
    """
    return [path for path in _entries(folder) if _YEAR_FILE.fullmatch(path.name)]


def name_under(root: Path, path: Path) -> str:
    """Return what an error calls a file or folder: its path under the root, which is nobody's secret."""
    return path.relative_to(root).as_posix()


def stored_symbols(root: Path) -> list[str]:
    """Return the markets that have a folder under the root, in order.

    Raises:
        StorageFailed: The root cannot be listed.
    """
    return sorted({symbol for entry in _entries(root) if (symbol := _symbol_of(entry.name))})


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageFailed(f"cannot list {folder.name}: {reason}; check the folder and its permissions") from error


def _symbol_of(name: str) -> str | None:
    try:
        return parse_symbol(name)
    except InvalidSymbol:
        return None
