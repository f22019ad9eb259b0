"""Limits that a run has to keep, checked before anything is computed."""

import resource
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.limits import CANDLE_BYTES, OWN_CANDLE_BYTES, Limit, RunLimits, require_room
from coin_pipeline.backtest.preflight import require_candles
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import ResultTooLarge, StrategyFailed
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from tests.forking import forking

MINUTES = parse_timeframe("1m")
DAYS = 365
MIB = 2**20


def spec_of(**fields: object) -> BacktestSpec:
    """A backtest on a year of minutes that finds no signal."""
    request: dict[str, Any] = {"strategy": "volume_long_candle", "params": {"body_pct": 1}, "symbols": ["AAA_KRW"]}
    return resolve(
        parse_request({**request, "start_date": "2023-01-01", "end_date": "2023-12-31", "timeframe": "1m", **fields}),
        load_registry(),
    )


def limits(memory: int = 2**40, disk: int = 2**40) -> RunLimits:
    """Limits in bytes."""
    return RunLimits(Limit(memory, "COIN_RUN_MEMORY_MIB"), Limit(disk, "free space of DATA_ROOT"))


def test_candles_that_exceed_the_memory_are_refused() -> None:
    """The error has the number, what it needs, the limit and its name."""
    with pytest.raises(ResultTooLarge) as refused:
        require_room(spec_of(), {"AAA_KRW": 3_000_000, "BBB_KRW": 1_000_000}, limits(memory=150 * MIB))
    assert str(refused.value) == (
        "4,000,000 candles need at least 199 MiB of memory, and the limit is 150 MiB (COIN_RUN_MEMORY_MIB);"
        " request fewer symbols, points or days, or a longer timeframe, or raise the limit"
    )


def test_tables_that_exceed_the_disk_are_refused() -> None:
    """Each candle is a row of equity."""
    with pytest.raises(ResultTooLarge, match=r"need at least 31 MiB of disk space, and the limit is 30 MiB \(free"):
        require_room(spec_of(), {"AAA_KRW": 1_000_000}, limits(disk=30 * MIB))


def test_a_shared_account_keeps_the_closes_of_all_symbols() -> None:
    """Its symbols have no equity on disk, but more of each is in memory."""
    candles, shared = {f"A{n}_KRW": 1_000_000 for n in range(100)}, spec_of(max_positions=1)
    require_room(spec_of(), candles, limits(memory=500 * MIB))
    with pytest.raises(ResultTooLarge, match="100,000,000 candles need at least 824 MiB of memory"):
        require_room(shared, candles, limits(memory=500 * MIB))
    require_room(shared, candles, limits(disk=0))


def test_the_smaller_of_both_memory_limits_counts(tmp_path: Path) -> None:
    """Commands have no limit of their own, and no limit exceeds the memory of the machine."""
    store = LocalStore(tmp_path)
    assert RunLimits.of(64, store).memory == (64 * MIB, "COIN_RUN_MEMORY_MIB")
    machine = RunLimits.of(None, store).memory
    assert machine.name.startswith("memory of this ")
    assert RunLimits.of(2**40, store).memory == machine


def test_footers_give_the_number_of_candles(tmp_path: Path) -> None:
    """The range is counted, not all that is stored."""
    catalog = store_year(tmp_path)
    assert require_candles(catalog, spec_of(end_date="2023-01-10")) == {"AAA_KRW": 14_400}


def test_a_refused_run_would_have_failed(tmp_path: Path) -> None:
    """A run fails with the least memory that the check requires, and succeeds with four times as much."""
    store_year(tmp_path)
    least = (CANDLE_BYTES + OWN_CANDLE_BYTES) * DAYS * 1440
    assert [succeeds(tmp_path, memory) for memory in (least, 4 * least)] == [False, True]


def store_year(root: Path) -> CandleCatalog:
    """Store a year of minutes."""
    catalog = CandleCatalog(root)
    catalog.merge("AAA_KRW", MINUTES, synthetic_candles(1, MINUTES, date(2023, 1, 1), DAYS * 1440))
    return catalog


def succeeds(root: Path, memory: int) -> bool:
    """Return whether a run ends in a process with this much more memory than it has."""
    receiver, sender = forking().Pipe(duplex=False)
    process = forking().Process(target=_run, args=(root, memory, sender))
    process.start()
    sender.close()
    try:
        return bool(receiver.recv())
    finally:
        process.join()


def _run(root: Path, memory: int, sender: Connection) -> None:
    catalog, registry = CandleCatalog(root), load_registry()
    runner.run_backtest(spec_of(end_date="2023-01-02"), catalog, registry)  # loads the kernels
    used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    limit = int(used.split()[1]) * 1024 + memory
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        runner.run_backtest(spec_of(), catalog, registry)
    except (MemoryError, RuntimeError, StrategyFailed):  # the latter for a thread that cannot start
        sender.send(obj=False)
    else:
        sender.send(obj=True)
