"""Removing what is no longer kept, on a real instance and in real stores."""

import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.alerts.model import Alert, Recovery
from coin_pipeline.alerts.outbox import record
from coin_pipeline.auth.audit import Action, new_entry, store_entries
from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.session import Cursor, Session, connect, database_time
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.in_process import run_in_process
from coin_pipeline.defs.maintenance.ops import REMOVED, STORED, WOULD_BE_REMOVED, conservative_now
from coin_pipeline.defs.maintenance.removal import BATCH_SIZE, RetentionJob, RetentionReport
from coin_pipeline.defs.maintenance.run_records import finished_runs
from coin_pipeline.defs.run_requests import retention_submission
from coin_pipeline.errors import StorageRefused, TaskExpiring
from coin_pipeline.notifications.message import Notification
from coin_pipeline.orchestration.failures import PROCESS_DIED
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.run_tags import MAX_RETRIES_TAG, PARENT_RUN_ID_TAG, RETRY_NUMBER_TAG, ROOT_RUN_ID_TAG
from coin_pipeline.results.pins import pin
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.results.retention import DAY, RetentionLimits, group_by_folder
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from tests.dagster_instance import answer, end_lost_runs, job_definition
from tests.dagster_records import StepMaterializationData

LIMITS = RetentionLimits(7 * DAY, 30 * DAY)
Status = dg.DagsterRunStatus


class Died(BaseException):
    """The process is gone."""


class Dying(LocalStore):
    """A store whose process dies before its deletion number `last`."""

    def __init__(self, root: Path, last: int) -> None:
        super().__init__(root)
        self.left = last

    def delete(self, key: str) -> None:
        """Delete, or die."""
        if self.left == 0:
            raise Died
        self.left -= 1
        super().delete(key)


class Counting(LocalStore):
    """A store that counts what is read."""

    reads = 0

    def get(self, key: str) -> bytes:
        """Count and read."""
        self.reads += 1
        return super().get(key)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance of this module's own: what is removed here would be missed elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("own")))
        patch.delenv("DAGSTER_HOME", raising=False)
        settings = load_settings()
        with open_instance(settings) as instance:
            yield instance
        release_database(settings)


@pytest.fixture
def instance(own: dg.DagsterInstance) -> dg.DagsterInstance:
    """The instance, without any run."""
    for run in own.get_runs():
        own.delete_run(run.run_id)
    return own


def recorded(
    instance: dg.DagsterInstance, status: Status, *, shelf: str = "tasks", after: dg.DagsterRun | None = None
) -> dg.DagsterRun:
    """Return a run of the job `backtest` that is recorded in this status, maybe another attempt at a task."""
    days = {"start_date": "2024-01-01", "end_date": "2024-01-02"}
    config = {"strategy": "s", "symbols": ["AAA_KRW"], **days, "shelf": shelf}
    tags, parents = {MAX_RETRIES_TAG: "0"}, {}
    if after:
        parents = {"parent_run_id": after.run_id, "root_run_id": after.run_id}
        number = str(int(after.tags.get(RETRY_NUMBER_TAG, 0)) + 1)
        tags |= {PARENT_RUN_ID_TAG: after.run_id, ROOT_RUN_ID_TAG: after.run_id, RETRY_NUMBER_TAG: number}
    job = job_definition("backtest")
    run_config = {"ops": {"load_candles": {"config": config}}}
    run = instance.create_run_for_job(job, run_config=run_config, status=Status.STARTED, tags=tags, **parents)
    if status == Status.FAILURE:
        instance.report_run_failed(run, PROCESS_DIED)
    elif status == Status.CANCELED:
        instance.report_run_canceled(run)
    elif status == Status.SUCCESS:
        done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name, message="done")
        instance.report_dagster_event(done, run.run_id)
    return run


def leave_task(store: ObjectStore, run: dg.DagsterRun, ended: datetime, *files: str) -> None:
    """Store the manifest of a task, and files."""
    manifest = {"version": "1.2.0", "task_id": run.run_id, "metadata": {"finished_at": ended.isoformat()}}
    publish_task(store, manifest, dict.fromkeys(files, b"12345"))


