"""Errors for requests that conflict with the current state: HTTP 409, and HTTP 413 and 429 for exceeded limits."""

from decimal import Decimal

from coin_pipeline.errors.base import CoinError


class Conflict(CoinError):
    """The request conflicts with what is already stored."""


class ObjectExists(Conflict):
    """The key is taken; results are immutable."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} already exists and is never overwritten")


class IdempotencyConflict(Conflict):
    """Two different requests used one idempotency key."""

    def __init__(self, key: str, made: str) -> None:
        super().__init__(f"Idempotency-Key {key[:80]!r} already belongs to another request ({made}); use a new key")


class TaskIdConflict(Conflict):
    """Two different requests used one task id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task_id {task_id} already belongs to another request; choose a new one")


class NotCancellable(Conflict):
    """The task cannot be cancelled, usually because it has already ended."""

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(f"task {task_id} cannot be cancelled: {reason}")


class BuiltInPreset(Conflict):
    """The preset is part of the platform.

    Args:
        name: Its name.
        refused: What cannot be done with it, such as `deleted`.
    """

    def __init__(self, name: str, refused: str) -> None:
        super().__init__(f"preset {name!r} is built in and cannot be {refused}; save one of this name to replace it")


class PresetExists(Conflict):
    """Another preset has the name that one should get."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there already is a preset {name!r}; choose another name, or delete that one first")


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
        super().__init__(f"forward test {test_id} was stopped; start a new one instead")


class UploadTooLarge(CoinError):
    """An uploaded candle file exceeds the size limit; none of it is stored."""

    def __init__(self, limit_mib: int) -> None:
        super().__init__(
            f"the file is larger than COIN_MAX_UPLOAD_MIB={limit_mib}; split it, or use 'coin candles import'"
        )


class QueueFull(CoinError):
    """The run queue is at its limit; the submission was not stored."""

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(
            f"the queue is full: {waiting:,} waiting, limit {limit:,}; submit again when some runs have started, or"
            " raise COIN_MAX_QUEUED"
        )


class ClientQueueFull(QueueFull):
    """A client has used its share of the run queue; the submission was not stored."""

    def __init__(self, own: int, waiting: int, limit: int) -> None:
        CoinError.__init__(
            self,
            f"{own:,} of the {waiting:,} queued runs are from this client, and the queue keeps its last"
            f" {limit - waiting:,} places (COIN_MAX_QUEUED={limit:,}) for others; submit again when some of them have"
            " started",
        )


class TooManyUploads(CoinError):
    """Other candle files are being uploaded; none of this one was read."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} candle files are being uploaded, which is the limit; send this one again later")


class LedgerConflict(Conflict):
    """An order does not fit the position; nothing was booked."""


class NoHolding(LedgerConflict):
    """A SELL without a position to sell from, where short positions are not allowed."""

    def __init__(self, symbol: str, book: str) -> None:
        super().__init__(
            f"book {book!r} holds no {symbol} to sell; buy first, or set COIN_ALLOW_SHORT=true to allow short positions"
        )


class PositionClosed(LedgerConflict):
    """The position has no units left."""

    def __init__(self, position: str = "the position") -> None:
        super().__init__(f"{position} is already closed")


class OverExit(LedgerConflict):
    """An exit has more units than the position."""

    def __init__(self, quantity: Decimal, held: Decimal) -> None:
        super().__init__(f"the position holds {held:f} units, fewer than the {quantity:f} to exit; exit at most these")


class TokenExists(Conflict):
    """An API token of this name is in use or has expired, but is not revoked."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a token named {name!r} exists; choose another name, or revoke it: coin token revoke {name}")
