"""Order execution: fill prices, costs and exit rules."""

from dataclasses import dataclass
from enum import StrEnum

from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.ticks import TickTable

DEFAULT_FEE_RATE, DEFAULT_SLIPPAGE_RATE = 0.001, 0.0002
"""Fee and slippage of each leg, of backtests and of paper orders, unless the request has others."""


class Fill(StrEnum):
    """Price at which a decision made at the close of a bar is executed.

    ``NEXT_OPEN``: the decision depends on the close of its bar, and once that close is known it can no longer be
    traded. The first available price is the open of the following bar.

    ``SIGNAL_CLOSE``: the same close that the decision depends on. This fill is not achievable in practice; it measures
    what follows a signal (an event study), as the legacy platform did.
    """

    NEXT_OPEN = "next_open"
    SIGNAL_CLOSE = "signal_close"


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of one market per leg: fee and slippage, fractions of the traded value and of the price, 0 <= rate < 1.

    Slippage always works against the trader. The fee is charged on the value after slippage, as exchanges do. With
    ``ticks``, the price after slippage is then rounded to a price that the market quotes on the day of the bar's open,
    also against the trader.

    Attributes:
        fee_rate: Fee per leg, a fraction of the traded value.
        slippage_rate: Slippage per leg, a fraction of the price.
        ticks: Tick sizes of the market; None leaves prices unrounded.

    Example:
        >>> import numpy as np
        >>> costs, price, time, bar = Costs(0.001, 0.0), np.array([100.0]), np.array([0]), np.array([0])
        >>> costs.paid(price, time, bar).round(4).tolist(), costs.received(price, time, bar).round(4).tolist()
        ([100.1], [99.9])
    """

    fee_rate: float
    slippage_rate: float
    ticks: TickTable | None = None

    def scaled(self, factor: float) -> "Costs":
        """Return a copy with fee and slippage multiplied by ``factor``.

        Ticks have no multiple: they stay as they are. At factor 0 there are no costs at all, so no ticks either.
        """
        return Costs(self.fee_rate * factor, self.slippage_rate * factor, self.ticks if factor else None)

    def paid(self, price: Floats, time: Ints, bar: Ints) -> Floats:
        """Return the cash paid for one unit bought at each raw price.

        Args:
            price: Raw prices, shape (m,).
            time: Open times of the bars, ns UTC, shape (n,).
            bar: Bar on which each is bought, shape (m,).
        """
        if self.ticks is None:
            return price * ((1 + self.slippage_rate) * (1 + self.fee_rate))
        return self.ticks.round_up(price * (1 + self.slippage_rate), time[bar]) * (1 + self.fee_rate)

    def received(self, price: Floats, time: Ints, bar: Ints) -> Floats:
        """Return the cash received for one unit sold at each raw price; arguments as for ``paid``."""
        if self.ticks is None:
            return price * ((1 - self.slippage_rate) * (1 - self.fee_rate))
        return self.ticks.round_down(price * (1 - self.slippage_rate), time[bar]) * (1 - self.fee_rate)


@dataclass(frozen=True, slots=True)
class Stops:
    """Price-triggered exits, checked within every bar; None disables one.

    Attributes:
        stop_loss: Loss from the entry price that triggers a sale, a fraction, 0 < x < 1.
        take_profit: Gain from the entry price that triggers a sale, a fraction, > 0.
        trailing_stop: Fall from the highest price since entry that triggers a sale, a fraction, 0 < x < 1.

    Raises:
        ValueError: A fraction is out of range.
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None

    def __post_init__(self) -> None:
        for name, limit in (("stop_loss", 1.0), ("take_profit", float("inf")), ("trailing_stop", 1.0)):
            value = getattr(self, name)
            if value is not None and not 0 < value < limit:
                raise ValueError(f"{name} must be above 0 and below {limit:g}, not {value}")

    @property
    def any(self) -> bool:
        """Whether any stop is set."""
        return (self.stop_loss, self.take_profit, self.trailing_stop) != (None, None, None)


@dataclass(frozen=True, slots=True, eq=False)
class ExitRule:
    """Conditions that close a position, whichever comes first; with none set, it is held until the last bar.

    Attributes:
        hold: Bars from the entry fill to the exit fill, at least 1.
        signals: True where an open position should be closed, bool, shape (n,).
        stops: Price-triggered exits.
    """

    hold: int | None = None
    signals: Bools | None = None
    stops: Stops = Stops()
