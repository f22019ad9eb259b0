"""Reference implementation of the shared account in slow, plain Python: time by time, with KRW and coins."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.outcomes import ExitReason
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples

TOLERANCE = 1e-12
AT_OPEN = {ExitReason.SIGNAL, ExitReason.HOLD}


@dataclass
class Position:
    """Coins of one symbol, and the sample they were bought for."""

    sample: int
    coins: float
    cost: float
    price: float


@dataclass
class Account:
    """Cash, positions by symbol, and history; amounts in KRW."""

    cash: float
    positions: dict[str, Position] = field(default_factory=dict)
    last_exit: dict[str, int] = field(default_factory=dict)
    equity: list[float] = field(default_factory=list)
    spent: dict[tuple[str, int], float] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    no_slot: Counter[str] = field(default_factory=Counter)
    too_small: Counter[str] = field(default_factory=Counter)
    busy: int = 0

    @property
    def worth(self) -> float:
        """Value of cash and coins at their last known prices."""
        return self.cash + sum(position.coins * position.price for position in self.positions.values())


def trade_shared(books: Sequence[SymbolSamples], rules: SharedRules, costs: Costs) -> Account:
    """Trade the samples of all symbols from one account."""
    account = Account(rules.initial_cash)
    by_name = sorted(books, key=lambda book: book.name)
    for now in sorted({int(time) for book in books for time in book.time}):
        trading = [(book, book.time.tolist().index(now)) for book in by_name if now in book.time]
        for book, bar in trading:
            _exit(account, book, bar, at_open=True)
        worth = account.worth
        for book, bar in trading:
            for sample in range(len(book.samples)):
                if book.samples.entry_bar[sample] == bar:
                    _enter(account, book, sample, worth, rules, costs)
        account.busy += len(account.positions) > 0
        for book, bar in trading:
            _exit(account, book, bar, at_open=False)
        for book, bar in trading:
            if book.name in account.positions:
                account.positions[book.name].price = float(book.close[bar])
        account.equity.append(account.worth)
    return account


def _enter(account: Account, book: SymbolSamples, sample: int, worth: float, rules: SharedRules, costs: Costs) -> None:
    decided = book.samples.signal_bar[sample]
    money = min(rules.fraction * worth, account.cash)
    if book.name in account.positions or decided < account.last_exit.get(book.name, 0):
        account.ignored[book.name] += 1
    elif len(account.positions) == rules.max_positions:
        account.no_slot[book.name] += 1
    elif account.cash <= TOLERANCE * worth or money < rules.min_order - TOLERANCE * worth:
        account.too_small[book.name] += 1
    else:
        account.cash -= money
        account.spent[book.name, sample] = money
        paid = float(costs.paid(book.samples.entry_price[[sample]], book.time, book.samples.entry_bar[[sample]])[0])
        account.positions[book.name] = Position(sample, money / paid, money, paid)


def _exit(account: Account, book: SymbolSamples, bar: int, *, at_open: bool) -> None:
    if book.name not in account.positions:
        return
    position = account.positions[book.name]
    samples = book.samples
    if samples.exit_bar[position.sample] == bar and (samples.exit_reason[position.sample] in AT_OPEN) is at_open:
        account.cash += position.cost * float(samples.growth[position.sample])
        account.last_exit[book.name] = bar
        del account.positions[book.name]
