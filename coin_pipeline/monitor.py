"""Threads that run checks every few seconds for as long as the process lives."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

STUCK_S = 300.0
"""The daemon is restarted if no round ends for this long, which exceeds a round that waits for a slow store."""
Check = Callable[[], str]
"""Does its work once, and returns a log line, or an empty string if there was nothing to do."""
_log = logging.getLogger("coin.monitor")


class Monitor:
    """Runs checks in a thread of its own; an error of one check is logged, and the check runs again.

    Args:
        open_checks: Opens what the checks need and returns them by name; called again until it succeeds.
        interval_s: Pause between rounds, s.
        name: Name of the thread.
    """

    def __init__(
        self, open_checks: Callable[[], Mapping[str, Check]], interval_s: float = 5.0, name: str = "monitor"
    ) -> None:
        self._open_checks = open_checks
        self._interval_s = interval_s
        self.name = name
        self._checks: Mapping[str, Check] = {}
        self._last_errors: dict[str, str] = {}
        self._round_ended = time.monotonic()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread, which ends with the process if it is not stopped."""
        threading.Thread(target=self._loop, name=self.name, daemon=True).start()
        _log.info("%s: a round every %g s", self.name, self._interval_s)

    def stop(self) -> None:
        """Let the thread end after its current round, without waiting for it."""
        self._stopping.set()

    @property
    def is_stuck(self) -> bool:
        """Whether no round has ended for STUCK_S."""
        return time.monotonic() - self._round_ended > STUCK_S

    def run_round(self) -> None:
        """Run each check once."""
        if not self._checks:
            self._attempt(self.name, self._open)
        for name, check in self._checks.items():
            self._attempt(name, check)
        self._round_ended = time.monotonic()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self.run_round()
            self._stopping.wait(self._interval_s)

    def _open(self) -> str:
        self._checks = self._open_checks()
        return ""

    def _attempt(self, name: str, check: Check) -> None:
        try:
            result = check()
        except Exception as error:  # noqa: BLE001 -- no error may end the loop, whichever library raised it
            message = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            if self._last_errors.get(name) != message:  # once per outage
                _log.warning("%s failed and is retried: %s", name, message, exc_info=error)
            self._last_errors[name] = message
        else:
            if self._last_errors.pop(name, None):
                _log.info("%s works again", name)
            if result:
                _log.info("%s: %s", name, result)
