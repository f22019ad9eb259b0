"""Serving an ASGI application with the limits."""

import resource
import socket
import sys

import uvicorn
from starlette.types import ASGIApp

from coin_pipeline.errors import InvalidInput
from coin_pipeline.web.exposure import listen_problem
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.protocol import LimitedConfig

GRACE_S = 3
"""Time for responses in progress when the server is stopped; open event streams must not delay that."""
MAX_WEBSOCKET_BYTES = 1_048_576
SOCKET_BUFFER_BYTES = 262_144
"""Size of a connection's buffers in the kernel, instead of several MB that would hide how fast a client reads."""
OTHER_FILES = 512
"""Files that a server opens besides its connections."""
SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter lock while others wait for it.

The event loop needs it several times per request. With Python's default of 5 ms and eight threads that handle
submissions, p99 of status requests is four times as long (`make bench-load`).
"""


def create_server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """Return a server of `app`."""
    config = LimitedConfig(
        app,
        limits,
        log_config=None,  # the process has configured logging
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn trusts X-Forwarded-For of every local program; the API has a setting for it
        ws_max_size=MAX_WEBSOCKET_BYTES,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket, whose connections inherit its buffers.

    Args:
        address: IPv4 or IPv6 address to listen on; `::` includes IPv4.
        port: The port; 0 lets the system choose.

    Raises:
        InvalidInput: This machine does not have the address, or the port is in use.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual_stack = address == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server((address, port), family=family, dualstack_ipv6=dual_stack)
    except OSError as error:
        raise InvalidInput([listen_problem("--port", address, port, error)]) from error
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    return listener


def serve(app: ASGIApp, address: str, port: int, limits: Limits) -> None:
    """Serve `app` until SIGINT or SIGTERM.

    Raises:
        InvalidInput: This machine does not have the address, or the port is in use.
    """
    _allow_open_files(limits.connections + OTHER_FILES)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    create_server(app, limits).run([listen(address, port)])


def _allow_open_files(count: int) -> None:
    """Raise this process's limit of open files if it is lower, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < count:
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
