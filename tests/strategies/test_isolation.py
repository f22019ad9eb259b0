"""State that survives a call, changed candles and chance are found, whatever a strategy uses to keep them."""

import functools
import random
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.bars import Bars, Bools
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import BarsChanged, LookAhead, NotDeterministic
from coin_pipeline.strategies import Strategy, StrategyParams
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle
from coin_pipeline.strategies.checked import checked_signals
from coin_pipeline.strategies.state import StrategyState
from tests.engine.candles import random_bars
from tests.strategy_files import as_new_process, registry_of, write

BARS = random_bars(600, 3)
STORE: dict[int, bool] = {}
SETTINGS = SimpleNamespace(mean=None)
MODEL: Any = None


def rises(bars: Bars) -> Bools:
    """Return where the next close is higher: what no strategy can know."""
    return np.append(np.diff(bars.close) > 0, False)


class Base(Strategy[StrategyParams]):
    """A strategy with a rule as a method."""

    name = "own"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Return the rule's entries."""
        assert params is not None
        return Signals(self.entries(bars), hold=1)

    def entries(self, bars: Bars) -> Bools:
        """Decide; the default never buys."""
        return np.zeros(len(bars), bool)


class OnInstance(Base):
    """Fits once and keeps the result on the instance."""

    mean: float | None = None

    def entries(self, bars: Bars) -> Bools:
        """Buy below the mean of the first candles that were ever passed."""
        if self.mean is None:
            self.mean = float(bars.close.mean())
        return bars.close < self.mean


class OnClass(Base):
    """Remembers decisions by time on the class."""

    known: dict[int, bool] = {}  # noqa: RUF012 -- the mistake under test

    def entries(self, bars: Bars) -> Bools:
        """Look decisions up before they are made again."""
        for time, rise in zip(bars.time.tolist(), rises(bars).tolist(), strict=True):
            self.known.setdefault(time, rise)
        return np.array([self.known[time] for time in bars.time.tolist()])


class OnBaseClass(Base):
    """Sets an attribute of a class that is not its own."""

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        if not hasattr(Strategy, "fitted"):
            Strategy.fitted = float(bars.close.mean())  # type: ignore[attr-defined]
        return bars.close < Strategy.fitted  # type: ignore[attr-defined]


class InModule(Base):
    """Remembers decisions by time in a global."""

    def entries(self, bars: Bars) -> Bools:
        """Look decisions up before they are made again."""
        for time, rise in zip(bars.time.tolist(), rises(bars).tolist(), strict=True):
            STORE.setdefault(time, rise)
        return np.array([STORE[time] for time in bars.time.tolist()])


class RebindsGlobal(Base):
    """Assigns a global."""

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        global MODEL  # noqa: PLW0603 -- the mistake under test
        MODEL = float(bars.close.mean()) if MODEL is None else MODEL
        return bars.close < MODEL


class AddsGlobal(Base):
    """Creates a global."""

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        mean: float = globals().setdefault("CREATED", float(bars.close.mean()))
        return bars.close < mean


class InNamespace(Base):
    """Keeps state in an object of the standard library."""

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        SETTINGS.mean = float(bars.close.mean()) if SETTINGS.mean is None else SETTINGS.mean
        return bars.close < SETTINGS.mean


class InDefault(Base):
    """Keeps state in a default argument."""

    def entries(self, bars: Bars, means: list[float] = []) -> Bools:  # noqa: B006 -- the mistake under test
        """Fit once."""
        means.append(float(bars.close.mean()))
        return bars.close < means[0]


class InCache(Base):
    """Has a method's result cached for ever."""

    @functools.cache  # noqa: B019 -- the mistake under test
    def mean(self, _: str, bars: Bars) -> float:
        """Return the mean close."""
        return float(bars.close.mean())

    def entries(self, bars: Bars) -> Bools:
        """Ask the cache with a key that is always the same."""
        return bars.close < self.mean("BTC", Same(bars))  # type: ignore[arg-type]


class Same:
    """Candles that all compare equal, like a key without the candles."""

    def __init__(self, bars: Bars) -> None:
        self.close = bars.close

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same)

    def __hash__(self) -> int:
        return 0


class InCachedProperty(Base):
    """Fits in a cached property."""

    bars: Bars | None = None

    @functools.cached_property
    def mean(self) -> float:
        """Return the mean close of the first candles."""
        assert self.bars is not None
        return float(self.bars.close.mean())

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        self.bars = bars
        return bars.close < self.mean


class InArray(Base):
    """Keeps state in an array that it fills once."""

    def __init__(self) -> None:
        self.level = np.zeros(1)

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        if not self.level[0]:
            self.level[0] = bars.close.mean()
        return bars.close < self.level[0]


