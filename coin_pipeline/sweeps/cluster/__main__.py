"""The process that uses Ray for one sweep. It ends when the process that started it does, or when the cluster is lost.

Workers execute `_evaluate` as it is defined here: Ray copies functions of a main module, so that a worker without this
package reports that instead of failing to find the function.
"""

import os
import socket
import sys
import time
from concurrent.futures import Future
from dataclasses import replace
from queue import SimpleQueue
from threading import Thread
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from coin_pipeline.errors import ChunkLost, ClusterMismatch, ClusterUnavailable, CoinError
from coin_pipeline.sweeps.cluster.messages import Outcome, Part
from coin_pipeline.sweeps.processes.protocol import describe_error, receive, send

MAX_LOSSES = 3
"""Times that a part may be lost with its worker: each costs one evaluation more, and it may be the part's own fault."""
PARTS_PER_CPU = 2
"""Parts that the cluster has at a time for each of its processors, so that none waits for the next one."""
CONNECT_S = 5.0
"""Time that the head may take to accept a connection, seconds."""
CAPACITY_S = 1.0
"""How often the processors of the cluster are counted, seconds."""


def _evaluate(reference: Any, first: int, stop: int) -> Any:  # noqa: ANN401 -- Ray's
    from coin_pipeline.sweeps.cluster.messages import Part  # noqa: PLC0415 -- where this is executed
    from coin_pipeline.sweeps.cluster.worker import run  # noqa: PLC0415

    return run(reference[0], Part(first, stop))


class _Driver:
    """Submits parts as Ray tasks and sends their outcomes."""

    def __init__(self, line: int, reference: Any) -> None:  # noqa: ANN401 -- Ray's
        self._line = line
        self._reference = reference
        # Lost tasks are repeated here and not by Ray, so that they are counted.
        self._task = ray.remote(num_cpus=1, max_retries=0)(_evaluate)
        self._events = SimpleQueue[Part | tuple[Part, Future[Any]]]()
        self._losses: dict[Part, int] = {}
        self._capacity, self._counted_at = 0, -CAPACITY_S

    def run(self) -> None:
        """Evaluate parts until the other side closes the line, which ends this process."""
        Thread(target=self._receive, daemon=True).start()
        while True:
            event = self._events.get()
            if isinstance(event, Part):
                self._submit(event)
            else:
                self._finish(*event)

    def capacity(self) -> int:
        """Return the number of parts that the cluster should have; nodes may have joined or left it."""
        if time.monotonic() - self._counted_at >= CAPACITY_S:
            cpus = int(ray.cluster_resources().get("CPU", 0))
            self._capacity, self._counted_at = max(1, PARTS_PER_CPU * cpus), time.monotonic()
        return self._capacity

    def _receive(self) -> None:
        try:
            while True:
                self._events.put(receive(self._line))
        except (EOFError, OSError):
            os._exit(0)  # Ray then ends the tasks

    def _submit(self, part: Part) -> None:
        future = self._task.remote([self._reference], part.first, part.stop).future()
        future.add_done_callback(lambda done: self._events.put((part, done)))

    def _finish(self, part: Part, done: "Future[Any]") -> None:
        outcome = Outcome(part, None, None, self.capacity())
        try:
            trials, error = done.result()
            outcome = replace(outcome, trials=trials, error=error)
        except RayTaskError as failure:
            outcome = replace(outcome, error=describe_error(_worker_failure(failure.cause)))
        except RayError as loss:
            self._losses[part] = self._losses.get(part, 0) + 1
            if self._losses[part] < MAX_LOSSES:
                self._submit(part)
                return
            lost = ChunkLost(part.first, part.stop, MAX_LOSSES, type(loss).__name__)
            outcome = replace(outcome, error=describe_error(lost))
        send(self._line, outcome)


def _worker_failure(cause: BaseException) -> BaseException:
    """Return the error for what a worker raised outside of the evaluation itself."""
    if isinstance(cause, ImportError):
        return ClusterMismatch(f"a worker cannot load coin-pipeline ({cause}); install the same version with 'ray'")
    return cause


def _connect(address: str) -> CoinError | None:
    """Connect to the cluster; return why that failed."""
    try:
        if address != "auto":  # Ray itself takes most of a minute to report that nothing listens there
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_S).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (OSError, ValueError, RayError) as error:
        return ClusterUnavailable(address, _one_line(error))
    except RuntimeError as error:
        if "ersion mismatch" in str(error):
            return ClusterMismatch(_one_line(error))
        return ClusterUnavailable(address, _one_line(error))
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def serve(line: int) -> None:
    """Connect, receive the candles and the job, and evaluate parts."""
    failure = _connect(receive(line))
    send(line, failure and describe_error(failure))
    if failure:
        return
    candles: dict[str, Any] = {}
    while isinstance(message := receive(line), tuple):
        symbol, words = message
        candles[symbol] = ray.put(words)
    driver = _Driver(line, ray.put((message, candles)))
    send(line, driver.capacity())
    driver.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
