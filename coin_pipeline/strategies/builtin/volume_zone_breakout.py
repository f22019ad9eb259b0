"""Built-in strategy ``volume_zone_breakout``."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from pydantic import Field

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints, read_only
from coin_pipeline.engine.decimals import AT_LEAST, one_plus
from coin_pipeline.engine.execution import ExitRule
from coin_pipeline.engine.signal_rows import DecideBlock, SignalRows, distinct_rows, evaluate_rows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.languages import Text
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.builtin import volume_profile
from coin_pipeline.strategies.param_columns import column_of
from coin_pipeline.strategies.plot import PlotLine


class VolumeZoneBreakoutParams(StrategyParams):
    """Parameters of ``volume_zone_breakout``."""

    volume_window: int = Field(10, ge=1, le=500, description="bars of the volume profile, before the signal bar")
    top_percentile: float = Field(0.2, gt=0, le=1, description="share of the volume above the level")
    breakout_buffer: float = Field(0.0, ge=0, le=1, description="required distance above the level, a fraction of it")
    hold_period_bars: int = Field(1, ge=1, le=1000, description="bars from entry to exit")
    num_bins: int = Field(20, ge=1, le=200, description="price bins of the volume profile")
    include_wicks: bool = Field(default=True, description="use whole candles (true) or only their bodies (false)")


class VolumeZoneBreakout(Strategy[VolumeZoneBreakoutParams]):
    """Buy when the price breaks above the zone where much of the recent volume was traded.

    The volume of the previous ``volume_window`` bars is distributed over ``num_bins`` equal bins of their price range.
    The level is the lower edge of the bin where the volume, summed from the top bin down, reaches ``top_percentile`` of
    the total. A bar is a signal if its high is at least the level times 1 + ``breakout_buffer``. Both are compared as
    decimals: a high of 91.8 reaches a level of 91.8, however it was computed.
    """

    name = "volume_zone_breakout"
    Params = VolumeZoneBreakoutParams

    def signals(self, bars: Bars, params: VolumeZoneBreakoutParams) -> Signals:
        """Find the bars that break out above the zone."""
        entries = np.zeros((1, len(bars)), np.bool_)
        _decide(bars, [_Entry.of(*(getattr(params, name) for name in _ENTRY_PARAMS))])(0, entries)
        return Signals(entries[0], hold=params.hold_period_bars)

    def signal_rows(self, bars: Bars, points: Sequence[VolumeZoneBreakoutParams], workers: int = 1) -> SignalRows:
        """Evaluate each distinct entry rule once; rules with the same window share its preparation."""
        columns, index = distinct_rows([column_of(points, name) for name in _ENTRY_PARAMS])
        entries = [_Entry.of(*values) for values in zip(*columns, strict=True)]
        windows = [list(group) for _, group in groupby(entries, attrgetter("include_wicks", "window"))]
        rows = evaluate_rows(len(bars), [(len(window), _decide(bars, window)) for window in windows], workers)
        (holds,), rule = distinct_rows([column_of(points, "hold_period_bars")])
        return SignalRows(len(bars), (rows,), index[:, None], tuple(ExitRule(hold) for hold in holds), rule)

    def plot(self, bars: Bars, params: VolumeZoneBreakoutParams) -> dict[str, PlotLine]:
        """Return the lower edge of the zone, and the price of a breakout if it is another one."""
        columns, share = _profile_columns(bars, include_wicks=params.include_wicks), params.top_percentile * AT_LEAST
        level = volume_profile.find_levels(*columns, params.volume_window, params.num_bins, share, AT_LEAST)
        lines = {"zone": PlotLine(level, "price", Text("volume zone", "매물대 하단"))}
        if params.breakout_buffer:
            price = level * one_plus(params.breakout_buffer)
            lines["breakout"] = PlotLine(price, "price", Text("breakout", "돌파 기준가"))
        return lines

    def warm_up_bars(self, params: VolumeZoneBreakoutParams) -> int:
        """Return the number of bars of the volume profile."""
        return params.volume_window

    def warm_up_rows(self, points: Sequence[VolumeZoneBreakoutParams]) -> Ints:
        """Return the number of bars of the volume profile."""
        return column_of(points, "volume_window")


_ENTRY_PARAMS = ("include_wicks", "volume_window", "num_bins", "breakout_buffer", "top_percentile")


class _Entry(NamedTuple):
    """Parameters that an entry depends on; when sorted, rules that can share work are adjacent."""

    include_wicks: bool
    window: int
    bins: int
    factor: float
    share: float

    @classmethod
    def of(cls, include_wicks: bool, window: int, bins: int, buffer: float, share: float) -> "_Entry":  # noqa: FBT001
        return cls(include_wicks, window, bins, one_plus(buffer), float(share))


def _profile_columns(bars: Bars, *, include_wicks: bool) -> tuple[Floats, Floats, Floats]:
    """Return the upper price, the lower price and the volume of each bar of the profile, shape (n,)."""
    if include_wicks:
        return bars.high, bars.low, bars.volume
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    return read_only(top), read_only(bottom), bars.volume


def _decide(bars: Bars, entries: Sequence[_Entry]) -> DecideBlock:
    """Return a function that decides the rows of these entries, which share their window and ``include_wicks``."""
    bins = np.array([entry.bins for entry in entries])
    factors, shares = (np.array([entry[i] for entry in entries]) * AT_LEAST for i in (3, 4))
    columns = _profile_columns(bars, include_wicks=entries[0].include_wicks)

    def decide(start: int, block: Bools) -> None:
        volume_profile.find_breakouts(*columns, entries[0].window, bins, factors, shares, AT_LEAST, start, block)

    return decide
