"""``python usage.py FILE COMMAND ...``: run a command and write its seconds, CPU seconds and peak memory to a file.

A process of its own with few imports: Linux counts the memory of a parent towards the peak of a child that it starts.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main(file: str, *command: str) -> int:
    """Run the command, write the figures, and return its exit code."""
    began = time.perf_counter()
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own command
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_mib = used.ru_maxrss / 1024
    Path(file).write_text(json.dumps({"wall_s": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": peak_mib}))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
