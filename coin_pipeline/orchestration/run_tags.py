"""The tags that this platform puts on Dagster runs."""

import dagster as dg

CLASS_TAG, BULK = "coin/class", "bulk"
"""Runs of this class wait in the queue and run one at a time, beside those that somebody waits for."""
EXCHANGE_TAG = "coin/exchange"
"""Whom a run asks for candles; one run at a time asks each."""
SPEC_TAG, POINTS_TAG, SERIES_TAG = "coin/spec", "coin/points", "coin/series"
"""Digest of the submission; points of a sweep; series of a refresh."""
LOCAL_TAG = "coin/local"
"""Marks a run inside a command, which the API cannot end."""
CANCELLED_TAG = "coin/cancelled"


def is_bulk(run: dg.DagsterRun) -> bool:
    """Tell whether a run may take long, and so runs beside those that somebody waits for."""
    return run.tags.get(CLASS_TAG) == BULK
