"""How much one token may use: requests per second, and requests at the same time."""

import time
from collections import Counter


class RateLimit:
    """Token bucket for each key, which allows a burst of two seconds after a pause.

    Args:
        per_second: Average rate; 0 for no limit.
        burst: Requests at once; defaults to two seconds' worth.
    """

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second = per_second
        self._burst = max(1.0, 2 * per_second if burst is None else burst)
        self._buckets: dict[object, tuple[float, float]] = {}

    def wait_s(self, key: object, now: float | None = None) -> float:
        """Return 0 and count a request, or the seconds until one is allowed.

        Args:
            key: Whose requests are counted.
            now: Monotonic time, s.

        >>> limit = RateLimit(2, burst=1)
        >>> limit.wait_s("a", now=0.0), limit.wait_s("a", now=0.1), limit.wait_s("b", now=0.1)
        (0.0, 0.4, 0.0)
        """
        if not self._per_second:
            return 0.0
        now = time.monotonic() if now is None else now
        left, since = self._buckets.get(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        if left < 1:
            self._buckets[key] = left, now
            return (1 - left) / self._per_second
        self._buckets[key] = left - 1, now
        return 0.0


class Concurrency:
    """Counts the requests that are open for each key.

    Args:
        limit: Largest number for one key.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: Counter[object] = Counter()

    def enter(self, key: object) -> bool:
        """Count a request and return True, unless the key is at the limit."""
        if self._open[key] >= self.limit:
            return False
        self._open[key] += 1
        return True

    def leave(self, key: object) -> None:
        """Count a request as ended."""
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]
