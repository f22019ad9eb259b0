"""Numba compilation of loops over bars, and three low-level intrinsics for use inside kernels."""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

P = ParamSpec("P")
R = TypeVar("R")
ScalarT = TypeVar("ScalarT", bound=np.generic)
Prefetch: TypeAlias = Callable[[npt.NDArray[Any], int], None]


class ArrayAtAddress(Protocol):
    """Static type of ``array_at_address``."""

    def __call__(self, like: npt.NDArray[ScalarT], address: int, length: int) -> npt.NDArray[ScalarT]:
        """See ``array_at_address``."""


class BorrowedSlice(Protocol):
    """Static type of ``borrowed_slice``."""

    def __call__(self, column: npt.NDArray[ScalarT], first: int, end: int) -> npt.NDArray[ScalarT]:
        """See ``borrowed_slice``."""


class _MachineCodeCache(FunctionCache):
    """Numba's cache on disk, except that a hit loads the machine code and nothing else.

    Numba registers its implementations of Python and NumPy before it looks into the cache. That imports 200 modules,
    SciPy included if it is installed, and takes ten times as long as loading the kernels of a backtest. Only a
    compilation needs them, and registers them itself. Machine code needs the runtime that allocates its arrays.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # noqa: ANN401 - numba passes untyped objects
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on first call, cache the machine code on disk, and release the GIL while it runs.

    Fastmath is off so that results are bit-identical on every machine. Parallel loops are off because a server may
    fork. A kernel may only call kernels and read constants of its own module: numba invalidates cached code when that
    file changes, not when another one does. The three intrinsics below are the exception; after changing one, touch
    the files that use it.
    """
    compiled: Any = numba.njit(nogil=True)(function)
    if compiled is not function:  # it is, with NUMBA_DISABLE_JIT
        compiled._cache = _MachineCodeCache(function)  # type: ignore[no-untyped-call] # noqa: SLF001 - no other way
    return cast("Callable[P, R]", compiled)


def _prefetch(_: Any, column: Any, index: Any) -> Any:  # noqa: ANN401, ARG001 - numba passes untyped objects
    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:  # noqa: ANN401 - same
        start = context.make_array(column)(context, builder, arguments[0]).data
        pointer, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [pointer, int32, int32, int32])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [pointer], signature)
        read, keep_in_cache, data = int32(0), int32(3), int32(1)
        element = builder.bitcast(builder.gep(start, [arguments[1]]), pointer)
        builder.call(instruction, [element, read, keep_in_cache, data])
        return context.get_dummy_value()

    return numba.types.void(column, numba.intp), generate


prefetch: Prefetch = cast("Prefetch", intrinsic(_prefetch))
"""Inside a kernel, prefetch an element into the cache without waiting for it. An index past the end is harmless.

A kernel that jumps through a long column is bound by memory latency unless it prefetches.
"""


def _borrowed_slice(_: Any, column: Any, first: Any, end: Any) -> Any:  # noqa: ANN401, ARG001 - as above
    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:  # noqa: ANN401 - same
        array, begin, stop = arguments
        source, view = context.make_array(column)(context, builder, array), context.make_array(column)(context, builder)
        start, shape = builder.gep(source.data, [begin]), [builder.sub(stop, begin)]
        strides, itemsize = source.strides, source.itemsize
        populate_array(view, start, shape, strides, itemsize, None)  # type: ignore[no-untyped-call]
        return view._getvalue()  # noqa: SLF001 - as numba's own intrinsics do

    return column(column, numba.intp, numba.intp), generate


borrowed_slice: BorrowedSlice = cast("BorrowedSlice", intrinsic(_borrowed_slice))
"""Inside a kernel, ``column[first:end]`` as a borrowed reference; both bounds must be within the column.

Reference counts are updated atomically, which costs more than a loop over a few bars. The slice must not outlive its
column.
"""


def _array_at_address(_: Any, like: Any, address: Any, length: Any) -> Any:  # noqa: ANN401, ARG001 - as above
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - same
        array = context.make_array(signature.return_type)(context, builder)
        itemsize = context.get_constant(numba.intp, context.get_abi_sizeof(context.get_data_type(like.dtype)))
        _, start, count = arguments
        data = builder.inttoptr(start, array.data.type)
        populate_array(array, data, [count], [itemsize], itemsize, None)  # type: ignore[no-untyped-call]
        return array._getvalue()  # noqa: SLF001 - as numba's own intrinsics do

    return like(like, numba.intp, numba.intp), generate


array_at_address: ArrayAtAddress = cast("ArrayAtAddress", intrinsic(_array_at_address))
"""Inside a kernel, an array of the same type as ``like`` at a memory address, to read many columns without copying.

Nothing is checked. The caller guarantees the type of the columns and keeps them alive until the kernel returns.
"""
