"""Invariants of every simulation, for any bars, signals, stops, costs and sizing."""

from dataclasses import fields, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from coin_pipeline.backtest.portfolio import Curve, equal_shares
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.validation import check_prices
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason, Samples
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import Simulation, simulate
from coin_pipeline.errors import InvalidCandles
from coin_pipeline.strategies.registry import load_registry
from tests.engine.candles import bars_of, random_bars
from tests.engine.reference import assert_same_account, assert_same_trades, outcomes_at_close, trade_next_open

REGISTRY = load_registry()
FREE = Costs(0.0, 0.0)
PRICES = ("open", "high", "low", "close")


@st.composite
def markets(draw: st.DrawFn, min_bars: int = 0) -> Bars:
    """Draw up to 150 bars of whole prices in a narrow or wide band, including flat bars and bars without volume."""
    price = st.integers(100, draw(st.sampled_from([101, 110, 300])))
    rows = draw(st.lists(st.tuples(price, price, price, price, st.integers(0, 3)), min_size=min_bars, max_size=15))
    table = [(opened, max(p), min(p), close, volume) for *p, volume in rows for opened, _, _, close in [p]]
    return bars_of(table * draw(st.integers(1, 10)))


@st.composite
def decisions(draw: st.DrawFn, n: int) -> Signals:
    """Draw signals on n bars as a repeated pattern, with any of the planned exits."""
    pattern = st.lists(st.booleans(), min_size=1, max_size=20).map(lambda flags: np.resize(np.array(flags), n))
    return Signals(draw(pattern), draw(st.none() | pattern), draw(st.none() | st.integers(1, 30)))


stop = st.none() | st.integers(50, 7_000).map(lambda n: n / 10_000)
stops = st.builds(Stops, stop, st.none() | st.integers(50, 25_000).map(lambda n: n / 10_000), stop)
rate = st.floats(0, 0.05)
costs = st.builds(Costs, rate, rate)
fraction = st.floats(0.01, 1)
shuffles = st.randoms(use_true_random=False)
cases = markets().flatmap(lambda bars: st.tuples(st.just(bars), decisions(len(bars))))
slow_allowed = [HealthCheck.too_slow]  # a loaded machine must not fail these tests
many = settings(max_examples=150, deadline=None, suppress_health_check=slow_allowed)
some = settings(max_examples=60, deadline=None, suppress_health_check=slow_allowed)


