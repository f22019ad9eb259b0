"""State that a strategy keeps between calls: found by following references from its instance, and restored.

A strategy that learns from all candles in one call and reuses what it learned in the next would hide its look-ahead
from a check that calls it twice. Restoring the state before each call makes every call the first one.
"""

import builtins
import functools
import random
import sys
import sysconfig
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from coin_pipeline.strategies import saved_objects
from coin_pipeline.strategies.base import Strategy, StrategyParams

MAX_OBJECTS = 20_000
"""Objects that are followed, nearest first; state behind more than these is not restored."""
MAX_ARRAY_BYTES = 8_000_000
"""Arrays and tables that are copied, in bytes together; larger ones are not restored."""

_PROJECT = __name__.partition(".")[0]
_PROJECT_FOLDER = Path(__file__).parents[1]
_INSTALL_FOLDERS = frozenset({"site-packages", "dist-packages"})
_STANDARD_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<frozen")
_VALUES = frozenset({"builtins", "numba", "numpy", "pydantic", "pydantic_core"})
"""Packages whose objects, apart from those with a rule, are values or machine code."""
_CONTAINERS = frozenset({"collections", "weakref"})
_IMPORTERS = frozenset({"__loader__", "__spec__"})
"""Globals of a module that lead to its importer, which is not the user's; pytest's refers to every test."""


class StrategyState:
    """The state that a strategy's code can reach, as it was when this object was created.

    Covered are attributes of the instance and of its classes, globals of its module and of the user's other modules,
    closures, default arguments, function attributes, `functools` caches, random generators, and what all of these
    contain. Not covered: attributes of installed packages, running generators, objects of compiled extensions, files.
    Built-in strategies keep no state.

    Args:
        strategy: The strategy.
        *arguments: Further objects that every call receives.
    """

    def __init__(self, strategy: Strategy[Any], *arguments: object) -> None:
        package = type(strategy).__module__.partition(".")[0]
        walk = _Walk(package)
        if not is_built_in(strategy):
            walk.save((strategy, *arguments))
        self._saved, self._values = walk.saved, walk.values

    def restore(self) -> bool:
        """Restore the state; return whether it had changed, apart from values in arrays, tables and generators."""
        self.restore_values()
        return any([restore() for restore in self._saved])  # noqa: C419 -- a list: all of them run

    def restore_values(self) -> None:
        """Restore arrays, tables and random generators, in which a change costs as much to see as to undo."""
        for restore in self._values:
            restore()


def is_built_in(strategy: Strategy[Any]) -> bool:
    """Return whether a strategy is part of this project, and known to keep no state and to change no candles."""
    return type(strategy).__module__.partition(".")[0] == _PROJECT


