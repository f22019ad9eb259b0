"""Errors for requests that conflict with the current state: HTTP 409, and HTTP 413 and 429 for exceeded limits."""

from decimal import Decimal

from coin_pipeline.errors.base import CoinError
from coin_pipeline.errors.coded import coded


class Conflict(CoinError):
    """The request conflicts with what is already stored."""


class ObjectExists(Conflict):
    """The key is taken; results are immutable."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} already exists and is never overwritten")


class IdempotencyConflict(Conflict):
    """Two different requests used one idempotency key."""

    def __init__(self, key: str, made: str) -> None:
        super().__init__(coded("idempotency_conflict", key=key[:80], made=made))


class SeriesInUse(Conflict):
    """Another process changes the candles of a series in a bucket, for longer than a writer waits."""

    def __init__(self, series: str, holder: str) -> None:
        super().__init__(coded("series_in_use", series=series, holder=holder))


class TaskIdConflict(Conflict):
    """Two different requests used one task id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(coded("task_id_conflict", task_id=task_id))


class NotCancellable(Conflict):
    """The task cannot be cancelled, usually because it has already ended."""

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(coded("not_cancellable", task_id=task_id, reason=reason))


class BuiltInPreset(Conflict):
    """The preset is part of the platform.

    Args:
        name: Its name.
        refused: What cannot be done with it, such as `deleted`.
    """

    def __init__(self, name: str, refused: str) -> None:
        super().__init__(coded("built_in_preset", name=name, refused=refused))


class PresetExists(Conflict):
    """Another preset has the name that one should get."""

    def __init__(self, name: str) -> None:
        super().__init__(coded("preset_exists", name=name))


class TaskExpiring(Conflict):
    """The task was pinned while retention was about to remove it."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"task {task_id} has expired and retention is about to remove it; if the task still exists when 'coin"
            " retention' ends, this pin keeps it"
        )


class ForwardTestStopped(Conflict):
    """The forward test was stopped, which is final."""

    def __init__(self, test_id: object) -> None:
        super().__init__(coded("forward_test_stopped", test_id=test_id))


class UploadTooLarge(CoinError):
    """An uploaded candle file exceeds the size limit; none of it is stored."""

    def __init__(self, limit_mib: int) -> None:
        super().__init__(coded("upload_too_large", limit=limit_mib))


class QueueFull(CoinError):
    """The run queue is at its limit; the submission was not stored."""

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(coded("queue_full", waiting=waiting, limit=limit))


class ClientQueueFull(QueueFull):
    """A client has used its share of the run queue; the submission was not stored."""

    def __init__(self, own: int, waiting: int, limit: int) -> None:
        places = {"waiting": waiting, "kept": limit - waiting, "limit": limit}
        CoinError.__init__(self, coded("client_queue_full", own=own, **places))


class TooManyUploads(CoinError):
    """Other candle files are being uploaded; none of this one was read."""

    def __init__(self, limit: int) -> None:
        super().__init__(coded("too_many_uploads", limit=limit))


class LedgerConflict(Conflict):
    """An order does not fit the position; nothing was booked."""


class NoHolding(LedgerConflict):
    """A SELL without a position to sell from, where short positions are not allowed."""

    def __init__(self, symbol: str, book: str) -> None:
        super().__init__(coded("no_holding", book=book, symbol=symbol))


class PositionClosed(LedgerConflict):
    """The position has no units left."""

    def __init__(self, position: str = "the position") -> None:
        super().__init__(coded("position_closed", position=position))


class OverExit(LedgerConflict):
    """An exit has more units than the position."""

    def __init__(self, quantity: Decimal, held: Decimal) -> None:
        super().__init__(coded("over_exit", held=f"{held:f}", quantity=f"{quantity:f}"))


class TokenExists(Conflict):
    """An API token of this name is in use or has expired, but is not revoked."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a token named {name!r} exists; choose another name, or revoke it: coin token revoke {name}")
