"""What a year file says of its candles in its footer: their digest, who they came from, and what was asked for."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.errors import InvalidCandleFile

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


class Footer(NamedTuple):
    """What a file says of its candles.

    Attributes:
        known: What was fetched of them.
        sha256: `columns_digest` of them as they were written; None in a file that somebody else wrote.
    """

    known: Provenance = Provenance()
    sha256: str | None = None


def columns_digest(columns: Iterable[npt.NDArray[np.int64] | npt.NDArray[np.float64]]) -> str:
    """Return the SHA-256 of the bytes of columns, one after another: time, open, high, low, close, volume."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(column.data)
    return digest.hexdigest()


def check_digest(name: str, columns: Iterable[npt.NDArray[np.int64] | npt.NDArray[np.float64]], footer: Footer) -> None:
    """Refuse the candles of a file if they are not those that were written into it.

    Raises:
        InvalidCandleFile: They are not; the error calls the file `name`.
    """
    if footer.sha256 and columns_digest(columns) != footer.sha256:
        reason = "its candles are not those that were stored in it: another program has changed it since"
        raise InvalidCandleFile(name, f"{reason}; restore it from a backup, or delete it and fetch its candles again")


def with_footer(table: pa.Table, footer: Footer) -> pa.Table:
    """Return a table whose file will have this footer; the same footer is the same bytes."""
    told = {"fetched": footer.known.fetched, "sha256": footer.sha256, "source": footer.known.source}
    return table.replace_schema_metadata({_KEY: json.dumps(told, separators=(",", ":"))})


def parse_footer(metadata: Mapping[bytes, bytes] | None) -> Footer:
    """Return the footer in the metadata of a file's schema, an empty one where there is none.

    Raises:
        ValueError: It is there and cannot be read.
    """
    text = (metadata or {}).get(_KEY)
    if text is None:
        return Footer()
    try:
        told = json.loads(text)
        fetched = union((int(start), int(end)) for start, end in told["fetched"])
        return Footer(Provenance(fetched, told["source"]), told["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        reason = f"its entry {_KEY.decode()} is malformed"
        raise ValueError(reason) from error


def together(all_known: Iterable[Provenance]) -> Provenance:
    """Return what is known of the candles of several files, of one source if of any."""
    each = list(all_known)
    return Provenance(
        union(*(known.fetched for known in each)), next((known.source for known in each if known.source), None)
    )
