"""Separate thread pools for kinds of routes, so that no kind waits for another."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

P = ParamSpec("P")
T = TypeVar("T")


def _in_threads(name: str, threads: int) -> Callable[[Callable[P, T]], Callable[P, Coroutine[Any, Any, T]]]:
    """Return a decorator that runs functions in a thread pool of their own, instead of FastAPI's."""
    shared: RunVar[CapacityLimiter] = RunVar(name)

    def decorate(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                limiter = shared.get()
            except LookupError:
                limiter = CapacityLimiter(threads)
                shared.set(limiter)
            return await run_sync(lambda: function(*args, **kwargs), limiter=limiter)

        return run

    return decorate


without_database = _in_threads("without_database", 4)
"""For routes that need no database: they do not wait behind requests that wait for it."""
in_submission_threads = _in_threads("in_submission_threads", 3)
"""For submissions, which take 50 ms of Python each: more threads would compete with the event loop for the interpreter
lock, and delay status responses without accepting more."""
