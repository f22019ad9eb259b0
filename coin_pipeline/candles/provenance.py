"""What a year file says of its candles in its footer: their digest, who they came from, and what was asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from coin_pipeline.candles.intervals import Interval, union

_KEY = b"coin.candles"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of candles beside themselves.

    Attributes:
        fetched: Intervals for which an exchange was asked for every candle: one that is missing there had no trade.
        source: The exchange that was asked; None for candles that were imported.
    """

    fetched: tuple[Interval, ...] = ()
    source: str | None = None


def merge_provenance(all_known: Iterable[Provenance]) -> Provenance:
    """Return what is known of the candles of several files, of one source if of any."""
    each = list(all_known)
    return Provenance(
        union(*(known.fetched for known in each)), next((known.source for known in each if known.source), None)
    )
