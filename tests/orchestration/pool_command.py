"""A command for the worker pool: reports its surroundings, then does what its first argument suggests."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Write a line of JSON; then end with the given code, or sleep until interrupted."""
    try:
        _report_and_end()
    except KeyboardInterrupt:
        sys.exit(130)


def is_inheritable(number: str) -> bool:
    """Return whether a program that this process starts gets this descriptor."""
    try:
        return os.get_inheritable(int(number))
    except OSError:
        return False  # that of the listing


def _report_and_end() -> None:
    umask = os.umask(0o022)
    reported = {
        "argv": sys.argv,
        "cwd": os.getcwd(),  # noqa: PTH109 -- as the caller gave it
        "mark": os.environ.get("MARK"),
        "umask": umask,
        "input": sys.stdin.readline(),
        "pid": os.getpid(),
        "inherited": sorted(int(file.name) for file in Path("/proc/self/fd").iterdir() if is_inheritable(file.name)),
    }
    sys.stdout.write(f"{json.dumps(reported)}\n")
    sys.stdout.flush()
    sys.stderr.write("to stderr\n")
    if sys.argv[1] == "raise":
        raise RuntimeError("of the command")
    if sys.argv[1] == "leave":
        left = subprocess.Popen(["sleep", "60"])  # noqa: S607 -- found on any PATH
        sys.stdout.write(f"{left.pid}\n")
    elif sys.argv[1] != "sleep":
        sys.exit(int(sys.argv[1]))
    else:
        time.sleep(60)
