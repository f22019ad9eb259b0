"""The ages of the last good backup and of the last proven restore in GET /health."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coin_api.backup_health import BackupHealth
from coin_pipeline.settings import load_settings
from tests.api.conftest import client_of
from tests.backup_records import record_drill, record_set
from tests.fakes import FakeOrchestrator

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackupHealth:
    """The health of backups in an empty location."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path))
    return BackupHealth(load_settings())


def test_a_location_without_backups_is_reported_and_does_not_fail_the_check(
    orchestrator: FakeOrchestrator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backtests can run on a platform that was never backed up."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path))
    with client_of(orchestrator) as client:
        response = client.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "healthy")
    components = response.json()["components"]
    assert components["backup"] == {"healthy": False, "detail": "there is no good backup yet"}
    assert components["restore_drill"] == {"healthy": False, "detail": "there is no proven restore yet"}


@pytest.mark.parametrize(("hours", "healthy"), [(25.9, True), (26.1, False)])
def test_a_backup_is_overdue_after_26_hours(
    health: BackupHealth, tmp_path: Path, hours: float, *, healthy: bool
) -> None:
    """A day, and two hours for a slow one."""
    record_set(tmp_path, NOW - timedelta(hours=hours))
    health.probe()
    component = health.components(None, NOW)["backup"]
    assert (component.healthy, component.detail) == (healthy, f"the last good backup is {hours} hours old")


def test_a_drill_that_failed_proves_nothing(health: BackupHealth, tmp_path: Path) -> None:
    """The age is that of the last restore that succeeded."""
    record_set(tmp_path, NOW - timedelta(hours=3))
    record_drill(tmp_path, NOW - timedelta(hours=2))
    record_drill(tmp_path, NOW - timedelta(hours=1), error="row counts differ")
    health.probe()
    component = health.components(None, NOW)["restore_drill"]
    assert (component.healthy, component.detail) == (True, "the last proven restore is 2.0 hours old")


def test_an_unreadable_location_is_a_problem_of_both_components(health: BackupHealth) -> None:
    """Their ages are unknown."""
    components = health.components("the object store does not respond; try again later", NOW)
    assert {name: component.healthy for name, component in components.items()} == {
        "backup": False,
        "restore_drill": False,
    }
