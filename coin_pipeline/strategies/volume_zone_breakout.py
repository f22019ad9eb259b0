"""The strategy ``volume_zone_breakout``."""

import numpy as np
from pydantic import Field

from coin_pipeline.engine.bars import Bars, Bools, Floats, read_only
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies.base import Strategy, StrategyParams

# A share of the volume that falls short by no more than rounding errors counts as reached.
REACHED = 1.0 - 1e-12


class VolumeZoneBreakoutParams(StrategyParams):
    """Parameters of ``volume_zone_breakout``."""

    volume_window: int = Field(10, ge=1, le=500, description="bars of the volume profile, before the signal bar")
    top_percentile: float = Field(0.2, gt=0, le=1, description="share of the volume that lies above the level")
    breakout_buffer: float = Field(0.0, ge=0, le=1, description="how far above the level, a fraction of it")
    hold_period_bars: int = Field(1, ge=1, le=1000, description="bars from entry to exit")
    num_bins: int = Field(20, ge=1, le=200, description="price bins of the volume profile")
    include_wicks: bool = Field(default=True, description="whole candles (true) or their bodies only (false)")


class VolumeZoneBreakout(Strategy[VolumeZoneBreakoutParams]):
    """Buy when the price breaks above the zone where much of the recent volume was traded.

    The volume of the ``volume_window`` bars before is spread over ``num_bins`` equal bins of their price range. The
    level is the lower edge of the bin at which the volume, summed from the top bin down, reaches ``top_percentile`` of
    the total. A bar signals when its high is at least the level times 1 + ``breakout_buffer``.
    """

    name = "volume_zone_breakout"
    Params = VolumeZoneBreakoutParams

    def signals(self, bars: Bars, params: VolumeZoneBreakoutParams) -> Signals:
        """Find the bars that break out of the zone below them."""
        top, bottom = bars.high, bars.low
        if not params.include_wicks:
            top, bottom = read_only(np.maximum(bars.open, bars.close)), read_only(np.minimum(bars.open, bars.close))
        share, buffer_factor = float(params.top_percentile), 1.0 + params.breakout_buffer
        entries = _breakouts(top, bottom, bars.volume, params.volume_window, params.num_bins, share, buffer_factor)
        return Signals(entries, hold=params.hold_period_bars)

    def warm_up_bars(self, params: VolumeZoneBreakoutParams) -> int:
        """Return the bars of the volume profile."""
        return params.volume_window


@kernel
def _breakouts(
    top: Floats, bottom: Floats, volume: Floats, window: int, bins: int, share: float, buffer_factor: float
) -> Bools:
    """Return where ``top`` breaks out of the ``window`` bars before it.

    No bin is ever filled. The volume summed down to an edge is the volume above that edge, which only grows as edges
    get lower; so the level lies below the first edge out of reach (edge * (1 + buffer) > top) if and only if the volume
    above that one edge is still short of its share. Short means below share * total by more than a relative 1e-12: the
    order in which volumes are added never decides.
    """
    entries = np.zeros(len(top), np.bool_)
    for t in range(window, len(top)):
        lo, hi = bottom[t - window], top[t - window]
        for i in range(t - window + 1, t):
            lo, hi = min(lo, bottom[i]), max(hi, top[i])
        if lo == hi:
            continue
        j = _first_edge_out_of_reach(top[t], lo, hi - lo, bins, buffer_factor)
        if j == 0:
            continue
        height_of_edge = (hi - lo) * j / bins if j < bins else np.inf
        above = total = 0.0
        for i in range(t - window, t):
            total += volume[i]
            above += volume[i] * _share_above(top[i], bottom[i], lo, height_of_edge)
        entries[t] = above < share * total * REACHED  # never where there is no volume
    return entries


@kernel
def _first_edge_out_of_reach(price: float, lo: float, span: float, bins: int, buffer_factor: float) -> int:
    """Return the lowest j with edge_j * buffer_factor > price, or ``bins`` if the price reaches every lower edge."""
    estimate = (price / buffer_factor - lo) / span * bins
    j = int(min(max(estimate, 0.0), float(bins)))
    while j > 0 and (lo + span * (j - 1) / bins) * buffer_factor > price:
        j -= 1
    while j < bins and (lo + span * j / bins) * buffer_factor <= price:
        j += 1
    return j


@kernel
def _share_above(top: float, bottom: float, lo: float, height_of_edge: float) -> float:
    """Return which share of a bar lies above an edge; a bar of no height lies in the bin that starts at its price.

    Heights are taken from ``lo``, where they are small: a high price level must not eat their digits.
    """
    edge = lo + height_of_edge
    if bottom >= edge:
        return 1.0
    if top <= edge:
        return 0.0
    return (top - lo - height_of_edge) / (top - bottom)
