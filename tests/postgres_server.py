"""A PostgreSQL server for tests of outside databases: with a Unix socket, and a password full of delimiters."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from coin_pipeline.database.embedded.programs import packaged_programs
from coin_pipeline.database.embedded.user import Account, cluster_account
from tests.platforms import free_ports

USER, PASSWORD = "operator @1", "p@ss:w/rd% ?&=ö'\\"


class Certificate(NamedTuple):
    """What a server with TLS needs, and the certificate of the authority, which its clients need."""

    private_key: bytes
    chain: bytes
    authority: Path


@contextmanager
def outside_postgres(
    binaries: Path | None = None, certificate: Certificate | None = None, settings: Sequence[str] = ()
) -> Iterator[str]:
    """Run a server; yield the URL of its database `postgres`: through its socket, or with TLS through its port.

    Args:
        binaries: Folder of the programs; by default, the packaged ones.
        certificate: The server's certificate, for 127.0.0.1; with it, connections to the port need TLS.
        settings: Settings of the server, each as name=value.
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
        own = [f"port={port}", f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1", "fsync=off"]
        if certificate:
            own += ["ssl=on", *_store(certificate, home / "data", account)]
        options = [part for setting in (*own, *settings) for part in ("-c", setting)]
        server = [*account.prefix, str(programs / "pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/data/log"]
        subprocess.run([*server, "-o", " ".join(options), "start"], check=True, stdout=subprocess.DEVNULL)
        login = f"postgresql://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"
        try:
            if certificate:
                verified = f"sslmode=verify-full&sslrootcert={quote(str(certificate.authority), safe='')}"
                yield f"{login}127.0.0.1:{port}/postgres?{verified}"
            else:
                yield f"{login}/postgres?host={folder}&port={port}&sslmode=prefer"
        finally:
            subprocess.run([*server, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL)


def _store(certificate: Certificate, data: Path, account: Account) -> list[str]:
    """Store the certificate, and let the port accept connections with TLS only; return the settings for it."""
    for name, content in (("server.key", certificate.private_key), ("server.crt", certificate.chain)):
        (data / name).write_bytes(content)
        (data / name).chmod(0o600)
        os.chown(data / name, account.uid, account.gid)
    (data / "pg_hba.conf").write_text("local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
    return [f"ssl_key_file={data}/server.key", f"ssl_cert_file={data}/server.crt"]


def system_programs() -> Path | None:
    """Return the folder of the oldest PostgreSQL server that Debian has installed, if there is one."""
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
