"""Code that users wrote, imported and called: whatever it raises comes out as an error that names its line."""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import InvalidStrategyFile, StrategyFailed
from coin_pipeline.strategies.base import Strategy, StrategyParams

_OURS = frozenset({"coin_pipeline", "coin_api"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_BROUGHT_IN: set[str] = set()  # like sys.modules, which is where they are, of the whole process


def run_strategy(strategy: Strategy[Any], bars: Bars, params: StrategyParams, symbol: str) -> Signals:
    """Return the strategy's signals on the bars of one symbol.

    Raises:
        StrategyFailed: The strategy raised, or did not return ``Signals`` as long as the bars.
    """
    try:
        signals = strategy.signals(bars, params)
    except MemoryError:
        raise  # of the run, not of the code that happened to ask for more
    except Exception as error:
        raise StrategyFailed(strategy.name, symbol, describe_failure(error, inspect.getfile(type(strategy)))) from error
    if not isinstance(signals, Signals):
        reason = f"signals() returned {type(signals).__name__}, not Signals"
        raise StrategyFailed(strategy.name, symbol, reason)
    if len(signals) != len(bars):
        reason = f"signals() returned signals on {len(signals)} bars, there are {len(bars)}"
        raise StrategyFailed(strategy.name, symbol, reason)
    return signals


def run_signal_rows(
    strategy: Strategy[Any], bars: Bars, points: Sequence[StrategyParams], symbol: str, workers: int
) -> SignalRows:
    """Return what the strategy decides for many points at once on the bars of one symbol.

    Raises:
        StrategyFailed: The strategy raised, or did not return ``SignalRows`` of these bars and points.
    """
    try:
        rows = strategy.signal_rows(bars, points, workers)
    except MemoryError:
        raise  # of the run, not of the code that happened to ask for more
    except Exception as error:
        raise StrategyFailed(strategy.name, symbol, describe_failure(error, inspect.getfile(type(strategy)))) from error
    if not isinstance(rows, SignalRows):
        reason = f"signal_rows() returned {type(rows).__name__}, not SignalRows"
        raise StrategyFailed(strategy.name, symbol, reason)
    if (rows.points, rows.n) != (len(points), len(bars)):
        reason = (
            f"signal_rows() returned {rows.points} points on {rows.n} bars, asked were {len(points)} on {len(bars)}"
        )
        raise StrategyFailed(strategy.name, symbol, reason)
    return rows


def load_strategies(path: Path) -> list[type[Strategy[Any]]]:
    """Import a strategy file and return the concrete strategies that it defines, in their order.

    Raises:
        InvalidStrategyFile: The file is missing, does not import, or defines none.
    """
    module = _import_file(path)
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]
    if not found:
        raise InvalidStrategyFile(path, "defines no subclass of Strategy with a signals method")
    return found


def describe_failure(error: BaseException, source: str) -> str:
    """Say what was raised, and on which line of the source file the way there led."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    if isinstance(error, SyntaxError) and error.filename == source:
        lines.append(error.lineno)
    where = f"line {lines[-1]} of {Path(source).name}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"


def imported_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files of modules that strategy files brought in from their own folders."""
    folders = [path.resolve().parent for path in paths]
    loaded = {Path(file) for name in _BROUGHT_IN if (file := getattr(sys.modules.get(name), "__file__", None))}
    return sorted(file for file in loaded if any(file.is_relative_to(folder) for folder in folders))


def unload_modules(files: Iterable[Path]) -> None:
    """Let modules of these files be imported anew, from their text; whoever holds one keeps it."""
    gone = {str(file) for file in files}
    for name in _BROUGHT_IN & sys.modules.keys():
        if getattr(sys.modules[name], "__file__", None) in gone:
            del sys.modules[name]
    for file in gone:  # byte code that looks fresh when a file is edited within one second
        Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)
    importlib.invalidate_caches()


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Compiles the text every time: byte code on disk looks fresh when a file is edited within one second."""

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
    if folder not in sys.path:  # modules beside it can be imported, as for a script
        sys.path.append(folder)
    sys.modules[name] = module  # dataclasses and pydantic look their own module up while it runs
    known = set(sys.modules)
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InvalidStrategyFile(path, describe_failure(error, source)) from error
    finally:
        _BROUGHT_IN.update(new for new in set(sys.modules) - known if _is_users_own(new, folder))
    return module


def _is_users_own(name: str, folder: str) -> bool:
    """Tell a module beside a strategy from our own and installed ones, which may lie below its folder too."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or name.partition(".")[0] in _OURS:
        return False
    path = Path(file)
    return path.suffix == ".py" and path.is_relative_to(folder) and not _INSTALLED & set(path.parts)
