"""The content of a file: its format by suffix, decompressed within a limit."""

import gzip
import io
import mmap
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import IO, BinaryIO

from coin_pipeline.candles.imports.arrow_tables import open_feather, open_parquet
from coin_pipeline.candles.imports.damage import translate_errors
from coin_pipeline.candles.imports.json_tables import open_json
from coin_pipeline.candles.imports.limits import FileLimits, check_entries
from coin_pipeline.candles.imports.source import Content, Source
from coin_pipeline.candles.imports.target import require_same_market
from coin_pipeline.candles.imports.text import open_text
from coin_pipeline.candles.imports.workbooks import open_sheet
from coin_pipeline.candles.year_files.parquet_limits import check_expansion
from coin_pipeline.errors import InvalidCandleFile, coded

_CHUNK_BYTES = 1 << 20
Opener = Callable[[Path, Content, Mapping[str, str], FileLimits], Source]
_OPENERS: Mapping[str, Opener] = MappingProxyType(
    {
        **dict.fromkeys((".csv", ".txt", ".tsv"), open_text),
        **dict.fromkeys((".parquet", ".pq"), open_parquet),
        **dict.fromkeys((".feather", ".arrow"), open_feather),
        **dict.fromkeys((".json", ".jsonl", ".ndjson"), open_json),
        **dict.fromkeys((".xlsx", ".xls"), open_sheet),
    }
)
_TEXT_SUFFIXES = (".csv", ".txt", ".tsv", ".json", ".jsonl", ".ndjson")
_COMPRESSED = (".gz", ".zip")
FILE_SUFFIXES = (*_OPENERS, *_COMPRESSED)
"""Suffixes of the files that can be read."""

_REFUSED = MappingProxyType(
    {
        **dict.fromkeys((".pkl", ".pickle", ".p"), coded("is_pickle")),
        **dict.fromkeys((".h5", ".hdf", ".hdf5"), coded("is_hdf5")),
    }
)
_MAGIC = (
    (b"PK\x03\x04", "excel_or_zip", (".xlsx", ".zip")),
    (b"\x1f\x8b", "gzip", (".gz",)),
    (b"PAR1", "parquet", (".parquet",)),
    (b"ARROW1", "feather", (".feather",)),
    (b"\xd0\xcf\x11\xe0", "old_excel", (".xls",)),
)


def open_source(path: Path, file: BinaryIO, mapping: Mapping[str, str], limits: FileLimits) -> Source:
    """Return the table of a file, or of the only candle file in an archive.

    Args:
        path: Name of the file, whose suffix selects the format.
        file: The open file.
        mapping: The user's columns.
        limits: How large the content may be.

    Raises:
        InvalidCandleFile: The content is damaged, too large, or in another format than its suffix.
    """
    suffix, content = _unpack(path, file, path.suffix.lower(), limits)
    _check_magic(path, suffix, content)
    return _OPENERS[suffix](path, content, mapping, limits)


def _unpack(path: Path, file: BinaryIO, suffix: str, limits: FileLimits) -> tuple[str, Content]:
    if suffix == ".gz":
        inner = _supported(path, PurePath(path.stem).suffix.lower())
        with gzip.open(file) as content:
            return inner, _read_limited(path, content, limits.expanded_bytes)
    if suffix == ".zip":
        with translate_errors(path):
            archive = zipfile.ZipFile(file)
        entry = _only_member(path, archive)
        return PurePath(entry.filename).suffix.lower(), _read_member(path, archive, entry, limits)
    _supported(path, suffix)
    with translate_errors(path):
        size = os.fstat(file.fileno()).st_size
        mapped = size and suffix not in _TEXT_SUFFIXES  # a text is needed as a whole; an empty file cannot be mapped
        return suffix, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if mapped else file.read()


def _supported(path: Path, suffix: str) -> str:
    if suffix in _REFUSED:
        reason = coded("refused_format", fault=_REFUSED[suffix], how=" (df.to_csv, df.to_parquet)")
        raise InvalidCandleFile(path, reason)
    if suffix not in _OPENERS:
        reason = coded("unknown_suffix", suffix=suffix or "no suffix", known=", ".join(FILE_SUFFIXES))
        raise InvalidCandleFile(path, reason)
    return suffix


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    check_entries(path, archive)
    files = [entry for entry in archive.infolist() if not entry.is_dir() and "__MACOSX" not in entry.filename]
    candles = [entry for entry in files if PurePath(entry.filename).suffix.lower() in _OPENERS]
    if len(candles) != 1:
        names = ", ".join(repr(entry.filename[:80]) for entry in (candles or files)[:5])
        shown = f": {names}" if names else ""
        held = "several_candle_files" if candles else "no_candle_file"
        raise InvalidCandleFile(path, coded(held, count=len(candles), shown=shown))
    require_same_market(path, candles[0].filename)
    return candles[0]


def _read_member(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: FileLimits) -> bytes:
    check_expansion(path, entry.file_size, limits.expanded_bytes)
    try:
        with translate_errors(path):
            file = archive.open(entry)
    except RuntimeError as error:  # it needs a password
        raise InvalidCandleFile(path, coded("encrypted")) from error
    with file:
        return _read_limited(path, file, limits.expanded_bytes)


def _read_limited(path: Path, file: IO[bytes] | gzip.GzipFile, limit: int) -> bytes:
    """Return what a file decompresses to, whatever size it declares."""
    content, size = io.BytesIO(), 0
    while chunk := _read_chunk(path, file):
        size += len(chunk)
        check_expansion(path, size, limit)
        content.write(chunk)
    return content.getvalue()


def _read_chunk(path: Path, file: IO[bytes] | gzip.GzipFile) -> bytes:
    with translate_errors(path):
        try:
            return file.read(_CHUNK_BYTES)
        except (zlib.error, EOFError, zipfile.BadZipFile) as error:
            raise InvalidCandleFile(path, coded("broken_compression")) from error


def _check_magic(path: Path, suffix: str, content: Content) -> None:
    """Reject a text format whose content is another format."""
    head = content[:8]
    for magic, name, suffixes in _MAGIC:
        if head.startswith(magic) and suffix in _TEXT_SUFFIXES:
            reason = coded("other_format", format=coded(name), suffixes=" or ".join(suffixes))
            raise InvalidCandleFile(path, reason)
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        raise InvalidCandleFile(path, coded("refused_format", fault=_REFUSED[".pkl"], how=""))
