"""The server of the strategy processes: it loads the strategy once, and forks the processes of each request.

Its only thread waits. It ends when the process that started it does, and Linux then kills the forked ones.
"""

import contextlib
import gc
import os
import pickle
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.parent_death import end_with_parent
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.isolation import unchanged_bars
from coin_pipeline.strategies.loader import describe_failure, run_strategy
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.processes.protocol import (
    MAX_PROCESSES,
    TOKEN,
    Answer,
    Request,
    StrategySource,
    describe_error,
    map_bars,
    receive,
    send,
)


def serve(line: socket.socket) -> None:
    """Load the strategy, report whether that failed and why, and serve requests until the line is closed.

    Each byte brings the descriptors of the tokens, the request, the candles, and one output per process.
    """
    sys.path[:] = receive(line.fileno())
    try:
        strategy = _load(receive(line.fileno()))
    except Exception as error:  # noqa: BLE001 -- of the user's code, which then runs in the process that started this
        send(line.fileno(), describe_failure(error, ""))
        return
    send(line.fileno(), None)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended processes need no wait: their outputs end with them
    gc.freeze()  # so that the processes share these objects' pages
    while True:
        message, descriptors, *_ = socket.recv_fds(line, 1, 3 + MAX_PROCESSES)
        if not message:
            return
        _fork(strategy, line, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _load(source: StrategySource) -> Strategy[Any]:
    if source.pickled is None:
        return load_registry(source.files).get(source.name)
    strategy: Strategy[Any] = pickle.loads(source.pickled)  # noqa: S301 -- from the process that started this one
    return strategy


def _fork(strategy: Strategy[Any], line: socket.socket, descriptors: Sequence[int]) -> None:
    tokens, request, bars, *outputs = descriptors
    server = os.getpid()
    for output in outputs:
        if os.fork() == 0:
            end_with_parent(server)
            line.close()
            for other in outputs:
                if other != output:
                    os.close(other)  # an output must end with its process
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as the strategy finds it elsewhere
            with contextlib.suppress(BrokenPipeError):  # the process that asks has ended
                _run(strategy, tokens, request, bars, output)
            os._exit(0)


def _run(strategy: Strategy[Any], tokens: int, request: int, bars: int, output: int) -> None:
    """Decide batches in this forked process until no token is left, then report the end."""
    try:
        wanted: Request = pickle.loads(os.pread(request, os.fstat(request).st_size, 0))  # noqa: S301 -- as above
        candles = map_bars(bars)
        with unchanged_bars(strategy, candles, wanted.symbol):
            while token := os.read(tokens, TOKEN.size):
                send(output, _answer(strategy, wanted, candles, *TOKEN.unpack(token)))
        send(output, None)
    except BaseException as error:  # noqa: BLE001 -- this process ends
        send(output, Answer(-1, error=describe_error(error)))


def _answer(strategy: Strategy[Any], request: Request, bars: Bars, first: int, stop: int) -> Answer:
    model = strategy.Params
    try:
        signals = (
            run_strategy(strategy, bars, model.model_validate(request.params[k]), request.locations[k])
            for k in range(first, stop)
        )
        return Answer(first, SignalRows.of(signals))
    except Exception as error:  # noqa: BLE001 -- the process that asks raises it
        return Answer(first, error=describe_error(error))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