def later(days: float = 8) -> datetime:
    """Return the time when everything stored now is `days` old."""
    return datetime.now(UTC) + timedelta(days=days)


def populate(instance: dg.DagsterInstance, store: ObjectStore) -> tuple[set[str], set[str]]:
    """Store and record items of every kind; return the keys and run ids that should be left in eight days."""
    files = ("result.json", "equity.parquet", "report.html")
    now, fresh_end = datetime.now(UTC), later(5)
    leave_task(store, recorded(instance, Status.SUCCESS), now, *files)
    leave_task(store, recorded(instance, Status.FAILURE), now)
    leave_task(store, recorded(instance, Status.CANCELED), now)
    first = recorded(instance, Status.FAILURE)
    second = recorded(instance, Status.FAILURE, after=first)
    recorded(instance, Status.SUCCESS, after=second)
    leave_task(store, first, now, *files)
    half = recorded(instance, Status.FAILURE)
    store.put(f"tasks/{half.run_id}/result.json", b"{")
    recorded(instance, Status.FAILURE)  # nothing of it is left
    fresh, pinned = recorded(instance, Status.SUCCESS), recorded(instance, Status.SUCCESS)
    leave_task(store, fresh, fresh_end, *files)
    leave_task(store, pinned, now, *files)
    pin(store, pinned.run_id)
    store.put("pins/gone.json", b"{}")
    working, kept = recorded(instance, Status.STARTED), recorded(instance, Status.SUCCESS, shelf="results")
    failed = recorded(instance, Status.FAILURE, shelf="results")
    begun = recorded(instance, Status.FAILURE)
    again = recorded(instance, Status.STARTED, after=begun)
    store.put(f"tasks/{begun.run_id}/result.json", b"{")
    store.put(f"tasks/{working.run_id}/result.json", b"{")
    store.put(f"runs/{working.run_id}/load_candles/AAA_KRW", b"12345")
    store.put(f"runs/{failed.run_id}/simulate/AAA_KRW", b"12345")
    publish_document(store, {"run_id": kept.run_id}, {"report.html": b"page"})
    store.put("sweeps/chunks/1.parquet", b"12345")
    store.put("tasks/broken/manifest.json", b"{")
    evil = {"version": "1.2.0", "task_id": "../results", "metadata": {"finished_at": "2020-01-01T00:00:00Z"}}
    store.put("tasks/evil/manifest.json", json.dumps(evil).encode())
    for number, run in enumerate((kept, fresh, first)):
        store.put(f"fingerprints/{number}.json", json.dumps({"run_id": run.run_id}).encode())
    keys = {
        *(f"tasks/{run.run_id}/{name}" for run in (fresh, pinned) for name in (*files, "manifest.json")),
        f"pins/{pinned.run_id}.json",
        f"tasks/{working.run_id}/result.json",
        f"tasks/{begun.run_id}/result.json",
        f"runs/{working.run_id}/load_candles/AAA_KRW",
        f"results/{kept.run_id}.json",
        f"reports/{kept.run_id}.html",
        "tasks/broken/manifest.json",
        "tasks/evil/manifest.json",
        "fingerprints/0.json",
        "fingerprints/1.json",
    }
    return keys, {run.run_id for run in (fresh, pinned, working, kept, failed, begun, again)}


def runs_of(instance: dg.DagsterInstance) -> set[str]:
    """Return the ids of all recorded runs."""
    return {run.run_id for run in instance.get_runs()}


def state(instance: dg.DagsterInstance, store: ObjectStore) -> tuple[set[str], set[str]]:
    """Return the stored keys and the recorded runs."""
    return set(store.keys()), runs_of(instance)


def counts(outcome: RetentionReport) -> dict[str, tuple[int, int]]:
    """Return the number of items and objects of each kind."""
    return {removed.what: (removed.count, removed.objects) for removed in outcome.removed}


