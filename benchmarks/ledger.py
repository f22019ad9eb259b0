"""Response times of the ledger with a million entries: ``python -m benchmarks.ledger [--entries N]``."""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import httpx2
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from benchmarks.api.client import Connection, UnexpectedStatus, open_connections
from benchmarks.api.rows import TIMES, Limit, Row, summary
from benchmarks.journal import ENTRIES_PER_MARKET, build, market
from benchmarks.report import MET, format_facts, machine
from benchmarks.worker import peak_mib, reset_peak
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.engine import create_engine
from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.records import EnterOrder

ENTRIES, READS = 1_000_000, 200
CLIENTS, ORDERS, ORDERS_OVER_HTTP, RATE = 32, 20, 20, 64
"""Clients; orders of each without pauses; orders of each over HTTP, where all together send RATE orders per second."""
START_S = 150
READ, ENTER, AUDIT = (Limit("p99_ms", 50),), (Limit("p99_ms", 15),), (Limit("seconds", 60),)
HEADINGS = ("operation", "through", "n", "p50 ms", "p95 ms", "p99 ms", "max ms", "targets, figures")
_numbers = count()


def order(client: int) -> EnterOrder:
    """Return an order to buy in the market of a client."""
    price = Decimal(50_000 + next(_numbers) % 1000)
    return EnterOrder(market(client), Leg(Side.BUY, Decimal("0.001"), price, Decimal("0.001"), Decimal("0.0002")))


def timed(work: Callable[[], object]) -> float:
    """Return the duration of a call in ms."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def closed_loop(work: Callable[[int], object], clients: int, times: int) -> tuple[list[float], float]:
    """Let clients repeat their work without pauses; return the durations in ms and the calls per second."""

    def repeat(client: int) -> list[float]:
        return [timed(lambda: work(client)) for _ in range(times)]

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        ms = [duration for durations in pool.map(repeat, range(clients)) for duration in durations]
    return ms, len(ms) / (time.perf_counter() - began)


def measure_reads(ledger: Ledger) -> list[Row]:
    """Measure the queries behind the lists, one after another."""
    return [
        Row("open", "Ledger", [timed(ledger.open_positions) for _ in range(READS)], READ),
        Row("summary", "Ledger", [timed(ledger.overview) for _ in range(READS)], READ),
    ]


def measure_orders(engine: Engine, ledger: Ledger) -> list[Row]:
    """Measure orders without pauses, and the limit: one row inserted and committed with the same connections."""
    insert_row = text("insert into public.one_row (amount) values (1) returning id")
    with engine.connect() as connection:
        connection.execute(text("create table public.one_row (id bigserial primary key, amount numeric)"))

    def insert(_: int) -> None:
        with engine.connect() as connection:
            connection.execute(insert_row).scalar_one()

    rows = []
    for clients in (1, CLIENTS):
        works: dict[str, Callable[[int], object]] = {
            "insert of a row, the limit": insert,
            "enter, a market each": lambda client: ledger.enter(order(client)),
            "enter, one position": lambda _: ledger.enter(order(0)),
        }
        limit_ms = 0.0
        for name, work in list(works.items())[: 2 if clients == 1 else 3]:
            closed_loop(work, clients, 2)
            ms, per_s = closed_loop(work, clients, ORDERS * (10 if clients == 1 else 1))
            limit_ms = limit_ms or summary(ms)["p50_ms"]
            others = {"per_s": per_s, "of_limit": summary(ms)["p50_ms"] / limit_ms}
            limits = ENTER if clients == 1 and limit_ms != summary(ms)["p50_ms"] else ()
            rows.append(Row(f"{name}; {clients} without pauses", "Ledger", ms, limits, others))
    return rows


async def measure_http(port: int) -> list[Row]:
    """Measure the routes over HTTP: lists one after another, and orders at a given rate from many clients."""
    rows = []
    async with open_connections(port) as (api,):
        for name in ("open", "summary"):
            path = f"/api/positions/{name}"
            try:
                await api.request("GET", path)
                rows.append(Row(name, "HTTP", [(await api.request("GET", path)).ms for _ in range(READS)], READ))
            except UnexpectedStatus as error:
                rows.append(Row(name, "HTTP", failed=str(error)))
    async with open_connections(port, CLIENTS) as clients:
        began = time.perf_counter() + 0.5
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(send_orders(api, number, began)) for number, api in enumerate(clients)]
    ms = [duration for task in tasks for duration in task.result()]
    return [*rows, Row(f"enter, a market each; {CLIENTS} clients, {RATE} orders/s", "HTTP", ms, ENTER)]


async def send_orders(api: Connection, client: int, began: float) -> list[float]:
    """Send the orders of a client when they are due; return the time from then until the answer, in ms."""
    body = {"symbol": market(client), "side": "BUY", "quantity": "0.001", "entry_price": "50000"}
    durations = []
    for number in range(ORDERS_OVER_HTTP):
        due = began + (number * CLIENTS + client) / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await api.request("POST", "/api/positions/enter", json.dumps(body).encode())
        durations.append((time.perf_counter() - due) * 1e3)
    return durations


def measure_audit(url: str) -> Row:
    """Audit in a process of its own, for its peak memory."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        seconds, entries, mib, is_clean = pool.submit(audit, url).result()
    others = {"seconds": seconds, "entries": entries, "peak_mib": mib}
    return Row("audit", "Ledger", (), AUDIT, others, 1, "" if is_clean else "differences were found")


