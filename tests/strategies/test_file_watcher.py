"""The registry reloads edited strategy files in long-lived processes."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidStrategyFile
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.strategy_files import as_new_process, edit, write

OWN = """
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams
from helped_defaults import HOLD

class Params(StrategyParams):
    hold: int = Field(HOLD, ge=1)
    days: int = Field(5, ge=1)

class Held(Strategy[Params]):
    name = "held"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        return Signals(bars.close > bars.open, hold=params.hold)
"""


@pytest.fixture
def strategy_file(tmp_path: Path) -> Iterator[Path]:
    """A strategy file whose default is defined in a module next to it."""
    with as_new_process():
        yield write(tmp_path, {"own.py": OWN, "helped_defaults.py": "HOLD = 2\n"})


def defaults(registry: StrategyRegistry) -> tuple[int, int]:
    """Return the defaults of the strategy."""
    params = registry.resolve("held", {}).model_dump()
    return params["hold"], params["days"]


def test_edited_file_is_reloaded(strategy_file: Path) -> None:
    """A request is resolved with the current defaults; the old registry is unchanged."""
    first = load_registry([strategy_file])
    assert first.current() is first
    edit(strategy_file, "days: int = Field(5", "days: int = Field(7")
    second = first.current()
    assert (defaults(first), defaults(second)) == ((2, 5), (2, 7))
    assert first.current() is second.current() is second


def test_edited_module_next_to_the_file_is_reloaded(strategy_file: Path) -> None:
    """This works even with the same length and within the same second, and for every registry."""
    first, other = load_registry([strategy_file]), load_registry([strategy_file])
    state = strategy_file.with_name("helped_defaults.py").stat()
    edit(strategy_file.with_name("helped_defaults.py"), "2", "3")
    os.utime(strategy_file.with_name("helped_defaults.py"), ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert [defaults(known.current()) for known in (first, other)] == [(3, 5), (3, 5)]


def test_touched_file_is_not_reloaded(strategy_file: Path) -> None:
    """Only the content counts."""
    first = load_registry([strategy_file])
    os.utime(strategy_file)
    assert first.current() is first


def test_broken_file_is_reported_until_fixed(strategy_file: Path) -> None:
    """A run started now would fail as well; once fixed, the file is loaded again."""
    first = load_registry([strategy_file])
    edit(strategy_file, "HOLD, ge=1", "HOLD, ge=")
    for _ in range(2):
        with pytest.raises(InvalidStrategyFile, match="SyntaxError"):
            first.current()
    edit(strategy_file, "HOLD, ge=", "9, ge=1")
    assert defaults(first.current()) == (9, 5)
    strategy_file.unlink()
    with pytest.raises(InvalidStrategyFile, match="is not a file"):
        first.current()


def test_concurrent_calls_reload_once(strategy_file: Path) -> None:
    """All threads get the same registry."""
    first = load_registry([strategy_file])
    edit(strategy_file, "days: int = Field(5", "days: int = Field(8")
    with ThreadPoolExecutor(8) as pool:
        registries = list(pool.map(lambda _: first.current(), range(64)))
    assert len({id(registry) for registry in registries}) == 1
    assert defaults(registries[0]) == (2, 8)


def test_checking_for_changes_is_cheap(strategy_file: Path) -> None:
    """A thousand checks of two files take a fraction of a second."""
    first = load_registry([strategy_file])
    began = time.perf_counter()
    for _ in range(1000):
        first.current()
    assert time.perf_counter() - began < 0.5


def test_registry_without_files_is_constant() -> None:
    """This applies to the built-in strategies and to explicitly passed ones."""
    built_in, explicit = load_registry(), StrategyRegistry([])
    assert built_in.current() is built_in
    assert explicit.current() is explicit
