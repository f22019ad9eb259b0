"""Progress of a run, shown on a terminal and silent elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class RunBar:
    """One bar over the symbols of a run."""

    def __init__(self, bar: Progress, title: str, symbols: int) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=symbols)

    def step(self, key: str) -> None:
        """Hear that a step ended well."""
        if key.startswith("simulate"):
            self._bar.update(self._task, advance=1, description="simulating symbols")
        elif key.startswith("load_candles"):
            self._bar.update(self._task, description="candles loaded")


@contextmanager
def progress(title: str, symbols: int) -> Iterator[RunBar]:
    """Show a bar on standard error until the block ends, then remove it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, *times, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield RunBar(bar, title, symbols)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show that something of unknown length goes on, with the seconds it has taken so far."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bar.add_task(what, total=None)
        yield
