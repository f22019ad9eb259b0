"""The bytes of a year file: which encodings, and a checksum of what Parquet's own leave out."""

import zlib

import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.market.candle_table import PRICES, TIME

_GROUP_ROWS = 65_536
_PAGE_BYTES = 131_072  # unpacked, a page is still in the processor's cache when it is decoded
_END = 8  # after the footer stand its length, four bytes, and PAR1
_MARK = b"coin"


def encoded(table: pa.Table) -> bytes:
    """Encode a table for the fastest read that is small too: `benchmarks.encodings` compares.

    How the table lies in memory does not matter: the same candles are the same bytes. Parquet has checksums of pages
    only, so one of the footer stands before it, where readers look for nothing.
    """
    sink = pa.BufferOutputStream()
    prices = dict.fromkeys(PRICES, "BYTE_STREAM_SPLIT")
    pq.write_table(
        table.combine_chunks(),
        sink,
        row_group_size=_GROUP_ROWS,
        data_page_size=_PAGE_BYTES,
        compression="lz4",
        use_dictionary=False,
        column_encoding={TIME: "DELTA_BINARY_PACKED", **prices},
        write_page_checksum=True,
    )
    content = memoryview(sink.getvalue())
    start = len(content) - _footer_size(bytes(content[-_END:]))
    return b"".join((content[:start], _MARK, _checksum(content[start:]), content[start:]))


def check_footer(file: pa.NativeFile) -> None:
    """Refuse a file whose footer is not the one that was written: it says where the candles are, and of which days.

    A file that somebody else wrote has no checksum, and is taken as it is.

    Raises:
        ValueError: The footer is damaged.
    """
    size = file.size()
    end = file.read_at(_END, max(size - _END, 0))
    before = len(_MARK) + 4
    found = file.read_at(_footer_size(end) + before, max(size - _footer_size(end) - before, 0))
    if found.startswith(_MARK) and found[len(_MARK) : before] != _checksum(found[before:]):
        raise ValueError("its footer is damaged")


def _footer_size(end: bytes) -> int:
    """Return how many bytes the footer and what is after it take."""
    return int.from_bytes(end[:4], "little") + _END


def _checksum(footer: bytes | memoryview) -> bytes:
    return zlib.crc32(footer).to_bytes(4, "little")
