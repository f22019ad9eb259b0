"""Every error this project raises on purpose, as one family.

CoinError
├── InvalidInput                    the caller can put it right: HTTP 422, exit code 2
│   ├── InvalidSpec                 one or more fields of a request, each named
│   ├── SweepTooLarge               more points than are evaluated without asking back
│   ├── InvalidSymbol
│   ├── InvalidTimeframe
│   ├── InvalidResample             candles that cannot be made of others
│   ├── InvalidParams               of a strategy, each named
│   ├── UnknownStrategy
│   ├── InvalidStrategyFile
│   ├── InvalidRunId
│   ├── EmptyRange                  filters of which a lower bound exceeds its upper one: HTTP 400
│   ├── InvalidSettings
│   ├── UnknownExchange             one that nobody can ask here, for want of a name or of a package
│   ├── InvalidCandleFile           a file to import that cannot be read or understood
│   └── InvalidCandles              rows that no market can have produced
├── NotFound                        HTTP 404, exit code 1
│   ├── CandlesNotFound
│   ├── MarketUnknown               an exchange has no such market
│   ├── InsufficientCoverage        too many candles of a range are not here, and may exist
│   ├── ResultNotFound
│   ├── NoResults                   nothing is stored yet
│   ├── NotPinned                   a task that expires in any case
│   └── ObjectNotFound
├── StrategyFailed                  a strategy's own code raised, or returned the wrong shape
├── LookAhead                       a strategy used bars it could not have known
├── RunInterrupted                  a run was stopped, or its process ended, before it had a result
├── Superseded                      an attempt that was given up meanwhile may not publish
├── OutOfMemory                     a run needed more memory than it may take
├── RunFailed                       a run that was waited for ended without a result
├── CandlesNotCollected             a market of which an exchange's candles were not all collected
├── CandlesChanged                  stored candles are no longer those that the run was started with
├── CodeChanged                     code was edited while a run was under way
├── SweepDisagrees                  a sweep and the normal run of one of its points give different figures
├── NotReplayable                   a stored result that does not say from what it was computed
├── Conflict                        HTTP 409
│   ├── ObjectExists
│   ├── IdempotencyConflict
│   ├── TaskIdConflict
│   ├── NotCancellable              a task that has ended already
│   └── TaskExpiring                a task that is being removed
├── UploadTooLarge                  a file of candles above the limit: HTTP 413
├── QueueFull                       as many runs wait as may: HTTP 429
├── StorageFailed                   reading or writing objects
│   ├── StorageFull
│   ├── ObjectCorrupt
│   ├── StorageRefused              wrong credentials, region or bucket: a retry will not help
│   └── StorageUnavailable          transient: a retry may succeed
├── ExchangeAnswer                  an exchange answered what no candles are: HTTP 502
├── DataRefused                     a value that no column of the database takes
└── ServiceUnavailable              HTTP 503
    ├── DatabaseUnavailable
    ├── ApiUnreachable              nobody answers where the API is to be
    ├── ExchangeUnavailable         an exchange cannot be reached, or takes no requests from here for now
    ├── AsyncDisabled               an operator has switched asynchronous submissions off
    └── OrchestratorUnavailable

The message is one sentence: what was wrong, with which value, and what to do.
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class CoinError(Exception):
    """Base of the family; its text is fit to be shown to a user."""


class Problem(NamedTuple):
    """One thing wrong with one field of the input."""

    field: str
    message: str


def error_class(name: str | None) -> type[CoinError]:
    """Return the class of this family with this name; the base class for any other name."""
    found = globals().get(name or "")
    return found if isinstance(found, type) and issubclass(found, CoinError) else CoinError


def format_validation_message(message: str, value: object = None) -> str:
    """Return a validation message of pydantic's without the prefix that it puts before ours, and with the value."""
    told = f", not {value!r:.60}" if message.startswith("Input should") and isinstance(value, str | int | float) else ""
    return message.removeprefix("Value error, ") + told


