"""What a forward test records: each decision with the candle and the code that it was made with."""

from dataclasses import dataclass
from datetime import datetime

Candle = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the strategy decided at the close of one candle.

    Attributes:
        symbol: The market.
        bar_time: Open of the candle, ns UTC.
        candle: The candle as it was stored when the decision was made.
        entry: Whether a position should be opened.
        exit: Whether an open position should be closed.
        hold: Bars from the entry fill to the exit fill; None without a limit.
        decided_at: When the decision was made, UTC, by the database's clock.
        late: Whether it was made after the fill that it decides on was due.
        missing: Number of candles between the previous recorded one and this one that were not stored.
        code_sha256: Digest of the engine's and the strategy's code.
        params_sha256: Digest of the resolved parameters.
        history_sha256: Digest of all candles that the strategy saw, the warm-up included.
    """

    symbol: str
    bar_time: int
    candle: Candle
    entry: bool
    exit: bool
    hold: int | None
    decided_at: datetime
    late: bool
    missing: int
    code_sha256: str
    params_sha256: str
    history_sha256: str
