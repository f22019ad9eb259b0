"""Every error that this project raises on purpose, as one family.

CoinError
├── InvalidInput                    the caller can correct it: HTTP 422, exit code 2
│   ├── InvalidSpec                 one or more fields of a request, each named
│   ├── SweepTooLarge               more points than may run without confirmation
│   ├── ResultTooLarge              more memory or disk space than a run may use
│   ├── InvalidSymbol
│   ├── InvalidTimeframe
│   ├── InvalidResample             candles that cannot be resampled to a timeframe
│   ├── InvalidParams               strategy parameters, each named
│   ├── UnknownStrategy
│   ├── InvalidStrategyFile
│   ├── InvalidRunId
│   ├── NoSymbolReport              a report of a symbol that the result does not have
│   ├── EquityOverflow              an account grew beyond the range of its figures
│   ├── EmptyRange                  a filter's lower bound exceeds its upper bound: HTTP 400
│   ├── InvalidSettings
│   ├── UnknownExchange             an unknown exchange, or one whose package is not installed
│   ├── InvalidCandleFile           a file to import that cannot be read or parsed
│   │   ├── UnclearColumns          a field of candles has no column, or several may be meant
│   │   └── DamagedCandleFile       a stored one is not as it was written: HTTP 502
│   ├── InvalidCandles              rows that violate the rules for candles
│   ├── InvalidBackupKey            malformed, missing, or not the one that a backup was encrypted with
│   └── NoPrice                     an order without a price in a market without candles
├── NotFound                        HTTP 404, exit code 1
│   ├── CandlesNotFound
│   ├── MarketUnknown               the exchange does not list the market
│   ├── InsufficientCoverage        too many candles of a range are missing and may exist
│   ├── ResultNotFound
│   ├── NoReport                    a result of an earlier schema, of which no report can be built
│   ├── TableNotStored              a result has no rows of a kind, such as a sweep or an early legacy result
│   ├── NoResults                   nothing is stored yet
│   ├── ForwardTestNotFound
│   ├── NothingDecided              a forward test has no decision yet
│   ├── DriftNotFound               no drift report of a forward test is stored
│   ├── NotPinned                   the task has no pin to remove
│   ├── PositionNotFound
│   ├── PresetNotFound
│   ├── BackupNotFound
│   ├── AlertNotFound
│   ├── TokenNotFound
│   └── ObjectNotFound
├── StrategyFailed                  the strategy's code raised, or returned the wrong shape
│   └── BarsChanged                 the strategy wrote into its candles
├── NotDeterministic                the strategy decides differently on the same candles
├── LookAhead                       the strategy used bars that it could not have known
├── RunInterrupted                  the run was stopped, or its process ended, before it had a result
├── Superseded                      the run was ended from outside, so this attempt may not publish
├── OutOfMemory                     the run exceeded its memory limit
├── RunFailed                       a synchronous run ended without a result
├── CandlesNotCollected             some series of a market or timeframe could not be collected
├── ForwardTestsFailed              some candles of forward tests could not be collected or decided
├── CandlesChanged                  stored candles differ from those that the run started with
├── CodeChanged                     code was edited during the run
├── ClusterMismatch                 a machine of the Ray cluster has other code or packages
├── ObjectStoreFull                 Ray has no room for the candles of a sweep
├── ChunkStalled                    part of a sweep made no progress in a Ray worker
├── ChunkLost                       part of a sweep was lost repeatedly, with the worker that evaluated it
├── SweepDisagrees                  a sweep and a backtest of one of its points produced different figures
├── NotReplayable                   a stored result does not record its inputs
├── BackupFailed                    some targets could not be backed up, verified or restored
├── DrillFailed                     a restore drill could not prove a backup
├── RestoreFailed                   the server rejected a dump, or the dump is damaged
├── RestoreDiffers                  restored data differ from what was backed up
├── Conflict                        HTTP 409
│   ├── ObjectExists
│   ├── IdempotencyConflict
│   ├── TokenExists
│   ├── TaskIdConflict
│   ├── NotCancellable              the task has already ended
│   ├── BuiltInPreset               a preset that can be neither deleted nor renamed
│   ├── PresetExists
│   ├── ForwardTestStopped          no decision is recorded any more
│   ├── TaskExpiring                the task is being removed
│   ├── BackupInProgress            another process writes to the location of the backups
│   ├── SeriesInUse                 another process changes the candles of a series
│   ├── BackupTooNew                a newer version of the platform has made it
│   ├── RestoreRefused              the place to restore into is not empty
│   └── LedgerConflict              an order does not fit the position; nothing was booked
│       ├── NoHolding               a SELL without a position, where short positions are not allowed
│       ├── PositionClosed
│       └── OverExit                more units than the position holds
├── UploadTooLarge                  a candle file exceeds the size limit: HTTP 413
├── QueueFull                       the run queue is at its limit: HTTP 429
│   └── ClientQueueFull             ... for this client
├── TooManyUploads                  too many candle files are being uploaded: HTTP 429
├── StorageFailed                   objects cannot be read or written
│   ├── StorageFull
│   ├── ObjectChanged               replaced by another process while it was read or written
│   │   └── CopyDamaged             a copy in the cache is not what it was copied from
│   ├── ObjectCorrupt
│   ├── StorageRefused              wrong credentials, region or bucket: a retry will not help
│   │   ├── StorageForbidden        the credentials lack a permission
│   │   └── StorageUnsupported      the store does not implement the request
│   └── StorageUnavailable          transient: a retry may succeed
├── ExchangeAnswer                  an exchange returned something other than candles: HTTP 502
├── DataRefused                     the database rejected a value
└── ServiceUnavailable              HTTP 503
    ├── DatabaseUnavailable
    ├── SchemaNotChanged             the server refused to change the platform's tables
    ├── UnknownRevision              a newer version of the platform has upgraded the database
    ├── ApiUnreachable              nothing responds at the address of the API
    ├── ClusterUnavailable           the Ray cluster cannot be reached, or was lost
    ├── ExchangeUnavailable         an exchange cannot be reached, or currently rejects requests
    ├── AsyncDisabled               an operator has switched asynchronous submissions off
    ├── OrchestratorUnavailable
    └── ReaderUnavailable           the program that reads candle files was killed

Each class builds its own message: what was wrong, with which value, and what to do.
"""