def did_you_mean(name: str, known: Iterable[str], alike: float = 0.5) -> str:
    """Return ' (did you mean X?)' for the closest known name, or nothing where none is so much alike."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=alike)
    return f" (did you mean {close[0]!r}?)" if close else ""


class InvalidInput(CoinError):
    """The caller gave something that can be put right; `problems` names each field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in self.problems))


class InvalidSpec(InvalidInput):
    """One or more fields of a backtest request are wrong."""


class SweepTooLarge(InvalidInput):
    """A sweep of more points than the limit."""

    def __init__(self, points: int, limit: int, remedy: str) -> None:
        super().__init__([Problem("space", f"{points:,} points are more than {limit:,}; {remedy}")])


class InvalidSymbol(InvalidInput):
    """A market name that is not BASE_QUOTE or Upbit's QUOTE-BASE."""

    def __init__(self, symbol: str) -> None:
        super().__init__([Problem("symbol", f"{symbol[:80]!r} is not a market; write BTC_KRW or KRW-BTC")])


class InvalidTimeframe(InvalidInput):
    """A candle length that is not offered."""

    def __init__(self, timeframe: str, known: Iterable[str]) -> None:
        super().__init__(
            [Problem("timeframe", f"{timeframe[:80]!r} is not a timeframe; choose one of {', '.join(known)}")]
        )


class InvalidResample(InvalidInput):
    """Candles of a length, or a place, that those they are to be made of cannot fill."""

    def __init__(self, timeframe: object, to: object, reason: str) -> None:
        super().__init__([Problem("to", f"{to} candles cannot be made of {timeframe} ones; {reason}")])


class InvalidParams(InvalidInput):
    """Parameters that the strategy's schema refuses; fields are `params.NAME`."""


class UnknownStrategy(InvalidInput):
    """A strategy name that nobody registered."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        hint = did_you_mean(name, known)
        super().__init__(
            [Problem("strategy", f"{name[:80]!r} is not a strategy{hint}; registered are {', '.join(known)}")]
        )


class InvalidStrategyFile(InvalidInput):
    """A strategy file that is missing, does not import, or defines no usable strategy."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__([Problem("strategy_file", f"{path}: {reason}")])


class InvalidRunId(InvalidInput):
    """A run id with characters that no run id has."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            [Problem("run_id", f"{run_id[:80]!r} is not a run id; ids hold letters, digits, - and _ only")]
        )


class EmptyRange(InvalidInput):
    """Filters that nothing can pass, since a lower bound is above its upper one."""


class InvalidSettings(InvalidInput):
    """Environment variables that are malformed; fields are the variables' names."""


class UnknownExchange(InvalidInput):
    """An exchange that cannot be asked for candles here."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__([Problem("exchange", f"{name[:80]!r} {reason}")])


class InvalidCandleFile(InvalidInput):
    """A candle file that cannot be read, lacks columns, or needs a time zone."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__([Problem("file", f"{path}: {reason}")])


class InvalidCandles(InvalidInput):
    """Rows that no market can have produced; nothing of them is stored."""

    def __init__(self, source: object, count: int, first: str) -> None:
        rows = "1 row is" if count == 1 else f"{count} rows are"
        super().__init__([Problem("candles", f"{source}: {rows} impossible, the first: {first}")])


class NotFound(CoinError):
    """The thing asked for is not here."""


class CandlesNotFound(NotFound):
    """Symbols without a candle in the range; `missing` maps each to what is stored for it."""

    def __init__(self, missing: Mapping[str, str], timeframe: str, start: object, end: object) -> None:
        self.missing = dict(missing)
        listed = "; ".join(f"{symbol} ({stored})" for symbol, stored in self.missing.items())
        super().__init__(f"no {timeframe} candles from {start} to {end} for {listed}")


class MarketUnknown(NotFound):
    """An exchange has no market of this name."""

    def __init__(self, exchange: str, symbol: str, reason: str) -> None:
        super().__init__(f"{exchange} has no market {symbol} ({reason}); check its name")


