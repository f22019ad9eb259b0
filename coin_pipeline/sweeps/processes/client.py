"""The strategy processes, as the evaluation of a sweep uses them."""

import atexit
import fcntl
import logging
import os
import pickle
import select
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
_ENDED = "the process ended while it loaded the strategy"
_PIPE_BYTES = 1 << 20
_SHARES = 4
"""Batches into which the remaining points of a process are divided, so that all end at about the same time."""
_MAX_BATCHES = 8_000
"""Tokens that any pipe has room for: all are written before the first is read."""


class StrategyProcesses:
    """A server that has one strategy loaded and forks a process per core for each request; it starts when needed."""

    def __init__(self) -> None:
        self._key: object = None
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._has_loaded = False
        self._refused: object = None

    def is_begun(self, registry: StrategyRegistry, name: str, code: str) -> bool:
        """Return whether the server of this code of the strategy was started; it may still be loading it."""
        return self._line is not None and self._key == (registry.files, name, code)

    def is_loading(self) -> bool:
        """Return whether the server is still loading the strategy."""
        return self._line is not None and not self._has_loaded and not select.select([self._line], [], [], 0)[0]

    def begin(self, registry: StrategyRegistry, name: str, code: str) -> None:
        """Start the server with a strategy, without waiting until it has loaded it.

        Args:
            registry: The strategies.
            name: Name of the strategy.
            code: Digest of its code: after an edit, it is loaded again.
        """
        key = (registry.files, name, code)
        if self._refused == key or self.is_begun(registry, name, code):
            return
        self.close()
        self._key = key
        if reason := self._start(registry, name):
            self._refuse(name, reason)

    def start(self, registry: StrategyRegistry, name: str, code: str) -> bool:
        """Wait until the server has loaded a strategy; return False, and log why, if it cannot. Arguments as above."""
        self.begin(registry, name, code)
        if not self.is_begun(registry, name, code):
            return False
        if self._line is not None and not self._has_loaded:
            try:
                reason: str | None = receive(self._line.fileno())
            except (EOFError, OSError):
                reason = _ENDED
            self._has_loaded = reason is None
            if reason is not None:
                self._refuse(name, reason)
        return self._has_loaded

    def _refuse(self, name: str, reason: str) -> None:
        self._refused = self._key
        self.close()
        _LOGGER.warning(
            "strategy %r runs in one process, because it cannot be loaded in another one: %s; move it into a strategy"
            " file to sweep it on all cores",
            name,
            reason,
        )

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
        self._has_loaded = False

    def _start(self, registry: StrategyRegistry, name: str) -> str | None:
        """Start the server; return None, or why it cannot load the strategy."""
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
        except OSError:
            return _ENDED
        return None

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
        write(supply, b"".join(TOKEN.pack(*batch) for batch in split_batches(len(request.params), len(bars), count)))
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


def split_batches(points: int, bars: int, processes: int) -> list[tuple[int, int]]:
    """Return the first point of each batch, and the point after its last.

    A pipe has room for a batch, so that a process need not wait until it is read. The last batches are small: a process
    that has none left is idle until the others end.

    >>> split_batches(9, 1000, 1)
    [(0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9)]
    >>> split_batches(1000, 100_800, 2)[:2]
    [(0, 10), (10, 20)]
    """
    smallest, largest = -(-points // _MAX_BATCHES), _PIPE_BYTES // bars
    batches, first = [], 0
    while first < points:
        size = max(smallest, min(largest, (points - first) // (_SHARES * processes)))
        stop = min(first + size, points)
        batches.append((first, stop))
        first = stop
    return batches


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
