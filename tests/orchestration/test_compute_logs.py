"""What ops print: stored as the settings select, shown in the UI by an event, removed with the run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.backup.sources import source_entries
from coin_pipeline.defs.maintenance.removal import RetentionJob
from coin_pipeline.orchestration.compute_logs import BoundedComputeLogManager
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.results.retention import DAY, RetentionLimits
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.open_store import open_store
from tests.s3 import S3Server

BUCKET = "output-of-ops"
SPOKEN = ["to the output\n", "to the errors\n"]


@dg.op
def speak() -> None:
    """Print one line to each stream."""
    for file_descriptor, text in enumerate(SPOKEN, 1):
        os.write((sys.stdout, sys.stderr)[file_descriptor - 1].fileno(), text.encode())


@dg.job
def speaking() -> None:
    """Run the op."""
    speak()


@contextmanager
def instance_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[dg.DagsterInstance]:
    """An instance with these settings."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with open_instance(load_settings()) as instance:
        yield instance


def captured_events(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    """Return the events by which the UI finds the output."""
    stored = instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
    return [entry.dagster_event for entry in stored if entry.dagster_event]


def spoken(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return what the UI shows."""
    (event,) = captured_events(instance, run_id)
    key = [run_id, "compute_logs", event.logs_captured_data.file_key]
    data = instance.compute_log_manager.get_log_data(key)
    lines = (data.stderr or b"").decode().splitlines(keepends=True)
    return [(data.stdout or b"").decode(), *(line for line in lines if " - DEBUG - " not in line)]  # Dagster's own


def remove_everything(instance: dg.DagsterInstance) -> None:
    """Run retention long after the runs have ended."""
    limits = RetentionLimits(7 * DAY, 30 * DAY)
    RetentionJob(instance, open_store(load_settings())).run(datetime.now(UTC) + timedelta(days=31), limits)


def test_by_default_nothing_is_stored(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Capturing costs tens of milliseconds."""
    with instance_with(monkeypatch) as instance:
        run_id = speaking.execute_in_process(instance=instance).run_id
        assert captured_events(instance, run_id) == []
    assert not (own_root / "dagster/compute_logs").exists()


def test_without_a_bucket_the_output_is_under_data_root(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be read by its owner only, and is removed with the record of the run."""
    folder = own_root / "dagster/compute_logs"
    with instance_with(monkeypatch, COIN_COMPUTE_LOGS="on") as instance:
        run_id = speaking.execute_in_process(instance=instance).run_id
        assert spoken(instance, run_id) == SPOKEN
        assert folder.stat().st_mode & 0o077 == 0
        assert [path.name for path in folder.iterdir()] == [run_id]
        remove_everything(instance)
    assert [*folder.iterdir()] == []


def test_with_a_bucket_the_output_is_there(
    own_root: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials are those of the settings; the output is not part of backups, and is removed with the run."""
    store = s3_server.store(BUCKET)
    with instance_with(monkeypatch, COIN_COMPUTE_LOGS="on", **s3_server.environment(BUCKET)) as instance:
        run_id = speaking.execute_in_process(instance=instance).run_id
        assert spoken(instance, run_id) == SPOKEN
        assert len([*store.keys("compute_logs")]) == 2
        assert not any("compute_logs" in entry.key for entry in source_entries(load_settings(), "results"))
        remove_everything(instance)
    assert [*store.keys("compute_logs")] == []
    assert [path for path in (own_root / "dagster/compute_logs").rglob("*") if path.is_file()] == []


def test_a_run_succeeds_while_the_bucket_is_away(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its output is lost."""
    assert own_root.is_dir()
    nowhere = S3Server(process=None, endpoint="http://127.0.0.1:9").environment(BUCKET)  # type: ignore[arg-type]
    with instance_with(monkeypatch, COIN_COMPUTE_LOGS="on", **nowhere) as instance:
        assert speaking.execute_in_process(instance=instance).success


@pytest.mark.parametrize(("written", "stored"), [(100, b"x" * 100), (1_000_000, b"x" * 100)])
def test_output_is_stored_up_to_a_limit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], written: int, stored: bytes
) -> None:
    """An op that prints without end continues, and fills neither the disk nor the log of its process."""
    manager = BoundedComputeLogManager(str(tmp_path), limit=100)
    with manager.capture_logs(["run", "compute_logs", "op"]):
        os.write(sys.stderr.fileno(), b"x" * written)
    data = manager.get_log_data(["run", "compute_logs", "op"])
    notice = b"[output beyond 100 bytes is not stored]\n" if written > len(stored) else b""
    assert (data.stdout, data.stderr) == (b"", stored + notice)
    assert capfd.readouterr().err == stored.decode()
    assert manager.is_capture_complete(["run", "compute_logs", "op"])
