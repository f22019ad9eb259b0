"""Keeps packages from being loaded that no built-in strategy uses.

Pyarrow loads pandas to create its first array, which takes 0.2 s and 46 MiB. Numba loads scipy, where it is installed,
to check its version. Conversions from and to pandas still work afterwards: they make pyarrow look for it again.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType

_UNUSED = frozenset({"pandas", "scipy"})


class _Hidden(MetaPathFinder):
    """Finder that reports the packages as not installed."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        """Raise ModuleNotFoundError for one of them; leave other modules to the finders that follow."""
        if name.partition(".")[0] in _UNUSED:
            raise ModuleNotFoundError(name=name)


def leave_unloaded() -> None:
    """Have pyarrow and numba look for the packages now, and not find them."""
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        import_module("numba")
        import_module("pyarrow").array([])
    finally:
        sys.meta_path.remove(hidden)
