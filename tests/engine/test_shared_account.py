"""The shared account: figures by hand, agreement with plain Python, and invariants."""

from collections.abc import Sequence
from dataclasses import fields, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine import metrics, shared_account
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars, Floats, Ints
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.outcomes import UNFILLED, ExitReason, Samples, compute_outcomes
from coin_pipeline.engine.shared_account import SharedAccount, SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import Simulation, simulate
from tests.engine.candles import HOUR_NS, bars_of, random_bars
from tests.engine.reference import drawdowns
from tests.engine.shared_reference import trade_shared

COSTS = Costs(0.001, 0.0002)
FREE = Costs(0.0, 0.0)
CALM = (100, 101, 99, 100)
COUNTS = ("ignored", "no_slot", "too_small")


def trade_books(books: Sequence[SymbolSamples], rules: SharedRules, costs: Costs) -> SharedAccount:
    """Simulate a shared account with the same costs on every symbol."""
    return simulate_shared_account(books, rules, [costs] * len(books))


def book(
    name: str,
    rows: Sequence[Sequence[float]],
    signals: Sequence[int],
    hold: int | None = None,
    stops: Stops = Stops(),  # noqa: B008 - frozen
    hours: Sequence[int] | None = None,
) -> SymbolSamples:
    """Return cost-free samples of a symbol from rows (open, high, low, close), at the given hours or from hour 0."""
    bars = at_hours(bars_of(rows), np.arange(len(rows)) if hours is None else np.array(hours))
    return SymbolSamples.from_bars(
        name,
        bars,
        compute_outcomes(bars, np.array(signals, np.int64), ExitRule(hold, None, stops), FREE, Fill.NEXT_OPEN),
    )


def at_hours(bars: Bars, hours: Ints) -> Bars:
    """Return the bars with other times."""
    return Bars(hours * HOUR_NS, *(getattr(bars, field.name) for field in fields(bars)[1:]))


def random_book(name: str, random: np.random.Generator, times: int) -> SymbolSamples:
    """Draw bars with gaps and their own start and end, entries, and any kind of exit."""
    first, end = np.sort(random.integers(0, times + 1, 2)) if random.random() < 0.5 else (0, times)
    gaps = random.choice([0.0, 0.2])
    hours = np.arange(first, end)[random.random(end - first) >= gaps]
    bars = at_hours(random_bars(len(hours), int(random.integers(1000))), hours)
    exits = random.random(len(hours)) < 0.1 if random.random() < 0.5 else None
    hold = int(random.integers(1, 12)) if random.random() < 0.7 else None
    stops = Stops(*(random.choice([None, 0.01, 0.03]) for _ in range(3)))
    entries = np.flatnonzero(random.random(len(hours)) < random.choice([0.1, 0.5, 1.0]))
    samples = compute_outcomes(bars, entries, ExitRule(hold, exits, stops), COSTS, Fill.NEXT_OPEN)
    return SymbolSamples.from_bars(name, bars, samples)


def random_books(seed: int, most: int = 6) -> list[SymbolSamples]:
    """Draw one or more symbols, in random name order."""
    random = np.random.default_rng(seed)
    names = random.permutation(list("ABCDEF"))[: random.integers(1, most + 1)]
    times = int(random.integers(0, 60))
    return [random_book(name, random, times) for name in names.tolist()]


rules_of_any_kind = st.builds(
    SharedRules,
    max_positions=st.integers(1, 5),
    fraction=st.sampled_from([1.0, 1 / 2, 1 / 3, 0.3, 0.05]),
    initial_cash=st.just(1e6),
    min_order=st.sampled_from([0.0, 0.0, 160_001.0, 495_001.0]),
)
seeds = st.integers(0, 2**32)


def step_of(own: SymbolSamples, sample: int, *, leaving: bool) -> tuple[int, int]:
    """Return the step in which a fill moves cash: the bar's time, and exit at open (0), entry (1) or later (2)."""
    samples = own.samples
    if not leaving:
        return int(own.time[samples.entry_bar[sample]]), 1
    at_open = samples.exit_reason[sample] in {ExitReason.SIGNAL, ExitReason.HOLD}
    return int(own.time[samples.exit_bar[sample]]), 0 if at_open else 2


