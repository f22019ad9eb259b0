"""Strategies in several processes: the same trials and errors as in one, and no process outlives its sweep."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import BarsChanged, LookAhead, StrategyFailed
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.processes.client import shared_processes
from coin_pipeline.sweeps.processes.early import EARLY_BARS, begin_early
from coin_pipeline.sweeps.trials import trials_digest
from tests.platforms import wait_until
from tests.sweeps.parts import Crossing, registry, spec_of, tables_of

SOURCE = """
import os
from pathlib import Path

import numpy as np

from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    every: int = Field(2, ge=1)
    fail_from: int = 1000
    die_at: int = 0
    parent: int = 0
    change: bool = False
    ahead: bool = False

class Mine(Strategy[Params]):
    '''Buy rising bars; note each process that decides.'''
    name = "mine"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        (Path(__file__).parent / f"pid-{os.getpid()}").touch()
        if params.every >= params.fail_from:
            raise ValueError(f"cannot hold {params.every}")
        if params.every == params.die_at and os.getpid() != params.parent:
            os.kill(os.getpid(), 9)
        if params.change:
            bars.close.setflags(write=True)
            bars.close[5] = 1.0
        if params.ahead:
            return Signals(np.append(bars.close[1:] > bars.close[:-1], False), hold=params.every)
        exits = bars.close < bars.open if params.every % 2 else None
        return Signals(bars.close > bars.open, hold=params.every, exits=exits)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[StrategyRegistry]:
    """Yield a registry with a strategy of a file; its processes end with the test."""
    (tmp_path / "mine.py").write_text(SOURCE)
    yield load_registry([tmp_path / "mine.py"])
    shared_processes().close()


def other_pids(folder: Path) -> set[int]:
    """Return the processes other than this one that have decided points."""
    return {int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")} - {os.getpid()}


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def chunks_of(candles: CandleCatalog, known: StrategyRegistry, **fields: Any) -> Any:  # noqa: ANN401 -- chunks
    """Return the chunks of a sweep of 40 points in two chunks."""
    spec = spec_of(known, {"every": "1:40:1"}, strategy="mine", warm_up="none", **fields)
    return split_into_chunks(candles, known, spec, 20).chunks


def test_trials_do_not_depend_on_processes(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """Several processes decide, this one does not decide their points, and the trials are the same."""
    chunks, symbols = chunks_of(candles, mine, symbols=["AAA_KRW", "BBB_KRW"]), 2
    digests, progress = set(), []
    for workers in (1, 2, 3):
        store = LocalStore(tmp_path / f"store-{workers}")
        tables = [
            evaluate(candles, mine, store, chunk, workers, process_s=0, progress=progress.append) for chunk in chunks
        ]
        digests.add(tuple(map(trials_digest, tables)))
        assert sum(progress) == workers * 40 * symbols
    assert len(digests) == 1
    assert len(other_pids(tmp_path)) >= 3


def test_the_first_failing_point_is_named(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """The message is that of one process, whichever process fails first."""
    chunk = chunks_of(candles, mine, params={"fail_from": 7})[0]
    messages = []
    for workers in (1, 2):
        with pytest.raises(StrategyFailed) as caught:
            evaluate(candles, mine, LocalStore(tmp_path / str(workers)), chunk, workers, process_s=0)
        messages.append(str(caught.value))
    assert "with every=7: line" in messages[0]
    assert "cannot hold 7" in messages[0]
    assert messages[0] == messages[1]


def test_changed_candles_are_reported(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """A process that changes its copy of the candles is noticed."""
    chunk = chunks_of(candles, mine, params={"change": True})[0]
    with pytest.raises(BarsChanged, match="it changed its candles"):
        evaluate(candles, mine, LocalStore(tmp_path), chunk, 2, process_s=0)


def test_a_strategy_that_looks_ahead_stores_nothing(
    candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry
) -> None:
    """The check, which runs while the processes start, ends the sweep."""
    chunk, store = chunks_of(candles, mine, params={"ahead": True})[0], LocalStore(tmp_path / "store")
    with pytest.raises(LookAhead, match="the strategy looks ahead"):
        evaluate(candles, mine, store, chunk, 2, process_s=0)
    assert list(store.keys("")) == []


def test_a_killed_process_ends_the_sweep(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """The error gives this reason, and the other processes end with the sweep."""
    chunk = chunks_of(candles, mine, params={"die_at": 9, "parent": os.getpid()})[0]
    with pytest.raises(StrategyFailed, match="a process that computes its signals was killed"):
        evaluate(candles, mine, LocalStore(tmp_path), chunk, 2, process_s=0)
    wait_until(lambda: not any(map(is_running, other_pids(tmp_path))))
    assert other_pids(tmp_path)


def test_an_interrupt_ends_the_processes(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """A cancelled run leaves no process behind."""

    class Cancelled(BaseException):
        """Stands for a signal."""

    def cancel(_: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(candles, mine, LocalStore(tmp_path), chunks_of(candles, mine)[0], 2, process_s=0, progress=cancel)
    wait_until(lambda: not any(map(is_running, other_pids(tmp_path))))


def test_processes_end_with_a_killed_run(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """Neither the server nor a process that decides outlives a process that cannot clean up."""
    chunk = chunks_of(candles, mine, params={"parent": os.getpid()})[0]
    evaluating = os.fork()
    if evaluating == 0:
        evaluate(candles, mine, LocalStore(tmp_path), chunk, 2, process_s=0, progress=lambda _: os.kill(os.getpid(), 9))
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(evaluating, 0)[1]) == -9
    wait_until(lambda: not any(map(is_running, other_pids(tmp_path))))
    assert other_pids(tmp_path) - {evaluating}


def test_a_strategy_that_cannot_be_pickled_runs_in_one_process(
    candles: CandleCatalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log gives the reason; the sweep is complete."""
    known = registry()
    (chunk,) = split_into_chunks(candles, known, spec_of(known, {"fast": "1:7:1"})).chunks
    assert len(evaluate(candles, known, LocalStore(tmp_path), chunk, 2, process_s=0)) == 7
    assert "strategy 'crossing' runs in one process" in caplog.text
    assert "pickle" in caplog.text
    crossing = known.get("crossing")
    assert isinstance(crossing, Crossing)
    assert len(crossing.calls()) > 7


def test_a_short_sweep_starts_no_process(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry) -> None:
    """Starting processes takes longer than deciding these points."""
    tables = tables_of(candles, mine, tmp_path, spec_of(mine, {"every": "1:9:1"}, strategy="mine"), workers=2)
    assert sum(map(len, tables)) == 9
    assert [path.name for path in tmp_path.glob("pid-*")] == [f"pid-{os.getpid()}"]


def test_processes_of_a_large_sweep_start_before_it(
    candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry
) -> None:
    """The evaluation uses them, although it would not start any for so few candles."""
    chunk = chunks_of(candles, mine)[0]
    begin_early(mine, chunk.spec, EARLY_BARS, 2)
    assert len(evaluate(candles, mine, LocalStore(tmp_path), chunk, 2)) == 20
    assert other_pids(tmp_path)


@pytest.mark.parametrize(("bars", "workers"), [(1, 2), (EARLY_BARS, 1)])
def test_no_process_starts_before_a_small_sweep_or_for_one_worker(
    candles: CandleCatalog, mine: StrategyRegistry, bars: int, workers: int
) -> None:
    """It would take longer than the sweep, or have nothing to do."""
    chunk = chunks_of(candles, mine)[0]
    begin_early(mine, chunk.spec, bars, workers)
    assert not shared_processes().is_begun(mine, "mine", chunk.code)
