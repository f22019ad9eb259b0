"""How loops over bars are compiled."""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

P = ParamSpec("P")
R = TypeVar("R")
ScalarT = TypeVar("ScalarT", bound=np.generic)
Ask: TypeAlias = Callable[[npt.NDArray[Any], int], None]


class Part(Protocol):
    """What type checkers know of ``part``."""

    def __call__(self, column: npt.NDArray[ScalarT], first: int, end: int) -> npt.NDArray[ScalarT]:
        """See ``part``."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, keep the machine code on disk, and release the GIL while it runs.

    No fastmath and no parallel loops: a figure has the same bits on every machine, and a server may fork. A kernel
    calls kernels and reads constants of its own module only, because stored code is renewed when its own file changes,
    not when another's. The two instructions below are the exception: who changes one touches the files that use it.
    """
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    return compiled


def _prefetch(_: Any, column: Any, place: Any) -> Any:  # noqa: ANN401, ARG001 - what numba hands in is without types
    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:  # noqa: ANN401 - same
        start = context.make_array(column)(context, builder, arguments[0]).data
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        of_kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [pointer], of_kind)
        reading, keep, data = number(0), number(3), number(1)
        element = builder.bitcast(builder.gep(start, [arguments[1]]), pointer)
        builder.call(instruction, [element, reading, keep, data])
        return context.get_dummy_value()

    return numba.types.void(column, numba.intp), generate


prefetch: Ask = cast("Ask", intrinsic(_prefetch))
"""Within a kernel, ask for an element that is read soon and do not wait for it; a place past the end does no harm.

A kernel that jumps through a long column spends most of its time on waiting for memory, unless it asks ahead.
"""


def _part(_: Any, column: Any, first: Any, end: Any) -> Any:  # noqa: ANN401, ARG001 - as above
    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:  # noqa: ANN401 - same
        array, begin, stop = arguments
        whole, own = context.make_array(column)(context, builder, array), context.make_array(column)(context, builder)
        start, shape = builder.gep(whole.data, [begin]), [builder.sub(stop, begin)]
        strides, itemsize = whole.strides, whole.itemsize
        populate_array(own, start, shape, strides, itemsize, None)  # type: ignore[no-untyped-call]
        return own._getvalue()  # noqa: SLF001 - numba's own way

    return column(column, numba.intp, numba.intp), generate


part: Part = cast("Part", intrinsic(_part))
"""Within a kernel, what ``column[first:end]`` is for places within it, without a reference to the column.

References are counted by locked writes: more than a loop over a few bars costs. It must not outlive its column.
"""
