"""Candle uploads and Arrow streams."""

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from coin_pipeline.candles.candle_range import CandleRange
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.batch import FailedImport, ImportedSeries, import_files
from coin_pipeline.candles.imports.prepare import ImportOptions
from coin_pipeline.candles.year_files.arrow import to_table
from coin_pipeline.errors import InvalidInput, Problem, UploadTooLarge
from coin_pipeline.results.table_formats import FORMATS, arrow_chunks
from coin_pipeline.storage.atomic import translate_os_errors

ARROW = FORMATS["arrow"].media_type
MAX_STREAMED_CANDLES = 10_000_000
"""Limit of one Arrow stream."""
MAX_UPLOADED_CANDLES = 5_000_000
"""Limit of one file: more than nine years of minute candles."""
UPLOAD_SUFFIXES = MappingProxyType(
    {
        "text/csv": ".csv",
        "application/json": ".json",
        "application/zip": ".zip",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
        "application/vnd.apache.parquet": ".parquet",
        "application/x-parquet": ".parquet",
        "application/vnd.apache.arrow.file": ".feather",
        "application/x-feather": ".feather",
    }
)
"""File suffixes of the supported uploads, by Content-Type."""


def file_suffix(content_type: str | None) -> str:
    """Return the file suffix of a media type, ignoring its parameters.

    >>> file_suffix("text/csv; charset=utf-8")
    '.csv'

    Raises:
        InvalidInput: The media type is not supported.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in UPLOAD_SUFFIXES:
        message = f"{media_type[:80]!r} is not a supported candle file; send one of {', '.join(UPLOAD_SUFFIXES)}"
        raise InvalidInput([Problem("Content-Type", message)])
    return UPLOAD_SUFFIXES[media_type]


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Yield a temporary directory, removed on exit."""
    with translate_os_errors("the upload"), tempfile.TemporaryDirectory(prefix="coin-upload-") as folder:
        yield Path(folder)


async def save_body(body: AsyncIterator[bytes], path: Path, content_length: str | None, limit_mib: int) -> None:
    """Write a request body to a file.

    Args:
        body: Chunks of the body.
        path: The file.
        content_length: The header, if sent.
        limit_mib: Limit in MiB.

    Raises:
        UploadTooLarge: The declared or the actual size exceeds the limit; the rest of the body is not read.
    """
    limit = limit_mib * 2**20
    if content_length and content_length.isdecimal() and int(content_length) > limit:
        raise UploadTooLarge(limit_mib)
    size = 0
    with path.open("wb") as file:
        async for chunk in body:
            size += len(chunk)
            if size > limit:
                raise UploadTooLarge(limit_mib)
            file.write(chunk)


def merge_file(catalog: CandleCatalog, path: Path, options: ImportOptions, *, dry_run: bool) -> ImportedSeries:
    """Merge the candles of an uploaded file into the catalog, as `coin candles import` does.

    Raises:
        InvalidInput: The file or one of its rows is invalid; nothing is stored.
        StorageFailed: The catalog cannot be written.
    """
    (outcome,) = import_files(catalog, [path], options, time.time_ns(), dry_run=dry_run)
    if not isinstance(outcome, FailedImport):
        return outcome
    if not isinstance(outcome.error, InvalidInput):
        raise outcome.error
    # The client must not see a path of this machine.
    problems = [Problem(field, message.replace(str(path), "the file")) for field, message in outcome.error.problems]
    raise InvalidInput(problems)


def arrow_stream(candles: CandleRange) -> Iterator[bytes]:
    """Yield a range of candles as one Arrow stream, chunk by chunk.

    Raises:
        InvalidInput: The range may exceed the limit of a stream.
        InvalidCandleFile, InvalidCandles: The first chunk cannot be read; an unreadable later one truncates the stream.
    """
    if candles.max_candles > MAX_STREAMED_CANDLES:
        message = (
            f"up to {candles.max_candles:,} candles exceed the stream limit of {MAX_STREAMED_CANDLES:,};"
            " request fewer days"
        )
        raise InvalidInput([Problem("start", message)])
    batches = (batch for chunk in candles.chunks() for batch in to_table(chunk).to_batches())
    first = next(batches)  # its errors are raised before the response has started
    return arrow_chunks(first.schema, chain([first], batches))
