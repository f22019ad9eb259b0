"""Strategy files with modules and data beside them, written, edited and loaded anew."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_pipeline.strategies.registry import StrategyRegistry, load_registry

OWN = '''
"""A strategy of one's own."""
import numpy as np
from helped_levels import level
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Helped(Strategy[StrategyParams]):
    """Asks a helper."""
    name = "helped"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Buy where the helper says so."""
        return Signals(level(bars), hold=2)
'''
HELPER = '''
"""Which bars."""

def level(bars):
    """Say which."""
    return bars.close > bars.open  # a rise
'''
FILES = {"own.py": OWN, "helped_levels.py": HELPER}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder; return the strategy file among them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "own.py"


def edit(file: Path, old: str, new: str) -> None:
    """Replace what stands in a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@contextmanager
def as_new_process() -> Iterator[None]:
    """Forget, at the end, the strategies' files and modules that were imported, and where they were looked for."""
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
