"""A wall clock that a test can move for some programs; other programs, and the machine, keep theirs."""

import shutil
import subprocess
from pathlib import Path

import pytest


class Clock:
    """A library that moves the clock of programs started with its environment; skips the test without a C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler (cc) to build the library that moves a program's clock")
        self._library, self._offset = folder / "clock.so", folder / "clock-offset"
        source = Path(__file__).with_suffix(".c")
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(source), "-ldl"]
        subprocess.run(command, check=True)

    def environment(self, programs: str) -> dict[str, str]:
        """Return the environment that moves the clock of the programs with these names, or of all for `*`."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._offset), "CHAOS_CLOCK_OF": programs}

    def advance(self, seconds: int) -> None:
        """Set the clock ahead."""
        self._offset.write_text(f"{seconds}\n")

    def restore(self) -> None:
        """Set the clock right."""
        self._offset.unlink()
