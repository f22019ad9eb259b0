"""What a forward test is, and what it records: each decision with the candle and the code that it was made with."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from coin_pipeline.backtest.warm_up import WarmUp
    from coin_pipeline.forward.account import AccountState
    from coin_pipeline.forward.spec import ForwardSpec

Candle = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""


class Choice(NamedTuple):
    """What a strategy decides at the close of a candle.

    Attributes:
        entry: Whether a position should be opened.
        exit: Whether an open position should be closed.
        hold: Candles from the entry fill to the exit fill; None without a limit.
    """

    entry: bool
    exit: bool = False
    hold: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the strategy decided at the close of one candle.

    Attributes:
        symbol: The market.
        bar_time: Open of the candle, ns UTC.
        candle: The candle as it was stored when the decision was made.
        choice: What it decided.
        decided_at: When the decision was made, UTC, by the database's clock.
        late: Whether it was made after the fill that it decides on was due.
        missing: Number of candles between the previous recorded one and this one that were not stored.
        code_sha256: Digest of the engine's and the strategy's code.
        params_sha256: Digest of the resolved parameters.
        history_start: Open of the first candle that the strategy saw, ns UTC.
        history_sha256: `fingerprint.candles_digest` of all candles that it saw, from that one to this one.
    """

    symbol: str
    bar_time: int
    candle: Candle
    choice: Choice
    decided_at: datetime
    late: bool
    missing: int
    code_sha256: str
    params_sha256: str
    history_start: int
    history_sha256: str


@dataclass(frozen=True, slots=True)
class ForwardTest:
    """A forward test.

    Attributes:
        test_id: Its id.
        spec: What it runs.
        begin: Candles that open at or after this, ns UTC, belong to it.
        started_at: When it was started, UTC, by the database's clock.
        stopped_at: When it was stopped, UTC; None while it is active.
    """

    test_id: uuid.UUID
    spec: "ForwardSpec"
    begin: int
    started_at: datetime
    stopped_at: datetime | None

    @property
    def book(self) -> str:
        """Book of the ledger that has its positions."""
        return f"forward:{self.test_id}"


@dataclass(frozen=True, slots=True)
class SymbolState:
    """One symbol of a forward test after its last recorded decision.

    Attributes:
        symbol: The market.
        account: Its account.
        last_bar: Open of the last decided candle, ns UTC; None before the first.
        warm_up: Candles before the test that the strategy reads, chosen with the first decision; None before it, and if
            the spec has no warm-up.
        checked_code: Digest of the code that last passed the look-ahead check.
        failure: Why the last attempt to advance failed; None if it did not.
        failed_at: When it began to fail, UTC.
    """

    symbol: str
    account: "AccountState"
    last_bar: int | None = None
    warm_up: "WarmUp | None" = None
    checked_code: str | None = None
    failure: str | None = None
    failed_at: datetime | None = None


def fill_key(symbol: str, bar_time: int, action: str) -> str:
    """Return the idempotency key of a fill in the ledger: one order per symbol, candle and action."""
    return f"{symbol}:{bar_time}:{action}"
