"""Import and call user-written strategy code; any exception becomes an error that names the failing line."""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from coin_pipeline.engine.bars import Bars, Ints
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import InvalidStrategyFile, StrategyFailed
from coin_pipeline.liveness import report_progress
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.plot import PlotLine, check_plot

_OWN_PACKAGES = frozenset({"coin_pipeline", "coin_api"})
_INSTALL_FOLDERS = frozenset({"site-packages", "dist-packages"})
_IMPORTED_MODULES: set[str] = set()  # process-wide, like sys.modules, where these modules are stored


def run_strategy(strategy: Strategy[Any], bars: Bars, params: StrategyParams, symbol: str) -> Signals:
    """Return the strategy's signals on the bars of one symbol.

    Raises:
        StrategyFailed: The strategy raised, or did not return ``Signals`` of the same length as the bars.
    """
    with _failures_named(strategy, symbol):
        signals = strategy.signals(bars, params)
    report_progress()
    if not isinstance(signals, Signals):
        reason = f"signals() returned {type(signals).__name__}, not Signals"
        raise StrategyFailed(strategy.name, symbol, reason)
    if len(signals) != len(bars):
        reason = f"signals() returned signals on {len(signals)} bars, expected {len(bars)}"
        raise StrategyFailed(strategy.name, symbol, reason)
    return signals


def run_signal_rows(
    strategy: Strategy[Any], bars: Bars, points: Sequence[StrategyParams], symbol: str, workers: int
) -> SignalRows:
    """Return the strategy's decisions for many parameter points at once on the bars of one symbol.

    Raises:
        StrategyFailed: The strategy raised, or did not return ``SignalRows`` for these bars and points.
    """
    with _failures_named(strategy, symbol):
        rows = strategy.signal_rows(bars, points, workers)
    report_progress()
    if not isinstance(rows, SignalRows):
        reason = f"signal_rows() returned {type(rows).__name__}, not SignalRows"
        raise StrategyFailed(strategy.name, symbol, reason)
    if (rows.points, rows.n) != (len(points), len(bars)):
        reason = f"signal_rows() returned {rows.points} points on {rows.n} bars, expected {len(points)} on {len(bars)}"
        raise StrategyFailed(strategy.name, symbol, reason)
    return rows


def run_plot(strategy: Strategy[Any], bars: Bars, params: StrategyParams, symbol: str) -> dict[str, PlotLine]:
    """Return the lines that a strategy plots on the bars of one symbol.

    Raises:
        StrategyFailed: The strategy raised, or returned lines that cannot be drawn.
    """
    with _failures_named(strategy, symbol):
        return check_plot(strategy.plot(bars, params), len(bars))


def declared_warm_up(strategy: Strategy[Any], params: StrategyParams, symbol: str) -> int:
    """Return the number of earlier bars that a decision reads, as declared by ``warm_up_bars``.

    Raises:
        StrategyFailed: The strategy raised, or did not return a number of bars.
    """
    with _failures_named(strategy, symbol):
        return call_warm_up_bars(strategy, params)


def declared_warm_ups(strategy: Strategy[Any], points: Sequence[StrategyParams], symbol: str) -> Ints:
    """Return the number of earlier bars that a decision reads at each parameter point, int64, shape (points,).

    Raises:
        StrategyFailed: The strategy raised, or did not return numbers of bars.
    """
    if type(strategy).warm_up_rows is Strategy.warm_up_rows:
        return np.array([declared_warm_up(strategy, params, symbol) for params in points], np.int64)
    with _failures_named(strategy, symbol):
        rows = np.asarray(strategy.warm_up_rows(points))
    if rows.shape != (len(points),) or not np.issubdtype(rows.dtype, np.integer):
        reason = f"warm_up_rows() must return {len(points)} integers, not {rows.dtype} of shape {rows.shape}"
        raise StrategyFailed(strategy.name, symbol, reason)
    compared = (0, int(np.argmax(rows)), len(points) - 1)
    if any(rows[k] != declared_warm_up(strategy, points[k], symbol) for k in compared):
        raise StrategyFailed(strategy.name, symbol, "warm_up_rows() differs from warm_up_bars(); override both or none")
    return rows.astype(np.int64)


