"""The benchmark counts equal results only, judges every target, and writes what readers of ``latest.json`` expect."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import environment, oracles, report
from benchmarks.candles import QUIET_TAIL, Market, candles
from benchmarks.harness import Outcome, judged
from benchmarks.measuring import Stored, save
from benchmarks.signals import computed, given, one
from benchmarks.workloads import WORKLOADS, Target, Variant, Workload, peers_times

EXPECTED = {"trades": np.array([3, 5]), "final": np.array([0.5, 2.0]), "entries": np.array([True, False])}
KEYS = ("workload", "engine", "seconds", "ns_per_bar", "ratio_to_fastest_peer", "equal", "machine", "versions")


def nothing(_: object = None) -> dict[str, Any]:
    """Stand in for inputs that a test does not need."""
    return {}


def workload(*targets: Target) -> Workload:
    """Make a workload with one row of ours and two peers."""
    variants = (Variant("W", "run", targets), Variant("W-read", "run", engine="limit"))
    return Workload("W", "run", 1_000, nothing, nothing, nothing, tuple(EXPECTED), variants, ("swift", "slow"))


def outcome(engine: str, seconds: float, *, equal: bool = True, row: str = "W") -> Outcome:
    """Make a row that was run."""
    return Outcome(row, engine, seconds, seconds * 1e6, equal, "" if equal else "differs", {"numpy": "2"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"trades": np.array([3, 6])}, "trades: 1 of 2 differ, first 6 for 5"),
        ({"trades": np.array([3])}, r"trades: \(1,\) values instead of \(2,\)"),
        ({"final": np.array([0.5, 2.0 + 1e-8])}, "final: 1 of 2 differ"),
        ({"final": np.array([np.nan, 2.0])}, "final: 1 of 2 differ, first nan for 0.5"),
        ({"entries": np.array([True, True])}, "entries: 1 of 2 differ"),
    ],
)
def test_a_wrong_result_is_refused(wrong: dict[str, Any], said: str) -> None:
    """One trade, one value or one signal too many is told, however close the rest is."""
    with pytest.raises(AssertionError, match=said):
        assert not oracles.difference(EXPECTED | wrong, EXPECTED, EXPECTED)


def test_a_missing_result_is_refused_and_rounding_is_not() -> None:
    """What an engine does not give cannot be equal; the last digits may differ."""
    partly = {"trades": EXPECTED["trades"]}
    assert oracles.difference(partly, EXPECTED, EXPECTED) == "gives no final"
    assert oracles.difference(partly, EXPECTED, ["trades"]) == ""
    assert oracles.difference(EXPECTED | {"final": EXPECTED["final"] * (1 + 1e-10)}, EXPECTED, EXPECTED) == ""


def test_an_unequal_peer_does_not_count_however_fast_it_is() -> None:
    """Ratios are to the fastest peer that found the same; a peer's failure is not ours."""
    rows = [outcome("coin", 0.1), outcome("swift", 0.2, equal=False), outcome("slow", 1.0), Outcome("W", "gone")]
    coin, swift, slow, gone = judged(workload(peers_times(5)), rows)
    assert (coin.ratio, swift.ratio, slow.ratio, gone.ratio) == (10.0, None, 1.0, None)
    assert coin.targets == {">= 5x the fastest peer": True}
    assert all(row.good for row in (coin, swift, slow, gone))


@pytest.mark.parametrize(
    ("rows", "met"),
    [
        ([outcome("coin", 0.3), outcome("slow", 1.0), outcome("limit", 0.1, row="W-read")], [False, True]),
        ([outcome("coin", 0.1), outcome("slow", 1.0), outcome("limit", 0.02, row="W-read")], [True, False]),
        ([outcome("coin", 0.1), outcome("slow", 1.0, equal=False)], [None, None]),
        ([outcome("coin", 0.1, equal=False), outcome("slow", 1.0), outcome("limit", 0.1, row="W-read")], [False] * 2),
    ],
)
def test_a_target_that_is_missed_or_cannot_be_judged_is_no_success(rows: list[Outcome], met: list[bool | None]) -> None:
    """Too slow, not measured against anything, and fast but wrong are all told as such."""
    targets = peers_times(5), Target("<= 4x reading", lambda measured: 4 * measured["W-read"])
    coin = judged(workload(*targets), rows)[0]
    assert list((coin.targets or {}).values()) == met
    assert not coin.good