from coin_pipeline.errors.backups import (
    AlertNotFound,
    BackupFailed,
    BackupInProgress,
    BackupNotFound,
    BackupTooNew,
    DrillFailed,
    InvalidBackupKey,
    RestoreDiffers,
    RestoreFailed,
    RestoreRefused,
)
from coin_pipeline.errors.base import (
    CoinError,
    Problem,
    did_you_mean,
    validation_message,
)
from coin_pipeline.errors.coded import Coded, coded, page_sentence, plain_number, read_coded
from coin_pipeline.errors.conflicts import (
    BuiltInPreset,
    ClientQueueFull,
    Conflict,
    ForwardTestStopped,
    IdempotencyConflict,
    LedgerConflict,
    NoHolding,
    NotCancellable,
    ObjectExists,
    OverExit,
    PositionClosed,
    PresetExists,
    QueueFull,
    SeriesInUse,
    TaskExpiring,
    TaskIdConflict,
    TokenExists,
    TooManyUploads,
    UploadTooLarge,
)
from coin_pipeline.errors.invalid_input import (
    DamagedCandleFile,
    EmptyRange,
    EquityOverflow,
    FileColumn,
    InvalidCandleFile,
    InvalidCandles,
    InvalidInput,
    InvalidParams,
    InvalidResample,
    InvalidRunId,
    InvalidSettings,
    InvalidSpec,
    InvalidStrategyFile,
    InvalidSymbol,
    InvalidTimeframe,
    NoPrice,
    NoSymbolReport,
    ResultTooLarge,
    SweepTooLarge,
    UnclearColumns,
    UnknownExchange,
    UnknownStrategy,
)
from coin_pipeline.errors.not_found import (
    CandlesNotFound,
    DriftNotFound,
    ForwardTestNotFound,
    InsufficientCoverage,
    MarketUnknown,
    NoReport,
    NoResults,
    NotFound,
    NothingDecided,
    NotPinned,
    ObjectNotFound,
    PositionNotFound,
    PresetNotFound,
    ResultNotFound,
    TableNotStored,
    TokenNotFound,
)
from coin_pipeline.errors.runs import (
    BarsChanged,
    CandlesChanged,
    CandlesNotCollected,
    ChunkLost,
    ChunkStalled,
    ClusterMismatch,
    CodeChanged,
    ForwardTestsFailed,
    LookAhead,
    NotDeterministic,
    NotReplayable,
    ObjectStoreFull,
    OutOfMemory,
    RunFailed,
    RunInterrupted,
    StrategyFailed,
    Superseded,
    SweepDisagrees,
)
from coin_pipeline.errors.services import (
    ApiUnreachable,
    AsyncDisabled,
    ClusterUnavailable,
    DatabaseUnavailable,
    DataRefused,
    ExchangeAnswer,
    ExchangeUnavailable,
    OrchestratorUnavailable,
    ReaderUnavailable,
    SchemaNotChanged,
    ServiceUnavailable,
    UnknownRevision,
)
from coin_pipeline.errors.storage import (
    CopyDamaged,
    ObjectChanged,
    ObjectCorrupt,
    StorageFailed,
    StorageForbidden,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
    StorageUnsupported,
)

