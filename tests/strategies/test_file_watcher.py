"""A registry that knows the strategies of now, however long its process lives."""

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
def own(tmp_path: Path) -> Iterator[Path]:
    """A strategy file whose default is in a module beside it."""
    with as_new_process():
        yield write(tmp_path, {"own.py": OWN, "helped_defaults.py": "HOLD = 2\n"})


def defaults(registry: StrategyRegistry) -> tuple[int, int]:
    """Return the defaults of the strategy."""
    params = registry.resolve("held", {}).model_dump()
    return params["hold"], params["days"]


def test_an_edited_file_is_loaded_again(own: Path) -> None:
    """A request is resolved with the defaults of now; who holds the old registry keeps what it had."""
    first = load_registry([own])
    assert first.current() is first
    edit(own, "days: int = Field(5", "days: int = Field(7")
    second = first.current()
    assert (defaults(first), defaults(second)) == ((2, 5), (2, 7))
    assert first.current() is second.current() is second


def test_an_edited_module_beside_it_is_loaded_again(own: Path) -> None:
    """Even when it has the same length and was written within the same second; another registry notices too."""
    first, other = load_registry([own]), load_registry([own])
    state = own.with_name("helped_defaults.py").stat()
    edit(own.with_name("helped_defaults.py"), "2", "3")
    os.utime(own.with_name("helped_defaults.py"), ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert [defaults(known.current()) for known in (first, other)] == [(3, 5), (3, 5)]


def test_a_file_that_was_only_touched_is_not_loaded_again(own: Path) -> None:
    """What it holds counts."""
    first = load_registry([own])
    os.utime(own)
    assert first.current() is first


def test_a_file_that_no_longer_works_is_told_until_it_does(own: Path) -> None:
    """A run started now would fail as well; put right, it is taken again."""
    first = load_registry([own])
    edit(own, "HOLD, ge=1", "HOLD, ge=")
    for _ in range(2):
        with pytest.raises(InvalidStrategyFile, match="SyntaxError"):
            first.current()
    edit(own, "HOLD, ge=", "9, ge=1")
    assert defaults(first.current()) == (9, 5)
    own.unlink()
    with pytest.raises(InvalidStrategyFile, match="is not a file"):
        first.current()


def test_nothing_is_loaded_twice_by_threads_that_ask_at_once(own: Path) -> None:
    """All get the same registry."""
    first = load_registry([own])
    edit(own, "days: int = Field(5", "days: int = Field(8")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: first.current(), range(64)))
    assert len({id(one) for one in found}) == 1
    assert defaults(found[0]) == (2, 8)


def test_to_ask_is_cheap(own: Path) -> None:
    """A look at the state of two files: a thousand times within a fraction of a second."""
    first = load_registry([own])
    began = time.perf_counter()
    for _ in range(1000):
        first.current()
    assert time.perf_counter() - began < 0.5


def test_without_files_there_is_nothing_to_load_again() -> None:
    """Our own strategies, and those that were handed in."""
    ours, handed = load_registry(), StrategyRegistry([])
    assert ours.current() is ours
    assert handed.current() is handed
