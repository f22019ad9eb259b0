"""Limits that the trials of a sweep have to keep, checked before any is computed."""

from coin_pipeline.backtest.limits import RunLimits
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import trials_schema

TRIAL_BYTES = 16
"""Memory of each trial: its objective and its place in the ranking."""
_VALUE_BYTES = 8


def require_trial_room(spec: SweepSpec, limits: RunLimits) -> None:
    """Check that the table of a sweep's trials, with a row per point and symbol, can fit the limits.

    Raises:
        ResultTooLarge: It cannot.
    """
    points, symbols = len(spec.points()), len(spec.symbols)
    trials = points * symbols
    what = f"{points:,} points x {symbols:,} symbols = {trials:,} trials"
    limits.require(what, memory=TRIAL_BYTES * trials, disk=_VALUE_BYTES * len(trials_schema(spec)) * trials)
