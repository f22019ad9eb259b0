"""A wall clock that a test can move for some programs; other programs, and the machine, keep theirs."""

import shutil
import subprocess
from pathlib import Path

import pytest


class Clock:
    """What moves the clock of programs that are started with its environment; skips the test without a C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler (cc) to build what moves the clock of a program")
        self._library, self._moved = folder / "clock.so", folder / "moved"
        source = Path(__file__).with_suffix(".c")
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(source), "-ldl"]
        subprocess.run(command, check=True)

    def environment(self, word: str) -> dict[str, str]:
        """Return what makes the clock one of those programs that have a word in their command."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._moved), "CHAOS_CLOCK_OF": word}

    def move(self, seconds: int) -> None:
        """Set it ahead."""
        self._moved.write_text(f"{seconds}\n")

    def back(self) -> None:
        """Set it right."""
        self._moved.unlink()
