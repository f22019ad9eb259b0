"""Health checks: probes of all components at once, each with a thread of its own and a time limit."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coin_pipeline.errors import CoinError

Probe = Callable[[], str | None]
"""Checks one component; returns its problem in a sentence for clients, or None, or raises CoinError."""
LIMIT_S = 1.5
"""How long a check waits for its probes."""
MAX_AGE_S = 1.0
"""How long the result of a check is used again."""
MIN_FREE_BYTES = 200 * 2**20
NO_RESPONSE = f"it did not respond within {LIMIT_S:g} s"
_log = logging.getLogger("coin.api")


class HealthChecks:
    """Checks all components for any number of concurrent callers.

    A probe that hangs keeps its thread, and is not started again until it returns; so there are never more threads than
    probes, and requests do not wait for them.
    """

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self._executor = ThreadPoolExecutor(len(probes), "health")
        self._running: dict[str, asyncio.Future[str | None]] = {}
        self._check: asyncio.Task[dict[str, str | None]] | None = None
        self._fresh_until = 0.0
        self._logged: dict[str, str | None] = {}

    async def problems(self) -> dict[str, str | None]:
        """Return the problem of each component, None if it is healthy; as of MAX_AGE_S ago at most."""
        if self._check is None or (self._check.done() and time.monotonic() > self._fresh_until):
            self._check = asyncio.create_task(self._run())
        return await asyncio.shield(self._check)  # a caller that disconnects must not cancel it for the others

    def close(self) -> None:
        """Stop starting probes."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> dict[str, str | None]:
        loop = asyncio.get_running_loop()
        for name in self._probes:
            if name not in self._running or self._running[name].done():
                self._running[name] = loop.run_in_executor(self._executor, self._probe, name)
        await asyncio.wait(self._running.values(), timeout=LIMIT_S)
        self._fresh_until = time.monotonic() + MAX_AGE_S
        return {name: probe.result() if probe.done() else NO_RESPONSE for name, probe in self._running.items()}

    def _probe(self, name: str) -> str | None:
        try:
            problem = reason = self._probes[name]()
        except CoinError as error:
            problem, reason = error.for_clients, str(error)
        except Exception as error:  # noqa: BLE001 -- a probe that fails is a problem of its component
            problem, reason = "its check failed", repr(error)
        if reason != self._logged.get(name):
            _log.warning("health of %s: %s", name, reason or "ok")
            self._logged[name] = reason
        return problem


def low_space(folder: Path) -> str | None:
    """Return a sentence if the disk of a folder is nearly full."""
    free = shutil.disk_usage(folder).free
    return None if free >= MIN_FREE_BYTES else f"only {free // 2**20} MiB of its disk are free"
