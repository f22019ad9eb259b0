"""One engine on one workload in a process of its own: ``python -m benchmarks.worker ENGINE FUNCTION FOLDER``.

It answers with one JSON object a line on standard output: first, once it is warm, with the versions of its packages;
then to every line on standard input with a run. The first run's result is stored in the folder for comparison.
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

from benchmarks.measuring import Stopwatch, Stored


def main(engine: str, function: str, folder: Path) -> None:
    """Serve runs until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what an engine prints is no answer
    adapter = importlib.import_module(f"benchmarks.engines.{engine}")
    prepare = getattr(adapter, function)
    prepare(Stored(folder / "small"))(Stopwatch())
    run = prepare(Stored(folder / "full"))
    print(json.dumps({package: version(package) for package in adapter.PACKAGES}), file=answers)
    most = 0.0
    for _ in sys.stdin:
        watch, result = Stopwatch(), None
        most, before = max(most, peak_mib()), forget_peak()
        result = run(watch)
        grown = peak_mib() - before
        stored = folder / f"{engine}.{function}.npz"
        if not stored.exists():
            np.savez(stored, **result)
        print(
            json.dumps({"seconds": watch.seconds, "peak_mib": max(most, peak_mib()), "grown_mib": grown}), file=answers
        )


def peak_mib() -> float:
    """Return the most memory this process held; Linux's ``getrusage`` would tell its parent's, if that is more."""
    return _memory_mib("VmHWM")


def forget_peak() -> float:
    """Let the peak begin anew, where the system can; return what this process holds."""
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
