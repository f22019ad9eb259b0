"""Warm-up: stored candles before a range, so that a strategy can decide from the first candle of the range on.

How many candles it gets is decided here, once per symbol, from the candles and the strategy alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.earlier_candles import EarlierCandles, WarmBars
from coin_pipeline.backtest.fingerprint import warm_up_name
from coin_pipeline.backtest.formatting import Json, iso_seconds
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.bars import Bars, Ints
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import CandlesChanged, StrategyFailed
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.isolation import isolated_calls
from coin_pipeline.strategies.loader import declared_warm_up

Decide: TypeAlias = Callable[[Bars], Sequence[Signals]]
"""Runs one or more strategies on some bars."""
MIN_DOUBLED = 256
"""Bars of the first warm-up that the declared one is compared with, if twice the declared number is less."""
MAX_DOUBLED = 16_384
"""Limit of doubling, bars; a strategy that declares more gets what it declares."""
FIRST_BARS = 64
"""Bars, in addition to the declared ones, on which a strategy is run first."""
PROBE_BARS = 1024
"""Bars at the start of the range on which decisions are compared: a longer warm-up changes the earliest ones most."""


class WarmUp(BaseModel):
    """The warm-up of one symbol.

    Attributes:
        declared: Bars that the strategy declares.
        used: Bars before the range that it is run on.
        settled: Whether decisions stay the same with a longer warm-up; None if no longer one is stored to compare.
        requested: Bars of the longest warm-up that was considered; fewer are read if fewer are stored.
        sha256: Digest of the bars that were read; None if there are none.
    """

    model_config = ConfigDict(frozen=True)

    declared: int
    used: int
    settled: bool | None
    requested: int
    sha256: str | None

    @property
    def missing(self) -> int:
        """Declared bars that are not stored."""
        return max(0, self.declared - self.used)

    def to_json(self, time: Ints) -> Json:
        """Return the entry of a result document.

        Args:
            time: Opens of the bars of the range, ns UTC.
        """
        first = iso_seconds(time[self.missing]) if self.missing < len(time) else None
        return {**self.model_dump(), "missing": self.missing, "first_decision": first}


def warm_bars(
    candles: CandleSource,
    spec: BacktestSpec,
    symbol: str,
    bars: Bars,
    strategy: Strategy[Any],
    params: StrategyParams,
    chosen: WarmUp | None,
) -> tuple[WarmUp | None, WarmBars]:
    """Return the warm-up of a symbol, None if the spec has none, and the bars to run the strategy on.

    A warm-up that was chosen before is used only if decisions depend on it: a sweep gives all points the longest one,
    and the result of its best point should be that of a backtest of this point alone.

    Args:
        candles: Source of the candles.
        spec: The backtest.
        symbol: The symbol.
        bars: Its bars in the range.
        strategy: The strategy.
        params: Its validated parameters.
        chosen: The warm-up that was chosen before, if any.

    Raises:
        CandlesChanged: The earlier candles are no longer those from which the warm-up was chosen.
        InvalidCandles: Earlier candles break a market's rules.
        StrategyFailed: The strategy raised an exception or returned no signals.
    """
    if spec.warm_up == "none":
        return None, WarmBars(bars, 0)

    earlier = EarlierCandles(candles, spec, symbol)
    declared = declared_warm_up(strategy, params, symbol)
    with isolated_calls(strategy, params, bars, symbol) as signals_of:
        own = choose_warm_up(earlier, bars, declared, lambda known: [signals_of(known)])
        warm = earlier.before(bars, own.used)
        if chosen:
            given = read_warm_bars(candles, spec, symbol, bars, chosen)
            decisions = given.of_range(signals_of(given.bars)), warm.of_range(signals_of(warm.bars))
            if not same_decisions(*decisions):
                return chosen.model_copy(update={"declared": declared}), given
    return own, warm


def choose_warm_up(earlier: EarlierCandles, bars: Bars, declared: int, decide: Decide) -> WarmUp:
    """Return the shortest warm-up, of the declared bars or of those doubled, with which decisions have settled.

    The declared warm-up is enough for a window of fixed length, but not for a recursive average. So decisions at the
    start of the range are compared with those after a warm-up of twice the length, at least `MIN_DOUBLED`, until two
    agree, `MAX_DOUBLED` is reached, or no more candles are stored. Two agree only if the longer warm-up adds at least
    as many bars as there are before the first entry.

    Args:
        earlier: The candles before the range.
        bars: Bars of the range.
        declared: Bars that the strategy declares.
        decide: Runs the strategy.

    Raises:
        StrategyFailed: The strategy raised an exception or returned no signals.
        InvalidCandles: Earlier candles break a market's rules.
    """
    if len(earlier.last(1)):
        # Before any later bars, as in the look-ahead check: a strategy may keep what it learns from its first call.
        with suppress(StrategyFailed):  # too few bars for some
            decide(bars.head(min(declared + FIRST_BARS, len(bars) // 2)))
    try:
        chosen = _settle(earlier, bars.head(PROBE_BARS), declared, decide)
    except StrategyFailed:
        if len(bars) <= PROBE_BARS:
            raise
        chosen = _settle(earlier, bars, declared, decide)  # it may need more bars than the first ones
    return WarmUp(declared=declared, sha256=earlier.digest(chosen.requested), **chosen._asdict())


def read_warm_bars(
    candles: CandleSource, spec: BacktestSpec, symbol: str, bars: Bars, warm_up: WarmUp | None
) -> WarmBars:
    """Return the bars of a range with a warm-up that was chosen before, if any.

    Raises:
        CandlesChanged: The earlier candles are no longer those from which the warm-up was chosen.
    """
    if warm_up is None:
        return WarmBars(bars, 0)
    earlier = EarlierCandles(candles, spec, symbol)
    if earlier.digest(warm_up.requested) != warm_up.sha256:
        raise CandlesChanged(symbol)
    return earlier.before(bars, warm_up.used)


def warm_up_digests(candles: CandleSource, spec: BacktestSpec, parts: Iterable[Json]) -> dict[str, str]:
    """Return the digests that the warm-up candles of a stored result have now, by their names in a fingerprint.

    Args:
        candles: Source of the candles.
        spec: The backtest.
        parts: The `symbols` of its document.
    """
    digests = {}
    for part in parts:
        stored = part["candles"].get("warm_up")
        if stored and (digest := EarlierCandles(candles, spec, part["symbol"]).digest(stored["requested"])):
            digests[warm_up_name(part["symbol"])] = digest
    return digests


class _Choice(NamedTuple):
    """Bars to use, bars that were requested, and whether decisions have settled; see `WarmUp`."""

    used: int
    requested: int
    settled: bool | None


def _settle(earlier: EarlierCandles, head: Bars, declared: int, decide: Decide) -> _Choice:
    def decisions(count: int) -> list[Signals]:
        warm = earlier.before(head, count)
        return [warm.of_range(signals) for signals in decide(warm.bars)]

    requested, used = declared, len(earlier.last(declared))
    compared, settled = used, None
    shorter: list[Signals] | None = None
    for requested in _longer_than(declared):
        available = len(earlier.last(requested))
        if available == compared:  # all that is stored: compare with half of it instead
            if shorter is not None and not settled:
                settled = _equal(decisions(used // 2), shorter)
            break
        shorter = decisions(used) if shorter is None else shorter
        longer, compared = decisions(available), available
        settled = _equal(shorter, longer)
        if settled and available - used >= _bars_without_entry(shorter):
            break
        if not settled:
            used, shorter = available, longer
    return _Choice(used, requested, settled)


def _bars_without_entry(decisions: Sequence[Signals]) -> int:
    """Return the bars before the first entry, the most of any strategy.

    Too few candles before these bars may be the only reason why a strategy does not enter there. As long as a longer
    warm-up adds fewer bars than these, equal decisions do not show that the shorter one is enough.
    """
    return max(int(np.argmax(np.append(own.entries, [True]))) for own in decisions)


def _longer_than(declared: int) -> Iterator[int]:
    """Yield the lengths of the longer warm-ups, up to the limit."""
    count = max(2 * declared, MIN_DOUBLED)
    while count <= MAX_DOUBLED:
        yield count
        count *= 2


def _equal(some: Sequence[Signals], others: Sequence[Signals]) -> bool:
    return all(same_decisions(*pair) for pair in zip(some, others, strict=True))


def same_decisions(one: Signals, other: Signals) -> bool:
    """Return whether two strategies, or two runs of one, decide the same on the same bars."""
    if one.hold != other.hold or (one.exits is None) != (other.exits is None):
        return False
    exits = one.exits is None or other.exits is None or np.array_equal(one.exits, other.exits)
    return exits and np.array_equal(one.entries, other.entries)
