"""Health checks of the services of `coin serve`; cheap, since containers run them every few seconds."""

import http.client
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 5
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""What an HTTP/2 client sends first: the preface and empty settings; the server sends its own settings."""
_SETTINGS_FRAME = 4
_ALL_ADDRESSES = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- only compared
"""Where a server responds that listens on all addresses, or on the default one."""
_PATHS = {"api": "/health/live", "ui": "/server_info"}


def is_serving(service: str, port: int, data_root: Path, database_url: str, bind: str = "127.0.0.1") -> bool:
    """Return whether a service on this host responds.

    Args:
        service: Name of the service; `init` never serves.
        port: Port of the api or the ui.
        data_root: Folder of the sockets.
        database_url: Database that the daemon has locked.
        bind: Address on which the api and the ui listen.
    """
    checks: dict[str, Callable[[], bool]] = {
        "api": lambda: _answers_http(bind, port, _PATHS["api"]),
        "ui": lambda: _answers_http(bind, port, _PATHS["ui"]),
        "code": lambda: _answers_http2(data_root / "dagster" / "code-server.sock"),
        "pool": lambda: _answers_line(data_root / "dagster" / "pool.sock"),
        "daemon": lambda: _has_daemon(database_url),
    }
    try:
        return service in checks and checks[service]()
    except OSError:
        return False


def _answers_http(bind: str, port: int, path: str) -> bool:
    """Return whether a server responds without an error of its own; one that demands a token does."""
    address = _ALL_ADDRESSES.get(bind.strip("[]"), bind.strip("[]"))
    with closing(http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR


def _answers_http2(path: Path) -> bool:
    return _exchange(path, _HTTP2_PREFACE, 9)[3:4] == bytes([_SETTINGS_FRAME])


def _answers_line(path: Path) -> bool:
    return _exchange(path, b'{"runs": true}\n', 1) == b"{"


def _exchange(path: Path, request: bytes, count: int) -> bytes:
    """Send a request to a Unix socket; return the first `count` bytes of the response."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT_S)
        client.connect(str(path))
        client.sendall(request)
        return client.recv(count, socket.MSG_WAITALL)


def _has_daemon(url: str) -> bool:
    """Return whether a daemon is active: it holds the lock of the database and has used it within 15 s."""
    import psycopg2  # the other checks do not pay for it

    from coin_pipeline.database.daemon_lock import active_daemon

    dsn = url.replace("postgresql+psycopg2://", "postgresql://", 1)
    try:
        with closing(psycopg2.connect(dsn, connect_timeout=TIMEOUT_S)) as connection, connection.cursor() as cursor:
            return active_daemon(cursor) is not None
    except psycopg2.Error:
        return False
