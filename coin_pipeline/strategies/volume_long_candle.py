"""The strategy ``volume_long_candle``."""

import numpy as np
from pydantic import Field

from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies.base import Strategy, StrategyParams


class VolumeLongCandleParams(StrategyParams):
    """Parameters of ``volume_long_candle``."""

    vol_ma_window: int = Field(20, ge=1, le=500, description="bars of the mean volume, the signal bar included")
    vol_multiplier: float = Field(1.5, gt=0, le=10, description="volume over its mean that is high enough")
    body_pct: float = Field(0.02, gt=0, le=1, description="rise from open to close, a fraction of the open")
    hold_period_bars: int = Field(1, ge=1, le=1000, description="bars from entry to exit")


class VolumeLongCandle(Strategy[VolumeLongCandleParams]):
    """Buy after a long rising candle with short wicks on high volume, and hold for a fixed number of bars.

    A bar signals when its volume is at least ``vol_multiplier`` times the mean of the last ``vol_ma_window`` bars (of
    fewer at the start), it rises by at least ``body_pct`` of its open, and each wick is below twice that.
    """

    name = "volume_long_candle"
    Params = VolumeLongCandleParams

    def signals(self, bars: Bars, params: VolumeLongCandleParams) -> Signals:
        """Find the long candles on high volume."""
        entries = _long_candles(
            bars.open,
            bars.high,
            bars.low,
            bars.close,
            bars.volume,
            params.vol_ma_window,
            float(params.vol_multiplier),
            float(params.body_pct),
        )
        return Signals(entries, hold=params.hold_period_bars)

    def warm_up_bars(self, params: VolumeLongCandleParams) -> int:
        """Return the bars of the mean volume before the signal bar."""
        return params.vol_ma_window - 1


@kernel
def _long_candles(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    volumes: Floats,
    window: int,
    multiplier: float,
    body: float,
) -> Bools:
    """Return where the rule holds.

    The mean is summed anew, left to right, on the few bars whose shape fits: it cannot drift as a running sum would.
    """
    entries = np.zeros(len(closes), np.bool_)
    for t in range(len(closes)):
        o, c = opens[t], closes[t]
        if not (c > o and (c - o) / o >= body):
            continue
        if not (max(highs[t] - c, 0.0) / o < 2.0 * body and max(o - lows[t], 0.0) / o < 2.0 * body):
            continue
        first = max(t - window + 1, 0)
        total = 0.0
        for i in range(first, t + 1):
            total += volumes[i]
        entries[t] = volumes[t] >= multiplier * (total / (t + 1 - first))
    return entries
