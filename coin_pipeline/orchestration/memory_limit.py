"""The memory limit of a run in the worker pool."""

import resource
import sys
from pathlib import Path

from coin_pipeline.settings import load_settings


def limit_memory() -> None:
    """Make a run that needs too much memory fail with a message before Linux kills some process."""
    if sys.platform == "linux":
        used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
        limit = int(used.split()[1]) * 1024 + load_settings().coin_run_memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def memory_limit_mib() -> int | None:
    """Return `COIN_RUN_MEMORY_MIB` if it limits this process, else None: it does not limit those of commands."""
    is_limited = resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY
    return load_settings().coin_run_memory_mib if is_limited else None
