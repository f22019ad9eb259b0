"""Errors of backups, restores and alerts."""

from collections.abc import Mapping

from coin_pipeline.errors.base import CoinError
from coin_pipeline.errors.conflicts import Conflict
from coin_pipeline.errors.invalid_input import InvalidInput
from coin_pipeline.errors.not_found import NotFound


class BackupFailed(CoinError):
    """Some targets could not be backed up, verified or restored; `reasons` maps each to its error."""

    def __init__(self, operation: str, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        listed = "; ".join(f"{target}: {reason}" for target, reason in self.reasons.items())
        super().__init__(f"the {operation} failed for {listed}")


class DrillFailed(CoinError):
    """A restore drill could not prove a backup."""

    def __init__(self, set_id: str, reason: str) -> None:
        super().__init__(f"backup {set_id} was not proven: {reason}")


class RestoreDiffers(CoinError):
    """Restored data differ from what was backed up."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"the restored {target} differ from the backup: {reason}")


class RestoreFailed(CoinError):
    """PostgreSQL could not restore a dump."""

    client_message = "the database could not be restored"

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"PostgreSQL at {where} could not restore the dump and is unchanged: {reason}")


class BackupTooNew(Conflict):
    """A newer version of the platform has made a backup."""

    def __init__(self, set_id: str, version: str, revision: str, head: str) -> None:
        super().__init__(
            f"backup {set_id} was made by version {version} with schema revision {revision!r}, and this version knows"
            f" none after {head!r}; restore it with that version"
        )


class BackupNotFound(NotFound):
    """No backup has this id, or there is none at all."""

    def __init__(self, set_id: str, location: str) -> None:
        which = "" if set_id == "latest" else f" {set_id}"
        super().__init__(f"there is no complete backup{which} in {location}; 'coin backup list' lists them")


class AlertNotFound(NotFound):
    """No alert has this id."""

    def __init__(self, alert_id: object) -> None:
        super().__init__(f"there is no alert {alert_id}; 'coin alerts list --all' lists them")


class BackupInProgress(Conflict):
    """Another process writes to the location of the backups."""

    def __init__(self, location: str, holder: str) -> None:
        super().__init__(f"{location} is in use by {holder}; try again when it has finished")


class RestoreRefused(Conflict):
    """The place to restore into is not empty."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} {reason}; nothing was changed; restore elsewhere, or pass --overwrite to replace it")


class InvalidBackupKey(InvalidInput):
    """The backup key is malformed, missing, or not the one with which a backup was encrypted."""
