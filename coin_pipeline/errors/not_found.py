"""Errors for data that does not exist: HTTP 404 and exit code 1."""

import math
import re
from collections.abc import Mapping, Sequence

from coin_pipeline.errors.base import CoinError, did_you_mean
from coin_pipeline.errors.coded import coded

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class NotFound(CoinError):
    """The requested object does not exist."""


class CandlesNotFound(NotFound):
    """Symbols without any candle in the range.

    Attributes:
        missing: A summary of the stored candles of each of these symbols.
    """

    def __init__(self, missing: Mapping[str, str], timeframe: str, start: object = None, end: object = None) -> None:
        """Build the message; a range without a start or an end is open there."""
        self.missing = dict(missing)
        listed = [coded("of_symbol", symbol=symbol, reason=stored) for symbol, stored in self.missing.items()]
        if start is None and end is None:
            super().__init__(coded("no_candles_for", timeframe=timeframe, listed=listed))
            return
        days = {"start": start or coded("first_day"), "end": end or coded("last_day")}
        super().__init__(coded("candles_not_found", timeframe=timeframe, **days, listed=listed))


class MarketUnknown(NotFound):
    """The exchange does not list this market."""

    def __init__(self, exchange: str, symbol: str, reason: str) -> None:
        super().__init__(coded("market_unknown", exchange=exchange, symbol=symbol, reason=reason))


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
        listed = [coded("of_symbol", symbol=symbol, reason=summary) for symbol, summary in self.short.items()]
        command = f"coin candles get {' '.join(self.short)} --timeframe {fetched_as} --from {start} --to {end}"
        limits = {"required": f"{required:g}", "lower": f"{math.floor(100 * lowest) / 100:g}"}
        candles = {"timeframe": timeframe, "start": start, "end": end, "listed": listed}
        super().__init__(coded("insufficient_coverage", command=command, **candles, **limits))


class ResultNotFound(NotFound):
    """No result or task has this id.

    Attributes:
        can_be_id: Whether the platform gives runs such ids: UUIDs. The legacy platform had others.
    """

    def __init__(self, run_id: str) -> None:
        self.can_be_id = _UUID.fullmatch(run_id) is not None
        super().__init__(coded("result_not_found" if self.can_be_id else "not_an_id", run_id=run_id[:80]))


class NoReport(NotFound):
    """A result of an earlier schema, from which no report can be built."""

    def __init__(self, run_id: str, version: str) -> None:
        super().__init__(coded("no_report", run_id=run_id[:80], version=version[:20]))


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
        super().__init__(coded("position_not_found", position_id=position_id))


class ForwardTestNotFound(NotFound):
    """No forward test has this id."""

    def __init__(self, test_id: object) -> None:
        super().__init__(coded("forward_test_not_found", test_id=str(test_id)[:80]))


class NothingDecided(NotFound):
    """The forward test has no decision yet, so there is nothing to compare."""

    def __init__(self, test_id: object) -> None:
        super().__init__(coded("nothing_decided", test_id=test_id))


class DriftNotFound(NotFound):
    """No drift report of the forward test is stored."""

    def __init__(self, test_id: object) -> None:
        super().__init__(coded("drift_not_found", test_id=test_id))


class ObjectNotFound(NotFound):
    """No object is stored under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(coded("object_not_found", key=key))


class TokenNotFound(NotFound):
    """No API token of this name is in use."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no token named {name[:80]!r} is in use; 'coin token list' shows all")


class PresetNotFound(NotFound):
    """No preset has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        hint = did_you_mean(name[:80], known)
        super().__init__(coded("preset_not_found", name=name[:80], hint=hint))
