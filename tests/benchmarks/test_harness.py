"""The benchmark counts only equal results, evaluates every target, and writes the documented ``latest.json``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import environment, oracles, report, results
from benchmarks.candles import QUIET_TAIL, Market, generate_candles
from benchmarks.harness import Outcome, evaluate_targets
from benchmarks.measuring import LazyArrays, save_arrays
from benchmarks.signals import compute_signals, signals_of_trades, single_point
from benchmarks.workloads import WORKLOADS, Target, Variant, Workload, faster_than, faster_than_libraries

EXPECTED = {"trades": np.array([3, 5]), "final": np.array([0.5, 2.0]), "entries": np.array([True, False])}
KEYS = ("workload", "engine", "seconds", "ns_per_bar", "ratio_to_fastest_peer", "equal", "machine", "versions")


def no_inputs(_: object = None) -> dict[str, Any]:
    """Return empty inputs."""
    return {}


def workload(*targets: Target) -> Workload:
    """Return a workload with one row of our engine, two libraries and one opponent in numba."""
    variants = (Variant("W", "run", targets), Variant("W-read", "run", engine="limit"))
    inputs = no_inputs, no_inputs, no_inputs
    return Workload("W", "run", 1_000, *inputs, tuple(EXPECTED), variants, ("swift", "slow"), ("textbook",))


def outcome(engine: str, seconds: float, *, equal: bool = True, row: str = "W") -> Outcome:
    """Return a row that was run."""
    return Outcome(row, engine, seconds, seconds * 1e6, equal, "" if equal else "differs", {"numpy": "2"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"trades": np.array([3, 6])}, "trades: 1 of 2 differ, first 6 instead of 5"),
        ({"trades": np.array([3])}, r"trades: shape \(1,\) instead of \(2,\)"),
        ({"final": np.array([0.5, 2.0 + 1e-8])}, "final: 1 of 2 differ"),
        ({"final": np.array([np.nan, 2.0])}, "final: 1 of 2 differ, first nan instead of 0.5"),
        ({"entries": np.array([True, True])}, "entries: 1 of 2 differ"),
    ],
)
def test_wrong_result_is_reported(wrong: dict[str, Any], message: str) -> None:
    """A single wrong trade, value or signal is reported."""
    with pytest.raises(AssertionError, match=message):
        assert not oracles.find_difference(EXPECTED | wrong, EXPECTED, EXPECTED)


def test_missing_result_is_reported_but_rounding_is_not() -> None:
    """A missing key is a difference; the last digits may differ."""
    partial = {"trades": EXPECTED["trades"]}
    assert oracles.find_difference(partial, EXPECTED, EXPECTED) == "does not provide final"
    assert oracles.find_difference(partial, EXPECTED, ["trades"]) == ""
    assert oracles.find_difference(EXPECTED | {"final": EXPECTED["final"] * (1 + 1e-10)}, EXPECTED, EXPECTED) == ""


def test_unequal_peer_does_not_count() -> None:
    """Ratios refer to the fastest peer with an equal result; the failure of a peer is not a failure of our engine."""
    rows = [outcome("coin", 0.1), outcome("swift", 0.2, equal=False), outcome("slow", 1.0), Outcome("W", "gone")]
    coin, swift, slow, gone = evaluate_targets(workload(faster_than_libraries(5)), rows)
    assert (coin.ratio, swift.ratio, slow.ratio, gone.ratio) == (10.0, None, 1.0, None)
    assert coin.targets == {">= 5x the fastest library": True}
    assert all(row.passed for row in (coin, swift, slow, gone))


def test_opponent_in_numba_counts_for_the_ratio_and_its_own_target_only() -> None:
    """The ratio refers to the fastest of all; targets name libraries or an opponent, each with its own time."""
    rows = [outcome("coin", 0.1), outcome("slow", 1.0), outcome("textbook", 0.3)]
    coin = evaluate_targets(workload(faster_than_libraries(5), faster_than("textbook", 4)), rows)[0]
    assert coin.ratio == pytest.approx(3.0)
    assert coin.targets == {">= 5x the fastest library": True, ">= 4x textbook": False}


@pytest.mark.parametrize(
    ("rows", "met"),
    [
        ([outcome("coin", 0.3), outcome("slow", 1.0), outcome("limit", 0.1, row="W-read")], [False, True]),
        ([outcome("coin", 0.1), outcome("slow", 1.0), outcome("limit", 0.02, row="W-read")], [True, False]),
        ([outcome("coin", 0.1), outcome("slow", 1.0, equal=False)], [None, None]),
        ([outcome("coin", 0.1, equal=False), outcome("slow", 1.0), outcome("limit", 0.1, row="W-read")], [False] * 2),
    ],
)
def test_missed_or_unmeasured_target_is_a_failure(rows: list[Outcome], met: list[bool | None]) -> None:
    """A run that is too slow, has nothing to compare with, or is fast but wrong does not pass."""
    targets = faster_than_libraries(5), Target("<= 4x reading", lambda measured: 4 * measured["W-read"])
    coin = evaluate_targets(workload(*targets), rows)[0]
    assert list((coin.targets or {}).values()) == met
    assert not coin.passed


def test_failure_of_our_engine_is_a_failure() -> None:
    """A row of our engine that could not run has no time and does not pass."""
    (coin,) = evaluate_targets(workload(faster_than_libraries(5)), [Outcome("W", "coin", reason="MemoryError")])
    assert coin.targets == {">= 5x the fastest library": False}
    assert not coin.passed


def test_records_have_exactly_the_documented_keys() -> None:
    """Engines that completed are recorded with the machine; the others are in the table with the reason."""
    rows = evaluate_targets(
        workload(), [outcome("coin", 0.1), outcome("slow", 1.0), Outcome("W", "gone", reason="no wheel")]
    )
    records = report.records(rows)
    assert [tuple(record) for record in records] == [KEYS, KEYS]
    assert (records[0]["workload"], records[0]["engine"], records[0]["ratio_to_fastest_peer"]) == ("W", "coin", 10.0)
    assert set(report.machine()) == {"cpu", "cores", "memory_gib", "system", "python"}
    console = Console(record=True, width=140)
    console.print(report.table(rows))
    lines = console.export_text().splitlines()
    assert [any("slow" in line and "yes" in line for line in lines), any("no wheel" in line for line in lines)] == [
        True
    ] * 2


def test_documented_rows_have_targets() -> None:
    """Every documented row with a target is measured."""
    rows = {variant.row for workload in WORKLOADS for variant in workload.variants if variant.targets}
    assert rows == {"W1", "W2-1000", "W2-10000", "W2-rows", "W3", "W4-10", "W4-60", "W4-200", "W4-sweep"}


def test_peers_are_pinned() -> None:
    """The package of each peer is pinned to one version."""
    pinned = environment.PINNED.read_text().splitlines()
    for package in environment.PACKAGES.values():
        assert len([line for line in pinned if line.startswith(f"{package}==")]) == 1


def test_candles_are_valid_and_reproducible() -> None:
    """Highs and lows enclose open and close, prices are positive, and the same seed gives the same candles."""
    columns = generate_candles(3_000, 1, Market())
    opens, high, low, close, volume = columns
    assert np.all((low > 0) & (low <= np.minimum(opens, close)) & (high >= np.maximum(opens, close)) & (volume >= 0))
    assert np.all(close[-QUIET_TAIL:] == close[-1])
    np.testing.assert_array_equal(columns, generate_candles(3_000, 1, Market()))
    assert not np.array_equal(columns, generate_candles(3_000, 2, Market()))


def test_oracle_account_matches_hand_calculation() -> None:
    """One trade of two bars: costs are paid at the entry, the exit is at the open of its bar."""
    prices = np.array([100.0, 100.0, 110.0, 120.0])
    columns = np.stack([prices, prices, prices, prices, prices])
    entry, leave = oracles.trades(np.array([True, True, False, False]), hold=2)
    assert (entry.tolist(), leave.tolist()) == ([1], [3])
    paid = 100 * (1 + oracles.SLIPPAGE) * (1 + oracles.FEE)
    equity = oracles.account(columns, entry, leave)
    received = 120 * (1 - oracles.SLIPPAGE) * (1 - oracles.FEE)
    np.testing.assert_allclose(equity, [1.0, 100 / paid, 110 / paid, received / paid], rtol=1e-15)
    assert oracles.max_drawdown(equity) == pytest.approx(1 - 100 / paid)


def test_given_signals_equal_computed_signals(tmp_path: Path) -> None:
    """Given and computed signals are the same, on the bar of the fill or one bar before."""
    columns = generate_candles(2_000, 7, Market())
    point = np.array([[20, 2.0, 0.001, 5]])
    entry, leave = oracles.trades(oracles.long_candles(columns, 20, 2.0, 0.001), 5)
    fills = {"entry_bar": entry, "exit_bar": leave, "ends": np.array([0, len(entry)])}
    save_arrays(tmp_path / "data", {"columns": columns, "points": point} | fills)
    assert len(entry) > 10
    for shift in (0, -1):
        given, computed = (
            single_point(source(LazyArrays(tmp_path / "data"), 1, shift))
            for source in (signals_of_trades, compute_signals)
        )
        np.testing.assert_array_equal(given, computed)
        np.testing.assert_array_equal(np.flatnonzero(given[0]), entry + shift)


def test_page_shows_the_stored_results() -> None:
    """The tables in the documentation are those of the stored results; a second write changes nothing."""
    page = results.PAGE.read_text()
    assert results.updated(page) == page


def test_results_name_the_fastest_library_and_each_missed_target() -> None:
    """Ratios are to peers with an equal result; a target without its opponent is not measured."""
    machine = {"machine": {"cores": 2}}
    times = {"coin": 0.002, "phasor": 0.05, "raptorbt": 0.04, "textbook": 0.004, "vectorbt": 0.001}
    records = [
        {"workload": "W3", "engine": engine, "seconds": seconds, "ns_per_bar": 2.0, "equal": engine != "vectorbt"}
        | machine
        for engine, seconds in times.items()
    ]
    assert results.results(records).splitlines()[-1] == (
        "| W3 | 2 ms | 2 | 20x (raptorbt) | 2x | | >= 4x textbook: MISSED; >= 10x the fastest library: met |"
    )
    without = [record for record in records if record["engine"] != "textbook"]
    assert ">= 4x textbook: NOT MEASURED" in results.results(without)
