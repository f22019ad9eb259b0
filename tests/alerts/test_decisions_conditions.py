"""Alerts on full disks, and on backups and restore drills that did not happen."""

from datetime import UTC, datetime, timedelta

import pytest

from coin_pipeline.alerts.decisions_conditions import BackupAges, Conditions, DiskSpace
from coin_pipeline.alerts.model import Alert, Event, Incident, Recovery
from coin_pipeline.alerts.texts import Writer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIB, HOUR = 2**20, timedelta(hours=1)
INSTALLED = NOON - timedelta(days=30)


def conditions(**ages: timedelta) -> Conditions:
    """Return the decisions at noon with open incidents, by key, whose latest alerts are that old."""
    incidents = {key: Incident(key, INSTALLED, NOON - age) for key, age in ages.items()}
    return Conditions(incidents, NOON, Writer("en", "https://dagster.example"))


def kinds(events: list[Event]) -> list[tuple[type[Event], str]]:
    """Return kind and key of each event."""
    return [(type(event), event.key) for event in events]


def disk(free_mib: int) -> list[DiskSpace]:
    """Return a disk of 100 GiB with some space free."""
    return [DiskSpace("/data", free_mib * MIB, 100 * 1024 * MIB)]


def test_a_disk_below_its_limit_is_critical() -> None:
    """The alert has both sizes, the limit and what to do."""
    (alert,) = conditions().disks(disk(1023), 1024)
    assert isinstance(alert, Alert)
    assert (alert.key, alert.notification.level) == ("disk /data", "critical")
    assert "1,023 MiB of 100.0 GiB are free, less than COIN_ALERT_FREE_MIB=1024" in alert.notification.message


@pytest.mark.parametrize(("free", "limit"), [(1024, 1024), (0, 0)])
def test_a_disk_with_enough_space_is_not_mentioned(free: int, limit: int) -> None:
    """A limit of 0 is never reached."""
    assert conditions().disks(disk(free), limit) == []


def test_a_full_disk_is_reported_again_after_a_day() -> None:
    """Not at each look."""
    assert conditions(**{"disk /data": 23 * HOUR}).disks(disk(1), 1024) == []
    assert kinds(conditions(**{"disk /data": 24 * HOUR}).disks(disk(1), 1024)) == [(Alert, "disk /data")]


def test_a_disk_recovers_with_a_margin() -> None:
    """Space that alternates around the limit is one incident."""
    full = {"disk /data": HOUR}
    assert conditions(**full).disks(disk(1200), 1024) == []
    assert kinds(conditions(**full).disks(disk(1229), 1024)) == [(Recovery, "disk /data")]


def test_a_backup_and_a_proof_of_more_than_26_hours_are_overdue() -> None:
    """Each is an incident of its own, with the time of the last one."""
    events = conditions().backups(BackupAges(NOON - 27 * HOUR, NOON - 51 * HOUR, INSTALLED))
    assert kinds(events) == [(Alert, "backup overdue"), (Alert, "restore proof overdue")]
    assert "no complete backup for 27 hours; the last one: 2025-12-31 09:00 UTC" in events[0].notification.message
    assert "for 51 hours" in events[1].notification.message


def test_backups_of_last_night_are_not_mentioned() -> None:
    """26 hours are not yet too many."""
    assert conditions().backups(BackupAges(NOON - 26 * HOUR, NOON - 11 * HOUR, INSTALLED)) == []


def test_a_new_installation_has_26_hours_for_its_first_backup() -> None:
    """Then it is overdue, without a last one."""
    assert conditions().backups(BackupAges(None, None, NOON - 26 * HOUR)) == []
    events = conditions().backups(BackupAges(None, None, NOON - 27 * HOUR))
    assert [event.notification.details["Last"] for event in events] == ["never", "never"]


def test_a_new_backup_and_a_new_proof_close_their_incidents() -> None:
    """The recovery has their times."""
    open_ = {"backup overdue": HOUR, "restore proof overdue": HOUR}
    events = conditions(**open_).backups(BackupAges(NOON - HOUR, NOON, INSTALLED))
    assert kinds(events) == [(Recovery, "backup overdue"), (Recovery, "restore proof overdue")]
    assert events[0].notification.message == "The newest complete backup was made at 2026-01-01 11:00 UTC."


def test_an_overdue_backup_stays_open_without_a_backup() -> None:
    """A new start of the watch, as after a reset of the sensor's cursor, does not close it."""
    assert conditions(**{"backup overdue": HOUR}).backups(BackupAges(None, NOON, NOON)) == []


def test_backups_that_cannot_be_read_for_a_while_are_reported() -> None:
    """A short outage is not."""
    assert conditions().unreadable_backups("s3 is away", NOON - timedelta(minutes=29)) == []
    (alert,) = conditions().unreadable_backups("s3 is away", NOON - timedelta(minutes=30))
    assert (alert.key, alert.notification.level) == ("backup location", "error")
    assert "s3 is away" in alert.notification.message


def test_backups_that_can_be_read_again_close_the_incident() -> None:
    """Whatever their age."""
    events = conditions(**{"backup location": HOUR}).backups(BackupAges(NOON, NOON, INSTALLED))
    assert kinds(events) == [(Recovery, "backup location")]