class InTable(Base):
    """Keeps state in a DataFrame that it fills once."""

    def __init__(self) -> None:
        self.table = pd.DataFrame({"mean": [0.0]})

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        if not self.table.loc[0, "mean"]:
            self.table.loc[0, "mean"] = bars.close.mean()
        return bars.close < float(self.table["mean"].iloc[0])


class Model:
    """A model of two classes, one with slots."""

    __slots__ = ("mean",)


class InSlots(Base):
    """Keeps state in a model that is fitted once."""

    def __init__(self) -> None:
        self.models: defaultdict[str, Model] = defaultdict(Model)

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        model = self.models["BTC"]
        if not hasattr(model, "mean"):
            model.mean = float(bars.close.mean())
        return bars.close < model.mean


class ByLength(Base):
    """Keeps the first candles of all and answers shorter ones from them."""

    def __init__(self) -> None:
        self.longest = np.zeros(0, bool)

    def entries(self, bars: Bars) -> Bools:
        """Answer from the longest series seen so far."""
        if len(bars) > len(self.longest):
            self.longest = rises(bars)
        return self.longest[: len(bars)].copy()


def remembering() -> Callable[[Bars], Bools]:
    """Return a function that fits once in a closure."""
    mean = None

    def decide(bars: Bars) -> Bools:
        nonlocal mean
        mean = float(bars.close.mean()) if mean is None else mean
        return bars.close < mean

    return decide


class InClosure(Base):
    """Keeps state in a closure."""

    decide = staticmethod(remembering())

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        return self.decide(bars)


class OnFunction(Base):
    """Keeps state in an attribute of a function."""

    def entries(self, bars: Bars) -> Bools:
        """Fit once."""
        remembering.__dict__.setdefault("mean", float(bars.close.mean()))
        return bars.close < remembering.__dict__["mean"]


CHEATS = [OnInstance, OnClass, OnBaseClass, InModule, RebindsGlobal, AddsGlobal, InNamespace, InDefault, InCache,
          InCachedProperty, InArray, InTable, InSlots, ByLength, InClosure, OnFunction]  # fmt: skip


@pytest.mark.parametrize("kind", CHEATS)
def test_fitting_once_is_look_ahead(kind: type[Base]) -> None:
    """A result that outlives the call with all candles is detected, and again when the run is repeated."""
    strategy = kind()
    for _ in range(2):
        with pytest.raises(LookAhead, match="its entries at bar"):
            checked_signals(strategy, StrategyParams(), BARS, "A_KRW")


FILES = {
    "own.py": """
import helped_model
from coin_pipeline.strategies import Signals, Strategy, StrategyParams

class FitOnce(Strategy[StrategyParams]):
    name = "fit_once"

    def signals(self, bars, params):
        return Signals(bars.close < helped_model.level(bars), hold=1)
""",
    "helped_model.py": """
import threading

kept = threading.local()

def level(bars):
    if not hasattr(kept, "mean"):
        kept.mean = bars.close.mean()
    return kept.mean
""",
}


def test_state_of_an_imported_module_is_look_ahead(tmp_path: Path) -> None:
    """Modules next to the strategy's file are the user's as well."""
    with as_new_process():
        strategy = registry_of(write(tmp_path, FILES)).get("fit_once")
        with pytest.raises(LookAhead):
            checked_signals(strategy, StrategyParams(), BARS, "A_KRW")


def test_state_of_a_notebook_class_is_look_ahead() -> None:
    """A class without a file, as one in a notebook, is followed through the names that its code uses."""
    namespace: dict[str, Any] = {"__name__": "__main__", "Base": Base, "kept": {}}
    source = """
class Cell(Base):
    def entries(self, bars):
        return bars.close < kept.setdefault("mean", bars.close.mean())
"""
    exec(source, namespace)  # noqa: S102 -- as a notebook does
    with pytest.raises(LookAhead):
        checked_signals(namespace["Cell"](), StrategyParams(), BARS, "A_KRW")
    assert namespace["kept"] == {}


class PureCache(Base):
    """Caches a mean by the content of the candles."""

    def __init__(self) -> None:
        self.cache: dict[bytes, Bools] = {}

    def entries(self, bars: Bars) -> Bools:
        """Compute the mean since the first bar once per content."""
        key = bars.close.tobytes()
        if key not in self.cache:
            self.cache[key] = bars.close < np.cumsum(bars.close) / np.arange(1, len(bars) + 1)
        return self.cache[key]


class Buffer(Base):
    """Returns a view of an array that the next call overwrites."""

    def __init__(self) -> None:
        self.buffer = np.zeros(10_000, bool)

    def entries(self, bars: Bars) -> Bools:
        """Reuse the buffer."""
        out = self.buffer[: len(bars)]
        np.greater(bars.close, bars.open, out=out)
        return out


