"""The load benchmark assigns processes to programs, and notices growth, errors and what is left."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from benchmarks.load.__main__ import Stored, program_rows, stored_rows, traffic_rows
from benchmarks.load.processes import Sample, Usage, growth, program
from benchmarks.load.traffic import POLLERS, SUBMITTERS, Traffic, run_traffic

NAMES = {1: "coin", 2: "pool", 3: "pool", 4: "code-server", 5: "api", 6: "postgres", 7: "python"}
PARENTS = {1: 0, 2: 1, 3: 2, 4: 1, 5: 1, 6: 99, 7: 3}


def samples(*memory: float, descriptors: Sequence[float] = (), processes: Sequence[int] = ()) -> list[Sample]:
    """Return samples of the API, a second apart."""
    counts = zip(memory, descriptors or [10.0] * len(memory), processes or [1] * len(memory), strict=True)
    return [Sample(float(at), {"api": Usage(*usage)}) for at, usage in enumerate(counts, 1)]


@pytest.mark.parametrize(
    ("pid", "name"),
    [(1, "others"), (2, "pool"), (3, "runs"), (4, "code-server"), (5, "api"), (6, "postgres"), (7, "runs")],
)
def test_processes_are_assigned_to_programs(pid: int, name: str) -> None:
    """The processes that the pool forks have its name, and are runs."""
    assert program(pid, NAMES, PARENTS) == name


def test_growth_is_measured_after_the_warm_up() -> None:
    """What fills at the start is not growth; a leak is."""
    assert growth(samples(*[50.0], *[200.0] * 19), "api", 20)["memory_grown_mib"] == 0
    leak = growth(samples(*(100.0 + 10 * second for second in range(20))), "api", 20)
    assert leak["memory_grown_mib"] == pytest.approx(120, abs=10)


def test_the_time_in_which_the_clients_leave_is_not_compared() -> None:
    """Their connections are closed then."""
    assert growth(samples(*[200.0] * 20, *[50.0] * 10), "api", 20)["memory_grown_mib"] == 0


def test_a_leak_fails_the_row_of_its_program() -> None:
    """And too few samples make no row."""
    (row,) = program_rows(samples(*(100.0 + 10 * second for second in range(20))), 20)
    assert row.ok is False
    assert program_rows(samples(1.0), 20) == []


@pytest.mark.parametrize("growing", ["descriptors", "processes"])
def test_descriptors_and_processes_may_grow_by_a_few_only(growing: str) -> None:
    """One worker more or less is normal; one more every second is a leak."""
    few, many = ([1] * 10 + [1 + grown] * 10 for grown in (2, 20))
    grown = [program_rows(samples(*[1.0] * 20, **{growing: counts}), 20) for counts in (few, many)]
    assert [row.ok for (row,) in grown] == [True, False]


def test_an_error_fails_the_benchmark() -> None:
    """A single one is enough."""
    traffic = Traffic(status_ms=[1.0], submit_ms=[1.0], finished_s=[1.0])
    assert [row.ok for row in traffic_rows(traffic, 1)] == [True, True, None, None]
    traffic.errors["GET status: 500"] += 1
    assert traffic_rows(traffic, 1)[0].ok is False


def test_what_retention_leaves_fails_the_benchmark() -> None:
    """Files and rows of the runs, besides that of retention itself; the size of the database is reported only."""
    before, loaded = Stored(0.0, 100.0, 0), Stored(10.0, 110.0, 100)
    traffic = Traffic(submit_ms=[1.0] * 100)
    stored, left = stored_rows(before, loaded, Stored(0.2, 110.0, 1), traffic)
    assert stored.others == {"files_kib_a_run": pytest.approx(102.4), "database_kib_a_run": pytest.approx(102.4)}
    assert left.ok is True
    assert stored_rows(before, loaded, Stored(0.2, 110.0, 2), traffic)[1].ok is False


def test_unexpected_responses_are_counted_by_kind() -> None:
    """They do not end the load. The server responds to the end of the JSON object that a submission sends."""
    ended = asyncio.Semaphore(0)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"}"):
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()
        await writer.wait_closed()
        ended.release()

    async def measure() -> Traffic:
        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        async with server:
            traffic = await run_traffic(server.sockets[0].getsockname()[1], 0.3, lambda: None, poll_s=0.1)
            for _ in range(SUBMITTERS + POLLERS):
                await ended.acquire()
        return traffic

    traffic = asyncio.run(measure())
    assert traffic.errors.total() >= 20
    assert set(traffic.errors) == {"POST run-async: 500: {}"}
