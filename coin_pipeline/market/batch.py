"""What one request brought."""

from typing import NamedTuple

from coin_pipeline.market.quality import Columns


class Batch(NamedTuple):
    """Candles that one request brought: all that there are in [begin, end), ns UTC, strictly increasing."""

    columns: Columns
    begin: int
    end: int