class SeededOnce(Base):
    """Draws from a generator that is created once."""

    def __init__(self) -> None:
        self.numpy, self.python = np.random.default_rng(7), random.Random(7)  # noqa: S311 -- no secret
        self.legacy = np.random.RandomState(7)

    def entries(self, bars: Bars) -> Bools:
        """Draw three numbers per bar."""
        drawn = self.numpy.random(len(bars)) + self.legacy.rand(len(bars))
        return drawn + [self.python.random() for _ in range(len(bars))] < 1


@pytest.mark.parametrize("kind", [PureCache, Buffer, SeededOnce])
def test_honest_state_passes(kind: type[Base]) -> None:
    """Caches of pure results, buffers and seeded generators pass, and the decisions are those of the first call."""
    first = kind().entries(BARS).copy()
    strategy = kind()
    for _ in range(2):
        signals, report = checked_signals(strategy, StrategyParams(), BARS, "A_KRW")
        assert report.is_conclusive
        assert np.array_equal(signals.entries, first)


class Unseeded(Base):
    """Draws random numbers without a seed."""

    def entries(self, bars: Bars) -> Bools:
        """Draw one number per bar."""
        return np.random.default_rng().random(len(bars)) < 0.5


class Global(Base):
    """Draws from numpy's global generator."""

    def entries(self, bars: Bars) -> Bools:
        """Draw one number per bar."""
        return np.random.rand(len(bars)) < 0.5  # noqa: NPY002 -- users have it


@pytest.mark.parametrize("kind", [Unseeded, Global])
def test_unseeded_randomness_is_named(kind: type[Base]) -> None:
    """It is not look-ahead, but its results cannot be reproduced."""
    with pytest.raises(NotDeterministic, match=r"other decisions on the same candles.*without a seed"):
        checked_signals(kind(), StrategyParams(), BARS, "A_KRW")


def writable(bars: Bars) -> None:
    """Halve opens after making them writable again."""
    bars.open.flags.writeable = True
    bars.open[1::2] *= 0.5


def through_the_base(bars: Bars) -> None:
    """Write into the array behind a view."""
    base = bars.close
    while isinstance(base.base, np.ndarray):
        base = base.base
    base.flags.writeable = True
    base[-5:] *= 2


def sorted_in_place(bars: Bars) -> None:
    """Sort volumes: each value is still there."""
    bars.volume.flags.writeable = True
    bars.volume.sort()


def by_address(bars: Bars) -> None:
    """Write through a C pointer, as a compiled library can."""
    np.ctypeslib.as_array(bars.high.ctypes.data_as(np.ctypeslib.ctypes.POINTER(np.ctypeslib.ctypes.c_double)), (5,))[
        :
    ] += 1


class Writes(Base):
    """Changes its candles and then fails or decides."""

    def __init__(self, write: Callable[[Bars], None]) -> None:
        self.write = write

    def entries(self, bars: Bars) -> Bools:
        """Write, and buy on every second bar."""
        self.write(bars)
        return np.arange(len(bars)) % 2 == 0


@pytest.mark.parametrize(
    ("write", "column"),
    [(writable, "open"), (through_the_base, "close"), (sorted_in_place, "volume"), (by_address, "high")],
)
def test_changed_candles_are_refused(write: Callable[[Bars], None], column: str) -> None:
    """Fills are computed from the candles, so a strategy may not change them."""
    with pytest.raises(BarsChanged, match=rf"it changed its candles \({column}\)"):
        checked_signals(Writes(write), StrategyParams(), random_bars(300, 5), "A_KRW")


def test_changed_candles_are_named_rather_than_their_consequence() -> None:
    """A strategy whose decisions differ only because it changed its candles does not look ahead."""

    class Halves(Base):
        def entries(self, bars: Bars) -> Bools:
            writable(bars)
            return bars.open < bars.close

    with pytest.raises(BarsChanged):
        checked_signals(Halves(), StrategyParams(), random_bars(300, 5), "A_KRW")


def test_restore_undoes_every_change() -> None:
    """Added, removed and replaced items and attributes are as before; a second time nothing has changed."""
    strategy = OnInstance()
    strategy.items = {"a": [1], "b": {2}}  # type: ignore[attr-defined]
    state = StrategyState(strategy)
    strategy.items["a"].append(3)  # type: ignore[attr-defined]
    strategy.items["b"].clear()  # type: ignore[attr-defined]
    strategy.items["c"] = 4  # type: ignore[attr-defined]
    strategy.mean = 5.0
    assert state.restore()
    assert vars(strategy) == {"items": {"a": [1], "b": {2}}}
    assert not state.restore()


def test_the_importer_of_a_module_is_not_searched() -> None:
    """Pytest's importer refers to every test: restoring all of them took longer than most backtests."""
    importer = vars(sys.modules[__name__].__loader__)
    state = StrategyState(Base())
    importer["used"] = True
    assert not state.restore()
    assert importer.pop("used")


def test_built_in_strategies_are_not_searched() -> None:
    """They keep no state, so that a run of one costs nothing."""
    assert StrategyState(VolumeLongCandle())._saved == []