def bits(result: Simulation | Samples | Bars, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the arrays of a result as bytes."""
    arrays = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in without}
    return {
        name: bits(value) if isinstance(value, Samples) else np.asarray(value).tobytes()
        for name, value in arrays.items()
    }


@many
@given(cases, stops, costs, fraction, st.sampled_from([0.0, 0.499, 0.901, 1.101]))
def test_account_agrees_with_the_reference(
    case: tuple[Bars, Signals], stops: Stops, costs: Costs, fraction: float, least: float
) -> None:
    """Trades, counts, equity and drawdown equal those of cash, coins and resting orders moved bar by bar."""
    bars, signals = case
    sizing = Sizing(fraction=fraction, min_order=least * fraction * Sizing().initial_cash)
    simulation = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops, sizing)
    assert_same_account(simulation, trade_next_open(bars, signals, costs, stops, sizing))


@many
@given(cases, stops, costs)
def test_event_study_agrees_with_the_reference(case: tuple[Bars, Signals], stops: Stops, costs: Costs) -> None:
    """Every sample equals a simulation of its signal from close to close."""
    bars, signals = case
    simulation = simulate(bars, signals, costs, Fill.SIGNAL_CLOSE, stops)
    assert_same_trades(simulation.trades, outcomes_at_close(bars, signals, costs, stops))
    assert simulation.equity[-1:].tolist() == pytest.approx([np.prod(simulation.trades.growth)] * (len(bars) > 0))


@some
@given(cases, stops, costs, st.sampled_from(Fill))
def test_growth_is_the_price_ratio_times_costs(
    case: tuple[Bars, Signals], stops: Stops, costs: Costs, fill: Fill
) -> None:
    """Without costs, the account is the product of price ratios; costs add one factor per trade."""
    bars, signals = case
    free = simulate(bars, signals, FREE, fill, stops)
    ratios = free.trades.exit_price / free.trades.entry_price
    assert free.trades.growth.tolist() == ratios.tolist()
    assert free.equity[-1:].tolist() == pytest.approx([np.prod(ratios)] * (len(bars) > 0))
    charged = simulate(bars, signals, costs, fill, stops)
    legs = (1 - costs.fee_rate) * (1 - costs.slippage_rate) / ((1 + costs.fee_rate) * (1 + costs.slippage_rate))
    assert charged.trades.growth.tolist() == pytest.approx((ratios * legs).tolist(), rel=1e-14)


@some
@given(cases, stops, costs, costs, fraction)
def test_higher_costs_are_never_better(
    case: tuple[Bars, Signals], stops: Stops, low: Costs, more: Costs, fraction: float
) -> None:
    """The trades are the same, and the account is worth no more at any close."""
    bars, signals = case
    high = Costs(low.fee_rate + more.fee_rate, low.slippage_rate + more.slippage_rate)
    cheap, dear = (simulate(bars, signals, c, Fill.NEXT_OPEN, stops, Sizing(fraction)) for c in (low, high))
    assert dear.trades.exit_bar.tolist() == cheap.trades.exit_bar.tolist()
    assert np.all(dear.equity <= cheap.equity * (1 + 1e-12))


@many
@given(st.data(), cases, stops, costs, fraction)
def test_later_bars_do_not_change_earlier_results(
    data: st.DataObject, case: tuple[Bars, Signals], stops: Stops, costs: Costs, fraction: float
) -> None:
    """Closed trades and the curves up to a bar are bit-identical with and without later bars."""
    bars, signals = case
    n = data.draw(st.integers(0, len(bars)))
    exits = None if signals.exits is None else signals.exits[:n]
    known = Signals(signals.entries[:n], exits, signals.hold)
    complete = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops, Sizing(fraction))
    prefix = simulate(bars.head(n), known, costs, Fill.NEXT_OPEN, stops, Sizing(fraction))
    closed = prefix.trades.where(prefix.trades.exit_reason != ExitReason.END)
    kept = (complete.trades.exit_reason != ExitReason.END) & (complete.trades.exit_bar < n)
    assert bits(closed) == bits(complete.trades.where(kept))
    # A forced sale at the last close occurs only in the prefix.
    same = n if len(closed) == len(prefix.trades) else n - 1
    assert prefix.equity[:same].tobytes() == complete.equity[:same].tobytes()
    assert prefix.drawdown[:same].tobytes() == complete.drawdown[:same].tobytes()


@some
@given(cases, stops, costs, fraction, st.integers(-8, 10))
def test_results_are_invariant_to_the_price_scale(
    case: tuple[Bars, Signals], stops: Stops, costs: Costs, fraction: float, power: int
) -> None:
    """Prices with the decimal point elsewhere give the same bars and reasons, and the same returns up to rounding."""
    bars, signals = case
    up, down = 10.0 ** max(power, 0), 10.0 ** max(-power, 0)  # only these powers of ten are floats
    scaled = replace(bars, **{name: getattr(bars, name) * up / down for name in PRICES})
    first, second = (simulate(b, signals, costs, Fill.NEXT_OPEN, stops, Sizing(fraction)) for b in (bars, scaled))
    rounded = ("growth", "entry_price", "exit_price")
    assert bits(first.samples, without=rounded) == bits(second.samples, without=rounded)
    assert first.taken.tobytes() == second.taken.tobytes()
    np.testing.assert_allclose(first.samples.exit_price * up / down, second.samples.exit_price, rtol=1e-15)
    np.testing.assert_allclose(first.equity, second.equity, rtol=1e-12)


@some
@given(cases, stops, st.sampled_from(["stop_loss", "take_profit", "trailing_stop"]), st.floats(0.1, 1))
def test_tighter_stop_never_exits_later(case: tuple[Bars, Signals], loose: Stops, name: str, times: float) -> None:
    """Moving one level closer delays no exit."""
    bars, signals = case
    assume(getattr(loose, name) is not None)
    tight = replace(loose, **{name: getattr(loose, name) * times})
    for fill in Fill:
        late, early = (simulate(bars, signals, FREE, fill, stops).samples.exit_bar for stops in (loose, tight))
        assert np.all(early <= late)


@some
@given(cases, costs, st.sampled_from(Fill))
def test_unreachable_stops_have_no_effect(case: tuple[Bars, Signals], costs: Costs, fill: Fill) -> None:
    """Levels that no price reaches give the same bits as no stops."""
    bars, signals = case
    plain, stopped = (
        simulate(bars, signals, costs, fill, stops) for stops in (Stops(), Stops(0.999999, 1e6, 0.999999))
    )
    assert bits(plain) == bits(stopped)


@some
@given(cases, stops, costs)
def test_simulation_does_not_depend_on_volume(case: tuple[Bars, Signals], stops: Stops, costs: Costs) -> None:
    """Volume is an input of strategies; fills do not depend on it."""
    bars, signals = case
    without_volume = replace(bars, volume=np.zeros(len(bars)))
    first, second = (simulate(b, signals, costs, Fill.NEXT_OPEN, stops) for b in (bars, without_volume))
    assert bits(first) == bits(second)


@some
@given(st.integers(0, 80).flatmap(lambda n: st.tuples(st.just(n), decisions(n))), stops, costs)
def test_trades_on_flat_bars_lose_exactly_the_costs(case: tuple[int, Signals], stops: Stops, costs: Costs) -> None:
    """If prices never move, no stop is hit and every trade loses the costs of its two legs."""
    n, signals = case
    flat = simulate(bars_of([(128, 128, 128, 128, 0)] * n), signals, costs, Fill.NEXT_OPEN, stops)
    assert set(flat.trades.exit_reason.tolist()) <= {ExitReason.HOLD, ExitReason.SIGNAL, ExitReason.END}
    price, time, bar = np.array([128.0]), np.array([0]), np.array([0])
    leg = float((costs.received(price, time, bar) / costs.paid(price, time, bar))[0])
    assert flat.trades.growth.tolist() == pytest.approx([leg] * len(flat.trades), rel=2e-12)
    assert flat.equity[-1:].tolist() == pytest.approx([leg ** len(flat.trades)] * (n > 0))


@pytest.mark.parametrize("fill", list(Fill))
@pytest.mark.parametrize("n", [0, 1, 2])
def test_stops_on_very_short_series(n: int, fill: Fill) -> None:
    """Zero, one and two bars give no invented trades and no errors."""
    bars = bars_of([(100, 110, 90, 105)] * n)
    simulation = simulate(bars, Signals(np.ones(n, bool)), FREE, fill, Stops(0.05, 0.2, 0.05))
    assert len(simulation.equity) == len(simulation.drawdown) == n
    # One bar: decided at the only close. Two: bought at the second open, stopped at 95; or at the closes, at 99.75.
    expected = {Fill.NEXT_OPEN: [1.0, 0.95], Fill.SIGNAL_CLOSE: [1.0, 99.75 / 105]}[fill]
    assert simulation.equity.tolist() == pytest.approx(expected[:n])


@some
@given(st.lists(st.tuples(markets(1), st.floats(0.5, 2)), min_size=2, max_size=6), shuffles)
def test_equal_shares_do_not_depend_on_symbol_order(parts: list[tuple[Bars, float]], random: Random) -> None:
    """Shares are summed, so another order may only change the rounding of the sum."""
    curves = [
        Curve(str(i), bars.time + i % 2, bars.close / bars.close[0], np.zeros(len(bars)), bars.close * end)
        for i, (bars, end) in enumerate(parts)
    ]
    shuffled = random.sample(curves, len(curves))
    first, second = equal_shares(curves), equal_shares(shuffled)
    assert first.time.tobytes() == second.time.tobytes()
    for name in ("equity", "drawdown", "buy_and_hold"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-14, atol=1e-14)


@some
@given(
    st.lists(cases, min_size=2, max_size=5),
    stops,
    costs,
    st.integers(1, 4),
    fraction,
    st.randoms(use_true_random=False),
)
def test_shared_account_does_not_depend_on_symbol_order(
    parts: list[tuple[Bars, Signals]], stops: Stops, costs: Costs, positions: int, fraction: float, random: Random
) -> None:
    """Buys are ordered by name, so results are bit-identical for any input order."""
    books = [
        SymbolSamples.from_bars(str(i), bars, simulate(bars, signals, costs, Fill.NEXT_OPEN, stops).samples)
        for i, (bars, signals) in enumerate(parts)
    ]
    rules = SharedRules(fraction=fraction, max_positions=positions)
    order = random.sample(range(len(books)), len(books))
    first, second = (
        simulate_shared_account(books, rules, [costs] * len(books)),
        simulate_shared_account([books[i] for i in order], rules, [costs] * len(books)),
    )
    assert first.equity.tobytes() == second.equity.tobytes()
    assert [first.spent[i].tobytes() for i in order] == [spent.tobytes() for spent in second.spent]


@some
@given(markets(), st.sampled_from(REGISTRY.names()), st.sampled_from([0.0, 1.0]))
def test_strategies_accept_any_valid_bars(bars: Bars, name: str, volume: float) -> None:
    """Empty, single, flat and zero-volume bars give signals of the same length and a valid account."""
    bars = replace(bars, volume=bars.volume * volume)
    signals = REGISTRY.get(name).signals(bars, REGISTRY.resolve(name, {}))
    simulation = simulate(bars, signals, Costs(0.001, 0.0002), Fill.NEXT_OPEN, Stops(0.1, 0.1, 0.1))
    assert len(simulation.equity) == len(bars)
    assert np.all(simulation.equity > 0)
    assert np.all((simulation.drawdown >= 0) & (simulation.drawdown < 1))


@some
@given(st.data(), markets(1))
def test_invalid_candle_values_are_rejected(data: st.DataObject, bars: Bars) -> None:
    """One bad value or a whole column of them is rejected; valid candles pass."""
    columns = {field.name: getattr(bars, field.name) for field in fields(bars)}
    check_prices("here", OHLCV(**columns), str)
    name = data.draw(st.sampled_from([*PRICES, "volume"]))
    row = data.draw(st.just(slice(None)) | st.integers(0, len(bars) - 1).map(lambda i: slice(i, i + 1)))
    value = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, -1.0]))
    bad = columns[name].copy()
    bad[row] = value
    with pytest.raises(InvalidCandles, match=f"has {name} {value}"):
        check_prices("here", OHLCV(**(columns | {name: bad})), str)


@pytest.mark.parametrize(
    ("name", "params", "reads"),
    [
        ("volume_long_candle", {"vol_multiplier": 0.5, "body_pct": 0.001}, [*PRICES, "volume"]),
        ("volume_zone_breakout", {}, ["high", "low", "volume"]),
        ("volume_zone_breakout", {"include_wicks": False}, ["open", "close", "volume"]),
    ],
)
def test_nan_column_never_signals(name: str, params: dict[str, Any], reads: list[str]) -> None:
    """Bars created directly are not validated; a strategy that reads only NaN still does not buy."""
    bars, resolved = random_bars(300, 1), REGISTRY.resolve(name, params)
    assert REGISTRY.get(name).signals(bars, resolved).entries.any()
    for column in reads:
        blank = replace(bars, **{column: np.full(len(bars), np.nan)})
        assert not REGISTRY.get(name).signals(blank, resolved).entries.any()
