"""The process that reads candle files: what it returns, its limits, and its ends."""

import gzip
import io
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from coin_pipeline import errors
from coin_pipeline.candles.imports import reader
from coin_pipeline.candles.imports.limits import FileLimits
from coin_pipeline.candles.imports.parser import transfer
from coin_pipeline.candles.imports.parser.client import CandleFileParser, ParserLimits, Parsing
from coin_pipeline.candles.imports.parser.server import ParserServer
from coin_pipeline.candles.imports.prepare import ImportOptions, PreparedFile, prepare_file
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import CoinError, InvalidCandleFile, InvalidInput, Problem, ReaderUnavailable
from tests.candles.bombs import HEADER, NAMES, ROW

MIB = 1 << 20
SLOW = gzip.compress(b"") * 2_000_000
"""A file that takes seconds to read and no memory."""
LIMITS = ParserLimits(memory_mib=320, seconds=9)


@pytest.fixture(scope="module")
def server() -> Iterator[ParserServer]:
    """The server of the parser processes."""
    with closing(ParserServer()) as server:
        yield server


def parse(server: ParserServer, path: Path, options: ImportOptions, limits: ParserLimits = LIMITS) -> PreparedFile:
    """Read a file in a parser process."""
    return CandleFileParser(server, limits).prepare(path, options, time.time_ns(), alone=True)


def begin_slow(server: ParserServer, path: Path, minutely: Timeframe) -> tuple[Parsing, int]:
    """Start to read a file that takes seconds; return the process that reads it."""
    path.write_bytes(SLOW)
    with path.open("rb") as file:
        parsing = CandleFileParser(server, LIMITS).begin(
            path, file, ImportOptions("BTC_KRW", minutely), time.time_ns(), alone=True
        )
    return parsing, parser_of(server)


def parser_of(server: ParserServer) -> int:
    """Return the process that the server has just forked."""
    assert server._process
    children = Path(f"/proc/{server._process.pid}/task/{server._process.pid}/children")
    until = time.monotonic() + 30
    while not (found := children.read_text().split()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return int(found[0])


def wait_until_ended(pid: int) -> None:
    """Wait for the end of a process that is not a child."""
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_results_arrive_unchanged(server: ParserServer, tmp_path: Path, daily: Timeframe) -> None:
    """Every field, of a file with rows that are left out, notes, and open candles."""
    path = tmp_path / "KRW-BTC_1d.csv"
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    rows = [
        "2024-01-04,1,2,0.5,1,1",
        "2024-01-03,1,2,0.5,1,1",
        "",
        "2024-01-02,,,,,0",
        "2024-01-01,1,2,0.5,1,1",
        f"{tomorrow},1,2,0.5,1,1",
    ]
    path.write_text("Date,Open,High,Low,Close,Volume USDT\n" + "\n".join(rows))
    options = ImportOptions(timeframe=daily, tz="UTC")
    now = time.time_ns()
    expected = prepare_file(path, options, now, alone=True)
    result = CandleFileParser(server, LIMITS).prepare(path, options, now, alone=True)
    for one, other in ((expected, result), (expected.understood, result.understood)):
        for field in fields(one):
            if field.name != "understood":
                np.testing.assert_equal(getattr(other, field.name), getattr(one, field.name), field.name)
    assert expected.left_out
    assert expected.notes
    assert len(expected.no_trade) == 1


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("BTC_KRW_1d.csv", "2024-01-01,1,2,0.5,1,1"),
        ("BTC_KRW_1d.json", '[{"when": 1}]'),
        ("BTC_KRW_1d.csv", "2024-01-01T00:00:00Z,1,0.1,0.5,1,1"),
        ("BTC_KRW_1M.csv", ROW.decode()),
        ("a_1d.csv", ROW.decode()),
        ("BTC_KRW_1d.csv", "2999-01-01T00:00:00Z,1,2,0.5,1,1"),
        ("BTC_KRW_1d.pkl", ROW.decode()),
    ],
)
def test_errors_arrive_unchanged(server: ParserServer, tmp_path: Path, name: str, row: str) -> None:
    """Of the same class, with the same fields and text."""
    path = tmp_path / name
    path.write_text(HEADER.decode() + row)
    raised = []
    for read in (
        lambda: prepare_file(path, ImportOptions(), 10**18, alone=True),
        lambda: parse(server, path, ImportOptions()),
    ):
        with pytest.raises(InvalidInput) as caught:
            read()
        raised.append((type(caught.value), vars(caught.value), str(caught.value)))
    assert raised[0] == raised[1]


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CoinError)]
)
def test_every_error_of_the_family_can_be_transferred(tmp_path: Path, kind: type[CoinError]) -> None:
    """Whatever its constructor takes."""
    error = kind.__new__(kind)
    if isinstance(error, InvalidInput):
        InvalidInput.__init__(error, [Problem("file", "wrong"), Problem("", "too")])
    else:
        CoinError.__init__(error, "wrong")
    with (tmp_path / "exchange").open("w+b") as file:
        transfer.write_error(file, error)
        file.flush()
        with pytest.raises(kind) as caught:
            transfer.read_result(file, tmp_path)
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.__dict__) == (str(error), error.__dict__)


def test_a_file_that_needs_more_memory_names_the_setting(
    server: ParserServer, tmp_path: Path, minutely: Timeframe
) -> None:
    """The limit is enforced by the system while the file is read."""
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b"[1,2]," * 600_000 + b"[1,2]]")
    with pytest.raises(InvalidCandleFile, match=r"needs more than 64 MiB of memory .* raise COIN_IMPORT_MEMORY_MIB=64"):
        parse(server, path, ImportOptions("BTC_KRW", minutely), ParserLimits(memory_mib=64, seconds=9, growth=1))


