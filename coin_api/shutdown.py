"""Hearing early that the server is told to stop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_stop(act: Callable[[], None]) -> Iterator[None]:
    """Have the loop call `act` when SIGINT or SIGTERM comes, beside whatever handles them now.

    The server tells the application only after every connection is closed, so a stream that waited for that would
    hold it up. Where the application runs beside a main thread, no signals reach it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    former = {number: handler for number in signals if callable(handler := signal.getsignal(number))}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        former[signal.Signals(number)](number, frame)

    for number in former:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
