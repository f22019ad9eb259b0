"""Where stored candles come from: the fetched intervals and the exchange."""

from collections.abc import Iterable
from dataclasses import dataclass

from coin_pipeline.candles.intervals import Interval, union


@dataclass(frozen=True, slots=True)
class Provenance:
    """Origin of candles.

    Attributes:
        fetched: Intervals requested from the exchange in full: a candle missing there had no trades. ns UTC.
        source: The exchange; None for imported candles.
    """

    fetched: tuple[Interval, ...] = ()
    source: str | None = None


def merge_provenance(parts: Iterable[Provenance]) -> Provenance:
    """Return the provenance of several files together: the union of their intervals and the first source."""
    parts = list(parts)
    source = next((part.source for part in parts if part.source), None)
    return Provenance(union(*(part.fetched for part in parts)), source)
