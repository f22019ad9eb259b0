"""Copies of single objects, each with a function that restores the object in place."""

import functools
import operator
import random
import sys
from array import array
from collections import deque
from collections.abc import Callable, MutableMapping
from types import CellType, FunctionType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Restore: TypeAlias = Callable[[], bool]
"""Restores one object and returns whether it had changed, as far as that can be seen without comparing values."""
CachedFunction: TypeAlias = "functools._lru_cache_wrapper[Any]"  # noqa: SLF001 -- the only name of this class
_MISSING = object()


def save_mapping(mapping: MutableMapping[Any, Any]) -> Restore:
    """Save the items of a mapping."""
    saved = dict(mapping)

    def restore() -> bool:
        if len(mapping) == len(saved) and all(map(operator.is_, mapping.values(), saved.values())):
            return False
        added = [key for key in mapping if key not in saved]
        for key in added:
            del mapping[key]
        changed = [key for key, value in saved.items() if mapping.get(key, _MISSING) is not value]
        for key in changed:
            mapping[key] = saved[key]
        return bool(added or changed)

    return restore


def save_items(items: Any) -> Restore:  # noqa: ANN401 -- list, bytearray, array, set or deque
    """Save the items of a sequence or a set."""
    saved = list(items)

    def restore() -> bool:
        if len(items) == len(saved) and all(map(operator.is_, items, saved)):
            return False
        if isinstance(items, list | bytearray):
            items[:] = saved
        elif isinstance(items, array):
            items[:] = array(items.typecode, saved)
        else:
            items.clear()
            (items.extend if isinstance(items, deque) else items.update)(saved)
        return True

    return restore


def class_attributes(kind: type) -> dict[str, object]:
    """Return the attributes of a class without dunder names, which are Python's and pydantic's own."""
    return {name: value for name, value in vars(kind).items() if not name.startswith(("__", "_abc_"))}


def save_class(kind: type) -> Restore:
    """Save the attributes of a class."""
    saved = class_attributes(kind)

    def restore() -> bool:
        now = class_attributes(kind)
        added = now.keys() - saved.keys()
        for name in added:
            type.__delattr__(kind, name)
        changed = [name for name, value in saved.items() if now.get(name, _MISSING) is not value]
        for name in changed:
            type.__setattr__(kind, name, saved[name])
        return bool(added or changed)

    return restore


def slot_values(item: object) -> dict[str, object]:
    """Return the values of an instance's slots that are assigned."""
    slots = [vars(kind).get("__slots__", ()) for kind in type(item).__mro__]
    names = [name for group in slots for name in ([group] if isinstance(group, str) else group)]
    return {name: getattr(item, name) for name in names if not name.startswith("__") and hasattr(item, name)}


def save_slots(item: object) -> Restore:
    """Save the values of an instance's slots."""
    saved = slot_values(item)

    def restore() -> bool:
        now = slot_values(item)
        added = now.keys() - saved.keys()
        for name in added:
            object.__delattr__(item, name)
        changed = [name for name, value in saved.items() if now.get(name, _MISSING) is not value]
        for name in changed:
            object.__setattr__(item, name, saved[name])
        return bool(added or changed)

    return restore


def cell_content(cell: CellType) -> object:
    """Return the value of a closure's variable; a marker if it is not assigned."""
    try:
        return cell.cell_contents
    except ValueError:
        return _MISSING


def save_cell(cell: CellType) -> Restore:
    """Save the value of a closure's variable."""
    saved = cell_content(cell)

    def restore() -> bool:
        if cell_content(cell) is saved:
            return False
        if saved is _MISSING:
            del cell.cell_contents
        else:
            cell.cell_contents = saved
        return True

    return restore


def save_defaults(function: FunctionType) -> Restore:
    """Save which objects are the default arguments of a function."""
    saved = function.__defaults__, function.__kwdefaults__

    def restore() -> bool:
        changed = function.__defaults__ is not saved[0] or function.__kwdefaults__ is not saved[1]
        function.__defaults__, function.__kwdefaults__ = saved
        return changed

    return restore


def clear_cache(cached: CachedFunction) -> Restore:
    """Have the results of a cached function discarded: they are computed again."""

    def restore() -> bool:
        filled = bool(cached.cache_info().currsize)
        cached.cache_clear()
        return filled

    return restore


def save_array(values: npt.NDArray[Any]) -> Restore:
    """Save the values of an array."""
    saved = values.copy()

    def restore() -> bool:
        if values.flags.writeable and values.shape == saved.shape:
            np.copyto(values, saved)
        return False

    return restore


def save_table(table: Any) -> Restore:  # noqa: ANN401 -- pandas' own protocol for pickle and copy
    """Save a DataFrame or a Series."""
    saved = table.copy()

    def restore() -> bool:
        table.__setstate__(saved.copy().__getstate__())
        return False

    return restore


def save_generator(generator: random.Random | np.random.Generator | np.random.RandomState) -> Restore:
    """Save the state of a random generator."""
    if isinstance(generator, random.Random):
        assign: Callable[[Any], None] = generator.setstate
        state: Any = generator.getstate()
    elif isinstance(generator, np.random.RandomState):
        assign, state = generator.set_state, generator.get_state()
    else:
        bits = generator.bit_generator
        assign, state = functools.partial(setattr, bits, "state"), bits.state

    def restore() -> bool:
        assign(state)
        return False

    return restore


def is_table(item: object) -> bool:
    """Return whether an object is a DataFrame or a Series, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(item, pandas.DataFrame | pandas.Series)
