"""Reference implementation of both strategies in slow, plain Python; the zone in exact fractions or in floats."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.decimals import AT_LEAST
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandleParams
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakoutParams

Number: TypeAlias = Fraction | float


def long_candles(bars: Bars, params: VolumeLongCandleParams, number: Callable[[str], Number] = float) -> list[bool]:
    """Evaluate the rule of ``volume_long_candle`` on every bar: the shape exactly, the mean volume as ``breakouts``."""
    columns = (bars.open, bars.high, bars.low, bars.close)
    opens, highs, lows, closes = (column.tolist() for column in columns)
    volumes, multiplier = [number(repr(x)) for x in bars.volume.tolist()], number(repr(params.vol_multiplier))
    multiplier *= 1 if isinstance(multiplier, Fraction) else AT_LEAST
    body, signals = exact(params.body_pct), []
    for t, prices in enumerate(zip(opens, highs, lows, closes, strict=True)):
        o, h, low, c = map(exact, prices)
        window = volumes[max(0, t + 1 - params.vol_ma_window) : t + 1]
        signals.append(
            volumes[t] >= multiplier * (sum(window) / len(window))
            and (c - o) / o >= body
            and max(h - c, 0) / o < 2 * body
            and max(o - low, 0) / o < 2 * body
            and c > o
        )
    return signals


def exact(number: float) -> Fraction:
    """Return the decimal that a float stands for."""
    return Fraction(repr(number))


def breakouts(bars: Bars, params: VolumeZoneBreakoutParams, number: Callable[[str], Number]) -> list[bool]:
    """Compare every bar with its level; arguments as for `zone_levels`."""
    tops, _ = profile_prices(bars, params)
    factor = 1 + number(repr(params.breakout_buffer))
    tolerance = 1 if isinstance(factor, Fraction) else AT_LEAST
    return [
        level is not None and number(repr(top)) >= level * factor * tolerance
        for top, level in zip(tops, zone_levels(bars, params, number), strict=True)
    ]


def zone_levels(bars: Bars, params: VolumeZoneBreakoutParams, number: Callable[[str], Number]) -> list[Number | None]:
    """Fill the bins of every window and return the level of each bar; None where there is none.

    Args:
        bars: The candles.
        params: Parameters of the rule.
        number: ``Fraction`` for exact figures, each converted from its decimal notation, or ``float``.
    """
    columns = (*profile_prices(bars, params), bars.volume.tolist())
    top, bottom, volume = ([number(repr(x)) for x in column] for column in columns)
    share, window = number(repr(params.top_percentile)), params.volume_window
    levels: list[Number | None] = [None] * min(window, len(bars))
    for t in range(window, len(bars)):
        past = slice(t - window, t)
        levels.append(resistance(top[past], bottom[past], volume[past], share, params.num_bins))
    return levels


def profile_prices(bars: Bars, params: VolumeZoneBreakoutParams) -> tuple[list[float], list[float]]:
    """Return the upper and the lower price of each bar."""
    if params.include_wicks:
        return bars.high.tolist(), bars.low.tolist()
    bodies = list(zip(bars.open.tolist(), bars.close.tolist(), strict=True))
    return [max(body) for body in bodies], [min(body) for body in bodies]


def resistance(
    top: Sequence[Number], bottom: Sequence[Number], volume: Sequence[Number], share: Number, bins: int
) -> Number | None:
    """Return the lower edge of the bin where the volume from above reaches its share; None without a price range."""
    lo, hi = min(bottom), max(top)
    if lo == hi or not any(volume):
        return None
    edges = [lo + (hi - lo) * j / bins for j in range(bins)] + [hi]
    filled = [0 * lo] * bins
    for high, low, amount in zip(top, bottom, volume, strict=True):
        for j in range(bins):
            filled[j] += amount * share_in_bin(high, low, edges[j], edges[j + 1], last=j == bins - 1)
    # In floats, rounding may leave a sum just short of what it reaches exactly.
    needed = share * sum(volume) * (1 if isinstance(share, Fraction) else AT_LEAST)
    running = 0 * lo
    for j in reversed(range(bins)):
        running += filled[j]
        if running >= needed:
            return edges[j]
    raise AssertionError("all bins together hold less than the total volume")


def share_in_bin(high: Number, low: Number, lower: Number, upper: Number, *, last: bool) -> Number:
    """Return the share of a bar in a bin; a bar of zero height is entirely in the bin that contains its price."""
    if high == low:
        return int(lower <= high < upper or (last and high >= lower))
    overlap = min(high, upper) - max(low, lower)
    return overlap / (high - low) if overlap > 0 else 0
