"""Errors of the libraries that decode files, as errors of the file."""

import lzma
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import pyarrow as pa

from coin_pipeline.errors import InvalidCandleFile, coded

_LIBRARY_ERRORS = (
    *(OSError, EOFError, ValueError, KeyError, NotImplementedError, OverflowError),
    *(pa.ArrowException, BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise what a library raises on damaged content as InvalidCandleFile; only calls of libraries belong inside.

    Raises:
        InvalidCandleFile: The content cannot be decoded.
        MemoryError: It does not fit into memory.
    """
    try:
        yield
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except _LIBRARY_ERRORS as error:
        reason = coded("unreadable_as", format=path.suffix.lower()[1:], reason=_reason(error))
        raise InvalidCandleFile(path, reason) from error


def _reason(error: Exception) -> str:
    """Return what went wrong in words of the operating system or of our own; libraries give advice on their API."""
    return error.strerror if isinstance(error, OSError) and error.strerror else coded("damaged_content")
