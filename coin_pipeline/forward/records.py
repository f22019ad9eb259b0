"""What a forward test records: each decision with the candle and the code that it was made with."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

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
