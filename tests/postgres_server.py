"""A PostgreSQL server for tests of outside databases: with a Unix socket, and a password full of delimiters."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from coin_pipeline.database.embedded.programs import packaged_programs
from coin_pipeline.database.embedded.user import cluster_account
from tests.platforms import free_ports

USER, PASSWORD = "operator @1", "p@ss:w/rd% ?&=ö'\\"


@contextmanager
def outside_postgres(binaries: Path | None = None) -> Iterator[str]:
    """Run a server; yield the URL of its database `postgres` through its socket.

    Args:
        binaries: Folder of the programs; by default, the packaged ones.
    """
    programs = binaries or packaged_programs() or Path()
    with tempfile.TemporaryDirectory(prefix="pg") as folder:  # the path of a socket is limited to 107 bytes
        home, password = Path(folder), Path(folder, "password")
        home.chmod(0o711)
        account = cluster_account(home, programs)
        password.write_text(PASSWORD)
        for path in (home, password):
            os.chown(path, account.uid, account.gid)
        command = [*account.prefix, str(programs / "initdb"), "-D", f"{folder}/data", "--auth=scram-sha-256"]
        subprocess.run(
            [*command, f"--username={USER}", f"--pwfile={password}", "--no-sync"], check=True, stdout=subprocess.DEVNULL
        )
        port = free_ports(1)[0]
        settings = [f"port={port}", f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1", "fsync=off"]
        options = [part for setting in settings for part in ("-c", setting)]
        server = [*account.prefix, str(programs / "pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/data/log"]
        subprocess.run([*server, "-o", " ".join(options), "start"], check=True, stdout=subprocess.DEVNULL)
        try:
            yield (
                f"postgresql://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@/postgres"
                f"?host={folder}&port={port}&sslmode=prefer"
            )
        finally:
            subprocess.run([*server, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL)


def system_programs() -> Path | None:
    """Return the folder of the oldest PostgreSQL server that Debian has installed, if there is one."""
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
