"""Progress of a run, shown on a terminal and silent elsewhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    import dagster as dg

    from coin_pipeline.candles.collect import CollectProgress as Collecting

T = TypeVar("T")
WORTH_A_BAR = 200


class RunBar:
    """One bar over the symbols of a backtest."""

    def __init__(self, bar: Progress, symbols: int) -> None:
        self._bar = bar
        self._task = bar.add_task("starting Dagster", total=symbols)

    def hear(self, entry: "dg.EventLogEntry") -> None:
        """Hear an event of the run."""
        event = entry.dagster_event
        key = event.step_key if event and event.is_step_success else None
        if key and key.startswith("simulate"):
            self._bar.update(self._task, advance=1, description="simulating symbols")
        elif key and key.startswith("load_candles"):
            self._bar.update(self._task, description="candles loaded")


class SweepBar:
    """One bar over the points of a sweep."""

    def __init__(self, bar: Progress, points: int) -> None:
        self._bar = bar
        self._task = bar.add_task("starting Dagster", total=points)
        self._tally: Any = None

    def hear(self, entry: "dg.EventLogEntry") -> None:
        """Hear an event of the run."""
        from coin_pipeline.defs.sweeps.progress import SweepProgress

        tally = self._tally = self._tally or SweepProgress()
        tally.observe(entry)
        if tally.planned is None:
            what = "planning"
        elif entry.dagster_event and entry.dagster_event.step_key == "finish_sweep":
            what = "running the best point"
        else:
            what = "evaluating" if tally.best is None else f"best so far {tally.best:.4g}"
        self._bar.update(self._task, completed=tally.done, total=tally.planned, description=what)


class RetentionBar:
    """One bar over what is removed; `outcome` is what the run tells of itself at its end."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("starting Dagster", total=None)
        self.outcome: Mapping[str, Any] = {}

    def hear(self, entry: "dg.EventLogEntry") -> None:
        """Hear an event of the run."""
        from coin_pipeline.defs.maintenance.ops import DONE, PLANNED, STORED

        event = entry.dagster_event
        if event is None:
            return
        if event.is_engine_event and PLANNED in (told := event.engine_event_data.metadata):
            done, planned = (float(str(told[name].value)) for name in (DONE, PLANNED))
            self._bar.update(self._task, description="removing", completed=done, total=planned)
        elif event.is_successful_output and STORED in (told := event.step_output_data.metadata):
            self.outcome = told
        elif event.is_step_start:
            self._bar.update(self._task, description="looking at what is stored")


class Rate(ProgressColumn):
    """How many of something a second."""

    def __init__(self, things: str) -> None:
        super().__init__()
        self._things = things

    def render(self, task: Task) -> Text:
        """Return the rate of the last half minute."""
        speed = task.finished_speed or task.speed
        told = f"{speed:,.{0 if speed >= 10 else 1}f} {self._things}/s" if speed else ""  # noqa: PLR2004 - a decimal for slow ones
        return Text(told, style="progress.data.speed")


@contextmanager
def progress(symbols: int) -> Iterator[RunBar]:
    """Show a bar on standard error until the block ends, then remove it."""
    with _shown(TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        yield RunBar(bar, symbols)


@contextmanager
def sweep_progress(points: int) -> Iterator[SweepBar]:
    """Show a bar on standard error until the block ends, then remove it."""
    with _shown(Rate("points"), TextColumn("ETA"), TimeRemainingColumn()) as bar:
        yield SweepBar(bar, points)


@contextmanager
def collecting_progress(what: str) -> "Iterator[Callable[[Collecting], None]]":
    """Show how far a collector has come, on standard error until the block ends, then remove it."""
    with _shown(Rate("candles"), TextColumn("ETA"), TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda told: bar.update(task, completed=told.done, total=told.planned)


@contextmanager
def reading_progress() -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many results are read, on standard error until the block ends; a few are not worth a bar."""
    with _shown(TimeRemainingColumn()) as bar:
        task = bar.add_task("reading results", visible=False)
        yield lambda done, of: bar.update(task, completed=done, total=of, visible=of >= WORTH_A_BAR)


@contextmanager
def retention_progress() -> Iterator[RetentionBar]:
    """Show a bar on standard error until the block ends, then remove it."""
    with _shown(TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        yield RetentionBar(bar)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show that something of unknown length goes on, with the seconds it has taken so far."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bar.add_task(what, total=None)
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Count what passes of a stream of unknown length; the block gets a function to pass it through."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def through(stream: Iterable[T]) -> Iterator[T]:
            for each in stream:
                bar.advance(task)
                yield each

        yield through


def _shown(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    left = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*left, *columns, console=console, transient=True, disable=not console.is_terminal)
