"""What is measured: the inputs of each workload, who takes part, and what we must reach."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks import inputs
from benchmarks.measuring import Arrays

ORIGINAL_NS = {10: 385_000, 60: 649_000, 200: 1_240_000}
"""Recorded, not run: what the older platform's exact function took for a bar, by window."""


@dataclass(frozen=True)
class Target:
    """What a row must reach.

    Attributes:
        text: The target in words.
        seconds: The longest time that reaches it, given what was measured: "peer" is the fastest peer, any other key a
            row of ours.
    """

    text: str
    seconds: Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Variant:
    """One way in which our side runs a workload.

    Attributes:
        row: Its name in the table.
        function: What the adapter calls it.
        targets: What it must reach; without any it is told for comparison.
        engine: The adapter.
    """

    row: str
    function: str
    targets: tuple[Target, ...] = ()
    engine: str = "coin"


def peers_times(ratio: float) -> Target:
    """To be so many times faster than the fastest peer."""
    return Target(f">= {ratio:g}x the fastest peer", lambda measured: measured["peer"] / ratio)


@dataclass(frozen=True)
class Workload:
    """One measurement.

    Attributes:
        name: What the table calls it.
        function: What the adapters of the peers call it.
        work: Bars times points or symbols, for the time per bar.
        inputs: Makes what an engine is given.
        small: Makes something like it, but small, to warm up.
        expected: Works out what must be found.
        keys: What a result must hold, so that all of it is compared.
        variants: Our rows.
        peers: Adapters that take part, by module name.
        fewer: Keys of adapters that cannot give all of them.
        left_out: Peers that do not take part, and why.
        rounds: How often each engine runs, if there is time.
    """

    name: str
    function: str
    work: int
    inputs: Callable[[], Arrays]
    small: Callable[[], Arrays]
    expected: Callable[[Arrays], Arrays]
    keys: tuple[str, ...]
    variants: tuple[Variant, ...]
    peers: tuple[str, ...] = ()
    fewer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 9

    def keys_of(self, engine: str) -> tuple[str, ...]:
        """Return what an engine's result must hold."""
        return self.fewer.get(engine, self.keys)


def _one_strategy(name: str, function: str, peers: tuple[str, ...], *variants: Variant) -> Workload:
    bars = 2_628_000
    return Workload(
        name,
        function,
        bars,
        partial(inputs.long_candles, bars, 1),
        partial(inputs.long_candles, inputs.WARM_BARS, 1),
        inputs.curve,
        ("entry_bar", "exit_bar", "equity", "max_drawdown"),
        variants,
        peers,
        fewer={"backtesting": ("entry_bar", "exit_bar", "profit_of_one_coin"), "limit": ()},
    )


def _sweep(
    name: str, function: str, count: int, ratio: float, left_out: Mapping[str, str], *more_peers: str
) -> Workload:
    bars = 100_000
    return Workload(
        name,
        function,
        bars * count,
        partial(inputs.long_candles, bars, count),
        partial(inputs.long_candles, inputs.WARM_BARS, 1),
        inputs.trial_table,
        ("trades", "final", "max_drawdown"),
        (Variant(name, function, (peers_times(ratio),)),),
        ("raptorbt", "phasor", *more_peers),
        left_out={"backtesting": "calls Python on every bar: minutes for a thousand points", **left_out},
    )


def _zone(window: int) -> Workload:
    name, bars, original = f"W4-{window}", 100_000, ORIGINAL_NS[window]
    text = f">= 10,000x the original ({original:,} ns/bar recorded)"
    targets = peers_times(20), Target(text, lambda _: original * bars * 1e-9 / 10_000)
    return Workload(
        name,
        "zone",
        bars,
        partial(inputs.zone, bars, window),
        partial(inputs.zone, inputs.WARM_BARS, window),
        inputs.zone_signals,
        ("first_bars", "entries"),
        (Variant(name, "zone", targets),),
        ("textbook",),
    )


WORKLOADS = (
    _one_strategy(
        "W1",
        "one_strategy",
        ("phasor", "raptorbt", "vectorbt", "backtesting"),
        Variant("W1", "one_strategy", (peers_times(10), Target("<= 4x W1-read", lambda ours: 4 * ours["W1-read"]))),
        Variant("W1-read", "one_strategy", engine="limit"),
    ),
    _one_strategy(
        "W1-given", "one_strategy_given", ("phasor", "raptorbt", "vectorbt"), Variant("W1-given", "one_strategy_given")
    ),
    _sweep("W2-1000", "sweep", 1_000, 100, {}, "vectorbt"),
    _sweep("W2-10000", "sweep", 10_000, 300, {"vectorbt": "ten times as long as on 1,000 points: minutes"}),
    _sweep("W2-rows", "sweep_given", 1_000, 40, {"vectorbt": "about as long as in W2-1000, where it is not near"}),
    Workload(
        "W3",
        "shared_account",
        100 * inputs.HOURS,
        partial(inputs.books, inputs.HOURS, 100),
        partial(inputs.books, inputs.WARM_BARS, 3),
        inputs.shared_curve,
        ("trades", "equity", "max_drawdown"),
        (Variant("W3", "shared_account", (peers_times(10),)), Variant("W3-signals", "shared_account_signals")),
        ("phasor", "vectorbt", "raptorbt"),
        left_out={"backtesting": "trades one symbol at a time"},
    ),
    *(_zone(window) for window in ORIGINAL_NS),
    Workload(
        "W4-sweep",
        "sweep_zone",
        100_000 * 10_000,
        partial(inputs.zone_points, 100_000, 1),
        partial(inputs.zone_points, inputs.WARM_BARS, 1_000),
        inputs.zone_table,
        ("trades", "final", "max_drawdown"),
        (Variant("W4-sweep", "sweep_zone", (Target("< 1 s", lambda _: 1.0),)),),
    ),
)
