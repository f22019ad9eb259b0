"""Servers that keep a connection alive without ever finishing."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from pydantic import SecretStr

from coin_pipeline.notifications.mail import MailChannel, MailServer
from coin_pipeline.notifications.message import Channel, Delivery, Notification
from coin_pipeline.notifications.slack import SlackChannel

DEADLINE_S = 0.5


def slack(port: int) -> Channel:
    """Return a channel to a webhook."""
    url = SecretStr(f"http://127.0.0.1:{port}/x")
    return SlackChannel(url, allow_private=True, deadline_s=DEADLINE_S)


def mail(port: int) -> Channel:
    """Return a channel to a mail server."""
    server = MailServer("127.0.0.1", port, "none")
    return MailChannel(server, "a@example.com", ["b@example.com"], deadline_s=DEADLINE_S)


@contextmanager
def dripping(first: bytes) -> Iterator[int]:
    """Yield the port of a server that sends `first` and then one letter after the other."""
    stopping = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(first)
            while not stopping.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stopping.set()
            thread.join()


@pytest.mark.parametrize(
    ("channel", "first", "server"),
    [(slack, b"HTTP/1.1 200 OK\r\nX-Endless: ", "127.0.0.1"), (mail, b"220-", "127.0.0.1:{port}")],
)
def test_answer_that_never_ends(channel: Callable[[int], Channel], first: bytes, server: str) -> None:
    """No single wait reaches the time-out of the socket, so only the deadline ends the delivery."""
    with dripping(first) as port:
        delivery = channel(port).send(Notification("Test", "text"))
    reason = f"{server.format(port=port)} did not finish its answer within 0.5 s"
    assert delivery == Delivery(delivered=False, reason=reason)
