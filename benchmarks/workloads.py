"""Workloads: their inputs, the participating engines and our targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks import inputs
from benchmarks.measuring import Arrays

LEGACY_NS = {10: 385_000, 60: 649_000, 200: 1_240_000}
"""Recorded, not run: ns per bar of the legacy platform's exact function, by window."""


@dataclass(frozen=True)
class Target:
    """Target of a row.

    Attributes:
        text: The target as text.
        seconds: Maximum time that meets the target, given the measured times: "library" is the fastest library, any
            other key is one of our rows or of the opponents in numba.
    """

    text: str
    seconds: Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Variant:
    """One way in which our engine runs a workload.

    Attributes:
        row: Name in the table.
        function: Name of the adapter's function.
        targets: Targets; a variant without targets is shown for comparison.
        engine: Name of the adapter.
    """

    row: str
    function: str
    targets: tuple[Target, ...] = ()
    engine: str = "coin"


def faster_than_libraries(ratio: float) -> Target:
    """Return the target of being ``ratio`` times faster than the fastest library."""
    return Target(f">= {ratio:g}x the fastest library", lambda measured: measured["library"] / ratio)


def faster_than(opponent: str, ratio: float) -> Target:
    """Return the target of being ``ratio`` times faster than an opponent in numba."""
    return Target(f">= {ratio:g}x {opponent}", lambda measured: measured[opponent] / ratio)


@dataclass(frozen=True)
class Workload:
    """One measurement.

    Attributes:
        name: Name in the table.
        function: Name of the function in the peers' adapters.
        work: Bars times points or symbols, for the time per bar.
        inputs: Creates the inputs of an engine.
        small: Creates small inputs of the same kind, to warm up.
        expected: Computes the expected result.
        keys: Keys of a complete result; all of them are compared.
        variants: Our rows.
        libraries: Module names of the adapters of libraries.
        opponents: Module names of what a user would write in numba for this workload.
        partial_keys: Keys of adapters that cannot provide all of them.
        skipped: Reasons for skipping peers, by adapter name.
        rounds: Maximum number of rounds per engine.
    """

    name: str
    function: str
    work: int
    inputs: Callable[[], Arrays]
    small: Callable[[], Arrays]
    expected: Callable[[Arrays], Arrays]
    keys: tuple[str, ...]
    variants: tuple[Variant, ...]
    libraries: tuple[str, ...] = ()
    opponents: tuple[str, ...] = ()
    partial_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 9

    @property
    def peers(self) -> tuple[str, ...]:
        """Everything that our engine is compared with."""
        return self.libraries + self.opponents

    def keys_of(self, engine: str) -> tuple[str, ...]:
        """Return the keys that an engine's result must contain."""
        return self.partial_keys.get(engine, self.keys)


def _one_strategy(
    name: str, function: str, libraries: tuple[str, ...], opponents: tuple[str, ...], *variants: Variant
) -> Workload:
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
        libraries,
        opponents,
        partial_keys={"backtesting": ("entry_bar", "exit_bar", "profit_of_one_coin"), "limit": ()},
    )


def _sweep(
    name: str,
    function: str,
    count: int,
    targets: tuple[Target, ...],
    skipped: Mapping[str, str],
    more_libraries: tuple[str, ...] = (),
    opponents: tuple[str, ...] = (),
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
        (Variant(name, function, targets),),
        ("raptorbt", "phasor", *more_libraries),
        opponents,
        skipped={"backtesting": "calls Python on every bar: takes minutes for a thousand points", **skipped},
    )


def _zone(window: int) -> Workload:
    name, bars, legacy_ns = f"W4-{window}", 100_000, LEGACY_NS[window]
    text = f">= 10,000x the legacy platform ({legacy_ns:,} ns/bar recorded)"
    targets = faster_than("textbook", 20), Target(text, lambda _: legacy_ns * bars * 1e-9 / 10_000)
    return Workload(
        name,
        "zone",
        bars,
        partial(inputs.zone, bars, window),
        partial(inputs.zone, inputs.WARM_BARS, window),
        inputs.zone_signals,
        ("first_bars", "entries"),
        (Variant(name, "zone", targets),),
        opponents=("textbook",),
    )


_VECTORBT = ("vectorbt", "vectorbt_rust")
_NUMBA = ("textbook", "competent")
_SLOW_VECTORBT = dict.fromkeys(_VECTORBT, "takes minutes, ten times as long as on 1,000 points")
_SLOW_ROWS = dict.fromkeys(_VECTORBT, "takes about as long as in W2-1000, where it is far behind")

WORKLOADS = (
    _one_strategy(
        "W1",
        "one_strategy",
        ("phasor", "raptorbt", *_VECTORBT, "backtesting"),
        _NUMBA,
        Variant(
            "W1",
            "one_strategy",
            (
                faster_than("textbook", 4),
                faster_than_libraries(10),
                Target("<= 4x W1-read", lambda ours: 4 * ours["W1-read"]),
            ),
        ),
        Variant("W1-read", "one_strategy", engine="limit"),
        Variant("W1-read-all", "one_strategy_threads", engine="limit"),
    ),
    _one_strategy(
        "W1-given",
        "one_strategy_given",
        ("phasor", "raptorbt", *_VECTORBT),
        (),
        Variant("W1-given", "one_strategy_given"),
    ),
    _sweep("W2-1000", "sweep", 1_000, (faster_than_libraries(100),), {}, _VECTORBT, _NUMBA),
    _sweep(
        "W2-10000",
        "sweep",
        10_000,
        (faster_than("competent", 10), faster_than_libraries(300)),
        _SLOW_VECTORBT,
        opponents=_NUMBA,
    ),
    _sweep("W2-rows", "sweep_given", 1_000, (faster_than_libraries(40),), _SLOW_ROWS),
    Workload(
        "W3",
        "shared_account",
        100 * inputs.HOURS,
        partial(inputs.books, inputs.HOURS, 100),
        partial(inputs.books, inputs.WARM_BARS, 3),
        inputs.shared_curve,
        ("trades", "equity", "max_drawdown"),
        (
            Variant("W3", "shared_account", (faster_than("textbook", 4), faster_than_libraries(10))),
            Variant("W3-signals", "shared_account_signals"),
        ),
        ("phasor", *_VECTORBT, "raptorbt"),
        ("textbook",),
        skipped={"backtesting": "trades one symbol at a time"},
    ),
    *(_zone(window) for window in LEGACY_NS),
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