def ledger(books: Sequence[SymbolSamples], account: SharedAccount) -> tuple[Floats, Ints]:
    """Return the cash and the number of positions after every step that moves cash."""
    moves: dict[tuple[int, int], tuple[float, int]] = {}
    for own, spent in zip(books, account.spent, strict=True):
        for sample in np.flatnonzero(spent).tolist():
            flows = ((False, -spent[sample], 1), (True, spent[sample] * own.samples.growth[sample], -1))
            for leaving, money, positions in flows:
                step = step_of(own, sample, leaving=leaving)
                before = moves.get(step, (0.0, 0))
                moves[step] = before[0] + money, before[1] + positions
    in_order = [moves[step] for step in sorted(moves)]
    return 1.0 + np.cumsum([m for m, _ in in_order]), np.cumsum([p for _, p in in_order])


@given(seed=seeds, rules=rules_of_any_kind)
@settings(deadline=None, max_examples=150)
def test_account_agrees_with_the_reference(seed: int, rules: SharedRules) -> None:
    """Trades and counts are equal, amounts up to rounding."""
    books = random_books(seed)
    account, expected = trade_books(books, rules, COSTS), trade_shared(books, rules, COSTS)
    assert account.time.tolist() == sorted({time for own in books for time in own.time.tolist()})
    assert (account.equity * rules.initial_cash).tolist() == pytest.approx(expected.equity, rel=1e-11)
    assert account.drawdown.tolist() == pytest.approx(drawdowns(account.equity.tolist()), rel=1e-9, abs=1e-12)
    spent = {
        (own.name, sample): money[sample] * rules.initial_cash
        for own, mask, money in zip(books, account.taken, account.spent, strict=True)
        for sample in np.flatnonzero(mask).tolist()
    }
    assert spent == pytest.approx(
        expected.spent, rel=1e-11, abs=1e-6
    )  # the remaining cash is a small difference of large numbers
    for name in COUNTS:
        counted = dict(zip([own.name for own in books], getattr(account, name).tolist(), strict=True))
        assert counted == {own.name: getattr(expected, name)[own.name] for own in books}
    assert account.exposure == (expected.busy / len(account.time) if len(account.time) else None)


def test_random_books_cover_every_rule() -> None:
    """Every count and both kinds of exits occur, and symbols have different times."""
    rules = SharedRules(max_positions=2, fraction=0.5, initial_cash=1e6, min_order=480_000)
    drawn = [random_books(seed) for seed in range(60)]
    accounts = [trade_books(books, rules, COSTS) for books in drawn]
    assert all(sum(getattr(account, count).sum() for account in accounts) > 50 for count in COUNTS)
    reasons = np.concatenate([own.samples.exit_reason for books in drawn for own in books])
    assert set(reasons.tolist()) == set(ExitReason)
    assert sum(len({own.time.tobytes() for own in books}) > 1 for books in drawn) > 30


