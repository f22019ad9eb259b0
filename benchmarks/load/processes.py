"""Memory and descriptors of the platform's programs over time, and how much they grow."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.api.platform import Platform, parent_of, process_name, pss_kib

PROGRAMS = frozenset({"pool", "code-server", "daemon", "webserver", "api", "postgres"})
"""Names of the processes; those that the pool forks have its name."""
WORKERS, OTHERS = "runs", "others"
WARM, LAST = (0.2, 0.4), (0.8, 1.0)
"""Parts of the time whose medians are compared: after caches and pools have filled, and the last ones."""


class Usage(NamedTuple):
    """Memory (PSS) of a program, MiB, open descriptors of each of its processes on average, and number of processes."""

    memory_mib: float
    descriptors: float
    processes: int


class Sample(NamedTuple):
    """Usage by program, s after the start."""

    at_s: float
    usage: Mapping[str, Usage]


def usage(platform: Platform) -> dict[str, Usage]:
    """Return the usage by program now."""
    pids = platform.processes()
    names = {pid: process_name(pid) for pid in pids}
    parents = {pid: parent_of(Path(f"/proc/{pid}")) for pid in pids}
    memory, descriptors, processes = Counter[str](), Counter[str](), Counter[str]()
    for pid in pids:
        name = program(pid, names, parents)
        memory[name] += pss_kib(pid)
        descriptors[name] += _descriptors(pid)
        processes[name] += 1
    return {name: Usage(memory[name] / 1024, descriptors[name] / count, count) for name, count in processes.items()}


def program(pid: int, names: Mapping[int, str], parents: Mapping[int, int]) -> str:
    """Return the program of a process; the processes that the pool forks are runs."""
    name = names[pid] if names[pid] in PROGRAMS else OTHERS
    is_child = names.get(parents[pid]) == "pool"
    return WORKERS if name in {"pool", OTHERS} and is_child else name


def growth(samples: Sequence[Sample], name: str, seconds: float) -> dict[str, float]:
    """Return the usage of a program at the end of the load, and its growth since it was warm.

    Args:
        samples: The samples.
        name: The program.
        seconds: Length of the load: the time in which the clients leave is not compared.

    Returns:
        Figures by name; empty without enough samples.
    """
    warm, last = (_between(samples, name, [share * seconds for share in part]) for part in (WARM, LAST))
    if not (warm and last):
        return {}
    memory, descriptors, processes = (
        [statistics.median(found[field] for found in part) for part in (warm, last)] for field in range(3)
    )
    return {
        "memory_mib": memory[1],
        "memory_grown_mib": memory[1] - memory[0],
        "descriptors": descriptors[1],
        "descriptors_grown": descriptors[1] - descriptors[0],
        "processes": processes[1],
        "processes_grown": processes[1] - processes[0],
    }


def _between(samples: Sequence[Sample], name: str, times: Sequence[float]) -> list[Usage]:
    low, high = times
    return [sample.usage[name] for sample in samples if low <= sample.at_s <= high and name in sample.usage]


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0  # the process ended in the meantime