class InsufficientCoverage(NotFound):
    """Symbols of whose candles too small a share is known; `short` maps each to what is there of it."""

    def __init__(
        self, short: Mapping[str, str], timeframe: str, start: object, end: object, wanted: float, known: float
    ) -> None:
        self.short = dict(short)
        listed = "; ".join(f"{symbol} ({told})" for symbol, told in self.short.items())
        lower = f"{math.floor(100 * known) / 100:g}"
        fetch = f"coin candles get {' '.join(self.short)} --timeframe {timeframe} --from {start} --to {end}"
        super().__init__(
            f"too few {timeframe} candles from {start} to {end} are known, less than min_coverage={wanted:g}: {listed};"
            f" fetch them with '{fetch}', or run without them: min_coverage={lower} ('--min-coverage {lower}' on the"
            " command line)"
        )


class ResultNotFound(NotFound):
    """No result or task has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"no result or task has the id {run_id[:80]!r}, or it has expired")


class NoResults(NotFound):
    """There is no latest result, since there is none."""

    def __init__(self) -> None:
        super().__init__("no result of a backtest is stored yet; POST /api/backtests/run makes one")


class NotPinned(NotFound):
    """No pin keeps this task."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id[:80]!r} is not pinned; nothing was changed")


class ObjectNotFound(NotFound):
    """No object lies under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key!r}")


class StrategyFailed(CoinError):
    """A strategy's own code raised, or handed back something that is not signals."""

    def __init__(self, strategy: str, symbol: str, reason: str) -> None:
        super().__init__(f"strategy {strategy!r} failed on {symbol}: {reason}")


class LookAhead(CoinError):
    """A strategy's past decisions changed with later bars."""

    def __init__(self, column: str, bar: int, opened: str, hidden: int) -> None:
        self.column, self.bar = column, bar
        super().__init__(
            f"the strategy looks ahead: its {column} at bar {bar} (the candle of {opened}) change with the candles"
            f" from bar {hidden} on; use closed bars only (no shift(-1), whole-series extremes or"
            " centred windows)"
        )


class RunInterrupted(CoinError):
    """A run was told to stop, or its process ended, before it had a result."""


class Superseded(CoinError):
    """A run was ended from outside while this attempt at it went on."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"run {run_id} is {status} by now, so this attempt at it publishes nothing")


class OutOfMemory(CoinError):
    """A run asked for more memory than it may take."""

    def __init__(self, limit_mib: int) -> None:
        super().__init__(
            f"the run needs more memory than COIN_RUN_MEMORY_MIB={limit_mib}, or than the machine has; test fewer"
            " symbols or candles, or raise that"
        )


class RunFailed(CoinError):
    """A run that was waited for ended without a result; `kind` is the class of this family that ended it."""

    def __init__(self, run_id: str, kind: type[CoinError], message: str) -> None:
        self.run_id, self.kind = run_id, kind
        super().__init__(message)


class CandlesNotCollected(CoinError):
    """Some series of a market, or of a timeframe, were not collected; `failed` maps what they differ in to why."""

    def __init__(self, of: str, failed: Mapping[str, CoinError]) -> None:
        reasons = "; ".join(f"{one}: {error}" for one, error in failed.items())
        super().__init__(f"candles of {of} were not collected, {reasons}")


class CandlesChanged(CoinError):
    """Stored candles differ from those that the run was started with."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"the stored candles of {symbol} changed while the run was under way; run it again")


class CodeChanged(CoinError):
    """The engine or the strategy was edited between two steps of a run."""

    def __init__(self, strategy: str) -> None:
        super().__init__(f"the code of {strategy!r} or of the engine changed while the run was under way; run it again")


class SweepDisagrees(CoinError):
    """A sweep says something else of a point than the normal run of that point."""

    def __init__(self, point: str, symbol: str, figure: str, swept: object, run: object) -> None:
        super().__init__(
            f"the sweep says {figure} = {swept} on {symbol} for the point {point}, the normal run of it says"
            f" {run}; nothing is published: if the strategy has a signal_rows of its own, compare it with its signals"
        )


class NotReplayable(CoinError):
    """A stored result without the digests and the spec that a replay needs."""

    def __init__(self, run_id: str, version: str) -> None:
        super().__init__(
            f"the result {run_id[:80]!r} (schema {version}) cannot be replayed: it does not say from what it was"
            " computed; run the backtest again to get one that does"
        )


