"""Worker process for one engine and one workload: ``python -m benchmarks.worker ENGINE FUNCTION FOLDER``.

It writes one JSON object per line to standard output: first, after warming up, the versions of its packages; then one
run for every line on standard input. The result of the first run is stored in the folder for comparison.
"""

import importlib
import json
import os
import resource
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.measuring import LazyArrays, Stopwatch


def main(engine: str, function: str, folder: Path) -> None:
    """Serve runs until standard input is closed."""
    responses = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keeps an engine's own output apart from the responses
    adapter = importlib.import_module(f"benchmarks.engines.{engine}")
    prepare = getattr(adapter, function)
    prepare(LazyArrays(folder / "small"))(Stopwatch())
    run = prepare(LazyArrays(folder / "full"))
    print(json.dumps({package: version(package) for package in adapter.PACKAGES}), file=responses)
    peak = 0.0
    for _ in sys.stdin:
        watch, result = Stopwatch(), None
        peak, before = max(peak, peak_mib()), reset_peak()
        result = run(watch)
        grown = peak_mib() - before
        stored = folder / f"{engine}.{function}.npz"
        if not stored.exists():
            np.savez(stored, **result)
        print(
            json.dumps({"seconds": watch.seconds, "peak_mib": max(peak, peak_mib()), "grown_mib": grown}),
            file=responses,
        )


def peak_mib() -> float:
    """Return the peak memory of this process; ``getrusage`` on Linux reports the parent's if that is higher."""
    return _memory_mib("VmHWM")


def reset_peak() -> float:
    """Reset the peak, if the system supports it; return the current memory of this process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory_mib("VmRSS")


def _memory_mib(name: str) -> float:
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name)) / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
