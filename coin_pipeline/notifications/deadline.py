"""A limit for a whole delivery: time-outs of sockets start again with every byte that arrives."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from coin_pipeline.notifications.message import Delivery

DEADLINE_S = 60.0
"""Longest delivery through any channel, s."""


def send_within(seconds: float, server: str, send: Callable[[], Delivery]) -> Delivery:
    """Return the outcome of a delivery, or that the server took too long.

    The thread of a delivery that took too long ends with its connection; the message may still arrive.

    Args:
        seconds: The limit, s.
        server: Name of the server, for the reason.
        send: Sends and raises nothing.
    """
    outcomes: SimpleQueue[Delivery] = SimpleQueue()
    Thread(target=lambda: outcomes.put(send()), name=f"send to {server}", daemon=True).start()
    try:
        return outcomes.get(timeout=seconds)
    except Empty:
        return Delivery(delivered=False, reason=f"{server} did not finish its answer within {seconds:g} s")
