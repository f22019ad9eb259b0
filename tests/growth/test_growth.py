"""A year's growth in minutes: size, speed of queries and cost of retention stay bounded over 100,000 runs."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.results.retention import DAY
from coin_pipeline.settings import load_settings
from tests.conftest import store_candles
from tests.growth.simulation import DayFigures, Simulation

RUNS = int(os.environ.get("COIN_GROWTH_RUNS", "100000"))
RUNS_PER_DAY = 1000
START = datetime(2025, 1, 1, tzinfo=UTC)
HEADINGS = ("day", *DayFigures._fields)


@pytest.fixture
def simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulation]:
    """A platform with a database of its own."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    store_candles(tmp_path)
    settings = load_settings()
    with open_instance(settings) as instance:
        running = Simulation(settings, instance, database_url(settings), RUNS_PER_DAY)
        yield running
        running.close()
    release_database(settings)


@pytest.mark.growth
@pytest.mark.timeout(7200)
def test_size_and_speed_stay_bounded(simulation: Simulation) -> None:
    """From the second week on nothing grows; when everything has expired, the space is returned."""
    days = max(20, RUNS // RUNS_PER_DAY)
    figures: list[DayFigures] = []
    sys.stdout.write(" ".join(f"{name:>11}" for name in HEADINGS) + "\n")
    for number in range(days):
        figures.append(simulation.run_day(START + number * DAY))
        if number % 10 == 9:
            _print(number + 1, figures[-1])
    settled, last = figures[9], figures[-1]
    assert (last.runs, last.events, last.files) == (settled.runs, settled.events, settled.files)
    assert last.dead_rows <= RUNS_PER_DAY  # reclaimed every night: a day leaves five times as many
    assert last.database_mb < 1.25 * settled.database_mb
    assert _mean_retention_ms(figures[-10:]) < 2 * _mean_retention_ms(figures[9:19])
    assert last.history_ms < 2 * settled.history_ms + 5
    assert last.status_ms < 2 * settled.status_ms + 5
    empty = simulation.retain(START + (days + 40) * DAY)
    _print(days + 40, empty)
    assert empty.database_mb < settled.database_mb / 3  # tables of less than 32 MiB keep their files


def _mean_retention_ms(figures: list[DayFigures]) -> float:
    return sum(day.retention_ms for day in figures) / len(figures)


def _print(day: int, figures: DayFigures) -> None:
    sys.stdout.write(" ".join(f"{figure:>11,.1f}" for figure in (day, *figures)) + "\n")
    sys.stdout.flush()
