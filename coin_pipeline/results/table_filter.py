"""Filters on the rows of a result's table."""

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.results.legacy import symbol_name
from coin_pipeline.results.tables import ResultTable


class RowFilter(NamedTuple):
    """What rows must have; None accepts any value.

    Attributes:
        symbol: Name of a symbol, in either spelling if it is a market: BTC_KRW or KRW-BTC.
        traded: Whether the account took the signal; rows of legacy results, where it is unknown, match neither value.
    """

    symbol: str | None = None
    traded: bool | None = None

    def apply(self, table: ResultTable) -> ResultTable:
        """Return the table of the matching rows, which are counted by reading the table once."""
        if self == RowFilter():
            return table
        rows = sum(batch.num_rows for batch in self._matching(table))

        def read(offset: int) -> Iterator[pa.RecordBatch]:
            for batch in self._matching(table):
                yield batch.slice(offset)
                offset = max(offset - batch.num_rows, 0)

        return table._replace(rows=rows, read=read, file=None)

    def _matching(self, table: ResultTable) -> Iterator[pa.RecordBatch]:
        for batch in table.batches():
            matching = batch if self.symbol is None else batch.filter(self._has_symbol(batch["symbol"]))
            yield matching if self.traded is None else matching.filter(pc.equal(matching["traded"], self.traded))

    def _has_symbol(self, column: pa.DictionaryArray) -> pa.Array:
        wanted, names = symbol_name({"symbol": self.symbol}), column.dictionary.to_pylist()
        codes = [code for code, name in enumerate(names) if symbol_name({"symbol": name}) == wanted]
        return pc.is_in(column.indices, pa.array(codes, column.indices.type))
