"""Ids that are given by their beginning."""

import pytest

from coin_pipeline.cli.ids import unique_id
from coin_pipeline.errors import InvalidInput


def test_the_error_lists_a_few_candidates() -> None:
    """Six of them are too many for one line."""
    with pytest.raises(InvalidInput, match="several ids: a0, a1, a2, a3, a4 and more; write more of it"):
        unique_id("a", [f"a{number}" for number in range(6)])
