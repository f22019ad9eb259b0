"""The benchmark of the platform counts right, judges every target, and does not take a wrong answer for a fast one."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.api import __main__ as command
from benchmarks.api import rows
from benchmarks.api.client import Answer, Late, Refused, connected
from benchmarks.api.measures import Load
from benchmarks.api.platform import Platform
from benchmarks.api.rows import Limit, Row

KEYS = {"path", "launcher", "p50_ms", "p95_ms", "p99_ms", "max_ms", "n", "target", "ok", "machine", "versions"}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.5, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([*map(float, range(1, 201))], 0.95, 190.0),
        ([*map(float, range(1, 201))], 0.99, 198.0),
        ([*map(float, range(1, 21))], 0.99, 20.0),
    ],
)
def test_percentiles_are_nearest_rank(values: list[float], share: float, expected: float) -> None:
    """A percentile is one of the values, the smallest that enough of them do not exceed."""
    assert rows.percentile(values, share) == expected


def test_no_percentile_is_below_a_lower_one() -> None:
    """Whatever was measured, p50 <= p95 <= p99 <= max."""
    ms = [(i * 37 % 101) / 7 for i in range(101)]
    assert all(lower <= higher for lower, higher in pairwise(rows.summary(ms).values()))


@pytest.mark.parametrize(
    ("limits", "ok"),
    [
        ((), None),
        ((Limit("p95_ms", 10),), True),
        ((Limit("p95_ms", 9.9),), False),
        ((Limit("p95_ms", 10), Limit("max_ms", 9)), False),
        ((Limit("runs_per_s", 8, least=True),), True),
        ((Limit("runs_per_s", 8.1, least=True),), False),
        ((Limit("kept_mib", 64),), False),
    ],
)
def test_a_row_is_good_only_if_every_limit_is_kept(limits: tuple[Limit, ...], ok: bool | None) -> None:  # noqa: FBT001
    """One limit missed, or one whose figure was not taken, makes the row bad; without limits nothing is said."""
    row = Row("a path", "warm", [10.0] * 5, limits, {"runs_per_s": 8.0})
    assert row.ok is ok


def test_what_failed_is_not_good() -> None:
    """A row without figures that says why is bad, even where nothing was asked of it."""
    assert Row("a path", "warm", failed="Refused: 503").ok is False


def test_the_ratio_is_to_dagsters_row_of_the_same_path() -> None:
    """Medians are compared where there are times, else the time that a run takes among many."""
    ours = [Row("a", "warm", [10.0, 20.0, 90.0]), Row("b", "warm", others={"runs_per_s": 9.0}), Row("c", "warm", [1.0])]
    theirs = [Row("a", "dagster", [400.0]), Row("b", "dagster", others={"runs_per_s": 0.5})]
    found = [rows.ratio(row, [*ours, *theirs]) for row in [*ours, *theirs]]
    assert found == [pytest.approx(20), pytest.approx(18), None, None, None]


def test_nothing_is_asked_of_dagsters_own_launcher() -> None:
    """It is there for the ratio: its rows are not judged, ours are."""
    slow = [Row("a", launcher, [400.0], (Limit("p95_ms", 50),)) for launcher in ("warm", "dagster")]
    assert [row.ok for row in command.judged(slow)] == [False, None]


def test_records_hold_what_readers_look_for() -> None:
    """Every record has the promised keys, null where a row has no times, and the row's own figures."""
    limit = Limit("runs_per_s", 8, least=True)
    timed, counted = rows.records(
        [Row("a", "warm", [1.0, 2.0], (Limit("p95_ms", 5),)), Row("b", "warm", (), (limit,), {"runs_per_s": 7.0}, 100)]
    )
    assert set(timed) >= KEYS
    assert set(counted) >= KEYS
    assert (timed["p50_ms"], timed["max_ms"], timed["n"], timed["target"], timed["ok"]) == (
        1.0,
        2.0,
        2,
        "p95_ms <= 5",
        True,
    )
    assert (counted["p95_ms"], counted["runs_per_s"], counted["n"], counted["ok"]) == (None, 7.0, 100, False)


def test_the_table_tells_verdicts_and_reasons() -> None:
    """A target that is missed, and why a row is missing, can be read."""
    console = Console(record=True, width=160)
    missed = Row("slow path", "warm", [60.0], (Limit("p95_ms", 50),))
    console.print(rows.table([missed, Row("lost path", "warm", failed="Late: no answer")]))
    lines = console.export_text().splitlines()
    assert any("slow path" in line and "p95_ms <= 50: MISSED" in line for line in lines)
    assert any("lost path" in line and "NOT MEASURED: Late: no answer" in line for line in lines)


def served(answers: list[bytes], ask: Callable[[int], Awaitable[Answer]]) -> Answer:
    """Ask a server that gives these answers, one for each request, and closes after the last."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(one)
        await writer.drain()
        writer.close()

    async def run() -> Answer:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return await ask(server.sockets[0].getsockname()[1])

    return asyncio.run(run())


async def ask_twice(port: int) -> Answer:
    """Ask twice over one connection and return the second answer."""
    async with connected(port) as (api,):
        await api.ask("GET", "/")
        return await api.ask("GET", "/")


def test_answers_on_a_kept_connection_are_told_apart() -> None:
    """A body is read to its length, and the next answer begins after it."""
    first = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'
    second = b'HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\n{"a": 2}'
    answer = served([first, second], ask_twice)
    assert answer.json() == {"a": 2}
    assert answer.ms > 0


def test_an_error_is_not_taken_for_a_fast_answer() -> None:
    """A status other than 2xx raises, with what was said."""
    full = b'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 10\r\n\r\n{"full":1}'
    with pytest.raises(Refused, match=r'GET / answered 503: \{"full":1\}'):
        served([full], ask_twice)


@pytest.mark.parametrize("error", [Late("no end"), Refused("GET /", 503, b""), ConnectionResetError()])
def test_what_goes_wrong_becomes_a_row_that_is_not_good(error: Exception, tmp_path: Path) -> None:
    """The other rows are still measured."""

    async def broken(_platform: Platform, _load: Load, _tick: Callable[[], None]) -> list[Row]:
        raise error

    (row,) = command.measured(broken, Platform(tmp_path, 1, "warm"), Load(1, 1, 1), lambda: None)
    assert row.ok is False
    assert row.failed.startswith(type(error).__name__)
