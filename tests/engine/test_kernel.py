"""Compilation of kernels and the intrinsics used in them."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic

import coin_pipeline.engine
import coin_pipeline.strategies
from coin_pipeline.candles.exchanges.upbit_rules import tick_table
from coin_pipeline.engine import signal_rows, trade_table
from coin_pipeline.engine import sweep as swept
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.kernel import array_at_address, borrowed_slice, kernel, prefetch
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import sweep
from coin_pipeline.strategies.precompile import compile_kernels
from coin_pipeline.strategies.registry import load_registry
from tests.engine.candles import random_bars


def kernels() -> dict[str, tuple[str, Dispatcher]]:
    """Return every kernel that a module of the engine or the strategies can call, with the module's name."""
    result = {}
    for package in (coin_pipeline.engine, coin_pipeline.strategies):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if isinstance(value, Dispatcher):
                    result[f"{info.name}.{name}"] = (info.name, value)
    return result


def test_no_kernel_is_called_from_another_module() -> None:
    """Cached machine code cannot become stale, because a kernel and everything it calls are in one file."""
    assert len(kernels()) > 3
    assert {name for name, (module, used) in kernels().items() if used.py_func.__module__ != module} == set()


def imported_names(module: str) -> set[str]:
    """Return the names in a module whose values depend, directly or indirectly, on other project modules."""
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text())
    imported = [node for node in tree.body if isinstance(node, ast.ImportFrom) and "coin_pipeline" in str(node.module)]
    names = {alias.asname or alias.name for node in imported for alias in node.names}
    for node in tree.body:  # in execution order
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            used = {child.id: type(child.ctx) for child in ast.walk(node) if isinstance(child, ast.Name)}
            if names & {name for name, use in used.items() if use is ast.Load}:
                names |= {name for name, use in used.items() if use is ast.Store}
    return names


def test_no_kernel_reads_a_constant_of_another_module() -> None:
    """Cached code cannot become stale because a constant compiled into it has changed in another file."""
    assert "UNFILLED" in imported_names("coin_pipeline.engine.simulate")
    read = {
        f"{name} reads {constant}"
        for name, (module, used) in kernels().items()
        for constant in imported_names(module) & set(used.py_func.__code__.co_names)
        if not isinstance(getattr(importlib.import_module(module), constant), Dispatcher | _Intrinsic)
    }
    assert read == set()


def test_word_size_is_consistent() -> None:
    """Modules with kernels repeat the constant in their own file."""
    assert trade_table._WORD == swept._WORD == signal_rows.WORD == 8 * np.dtype(np.uint64).itemsize


def test_nothing_is_compiled_after_warm_up() -> None:
    """Backtests with other params, fills and bars reuse the code compiled by the warm-up."""
    compile_kernels()
    compiled = {name: list(used.signatures) for name, (_, used) in kernels().items()}
    bars, registry = random_bars(300, seed=1), load_registry()
    params_by_name = {"volume_long_candle": {"vol_multiplier": 1}, "volume_zone_breakout": {"include_wicks": False}}
    head, costs, stops = bars.head(200), Costs(0, 0, tick_table("BTC_KRW")), Stops(trailing_stop=0.1)
    for name, given in params_by_name.items():
        strategy, points = registry.get(name), [registry.resolve(name, params) for params in (given, {})]
        signals = strategy.signals(head, points[0])
        exits = SignalRows.of([Signals(signals.entries, exits=signals.entries)])
        for fill in reversed(Fill):
            samples = simulate(head, signals, costs, fill, stops).samples
            sweep(head, strategy.signal_rows(head, points), [Stops(), stops], costs, fill, Sizing(), workers=2)
        sweep(head, exits, None, costs, Fill.NEXT_OPEN, Sizing(0.5))
        books = [SymbolSamples.from_bars(name, bars.head(n), samples) for name, n in (("A", 200), ("B", 300))]
        simulate_shared_account(books, SharedRules(1, max_positions=1), [costs] * 2)
    assert compiled == {name: list(used.signatures) for name, (_, used) in kernels().items()}
    assert {name for name, signatures in compiled.items() if len(signatures) > 1} == set()


def test_cached_kernel_loads_no_compiler_registry() -> None:
    """A process that only runs cached machine code does not import what numba registers for compiling."""
    compile_kernels()  # fills the cache
    program = (
        "import sys; from coin_pipeline.strategies.precompile import compile_kernels; compile_kernels();"
        "print(*{'numba.np.linalg', 'numba.np.npyimpl'} & {*sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_prefetch_has_no_effect_on_values() -> None:
    """Indices before or past the column may be prefetched, and the column is unchanged."""
    column = np.arange(3.0)

    @kernel
    def prefetch_and_sum(column: np.ndarray, index: int) -> float:
        prefetch(column, index)
        return column.sum()

    assert [prefetch_and_sum(column, index) for index in (-1, 0, 2, 3, 10**12)] == [3.0] * 5


def test_borrowed_slice_is_a_view() -> None:
    """It has the elements of the slice, may be empty, and writes go to the column."""
    column = np.arange(5.0)

    @kernel
    def double(column: np.ndarray, first: int, end: int) -> float:
        view = borrowed_slice(column, first, end)
        for i in range(len(view)):
            view[i] *= 2.0
        return view.sum()

    assert [double(column, *ends) for ends in ((1, 3), (0, 0), (5, 5), (4, 5))] == [6.0, 0.0, 0.0, 8.0]
    assert column.tolist() == [0.0, 2.0, 4.0, 3.0, 8.0]


def test_array_at_address_reads_in_place() -> None:
    """It has the requested number of elements and the dtype of the example array."""
    column, like = np.arange(5), np.empty(0, np.int64)

    @kernel
    def read(like: np.ndarray, address: int, length: int) -> np.ndarray:
        return array_at_address(like, address, length).copy()

    address = column.ctypes.data
    assert read(like, address, 5).tolist() == [0, 1, 2, 3, 4]
    assert read(like, address + 2 * column.itemsize, 2).tolist() == [2, 3]
    assert read(like, address, 0).tolist() == []
