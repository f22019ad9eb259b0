"""Order execution: fill prices, costs, exchange price ticks and exit rules."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coin_pipeline.engine.bars import Bools, Floats

# Upbit, "KRW market order price unit", in force since 2025-07-31: a tick of this size from this price on, KRW.
_UPBIT_FROM = np.array([0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6])
# The tick as a fraction, since a tenth is no binary number.
_UPBIT_NUMERATOR = np.array([1.0, 1, 1, 1, 1, 1, 1, 1, 1, 5, 10, 50, 100, 500, 1000])
_UPBIT_DENOMINATOR = np.array([1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1, 1, 1, 1, 1, 1, 1])
# A price this close to a tick, relatively, is on it: it has only been rounded in binary.
_ROUNDING = 1e-12


class Ticks(StrEnum):
    """Whose price steps orders keep to."""

    UPBIT = "upbit"

    def round_up(self, price: Floats) -> Floats:
        """Return the lowest quoted price at or above each price, KRW, any shape; NaN stays NaN."""
        return self._on_tick(price, np.ceil, 1 - _ROUNDING)

    def round_down(self, price: Floats) -> Floats:
        """Return the highest quoted price at or below each price, KRW, any shape; NaN stays NaN."""
        return self._on_tick(price, np.floor, 1 + _ROUNDING)

    def _on_tick(self, price: Floats, rounded: np.ufunc, towards_tick: float) -> Floats:
        band = np.searchsorted(_UPBIT_FROM, price, side="right") - 1
        numerator, denominator = _UPBIT_NUMERATOR[band], _UPBIT_DENOMINATOR[band]
        on_tick: Floats = rounded(price * denominator / numerator * towards_tick) * numerator / denominator
        return on_tick


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

    def scaled(self, factor: float) -> "Costs":
        """Return the same costs with fee and slippage multiplied."""
        return Costs(self.fee_rate * factor, self.slippage_rate * factor, self.ticks)

    def paid(self, price: Floats) -> Floats:
        """Return the money paid for one unit bought at each raw price, any shape."""
        if self.ticks is None:
            return price * ((1 + self.slippage_rate) * (1 + self.fee_rate))
        return self.ticks.round_up(price * (1 + self.slippage_rate)) * (1 + self.fee_rate)

    def received(self, price: Floats) -> Floats:
        """Return the money received for one unit sold at each raw price, any shape."""
        if self.ticks is None:
            return price * ((1 - self.slippage_rate) * (1 - self.fee_rate))
        return self.ticks.round_down(price * (1 - self.slippage_rate)) * (1 - self.fee_rate)


@dataclass(frozen=True, slots=True)
class Stops:
    """Exits at a price, watched within every bar; None leaves one out.

    Attributes:
        stop_loss: Fall from the entry price at which to sell, a fraction, 0 < x < 1.
        take_profit: Rise from the entry price at which to sell, a fraction, > 0.
        trailing_stop: Fall from the highest price since the entry at which to sell, a fraction, 0 < x < 1.

    Raises:
        ValueError: A fraction is out of its range.
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None

    def __post_init__(self) -> None:
        for name, below in (("stop_loss", 1.0), ("take_profit", float("inf")), ("trailing_stop", 1.0)):
            value = getattr(self, name)
            if value is not None and not 0 < value < below:
                raise ValueError(f"{name} must be above 0 and below {below:g}, not {value}")

    @property
    def any(self) -> bool:
        """Whether there is anything to watch for."""
        return (self.stop_loss, self.take_profit, self.trailing_stop) != (None, None, None)


@dataclass(frozen=True, slots=True, eq=False)
class ExitRule:
    """All that decides when an entry is left, whichever comes first; with nothing set it is held to the end.

    Attributes:
        hold: Bars from the entry fill to the exit fill, at least 1.
        signals: True where an open position is to be closed, bool, shape (n,).
        stops: Exits at a price.
    """

    hold: int | None = None
    signals: Bools | None = None
    stops: Stops = Stops()
