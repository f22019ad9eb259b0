"""Base classes of strategies and their parameters."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from coin_pipeline.engine.bars import Bars, Floats, Ints
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies.plot import PlotLine


class StrategyParams(BaseModel):
    """Typed parameters of a strategy; every field has a default and declares its range: ``Field(default, ge=, le=)``.

    Values are not coerced: a string or a boolean is not accepted for a number, nor 10.0 for an integer. An integer is
    accepted for a float.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


ParamsT = TypeVar("ParamsT", bound=StrategyParams)


class Strategy(ABC, Generic[ParamsT]):
    """A named rule that turns bars into signals; the docstring of a subclass is its description.

    Attributes:
        name: Unique name of lower-case letters, digits and ``_``.
        Params: Class of the parameters.

    Example:
        >>> import numpy as np
        >>> from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams
        >>> class BreakoutParams(StrategyParams):
        ...     level: float = Field(100.0, gt=0)
        >>> class Breakout(Strategy[BreakoutParams]):
        ...     '''Buy when the close is above a fixed level.'''
        ...     name = "breakout"
        ...     Params = BreakoutParams
        ...
        ...     def signals(self, bars: Bars, params: BreakoutParams) -> Signals:
        ...         return Signals(entries=bars.close > params.level, hold=5)
        >>> close = np.array([99.0, 101.0])
        >>> bars = Bars(np.arange(2), close, close, close, close, close)
        >>> Breakout().signals(bars, BreakoutParams()).entries.tolist()
        [False, True]
    """

    name: ClassVar[str]
    Params: ClassVar[type[StrategyParams]] = StrategyParams

    @abstractmethod
    def signals(self, bars: Bars, params: ParamsT) -> Signals:
        """Decide at the close of every bar, using only that bar and earlier ones.

        Args:
            bars: n candles, read-only.
            params: Validated parameters.

        Returns:
            Signals on the same n bars.
        """

    def signal_rows(self, bars: Bars, points: Sequence[ParamsT], workers: int = 1) -> SignalRows:  # noqa: ARG002
        """Decide for many parameter points at once. Override it to share work between points; the default does not.

        Args:
            bars: n candles, read-only.
            points: Validated parameters, one or more; `param_columns.column_of` returns one of them as an array.
            workers: Number of threads that may be used.

        Returns:
            Rows in which point k equals ``signals(bars, points[k])`` exactly.
        """
        return SignalRows.of(self.signals(bars, params) for params in points)

    def plot(self, bars: Bars, params: ParamsT) -> Mapping[str, Floats | PlotLine]:  # noqa: ARG002
        """Return the levels that the strategy decides by, for the price chart of a report; none by default.

        A run never calls it: reports do, on the candles of the backtest, if neither they nor the code has changed.

        Args:
            bars: n candles, read-only; those of the warm-up come first.
            params: Validated parameters.

        Returns:
            Up to 16 lines by label: one number per bar, shape (n,), NaN where there is none. A `PlotLine` also chooses
            the pane.
        """
        return {}

    def warm_up_bars(self, params: ParamsT) -> int:  # noqa: ARG002 - for subclasses that look back
        """Return the number of earlier bars that a decision reads.

        The look-ahead check always passes the strategy more bars than this, which makes the check cheaper; with 0, it
        determines the number itself. Whatever the value, signals must be correct on the first bars too.
        """
        return 0

    def warm_up_rows(self, points: Sequence[ParamsT]) -> Ints:
        """Return `warm_up_bars` of many parameter points, int64, shape (points,); override it like `signal_rows`."""
        return np.array([self.warm_up_bars(params) for params in points], np.int64)
