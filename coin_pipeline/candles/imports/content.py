"""The content of a file: its format by suffix, decompressed within a limit."""

import gzip
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import IO

import pyarrow as pa

from coin_pipeline.candles.imports.arrow_tables import open_feather, open_json, open_parquet, open_sheet
from coin_pipeline.candles.imports.source import Source
from coin_pipeline.candles.imports.target import require_same_market
from coin_pipeline.candles.imports.text import open_text
from coin_pipeline.errors import InvalidCandleFile

MAX_EXPANDED_BYTES = 1 << 29
"""Limit of what a compressed file may expand to: more than ten years of minutes as text."""

Opener = Callable[[object, bytes, Mapping[str, str], int], Source]
_OPENERS: Mapping[str, Opener] = MappingProxyType(
    {
        **dict.fromkeys((".csv", ".txt", ".tsv"), open_text),
        **dict.fromkeys((".parquet", ".pq"), open_parquet),
        **dict.fromkeys((".feather", ".arrow"), open_feather),
        **dict.fromkeys((".json", ".jsonl", ".ndjson"), open_json),
        **dict.fromkeys((".xlsx", ".xls"), open_sheet),
    }
)
_COMPRESSED = (".gz", ".zip")
FILE_SUFFIXES = (*_OPENERS, *_COMPRESSED)
"""Suffixes of the files that can be read."""

_REFUSED = MappingProxyType(
    {
        **dict.fromkeys((".pkl", ".pickle", ".p"), "is a pickle, which can execute code when it is read"),
        **dict.fromkeys((".h5", ".hdf", ".hdf5"), "is an HDF5 file, which is not supported"),
    }
)
_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive", (".xlsx", ".zip")),
    (b"\x1f\x8b", "compressed with gzip", (".gz",)),
    (b"PAR1", "a Parquet file", (".parquet",)),
    (b"ARROW1", "a Feather file", (".feather",)),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", (".xls",)),
)


def open_source(path: Path, mapping: Mapping[str, str], max_rows: int) -> Source:
    """Return the table of a file, or of the only candle file in an archive.

    Raises:
        InvalidCandleFile: The format is not supported, does not match the suffix, or the content is too large.
        OSError, ValueError, pa.ArrowException: The content is damaged.
    """
    suffix, content = _unpack(path, path.suffix.lower())
    data = content.to_pybytes() if suffix not in {".parquet", ".pq", ".feather", ".arrow"} else content
    _check_magic(path, suffix, data)
    return _OPENERS[suffix](path, data, mapping, max_rows)


def _unpack(path: Path, suffix: str) -> tuple[str, pa.Buffer]:
    if suffix == ".gz":
        inner = _supported(path, PurePath(path.stem).suffix.lower())
        with gzip.open(path) as file:
            return inner, pa.py_buffer(_read_limited(path, file))
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            member = _only_member(path, archive)
            return PurePath(member).suffix.lower(), pa.py_buffer(_read_member(path, archive, member))
    _supported(path, suffix)
    with pa.memory_map(str(path)) as file:
        return suffix, file.read_buffer()


def _supported(path: Path, suffix: str) -> str:
    if suffix in _REFUSED:
        raise InvalidCandleFile(
            path, f"{_REFUSED[suffix]}; write the candles as CSV or Parquet (df.to_csv, df.to_parquet)"
        )
    if suffix not in _OPENERS:
        raise InvalidCandleFile(path, f"{suffix or 'no suffix'!r} is not one of {', '.join(FILE_SUFFIXES)}")
    return suffix


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    files = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    candles = [name for name in files if PurePath(name).suffix.lower() in _OPENERS]
    if len(candles) != 1:
        held = f"holds {len(candles)} candle files" if candles else "holds no candle file"
        shown = ", ".join(map(repr, (candles or files)[:5]))
        raise InvalidCandleFile(path, f"{held}{': ' if shown else ''}{shown}; unpack it")
    require_same_market(path, candles[0])
    return candles[0]


def _read_member(path: Path, archive: zipfile.ZipFile, member: str) -> bytes:
    try:
        with archive.open(member) as file:
            return _read_limited(path, file)
    except (RuntimeError, NotImplementedError) as error:  # a password, or a compression that Python lacks
        raise InvalidCandleFile(path, "is encrypted, or compressed in an unusual way; unpack it") from error


def _read_limited(path: Path, file: IO[bytes] | gzip.GzipFile, limit: int = MAX_EXPANDED_BYTES) -> bytes:
    try:
        data = file.read(limit + 1)
    except (zlib.error, EOFError, zipfile.BadZipFile) as error:
        raise InvalidCandleFile(path, "cannot be decompressed: it is damaged or cut off") from error
    if len(data) > limit:
        raise InvalidCandleFile(path, f"expands to more than {limit >> 20:,} MiB; split it")
    return data


def _check_magic(path: Path, suffix: str, data: bytes | pa.Buffer) -> None:
    """Reject a text format whose content is another format."""
    head = bytes(memoryview(data)[:8])
    for magic, name, suffixes in _MAGIC:
        if head.startswith(magic) and suffix in {".csv", ".txt", ".tsv", ".json", ".jsonl", ".ndjson"}:
            raise InvalidCandleFile(path, f"is {name} by its content; rename it to {' or '.join(suffixes)}")
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        raise InvalidCandleFile(path, f"{_REFUSED['.pkl']}; write the candles as CSV or Parquet")
