"""Where decisions are, and what is asked of memory ahead of them."""

import numpy as np
import pytest

from coin_pipeline.engine.kernel import kernel, prefetch
from coin_pipeline.engine.outcomes import places


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 64, 1_000, 8 * 4096, 8 * 4096 + 13, 100_003])
def test_places_are_those_that_numpy_finds(n: int, share: float) -> None:
    """Every decision is found once and in order, at the ends of words and blocks too."""
    decisions = np.random.default_rng(n).random(n) < share
    assert places(decisions).tolist() == np.flatnonzero(decisions).tolist()
    assert places(decisions[1:]).tolist() == np.flatnonzero(decisions[1:]).tolist()


def test_asking_ahead_changes_nothing() -> None:
    """A place before or past the column may be asked for, and the column is as it was."""
    column = np.arange(3.0)

    @kernel
    def ask(column: np.ndarray, place: int) -> float:
        prefetch(column, place)
        return column.sum()

    assert [ask(column, place) for place in (-1, 0, 2, 3, 10**12)] == [3.0] * 5