def audit(url: str) -> tuple[float, int, float, bool]:
    """Return the duration in seconds, the number of entries, the peak memory in MiB and whether it is clean."""
    engine = create_engine(url)
    reset_peak()
    began = time.perf_counter()
    report = Ledger(engine).audit()
    engine.dispose()
    return time.perf_counter() - began, report.entries, peak_mib(), report.is_clean


@contextmanager
def running_api(root: Path) -> Iterator[int]:
    """Run the API on a DATA_ROOT; yield its port once it responds, and stop it on exit."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with (root / "api.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "coin_api", "--port", str(port)],
            env={**os.environ, "DATA_ROOT": str(root), "DATABASE_URL": ""},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_up(process, port)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the API responds."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the API did not start")


def table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    result = Table(*HEADINGS)
    for row in rows:
        met = [f"{limit.text}: {MET[limit.met(row.figures)]}" for limit in row.limits]
        others = ", ".join(f"{name} {value:,.1f}" for name, value in row.others.items())
        times = (f"{row.figures[name]:,.1f}" if row.ms else "-" for name in TIMES)
        remarks = "\n".join(filter(None, [row.failed, *met, others]))
        result.add_row(row.path, row.launcher, str(row.n), *times, remarks, style="red" if row.ok is False else None)
    return result


def main(arguments: Sequence[str]) -> int:
    """Build the ledger, measure, print the table, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="a multiple of 5,000, at least 160,000")
    entries, console = parser.parse_args(arguments).entries, Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {format_facts(machine())}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder:
        home = Path(folder) / "postgres"
        with EmbeddedPostgres(home).lease() as lease, running_api(Path(folder)) as port:  # the API creates the tables
            engine = create_engine(lease.url)
            seconds = timed(lambda: build(engine, entries // ENTRIES_PER_MARKET)) / 1e3
            console.print(f"{entries:,} entries stored in {seconds:.0f} s")
            ledger = Ledger(engine)
            rows = [*measure_reads(ledger), *asyncio.run(measure_http(port)), *measure_orders(engine, ledger)]
            rows.append(measure_audit(lease.url))
            engine.dispose()
        EmbeddedPostgres(home).wait_until_stopped(10)
    console.print(table(rows))
    console.print(f"load {os.getloadavg()[0]:.1f}")
    return int(any(row.ok is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
