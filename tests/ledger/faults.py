"""Copies of modules with a planted fault."""

import builtins
import inspect
from types import ModuleType, SimpleNamespace
from typing import Any


def plant(old: str, new: str, *modules: ModuleType) -> list[ModuleType]:
    """Return copies of modules with one change in the source of one of them.

    Args:
        old: Text that occurs once in the modules.
        new: What replaces it.
        modules: Modules in the order of their imports; the copies import each other.
    """
    copies: dict[str, ModuleType] = {}

    def load(name: str, *arguments: Any) -> object:  # noqa: ANN401 -- those of __import__
        if name in copies:
            return copies[name]
        module, names = builtins.__import__(name, *arguments), arguments[2] or ()
        own = {short: copies[f"{name}.{short}"] for short in names if f"{name}.{short}" in copies}
        return SimpleNamespace(**{**vars(module), **own}) if own else module

    sources = {module.__name__: inspect.getsource(module) for module in modules}
    assert sum(source.count(old) for source in sources.values()) == 1
    for name, source in sources.items():
        copies[name] = ModuleType(name)
        vars(copies[name])["__builtins__"] = {**vars(builtins), "__import__": load}
        exec(source.replace(old, new), vars(copies[name]))  # noqa: S102 -- our own code
    return list(copies.values())
