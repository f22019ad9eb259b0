"""The JSON entry in a year file's Parquet footer: provenance and digest of its candles."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coin_pipeline.candles.intervals import union
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.errors import InvalidCandleFile

_KEY = b"coin.candles"


class Footer(NamedTuple):
    """What a file says of its candles.

    Attributes:
        known: What was fetched of them.
        sha256: `columns_digest` of them as they were written; None in a file that somebody else wrote.
    """

    provenance: Provenance = Provenance()
    sha256: str | None = None


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
    told = {"fetched": footer.provenance.fetched, "sha256": footer.sha256, "source": footer.provenance.source}
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
