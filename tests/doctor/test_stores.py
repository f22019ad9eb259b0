"""Checks of what the platform stores."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.doctor import stores
from coin_pipeline.doctor.model import Installation
from coin_pipeline.settings import Settings
from tests.backup_records import record_drill, record_set
from tests.conftest import store_candles
from tests.platforms import free_ports


def hours_ago(hours: float) -> datetime:
    """Return a time in the past."""
    return datetime.now(UTC) - timedelta(hours=hours)


def installation(root: Path, **settings: Any) -> Installation:  # noqa: ANN401 -- any setting
    """Return an installation whose backups are in the folder `backups`."""
    return Installation(Settings(data_root=root, **settings), "", "")


def test_the_local_store_works(tmp_path: Path) -> None:
    """Nothing is left in it."""
    finding = stores.object_store(installation(tmp_path))
    assert finding.state == "ok"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_bucket_that_does_not_respond_is_named(tmp_path: Path) -> None:
    """Within the time limit of the checks."""
    bucket: dict[str, Any] = {
        "aws_bucket_name": "results-bucket",
        "aws_endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}",
        "aws_access_key_id": "planted-id",
        "aws_secret_access_key": "planted-key",
    }
    finding = stores.object_store(installation(tmp_path, **bucket))
    assert finding.state == "failed"
    assert "put failed" in finding.found
    assert "planted" not in finding.found


def test_no_candles(tmp_path: Path) -> None:
    """The advice is the command that fetches some."""
    finding = stores.candles(installation(tmp_path))
    assert finding.state == "warning"
    assert "coin candles get" in finding.advice


def test_stored_candles(tmp_path: Path) -> None:
    """Old ones are a warning only if they are collected daily."""
    store_candles(tmp_path)
    assert stores.candles(installation(tmp_path)).state == "ok"
    assert stores.candles(installation(tmp_path, enable_scheduler=True)).state == "warning"


def test_a_damaged_candle_file_is_named(tmp_path: Path) -> None:
    """The others are not hidden by it."""
    store_candles(tmp_path)
    damaged = next(tmp_path.rglob("*.parquet"))
    damaged.write_bytes(b"no candles")
    finding = stores.candles(installation(tmp_path))
    assert finding.state == "failed"
    assert damaged.name in finding.found


def test_no_backup_yet_is_a_warning(tmp_path: Path) -> None:
    """A new installation has none."""
    at = installation(tmp_path)
    assert [check(at).state for check in (stores.backup, stores.restore_drill)] == ["warning", "warning"]


@pytest.mark.parametrize(("hours", "state"), [(1, "warning"), (25, "warning"), (27, "failed")])
def test_an_overdue_backup_fails(tmp_path: Path, hours: float, state: str) -> None:
    """A recent one on the disk of the data is a warning, since it is lost with them."""
    record_set(tmp_path / "backups", hours_ago(hours))
    assert stores.backup(installation(tmp_path)).state == state


def test_a_failed_backup_fails(tmp_path: Path) -> None:
    """With its reason, although the one before is good and recent."""
    record_set(tmp_path / "backups", hours_ago(2))
    record_set(tmp_path / "backups", hours_ago(1), {"results": "the bucket is away"})
    assert stores.backup(installation(tmp_path))[:2] == (
        "failed",
        "the newest one is not good: results: the bucket is away",
    )


def test_a_schedule_that_is_off_is_a_warning(tmp_path: Path) -> None:
    """Whatever backups there are."""
    record_set(tmp_path / "backups", hours_ago(1))
    assert stores.backup(installation(tmp_path, coin_backup_schedule="off")).state == "warning"


@pytest.mark.parametrize(("hours", "state"), [(1, "ok"), (27, "failed")])
def test_an_overdue_restore_fails(tmp_path: Path, hours: float, state: str) -> None:
    """A backup that was not restored lately is not known to be good."""
    record_drill(tmp_path / "backups", hours_ago(hours))
    assert stores.restore_drill(installation(tmp_path)).state == state


def test_a_failed_restore_fails(tmp_path: Path) -> None:
    """With its reason."""
    record_drill(tmp_path / "backups", hours_ago(2))
    record_drill(tmp_path / "backups", hours_ago(1), "rows are missing")
    assert stores.restore_drill(installation(tmp_path)).found == "the last one failed: rows are missing"
