"""When a forward test has a closed candle to decide, known from the clock alone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.candles.exchanges.base import last_closed_at
from coin_pipeline.candles.timeframe import MINUTE_NS
from coin_pipeline.forward.records import ForwardTest, SymbolState

RETRY_AFTER_NS = tuple(minutes * MINUTE_NS for minutes in (2, 5, 15, 30))
"""Times after a close at which a candle that is still not decided is looked for again; from then on, once per hour."""
_HOUR_NS = 60 * MINUTE_NS


@dataclass(frozen=True, slots=True)
class Due:
    """A closed candle that has no decision yet.

    Attributes:
        test: The forward test.
        symbol: The market.
        close: Close of the newest candle that can have closed, ns UTC.
    """

    test: ForwardTest
    symbol: str
    close: int

    def attempt(self, now: int) -> int:
        """Return the number of the attempt that is due at `now`, ns UTC, from 0; it grows while none succeeds."""
        waited = now - self.close
        return sum(waited >= pause for pause in RETRY_AFTER_NS) + waited // _HOUR_NS

    def key(self, now: int) -> str:
        """Return a text that identifies the attempt."""
        return f"{self.test.test_id}:{self.symbol}:{self.close}:{self.attempt(now)}"


def due_candle(test: ForwardTest, state: SymbolState, now: int) -> Due | None:
    """Return the newest candle of a symbol that has closed since its last decision, if any.

    Args:
        test: An active forward test.
        state: The symbol.
        now: The time, ns UTC.
    """
    length = test.spec.candle_length
    if state.last_bar is not None:
        length = replace(length, phase_ns=state.last_bar % length.ns)  # imported candles may open at other times
    decided = (test.begin - 1 if state.last_bar is None else state.last_bar) + length.ns
    close = last_closed_at(now, length)
    return Due(test, state.symbol, close) if close > decided else None


def request_key(due: Iterable[Due], now: int) -> str:
    """Return the key of one run for several candles: the same while the same candles are due for the same attempt."""
    return digest_of(sorted(candle.key(now) for candle in due))
