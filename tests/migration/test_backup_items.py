"""The checklist's items about the location of backups."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_pipeline.migration.checklist.backups import location_exists
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.settings import load_settings
from tests.backup_records import record_set


def test_the_location_has_to_have_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is missing or empty fails; each backup counts once, although it has several files."""
    folder = tmp_path / "backups"
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(folder))
    inspector = Inspector(load_settings(), "http://127.0.0.1:8000")
    assert location_exists(inspector)[:2] == ("fail", f"there is no backup in {folder}; create one: coin backup run")
    record_set(folder, datetime.now(UTC))
    assert location_exists(inspector)[:2] == ("pass", f"1 backup in {folder}")
