"""At which price and cost a decision is executed."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coin_pipeline.engine.bars import Bars, Floats, Ints
from coin_pipeline.engine.ticks import Ticks

UNFILLED = -1


class Fill(StrEnum):
    """Where a decision made at the close of a bar is executed."""

    NEXT_OPEN = "next_open"
    SIGNAL_CLOSE = "signal_close"


@dataclass(frozen=True, slots=True)
class Costs:
    """Fee and slippage of each leg, as fractions of the traded value and of the price, 0 <= rate < 1.

    Slippage is always against the trader. The fee is charged on the value after slippage, as an exchange does. With
    ``ticks`` the price after slippage is moved to the next price the exchange quotes, against the trader as well.
    """

    fee_rate: float
    slippage_rate: float
    ticks: Ticks | None = None

    def times(self, factor: float) -> "Costs":
        """Return the same costs with fee and slippage multiplied."""
        return Costs(self.fee_rate * factor, self.slippage_rate * factor, self.ticks)

    def paid(self, price: Floats) -> Floats:
        """Return the money paid for one unit bought at each raw price, any shape."""
        if self.ticks is None:
            return price * ((1 + self.slippage_rate) * (1 + self.fee_rate))
        return self.ticks.up(price * (1 + self.slippage_rate)) * (1 + self.fee_rate)

    def received(self, price: Floats) -> Floats:
        """Return the money received for one unit sold at each raw price, any shape."""
        if self.ticks is None:
            return price * ((1 - self.slippage_rate) * (1 - self.fee_rate))
        return self.ticks.down(price * (1 - self.slippage_rate)) * (1 - self.fee_rate)


def execute(bars: Bars, decided: Ints, fill: Fill) -> tuple[Ints, Floats]:
    """Return the bar and the raw price of each decision's fill.

    ``NEXT_OPEN``: a decision needs the close of its bar, and once that close is known it can no longer be traded. The
    next price anyone can get is the open of the following bar.

    ``SIGNAL_CLOSE``: the very close that was needed to decide. Nobody gets that fill; it measures what follows a signal
    (an event study), as the system before this one did.

    Args:
        bars: The candles.
        decided: Bars at whose close something was decided, shape (m,); a bar past the last one is never filled.
        fill: The rule.

    Returns:
        The bars, int64, and the prices, float64, both of shape (m,); -1 and NaN where the fill lies past the last bar.
    """
    prices = bars.open if fill is Fill.NEXT_OPEN else bars.close
    bar = decided + 1 if fill is Fill.NEXT_OPEN else decided
    filled = bar < len(bars)
    price = np.full(len(bar), np.nan)
    price[filled] = prices[bar[filled]]
    return np.where(filled, bar, UNFILLED), price
