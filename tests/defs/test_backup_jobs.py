"""The jobs of backups in a real instance: each target is a step of its own, and all are tried."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.model import TARGETS
from coin_pipeline.backup.sets import newest_good, read_set, set_ids
from coin_pipeline.backup.status import read_status
from coin_pipeline.defs.backups.schedules import SCHEDULES
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.in_process import run_in_process
from coin_pipeline.defs.run_requests import JobName, RunSubmission
from coin_pipeline.errors import RunFailed
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.backup_records import record_set


@pytest.fixture
def location(own_root: Path) -> FolderLocation:
    """The location of the backups of a DATA_ROOT with a result and a task."""
    store = LocalStore(own_root)
    store.put("results/one.json", b'{"run_id": "one"}')
    store.put("tasks/two/result.json", b"{}")
    with open_instance(load_settings()):  # creates the tables
        return FolderLocation(own_root / "backups")


def run(job: JobName) -> list[dg.DagsterEvent]:
    """Run a job with its default config, and return its events."""
    events: list[dg.DagsterEvent] = []
    config = build_defs().resolve_job_def(job).run_config or {}
    run_in_process(
        load_settings(),
        RunSubmission(job, dict(config), {}),
        lambda entry: events.append(entry.dagster_event) if entry.dagster_event else None,
    )
    return events


def outputs(events: list[dg.DagsterEvent]) -> dict[str, dict[str, object]]:
    """Return the metadata of each step's output."""
    return {
        str(event.step_key): {name: value.value for name, value in event.step_output_data.metadata.items()}
        for event in events
        if event.is_successful_output
    }


def test_each_target_is_a_step_with_its_figures(location: FolderLocation) -> None:
    """The set is complete; the second one contains nothing new but the dump."""
    first, second = outputs(run("backup")), outputs(run("backup"))
    newest = newest_good(location)
    assert newest is not None
    assert [backup.target for backup in newest.targets] == [*TARGETS]
    assert (first["back_up_results"]["objects"], first["back_up_results"]["new objects"]) == (1, 1)
    assert (second["back_up_results"]["objects"], second["back_up_results"]["new objects"]) == (1, 0)
    for target in TARGETS:
        assert {"objects", "new objects", "new bytes", "seconds", "files"} <= set(second[f"back_up_{target}"])


def test_the_database_is_backed_up_before_the_files_it_refers_to(location: FolderLocation) -> None:
    """Steps of one process run by priority."""
    steps = [event.step_key for event in run("backup") if event.is_step_start]
    assert location.root.is_dir()
    assert steps == ["begin_backup", *(f"back_up_{target}" for target in TARGETS), "finish_backup"]


def test_a_target_that_fails_does_not_hide_the_others(location: FolderLocation) -> None:
    """All are tried, the manifest names the failure, and so does the run."""
    (location.root / "results").parent.mkdir()
    (location.root / "results").write_text("in the way")
    with pytest.raises(RunFailed, match=r"the backup failed for results: "):
        run("backup")
    made = read_set(location)
    assert {backup.target: backup.error is None for backup in made.targets} == {
        "postgresql": True,
        "results": False,
        "tasks": True,
        "candles": True,
    }


def test_a_location_that_is_in_use_fails_the_run(location: FolderLocation) -> None:
    """The message names the process; nothing is written."""
    with location.lock(), pytest.raises(RunFailed, match="is in use by process"):
        run("backup")
    assert list(location.names("sets")) == []


def test_the_lock_is_released_when_the_run_ends(location: FolderLocation) -> None:
    """Whether it succeeded or not."""
    run("backup")
    with location.lock():
        pass


def test_a_drill_proves_the_newest_backup(location: FolderLocation) -> None:
    """Its figures are on the page of the step, and its time counts as the last proven restore."""
    run("backup")
    metadata = outputs(run("restore_drill"))["prove_newest_backup"]
    assert (metadata["objects"], metadata["result served"]) == (2, "one")
    assert read_status(location).last_proven_set == metadata["backup"]


def test_a_drill_without_a_backup_fails(location: FolderLocation) -> None:
    """Nothing is proven."""
    with pytest.raises(RunFailed, match="there is no complete backup"):
        run("restore_drill")
    assert read_status(location).last_proven_at is None


def test_the_cleanup_removes_what_has_expired(location: FolderLocation) -> None:
    """The newest complete set and the sets of the last days are kept."""
    now = datetime.now(UTC)
    for days in (0, 6, 9):
        record_set(location.root, now - timedelta(days=days))
    metadata = outputs(run("backup_cleanup"))["remove_old_backups"]
    assert (len(metadata["backups removed"]), metadata["backups kept"]) == (1, 2)  # type: ignore[arg-type]
    assert len(set_ids(location)) == 2


@pytest.mark.parametrize("job", ["backup", "restore_drill", "backup_cleanup"])
def test_one_job_at_a_time(job: str) -> None:
    """The queue starts one bulk run at a time."""
    assert build_defs().resolve_job_def(job).tags[CLASS_TAG] == BULK


def test_the_definitions_have_the_schedules() -> None:
    """All of them are evaluated."""
    names = {schedule.name for schedule in build_defs().get_repository_def().schedule_defs}
    assert {*SCHEDULES} <= names
