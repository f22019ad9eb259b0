"""Calls of user-written strategies that leave nothing behind: neither state nor changed candles."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import BarsChanged
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.loader import run_strategy
from coin_pipeline.strategies.state import StrategyState, is_built_in

_WATCHED_CALLS = 4
"""Calls before which the state is searched for changes, whether or not there were any."""


@contextmanager
def isolated(strategy: Strategy[Any], bars: Bars, symbol: str, *arguments: object) -> Iterator[StrategyState]:
    """Restore the strategy's state on exit, and verify that its candles are unchanged.

    Read-only arrays do not prevent a change: any code can make them writable again.

    Args:
        strategy: The strategy.
        bars: The candles that it is called with, or of which it receives a part.
        symbol: Named in errors.
        *arguments: Further objects that every call receives.

    Yields:
        The state of the strategy as it was on entry.

    Raises:
        BarsChanged: The strategy changed its candles. It replaces an error of the block, which the change may have
            caused.
    """
    state = StrategyState(strategy, *arguments)
    if is_built_in(strategy):
        yield state
        return
    try:
        with unchanged_bars(strategy, bars, symbol):
            yield state
    finally:
        state.restore()


@contextmanager
def unchanged_bars(strategy: Strategy[Any], bars: Bars, symbol: str) -> Iterator[None]:
    """Verify on exit that the strategy has not changed its candles; arguments and errors as for `isolated`."""
    before = bars.checksum()
    try:
        yield
    except Exception:
        _require_unchanged(strategy, bars, symbol, before)
        raise
    _require_unchanged(strategy, bars, symbol, before)


class IsolatedCalls:
    """Calls of a strategy on candles of one symbol, each from the same state.

    Searching the state takes longer than deciding a few candles. If the first calls change nothing, the search is left
    out until `repeat_needed` is asked.

    Args:
        strategy: The strategy.
        params: Its validated parameters.
        symbol: Named in errors.
        state: The state to restore.
    """

    def __init__(self, strategy: Strategy[Any], params: StrategyParams, symbol: str, state: StrategyState) -> None:
        self._strategy, self._params, self._symbol, self._state = strategy, params, symbol, state
        self._calls, self._keeps_state = 0, False

    def __call__(self, bars: Bars) -> Signals:
        """Return the strategy's signals on candles."""
        self._calls += 1
        if self._keeps_state or self._calls <= _WATCHED_CALLS:
            self._keeps_state |= self._state.restore()
        else:
            self._state.restore_values()
        signals = run_strategy(self._strategy, bars, self._params, self._symbol)
        return signals if is_built_in(self._strategy) else _copy(signals)

    def repeat_needed(self) -> bool:
        """Return whether the state has changed unnoticed; from now on, it is restored before every call."""
        changed = self._state.restore() and not self._keeps_state
        self._keeps_state |= changed
        return changed


def _copy(signals: Signals) -> Signals:
    """Copy signals: a strategy may return an array that its next call overwrites."""
    exits = None if signals.exits is None else signals.exits.copy()
    return Signals(signals.entries.copy(), exits, signals.hold, signals.plot)


def _require_unchanged(strategy: Strategy[Any], bars: Bars, symbol: str, before: dict[str, bytes]) -> None:
    now = bars.checksum()
    changed = [name for name, value in before.items() if now[name] != value]
    if changed:
        raise BarsChanged(strategy.name, symbol, changed) from None


@contextmanager
def isolated_calls(strategy: Strategy[Any], params: StrategyParams, bars: Bars, symbol: str) -> Iterator[IsolatedCalls]:
    """Yield a function that runs the strategy, each time from its state on entry; otherwise as `isolated`."""
    with isolated(strategy, bars, symbol, params) as state:
        yield IsolatedCalls(strategy, params, symbol, state)
