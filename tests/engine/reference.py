"""The rules of simulation in slow, plain Python: bar by bar, with cash and coins."""

from dataclasses import dataclass, field

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.fills import Costs
from coin_pipeline.engine.signals import Signals

Trade = tuple[int, int, int, float, bool]  # signal bar, entry bar, exit bar, net return, open at the end


@dataclass
class Account:
    """Cash or coins; what it traded and was worth at every close."""

    costs: Costs
    cash: float = 1.0
    coins: float = 0.0
    paid: float = 0.0
    signal_bar: int = -1
    entry_bar: int = -1
    trades: list[Trade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    ignored: int = 0

    def buy(self, bar: int, price: float) -> None:
        """Turn all cash into coins."""
        self.coins = self.cash / (price * (1 + self.costs.slippage_rate)) / (1 + self.costs.fee_rate)
        self.entry_bar, self.paid, self.cash = bar, self.cash, 0.0

    def sell(self, bar: int, price: float, *, at_end: bool) -> None:
        """Turn all coins into cash."""
        self.cash = self.coins * price * (1 - self.costs.slippage_rate) * (1 - self.costs.fee_rate)
        self.trades.append((self.signal_bar, self.entry_bar, bar, self.cash / self.paid - 1, at_end))
        self.coins = 0.0


def trade_next_open(bars: Bars, signals: Signals, costs: Costs) -> Account:
    """Trade one position at a time, deciding at closes and filling at the next opens."""
    account = Account(costs)
    order, last = "", len(bars) - 1
    for bar in range(len(bars)):
        if order == "buy":
            account.buy(bar, bars.open[bar])
        elif order == "sell":
            account.sell(bar, bars.open[bar], at_end=False)
        order = ""
        if account.coins:
            held = bar - account.entry_bar + 1
            time_is_up = signals.hold is not None and held >= signals.hold
            if time_is_up or (signals.exits is not None and signals.exits[bar]):
                order = "sell"
            account.ignored += bool(signals.entries[bar]) and bar < last
            if bar == last:
                account.sell(bar, bars.close[bar], at_end=True)
        elif signals.entries[bar]:
            order, account.signal_bar = "buy", bar
        account.equity.append(account.cash + account.coins * bars.close[bar])
    return account


def outcomes_at_close(bars: Bars, signals: Signals, costs: Costs) -> list[Trade]:
    """Follow every entry signal from close to close."""
    outcomes = []
    for start in range(len(bars)):
        if not signals.entries[start]:
            continue
        bar, due = start, False
        while not due and bar < len(bars) - 1:
            bar += 1
            due = bar - start == signals.hold or (signals.exits is not None and bool(signals.exits[bar]))
        account = Account(costs, signal_bar=start)
        account.buy(start, bars.close[start])
        account.sell(bar, bars.close[bar], at_end=not due)
        outcomes += account.trades
    return outcomes


def drawdowns(equity: list[float]) -> list[float]:
    """Measure every value against the highest so far, the initial 1.0 included."""
    return [1 - value / max([1.0, *equity[: bar + 1]]) for bar, value in enumerate(equity)]