def test_a_file_that_needs_more_time_names_the_setting(
    server: ParserServer, tmp_path: Path, minutely: Timeframe
) -> None:
    """The process is ended after its CPU time."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(SLOW)
    with pytest.raises(InvalidCandleFile, match=r"needs more than 1 s .* raise COIN_IMPORT_SECONDS=1"):
        parse(server, path, ImportOptions("BTC_KRW", minutely), ParserLimits(memory_mib=320, seconds=1, growth=1))


def test_a_killed_parser_is_an_error_of_the_file(server: ParserServer, tmp_path: Path, minutely: Timeframe) -> None:
    """As if the file had made the library crash."""
    parsing, pid = begin_slow(server, tmp_path / "a.csv.gz", minutely)
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(InvalidCandleFile, match=r"ended the program that reads it \(SIGSEGV\)"):
        parsing.result()


def test_a_cancelled_parser_ends(server: ParserServer, tmp_path: Path, minutely: Timeframe) -> None:
    """At once, and the next file is read."""
    parsing, pid = begin_slow(server, tmp_path / "a.csv.gz", minutely)
    parsing.cancel()
    with pytest.raises(ReaderUnavailable):
        parsing.result()
    wait_until_ended(pid)


def test_a_file_that_is_cancelled_just_as_its_parser_ends(
    server: ParserServer, tmp_path: Path, minutely: Timeframe
) -> None:
    """The server, which learns of both at once, continues to serve other files."""
    parsing, pid = begin_slow(server, tmp_path / "a.csv.gz", minutely)
    process = server._process
    assert process
    process.send_signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    parsing.cancel()
    process.send_signal(signal.SIGCONT)
    with pytest.raises(ReaderUnavailable):
        parsing.result()
    wait_until_ended(pid)
    (tmp_path / "a.csv").write_bytes(HEADER + ROW)
    assert len(parse(server, tmp_path / "a.csv", ImportOptions("BTC_KRW", minutely)).rows) == 1
    assert process.poll() is None


def test_a_killed_server_takes_its_parsers_along_and_is_started_again(tmp_path: Path, minutely: Timeframe) -> None:
    """The file that it was reading fails."""
    with closing(ParserServer()) as server:
        parsing, pid = begin_slow(server, tmp_path / "a.csv.gz", minutely)
        assert server._process
        server._process.kill()
        server._process.wait()
        with pytest.raises(ReaderUnavailable):
            parsing.result()
        wait_until_ended(pid)
        (tmp_path / "a.csv").write_bytes(HEADER + ROW)
        assert len(parse(server, tmp_path / "a.csv", ImportOptions("BTC_KRW", minutely)).rows) == 1


def test_large_local_files_have_larger_limits() -> None:
    """Sixteen bytes of memory for each byte of the file; an upload's limits grow by a factor at most."""
    assert LIMITS.for_size(MIB) == (320 * MIB, 9)
    assert LIMITS.for_size(40 * MIB) == (640 * MIB, 18)
    assert LIMITS._replace(growth=1.5).for_size(400 * MIB) == (480 * MIB, 14)


def test_only_regular_files_are_read(server: ParserServer, tmp_path: Path, minutely: Timeframe) -> None:
    """A device has no end."""
    path = tmp_path / "a.csv"
    path.symlink_to("/dev/zero")
    assert stat.S_ISCHR(path.stat().st_mode)
    with pytest.raises(InvalidCandleFile, match=r"is not a regular file"):
        parse(server, path, ImportOptions("BTC_KRW", minutely))


def test_a_fault_of_this_program_is_not_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ValueError is what libraries raise on damaged content; raised elsewhere, it keeps its traceback."""

    def fail(*_arguments: object) -> None:
        raise ValueError

    (tmp_path / "a.csv").write_bytes(HEADER + ROW)
    monkeypatch.setattr(reader, "idle_rows", fail)
    with pytest.raises(ValueError, match=r"^$"):
        read_candle_file(tmp_path / "a.csv")


def test_an_unexpected_exception_arrives_with_its_traceback(tmp_path: Path) -> None:
    """It is a fault of this program."""
    with (tmp_path / "exchange").open("w+b") as file:
        transfer.write_bug(file, "its traceback")
        file.flush()
        with pytest.raises(RuntimeError, match="its traceback"):
            transfer.read_result(file, tmp_path)


def test_only_the_needed_columns_of_a_feather_file_are_read(tmp_path: Path) -> None:
    """A damaged column that is not needed does no harm."""
    note = np.random.default_rng(1).bytes(5000)
    table = pa.table({"note": [note], "timestamp": ["2024-01-01T00:00:00Z"]} | {name: [1.0] for name in NAMES[1:]})
    content = io.BytesIO()
    feather.write_feather(table, content, compression="lz4")
    damaged = bytearray(content.getvalue())
    at = damaged.index(note[:100]) - 20
    damaged[at : at + 40] = bytes(40)
    (tmp_path / "a.feather").write_bytes(damaged)
    assert read_candle_file(tmp_path / "a.feather").candles.open.tolist() == [1.0]


def test_lines_without_candles_count_as_rows(tmp_path: Path) -> None:
    """Each takes memory while it is looked at."""
    (tmp_path / "a.csv").write_bytes(HEADER + ROW + b"\n" * 1_000)
    with pytest.raises(InvalidCandleFile, match=r"has 1,001 rows, more than the limit of 1,000"):
        read_candle_file(tmp_path / "a.csv", limits=FileLimits(rows=1_000))
