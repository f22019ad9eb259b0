"""Look-ahead on rare bars, rounding, and candles near the limits of a double."""

from collections.abc import Callable

import numpy as np
import pytest

from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE, Bars, Bools
from coin_pipeline.engine.lookahead import LookAheadReport, check_no_lookahead
from coin_pipeline.engine.lookahead_futures import CRASH, NOISE, SURGE, Reflection, add_noise, extend
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead
from tests.engine.candles import bars_of, random_bars

Decide = Callable[[Bars], Bools]
PRICES = ("open", "high", "low", "close")


def check(decide: Decide, bars: Bars) -> LookAheadReport:
    """Check a rule that enters where a condition is true."""

    def signals_of(known: Bars) -> Signals:
        return Signals(decide(known), hold=2)

    return check_no_lookahead(bars, signals_of, signals_of(bars))


def mean(bars: Bars, window: int) -> np.ndarray:
    """Return a moving mean; that of fewer bars at the start."""
    summed = np.append(0.0, np.cumsum(bars.close))
    first = np.maximum(np.arange(len(bars)) + 1 - window, 0)
    return (summed[1:] - summed[first]) / (np.arange(len(bars)) + 1 - first)


def rises_next(bars: Bars) -> Bools:
    """Return where the next close is higher."""
    return np.append(np.diff(bars.close) > 0, False)


def by_time(bars: Bars) -> Bools:
    """Return one bar in 500, by time."""
    return bars.time // 3_600_000_000_000 % 500 == 123


def by_number(bars: Bars) -> Bools:
    """Return one bar in 500, by its number."""
    return np.arange(len(bars)) % 500 == 123


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rare", [by_time, by_number])
@pytest.mark.parametrize("n", [2_000, 9_000])
def test_look_ahead_on_one_bar_in_500_is_detected(rare: Decide, seed: int, n: int) -> None:
    """A rule that knows the next close on one bar in 500 is detected, however often it decides honestly."""
    with pytest.raises(LookAhead, match="its entries at bar"):
        check(lambda b: np.where(rare(b), rises_next(b), b.close > mean(b, 20)), random_bars(n, seed))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("window", [3, 20, 200, 2_000])
def test_honest_rule_passes_the_screening(window: int, seed: int) -> None:
    """A decision that changes because of a replaced candle before it is not look-ahead."""
    report = check(lambda b: b.close > mean(b, window), random_bars(9_000, seed))
    assert report.is_conclusive
    assert report.screened > 1_000


def flat(n: int) -> Bars:
    """Return candles of which most equal the one before."""
    close = np.repeat(1_000.0 + np.random.default_rng(1).integers(0, 3, n // 50 + 1), 50)[:n]
    return bars_of(np.column_stack([close] * 4))


def fft_mean(bars: Bars) -> np.ndarray:
    """Return a causal mean of 10 bars by an FFT over all of them."""
    size = 2 * len(bars)
    spectrum = np.fft.rfft(bars.close, size) * np.fft.rfft(np.ones(10) / 10, size)
    return np.fft.irfft(spectrum, size)[: len(bars)]


def test_rounding_is_not_look_ahead() -> None:
    """On flat candles a mean by FFT equals the close up to rounding errors, which later bars change."""
    report = check(lambda b: (b.close >= fft_mean(b)) & (np.arange(len(b)) >= 10), flat(2_000))
    assert report.rounding > 0


def test_rounding_hides_no_look_ahead() -> None:
    """The same rule with a veto of the next fall is detected."""
    with pytest.raises(LookAhead):
        check(
            lambda b: (b.close >= fft_mean(b)) & (np.arange(len(b)) >= 10) & ~np.append(b.low[1:] < b.low[:-1], False),
            flat(2_000),
        )


def test_equal_prices_hide_no_look_ahead() -> None:
    """A condition that noise breaks, such as an equality of prices, does not pass for rounding."""
    with pytest.raises(LookAhead):
        check(lambda b: (b.close == np.round(b.close)) & rises_next(b), random_bars(2_000, 1))


def futures(bars: Bars) -> list[Bars]:
    """Return every kind of replaced candles."""
    random, blocks = np.random.default_rng(0), np.arange(1, len(bars) - 8, 16)
    kinds = ((1, 1.0), (1, 4.0), (8, 2.0))
    reflected = [Reflection(bars).replace(blocks, length, strength, random) for length, strength in kinds]
    return [extend(bars, CRASH), extend(bars, SURGE), add_noise(bars, 0, len(bars), random), *reflected]


@pytest.mark.parametrize("scale", [1e-17, 1e-8, 1.0, 1e12, 5e17])
def test_synthetic_candles_are_valid(scale: float) -> None:
    """Near the bounds of a price none leaves them, and the high remains the highest."""
    real = random_bars(200, 4)
    bars = Bars(real.time, *(getattr(real, name) / 1_000 * scale for name in PRICES), real.volume * scale)
    for other in futures(bars):
        columns = np.stack([getattr(other, name) for name in PRICES])
        noise = 2 * NOISE
        assert (columns >= MIN_PRICE * (1 - noise)).all()
        assert (columns <= MAX_PRICE * (1 + noise)).all()
        assert (other.volume >= 0).all()
        assert (other.volume <= MAX_VOLUME * (1 + noise)).all()
        assert (other.high >= columns.max(axis=0)).all()
        assert (other.low <= columns.min(axis=0)).all()


@pytest.mark.parametrize("high_at", [0, 1])
def test_reflected_candles_of_the_largest_moves_are_finite(high_at: int) -> None:
    """Moves between the smallest and the largest price do not overflow, upwards or downwards."""
    price = np.where(np.arange(200) % 2 == high_at, MAX_PRICE, MIN_PRICE)
    bars = bars_of(np.column_stack([price, np.maximum(price, MAX_PRICE), np.minimum(price, MIN_PRICE), price]))
    for other in futures(bars):
        assert np.isfinite(np.stack([getattr(other, name) for name in PRICES])).all()


def test_reflected_candles_move_the_other_way() -> None:
    """A block moves against the real one from the close before it; bars between blocks are unchanged."""
    bars, blocks = random_bars(400, 5), np.arange(10, 380, 16)
    other = Reflection(bars).replace(blocks, 1, 1.0, np.random.default_rng(0))
    moved, real = (np.sign(column[blocks] - bars.close[blocks - 1]) for column in (other.close, bars.close))
    assert (moved[real != 0] == -real[real != 0]).all()
    assert (moved != 0).all()
    kept = np.setdiff1d(np.arange(400), blocks)
    assert np.array_equal(other.close[kept], bars.close[kept])
    assert not np.any(other.volume[blocks][bars.volume[blocks] > 0] == bars.volume[blocks][bars.volume[blocks] > 0])
