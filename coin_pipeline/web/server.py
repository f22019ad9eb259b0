"""Serving an ASGI application with the limits."""

import resource
import socket

import uvicorn
from starlette.types import ASGIApp

from coin_pipeline.web.limits import Limits
from coin_pipeline.web.protocol import LimitedConfig

HOST = "127.0.0.1"
GRACE_S = 3
"""Time for responses in progress when the server is stopped; open event streams must not delay that."""
MAX_WEBSOCKET_BYTES = 1_048_576
SOCKET_BUFFER_BYTES = 262_144
"""Size of a connection's buffers in the kernel, instead of several MB that would hide how fast a client reads."""
OTHER_FILES = 512
"""Files that a server opens besides its connections."""


def create_server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """Return a server of `app`."""
    config = LimitedConfig(
        app,
        limits,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn trusts X-Forwarded-For of every local program; the API has a setting for it
        ws_max_size=MAX_WEBSOCKET_BYTES,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def listen(port: int) -> socket.socket:
    """Return a listening socket on loopback, whose connections inherit its buffers; port 0 lets the system choose."""
    listener = socket.create_server((HOST, port))
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    return listener


def serve(app: ASGIApp, port: int, limits: Limits) -> None:
    """Serve `app` on a port of loopback until SIGINT or SIGTERM."""
    _allow_open_files(limits.connections + OTHER_FILES)
    create_server(app, limits).run([listen(port)])


def _allow_open_files(count: int) -> None:
    """Raise this process's limit of open files if it is lower, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < count:
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
