"""How loops over bars are compiled."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, keep the machine code on disk, and release the GIL while it runs.

    No fastmath and no parallel loops: a figure has the same bits on every machine, and a server may fork. A kernel
    calls kernels and reads constants of its own module only, because stored code is renewed when its own file changes,
    not when another's.
    """
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    return compiled