def call_warm_up_bars(strategy: Strategy[Any], params: StrategyParams) -> int:
    """Return what a strategy declares as its warm-up.

    Raises:
        ValueError: It is not a number of bars.
    """
    bars: object = strategy.warm_up_bars(params)
    if isinstance(bars, bool) or not isinstance(bars, int | np.integer) or bars < 0:
        raise ValueError(f"warm_up_bars() returned {bars!r:.80}, expected a number of bars: an integer of 0 or more")
    return int(bars)


@contextmanager
def _failures_named(strategy: Strategy[Any], symbol: str) -> Iterator[None]:
    """Raise an exception of a strategy's code as StrategyFailed, which names the line."""
    try:
        yield
    except MemoryError:
        raise  # concerns the whole run, not the code that happened to allocate
    except Exception as error:
        raise StrategyFailed(strategy.name, symbol, describe_failure(error, _source_of(strategy))) from error


def _source_of(strategy: Strategy[Any]) -> str:
    """Return the file in which a strategy is defined; for one from a notebook, the name of its cell."""
    try:
        return inspect.getfile(type(strategy))
    except (OSError, TypeError):
        filename: str = inspect.unwrap(type(strategy).signals).__code__.co_filename
        return filename


def load_strategies(path: Path) -> list[type[Strategy[Any]]]:
    """Import a strategy file and return the concrete strategy classes it defines, in definition order.

    Raises:
        InvalidStrategyFile: The file is missing, cannot be imported, or defines no strategy.
    """
    module = _import_file(path)
    strategies = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]
    if not strategies:
        raise InvalidStrategyFile(path, "defines no subclass of Strategy with a signals method")
    return strategies


def describe_failure(error: BaseException, source: str) -> str:
    """Return the exception as text, with the last line of the source file in its traceback.

    Args:
        error: The exception.
        source: Path of the strategy file.
    """
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    if isinstance(error, SyntaxError) and error.filename == source:
        lines.append(error.lineno)
    location = f"line {lines[-1]} of {Path(source).name}: " if lines else ""
    return f"{location}{type(error).__name__}: {error}"


def imported_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files of the modules that strategy files imported from their own folders."""
    folders = [path.resolve().parent for path in paths]
    loaded = {Path(file) for name in _IMPORTED_MODULES if (file := getattr(sys.modules.get(name), "__file__", None))}
    return sorted(file for file in loaded if any(file.is_relative_to(folder) for folder in folders))


def unload_modules(files: Iterable[Path]) -> None:
    """Remove the modules of these files from ``sys.modules``, so that the next import reads the source again.

    References to the old modules stay valid.
    """
    unloaded = {str(file) for file in files}
    for name in _IMPORTED_MODULES & sys.modules.keys():
        if getattr(sys.modules[name], "__file__", None) in unloaded:
            del sys.modules[name]
    for file in unloaded:  # cached bytecode looks fresh if a file is edited within one second
        Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)
    importlib.invalidate_caches()


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Loader that always compiles the source: cached bytecode looks fresh if a file is edited within one second."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError(path)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InvalidStrategyFile(path, "is not a file")
    source = str(path.resolve())
    name = f"coin_strategy_file_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    loader = _FreshLoader(name, source)
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader, origin=source))
    module.__file__ = source
    folder = str(Path(source).parent)
    if folder not in sys.path:  # lets the file import modules next to it, as a script can
        sys.path.append(folder)
    sys.modules[name] = module  # dataclasses and pydantic look up their module while it is executed
    known = set(sys.modules)
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InvalidStrategyFile(path, describe_failure(error, source)) from error
    finally:
        _IMPORTED_MODULES.update(new for new in set(sys.modules) - known if _is_user_module(new, folder))
    return module


def _is_user_module(name: str, folder: str) -> bool:
    """Return whether a module is user code in the strategy's folder, which may contain installed packages as well."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or name.partition(".")[0] in _OWN_PACKAGES:
        return False
    path = Path(file)
    return path.suffix == ".py" and path.is_relative_to(folder) and not _INSTALL_FOLDERS & set(path.parts)
