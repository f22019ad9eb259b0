"""OS user that runs the embedded server; PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.errors import DatabaseUnavailable

# Keeps the caller's PG* variables away from the server.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


class Account(NamedTuple):
    """The OS user that owns a cluster.

    Attributes:
        uid: User id.
        gid: Group id.
        prefix: Command that switches to this user; empty if no switch is needed.
        major: Major version of the server.
    """

    uid: int
    gid: int
    prefix: tuple[str, ...]
    major: str


def cluster_account(home: Path, binaries: Path) -> Account:
    """Return the OS user of a cluster. A new one gets the owner of its home, or an unprivileged user instead of root.

    Raises:
        DatabaseUnavailable: This process cannot switch to that user, or the user cannot access the server or the home.
    """
    cluster = home / "data"
    owner = (cluster if cluster.exists() else home).stat()
    uid, gid = owner.st_uid, owner.st_gid
    if os.geteuid() == uid == 0:
        unprivileged = pwd.getpwnam("nobody")  # prose: ok
        uid, gid = unprivileged.pw_uid, unprivileged.pw_gid
    reason = ""
    for prefix in _prefixes(home, uid, gid):
        probe = [*prefix, "/bin/sh", "-c", 'cd "$1" && exec "$0" -V', str(binaries / "postgres"), str(home)]
        result = subprocess.run(probe, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        if result.returncode == 0:
            return Account(uid, gid, prefix, result.stdout.split()[2].split(".")[0])
        reason = reason or result.stderr.strip()
    raise DatabaseUnavailable(home, f"user id {uid} cannot run the server in {binaries}: {reason}")


def _prefixes(home: Path, uid: int, gid: int) -> list[tuple[str, ...]]:
    """Return the commands that switch to the user, least privileged first."""
    if os.geteuid() == uid:
        return [()]
    if os.geteuid() != 0:
        reason = f"it belongs to user id {uid} and this program runs as user id {os.geteuid()}"
        raise DatabaseUnavailable(home, reason)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        reason = "PostgreSQL refuses to run as root and setpriv is missing; run as another user, or set DATABASE_URL"
        raise DatabaseUnavailable(home, reason)
    step = (setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs")
    return [step, *((*step, *_kept(name)) for name in ("dac_read_search", "dac_override"))]


def _kept(capability: str) -> tuple[str, ...]:
    """Return options that keep a capability to enter private folders such as /root.

    Docker grants only dac_override, which also permits writing.
    """
    options = tuple(f"--{option}=-all,+{capability}" for option in ("inh-caps", "ambient-caps", "bounding-set"))
    return (
        *options,
        "--securebits=+no_setuid_fixup",
    )  # without it access(2), which initdb calls, ignores the capability