def test_expired_items_are_removed_and_all_others_kept(instance: dg.DagsterInstance, store: ObjectStore) -> None:
    """Expired tasks go with all attempts; fresh, pinned and unfinished ones, results and unreadable items stay."""
    left = populate(instance, store)
    removed_runs = runs_of(instance) - left[1]
    before = state(instance, store)
    removed_ids: list[str] = []
    dry = RetentionJob(instance, store, dry_run=True, on_removed=removed_ids.extend).run(later(), LIMITS)
    assert (state(instance, store), removed_ids) == (before, [])
    progress: list[tuple[int, int]] = []
    outcome = RetentionJob(instance, store, False, removed_ids.extend, lambda *counts: progress.append(counts)).run(
        later(), LIMITS
    )
    assert state(instance, store) == left
    assert [done for done, _ in progress] == list(range(1, 18))
    assert progress[-1] == (17, 17)
    assert (
        counts(outcome)
        == counts(dry)
        == {
            "expired tasks": (4, 10),
            "unfinished tasks": (1, 1),
            "interim data": (1, 1),
            "sweep chunks": (1, 1),
            "fingerprints": (1, 1),
            "stale pins": (1, 1),
            "run records": (8, 0),
        }
    )
    assert (outcome.pinned, len(outcome.notices)) == (1, 2)
    assert outcome.before.tasks - outcome.after.tasks == sum(
        removed.size for removed in outcome.removed if "tasks" in removed.what
    )
    assert set(removed_ids) <= removed_runs
    assert all(not instance.get_records_for_run(run_id).records for run_id in removed_runs)
    assert counts(RetentionJob(instance, store).run(later(), LIMITS)) == {}


def test_old_records_of_other_runs_are_removed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Their results stay; unfinished runs are never removed."""
    store = LocalStore(tmp_path)
    kept, working = recorded(instance, Status.SUCCESS, shelf="results"), recorded(instance, Status.STARTED)
    publish_document(store, {"run_id": kept.run_id}, {"report.html": b"page"})
    removed_ids: list[str] = []
    RetentionJob(instance, store, on_removed=removed_ids.extend).run(later(29), LIMITS)
    assert runs_of(instance) == {kept.run_id, working.run_id}
    RetentionJob(instance, store, on_removed=removed_ids.extend).run(later(31), LIMITS)
    assert runs_of(instance) == {working.run_id}
    assert store.exists(f"results/{kept.run_id}.json")
    assert removed_ids == []


def test_partitions_outlive_the_records_of_the_runs_that_made_them(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Of a removed run, only the events that record materialized partitions are kept."""
    run = recorded(instance, Status.STARTED, shelf="results")
    made = dg.AssetMaterialization(["candles", "1h"], partition="2024-02|AAA_KRW")
    event = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        run.job_name,
        event_specific_data=StepMaterializationData(made),
    )
    instance.report_dagster_event(event, run.run_id)
    instance.report_run_failed(run, PROCESS_DIED)
    assert RetentionJob(instance, LocalStore(tmp_path)).run(later(31), LIMITS).removed[0].count == 1
    assert instance.get_run_by_id(run.run_id) is None
    left = instance.get_records_for_run(run.run_id).records
    assert [record.event_log_entry.dagster_event_type for record in left] == [event.event_type]
    key = dg.AssetKey(["candles", "1h"])
    assert instance.get_materialized_partitions(key) == {"2024-02|AAA_KRW"}


def test_more_records_than_a_page_are_all_found(instance: dg.DagsterInstance) -> None:
    """Each once, the latest first."""
    runs = [recorded(instance, status) for status in (Status.FAILURE, Status.SUCCESS, Status.CANCELED) * 3]
    recorded(instance, Status.STARTED)
    found = [run.run_id for run in finished_runs(instance, later(1), page=4)]
    assert found == [run.run_id for run in reversed(runs)]
    assert list(finished_runs(instance, later(-1))) == []


@pytest.mark.parametrize("last", range(26))
def test_next_round_completes_one_killed_before_any_deletion(
    instance: dg.DagsterInstance, tmp_path: Path, last: int
) -> None:
    """Wherever the kill happens, the same objects remain, and the index matches them."""
    store = LocalStore(tmp_path)
    left = populate(instance, store)
    tasks = {run.run_id for run in instance.get_runs() if RETRY_NUMBER_TAG not in run.tags} - left[1]
    removed_ids: list[str] = []
    with suppress(Died):
        RetentionJob(instance, Dying(tmp_path, last), on_removed=removed_ids.extend).run(later(), LIMITS)
    assert state(instance, store) != left or last == 25
    RetentionJob(instance, store, on_removed=removed_ids.extend).run(later(), LIMITS)
    assert state(instance, store) == left
    assert set(removed_ids) == tasks


