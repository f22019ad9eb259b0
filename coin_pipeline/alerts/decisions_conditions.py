"""Alerts on conditions that no run reports: a full disk, and backups or restore drills that did not happen.

A condition is reported when it begins, once a day while it lasts, and when it is over. What was reported is in the open
incidents, so a decision needs no memory of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coin_pipeline.alerts import texts
from coin_pipeline.alerts.model import Alert, Event, Incident, Recovery
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.languages import Text
from coin_pipeline.notifications.message import Level, Notification

MAX_AGE = timedelta(hours=26)
"""Age of the last backup, and of the last proven restore, above which it is overdue: a night, and two hours to run."""
REMINDER = timedelta(days=1)
BACKUP, PROOF, LOCATION = "backup overdue", "restore proof overdue", "backup location"
"""Keys of the incidents of backups."""
UNREADABLE = timedelta(minutes=30)
"""How long the location of the backups may be unavailable before it is reported."""
CLEARED = 1.2
"""Multiple of the limit that must be free before a disk counts as cleared, so that it does not alternate."""
_MIB, _GIB = 2**20, 2**30


class DiskSpace(NamedTuple):
    """A disk: the path of a folder on it, and its free and total size, bytes."""

    path: str
    free: int
    total: int


class BackupAges(NamedTuple):
    """What is known about backups.

    Attributes:
        good_at: When the newest complete backup was made, UTC; None without one.
        proven_at: When a restore was proven last, UTC; None if it never was.
        watched_since: When this installation started to expect backups, UTC.
    """

    good_at: datetime | None
    proven_at: datetime | None
    watched_since: datetime


class _Condition(NamedTuple):
    """A condition now: what to send while it holds, and what once it is over; None if it is neither."""

    key: str
    alert: Notification | None
    recovery: Notification | None


class Conditions:
    """Decides what to report about conditions.

    Args:
        incidents: Open incidents by key.
        now: Time of the database, UTC, as that of the incidents.
        writer: Writes the texts.
    """

    def __init__(self, incidents: Mapping[str, Incident], now: datetime, writer: Writer) -> None:
        self._incidents = incidents
        self._now = now
        self._writer = writer

    def disks(self, disks: Sequence[DiskSpace], limit_mib: int) -> list[Event]:
        """Return the events of disks with less than `limit_mib` MiB free, and of those with enough again."""
        return self._events(self._disk(disk, limit_mib) for disk in disks)

    def backups(self, ages: BackupAges) -> list[Event]:
        """Return the events of a backup and a restore drill that are overdue, or are no longer."""
        readable = self._notification(texts.BACKUPS_READABLE, texts.LOCATION_RESPONDS)
        backup = self._overdue(
            BACKUP,
            ages.good_at,
            ages.watched_since,
            (texts.BACKUP_OVERDUE, texts.BACKUP_OVERDUE_REASON, texts.BACKUP_OVERDUE_ADVICE),
            (texts.BACKUP_RECOVERED, texts.BACKUP_IS_CURRENT),
        )
        proof = self._overdue(
            PROOF,
            ages.proven_at,
            ages.watched_since,
            (texts.PROOF_OVERDUE, texts.PROOF_OVERDUE_REASON, texts.PROOF_OVERDUE_ADVICE),
            (texts.PROOF_RECOVERED, texts.PROOF_IS_CURRENT),
        )
        return self._events([_Condition(LOCATION, None, readable), backup, proof])

    def unreadable_backups(self, error: str, since: datetime) -> list[Event]:
        """Return the events of backups that have been unreadable since `since`, with the error of the last attempt."""
        if self._now - since < UNREADABLE:
            return []
        body = self._writer.reason(error, self._writer.write(texts.BACKUPS_UNREADABLE_ADVICE))
        alert = Notification(self._writer.write(texts.BACKUPS_UNREADABLE), body, "error")
        return self._events([_Condition(LOCATION, alert, None)])

    def unwatched_backups(self) -> list[Event]:
        """Return the events of backups that are no longer expected: what was wrong with them is over."""
        over = self._notification(texts.BACKUPS_UNWATCHED, texts.SCHEDULE_IS_OFF)
        return self._events(_Condition(key, None, over) for key in (BACKUP, PROOF, LOCATION))

    def _events(self, conditions: Iterable[_Condition]) -> list[Event]:
        decided = [self._decide(condition) for condition in conditions]
        return [event for event in decided if event]

    def _decide(self, condition: _Condition) -> Event | None:
        incident = self._incidents.get(condition.key)
        if condition.alert and (incident is None or self._now - incident.last_alert_at >= REMINDER):
            return Alert(condition.key, self._now.isoformat(timespec="seconds"), condition.alert)
        if condition.recovery and incident:
            return Recovery(condition.key, condition.recovery)
        return None

    def _disk(self, disk: DiskSpace, limit_mib: int) -> _Condition:
        limit = limit_mib * _MIB
        free, total = _size(disk.free), _size(disk.total)
        alert = self._alert(
            self._writer.write(texts.DISK_LOW, path=disk.path),
            self._writer.write(texts.DISK_REASON, free=free, total=total, limit=limit_mib),
            texts.DISK_ADVICE,
            {texts.DISK: disk.path, texts.FREE: free},
        )
        recovery = self._notification(texts.DISK_RECOVERED, texts.DISK_IS_FREE, path=disk.path, free=free, total=total)
        is_low, is_cleared = disk.free < limit, disk.free >= limit * CLEARED
        return _Condition(f"disk {disk.path}", alert if is_low else None, recovery if is_cleared else None)

    def _overdue(
        self,
        key: str,
        last: datetime | None,
        watched_since: datetime,
        overdue: tuple[Text, Text, Text],
        recovered: tuple[Text, Text],
    ) -> _Condition:
        """Return the condition of something that must happen every day.

        Args:
            key: Key of the incident.
            last: When it happened last.
            watched_since: When it was expected first.
            overdue: Title, reason and advice of the alert.
            recovered: Title and message of the recovery.
        """
        age = self._now - max(last or watched_since, watched_since)
        at = f"{last:%Y-%m-%d %H:%M} UTC" if last else self._writer.write(texts.NEVER)
        if age <= MAX_AGE:
            return _Condition(key, None, self._notification(*recovered, last=at) if last else None)
        title, reason, advice = overdue
        hours = int(age.total_seconds() // 3600)
        body = self._writer.write(reason, hours=hours, last=at)
        return _Condition(key, self._alert(self._writer.write(title), body, advice, {texts.LAST: at}), None)

    def _alert(
        self, title: str, reason: str, advice: Text, details: Mapping[Text, str], level: Level = "critical"
    ) -> Notification:
        body = self._writer.reason(reason, self._writer.write(advice))
        labelled = {self._writer.write(label): value for label, value in details.items()}
        return Notification(title, body, level, labelled, self._writer.link("automation"))

    def _notification(self, title: Text, message: Text, **values: object) -> Notification:
        return Notification(self._writer.write(title, **values), self._writer.write(message, **values))


def _size(size: int) -> str:
    return f"{size / _GIB:,.1f} GiB" if size >= _GIB else f"{size / _MIB:,.0f} MiB"
