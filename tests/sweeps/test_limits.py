"""Limits of a sweep's trials, checked before any is computed."""

import pytest

from coin_pipeline.backtest.limits import Limit, RunLimits
from coin_pipeline.errors import ResultTooLarge
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.limits import require_trial_room
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.spec import SweepSpec

MIB = 2**20


def spec_of(symbols: int) -> SweepSpec:
    """A sweep of 100,000 points."""
    request = {
        "strategy": "volume_long_candle",
        "symbols": [f"A{number}_KRW" for number in range(symbols)],
        "start_date": "2023-01-01",
        "end_date": "2023-12-31",
        "space": {"vol_ma_window": "1:100:1", "hold_period_bars": "1:1000:1"},
    }
    return resolve_sweep(parse_sweep(request), load_registry())


@pytest.mark.parametrize(
    ("memory", "disk", "refusal"),
    [
        (100 * MIB, 2**40, r"153 MiB of memory, and the limit is 100 MiB \(memory of this machine\)"),
        (2**40, 500 * MIB, r"992 MiB of disk space, and the limit is 500 MiB \(free space of DATA_ROOT\)"),
    ],
)
def test_too_many_trials_are_refused(memory: int, disk: int, refusal: str) -> None:
    """The error has both factors and their product."""
    limits = RunLimits(Limit(memory, "memory of this machine"), Limit(disk, "free space of DATA_ROOT"))
    with pytest.raises(ResultTooLarge, match=rf"100,000 points x 100 symbols = 10,000,000 trials need .* {refusal}"):
        require_trial_room(spec_of(100), limits)
    require_trial_room(spec_of(1), limits)


def test_a_bucket_has_no_limit() -> None:
    """The free space of a bucket is unknown."""
    require_trial_room(spec_of(100), RunLimits(Limit(2**40, "memory of this machine"), None))
