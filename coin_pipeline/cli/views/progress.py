"""Progress bars on standard error; silent unless it is a terminal."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    import dagster as dg

    from coin_pipeline.candles.collect import CollectProgress

T = TypeVar("T")
MIN_RESULTS_FOR_BAR = 200
"""Reading fewer results takes too little time to show a bar."""


class BacktestBar:
    """Progress bar over the symbols of a backtest, or over groups of them if there are many."""

    def __init__(self, bar: Progress, symbols: int) -> None:
        self._bar = bar
        self._task = bar.add_task("starting Dagster", total=symbols)
        self._groups = 0

    def on_event(self, entry: "dg.EventLogEntry") -> None:
        """Update the bar from an event of the run."""
        event = entry.dagster_event
        if event is None:
            return
        if event.step_key == "load_candles":
            self._groups += event.is_successful_output
            if event.is_step_success:
                self._bar.update(self._task, total=self._groups, description="candles loaded")
        elif event.is_step_success and event.step_key and event.step_key.startswith("simulate"):
            self._bar.update(self._task, advance=1, description="simulating symbols")


class SweepBar:
    """Progress bar over the points of a sweep."""

    def __init__(self, bar: Progress, points: int) -> None:
        self._bar = bar
        self._task = bar.add_task("starting Dagster", total=points)
        self._progress: Any = None

    def on_event(self, entry: "dg.EventLogEntry") -> None:
        """Update the bar from an event of the run."""
        from coin_pipeline.defs.sweeps.progress import SweepProgress

        progress = self._progress = self._progress or SweepProgress()
        progress.observe(entry)
        if progress.planned is None:
            activity = "planning"
        elif entry.dagster_event and entry.dagster_event.step_key == "finish_sweep":
            activity = "running the best point"
        else:
            activity = "evaluating" if progress.best is None else f"best so far {progress.best:.4g}"
        self._bar.update(self._task, completed=progress.done, total=progress.planned, description=activity)


class RetentionBar:
    """Progress bar over removals; `outcome` holds the metadata of the finished run."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("starting Dagster", total=None)
        self.outcome: Mapping[str, Any] = {}

    def on_event(self, entry: "dg.EventLogEntry") -> None:
        """Update the bar from an event of the run; keep the metadata of its output."""
        from coin_pipeline.defs.maintenance.ops import DONE, PLANNED, STORED

        event = entry.dagster_event
        if event is None:
            return
        if event.is_engine_event and PLANNED in (metadata := event.engine_event_data.metadata):
            done, planned = (float(str(metadata[name].value)) for name in (DONE, PLANNED))
            self._bar.update(self._task, description="removing", completed=done, total=planned)
        elif event.is_successful_output and STORED in (metadata := event.step_output_data.metadata):
            self.outcome = metadata
        elif event.is_step_start:
            self._bar.update(self._task, description="scanning storage")


class RateColumn(ProgressColumn):
    """Column with the number of items per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate over the last 30 s."""
        speed = task.finished_speed or task.speed
        rate = f"{speed:,.{0 if speed >= 10 else 1}f} {self._unit}/s" if speed else ""  # noqa: PLR2004 - a decimal for slow rates
        return Text(rate, style="progress.data.speed")


@contextmanager
def backtest_progress(symbols: int) -> Iterator[BacktestBar]:
    """Show a bar until the block ends."""
    with _new_bar(TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        yield BacktestBar(bar, symbols)


@contextmanager
def sweep_progress(points: int) -> Iterator[SweepBar]:
    """Show a bar until the block ends."""
    with _new_bar(RateColumn("points"), TextColumn("ETA"), TimeRemainingColumn()) as bar:
        yield SweepBar(bar, points)


@contextmanager
def fetch_progress(description: str) -> "Iterator[Callable[[CollectProgress], None]]":
    """Show a bar until the block ends; yield the callback that updates it."""
    with _new_bar(RateColumn("candles"), TextColumn("ETA"), TimeRemainingColumn()) as bar:
        task = bar.add_task(description, total=None)
        yield lambda progress: bar.update(task, completed=progress.done, total=progress.planned)


@contextmanager
def row_progress(description: str, rows: int) -> Iterator[Callable[[int], None]]:
    """Show a bar until the block ends; yield the callback that takes the number of further rows."""
    with _new_bar(RateColumn("rows"), TimeRemainingColumn()) as bar:
        task = bar.add_task(description, total=rows)
        yield lambda done: bar.advance(task, done)


@contextmanager
def reading_progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar until the block ends; yield a callback that takes the results read and their total."""
    with _new_bar(TimeRemainingColumn()) as bar:
        task = bar.add_task("reading results", visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=total >= MIN_RESULTS_FOR_BAR)


@contextmanager
def audit_progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar until the block ends; yield a callback that takes the entries checked and their total."""
    with _new_bar(RateColumn("entries"), TimeRemainingColumn()) as bar:
        task = bar.add_task("auditing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def retention_progress() -> Iterator[RetentionBar]:
    """Show a bar until the block ends."""
    with _new_bar(TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        yield RetentionBar(bar)


@contextmanager
def backup_progress(activity: str, unit: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a spinner until the block ends; yield a callback that takes a target, what is done of it and its bytes.

    Each target has a line of its own, which keeps its last figures.
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def update(target: str, objects: int, size: int) -> None:
            for other, task in tasks.items():
                bar.update(task, total=1, completed=int(other != target))
            if target not in tasks:
                tasks[target] = bar.add_task("", total=None)
            bar.update(tasks[target], description=f"{activity} {target:<10} {objects:>9,} {unit} {decimal(size):>9}")

        yield update


@contextmanager
def spinner(description: str) -> Iterator[None]:
    """Show a spinner and the seconds elapsed until the block ends."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bar.add_task(description, total=None)
        yield


def each_with_spinner(items: Iterator[T], description: str) -> Iterator[T]:
    """Yield items, and show a spinner while the next one is computed."""
    done = object()
    while True:
        with spinner(description):
            item = next(items, done)
        if item is done:
            return
        yield cast("T", item)


@contextmanager
def item_counter(description: str) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Show a spinner with a count; yield a function that passes an iterable through and counts its items."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)

        def counted(items: Iterable[T]) -> Iterator[T]:
            for item in items:
                bar.advance(task)
                yield item

        yield counted


def _new_bar(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    first = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*first, *columns, console=console, transient=True, disable=not console.is_terminal)
