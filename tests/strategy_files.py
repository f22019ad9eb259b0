"""Strategy files with helper modules and data, which tests write, edit and reload."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_pipeline.strategies.registry import StrategyRegistry, load_registry

OWN = '''
"""A custom strategy."""
import numpy as np
from helped_levels import level
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Helped(Strategy[StrategyParams]):
    """Uses a helper module."""
    name = "helped"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Buy at the helper's level."""
        return Signals(level(bars), hold=2)
'''
HELPER = '''
"""Bars to buy on."""

def level(bars):
    """Return the level."""
    return bars.close > bars.open  # a rise
'''
FILES = {"own.py": OWN, "helped_levels.py": HELPER}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a folder and return the strategy file."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "own.py"


def edit(file: Path, old: str, new: str) -> None:
    """Replace text in a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@contextmanager
def as_new_process() -> Iterator[None]:
    """Restore sys.modules and sys.path on exit, as in a new process."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.startswith(("helped", "coin_strategy_file_"))]:
            del sys.modules[name]


def registry_of(file: Path) -> StrategyRegistry:
    """Return a registry with what a strategy file defines now."""
    return load_registry([file])
