"""Validation of a strategy's signals."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.signals import Signals

YES = np.array([True, False, True])


def test_pandas_series_is_accepted() -> None:
    """A boolean Series becomes a read-only array."""
    signals = Signals(pd.Series(YES), exits=pd.Series(~YES), hold=2)
    assert signals.entries.tolist() == [True, False, True]
    assert type(signals.exits) is np.ndarray
    assert not signals.entries.flags.writeable
    assert len(signals) == 3


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"entries": YES.astype(int)}, TypeError, "entries must be an array of bool, not int64"),
        ({"entries": [1.0, np.nan]}, TypeError, "entries must be an array of bool, not float64"),
        ({"entries": pd.Series([True, None])}, TypeError, "entries must be an array of bool, not object"),
        ({"entries": YES.reshape(3, 1)}, ValueError, "entries must be one-dimensional, not 2-dimensional"),
        ({"entries": np.bool_(1)}, ValueError, "entries must be one-dimensional, not 0-dimensional"),
        ({"entries": YES, "exits": YES[:2]}, ValueError, "exits has 2 bars, entries has 3"),
        ({"entries": YES, "exits": [0, 1, 0]}, TypeError, "exits must be an array of bool"),
        ({"entries": YES, "hold": 0}, ValueError, "hold must be at least 1 bar, not 0"),
        ({"entries": YES, "hold": True}, TypeError, "hold must be an integer"),
        ({"entries": YES, "hold": 2.0}, TypeError, "hold must be an integer number of bars, not 2.0"),
    ],
)
def test_invalid_signals_are_rejected(given: dict[str, Any], error: type[Exception], message: str) -> None:
    """Wrong dtypes, wrong shapes and invalid holds are reported."""
    with pytest.raises(error, match=message):
        Signals(**given)
