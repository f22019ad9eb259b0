"""Access of other users of the machine to DATA_ROOT: none, except for a group that may write to it."""

import os
import stat
from pathlib import Path

_OWNER, _GROUP, _ENTER = stat.S_IRWXU, stat.S_ISGID | stat.S_IRWXG, stat.S_IXOTH
EMBEDDED_DATABASE = "postgres"


def make_folders(folder: Path) -> None:
    """Create a folder and its missing parents for their owner, and for the group that the existing one is shared with.

    The umask may withdraw permissions of the group.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    if not missing:
        return
    mode = _OWNER | (stat.S_IRWXG if is_shared(missing[-1].parent) else 0)
    for path in reversed(missing):
        path.mkdir(mode=mode, exist_ok=True)


def restrict_access(root: Path) -> str | None:
    """Create DATA_ROOT, or withdraw the access that other users have to it.

    A folder that its group may write to is shared on purpose: the group keeps its access. Root lets others enter the
    folder, but not list it, because the embedded database runs as another user; so each item is restricted as well.

    Args:
        root: DATA_ROOT.

    Returns:
        What was changed, or why it could not be changed; None if there was nothing to change.
    """
    if not root.exists():
        make_folders(root.parent)
        root.mkdir(mode=_OWNER)
        if os.geteuid() == 0:
            root.chmod(_OWNER | _ENTER)
        return None
    if root.stat().st_mode & stat.S_ISVTX:
        return f"{root} is a folder for all users of this machine; choose a DATA_ROOT of your own"
    allowed = _OWNER | (_GROUP if is_shared(root) else 0)
    try:
        if os.geteuid() != 0:
            changed = _restrict(root, allowed)
        else:
            items = [item for item in root.iterdir() if item.name != EMBEDDED_DATABASE and not item.is_symlink()]
            changed = any([_restrict(root, allowed | _ENTER), *(_restrict(item, allowed) for item in items)])
    except OSError as error:
        return f"other users of this machine may read {root} ({error.strerror}); its owner can change that: chmod 700"
    if not changed:
        return None
    return (
        f"other users of this machine could read {root}; now only its owner can. To share it with its group: chmod 2770"
    )


def make_private(folder: Path) -> None:
    """Create a folder of DATA_ROOT that only the owner can use, even if DATA_ROOT is shared with a group."""
    folder.mkdir(mode=_OWNER, exist_ok=True)
    _restrict(folder, _OWNER)


def private_umask(root: Path) -> int:
    """Return the umask for programs that write to DATA_ROOT."""
    return 0o007 if is_shared(root) else 0o077


def is_shared(folder: Path) -> bool:
    """Return whether the group of a folder may write to it; one for all users, such as /tmp, is not the group's."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWGRP) and not mode & stat.S_ISVTX


def _restrict(path: Path, allowed: int) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~allowed:
        path.chmod(mode & allowed)
    return bool(mode & ~allowed)
