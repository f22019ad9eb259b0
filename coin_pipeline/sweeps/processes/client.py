"""The strategy processes, as the evaluation of a sweep uses them."""

import atexit
import fcntl
import logging
import os
import pickle
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.errors import StrategyFailed
from coin_pipeline.liveness import report_progress
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.processes.protocol import (
    MAX_PROCESSES,
    TOKEN,
    Answer,
    Request,
    StrategySource,
    rebuild_error,
    receive,
    send,
    write,
    write_bars,
)

_PROGRAM = "coin_pipeline.sweeps.processes"
_LOGGER = logging.getLogger(__name__)
_PIPE_BYTES = 1 << 20
_BATCH_BYTES = 1 << 18
"""Rows of a batch; a pipe has room for a few, so that a process need not wait for them to be read."""
_BATCHES = 8
"""Batches of each process at least, so that all end at about the same time."""
_MAX_BATCHES = 16_000
"""Tokens that any pipe has room for: all are written before the first is read."""


class StrategyProcesses:
    """A server that has one strategy loaded and forks a process per core for each request; it starts when needed."""

    def __init__(self) -> None:
        self._key: object = None
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._refused: object = None

    def is_started(self, registry: StrategyRegistry, name: str, code: str) -> bool:
        """Return whether the server runs and has loaded this code of the strategy."""
        return self._line is not None and self._key == (registry.files, name, code)

    def start(self, registry: StrategyRegistry, name: str, code: str) -> bool:
        """Start the server with a strategy; return False, and log why, if it cannot load the strategy.

        Args:
            registry: The strategies.
            name: Name of the strategy.
            code: Digest of its code: after an edit, it is loaded again.
        """
        key = (registry.files, name, code)
        if self.is_started(registry, name, code):
            return True
        if self._refused == key:
            return False
        self.close()
        reason = self._start(registry, name)
        if reason is None:
            self._key = key
            return True
        self.close()
        self._refused = key
        _LOGGER.warning(
            "strategy %r runs in one process, because it cannot be loaded in another one: %s; move it into a strategy"
            " file to sweep it on all cores",
            name,
            reason,
        )
        return False

    @contextmanager
    def decide(
        self, strategy: Strategy[Any], bars: Bars, request: Request, count: int
    ) -> Iterator[Iterator[tuple[int, SignalRows]]]:
        """Have processes decide points; they start on entry, and are killed if the block raises.

        Args:
            strategy: The strategy that was started.
            bars: The candles.
            request: The points.
            count: Number of processes.

        Yields:
            The index of the first point of each batch and its signals, in the order in which they are ready.

        Raises:
            StrategyFailed: The strategy raised, or changed its candles; or one of the processes was killed.
        """
        try:
            with ExitStack() as stack:
                tokens, outputs = self._send(stack, bars, request, min(count, MAX_PROCESSES))
                yield _answers(strategy, request, tokens, outputs)
        except BaseException:
            self.close()  # kills the processes
            raise

    def close(self) -> None:
        """End the server, and the processes that it forked."""
        if self._line and self._process:
            self._line.close()
            self._process.kill()
            self._process.wait()
        self._line = self._process = self._key = None

    def _start(self, registry: StrategyRegistry, name: str) -> str | None:
        """Start the server; return None, or why it does not load the strategy."""
        if sys.platform != "linux":
            return "this needs Linux"
        try:
            pickled = None if registry.files is not None else pickle.dumps(registry.get(name))
        except Exception as error:  # noqa: BLE001 -- of the user's objects
            return str(error)
        self._line, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter, and a module of this package
                [sys.executable, "-P", "-m", _PROGRAM, str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for the process that started it
            )
        try:
            send(self._line.fileno(), sys.path)
            send(self._line.fileno(), StrategySource(registry.files or (), name, pickled))
            reason: str | None = receive(self._line.fileno())
        except (EOFError, OSError):
            return "the process ended while it loaded the strategy"
        return reason

    def _send(self, stack: ExitStack, bars: Bars, request: Request, count: int) -> tuple[int, list[int]]:
        """Hand a request over; return the descriptors of the tokens and of the outputs, closed with the stack."""
        if self._line is None:
            msg = "the server is not started"
            raise RuntimeError(msg)

        def opened(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        content, candles = opened(os.memfd_create("request")), opened(os.memfd_create("candles"))
        write(content, pickle.dumps(request))
        write_bars(candles, bars)
        pipes = [os.pipe() for _ in range(count + 1)]
        (tokens, supply), *outputs = pipes
        for output, _ in (*outputs, (tokens, supply)):
            opened(output)
        write(supply, b"".join(TOKEN.pack(first) for first in range(0, len(request.params), request.batch)))
        for _, writable in outputs:
            with suppress(OSError):  # a user may have many pipes, but not many large ones
                fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            socket.send_fds(self._line, [b"\n"], [tokens, content, candles, *(writable for _, writable in outputs)])
        finally:
            for _, writable in pipes:
                os.close(writable)
        return tokens, [output for output, _ in outputs]


@cache
def shared_processes() -> StrategyProcesses:
    """Return the server of this process, which ends with it."""
    processes = StrategyProcesses()
    atexit.register(processes.close)
    return processes


def batch_size(points: int, bars: int, processes: int) -> int:
    """Return the number of points per batch.

    >>> batch_size(50, 1000, 2), batch_size(1000, 100_800, 2)
    (3, 20)
    """
    return max(-(-points // _MAX_BATCHES), min(points // (_BATCHES * processes), 8 * _BATCH_BYTES // bars))


def _answers(
    strategy: Strategy[Any], request: Request, tokens: int, outputs: Sequence[int]
) -> Iterator[tuple[int, SignalRows]]:
    errors: list[Answer] = []
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                answer = _receive(strategy, request, key.fd)
                report_progress()
                if answer is not None and answer.rows is not None:
                    yield answer.first, answer.rows
                    continue
                if answer is None or answer.first < 0:
                    selector.unregister(key.fd)
                if answer is not None:
                    errors.append(answer)
                    os.read(tokens, _PIPE_BYTES)  # batches that no process has begun are not needed
    if errors:
        # The first point at fault, whichever process was faster: a process begins batches in their order.
        error = min(errors, key=lambda answer: answer.first).error
        raise rebuild_error(*(error or ("", "")))


def _receive(strategy: Strategy[Any], request: Request, output: int) -> Answer | None:
    try:
        answer: Answer | None = receive(output)
    except EOFError:
        reason = (
            "a process that computes its signals was killed, perhaps because it needed too much memory; sweep fewer"
            " candles, or use one worker"
        )
        raise StrategyFailed(strategy.name, request.symbol, reason) from None
    return answer
