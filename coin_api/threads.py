"""Threads of the routes that need no database: they do not wait behind requests that wait for it."""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 4
_limiter: RunVar[CapacityLimiter] = RunVar("_limiter")


def without_database(route: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Run a route that needs no database in threads of its own instead of FastAPI's."""

    @wraps(route)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            limiter = _limiter.get()
        except LookupError:
            limiter = CapacityLimiter(THREADS)
            _limiter.set(limiter)
        return await run_sync(partial(route, *args, **kwargs), limiter=limiter)

    return run
