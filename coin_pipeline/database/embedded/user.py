"""Whom the packaged server runs as: PostgreSQL refuses root, so root steps down."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.errors import DatabaseUnavailable

# No PG* variable of the caller may reach the server.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


class Account(NamedTuple):
    """The owner of a cluster; `prefix` is the command that becomes it, `major` the version of the server it can run."""

    uid: int
    gid: int
    prefix: tuple[str, ...]
    major: str


def owner_of(home: Path, binaries: Path) -> Account:
    """Return the account of the cluster, for a new one the home's owner or, instead of root, nobody.

    Raises:
        DatabaseUnavailable: this program may not become that account, or it cannot reach the server or the home.
    """
    cluster = home / "data"
    owner = (cluster if cluster.exists() else home).stat()
    uid, gid = owner.st_uid, owner.st_gid
    if os.geteuid() == uid == 0:
        nobody = pwd.getpwnam("nobody")
        uid, gid = nobody.pw_uid, nobody.pw_gid
    reason = ""
    for prefix in _prefixes(home, uid, gid):
        probe = [*prefix, "/bin/sh", "-c", 'cd "$1" && exec "$0" -V', str(binaries / "postgres"), str(home)]
        tried = subprocess.run(probe, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        if tried.returncode == 0:
            return Account(uid, gid, prefix, tried.stdout.split()[2].split(".")[0])
        reason = reason or tried.stderr.strip()
    raise DatabaseUnavailable(home, f"the account {uid} cannot run the server in {binaries}: {reason}")


def _prefixes(home: Path, uid: int, gid: int) -> list[tuple[str, ...]]:
    """Return the commands that become the account, the least privileged first."""
    if os.geteuid() == uid:
        return [()]
    if os.geteuid() != 0:
        reason = f"it belongs to the account {uid} and this program runs as the account {os.geteuid()}"
        raise DatabaseUnavailable(home, reason)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        reason = "PostgreSQL refuses root and setpriv is missing; run as an ordinary user, or set DATABASE_URL"
        raise DatabaseUnavailable(home, reason)
    step = (setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs")
    return [step, *((*step, *_kept(name)) for name in ("dac_read_search", "dac_override"))]


def _kept(capability: str) -> tuple[str, ...]:
    """Options to keep what opens closed folders such as /root; Docker grants only dac_override, which may write too."""
    options = tuple(f"--{held}=-all,+{capability}" for held in ("inh-caps", "ambient-caps", "bounding-set"))
    return (*options, "--securebits=+no_setuid_fixup")  # without it access(2), which initdb calls, ignores them