class Conflict(CoinError):
    """What is stored already says otherwise."""


class ObjectExists(Conflict):
    """An object lies under this key already, and results are immutable."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} exists already and is never overwritten")


class IdempotencyConflict(Conflict):
    """One idempotency key, two different requests."""

    def __init__(self, key: str, task_id: str) -> None:
        super().__init__(
            f"Idempotency-Key {key[:80]!r} already belongs to another request (task {task_id}); use a new key"
        )


class TaskIdConflict(Conflict):
    """One task id, two different requests."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task_id {task_id} already belongs to another request; choose a new one")


class NotCancellable(Conflict):
    """A task that cannot be ended, mostly because it has ended already."""

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(f"task {task_id} cannot be cancelled: {reason}")


class TaskExpiring(Conflict):
    """A task was pinned at the moment at which it was to be removed."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"task {task_id} has expired and a retention is about to remove it; if it is still there once 'coin"
            " retention' has ended, this pin keeps it"
        )


class UploadTooLarge(CoinError):
    """A file of candles that is larger than may be uploaded; nothing of it is stored."""

    def __init__(self, limit_mib: int) -> None:
        super().__init__(
            f"the file is larger than COIN_MAX_UPLOAD_MIB={limit_mib}; split it, or use 'coin candles import'"
        )


class QueueFull(CoinError):
    """As many runs wait as may; nothing of the submission is stored."""

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(
            f"the queue is full: {waiting:,} waiting, at most {limit:,} may; submit again when some have begun, or"
            " raise COIN_MAX_QUEUED"
        )


class StorageFailed(CoinError):
    """An object could not be read or written."""


class StorageFull(StorageFailed):
    """No space, or no quota, is left where objects are written; nothing partial stays visible."""

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"no space to write {where} ({reason}); free some and run again")


class ObjectCorrupt(StorageFailed):
    """An object is not what was written."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key!r} is corrupt: {reason}")


class StorageRefused(StorageFailed):
    """The store answers, and will not: somebody has to change a setting, or a permission."""

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"the object store refuses {where}: {reason}")


class StorageUnavailable(StorageFailed):
    """The store did not answer; a retry may succeed."""

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"cannot reach the object store at {where}: {reason}; try again later")


class ExchangeAnswer(CoinError):
    """An exchange answered something else than the candles that it was asked for; nothing of that is stored."""

    def __init__(self, exchange: str, asked: str, answered: str) -> None:
        super().__init__(f"{exchange} was asked for {asked} and answered {answered}; nothing of that is stored")


class DataRefused(CoinError):
    """PostgreSQL answers, and takes no such value, one that is out of range, say; a retry will not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database takes no such value: {reason}")


class ServiceUnavailable(CoinError):
    """A part that is needed is down."""


class DatabaseUnavailable(ServiceUnavailable):
    """PostgreSQL cannot be started or reached."""

    def __init__(self, where: object, reason: str) -> None:
        self.reason = reason
        super().__init__(f"PostgreSQL at {where} is not available: {reason}")


class ApiUnreachable(ServiceUnavailable):
    """Nobody answers at the address of the API; `command` is what starts it there."""

    def __init__(self, url: str, reason: object, command: str) -> None:
        self.command = command
        super().__init__(f"{url} does not answer ({reason}); start it: {command}")


class ExchangeUnavailable(ServiceUnavailable):
    """An exchange does not answer, or takes no requests from here for now; what is stored already stays."""

    def __init__(self, exchange: str, reason: str) -> None:
        super().__init__(f"{exchange} {reason}; what was stored stays, so try the same again later")


class AsyncDisabled(ServiceUnavailable):
    """Asynchronous submissions are switched off: by what, and how they come back."""

    def __init__(self, by: str, remedy: str) -> None:
        super().__init__(
            f"asynchronous runs are switched off by {by}; POST /api/backtests/run, tasks that were accepted and all"
            f" results keep working; {remedy}"
        )


class OrchestratorUnavailable(ServiceUnavailable):
    """Dagster cannot take work now."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the orchestrator cannot take work: {reason}")
