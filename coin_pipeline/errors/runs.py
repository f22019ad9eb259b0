"""Errors that end a run."""

from collections.abc import Mapping, Sequence

from coin_pipeline.errors.base import CoinError
from coin_pipeline.errors.coded import coded


class StrategyFailed(CoinError):
    """The strategy's own code raised an exception, or did not return signals."""

    def __init__(self, strategy: str, symbol: str, reason: str) -> None:
        super().__init__(coded("strategy_failed", strategy=strategy, symbol=symbol, reason=reason))


class BarsChanged(StrategyFailed):
    """The strategy wrote into the candles that it was given."""

    def __init__(self, strategy: str, symbol: str, columns: Sequence[str]) -> None:
        super().__init__(strategy, symbol, coded("bars_changed", columns=", ".join(columns), first=columns[0]))


class NotDeterministic(CoinError):
    """A strategy made other decisions when it was called again with the same candles."""

    def __init__(self, column: str, bar: int, opened: str) -> None:
        self.column, self.bar = column, bar
        differ = "differs" if column == "hold" else "differ"
        super().__init__(coded("not_deterministic", column=column, bar=bar, opened=opened, differ=differ))


class LookAhead(CoinError):
    """A strategy's past decisions changed when later bars were added."""

    def __init__(self, column: str, bar: int, opened: str, hidden: int) -> None:
        self.column, self.bar = column, bar
        depend = "depends" if column == "hold" else "depend"
        values = {"column": column, "bar": bar, "opened": opened, "depend": depend, "hidden": hidden}
        super().__init__(coded("look_ahead", **values))


class RunInterrupted(CoinError):
    """A run was stopped, or its process ended, before it had a result."""


class Superseded(CoinError):
    """A run was ended from outside while this attempt was still working."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"run {run_id} is already {status}, so this attempt does not publish its result")


class OutOfMemory(CoinError):
    """A run exceeded its memory limit."""

    def __init__(self, limit_mib: int) -> None:
        super().__init__(coded("out_of_memory", limit=limit_mib))


class RunFailed(CoinError):
    """A synchronous run ended without a result; `kind` is the class of the error that ended it."""

    def __init__(self, run_id: str, kind: type[CoinError], message: str) -> None:
        self.run_id, self.kind = run_id, kind
        super().__init__(message)


class CandlesNotCollected(CoinError):
    """Some series of a market, or of a timeframe, could not be collected.

    Args:
        of: The market or timeframe that the series share.
        failed: The reason for each failed series, by timeframe or market.
    """

    def __init__(self, of: str, failed: Mapping[str, CoinError]) -> None:
        reasons = [coded("of_series", series=series, reason=error.message) for series, error in failed.items()]
        super().__init__(coded("not_collected", of=of, reasons=reasons))


class ForwardTestsFailed(CoinError):
    """Some candles of forward tests could not be collected or decided; the others are, and the next run tries again.

    Args:
        failures: The reason of each failure, by series or by symbol and test.
    """

    def __init__(self, failures: Mapping[str, str]) -> None:
        reasons = "; ".join(f"{of}: {reason}" for of, reason in failures.items())
        super().__init__(f"{len(failures)} failed and will be tried again: {reasons}")


class CandlesChanged(CoinError):
    """The stored candles differ from those that the run started with."""

    def __init__(self, symbol: str) -> None:
        super().__init__(coded("candles_changed", symbol=symbol))


class CodeChanged(CoinError):
    """The engine or the strategy was edited between two steps of a run."""

    def __init__(self, strategy: str) -> None:
        super().__init__(coded("code_changed", strategy=strategy))


class SweepDisagrees(CoinError):
    """A sweep and a normal backtest of one of its points produced different figures."""

    def __init__(self, point: str, symbol: str, figure: str, swept: object, run: object) -> None:
        super().__init__(
            f"the sweep computed {figure} = {swept} on {symbol} for the point {point}, but a normal backtest of that"
            f" point computed {run}; nothing was published: if the strategy defines signal_rows, compare it with"
            " signals"
        )


class NotReplayable(CoinError):
    """A stored result lacks the digests and the spec that a replay needs."""

    def __init__(self, run_id: str, version: str) -> None:
        super().__init__(
            f"result {run_id[:80]!r} (schema {version}) cannot be replayed because it does not record its inputs; run"
            " the backtest again to get a replayable result"
        )


class ClusterMismatch(CoinError):
    """A machine of the Ray cluster cannot evaluate a sweep as this one would."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the Ray cluster cannot evaluate the sweep: {reason}")


class ObjectStoreFull(CoinError):
    """Ray has no room for the candles of a sweep."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Ray has no room for the candles of the sweep on the machine of the run: {reason}; start the node there"
            " with a larger --object-store-memory and free the disk of its --temp-dir, or sweep fewer symbols or days"
        )


class ChunkStalled(CoinError):
    """Part of a sweep made no progress in a Ray worker for as long as a run may go without."""

    def __init__(self, first: int, stop: int, host: str, seconds: int) -> None:
        super().__init__(
            f"points {first:,} to {stop - 1:,} of the sweep made no progress for {seconds} s on {host}; one call of the"
            " strategy may take at most COIN_STALL_SECONDS; raise it if the call is slow but ends; other parts are kept"
        )


class ChunkLost(CoinError):
    """Part of a sweep was lost repeatedly, each time with the process that evaluated it."""

    def __init__(self, first: int, stop: int, times: int, reason: str) -> None:
        super().__init__(
            f"points {first:,} to {stop - 1:,} of the sweep were lost {times} times with the Ray worker that evaluated"
            f" them ({reason}); the strategy may end its process or need too much memory there: sweep other points or"
            " fewer candles; the other chunks are kept"
        )
