"""What another user of this machine can reach of a platform."""

import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, suppress
from pathlib import Path
from typing import TypeVar

from tests.platforms import Platform, leftover_pids

T = TypeVar("T")
UID = 54_321
LISTENING = "0A"


def as_other_user(function: Callable[[], T]) -> T:
    """Return what a function returns that another user executes; only root can try that."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.setgroups([])
            os.setgid(UID)
            os.setuid(UID)
            os.write(writer, pickle.dumps(function()))
        finally:
            os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader, "rb") as result:
        value: T = pickle.load(result)  # noqa: S301 -- our own
        return value


def readable(paths: Sequence[Path]) -> list[Path]:
    """Return the files that can be read and the folders that can be listed."""
    found = []
    for path in paths:
        with suppress(OSError):
            list(path.iterdir()) if path.is_dir() else path.read_bytes()
            found.append(path)
    return found


def connectable(sockets: Sequence[Path]) -> list[Path]:
    """Return the Unix sockets that accept a connection."""
    found = []
    for path in sockets:
        # The whole path may be too long for an address.
        with suppress(OSError), chdir(path.parent), socket.socket(socket.AF_UNIX) as client:
            client.connect(path.name)
            found.append(path)
    return found


def listening_sockets(platform: Platform) -> tuple[list[Path], set[int]]:
    """Return the Unix sockets and the TCP ports on which the processes of a platform listen."""
    home = platform.root / "dagster"
    inodes = set(_socket_inodes(platform))
    unix = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    tcp = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    names = [Path(row[7]) for row in unix if row[6] in inodes and len(row) > 7]
    # The pool binds its socket through a short path, which only that process can use.
    paths = [home / path.name if path.is_relative_to("/proc") else path for path in names]
    return paths, {int(row[1].rpartition(":")[2], 16) for row in tcp if row[9] in inodes and row[3] == LISTENING}


def _socket_inodes(platform: Platform) -> Iterator[str]:
    for pid in leftover_pids(platform.root):
        with suppress(OSError):
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    kind, _, inode = str(Path(descriptor).readlink()).partition(":")
                    if kind == "socket":
                        yield inode.strip("[]")