def test_ours_failing_is_a_failure() -> None:
    """A row of ours that could not run has no time, and is not good."""
    (coin,) = judged(workload(peers_times(5)), [Outcome("W", "coin", reason="MemoryError")])
    assert coin.targets == {">= 5x the fastest peer": False}
    assert not coin.good


def test_records_have_exactly_the_promised_keys() -> None:
    """Engines that were run are recorded, with the machine; those that were not are in the table, with the reason."""
    rows = judged(workload(), [outcome("coin", 0.1), outcome("slow", 1.0), Outcome("W", "gone", reason="no wheel")])
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


def test_every_row_of_the_issue_is_measured() -> None:
    """The names that readers look for are there, each with a target."""
    rows = {variant.row for one in WORKLOADS for variant in one.variants if variant.targets}
    assert rows == {"W1", "W2-1000", "W2-10000", "W2-rows", "W3", "W4-10", "W4-60", "W4-200", "W4-sweep"}


def test_peers_are_pinned() -> None:
    """Each peer that takes part or is left out has its package at one version."""
    pinned = environment.PINNED.read_text().splitlines()
    for package in environment.PACKAGES.values():
        assert len([line for line in pinned if line.startswith(f"{package}==")]) == 1


def test_candles_are_those_of_a_market_and_reproducible() -> None:
    """Highs and lows enclose, prices are positive, and the same seed makes the same candles."""
    columns = candles(3_000, 1, Market())
    opens, high, low, close, volume = columns
    assert np.all((low > 0) & (low <= np.minimum(opens, close)) & (high >= np.maximum(opens, close)) & (volume >= 0))
    assert np.all(close[-QUIET_TAIL:] == close[-1])
    np.testing.assert_array_equal(columns, candles(3_000, 1, Market()))
    assert not np.array_equal(columns, candles(3_000, 2, Market()))


def test_the_account_of_the_oracle_is_an_account() -> None:
    """Worked out by hand: one trade of two bars, costs paid at the entry, the exit at the open of its bar."""
    prices = np.array([100.0, 100.0, 110.0, 120.0])
    columns = np.stack([prices, prices, prices, prices, prices])
    entry, leave = oracles.trades(np.array([True, True, False, False]), hold=2)
    assert (entry.tolist(), leave.tolist()) == ([1], [3])
    paid = 100 * (1 + oracles.SLIPPAGE) * (1 + oracles.FEE)
    equity = oracles.account(columns, entry, leave)
    received = 120 * (1 - oracles.SLIPPAGE) * (1 - oracles.FEE)
    np.testing.assert_allclose(equity, [1.0, 100 / paid, 110 / paid, received / paid], rtol=1e-15)
    assert oracles.max_drawdown(equity) == pytest.approx(1 - 100 / paid)


def test_peers_are_handed_the_trades_they_would_compute(tmp_path: Path) -> None:
    """Computed and given booleans are the same, on the bar of the fill or one bar before."""
    columns = candles(2_000, 7, Market())
    point = np.array([[20, 2.0, 0.001, 5]])
    entry, leave = oracles.trades(oracles.long_candles(columns, 20, 2.0, 0.001), 5)
    fills = {"entry_bar": entry, "exit_bar": leave, "ends": np.array([0, len(entry)])}
    save(tmp_path / "data", {"columns": columns, "points": point} | fills)
    assert len(entry) > 10
    for shift in (0, -1):
        handed, worked_out = (one(source(Stored(tmp_path / "data"), 1, shift)) for source in (given, computed))
        np.testing.assert_array_equal(handed, worked_out)
        np.testing.assert_array_equal(np.flatnonzero(handed[0]), entry + shift)
