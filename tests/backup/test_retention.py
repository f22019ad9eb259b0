"""Retention removes sets by age, and never what is needed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.backup.locations import Location, open_location
from coin_pipeline.backup.model import SET_ID, TARGETS, BackupFile, BackupSet, DrillReport, TargetBackup
from coin_pipeline.backup.retention import plan_retention, remove_expired
from coin_pipeline.backup.sets import files_of, list_sets, write_manifest
from coin_pipeline.backup.stats import read_stats
from coin_pipeline.backup.status import write_report
from coin_pipeline.backup.streams import CHECKSUM
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.settings import Settings
from coin_pipeline.storage.local import LocalStore
from tests.backup.objects import back_up, damage, write_data_root

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def backup_set(number: int, started_at: datetime, files: tuple[str, ...] = (), error: str | None = None) -> BackupSet:
    """Return a set with files of results; it is good unless it has an error."""
    described = tuple(BackupFile(name=name, size=10, sha256="", md5="") for name in files)
    targets = tuple(
        TargetBackup(target=target, error=error, files=described if target == "results" else ()) for target in TARGETS
    )
    set_id = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).strftime(SET_ID)
    return BackupSet(
        set_id=set_id,
        started_at=started_at,
        finished_at=started_at,
        version="1",
        schema_revision=None,
        recipient=None,
        targets=targets,
    )


def expired_ages(days: int, *sets: tuple[float, str | None], now: datetime = NOW) -> list[float]:
    """Return the ages of the sets that expire, of sets given by their age in days and their error, newest first."""
    made = [backup_set(-number, NOW - timedelta(days=age), (), error) for number, (age, error) in enumerate(sets)]
    plan = plan_retention(made, now, days)
    return [(NOW - found.started_at) / timedelta(days=1) for found in plan.expired]


def test_sets_expire_by_age() -> None:
    """Those that are older than the limit, oldest first."""
    assert expired_ages(7, (0, None), (6, None), (7, None), (7.1, None), (30, None)) == [30, 7.1]


def test_the_last_good_set_is_kept() -> None:
    """However many failed ones are newer."""
    assert expired_ages(7, (0, "no space"), (8, "no space"), (20, None), (30, None)) == [30, 8]


def test_nothing_expires_while_no_backups_are_made() -> None:
    """Age counts from the newest set, so a clock that is ahead removes nothing either."""
    assert expired_ages(7, (0, None), (6, None), now=NOW + timedelta(days=4000)) == []


def test_a_set_that_was_made_when_the_clock_was_ahead_expires_all_the_same() -> None:
    """It is not newer than the next set."""
    assert expired_ages(7, (0, None), (10, None), (-4000, None), (20, None)) == [20, -4000, 10]


def test_a_set_that_was_made_when_the_clock_was_behind_makes_no_other_one_expire() -> None:
    """It counts as old as the set before it, and the earlier ones are as old as they are."""
    assert expired_ages(7, (0, None), (20_000, None), (1, None), (6, None), (8, None)) == [8]


def test_nothing_expires_without_sets() -> None:
    """Nor does anything fail."""
    assert plan_retention([], NOW, 7) == ((), (), (), 0)


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.sampled_from([None, "failed"]), st.sets(st.sampled_from("abcdef")))),
    st.integers(1, 10),
    st.integers(-60, 60),
)
def test_a_plan_never_removes_what_is_needed(
    given_sets: list[tuple[int, str | None, set[str]]], days: int, shift: int
) -> None:
    """Whatever the clock did: no file of a kept set, nor the newest set, nor the last good one."""
    sets = [
        backup_set(-number, NOW - timedelta(days=age), tuple(sorted(files)), error)
        for number, (age, error, files) in enumerate(given_sets)
    ]
    plan = plan_retention(sets, NOW + timedelta(days=shift), days)
    assert not set(plan.files) & {name for found in plan.kept for name in files_of(found)}
    assert sets[:1] == list(plan.kept[:1])
    good = [found.set_id for found in sets if found.is_good]
    assert good[:1] == [found.set_id for found in plan.kept if found.is_good][:1]
    assert len(plan.kept) + len(plan.expired) == len(sets)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a DATA_ROOT with a set of two weeks ago and one of now, which needs an archive of the first."""
    settings = write_data_root(tmp_path)
    old = back_up(settings)
    write_manifest(open_location(settings), old.model_copy(update={"started_at": old.started_at - timedelta(days=14)}))
    LocalStore(tmp_path).put("results/r2.json", b"new")
    back_up(settings)
    return settings