__all__ = [
    "AlertNotFound",
    "ApiUnreachable",
    "AsyncDisabled",
    "BackupFailed",
    "BackupInProgress",
    "BackupNotFound",
    "BackupTooNew",
    "BarsChanged",
    "BuiltInPreset",
    "CandlesChanged",
    "CandlesNotCollected",
    "CandlesNotFound",
    "ChunkLost",
    "ChunkStalled",
    "ClientQueueFull",
    "ClusterMismatch",
    "ClusterUnavailable",
    "CodeChanged",
    "Coded",
    "CoinError",
    "Conflict",
    "CopyDamaged",
    "DamagedCandleFile",
    "DataRefused",
    "DatabaseUnavailable",
    "DriftNotFound",
    "DrillFailed",
    "EmptyRange",
    "EquityOverflow",
    "ExchangeAnswer",
    "ExchangeUnavailable",
    "FileColumn",
    "ForwardTestNotFound",
    "ForwardTestStopped",
    "ForwardTestsFailed",
    "IdempotencyConflict",
    "InsufficientCoverage",
    "InvalidBackupKey",
    "InvalidCandleFile",
    "InvalidCandles",
    "InvalidInput",
    "InvalidParams",
    "InvalidResample",
    "InvalidRunId",
    "InvalidSettings",
    "InvalidSpec",
    "InvalidStrategyFile",
    "InvalidSymbol",
    "InvalidTimeframe",
    "LedgerConflict",
    "LookAhead",
    "MarketUnknown",
    "NoHolding",
    "NoPrice",
    "NoReport",
    "NoResults",
    "NoSymbolReport",
    "NotCancellable",
    "NotDeterministic",
    "NotFound",
    "NotPinned",
    "NotReplayable",
    "NothingDecided",
    "ObjectChanged",
    "ObjectCorrupt",
    "ObjectExists",
    "ObjectNotFound",
    "ObjectStoreFull",
    "OrchestratorUnavailable",
    "OutOfMemory",
    "OverExit",
    "PositionClosed",
    "PositionNotFound",
    "PresetExists",
    "PresetNotFound",
    "Problem",
    "QueueFull",
    "ReaderUnavailable",
    "RestoreDiffers",
    "RestoreFailed",
    "RestoreRefused",
    "ResultNotFound",
    "ResultTooLarge",
    "RunFailed",
    "RunInterrupted",
    "SchemaNotChanged",
    "SeriesInUse",
    "ServiceUnavailable",
    "StorageFailed",
    "StorageForbidden",
    "StorageFull",
    "StorageRefused",
    "StorageUnavailable",
    "StorageUnsupported",
    "StrategyFailed",
    "Superseded",
    "SweepDisagrees",
    "SweepTooLarge",
    "TableNotStored",
    "TaskExpiring",
    "TaskIdConflict",
    "TokenExists",
    "TokenNotFound",
    "TooManyUploads",
    "UnclearColumns",
    "UnknownExchange",
    "UnknownRevision",
    "UnknownStrategy",
    "UploadTooLarge",
    "coded",
    "did_you_mean",
    "error_class",
    "page_sentence",
    "plain_number",
    "read_coded",
    "validation_message",
]


def error_class(name: str | None) -> type[CoinError]:
    """Return the class of this family with the given name, or the base class for any other name."""
    member = globals().get(name or "")
    return member if isinstance(member, type) and issubclass(member, CoinError) else CoinError
