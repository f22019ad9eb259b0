"""A year file's Parquet footer: its checksum, and its JSON entry with provenance and digest of the candles."""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coin_pipeline.candles.intervals import union
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.year_files.parquet_limits import TRAILER_BYTES
from coin_pipeline.errors import DamagedCandleFile

CHECKSUM_MARK = b"coin"
_KEY = b"coin.candles"


class Footer(NamedTuple):
    """Metadata of a year file.

    Attributes:
        provenance: What was fetched, and from which exchange.
        sha256: `columns_digest` of the candles as written; None for files written by other programs.
    """

    provenance: Provenance = Provenance()
    sha256: str | None = None


def check_digest(name: str, columns: Iterable[npt.NDArray[np.int64] | npt.NDArray[np.float64]], footer: Footer) -> None:
    """Verify that the candles of a file are those that were written.

    Raises:
        DamagedCandleFile: Their digest differs from the footer's; `name` is the file's name in the message.
    """
    if footer.sha256 and columns_digest(columns) != footer.sha256:
        reason = "its candles do not match the stored digest: another program has changed the file"
        raise DamagedCandleFile(name, f"{reason}; restore it from a backup, or delete it and fetch its candles again")


def with_footer(table: pa.Table, footer: Footer) -> pa.Table:
    """Return a table whose file will carry this footer; equal footers are written as equal bytes."""
    provenance = footer.provenance
    content = {"fetched": provenance.fetched, "sha256": footer.sha256, "source": provenance.source}
    return table.replace_schema_metadata({_KEY: json.dumps(content, separators=(",", ":"))})


def parse_footer(metadata: Mapping[bytes, bytes] | None) -> Footer:
    """Return the footer in a schema's metadata, or an empty one if there is none.

    Raises:
        ValueError: The entry exists and is malformed.
    """
    text = (metadata or {}).get(_KEY)
    if text is None:
        return Footer()
    try:
        content = json.loads(text)
        fetched = union((int(start), int(end)) for start, end in content["fetched"])
        return Footer(Provenance(fetched, content["source"]), content["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        reason = f"its entry {_KEY.decode()} is malformed"
        raise ValueError(reason) from error


def check_footer(file: pa.NativeFile) -> None:
    """Verify the checksum of a footer, which holds the positions and days of the candles.

    Files written by other programs have no checksum and are accepted.

    Raises:
        ValueError: The footer is damaged.
    """
    size = file.size()
    trailer = file.read_at(TRAILER_BYTES, max(size - TRAILER_BYTES, 0))
    prefix = len(CHECKSUM_MARK) + 4
    length = footer_size(trailer)
    content = file.read_at(length + prefix, max(size - length - prefix, 0))
    if content.startswith(CHECKSUM_MARK) and content[len(CHECKSUM_MARK) : prefix] != checksum(content[prefix:]):
        raise ValueError("its footer is damaged")


def footer_size(trailer: bytes) -> int:
    """Return the size of the footer including the trailer, in bytes."""
    return int.from_bytes(trailer[:4], "little") + TRAILER_BYTES


def checksum(footer: bytes | memoryview) -> bytes:
    """Return the checksum of a footer."""
    return zlib.crc32(footer).to_bytes(4, "little")
