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
Prefetch: TypeAlias = Callable[[npt.NDArray[Any], int], None]


class ArrayAtAddress(Protocol):
    """What type checkers know of ``array_at_address``."""

    def __call__(self, like: npt.NDArray[ScalarT], address: int, length: int) -> npt.NDArray[ScalarT]:
        """See ``array_at_address``."""


class BorrowedSlice(Protocol):
    """What type checkers know of ``borrowed_slice``."""

    def __call__(self, column: npt.NDArray[ScalarT], first: int, end: int) -> npt.NDArray[ScalarT]:
        """See ``borrowed_slice``."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, keep the machine code on disk, and release the GIL while it runs.

    No fastmath and no parallel loops: a figure has the same bits on every machine, and a server may fork. A kernel
    calls kernels and reads constants of its own module only, because stored code is renewed when its own file changes,
    not when another's. The three instructions below are the exception: who changes one touches the files that use it.
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


prefetch: Prefetch = cast("Prefetch", intrinsic(_prefetch))
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


borrowed_slice: BorrowedSlice = cast("BorrowedSlice", intrinsic(_part))
"""Within a kernel, what ``column[first:end]`` is for places within it, without a reference to the column.

References are counted by locked writes: more than a loop over a few bars costs. It must not outlive its column.
"""


def _column_at(_: Any, like: Any, address: Any, length: Any) -> Any:  # noqa: ANN401, ARG001 - as above
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - same
        own = context.make_array(signature.return_type)(context, builder)
        itemsize = context.get_constant(numba.intp, context.get_abi_sizeof(context.get_data_type(like.dtype)))
        _, start, count = arguments
        data = builder.inttoptr(start, own.data.type)
        populate_array(own, data, [count], [itemsize], itemsize, None)  # type: ignore[no-untyped-call]
        return own._getvalue()  # noqa: SLF001 - numba's own way

    return like(like, numba.intp, numba.intp), generate


array_at_address: ArrayAtAddress = cast("ArrayAtAddress", intrinsic(_column_at))
"""Within a kernel, the array of the type of ``like`` that begins at an address, to read many columns where they are.

Nothing is checked: who hands in addresses is sure of the columns' type, and keeps them until the kernel is done.
"""
