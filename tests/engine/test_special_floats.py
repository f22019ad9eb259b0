"""Kernels end on every float, whatever is stored or computed before them."""

import subprocess
import sys


def test_every_kernel_ends_on_special_floats() -> None:
    """With infinities, NaN, denormals and the largest numbers in every column and factor."""
    command = [sys.executable, "-m", "tests.engine.special_floats", "60"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.stdout == "ended\n", process.stderr
