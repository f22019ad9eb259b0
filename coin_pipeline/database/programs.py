"""PostgreSQL's client programs, such as pg_dump, and how they connect."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from psycopg2 import extensions

from coin_pipeline.database.embedded.programs import DEBIAN, major_version, packaged_programs
from coin_pipeline.database.session import psycopg2_url
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


def find_program(name: str, server_version: int) -> Path:
    """Return the packaged program, or the system's if the server is of a newer major version.

    Args:
        name: Name of the program, such as pg_dump.
        server_version: The server's version as psycopg2 reports it, such as 180006.

    Raises:
        DatabaseUnavailable: No program is new enough; pg_dump refuses newer servers.
    """
    required = server_version // 10_000
    for path in _candidates(name, required):
        if major_version(path) >= required:
            return path
    reason = f"it is PostgreSQL {required}, for which there is no {name}; install postgresql-client-{required}"
    raise DatabaseUnavailable(WHERE, reason)


def _candidates(name: str, major: int) -> Iterator[Path]:
    on_path = shutil.which(name)
    for folder in (packaged_programs(), on_path and Path(on_path).parent, DEBIAN / str(major) / "bin"):
        if folder and (folder / name).is_file():
            yield folder / name
