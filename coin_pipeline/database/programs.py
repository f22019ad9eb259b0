"""PostgreSQL's client programs, such as pg_dump, and how they connect."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from psycopg2 import extensions

from coin_pipeline.database.embedded.programs import DEBIAN, major_version, packaged_programs
from coin_pipeline.database.session import Connection, psycopg2_url
from coin_pipeline.database.timeouts import WHERE
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import inherited_environment

_SECRETS = ("password", "sslpassword")


class ProgramLogin(NamedTuple):
    """How a program connects: other users can read the arguments of a process, but not its environment.

    Attributes:
        arguments: Arguments of the program, without a password.
        environment: Its environment.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]


def program_login(url: str) -> ProgramLogin:
    """Return how a client program connects to the database of a URL."""
    parameters = extensions.parse_dsn(psycopg2_url(url))
    password = parameters.get("password")
    public = {name: value for name, value in parameters.items() if name not in _SECRETS}
    # Messages in English, and no password prompt.
    environment = inherited_environment({"LC_ALL": "C", **({"PGPASSWORD": password} if password else {})})
    return ProgramLogin(("--no-password", f"--dbname={extensions.make_dsn(**public)}"), environment)


class ServerInfo(NamedTuple):
    """What a program must be able to do to connect as a connection of this process does.

    Attributes:
        version: The server's version as psycopg2 reports it, such as 180006.
        tls: Whether the connection is encrypted.
    """

    version: int
    tls: bool


def server_info(connection: Connection) -> ServerInfo:
    """Return what the programs that follow a connection must be able to do."""
    return ServerInfo(connection.server_version, connection.info.ssl_in_use)


def find_program(name: str, server: ServerInfo) -> Path:
    """Return the packaged program, or the system's if the server is of a newer major version or needs TLS.

    The packaged programs are built without TLS.

    Args:
        name: Name of the program, such as pg_dump.
        server: What the program must be able to do.

    Raises:
        DatabaseUnavailable: No program is new enough, as pg_dump refuses newer servers, or none has TLS.
    """
    required = server.version // 10_000
    for path in _candidates(name, required):
        if major_version(path) >= required and (not server.tls or _has_tls(path)):
            return path
    kind = f"PostgreSQL {required}" + (" with an encrypted connection" if server.tls else "")
    reason = f"it is {kind}, for which there is no {name}; install postgresql-client-{required}"
    raise DatabaseUnavailable(WHERE, reason)


def _candidates(name: str, major: int) -> Iterator[Path]:
    on_path = shutil.which(name)
    for folder in (packaged_programs(), on_path and Path(on_path).parent, DEBIAN / str(major) / "bin"):
        if folder and (folder / name).is_file():
            yield folder / name


def _has_tls(program: Path) -> bool:
    """Return whether a program has TLS; if not, it rejects the parameter before it connects to this missing socket."""
    command = [str(program), "--no-password", "--dbname=host=/nowhere sslmode=require"]
    answer = subprocess.run(  # noqa: S603 -- no shell
        command, env=inherited_environment({"LC_ALL": "C"}), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return b"SSL support is not compiled in" not in answer.stderr
