"""Measurements of whole commands and of the platform, by row."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks.api.client import Connection, UnexpectedStatus, open_connections
from benchmarks.api.measures import BACKTEST_BODY, RUN, RUN_ASYNC, STATUS
from benchmarks.api.platform import run_platform
from benchmarks.api.rows import Limit, summary
from benchmarks.work import inputs
from benchmarks.work.bare import bare_backtest, bare_platform
from benchmarks.work.commands import CommandFailed, Figures, alone, coin
from benchmarks.work.rows import WorkRow

Measure: TypeAlias = Callable[[str, Path], WorkRow]
ROUNDS = 3
YEAR = 365
STRATEGY = Path(__file__).with_name("pandas_strategy.py")
REQUESTS = 10
IDLE_S = 10
"""Seconds after which a platform that was not used is idle."""
QUEUED, SUBMITTERS, PARTS = 10_000, 8, 10
"""Tasks of the queue; clients that submit them; parts of the queue whose rates are compared."""
POLL_S = 0.5
DRAIN_S = 3_600.0
SIGNALS = re.compile(r"Trades +([\d,]+).*Signals ignored +([\d,]+)", re.DOTALL)


def day_cold(name: str, root: Path) -> WorkRow:
    """Run a backtest on a year of days while no platform is running; the first run, which sets up, is not counted."""
    inputs.store_candles(root, "1d", YEAR)
    figures = {**_typical_day(root), **bare_backtest(ROUNDS)}
    return WorkRow(name, figures, (Limit("wall_s", 2), Limit("peak_mib", 250)))


def day_with_platform(name: str, root: Path) -> WorkRow:
    """Run the same backtest while ``coin up`` is running on the same data."""
    inputs.store_candles(root, "1d", YEAR)
    with run_platform(root, "warm"):
        return WorkRow(name, _typical_day(root), (Limit("wall_s", 1), Limit("peak_mib", 250)))


def minutes(name: str, root: Path) -> WorkRow:
    """Run a backtest with default params on a year of minutes: nearly every second bar is a signal.

    The time is that while ``coin up`` is running; the memory that of a process of its own, which has everything in it.
    """
    _prepare(root, "1m", YEAR)
    command = ["backtest", "volume_zone_breakout", *inputs.request(YEAR, "1m")]
    cold, output = coin(root, *command)
    with run_platform(root, "warm"):
        wall_s = median(coin(root, *command)[0]["wall_s"] for _ in range(ROUNDS))
    figures = {**cold, "wall_s": wall_s, "cold_wall_s": cold["wall_s"], "signals": _signals(output)}
    limits = Limit("wall_s", 1.5), Limit("peak_mib", 400), Limit("signals", 200_000, minimum=True)
    return WorkRow(name, figures, limits)


def million_signals(name: str, root: Path) -> WorkRow:
    """Run the same backtest on five years of minutes."""
    days = 5 * YEAR
    _prepare(root, "1m", days)
    figures, output = coin(root, "backtest", "volume_zone_breakout", *inputs.request(days, "1m"))
    return WorkRow(name, {**figures, "signals": _signals(output)}, (Limit("signals", 1_000_000, minimum=True),))


def minutes_over_http(name: str, root: Path) -> WorkRow:
    """Run the backtest on a year of minutes synchronously over HTTP, one request at a time."""
    inputs.store_candles(root, "1m", YEAR)
    request = {"strategy": "volume_zone_breakout", "symbols": [inputs.SYMBOL], "timeframe": "1m"}
    request |= {"start_date": str(inputs.START), "end_date": str(inputs.last_day(YEAR))}
    body = json.dumps(request).encode()

    async def send(port: int) -> list[float]:
        async with open_connections(port) as (api,):
            await api.request("POST", RUN, body)
            return [(await api.request("POST", RUN, body)).ms for _ in range(REQUESTS)]

    with run_platform(root, "warm") as platform:
        return WorkRow(name, summary(asyncio.run(send(platform.port))), (Limit("p95_ms", 1_000),))


def many_symbols(name: str, root: Path, *, timeframe: str, days: int, symbols: int, options: Sequence[str]) -> WorkRow:
    """Run a backtest on many symbols, compared with a scan of the same files by Polars."""
    names = _prepare(root, timeframe, days, symbols)
    _, scan_s = alone("scan_seconds", root, timeframe, symbols)
    request = inputs.request(days, timeframe, names)
    figures, _ = coin(root, "backtest", "volume_long_candle", *request, *options)
    figures |= {"scan_s": scan_s, "scans": figures["wall_s"] / scan_s}
    return WorkRow(name, figures, (Limit("scans", 2), Limit("peak_mib", 1_024)))


def large_sweep(name: str, root: Path) -> WorkRow:
    """Sweep over 100,000 points; the time beyond that of a small sweep is compared with the engine alone."""
    _prepare(root, "1m", inputs.SWEEP_DAYS)
    _, engine_s = alone("engine_seconds", root, 100_000, 100_000)
    small, figures = _sweep(root, 4_000), _sweep(root, 100_000)
    figures |= {"small_wall_s": small["wall_s"], "engine_s": engine_s}
    figures["engines"] = (figures["wall_s"] - small["wall_s"]) / (engine_s * 96 / 100)
    return WorkRow(name, figures, (Limit("engines", 2),))


def huge_sweep(name: str, root: Path) -> WorkRow:
    """Sweep over 1,000,000 points; the peak memory is compared with that of the engine, given points in chunks."""
    _prepare(root, "1m", inputs.SWEEP_DAYS)
    engine, _ = alone("engine_seconds", root, 1_000_000, 10_000)
    figures = _sweep(root, 1_000_000, "--yes")
    figures |= {"engine_mib": engine["peak_mib"], "more_mib": figures["peak_mib"] - engine["peak_mib"]}
    return WorkRow(name, figures, (Limit("more_mib", 64),))


def custom_sweep(name: str, root: Path) -> WorkRow:
    """Sweep over 1,000 points of a strategy in pandas; its rate beyond a small sweep is compared with its function."""
    _prepare(root, "1m", inputs.SWEEP_DAYS)
    cores = os.cpu_count() or 1
    _, rate = alone("function_rate", root)
    with ThreadPoolExecutor(cores) as pool:
        at_once = sum(pool.map(lambda _: alone("function_rate", root)[1], range(cores)))
    grid = inputs.MEANS_GRID
    command = ["sweep", "pandas_means", *inputs.request(inputs.SWEEP_DAYS, "1m"), f"--strategy-file={STRATEGY}"]
    few = {name: values[:2] for name, values in grid.items()}
    small, _ = coin(root, *command, *inputs.grid_options(few))
    figures, _ = coin(root, *command, *inputs.grid_options(grid))
    more = len(grid["fast"]) * len(grid["slow"]) - len(few["fast"]) * len(few["slow"])
    points_s = more / (figures["wall_s"] - small["wall_s"])
    figures |= {"points_per_s": points_s, "function_per_s": rate, "functions_at_once_per_s": at_once}
    figures |= {"of_all_cores": points_s / (rate * cores), "of_functions_at_once": points_s / at_once}
    return WorkRow(name, figures, (Limit("of_all_cores", 0.9, minimum=True),))


def start(name: str, root: Path) -> WorkRow:
    """Start the platform on a folder that has been set up, and leave it idle."""
    with run_platform(root, "warm"):
        pass
    with run_platform(root, "warm") as platform:
        time.sleep(IDLE_S)
        figures = {"healthy_s": platform.healthy_s, "idle_pss_mib": platform.memory_mib()}
    figures |= bare_platform(IDLE_S)
    return WorkRow(name, figures, (Limit("healthy_s", 4), Limit("idle_pss_mib", 600)))


def queue(name: str, root: Path) -> WorkRow:
    """Submit many tasks as fast as they are accepted, and wait until all of them have run."""
    with run_platform(root, "warm") as platform:
        figures = asyncio.run(_fill_and_drain(platform.port))
    limits = Limit("p99_ms", 100), Limit("runs_per_s", 8, minimum=True), Limit("lowest_runs_per_s", 8, minimum=True)
    return WorkRow(name, figures, limits)


MEASURES: dict[str, Measure] = {
    "day-cold": day_cold,
    "day-platform": day_with_platform,
    "minutes": minutes,
    "minutes-http": minutes_over_http,
    "million-signals": million_signals,
    "account-500": partial(
        many_symbols, timeframe="1h", days=YEAR, symbols=500, options=("--max-positions=500", "--param=body_pct=0.008")
    ),
    "minutes-20": partial(many_symbols, timeframe="1m", days=5 * YEAR, symbols=20, options=()),
    "pandas-1000": custom_sweep,
    "sweep-100000": large_sweep,
    "sweep-1000000": huge_sweep,
    "up": start,
    "queue-10000": queue,
}


def _prepare(root: Path, timeframe: str, days: int, symbols: int = 1) -> list[str]:
    """Store candles and run a backtest of one day, which sets up the folder; return the names of the symbols."""
    names = inputs.store_candles(root, timeframe, days, symbols)
    coin(root, "backtest", "volume_zone_breakout", *inputs.request(1, timeframe))
    return names


def _typical_day(root: Path) -> Figures:
    """Run the backtest of days once to set up, then several times; return the medians."""
    command = ["backtest", "volume_zone_breakout", *inputs.request(YEAR, "1d")]
    _, *usages = [coin(root, *command)[0] for _ in range(ROUNDS + 1)]
    return {figure: median(usage[figure] for usage in usages) for figure in usages[0]}


def _signals(output: str) -> int:
    """Return the number of signals from the summary of a backtest."""
    if not (match := SIGNALS.search(output)):
        raise CommandFailed("the summary contains no numbers of trades and of ignored signals")
    return sum(int(number.replace(",", "")) for number in match.groups())


def _sweep(root: Path, points: int, *options: str) -> Figures:
    grid = inputs.grid_options(inputs.sweep_grid(points))
    return coin(root, "sweep", "volume_long_candle", *inputs.request(inputs.SWEEP_DAYS, "1m"), *grid, *options)[0]


async def _fill_and_drain(port: int) -> Figures:
    """Submit from several connections; return the response times, and the rates at which the tasks were completed."""
    ms: list[float] = []
    tasks: list[str] = []

    async def submit(api: Connection, count: int) -> None:
        for _ in range(count):
            response = await api.request("POST", RUN_ASYNC, BACKTEST_BODY)
            ms.append(response.ms)
            tasks.append(response.json()["task_id"])

    began = time.perf_counter()
    async with open_connections(port, SUBMITTERS) as connections:
        await asyncio.gather(*(submit(api, QUEUED // SUBMITTERS) for api in connections))
        submitted_s = time.perf_counter() - began
        ended_s = [await _ended(connections[0], tasks[i], began) for i in _ends(len(tasks))]
    counts = [0, *(i + 1 for i in _ends(len(tasks)))]
    lengths = [
        (later - earlier, end - start)
        for earlier, later, start, end in zip(counts, counts[1:], [0.0, *ended_s], ended_s, strict=False)
    ]
    rates = [count / seconds for count, seconds in lengths if seconds > POLL_S]
    figures = {**summary(ms), "submitted_s": submitted_s, "wall_s": ended_s[-1]}
    return figures | {"runs_per_s": QUEUED / ended_s[-1], "lowest_runs_per_s": min(rates)}


def _ends(count: int) -> list[int]:
    """Return the last index of each part of the queue."""
    return [count * (part + 1) // PARTS - 1 for part in range(PARTS)]


async def _ended(api: Connection, task: str, began: float) -> float:
    """Poll until a task is completed; return the seconds since ``began``."""
    while (document := (await api.request("GET", STATUS + task)).json())["status"] != "completed":
        if document["finished_at"] or time.perf_counter() - began > DRAIN_S:
            raise UnexpectedStatus(STATUS + task, 200, json.dumps(document).encode())
        await asyncio.sleep(POLL_S)
    return time.perf_counter() - began
