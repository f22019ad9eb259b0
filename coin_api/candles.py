"""Candles on their way in and out: uploads to a file, pages, and streams of Arrow."""

import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

from coin_pipeline.candles.candle_range import CandleRange
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.files import read_candle_file
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.arrow import to_table
from coin_pipeline.candles.year_files.writer import MergeReport
from coin_pipeline.errors import InvalidInput, Problem, UploadTooLarge
from coin_pipeline.storage.atomic import translate_os_errors

if TYPE_CHECKING:
    from typing_extensions import Buffer

ARROW = "application/vnd.apache.arrow.stream"
MAX_STREAMED_CANDLES = 10_000_000
"""Candles of one stream."""
MAX_UPLOADED_CANDLES = 5_000_000
"""Candles of one file: more than nine years of minutes."""
UPLOAD_SUFFIXES = MappingProxyType(
    {
        "text/csv": ".csv",
        "application/vnd.apache.parquet": ".parquet",
        "application/x-parquet": ".parquet",
        "application/vnd.apache.arrow.file": ".feather",
        "application/x-feather": ".feather",
    }
)
"""What an upload may be, by its Content-Type."""


def file_suffix(content_type: str | None) -> str:
    """Return the suffix of the files of a media type.

    Raises:
        InvalidInput: No candles are read from such files.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in UPLOAD_SUFFIXES:
        says = f"{kind[:80]!r} is no file of candles; send one of {', '.join(UPLOAD_SUFFIXES)}"
        raise InvalidInput([Problem("Content-Type", says)])
    return UPLOAD_SUFFIXES[kind]


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Give a folder that is gone in the end."""
    with translate_os_errors("the upload"), tempfile.TemporaryDirectory(prefix="coin-upload-") as folder:
        yield Path(folder)


async def save_body(body: AsyncIterator[bytes], path: Path, declared: str | None, limit_mib: int) -> None:
    """Write a body to a file.

    Raises:
        UploadTooLarge: It is larger than the limit, or says so; nothing more of it is read.
    """
    limit = limit_mib * 2**20
    if declared and declared.isdecimal() and int(declared) > limit:
        raise UploadTooLarge(limit_mib)
    size = 0
    with path.open("wb") as file:
        async for part in body:
            size += len(part)
            if size > limit:
                raise UploadTooLarge(limit_mib)
            file.write(part)


def merge_file(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, path: Path, tz: str | None) -> MergeReport:
    """Store the candles of an uploaded file.

    Raises:
        InvalidInput: A row or the file as a whole cannot be taken; nothing is stored.
        StorageFailed: The catalogue cannot be written.
    """
    try:
        return catalog.merge(symbol, timeframe, read_candle_file(path, tz, MAX_UPLOADED_CANDLES))
    except InvalidInput as error:  # who sent it knows no path of ours
        raise InvalidInput([Problem(f, says.replace(str(path), "the file")) for f, says in error.problems]) from None


def arrow_stream(stretch: CandleRange) -> Iterator[bytes]:
    """Yield the candles of a stretch as one stream of Arrow, a piece at a time.

    Raises:
        InvalidInput: They may be more than one stream takes.
        InvalidCandleFile, InvalidCandles: The first piece cannot be read; a later one that cannot cuts the stream.
    """
    if stretch.max_candles > MAX_STREAMED_CANDLES:
        count = f"up to {stretch.max_candles:,} candles"
        says = f"{count} are more than the {MAX_STREAMED_CANDLES:,} of a stream; ask for fewer days"
        raise InvalidInput([Problem("start", says)])
    tables = (to_table(piece) for piece in stretch.chunks())
    first = next(tables)  # whatever is wrong with it is told before the answer has begun
    return _written(chain([first], tables), first.schema)


def _written(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for table in tables:
            writer.write_table(table)
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What was written since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Take bytes."""
        return True

    def write(self, part: "Buffer") -> int:
        """Keep some bytes."""
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """Return what was written, and forget it."""
        taken, self._parts = b"".join(self._parts), []
        return taken
