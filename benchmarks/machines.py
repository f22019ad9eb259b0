"""Throughput of whole runs on one machine and on two, which share a database and a bucket."""

import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.report import Figure
from tests.machines import Machines, can_name_machines, two_machines
from tests.platforms import Platform, is_healthy, submit_backtest, wait_until

RUNS, WARM_UP = 60, 6
"""Backtests of each measurement, and those before it."""
CORES = (0, 1)
"""The processor of each machine; PostgreSQL and the object store may use both."""
MIN_RATIO = 1.5
LEASES = {"COIN_LEASE_SECONDS": "6", "COIN_MONITOR_SECONDS": "5"}
"""The defaults: the leases of the tests are so short that a run on a busy processor counts as lost."""
ENDED = """select max(end_time), count(*), count(*) filter (where status = 'FAILURE') from runs
    where run_id = any(%s) and status in ('SUCCESS', 'FAILURE')"""
HOSTS = "select count(distinct host) from coin.lease where run_id = any(%s)"
TIMEOUT_S = 300
_numbers = count()


def measure_machines(values: dict[str, float]) -> list[Figure]:
    """Compare backtests submitted to one of two machines with those submitted to both, with one processor each.

    The rates are also added to the values.
    """
    if not can_name_machines():
        return [Figure("two machines: not measured, as only root can give processes of Linux host names of their own")]
    with (
        tempfile.TemporaryDirectory() as folder,
        two_machines(Path(folder), cores=CORES, COIN_POOL_ROOM=str(RUNS), **LEASES) as machines,
    ):
        both = machines.first, machines.second
        for platform in both:
            wait_until(lambda platform=platform: is_healthy(platform))
        runs_per_second(machines, both, WARM_UP)
        values["runs_1"], hosts = runs_per_second(machines, both[:1], RUNS)
        figures = [Figure(f"backtests submitted to one of two machines: {values['runs_1']:.1f}/s, executed by {hosts}")]
        values["runs_2"], hosts = runs_per_second(machines, both, RUNS)
    ratio = values["runs_2"] / values["runs_1"]
    text = f"backtests submitted to both: {values['runs_2']:.1f}/s, executed by {hosts}, {ratio:.2f}x of one"
    return [*figures, Figure(f"{text} (at least {MIN_RATIO}x)", ratio >= MIN_RATIO)]


def runs_per_second(machines: Machines, platforms: Sequence[Platform], runs: int) -> tuple[float, int]:
    """Submit different backtests to machines in turn; return the rate, and how many machines have executed them."""
    began = time.time()
    tasks = [
        submit_backtest(
            platforms[number % len(platforms)],
            params={"volume_window": 5 + number % 500, "hold_period_bars": 1 + number // 500},
        )
        for number in islice(_numbers, runs)
    ]

    def last_end() -> float:
        end, ended, failed = _row(machines.url, ENDED, tasks)
        if failed:
            raise RuntimeError(f"{failed} of {runs} backtests failed")
        return float(end) if ended == runs else 0.0

    rate = runs / (wait_until(last_end, TIMEOUT_S) - began)
    return rate, _row(machines.url, HOSTS, tasks)[0]


def _row(url: str, statement: str, tasks: Iterable[str]) -> tuple[Any, ...]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, (list(tasks),))
        row: tuple[Any, ...] = cursor.fetchone()
        return row
