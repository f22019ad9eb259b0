"""At which price and cost a decision is executed."""

from dataclasses import dataclass
from enum import StrEnum

from coin_pipeline.engine.bars import Floats
from coin_pipeline.engine.ticks import Ticks


class Fill(StrEnum):
    """Where a decision made at the close of a bar is executed.

    ``NEXT_OPEN``: a decision needs the close of its bar, and once that close is known it can no longer be traded. The
    next price anyone can get is the open of the following bar.

    ``SIGNAL_CLOSE``: the very close that was needed to decide. Nobody gets that fill; it measures what follows a signal
    (an event study), as the system before this one did.
    """

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
