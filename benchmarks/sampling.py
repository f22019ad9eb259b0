"""Values that are read at intervals while something else runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def sampled(read: Callable[[], T], interval_s: float) -> Iterator[list[T]]:
    """Call `read` in a thread while the block runs, rarely enough not to disturb what is measured.

    Args:
        read: Returns one sample.
        interval_s: Time between two samples, s.
    """
    samples: list[T] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(interval_s):
            samples.append(read())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
