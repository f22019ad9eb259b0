"""Ends a child process with its parent, however the parent ends."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # loaded here because a child must not take the dynamic linker's lock between fork and exec


def end_with_parent(parent: int, signum: int = signal.SIGKILL) -> None:
    """Have Linux signal this process when its parent ends; elsewhere only notice a parent that has ended already.

    Args:
        parent: Process id of the parent, taken before the fork.
        signum: The signal.
    """
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:  # it ended before the prctl call
        os._exit(1)
