"""The process that uses Ray for one sweep or one inspection of the nodes.

It ends when the process that started it does, or when the cluster is lost.

Workers execute `_evaluate` and `_describe_installed` as they are defined here: Ray copies functions of a main module,
so that a worker without this package reports that instead of failing to find the function.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from coin_pipeline.errors import ChunkLost, ClusterMismatch, ClusterUnavailable, ObjectStoreFull
from coin_pipeline.sweeps.cluster.messages import HEAD_ENDED, Alive, Failure, Inspection, Outcome, Part
from coin_pipeline.sweeps.processes.protocol import describe_error, receive, send

MAX_LOSSES = 3
"""Times that a part may be lost with its worker: each costs one evaluation more, and it may be the part's own fault."""
PARTS_PER_CPU = 2
"""Parts that the cluster has at a time for each of its processors, so that none waits for the next one."""
CONNECT_S = 5.0
"""Time that the head may take to accept a connection, seconds."""
CAPACITY_S = 1.0
"""How often the processors of the cluster are counted, and a sign of life is sent while this process waits, seconds."""
NO_CPUS_S = 60.0
"""Time that a cluster may have no processors, seconds: nodes may be about to join."""


def _evaluate(reference: Any, first: int, stop: int) -> Any:  # noqa: ANN401 -- Ray's
    from coin_pipeline.sweeps.cluster.messages import Part  # noqa: PLC0415 -- where this is executed
    from coin_pipeline.sweeps.cluster.worker import run  # noqa: PLC0415

    return run(reference[0], Part(first, stop))


def _describe_installed() -> Any:  # noqa: ANN401 -- Ray's
    from coin_pipeline.sweeps.cluster.worker import describe_installed  # noqa: PLC0415 -- where this is executed

    return describe_installed()


def _count_cpus() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


class Driver:
    """Submits parts as Ray tasks and sends their outcomes.

    Args:
        line: Descriptor of the line to the run.
        reference: Reference to the job and the references to its candles.
        address: Address of the cluster.
        count_cpus: Returns the number of processors of the cluster.
        no_cpus_s: Time that it may have none, seconds.
    """

    def __init__(
        self,
        line: int,
        reference: Any,  # noqa: ANN401 -- Ray's
        address: str,
        count_cpus: Callable[[], int] = _count_cpus,
        no_cpus_s: float = NO_CPUS_S,
    ) -> None:
        self._line = line
        self._address = address
        self._count_cpus = count_cpus
        self._no_cpus_s = no_cpus_s
        self._reference = reference
        # Lost tasks are repeated here and not by Ray, so that they are counted.
        self._task = ray.remote(num_cpus=1, max_retries=0)(_evaluate)
        self._events = SimpleQueue[Part | tuple[Part, Future[Any]]]()
        self._losses: dict[Part, int] = {}
        self._cpus, self._counted_at = 0, -CAPACITY_S
        self._had_cpus_at = time.monotonic()

    def run(self) -> None:
        """Evaluate parts until the other side closes the line, which ends this process.

        Raises:
            ClusterUnavailable: The cluster has no processors.
        """
        Thread(target=self._receive, daemon=True).start()
        while True:
            try:
                event = self._events.get(timeout=CAPACITY_S)
            except Empty:
                self.wait()
                continue
            if isinstance(event, Part):
                self._submit(event)
            else:
                self._finish(*event)

    def wait(self) -> None:
        """Send a sign of life: this process waits for workers.

        A worker ends a part without progress by itself, so whatever is in flight either progresses or waits for a core.

        Raises:
            ClusterUnavailable: The cluster has no processors.
        """
        self.capacity()
        send(self._line, Alive())

    def capacity(self) -> int:
        """Return the number of parts that the cluster should have; nodes may have joined or left it.

        Raises:
            ClusterUnavailable: It has had no processors for some time.
        """
        now = time.monotonic()
        if now - self._counted_at >= CAPACITY_S:
            self._cpus, self._counted_at = self._count_cpus(), now
            if self._cpus:
                self._had_cpus_at = now
            elif now - self._had_cpus_at >= self._no_cpus_s:
                reason = "it has no processors; add a node that has some ('ray start --address HEAD:PORT')"
                raise ClusterUnavailable(self._address, reason)
        return max(1, PARTS_PER_CPU * self._cpus)

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


def _connect(address: str) -> None:
    """Connect to the cluster.

    Raises:
        ClusterUnavailable: It cannot be reached.
        ClusterMismatch: Its versions of Ray or Python differ.
    """
    try:
        if address != "auto":  # Ray itself takes most of a minute to report that nothing listens there
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_S).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (OSError, ValueError, RayError) as error:
        raise ClusterUnavailable(address, _one_line(error)) from error
    except RuntimeError as error:
        if "ersion mismatch" in str(error):
            raise ClusterMismatch(_one_line(error)) from error
        raise ClusterUnavailable(address, _one_line(error)) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def serve(line: int, answer: Callable[[int, str], None] | None = None) -> None:
    """Evaluate a sweep or inspect the nodes, and send why that failed.

    Args:
        line: Descriptor of the line to the run, which first sends the address of the cluster.
        answer: Connects to the cluster and does what the run asks for; called with both.
    """
    address = receive(line)
    try:
        (answer or _answer)(line, address)
    except Exception as error:  # noqa: BLE001 -- the run raises it
        with suppress(OSError):  # the run has ended
            send(line, Failure(describe_error(_driver_failure(address, error))))


def _driver_failure(address: str, error: Exception) -> Exception:
    """Return the error for what was raised in this process."""
    if isinstance(error, ObjectStoreFullError | OutOfDiskError):
        return ObjectStoreFull(_one_line(error))
    if isinstance(error, RayError | ConnectionError):
        return ClusterUnavailable(address, f"{HEAD_ENDED} ({_one_line(error)})")
    return error


def _answer(line: int, address: str) -> None:
    """Connect, and inspect the nodes or evaluate a sweep."""
    _connect(address)
    send(line, Alive())
    message = receive(line)
    if isinstance(message, Inspection):
        from coin_pipeline.sweeps.cluster.inspection import inspect_nodes  # noqa: PLC0415 -- loads the engine

        send(line, inspect_nodes(ray.remote(_describe_installed), message.limit_s))
    else:
        _evaluate_sweep(line, address, message)


def _evaluate_sweep(line: int, address: str, message: Any) -> None:  # noqa: ANN401 -- candles or the job
    """Receive further candles and the job, and evaluate parts."""
    candles: dict[str, Any] = {}
    while isinstance(message, tuple):
        symbol, words = message
        candles[symbol] = ray.put(words)
        message = receive(line)
    driver = Driver(line, ray.put((message, candles)), address)
    send(line, driver.capacity())
    driver.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
