"""The benchmark of what users run measures whole commands and fails a row that misses a limit or has no figure."""

import json
import sys
from itertools import product
from pathlib import Path

import pytest

from benchmarks.api.rows import Limit
from benchmarks.work import inputs, rows
from benchmarks.work.__main__ import store
from benchmarks.work.commands import CommandFailed, measured
from benchmarks.work.measures import _signals
from benchmarks.work.rows import WorkRow


@pytest.mark.parametrize(
    ("figures", "failed", "ok"),
    [
        ({"wall_s": 2.0}, "", True),
        ({"wall_s": 2.1}, "", False),
        ({"cpu_s": 1.0}, "", False),
        ({"wall_s": 2.0}, "CommandFailed: exit code 1", False),
    ],
)
def test_missed_or_unmeasured_limit_fails_the_row(figures: dict[str, float], failed: str, *, ok: bool) -> None:
    """A row passes only if every limited figure was measured and is within its limit."""
    row = WorkRow("day-cold", figures, (Limit("wall_s", 2),), failed)
    assert row.ok is ok


def test_usage_is_that_of_the_command() -> None:
    """The peak memory counts the command and its children, not the benchmark that started it."""
    ballast = bytearray(200 << 20)
    small, output = measured([sys.executable, "-S", "-c", "print('done')"])
    large, _ = measured([sys.executable, "-S", "-c", "len(bytearray(100 << 20))"])
    assert output == "done\n"
    assert len(ballast) >> 20 > 100 + small["peak_mib"]
    assert large["peak_mib"] > 100
    assert set(small) == set(rows.USAGE)


def test_failed_command_gives_the_reason() -> None:
    """A command that exits with an error is reported with the last line of its errors."""
    with pytest.raises(CommandFailed, match="exit code 3: no such candles"):
        measured([sys.executable, "-c", "import sys; print('no such candles', file=sys.stderr); sys.exit(3)"])


@pytest.mark.parametrize("points", [4_000, 100_000, 1_000_000])
def test_grids_have_the_stated_number_of_distinct_points(points: int) -> None:
    """No value of a grid is repeated."""
    grid = inputs.sweep_grid(points)
    assert all(len(set(values)) == len(values) for values in grid.values())
    assert sum(1 for _ in product(*grid.values())) == points


def test_signals_are_read_from_the_summary() -> None:
    """Traded and ignored signals are added; a summary without them is an error."""
    assert _signals("  Trades   133,066   Win rate  0.94 %\n  Exposure 25 %   Signals ignored  112,293\n") == 245_359
    with pytest.raises(CommandFailed):
        _signals("volume_zone_breakout on AAA_KRW")


def test_a_row_measured_alone_replaces_the_stored_one(tmp_path: Path) -> None:
    """The other rows of the results file are kept, and all stay in the order of the table."""
    stored = tmp_path / "latest-work.json"
    store([{"row": "up", "wall_s": 4.0}, {"row": "day-cold", "wall_s": 3.0}], stored)
    store([{"row": "day-cold", "wall_s": 2.0}], stored)
    assert json.loads(stored.read_text()) == [{"row": "day-cold", "wall_s": 2.0}, {"row": "up", "wall_s": 4.0}]
