"""How large the content of a file may be, whatever the size of the file itself."""

import sys
from typing import NamedTuple
from zipfile import ZipFile

from coin_pipeline.candles.year_files.parquet_limits import check_rows
from coin_pipeline.errors import InvalidCandleFile, coded

MAX_ENTRIES = 1_000
"""Limit of the entries of an archive or a workbook."""
MAX_LINE_BYTES = 1 << 20
"""Limit of one line of a text."""


class FileLimits(NamedTuple):
    """Limits of one file.

    Attributes:
        rows: Number of rows.
        expanded_bytes: Size of its content after decompression.
    """

    rows: int = sys.maxsize
    expanded_bytes: int = 1 << 29


DEFAULT_LIMITS = FileLimits()


def check_entries(source: object, archive: ZipFile) -> None:
    """Check the number of entries of an archive or a workbook.

    Raises:
        InvalidCandleFile: There are more than `MAX_ENTRIES`.
    """
    entries = len(archive.infolist())
    if entries > MAX_ENTRIES:
        raise InvalidCandleFile(source, coded("too_many_entries", entries=entries, limit=MAX_ENTRIES))


def check_count(source: object, rows: int, limits: FileLimits) -> None:
    """Check the number of rows.

    Raises:
        InvalidCandleFile: There are more than the limit, or none.
    """
    check_rows(source, rows, limits.rows)
    if not rows:
        raise InvalidCandleFile(source, coded("no_candles"))
