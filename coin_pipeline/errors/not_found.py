"""Errors for data that does not exist: HTTP 404 and exit code 1."""

import math
from collections.abc import Mapping, Sequence

from coin_pipeline.errors.base import CoinError, did_you_mean


class NotFound(CoinError):
    """The requested object does not exist."""


class CandlesNotFound(NotFound):
    """Symbols without any candle in the range; `missing` maps each symbol to a summary of its stored candles."""

    def __init__(self, missing: Mapping[str, str], timeframe: str, start: object, end: object) -> None:
        self.missing = dict(missing)
        listed = "; ".join(f"{symbol} ({stored})" for symbol, stored in self.missing.items())
        super().__init__(f"no {timeframe} candles from {start} to {end} for {listed}")


class MarketUnknown(NotFound):
    """The exchange does not list this market."""

    def __init__(self, exchange: str, symbol: str, reason: str) -> None:
        super().__init__(f"{exchange} has no market {symbol} ({reason}); check the symbol")


class InsufficientCoverage(NotFound):
    """Symbols whose candle coverage is below the limit.

    Attributes:
        short: A summary of the coverage of each of these symbols.
    """

    def __init__(
        self,
        short: Mapping[str, str],
        timeframe: str,
        start: object,
        end: object,
        required: float,
        lowest: float,
        *,
        fetched_as: str,
    ) -> None:
        """Build the message.

        Args:
            short: A summary of the coverage of each symbol below the limit.
            timeframe: Timeframe of the candles.
            start: Begin of the range.
            end: End of the range.
            required: The limit, min_coverage, 0 to 1.
            lowest: The lowest coverage of any symbol, 0 to 1.
            fetched_as: Timeframe to fetch, from which the candles are resampled if it is another one.
        """
        self.short = dict(short)
        listed = "; ".join(f"{symbol} ({summary})" for symbol, summary in self.short.items())
        lower = f"{math.floor(100 * lowest) / 100:g}"
        fetch = f"coin candles get {' '.join(self.short)} --timeframe {fetched_as} --from {start} --to {end}"
        super().__init__(
            f"coverage of the {timeframe} candles from {start} to {end} is below min_coverage={required:g}: {listed};"
            f" fetch the missing candles with '{fetch}', or accept the gaps with min_coverage={lower}"
            f" ('--min-coverage {lower}' on the command line)"
        )


class ResultNotFound(NotFound):
    """No result or task has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"no result or task has the id {run_id[:80]!r}; it may have expired")


class NoReport(NotFound):
    """A result of an earlier schema, from which no report can be built."""

    def __init__(self, run_id: str, version: str) -> None:
        super().__init__(
            f"no report can be built of result {run_id[:80]!r} of schema {version[:20]}, and none is stored with it;"
            " 'coin results show' prints its figures"
        )


class TableNotStored(NotFound):
    """A result has no rows of this kind."""

    def __init__(self, run_id: str, name: str, reason: str) -> None:
        super().__init__(f"result {run_id[:80]!r} has no table of {name}: {reason}")


class NoResults(NotFound):
    """The latest result was requested before any result was stored."""

    def __init__(self) -> None:
        super().__init__("no backtest result is stored yet; create one with POST /api/backtests/run")


class NotPinned(NotFound):
    """The task has no pin to remove."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id[:80]!r} is not pinned; nothing was changed")


class PositionNotFound(NotFound):
    """No position has this id."""

    def __init__(self, position_id: object) -> None:
        super().__init__(f"position {position_id} does not exist; list positions with 'coin positions history'")


class ForwardTestNotFound(NotFound):
    """No forward test has this id."""

    def __init__(self, test_id: object) -> None:
        super().__init__(f"no forward test has the id {str(test_id)[:80]}; 'coin forward list' shows all")


class NothingDecided(NotFound):
    """The forward test has no decision yet, so there is nothing to compare."""

    def __init__(self, test_id: object) -> None:
        super().__init__(
            f"forward test {test_id} has no decision yet; its drift is known once its first candle has closed and is"
            " stored"
        )


class DriftNotFound(NotFound):
    """No drift report of the forward test is stored."""

    def __init__(self, test_id: object) -> None:
        super().__init__(
            f"forward test {test_id} has no drift report yet; the job forward_drift stores one every night, and"
            f" 'coin forward drift {test_id}' compares now"
        )


class ObjectNotFound(NotFound):
    """No object is stored under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} does not exist")


class TokenNotFound(NotFound):
    """No API token of this name is in use."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no token named {name[:80]!r} is in use; 'coin token list' shows all")


class PresetNotFound(NotFound):
    """No preset has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        hint = did_you_mean(name[:80], known)
        super().__init__(f"no preset is named {name[:80]!r}{hint}; 'coin presets list' shows all")