def removed(location: Location, *, dry_run: bool = False) -> list[str]:
    """Remove expired sets; return the names of the files that are gone."""
    before = set(location.names())
    remove_expired(location, datetime.now(UTC), 7, dry_run=dry_run)
    return sorted(before - set(location.names()))


def test_only_unneeded_files_are_removed(settings: Settings) -> None:
    """The archive that the newest set needs stays; nothing of the removed set is left otherwise."""
    location = open_location(settings)
    new, old = list_sets(location)
    lists = [f"{target}/{target}_{old.set_id}.list.gz" for target in ("results", "tasks", "candles")]
    names = [*lists, f"sets/{old.set_id}.json"]
    assert removed(location) == sorted(name + ending for name in names for ending in ("", CHECKSUM))
    assert damage(settings, new) == []
    assert removed(location) == []


def test_a_dry_run_changes_nothing(settings: Settings) -> None:
    """It returns what the removal removes."""
    location = open_location(settings)
    planned = remove_expired(location, datetime.now(UTC), 7, dry_run=True)
    assert removed(location, dry_run=True) == []
    assert remove_expired(location, datetime.now(UTC), 7)[:2] == planned[:2]


def test_an_archive_goes_with_the_last_set_that_needs_it(settings: Settings) -> None:
    """Also if the set that wrote it went earlier."""
    location = open_location(settings)
    removed(location)
    (kept,) = list_sets(location)
    write_manifest(location, kept.model_copy(update={"started_at": kept.started_at - timedelta(days=14)}))
    for path in settings.data_root.glob("*/*"):
        if path.parent.name in {"results", "reports", "forward", "fingerprints"} and path.is_file():
            path.unlink()
    back_up(settings, ("tasks",))
    (shared,) = [file.name for file in kept.targets[0].archives if kept.set_id not in file.name]
    assert {shared, shared + CHECKSUM} <= set(removed(location))
    assert len(list_sets(location)) == 1


def test_the_set_that_a_drill_has_proven_is_kept(settings: Settings) -> None:
    """Until a drill proves another one: newer sets may be damaged."""
    location = open_location(settings)
    new, old = list_sets(location)
    for proven, gone in ((old, False), (new, True)):
        write_report(location, DrillReport(set_id=proven.set_id, started_at=NOW, finished_at=NOW))
        assert bool(removed(location)) == gone
    assert list_sets(location) == [new]


def test_a_damaged_manifest_stops_the_removal(settings: Settings) -> None:
    """It is unknown which files it needs."""
    location = open_location(settings)
    newest = list_sets(location)[0]
    with location.write(f"sets/{newest.set_id}.json") as file:
        file.write(b"damaged")
    with pytest.raises(ObjectCorrupt, match="nothing was removed"):
        removed(location)
    back_up(settings)
    assert all(location.exists(name) for name in files_of(newest))


def test_statistics_count_shared_files_once(settings: Settings) -> None:
    """An archive that two sets need takes its space once."""
    stats = read_stats(open_location(settings))
    assert (stats.sets, stats.good_sets, stats.damaged) == (2, 0, ())
    assert [(target.target, target.sets, target.files) for target in stats.targets] == [
        ("postgresql", 0, 0),
        ("results", 2, 4),
        ("tasks", 2, 3),
        ("candles", 2, 3),
    ]
    folder = Path(stats.location)
    assert stats.size == sum(path.stat().st_size for path in folder.rglob("*.gz"))


def test_statistics_of_an_empty_folder_are_zero(tmp_path: Path) -> None:
    """It need not even exist."""
    stats = read_stats(open_location(Settings(coin_backup_location=str(tmp_path / "missing"))))
    assert (stats.sets, stats.newest, stats.size) == (0, None, 0)
    assert stats.free
