"""Who sends a request: clients share the queue and the worker pool by their tokens or addresses."""

import ipaddress
from collections.abc import Callable

from fastapi import Request

from coin_pipeline.auth.guard import identity_of
from coin_pipeline.errors import ClientQueueFull, QueueFull

IPV6_PREFIX = 64
"""Bits of an IPv6 address that identify a client: it chooses the others itself."""
QUEUE_SHARE = 4
"""A client may queue this many runs for each free place of the queue."""


async def request_client(request: Request) -> str:
    """Return the client of a request: the name of its token, else the peer's address or the one that a proxy names."""
    if identity := identity_of(request.scope):
        return identity.name
    return client_name(request.client.host if request.client else "")


def client_name(host: str) -> str:
    """Return the name under which a client's runs are recorded.

    >>> client_name("192.0.2.7"), client_name("::ffff:192.0.2.7"), client_name("2001:db8::1:2")
    ('192.0.2.7', '192.0.2.7', '2001:db8::/64')
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a Unix socket has no address
        return host or "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def require_queue_room(waiting: int, limit: int, count_own: Callable[[], int]) -> None:
    """Check that a client may queue another run.

    A client has `QUEUE_SHARE` times as many places as are free, so that there are always some for others: alone it can
    fill four fifths of the queue, one of two clients four ninths.

    Args:
        waiting: Number of queued runs.
        limit: Largest number of queued runs.
        count_own: Counts the client's queued runs; called only if the answer depends on them.

    Raises:
        ClientQueueFull: The client's share is used up.
        QueueFull: The queue is full.
    """
    allowed = QUEUE_SHARE * (limit - waiting)
    if waiting < allowed:  # even if all of them are the client's
        return
    own = count_own()
    if own >= allowed:
        raise QueueFull(waiting, limit) if waiting >= limit else ClientQueueFull(own, waiting, limit)
