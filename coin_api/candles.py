"""Candle uploads and Arrow streams."""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import IO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from coin_pipeline.candles.candle_range import CandleRange
from coin_pipeline.candles.imports.parser.client import CandleFileParser, Parsing
from coin_pipeline.candles.imports.prepare import ImportOptions, PreparedFile
from coin_pipeline.candles.year_files.arrow import to_table
from coin_pipeline.errors import Coded, InvalidInput, Problem, TooManyUploads, UploadTooLarge, coded
from coin_pipeline.results.table_formats import FORMATS, arrow_chunks
from coin_pipeline.storage.atomic import translate_os_errors

ARROW = FORMATS["arrow"].media_type
MAX_STREAMED_CANDLES = 10_000_000
"""Limit of one Arrow stream."""
UPLOAD_GROWTH = 1.4
"""How many times COIN_IMPORT_MEMORY_MIB and COIN_IMPORT_SECONDS a large upload may take."""
MAX_READING = 2
"""Files that are read at a time."""
MAX_UPLOADS = 8
"""Files that are received, read or waiting at a time."""
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
        message = coded("unsupported_file", media_type=media_type[:80], known=", ".join(UPLOAD_SUFFIXES))
        raise InvalidInput([Problem("Content-Type", message)])
    return UPLOAD_SUFFIXES[media_type]


async def save_body(body: AsyncIterator[bytes], file: IO[bytes], content_length: str | None, limit_mib: int) -> None:
    """Write a request body to a file.

    Args:
        body: Chunks of the body.
        file: The file.
        content_length: The header, if sent.
        limit_mib: Limit in MiB.

    Raises:
        UploadTooLarge: The declared or the actual size exceeds the limit; the rest of the body is not read.
        StorageFull: The disk is full.
    """
    limit = limit_mib * 2**20
    if content_length and content_length.isdecimal() and int(content_length) > limit:
        raise UploadTooLarge(limit_mib)
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > limit:
            raise UploadTooLarge(limit_mib)
        with translate_os_errors("the upload"):
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]


@contextmanager
def upload_file(data_root: Path) -> Iterator[IO[bytes]]:
    """Yield a file on the disk of the candles without a name: the system frees it when this process ends, even killed.

    Raises:
        StorageFull: The disk is full.
        StorageFailed: DATA_ROOT cannot be written.
    """
    with translate_os_errors("the upload"):
        data_root.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=data_root, buffering=0)  # noqa: SIM115 -- closed below
    with file:
        yield file


@contextmanager
def hide_name(name: Path) -> Iterator[None]:
    """Call the uploaded file "the file" in errors, and the options of the command as the query does.

    Raises:
        InvalidInput: The error, reworded.
    """
    try:
        yield
    except InvalidInput as error:
        problems = [Problem(field, _as_upload(message, str(name))) for field, message in error.problems]
        InvalidInput.__init__(error, problems)
        raise


def _as_upload(message: str, name: str) -> str:
    text = as_query(message.replace(name, "the file"))
    if not isinstance(message, Coded):
        return text
    values = {key: _value_as_upload(value, name) for key, value in message.values.items()}
    return Coded(text, message.code, values)


def _value_as_upload(value: object, name: str) -> object:
    if value == name:
        return coded("the_file")
    return _as_upload(value, name) if isinstance(value, str) else value


def as_query(text: str) -> str:
    """Return a text in which the options of `coin candles import` have the form of query parameters.

    >>> as_query("pass --tz UTC; name them with --columns, such as open=1; given by --tz")
    'pass tz=UTC; name them with columns, such as open=1; given by tz'
    """
    with_values = re.sub(r"--(tz|stamps|symbol) (?!and )", r"\1=", text)
    return re.sub(r"--(tz|stamps|columns)\b", r"\1", with_values)


class UploadReader:
    """Reads uploaded files, a few at a time, each in a process with limited memory and time.

    Args:
        parser: Reads the files.
    """

    def __init__(self, parser: CandleFileParser) -> None:
        self._parser = parser
        self._places = 0
        self._running = asyncio.Semaphore(MAX_READING)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for an upload, from its first byte to its last candle.

        Raises:
            TooManyUploads: All places are taken.
        """
        if self._places >= MAX_UPLOADS:
            raise TooManyUploads(MAX_UPLOADS)
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def read(self, name: Path, file: IO[bytes], options: ImportOptions, request: Request) -> PreparedFile:
        """Return the checked candles of a file; the process ends when the client disconnects.

        Raises:
            InvalidInput: The file is invalid or exceeds a limit.
            ReaderUnavailable: The client has disconnected, or the reader was killed.
        """
        async with self._running:
            parsing = self._parser.begin(name, file, options, time.time_ns(), alone=True)
            watch = asyncio.create_task(_cancel_on_disconnect(request, parsing))
            try:
                return await run_in_threadpool(parsing.result)
            finally:
                watch.cancel()


async def _cancel_on_disconnect(request: Request, parsing: Parsing) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    parsing.cancel()


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
