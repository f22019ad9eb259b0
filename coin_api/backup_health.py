"""Health of the backups: ages of the last good backup and of the last proven restore, which no backtest needs."""

import time
from datetime import UTC, datetime, timedelta

from coin_api.schemas import Component
from coin_pipeline.alerts.decisions_conditions import MAX_AGE
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.status import BackupStatus, read_status
from coin_pipeline.settings import Settings
from coin_pipeline.storage.open_store import FAST_TIMEOUTS

PROBE = "backups"
"""Name of the probe that reads the ages."""
READ_INTERVAL_S = 60.0
"""How often the location of the backups is read; it may be a bucket."""


class BackupHealth:
    """Reads the state of the backups once a minute at most.

    Args:
        settings: Where backups are stored.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._status: BackupStatus | None = None
        self._read_at = 0.0

    def probe(self) -> None:
        """Read the state unless it is recent; the probe of PROBE."""
        if self._status is None or time.monotonic() - self._read_at > READ_INTERVAL_S:
            self._status = read_status(open_location(self._settings, FAST_TIMEOUTS))
            self._read_at = time.monotonic()

    @property
    def status(self) -> BackupStatus | None:
        """The state as it was read last; None if it was not read yet."""
        return self._status

    def components(self, problem: str | None, now: datetime | None = None) -> dict[str, Component]:
        """Return the components `backup` and `restore_drill`.

        Args:
            problem: Why the last probe failed, if it did.
            now: The present; defaults to the clock.
        """
        if problem or self._status is None:
            unknown = Component(healthy=False, detail=problem or "it was not read yet")
            return {"backup": unknown, "restore_drill": unknown}
        now = now or datetime.now(UTC)
        return {
            "backup": _component("good backup", self._status.last_good_at, now),
            "restore_drill": _component("proven restore", self._status.last_proven_at, now),
        }


def _component(what: str, at: datetime | None, now: datetime) -> Component:
    if at is None:
        return Component(healthy=False, detail=f"there is no {what} yet")
    age = now - at
    detail = f"the last {what} is {age / timedelta(hours=1):.1f} hours old"
    return Component(healthy=age <= MAX_AGE, detail=detail)
