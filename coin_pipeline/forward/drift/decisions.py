"""Comparison of the decisions of a forward test with those of today, candle by candle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from coin_pipeline.backtest.messages import Message
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.forward.drift.causes import Cause
from coin_pipeline.forward.records import Candle, Choice, Decision


class StrategyOfToday(Protocol):
    """The strategy as it is now, with the candles that are stored now."""

    def decide(self, bars: Bars) -> Signals:
        """Return its decisions on candles of the period, which it reads after their warm-up."""

    def history_digest(self, decision: Decision) -> str:
        """Return the digest of the candles stored now in the time from which the recorded ones were."""


def effective(choice: Choice) -> Choice:
    """Return a choice with `hold` only if it enters, so that choices with the same effect compare equal."""
    return choice if choice.entry else choice._replace(hold=None)


def describe(choice: Choice | None) -> Message:
    """Return a choice in words.

    >>> [describe(choice).write() for choice in (Choice(True, hold=3), Choice(False, exit=True), Choice(False))]
    ['enter, hold 3', 'exit', 'nothing']
    """
    if choice is None:
        return Message("decision_missing", {})
    held = "_and_hold" if choice.entry and choice.hold else ""
    actions = "_".join(filter(None, ["exit" * choice.exit, "enter" * choice.entry])) or "nothing"
    return Message(f"decision_{actions}{held}", {"hold": choice.hold} if held else {})


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Candles of one market and what a strategy decides on each.

    Attributes:
        bars: n candles.
        signals: Decisions on the same n candles.
    """

    bars: Bars
    signals: Signals

    def choices(self) -> dict[int, Choice]:
        """Return the choice at each candle, by its open in ns UTC."""
        signals = self.signals
        exits = np.zeros(len(signals), np.bool_) if signals.exits is None else signals.exits
        times = self.bars.time.tolist()
        rows = zip(times, signals.entries.tolist(), exits.tolist(), strict=True)
        return {time: effective(Choice(entry, leave, signals.hold)) for time, entry, leave in rows}

    def candles(self) -> dict[int, Candle]:
        """Return each candle by its open in ns UTC."""
        return candles_of(self.bars)


class Difference(NamedTuple):
    """A recorded decision that differs from that of today.

    Attributes:
        recorded: The decision of the forward test.
        today: The choice of today; None if the candle is no longer stored.
        cause: Why they differ; None if no cause was found.
    """

    recorded: Decision
    today: Choice | None
    cause: Cause | None


class Comparison(NamedTuple):
    """Decisions of one market compared.

    Attributes:
        differences: The decisions that differ, in order.
        revised: Opens of the candles whose stored values differ from the recorded ones, ns UTC.
        missing: Opens of the candles that are stored now, but were not when the next one was decided, ns UTC.
        gaps: Opens of the candles stored neither then nor now, ns UTC.
    """

    differences: tuple[Difference, ...]
    revised: tuple[int, ...]
    missing: tuple[int, ...]
    gaps: tuple[int, ...]


def compare_decisions(
    recorded: Sequence[Decision], today: Decided, digests: tuple[str, str], length_ns: int, strategy: StrategyOfToday
) -> Comparison:
    """Compare the decisions of one market with those of today, and find out why some differ.

    Other params explain a difference first, then other code. With the same params and code only the candles can have
    changed: if some up to the decision were revised and others were missing, the strategy of today decides once more on
    the candles with only the revised ones as they were. If there are neither, one before the test may have been
    revised.

    Args:
        recorded: Decisions of the forward test in order, at least one.
        today: The candles of the period as they are stored now, and the decisions on them.
        digests: Digests of the params and the code of today.
        length_ns: Length of a candle, ns.
        strategy: The strategy of today.
    """
    stored, choices = today.candles(), today.choices()
    seen = {decision.bar_time: decision for decision in recorded}
    revised = tuple(time for time, decision in seen.items() if stored.get(time) != decision.candle)
    missing = tuple(time for time in stored if time not in seen)
    with_revised = _with_revised(today, seen, strategy) if revised and missing else None
    differences = []
    for time, decision in seen.items():
        if choices.get(time) == effective(decision.choice):
            continue
        cause = _changed(decision, digests) or _candle_cause(decision, revised, missing, with_revised)
        if cause is None and strategy.history_digest(decision) != decision.history_sha256:
            cause = Cause.CANDLE_REVISED
        differences.append(Difference(decision, choices.get(time), cause))
    return Comparison(tuple(differences), revised, missing, tuple(_gaps(recorded, stored, length_ns)))


def _changed(decision: Decision, digests: tuple[str, str]) -> Cause | None:
    params, code = digests
    if decision.params_sha256 != params:
        return Cause.PARAMS_CHANGED
    return Cause.CODE_CHANGED if decision.code_sha256 != code else None


def _candle_cause(
    decision: Decision, revised: Sequence[int], missing: Sequence[int], with_revised: dict[int, Choice] | None
) -> Cause | None:
    was_revised, was_missing = (any(time <= decision.bar_time for time in times) for times in (revised, missing))
    if was_revised and was_missing and with_revised is not None:
        as_recorded = with_revised.get(decision.bar_time) == effective(decision.choice)
        return Cause.CANDLE_REVISED if as_recorded else Cause.CANDLE_MISSING
    if was_revised:
        return Cause.CANDLE_REVISED
    return Cause.CANDLE_MISSING if was_missing else None


def _with_revised(today: Decided, seen: dict[int, Decision], strategy: StrategyOfToday) -> dict[int, Choice]:
    """Return the choices of today's strategy on today's candles with the revised ones as they were."""
    as_seen = {**today.candles(), **{time: decision.candle for time, decision in seen.items()}}
    bars = bars_of(as_seen)
    return Decided(bars, strategy.decide(bars)).choices()


def candles_of(bars: Bars) -> dict[int, Candle]:
    """Return bars as candles by their opens, ns UTC."""
    columns = (column.tolist() for column in (bars.open, bars.high, bars.low, bars.close, bars.volume))
    return dict(zip(bars.time.tolist(), zip(*columns, strict=True), strict=True))


def bars_of(candles: dict[int, Candle]) -> Bars:
    """Return candles by their opens as bars, in order of time."""
    times = sorted(candles)
    columns = np.array([candles[time] for time in times], np.float64).reshape(-1, 5).T
    return Bars(np.array(times, np.int64), *(np.ascontiguousarray(column) for column in columns))


def _gaps(recorded: Sequence[Decision], stored: dict[int, Candle], length_ns: int) -> Iterator[int]:
    """Yield the candles between the recorded ones that are not stored now either."""
    for decision in recorded:
        first = decision.bar_time - decision.missing * length_ns
        yield from (time for time in range(first, decision.bar_time, length_ns) if time not in stored)
