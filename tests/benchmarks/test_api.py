"""The API benchmark computes its figures correctly, evaluates every target, and rejects error responses."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.api import __main__ as command
from benchmarks.api import rows
from benchmarks.api.client import DeadlineExceeded, Response, UnexpectedStatus, open_connections
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
    """A percentile is one of the values: the smallest that the given share of them does not exceed."""
    assert rows.percentile(values, share) == expected


def test_percentiles_are_ordered() -> None:
    """p50 <= p95 <= p99 <= max."""
    ms = [(i * 37 % 101) / 7 for i in range(101)]
    assert all(lower <= higher for lower, higher in pairwise(rows.summary(ms).values()))


@pytest.mark.parametrize(
    ("limits", "ok"),
    [
        ((), None),
        ((Limit("p95_ms", 10),), True),
        ((Limit("p95_ms", 9.9),), False),
        ((Limit("p95_ms", 10), Limit("max_ms", 9)), False),
        ((Limit("runs_per_s", 8, minimum=True),), True),
        ((Limit("runs_per_s", 8.1, minimum=True),), False),
        ((Limit("kept_mib", 64),), False),
    ],
)
def test_row_passes_only_if_every_limit_is_met(limits: tuple[Limit, ...], ok: bool | None) -> None:  # noqa: FBT001
    """A missed limit or a missing figure fails the row; without limits there is no verdict."""
    row = Row("a path", "warm", [10.0] * 5, limits, {"runs_per_s": 8.0})
    assert row.ok is ok


def test_failed_row_does_not_pass() -> None:
    """A row that could not be measured fails, even without limits."""
    assert Row("a path", "warm", failed="UnexpectedStatus: 503").ok is False


def test_ratio_refers_to_dagsters_row_of_the_same_path() -> None:
    """Medians are compared if there are times, otherwise the time per run at full throughput."""
    warm = [Row("a", "warm", [10.0, 20.0, 90.0]), Row("b", "warm", others={"runs_per_s": 9.0}), Row("c", "warm", [1.0])]
    dagster = [Row("a", "dagster", [400.0]), Row("b", "dagster", others={"runs_per_s": 0.5})]
    ratios = [rows.ratio(row, [*warm, *dagster]) for row in [*warm, *dagster]]
    assert ratios == [pytest.approx(20), pytest.approx(18), None, None, None]


def test_dagsters_launcher_has_no_limits() -> None:
    """It is measured only for the ratio."""
    slow = [Row("a", launcher, [400.0], (Limit("p95_ms", 50),)) for launcher in ("warm", "dagster")]
    assert [row.ok for row in command.without_dagster_limits(slow)] == [False, None]


def test_records_have_the_documented_keys() -> None:
    """Every record has all keys, null if a row has no times, and the figures of the row."""
    limit = Limit("runs_per_s", 8, minimum=True)
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


def test_table_shows_verdicts_and_reasons() -> None:
    """The table shows missed targets and the reasons for missing rows."""
    console = Console(record=True, width=160)
    missed = Row("slow path", "warm", [60.0], (Limit("p95_ms", 50),))
    console.print(rows.table([missed, Row("lost path", "warm", failed="DeadlineExceeded: no response")]))
    lines = console.export_text().splitlines()
    assert any("slow path" in line and "p95_ms <= 50: MISSED" in line for line in lines)
    assert any("lost path" in line and "NOT MEASURED: DeadlineExceeded: no response" in line for line in lines)


def serve_responses(responses: list[bytes], send: Callable[[int], Awaitable[Response]]) -> Response:
    """Call ``send`` with the port of a server that sends these responses, one per request, and then closes."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
        await writer.drain()
        writer.close()

    async def run() -> Response:
        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        async with server:
            return await send(server.sockets[0].getsockname()[1])

    return asyncio.run(run())


async def request_twice(port: int) -> Response:
    """Send two requests over one connection and return the second response."""
    async with open_connections(port) as (api,):
        await api.request("GET", "/")
        return await api.request("GET", "/")


def test_responses_on_a_keep_alive_connection_are_separated() -> None:
    """A body is read to its length, and the next response starts after it."""
    first = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'
    second = b'HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\n{"a": 2}'
    response = serve_responses([first, second], request_twice)
    assert response.json() == {"a": 2}
    assert response.ms > 0


def test_error_response_is_not_counted_as_a_fast_one() -> None:
    """A status other than 2xx raises an error that contains the body."""
    full = b'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 10\r\n\r\n{"full":1}'
    with pytest.raises(UnexpectedStatus, match=r'GET / returned 503: \{"full":1\}'):
        serve_responses([full], request_twice)


@pytest.mark.parametrize(
    "error", [DeadlineExceeded("no response"), UnexpectedStatus("GET /", 503, b""), ConnectionResetError()]
)
def test_error_becomes_a_failed_row(error: Exception, tmp_path: Path) -> None:
    """The other rows are still measured."""

    async def broken(_platform: Platform, _load: Load, _tick: Callable[[], None]) -> list[Row]:
        raise error

    (row,) = command.run_measure(broken, Platform(tmp_path, 1, "warm"), Load(1, 1, 1), lambda: None)
    assert row.ok is False
    assert row.failed.startswith(type(error).__name__)