class _Walk:
    """A breadth-first walk over references.

    Attributes:
        package: Top-level package of the strategy, whose code is the user's even if it is installed.
        saved: Restores the references that were found.
        values: Restores the values that were found.
    """

    def __init__(self, package: str) -> None:
        self.package, self.array_bytes = package, MAX_ARRAY_BYTES
        self.saved: list[saved_objects.Restore] = []
        self.values: list[saved_objects.Restore] = []
        self._mappings = {id(vars(builtins))}
        self._rules: tuple[tuple[Any, Callable[[Any], Iterable[object]]], ...] = (
            ((type(None), bool, int, float, complex, str, bytes, CodeType, np.generic), lambda _: ()),
            (ModuleType, self._module),
            (FunctionType, self._function),
            (type, self._class),
            ((staticmethod, classmethod), lambda item: (item.__func__,)),
            (MethodType, lambda item: (item.__self__, item.__func__)),
            (property, lambda item: (item.fget, item.fset)),
            (functools.cached_property, lambda item: (item.func,)),
            (functools.partial, lambda item: (item.func, item.args, item.keywords)),
            (functools._lru_cache_wrapper, self._cache),  # noqa: SLF001 -- the only name of this class
            (CellType, self._cell),
            ((tuple, frozenset), lambda item: item),
            (dict, self._mapping),
            ((list, set, deque, bytearray, array), self._items),
            ((random.Random, np.random.Generator, np.random.RandomState), self._generator),
            (np.ndarray, self._array),
            (object, self._instance),
        )

    def save(self, roots: tuple[object, ...]) -> None:
        """Save all objects that can be reached from the roots."""
        pending, seen = deque(roots), dict[int, object]({id(vars(builtins)): None})  # keeps them alive: ids stay unique
        while pending and len(seen) < MAX_OBJECTS:
            item = pending.popleft()
            if id(item) not in seen:
                seen[id(item)] = item
                pending.extend(next(rule for kinds, rule in self._rules if isinstance(item, kinds))(item))

    def _module(self, module: ModuleType) -> Iterable[object]:
        file = getattr(module, "__file__", None)
        if not file or not self._is_own_file(file, module.__name__):
            return ()
        self._mapping(vars(module))
        return [value for name, value in vars(module).items() if name not in _IMPORTERS]

    def _function(self, function: FunctionType) -> Iterator[object]:
        self.saved.append(saved_objects.save_defaults(function))
        yield from (function.__defaults__, function.__kwdefaults__, *(function.__closure__ or ()))
        yield from self._mapping(function.__dict__)
        if not self._is_own_file(function.__code__.co_filename, function.__module__):
            return
        module = sys.modules.get(function.__module__)
        if module is not None and vars(module) is function.__globals__ and getattr(module, "__file__", None):
            yield module
            return
        # A notebook's namespace can hold anything: only what the code names is followed.
        self._mapping(function.__globals__)
        yield from (function.__globals__.get(name) for name in set(_names(function.__code__)))

    def _class(self, kind: type) -> Iterator[object]:
        if self._is_own_class(kind):
            self.saved.append(saved_objects.save_class(kind))
            yield from (*kind.__mro__, *vars(kind).values())

    def _cache(self, cached: saved_objects.CachedFunction) -> tuple[object, ...]:
        if self._is_own_code(cached.__module__):
            self.saved.append(saved_objects.clear_cache(cached))
        return (cached.__wrapped__,)

    def _cell(self, cell: CellType) -> tuple[object, ...]:
        self.saved.append(saved_objects.save_cell(cell))
        return (saved_objects.cell_content(cell),)

    def _mapping(self, mapping: MutableMapping[Any, Any]) -> list[object]:
        if id(mapping) not in self._mappings:
            self._mappings.add(id(mapping))
            self.saved.append(saved_objects.save_mapping(mapping))
        return list(mapping.values())

    def _items(self, items: Iterable[object]) -> Iterable[object]:
        self.saved.append(saved_objects.save_items(items))
        return () if isinstance(items, bytearray | array) else list(items)

    def _generator(self, generator: Any) -> tuple[object, ...]:  # noqa: ANN401 -- one of three classes
        self.values.append(saved_objects.save_generator(generator))
        return ()

    def _array(self, values: npt.NDArray[Any]) -> tuple[object, ...]:
        if values.flags.writeable and self._fits(values.nbytes):
            self.values.append(saved_objects.save_array(values))
        return ()

    def _instance(self, item: object) -> Iterator[object]:
        """Save the attributes of an instance; those of the standard library only if they are containers."""
        kind = type(item)
        package = kind.__module__.partition(".")[0]
        if saved_objects.is_table(item):
            if self._fits(int(np.sum(item.memory_usage()))):  # type: ignore[attr-defined]
                self.values.append(saved_objects.save_table(item))
            return
        own = self._is_own_class(kind)
        holder = isinstance(item, SimpleNamespace | threading.local) or package in _CONTAINERS
        foreign = package in _VALUES or package == _PROJECT or package in sys.stdlib_module_names
        if foreign and not own and not holder:
            return
        yield kind
        if isinstance(attributes := getattr(item, "__dict__", None), dict):
            yield from self._mapping(attributes)
        if own:
            self.saved.append(saved_objects.save_slots(item))
            yield from saved_objects.slot_values(item).values()

    def _fits(self, size: int) -> bool:
        if size > self.array_bytes:
            return False
        self.array_bytes -= size
        return True

    def _is_own_class(self, kind: type) -> bool:
        """Return whether a class is the user's, or a base class of this project that a user's class has."""
        return kind in {Strategy, StrategyParams} or self._is_own_code(kind.__module__)

    def _is_own_code(self, module: str) -> bool:
        if module.partition(".")[0] in {_PROJECT, *sys.builtin_module_names}:
            return False
        file = getattr(sys.modules.get(module), "__file__", None)
        return self._is_own_file(file or "", module)

    def _is_own_file(self, file: str, module: str | None) -> bool:
        """Return whether a file is the user's: neither installed nor of Python nor of this project."""
        return (module or "").partition(".")[0] == self.package or _is_user_file(file)


@functools.lru_cache(maxsize=4096)
def _is_user_file(file: str) -> bool:
    if _INSTALL_FOLDERS & set(Path(file).parts):
        return False
    return not (file.startswith(_STANDARD_LIBRARY) or Path(file).is_relative_to(_PROJECT_FOLDER))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
