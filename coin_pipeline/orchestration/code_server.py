"""Dagster's code server: `python -m coin_pipeline.orchestration.code_server`, with the options of `dagster api grpc`.

It listens on a Unix socket that only its owner can reach, as it has no authentication.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_pipeline import logs
from coin_pipeline.errors import InvalidSettings, Problem
from coin_pipeline.orchestration._dagster_internals import GrpcServerTarget, code_server_command, keep_log_handlers
from coin_pipeline.settings import Settings, load_settings

LOCATION = "coin_pipeline"
_UNIX = "unix:"
_SOCKET = "code-server.sock"
_MAX_PATH_BYTES = 107
"""Longest path of a Unix socket."""


def main() -> None:
    """Serve the code until SIGINT or SIGTERM."""
    logs.configure(load_settings(), "code-server")
    keep_log_handlers()
    code_server_command()()


def code_server_target(settings: Settings) -> GrpcServerTarget:
    """Return the address that COIN_CODE_SERVER names, by default a socket under DATA_ROOT.

    Raises:
        InvalidSettings: The path of the socket is too long.
    """
    address = settings.coin_code_server or f"{_UNIX}{_default_socket(settings)}"
    if not address.startswith(_UNIX):
        host, port = address.rsplit(":", 1)
        return GrpcServerTarget(host=host, port=int(port), socket=None, location_name=LOCATION)
    path = address.removeprefix(_UNIX)
    if _is_too_long(path):
        reason = f"the path {path} is longer than the {_MAX_PATH_BYTES} bytes of a Unix socket; choose a shorter one"
        raise InvalidSettings([Problem("COIN_CODE_SERVER", reason)])
    return GrpcServerTarget(host="localhost", port=None, socket=path, location_name=LOCATION)


def workspace_text(target: GrpcServerTarget) -> str:
    """Return the content of a workspace file that points at a code server."""
    address = {"socket": target.socket} if target.socket else {"host": target.host, "port": target.port}
    server = {**address, "location_name": target.location_name}
    return json.dumps({"load_from": [{"grpc_server": server}]}, indent=2) + "\n"  # JSON is YAML


@contextmanager
def private_address(settings: Settings) -> Iterator[str]:
    """Yield an address for a code server of this user alone: under DATA_ROOT, or in a temporary folder if too long."""
    path = _default_socket(settings)
    if not _is_too_long(path):
        yield f"{_UNIX}{path}"
        return
    with tempfile.TemporaryDirectory(prefix="coin-") as folder:
        yield f"{_UNIX}{Path(folder) / _SOCKET}"


def _default_socket(settings: Settings) -> Path:
    return settings.data_root / "dagster" / _SOCKET


def _is_too_long(path: str | Path) -> bool:
    return len(os.fsencode(path)) > _MAX_PATH_BYTES


if __name__ == "__main__":
    main()