@pytest.mark.parametrize("last", range(1, 18))
def test_an_interrupted_round_is_completed_by_the_next(instance: dg.DagsterInstance, tmp_path: Path, last: int) -> None:
    """Even between two run records: the remaining attempts of a task can still be assigned to it."""
    store = LocalStore(tmp_path)
    left = populate(instance, store)
    assert die_after(instance, store, last)
    RetentionJob(instance, store).run(later(), LIMITS)
    assert state(instance, store) == left


def die_after(instance: dg.DagsterInstance, store: ObjectStore, last: int) -> bool:
    """Die after `last` removals; return whether there were that many."""

    def die(done: int, _planned: int) -> None:
        if done == last:
            raise Died

    try:
        RetentionJob(instance, store, on_progress=die).run(later(), LIMITS)
    except Died:
        return True
    return False


class PinningStore(LocalStore):
    """A store in which each task is pinned right after retention has found no pin."""

    def exists(self, key: str) -> bool:
        """Check, then pin."""
        found = super().exists(key)
        if key.startswith("pins/") and not found:
            with suppress(TaskExpiring):
                pin(LocalStore(self.root), key.split("/")[1].removesuffix(".json"))
                raise AssertionError(key)
        return found


def test_a_pin_between_check_and_removal_is_rejected(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Pinning fails once retention has claimed the task, which is then removed."""
    run = recorded(instance, Status.SUCCESS)
    leave_task(LocalStore(tmp_path), run, datetime.now(UTC), "result.json")
    assert counts(RetentionJob(instance, PinningStore(tmp_path)).run(later(), LIMITS))["expired tasks"] == (1, 2)
    assert state(instance, LocalStore(tmp_path)) == (set(), set())


class RefusingStore(LocalStore):
    """A store that refuses to delete anything of one task."""

    refused = ""

    def delete(self, key: str) -> None:
        """Delete, or refuse."""
        if self.refused in key:
            raise StorageRefused(key, "access is denied")
        super().delete(key)


def test_removed_tasks_leave_the_index_even_if_the_next_removal_fails(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """The index is updated for the tasks that were removed before the failure."""
    store = RefusingStore(tmp_path)
    for _ in range(4):
        leave_task(store, recorded(instance, Status.SUCCESS), datetime.now(UTC), "result.json")
    listed = [*group_by_folder(store.entries("tasks"))]
    store.refused = listed[2]
    removed_ids: list[str] = []
    with pytest.raises(StorageRefused):
        RetentionJob(instance, store, on_removed=removed_ids.extend).run(later(), LIMITS)
    assert {key.split("/")[1] for key in store.keys("tasks")} == set(listed[2:])
    assert removed_ids == listed[:2]


def test_tasks_pinned_or_retried_in_the_meantime_are_kept(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """After the scan of the store and before their removal."""
    store = LocalStore(tmp_path)
    first = recorded(instance, Status.SUCCESS)
    leave_task(store, first, datetime.now(UTC), "result.json")
    others = [recorded(instance, Status.SUCCESS) for _ in range(BATCH_SIZE)]
    for run in others:
        leave_task(store, run, datetime.now(UTC))
    order = sorted([first.run_id, *(run.run_id for run in others)])
    last, pinned = order[-1], order[1]

    def interfere(done: int, _planned: int) -> None:
        if done == 1:
            pin(store, pinned)
            recorded(instance, Status.STARTED, after=instance.get_run_by_id(last))

    RetentionJob(instance, store, on_progress=interfere).run(later(), LIMITS)
    assert {key.split("/")[1] for key in store.keys("tasks")} == {pinned, last}
    assert {pinned, last} < runs_of(instance)


def test_leftovers_of_broken_writes_are_removed_after_a_day(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """In every area, even in results/, where nothing else is ever removed."""
    store = LocalStore(tmp_path)
    publish_document(store, {"run_id": "kept"}, {"report.html": b"page"})
    for shelf in ("results", "tasks/t", "runs/r/simulate", "reports", "fingerprints"):
        (tmp_path / shelf).mkdir(parents=True, exist_ok=True)
        (tmp_path / shelf / ".tmp-1").write_bytes(b"half")
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / ".tmp-1").write_bytes(b"not ours")
    assert counts(RetentionJob(instance, store).run(later(0.9), LIMITS)) == {}
    assert counts(RetentionJob(instance, store).run(later(1.1), LIMITS)) == {"broken writes": (5, 5)}
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "dagster/.tmp-1",
        "reports/kept.html",
        "results/kept.json",
    ]


def test_files_of_the_legacy_platform_are_kept(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Its tasks ended long ago, with a result, without one, or without a manifest: a migration loses none."""
    store, long_ago = LocalStore(tmp_path), {"metadata": {"finished_at": "2024-01-01T00:00:00+00:00Z"}}
    for task_id, files in (("done", {"result.json": b"{}"}), ("failed", {})):
        publish_task(store, {"task_id": task_id, **long_ago}, files)
    store.put("tasks/without/result.json", b"{}")
    os.utime(store.uri("tasks/without/result.json"), (0, 0))
    before = sorted(store.keys())
    outcome = RetentionJob(instance, store).run(later(), LIMITS)
    assert (counts(outcome), sorted(store.keys())) == ({}, before)
    assert outcome.notices == ("kept: 2 tasks of the legacy platform, whose files are never removed",)


def test_five_hundred_tasks_cost_a_read_each_and_little_memory(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Their files are not read, and little is kept in memory about each."""
    for number in range(500):
        folder = tmp_path / "tasks" / f"task-{number:03}"
        folder.mkdir(parents=True)
        metadata = {"finished_at": datetime.now(UTC).isoformat(), "padding": "x" * 5000}
        (folder / "manifest.json").write_text(
            json.dumps({"version": "1.2.0", "task_id": folder.name, "metadata": metadata})
        )
        (folder / "result.json").write_bytes(b"x" * 20_000)
    store = Counting(tmp_path)
    tracemalloc.start()
    outcome = RetentionJob(instance, store).run(later(), LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts(outcome) == {"expired tasks": (500, 1000)}
    assert store.reads == 500
    assert peak < 2 * 2**20  # their manifests take 2.6 MB, all files 12.6 MB
    assert list(store.keys()) == []


def test_the_earlier_of_two_clocks_counts(instance: dg.DagsterInstance) -> None:
    """One that is ahead would let everything expire."""
    assert instance
    with closing(Session(database_url(load_settings()))) as session:
        assert abs(database_time(session) - datetime.now(UTC)) < timedelta(minutes=1)
    assert conservative_now(load_settings()) <= datetime.now(UTC)


def ago(run: dg.DagsterRun, days: int) -> None:
    """Move the end of a run `days` into the past."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "update runs set update_timestamp = update_timestamp - %s * interval '1 day', end_time = end_time - %s"
            " where run_id = %s",
            (days, days * 86400, run.run_id),
        )


def output_metadata(
    run: Callable[[Callable[[dg.EventLogEntry], None]], str],
) -> tuple[str, dict[str, dg.MetadataValue]]:
    """Run the job; return its run id and output metadata."""
    metadata: dict[str, dg.MetadataValue] = {}

    def collect(entry: dg.EventLogEntry) -> None:
        if entry.dagster_event and entry.dagster_event.is_successful_output:
            metadata.update(entry.dagster_event.step_output_data.metadata)

    return run(collect), metadata


def test_the_job_removes_and_reports(instance: dg.DagsterInstance) -> None:
    """It uses the settings' limits; a dry run reports what would be removed and changes nothing."""
    settings = load_settings()
    store = LocalStore(settings.data_root)
    old, new = recorded(instance, Status.SUCCESS), recorded(instance, Status.SUCCESS)
    leave_task(store, old, datetime.now(UTC) - 8 * DAY, "result.json")
    leave_task(store, new, datetime.now(UTC), "result.json")
    ago(old, 8)
    leave_alerts(31)
    leave_audit_entries(364, 366)
    _, metadata = output_metadata(
        lambda on_event: run_in_process(settings, retention_submission(dry_run=True), on_event)
    )
    assert isinstance(metadata[WOULD_BE_REMOVED], dg.TableMetadataValue)
    assert store.exists(f"tasks/{old.run_id}/manifest.json")
    run_id, metadata = output_metadata(
        lambda on_event: run_in_process(settings, retention_submission(dry_run=False), on_event)
    )
    removed, stored = metadata[REMOVED], metadata[STORED]
    assert isinstance(removed, dg.TableMetadataValue)
    assert isinstance(stored, dg.TableMetadataValue)
    assert [(row.data["what"], row.data["count"]) for row in removed.records] == [
        ("expired tasks", 1),
        ("run records", 1),
        ("alerts", 2),
        ("audit entries", 1),
    ]
    assert [row.data["where"] for row in stored.records] == [
        "tasks/",
        "runs/",
        "sweeps/",
        "free on the disk",
        "the database",
    ]
    assert stored.records[0].data["freed"] == removed.records[0].data["bytes"]
    assert {key.split("/")[1] for key in store.keys("tasks")} == {new.run_id}
    assert {new.run_id, run_id} < runs_of(instance)
    assert old.run_id not in runs_of(instance)


def leave_audit_entries(*days: int) -> None:
    """Store entries of the audit log of N days ago, for each N."""
    with closing(Session(database_url(load_settings()))) as session:
        entries = [new_entry(None, "local", "CLI", Action("coin token create", None), 200) for _ in days]
        now = datetime.now(UTC)
        store_entries(session, [e._replace(at=now - day * DAY) for e, day in zip(entries, days, strict=True)])


def leave_alerts(days: int) -> None:
    """Store an alert and its recovery of `days` ago."""
    with closing(Session(database_url(load_settings()))) as session:
        record(session, [Alert("disk", "1", Notification("full", "")), Recovery("disk", Notification("free", ""))])

        def age(cursor: Cursor) -> None:
            for table, column in (("alert", "recorded_at"), ("alert_incident", "closed_at")):
                cursor.execute(f"update coin.{table} set {column} = {column} - interval '{days} d'")  # noqa: S608 -- above

        session.run(age)


def test_an_expiring_task_gets_no_second_manifest(instance: dg.DagsterInstance) -> None:
    """Its manifest is removed before its run; the monitor may check in between."""
    store = LocalStore(load_settings().data_root)
    old, new = (recorded(instance, Status.FAILURE) for _ in range(2))
    ago(old, 8)
    answer(instance)
    assert not store.exists(f"tasks/{old.run_id}/manifest.json")
    assert store.exists(f"tasks/{new.run_id}/manifest.json")


def test_a_dead_retention_run_fails_without_a_manifest(instance: dg.DagsterInstance) -> None:
    """Its lease expires like that of any run, but it is not a task."""
    store = LocalStore(load_settings().data_root)
    before = set(store.keys("tasks"))
    job = job_definition("retention")
    run = instance.create_run_for_job(job, status=Status.STARTED)
    with closing(Session(database_url(load_settings()))) as session:
        Leases(session).renew(run.run_id)
        session.run(lambda cursor: cursor.execute("update coin.lease set until = 'epoch', started = 0"))
    end_lost_runs(instance)
    answer(instance)
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert found.status == Status.FAILURE
    assert set(store.keys("tasks")) == before


def test_retention_runs_every_night_and_old_ticks_are_purged(instance: dg.DagsterInstance) -> None:
    """At 03:30 in Seoul, switched on by default."""
    schedule = build_defs().resolve_schedule_def("daily_retention")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 3 * * *", "Asia/Seoul")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    for settings in (
        instance.get_settings("retention")["sensor"]["purge_after_days"],
        instance.get_settings("retention")["schedule"],
    ):
        assert all(0 < days <= 90 for days in settings.values())
