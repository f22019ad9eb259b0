"""What the parser process receives and returns: facts as JSON, columns as an Arrow stream."""

import json
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.candles.imports.imported_file import ImportedFile, Zone
from coin_pipeline.candles.imports.limits import FileLimits
from coin_pipeline.candles.imports.prepare import ImportOptions, PreparedFile
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import TIMEFRAMES
from coin_pipeline.errors import (
    Coded,
    CoinError,
    FileColumn,
    InvalidInput,
    Problem,
    UnclearColumns,
    error_class,
    read_coded,
)

EXIT_MEMORY = 3
"""Exit code of a parser that could not allocate memory."""
WALL_FACTOR = 6
"""How much longer than its CPU time a parser may take, on a busy machine."""
_FACTS = b"coin.import"
_PLAIN_FACTS = ("order", "spacing", "symbol")


class Request(NamedTuple):
    """A file to read.

    Attributes:
        path: Its name.
        options: How to read it.
        now: The current instant, ns UTC.
        alone: Whether it is the only file of the import.
        limits: How large its content may be.
        memory_bytes: Memory that the process may allocate.
        seconds: CPU time that it may use.
    """

    path: Path
    options: ImportOptions
    now: int
    alone: bool
    limits: FileLimits
    memory_bytes: int
    seconds: int


def write_request(file: BinaryIO, request: Request) -> None:
    """Write a request, which `read_request` returns."""
    options = request.options
    timeframe = options.timeframe and options.timeframe.name
    columns = None if options.columns is None else dict(options.columns)
    given = [options.symbol, timeframe, options.tz, columns, options.stamps]
    file.write(json.dumps([str(request.path), given, *request[2:]]).encode())
    file.flush()


def read_request(file: BinaryIO) -> Request:
    """Return a written request."""
    path, (symbol, timeframe, tz, columns, stamps), now, alone, limits, memory_bytes, seconds = json.load(file)
    options = ImportOptions(symbol, timeframe and TIMEFRAMES[timeframe], tz, columns, stamps)
    return Request(Path(path), options, now, alone, FileLimits(*limits), memory_bytes, seconds)


def write_result(file: BinaryIO, result: PreparedFile) -> None:
    """Write a file that was read, which `read_result` returns."""
    read = result.understood
    facts = {name: getattr(read, name) for name in _PLAIN_FACTS} | {
        "layout": _message_json(read.layout),
        "zone": [read.zone.name, _message_json(read.zone.reason)],
        "columns": dict(read.columns),
        "file_columns": read.file_columns,
        "skipped": _counts_json(read.skipped),
        "read_notes": [*map(_message_json, read.notes)],
        "target": [result.symbol, result.timeframe.name],
        "closed": [len(result.candles.time), len(result.no_trade)],
        "left_out": _counts_json(result.left_out),
        "notes": [*map(_message_json, result.notes)],
    }
    _write(file, facts, {**read.candles._asdict(), "rows": read.rows, "no_trade": read.no_trade})


def write_error(file: BinaryIO, error: CoinError) -> None:
    """Write an error, which `read_result` raises."""
    problems = error.problems if isinstance(error, InvalidInput) else ()
    stated = [[problem.field, _message_json(problem.message)] for problem in problems]
    columns = error.columns if isinstance(error, UnclearColumns) else ()
    facts = {"error": type(error).__name__, "message": _message_json(error.message), "problems": stated}
    _write(file, {**facts, "columns": columns}, {})


def _message_json(message: str) -> str | dict[str, Any]:
    return message.to_json() if isinstance(message, Coded) else message


def _message(stated: str | dict[str, Any]) -> str:
    return read_coded(stated) if isinstance(stated, dict) else stated


def _counts_json(rows: Mapping[str, int]) -> list[tuple[str | dict[str, Any], int]]:
    return [(_message_json(reason), count) for reason, count in rows.items()]


def _counts(stated: Iterable[tuple[str | dict[str, Any], int]]) -> dict[str, int]:
    return {_message(reason): count for reason, count in stated}


def write_bug(file: BinaryIO, traceback: str) -> None:
    """Write the traceback of an unexpected exception, with which `read_result` raises RuntimeError."""
    _write(file, {"traceback": traceback}, {})


def read_result(file: BinaryIO, path: Path) -> PreparedFile:
    """Return a written result; its columns are read-only views of the file.

    Raises:
        CoinError: The error that was written, of its own class and with the same problems.
        RuntimeError: The traceback that was written.
    """
    reader = pa.ipc.open_stream(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    facts = json.loads(reader.schema.metadata[_FACTS])
    if "traceback" in facts:
        raise RuntimeError(facts["traceback"])
    if "error" in facts:
        raise _error(facts)
    table = reader.read_all()
    columns = {name: table[name].chunk(0).values.to_numpy() for name in table.column_names}
    return _result(path, facts, columns)


def _write(file: BinaryIO, facts: Mapping[str, Any], columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write columns of different lengths as the lists of one row."""
    lists = [pa.ListArray.from_arrays(pa.array([0, len(c)], pa.int32()), pa.array(c)) for c in columns.values()]
    fields = [pa.field(name, values.type) for name, values in zip(columns, lists, strict=True)]
    schema = pa.schema(fields, {_FACTS: json.dumps(facts)})
    with pa.ipc.new_stream(file, schema) as stream:
        if lists:
            stream.write_batch(pa.record_batch(lists, schema=schema))


def _error(facts: Mapping[str, Any]) -> CoinError:
    kind = error_class(facts["error"])
    error = kind.__new__(kind)  # each class builds its message from other arguments
    if isinstance(error, InvalidInput):
        InvalidInput.__init__(error, [Problem(field, _message(message)) for field, message in facts["problems"]])
    else:
        CoinError.__init__(error, _message(facts["message"]))
    if isinstance(error, UnclearColumns) and facts["columns"]:
        error.columns = _file_columns(facts["columns"])
    return error


def _file_columns(columns: Iterable[Iterable[Any]]) -> tuple[FileColumn, ...]:
    return tuple(FileColumn(*column) for column in columns)


def _result(path: Path, facts: Mapping[str, Any], columns: Mapping[str, np.ndarray[Any, Any]]) -> PreparedFile:
    candles = OHLCV(*(columns[name] for name in OHLCV._fields))
    understood = ImportedFile(
        candles,
        columns["rows"],
        **{name: facts[name] for name in _PLAIN_FACTS},
        layout=_message(facts["layout"]),
        zone=Zone(facts["zone"][0], _message(facts["zone"][1])),
        columns=facts["columns"],
        file_columns=_file_columns(facts["file_columns"]),
        skipped=_counts(facts["skipped"]),
        no_trade=columns["no_trade"],
        notes=tuple(map(_message, facts["read_notes"])),
    )
    (symbol, timeframe), (closed, quiet) = facts["target"], facts["closed"]
    return PreparedFile(
        path,
        symbol,
        TIMEFRAMES[timeframe],
        understood,
        candles.rows(slice(closed)),
        columns["rows"][:closed],
        _counts(facts["left_out"]),
        columns["no_trade"][:quiet],  # sorted, so that those of closed candles come first
        tuple(map(_message, facts["notes"])),
    )
