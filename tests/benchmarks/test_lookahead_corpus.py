"""A sample of the corpus of the look-ahead check: what looks ahead is rejected, what is honest passes."""

import pytest

from benchmarks.lookahead import cheats
from benchmarks.lookahead.__main__ import confusion, judge, set_later, synthetic
from benchmarks.lookahead.cheats import CHEATS
from benchmarks.lookahead.honest import HONEST

HOURS = synthetic("1h", 21, 6_000)
RARE = [name for name in CHEATS if "500" in name and "drawn" not in name]
SAMPLE = ["next close", "centred mean", "savgol", "argrelextrema", "z-score of all", "resample label",
          "exits before falls", "hold by later returns", "after a date", "fit once, instance", "fit once, class",
          "fit once, closure", "fit once, lru_cache", "fit once, model", "by time stamp, global",
          "longest series, global"]  # fmt: skip
EDGE = ["FFT mean, scipy", "FFT mean, numpy", "matrix mean", "EMA 200", "expanding z-score", "stateful",
        "cache by content", "buffer", "seeded once", "lazy constants", "measured hold", "fails on few bars",
        "every 500th bar", "month and crossing", "confirmed zigzag"]  # fmt: skip


@pytest.mark.parametrize("name", [*SAMPLE, *RARE])
def test_look_ahead_is_rejected(name: str) -> None:
    """The usual mistakes, state that survives a call, and look-ahead on one bar in 500."""
    set_later(HOURS)
    assert judge(CHEATS[name], HOURS).outcome == "rejected"


@pytest.mark.parametrize("name", EDGE)
def test_honest_strategy_passes(name: str) -> None:
    """Long memories, rounding, seeds, caches and compiled code are not look-ahead."""
    verdict = judge(HONEST[name], HOURS)
    assert (verdict.outcome, verdict.detail) == ("passed", verdict.detail)


def test_corpus_is_large_enough() -> None:
    """At least sixty strategies of each kind, with different names."""
    assert min(len(CHEATS), len(HONEST)) >= 60
    assert not CHEATS.keys() & (HONEST.keys() - {"every 500th bar"})


def test_confusion_matrix_counts_outcomes() -> None:
    """One row per kind of strategy."""
    row = confusion("look ahead", {("next close", "hours"): judge(CHEATS["next close"], HOURS)})
    assert row.split() == ["look", "ahead", "1", "1", "0", "0", "0"]
    assert not cheats.STORE
