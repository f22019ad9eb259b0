"""When an open position is to be left: planned exits and stops."""

from dataclasses import dataclass

from coin_pipeline.engine.bars import Bools


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
