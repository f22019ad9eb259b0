"""Indices of decisions."""

import numpy as np
import pytest

from coin_pipeline.engine.true_indices import true_indices


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 64, 1_000, 8 * 4096, 8 * 4096 + 13, 100_003])
def test_true_indices_equal_those_of_numpy(n: int, share: float) -> None:
    """Every decision is found once and in order, including at the ends of words and blocks."""
    decisions = np.random.default_rng(n).random(n) < share
    assert true_indices(decisions).tolist() == np.flatnonzero(decisions).tolist()
    assert true_indices(decisions[1:]).tolist() == np.flatnonzero(decisions[1:]).tolist()