@given(seed=seeds, rules=rules_of_any_kind, order=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_result_does_not_depend_on_input_order(seed: int, rules: SharedRules, order: Random) -> None:
    """Only names determine the order of buys."""
    books = random_books(seed)
    indices = list(range(len(books)))
    order.shuffle(indices)
    account, other = (
        trade_books(books, rules, COSTS),
        trade_books([books[i] for i in indices], rules, COSTS),
    )
    for name in ("time", "equity", "drawdown"):
        assert getattr(account, name).tobytes() == getattr(other, name).tobytes()
    assert [account.spent[i].tobytes() for i in indices] == [money.tobytes() for money in other.spent]
    assert [account.taken[i].tobytes() for i in indices] == [mask.tobytes() for mask in other.taken]
    for name in COUNTS:
        assert getattr(account, name)[indices].tolist() == getattr(other, name).tolist()
    assert account.exposure == other.exposure


@given(seed=seeds, rules=rules_of_any_kind)
@settings(deadline=None)
def test_cash_and_limits_hold_at_every_step(seed: int, rules: SharedRules) -> None:
    """Cash is never negative and conserved, no limit is exceeded, and every signal is accounted for."""
    books = random_books(seed)
    account = trade_books(books, rules, COSTS)
    cash, positions = ledger(books, account)
    assert cash.min(initial=1.0) > -1e-12
    assert positions.max(initial=0) <= min(rules.max_positions, len(books))
    gains = sum(
        float((money[mask] * own.samples.net_return[mask]).sum())
        for own, mask, money in zip(books, account.taken, account.spent, strict=True)
    )
    assert account.equity[-1:].tolist() == pytest.approx([1.0 + gains] * (len(account.time) > 0), rel=1e-12)
    skipped = sum(getattr(account, name).sum() for name in COUNTS)
    filled = sum(int(np.count_nonzero(own.samples.entry_bar != UNFILLED)) for own in books)
    assert skipped + sum(int(mask.sum()) for mask in account.taken) == filled
    for mask, money in zip(account.taken, account.spent, strict=True):
        assert np.array_equal(mask, money > 0)
        assert np.all(money[mask] * rules.initial_cash >= rules.min_order * (1 - 1e-12))


def single_symbol(
    own: SymbolSamples, bars: Bars, signals: Signals, stops: Stops, sizing: Sizing
) -> tuple[SharedAccount, Simulation]:
    """Trade the same signals from a shared account of one symbol and from an account of its own."""
    rules = SharedRules(
        max_positions=1, fraction=sizing.fraction, initial_cash=sizing.initial_cash, min_order=sizing.min_order
    )
    return trade_books([own], rules, COSTS), simulate(bars, signals, COSTS, Fill.NEXT_OPEN, stops, sizing)


@given(
    seed=st.integers(0, 1000),
    fraction=st.sampled_from([1.0, 0.5, 1 / 3, 0.07]),
    min_order=st.sampled_from([0.0, 0.901, 0.951, 1.0, 1.01]),
    hold=st.none() | st.integers(1, 9),
    stops=st.sampled_from([Stops(), Stops(0.01), Stops(0.02, 0.02, 0.01)]),
)
@settings(deadline=None)
def test_one_symbol_equals_its_own_account(
    seed: int, fraction: float, min_order: float, hold: int | None, stops: Stops
) -> None:
    """The trades are equal and the curves agree up to rounding; with the whole equity invested, to the last bit."""
    random = np.random.default_rng(seed)
    bars = random_bars(200, seed)
    signals = Signals(random.random(200) < 0.2, random.random(200) < 0.1, hold)
    sizing = Sizing(fraction, 1e6, min_order * fraction * 1e6)
    samples = compute_outcomes(
        bars, np.flatnonzero(signals.entries), ExitRule(hold, signals.exits, stops), COSTS, Fill.NEXT_OPEN
    )
    account, single = single_symbol(SymbolSamples.from_bars("A", bars, samples), bars, signals, stops, sizing)
    assert np.array_equal(account.taken[0], single.taken)
    assert [getattr(account, name).tolist() for name in COUNTS] == [[single.ignored], [0], [single.too_small]]
    assert account.exposure == metrics.exposure(single.trades, len(bars))
    assert account.equity.tolist() == pytest.approx(single.equity.tolist(), rel=1e-12)
    assert account.drawdown.tolist() == pytest.approx(single.drawdown.tolist(), abs=1e-12)
    if fraction == 1.0:
        assert account.equity.tobytes() == single.equity.tobytes()


TWO = SharedRules(max_positions=2, fraction=0.5, initial_cash=1000.0)
ONE = SharedRules(max_positions=1, fraction=1.0, initial_cash=1000.0)


def test_planned_exit_funds_an_entry_at_the_same_open() -> None:
    """A's cash and slot are available at the open where B buys."""
    a = book("A", [CALM, (100, 101, 99, 100), (110, 111, 109, 110), CALM], [0], hold=1)
    b = book("B", [CALM, CALM, CALM, (100, 121, 99, 120)], [1])
    account = trade_books([a, b], ONE, FREE)
    assert [money.tolist() for money in account.spent] == [[1.0], [1.1]]
    assert account.equity.tolist() == pytest.approx([1.0, 1.0, 1.1, 1.32])


def test_stop_within_a_bar_funds_only_later_entries() -> None:
    """A's slot is still in use at the open of the bar in which it is stopped out, and free one bar later."""
    a = book("A", [CALM, CALM, (100, 101, 70, 80), CALM], [0], stops=Stops(0.25))
    b = book("B", [CALM] * 4, [1, 2])
    account = trade_books([a, b], ONE, FREE)
    assert [mask.tolist() for mask in account.taken] == [[True], [False, True]]
    assert account.spent[1].tolist() == [0.0, 0.75]
    assert (account.no_slot.tolist(), account.exposure) == ([0, 1], 0.75)
    assert account.equity.tolist() == [1.0, 1.0, 0.75, 0.75]


def test_entries_at_one_open_are_ordered_by_name_and_sized_equally() -> None:
    """Of three entries at one open, the first two by name are bought, each with half the equity."""
    books = [book(name, [CALM, (100, 151, 99, 150)], [0]) for name in ("C", "A", "B")]
    account = trade_books(books, TWO, FREE)
    assert [money.tolist() for money in account.spent] == [[0.0], [0.5], [0.5]]
    assert (account.no_slot.tolist(), account.equity.tolist()) == ([1, 0, 0], [1.0, 1.5])


def test_entry_spends_at_most_the_remaining_cash() -> None:
    """B spends the remaining cash; C finds none, although a slot is free."""
    half_up = [CALM, (100, 151, 99, 150), (150, 151, 149, 150), (150, 151, 149, 150)]
    books = [book("A", half_up, [0]), book("B", half_up, [1]), book("C", half_up, [2])]
    account = trade_books(books, SharedRules(max_positions=3, fraction=0.6, initial_cash=1000.0), FREE)
    assert [money.tolist() for money in account.spent] == [[0.6], [0.4], [0.0]]
    assert (account.no_slot.tolist(), account.too_small.tolist()) == ([0, 0, 0], [0, 0, 1])
    assert account.equity.tolist() == pytest.approx([1.0, 1.3, 1.3, 1.3])


@pytest.mark.parametrize(("min_order", "bought"), [(500.0, True), (500.01, False)])
def test_order_at_the_minimum_is_placed(min_order: float, *, bought: bool) -> None:
    """The minimum is in KRW and applies to the amount spent."""
    rules = SharedRules(max_positions=1, fraction=0.5, initial_cash=1000.0, min_order=min_order)
    account = trade_books([book("A", [CALM, CALM], [0])], rules, FREE)
    assert (account.taken[0].tolist(), account.too_small.tolist()) == ([bought], [not bought])


@pytest.mark.parametrize("positions", [3, 7, 20, 49, 100, 500])
def test_equal_parts_use_all_cash(positions: int) -> None:
    """N orders of one Nth are all placed when each is exactly the minimum, and an order more finds no cash."""
    rules = SharedRules(
        max_positions=positions + 1, fraction=1 / positions, initial_cash=5_000.0 * positions, min_order=5_000.0
    )
    books = [book(f"{number:03}", [CALM, CALM], [0]) for number in range(positions + 1)]
    account = trade_books(books, rules, FREE)
    assert [mask.tolist() for mask in account.taken] == [[True]] * positions + [[False]]
    assert account.too_small.tolist() == [0] * positions + [1]
    assert account.equity.tolist() == pytest.approx([1.0, 1.0], rel=1e-14)


def test_cash_returned_by_exits_is_whole_again() -> None:
    """After 200 rounds of 20 orders each, every order is still the minimum."""
    rounds, positions = 200, 20
    rules = SharedRules(max_positions=positions, fraction=0.05, initial_cash=100_000.0, min_order=5_000.0)
    rows = [CALM] * (2 * rounds + 2)
    books = [book(f"{number:02}", rows, range(0, 2 * rounds, 2), hold=1) for number in range(positions)]
    account = trade_books(books, rules, FREE)
    assert sum(int(mask.sum()) for mask in account.taken) == rounds * positions
    assert account.too_small.sum() == 0


def test_symbol_without_a_bar_keeps_its_last_close() -> None:
    """A has no bar at hours 2 and 3: B's entry at hour 3 and the curve use A's close of hour 1."""
    a = book("A", [CALM, (100, 141, 99, 140), (100, 101, 99, 100)], [0], hours=[0, 1, 4])
    b = book("B", [CALM] * 5, [2])
    account = trade_books([a, b], TWO, FREE)
    assert account.equity.tolist() == pytest.approx([1.0, 1.2, 1.2, 1.2, 1.0])
    assert account.spent[1].tolist() == [0.5]
    third = trade_books([a, b], SharedRules(max_positions=2, fraction=0.25, initial_cash=1000.0), FREE)
    assert third.spent[1].tolist() == pytest.approx([0.25 * (0.75 + 0.25 * 1.4)])


def test_symbol_that_ends_early_is_sold_at_its_last_close() -> None:
    """Its cash is available at the next open."""
    a = book("A", [CALM, (100, 131, 99, 130)], [0])
    b = book("B", [CALM] * 4, [0, 1])
    account = trade_books([a, b], ONE, FREE)
    assert account.spent[1].tolist() == [0.0, 1.3]
    assert account.equity.tolist() == [1.0, 1.3, 1.3, 1.3]


def test_drawdown_includes_the_initial_equity() -> None:
    """A first loss is a loss from 1.0."""
    account = trade_books([book("A", [CALM, (100, 101, 74, 75), (75, 76, 74, 75)], [0])], ONE, FREE)
    assert account.drawdown.tolist() == [0.0, 0.25, 0.25]


def test_empty_input_is_valid() -> None:
    """An account without trades stays at 1.0, and one without bars has no exposure."""
    nothing = trade_books([book("A", [], [])], ONE, FREE)
    assert (len(nothing.time), nothing.exposure) == (0, None)
    quiet = trade_books([book("A", [], []), book("B", [CALM, CALM], [])], ONE, FREE)
    assert (quiet.equity.tolist(), quiet.exposure) == ([1.0, 1.0], 0.0)
    assert [len(mask) for mask in quiet.taken] == [0, 0]


def test_inconsistent_input_is_rejected() -> None:
    """The error message names the inconsistency."""
    a = book("A", [CALM, CALM, CALM], [0])
    with pytest.raises(ValueError, match=r"at least one symbol and distinct names, not \['A', 'A'\]"):
        trade_books([a, a], ONE, FREE)
    with pytest.raises(ValueError, match=r"distinct names, not \[\]"):
        trade_books([], ONE, FREE)
    with pytest.raises(ValueError, match="A: 2 closes for 3 bars"):
        SymbolSamples("A", a.time, a.close[:2], a.samples)
    with pytest.raises(ValueError, match="A: exit at bar 2, after its last bar"):
        trade_books([SymbolSamples("A", a.time[:2], a.close[:2], a.samples)], ONE, FREE)


def test_memory_layout_does_not_matter() -> None:
    """Strided columns, other dtypes and shared memory give the same account."""
    own = random_book("A", np.random.default_rng(5), 60)
    assert len(own.samples) > 0
    strided = SymbolSamples("A", np.repeat(own.time, 2)[::2], np.repeat(own.close, 3)[::3], own.samples)
    other = SymbolSamples("A", own.time, own.close.astype(np.longdouble), own.samples)
    copies = [replace(item, name=name) for item, name in ((own, "A"), (own, "B"), (strided, "C"))]
    expected = trade_books([own], ONE, COSTS).equity.tobytes()
    assert [trade_books([item], ONE, COSTS).equity.tobytes() for item in (strided, other)] == [
        expected,
        expected,
    ]
    assert trade_books(copies, ONE, COSTS).equity.tobytes() == expected


def read_only_samples(samples: Samples) -> Samples:
    """Return the samples as read-only arrays."""
    columns = [getattr(samples, field.name).copy() for field in fields(samples)]
    for column in columns:
        column.flags.writeable = False
    return Samples(*columns)


def test_compile_kernels_covers_all_inputs() -> None:
    """One or many symbols, same or different times, read-only or not: each kernel is compiled once."""
    shared_account.compile_kernels()
    kernels = [
        shared_account._address,
        shared_account._equal,
        shared_account._symbol_of_samples,
        shared_account._merge,
        shared_account._trade,
    ]
    compiled = [list(used.signatures) for used in kernels]
    assert [len(signatures) for signatures in compiled] == [1] * len(kernels)
    a, b = book("A", [CALM] * 4, [0, 1], hold=1), book("B", [CALM] * 4, [0], hours=[1, 2, 4, 5])
    for books in (
        [a],
        [a, b],
        [SymbolSamples("C", a.time, a.close, read_only_samples(a.samples)), b],
        [book("D", [], [])],
    ):
        trade_books(books, ONE, FREE)
    assert compiled == [list(used.signatures) for used in kernels]
