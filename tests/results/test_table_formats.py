"""The encoders of tables."""

import csv
import io
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.backtest.tables import TABLE_SCHEMAS, TableName
from coin_pipeline.results.table_formats import CHUNK_ROWS, FORMATS, FormatName
from coin_pipeline.results.tables import ResultTable
from tests.result_tables import signals_table, trades_table

EQUITY = TABLE_SCHEMAS["equity"]


def opened(batches: list[pa.RecordBatch], name: TableName = "signals") -> ResultTable:
    """Return batches as an open table."""
    return ResultTable(name, TABLE_SCHEMAS[name], sum(map(len, batches)), lambda _: iter(batches))


def encoded(table: ResultTable, name: FormatName) -> bytes:
    """Return a table as a file."""
    return b"".join(FORMATS[name].encode(table))


def equity_of(values: list[float | None]) -> ResultTable:
    """Return a table with these numbers as equity."""
    column = pa.array(values, pa.float64())
    stamps = pa.array(range(len(values)), pa.int64()).cast(EQUITY.field("timestamp").type)
    names = pa.array(["A_KRW"] * len(values), pa.string()).dictionary_encode()
    return opened([pa.record_batch([names, stamps, column, column, column], schema=EQUITY)], "equity")


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64) | st.none(), min_size=1))
def test_every_float_reads_back_as_itself_and_as_a_float(values: list[float | None]) -> None:
    """Texts have the shortest digits that identify a float; JSON marks even whole numbers as floats."""
    rows = json.loads(encoded(equity_of(values), "json"))
    assert [(row["equity"], type(row["equity"])) for row in rows] == [(value, type(value)) for value in values]
    assert str([row["equity"] for row in rows]) == str(values)  # the sign of zero
    fields = [row["equity"] for row in csv.DictReader(io.StringIO(encoded(equity_of(values), "csv").decode()))]
    assert [float(text) if text else None for text in fields] == values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_json_has_null_for_numbers_that_it_lacks(value: float) -> None:
    """JSON with NaN is refused by browsers and most parsers."""
    assert json.loads(encoded(equity_of([value]), "json"), parse_constant=pytest.fail)[0]["equity"] is None


def test_csv_has_the_profit_of_each_trade() -> None:
    """It is empty where the money spent is unknown."""
    table = trades_table(10)
    fields = [
        row["profit"]
        for row in csv.DictReader(io.StringIO(encoded(opened(table.to_batches(), "trades"), "csv").decode()))
    ]
    trades = table.to_pylist()
    expected = ["" if t["spent"] is None else t["return_pct"] * t["spent"] for t in trades]
    assert [float(text) if text else "" for text in fields] == expected


@pytest.mark.parametrize("name", FORMATS)
def test_batches_of_any_size_and_dictionary_form_one_file(name: FormatName) -> None:
    """Files have several row groups, each with a dictionary of its own."""
    table = signals_table(CHUNK_ROWS + 2000)
    parts = [table[:500], table[500 : CHUNK_ROWS + 1900], table[-100:]]
    batches = [
        batch.set_column(0, "symbol", batch["symbol"].cast(pa.string()).dictionary_encode())
        for part in parts
        for batch in part.to_batches()
    ]
    data = encoded(opened(batches), name)
    read = {
        "json": lambda: pa.Table.from_pylist(json.loads(data)),
        "csv": lambda: pa.csv.read_csv(io.BytesIO(data)),
        "parquet": lambda: pq.read_table(io.BytesIO(data)),
        "arrow": lambda: pa.ipc.open_stream(data).read_all(),
    }[name]()
    assert read["symbol"].cast(pa.string()) == table["symbol"].cast(pa.string())
    assert np.array_equal(read["exit_price"].to_numpy(), table["exit_price"].to_numpy())
    assert read["traded"] == table["traded"]


@pytest.mark.parametrize("name", FORMATS)
def test_an_encoder_reads_ahead_by_one_batch_at_most(name: FormatName) -> None:
    """The first bytes are sent before the second batch is read, so memory does not grow with the rows."""
    read: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(signals_table(3 * CHUNK_ROWS).to_batches(CHUNK_ROWS)):
            read.append(number)
            yield batch

    table = ResultTable("signals", TABLE_SCHEMAS["signals"], 3 * CHUNK_ROWS, lambda _: batches())
    chunks = FORMATS[name].encode(table)
    sizes = [len(next(chunks)) for _ in range(2)]
    assert read in ([0], [0, 1])
    assert max(sizes) > 0
    chunks.close()
