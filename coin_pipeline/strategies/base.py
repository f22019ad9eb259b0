"""What a strategy is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals


class StrategyParams(BaseModel):
    """Typed parameters of a strategy; every field has a default and says its range with ``Field(default, ge=, le=)``.

    Values are taken as they are: no text for a number, no truth value for a number, no 10.0 for an integer. An integer
    is good for a float.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


ParamsT = TypeVar("ParamsT", bound=StrategyParams)


class Strategy(ABC, Generic[ParamsT]):
    """A named rule that turns bars into signals; the docstring of a subclass is its description.

    Attributes:
        name: What users call it: lower-case letters, digits and ``_``.
        Params: The class of its parameters.
    """

    name: ClassVar[str]
    Params: ClassVar[type[StrategyParams]] = StrategyParams

    @abstractmethod
    def signals(self, bars: Bars, params: ParamsT) -> Signals:
        """Decide at the close of every bar, from that bar and earlier ones only.

        Args:
            bars: n candles, read-only.
            params: Validated parameters.

        Returns:
            Signals on the same n bars.
        """

    def signal_rows(self, bars: Bars, points: Sequence[ParamsT], workers: int = 1) -> SignalRows:  # noqa: ARG002
        """Decide for many points at once; a strategy whose points share work may do better than one after another.

        Args:
            bars: n candles, read-only.
            points: Validated parameters, one or more.
            workers: Threads that may be used.

        Returns:
            Rows whose point k is exactly ``signals(bars, points[k])``.
        """
        return SignalRows.of(self.signals(bars, params) for params in points)

    def warm_up_bars(self, params: ParamsT) -> int:  # noqa: ARG002 - for subclasses that look back
        """Return how many bars before a bar its decision reads.

        The look-ahead check hands the strategy more bars than that, always, and so is cheaper; with 0 it finds out how
        many it needs. Whatever is returned, signals must be right at the first bars too.
        """
        return 0
